//! Compiled components on disk. Loading one is as trusted as running code of this process, so this is the one module that may
//! use `unsafe`, and it loads only from a folder that nobody else can write to.

use std::{
    hash::{Hash, Hasher},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use motet_core::Digest;
use wasmtime::{Engine, component::Component};

/// A folder of compiled components, keyed by the engine's compatibility hash and the component's digest.
pub struct ArtifactDir {
    /// `None` when nothing may be kept: every component is then compiled at each start.
    root: Option<PathBuf>,
}

impl ArtifactDir {
    /// Nothing is kept.
    pub fn none() -> Self {
        Self { root: None }
    }

    /// Uses `data_dir/compiled`, made with mode 0700. Fails where it belongs to somebody else or others may enter it.
    pub fn open(data_dir: &Path) -> io::Result<Self> {
        let root = data_dir.join("compiled");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        check_private(&root)?;
        Ok(Self { root: Some(root) })
    }

    fn path(&self, engine: &Engine, digest: &Digest) -> Option<PathBuf> {
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Some(self.root.as_ref()?.join(format!("{:016x}", hasher.finish())).join(format!("{}.cwasm", digest.hex())))
    }

    /// The compiled component of `digest`, if a good one is there. What cannot be loaded is removed and compiled again.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(engine, digest)?;
        if !path.exists() {
            return None;
        }
        let private = [self.root.as_deref(), path.parent()].into_iter().flatten().try_for_each(check_private);
        if let Err(error) = private {
            tracing::warn!(path = %path.display(), %error, "the folder of compiled components is not private; nothing is loaded from it");
            return None;
        }
        match deserialize(engine, &path) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled component cannot be used; compiling it again");
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps a compiled component; a reader never sees half of it.
    pub(crate) fn store(&self, engine: &Engine, digest: &Digest, artifact: &[u8]) -> io::Result<()> {
        let Some(path) = self.path(engine, digest) else { return Err(io::Error::other("no data folder")) };
        let Some(folder) = path.parent() else { return Err(io::Error::other("no folder")) };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(artifact)?;
        file.persist(&path)?;
        Ok(())
    }
}

/// A folder only this process's user can read or write.
fn check_private(folder: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(folder)?;
    let mode = metadata.permissions().mode() & 0o777;
    let me = rustix::process::geteuid().as_raw();
    if !metadata.is_dir() || metadata.uid() != me || mode & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "{} must be a folder of user {me} with mode 0700, it belongs to user {} with mode {mode:04o}: run chmod 700 on it or choose another --data-dir",
                folder.display(),
                metadata.uid()
            ),
        ));
    }
    Ok(())
}

#[allow(unsafe_code, reason = "the one place where compiled code is loaded; see the module's first lines")]
fn deserialize(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: the file was written by this module, into a folder that `check_private` found to be writable by this user
    // only, so its bytes are what `precompile_component` produced. wasmtime itself refuses another version or other settings.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "(component)";

    fn engine() -> Engine {
        Engine::default()
    }

    #[test]
    fn what_is_stored_is_loaded_and_garbage_is_not() {
        let (dir, engine) = (tempfile::tempdir().unwrap(), engine());
        let artifacts = ArtifactDir::open(dir.path()).unwrap();
        let (wasm, digest) = (wat::parse_str(EMPTY).unwrap(), Digest::of(b"x"));
        assert!(artifacts.load(&engine, &digest).is_none());
        artifacts.store(&engine, &digest, &engine.precompile_component(&wasm).unwrap()).unwrap();
        assert!(artifacts.load(&engine, &digest).is_some());
        let path = artifacts.path(&engine, &digest).unwrap();
        std::fs::write(&path, b"garbage").unwrap();
        assert!(artifacts.load(&engine, &digest).is_none());
        assert!(!path.exists(), "what cannot be loaded is removed");
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_trusted() {
        let (dir, engine) = (tempfile::tempdir().unwrap(), engine());
        let artifacts = ArtifactDir::open(dir.path()).unwrap();
        let (wasm, digest) = (wat::parse_str(EMPTY).unwrap(), Digest::of(b"x"));
        artifacts.store(&engine, &digest, &engine.precompile_component(&wasm).unwrap()).unwrap();
        let root = dir.path().join("compiled");
        std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(artifacts.load(&engine, &digest).is_none());
        assert!(ArtifactDir::open(dir.path()).is_err());
    }
}
