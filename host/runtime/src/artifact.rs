//! Compiled components on disk. Loading one is as trusted as running code of this process, so this is the one module that may
//! use `unsafe`, and it loads only from a folder that nobody else can write to.

use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    os::fd::AsRawFd,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use motet_core::Digest;
use parking_lot::Mutex;
use ring::hmac;
use wasmtime::{Engine, component::Component};

use crate::cache_key::CacheKey;

/// What the code's authenticity is stated over, so that no other use of the key can stand for it.
const DOMAIN: &[u8] = b"motet compiled component v1";

/// A folder of compiled components, keyed by the engine's compatibility hash and the component's digest. Each is authenticated by a
/// key that is not in the folder: what somebody else put there is compiled again, not loaded.
pub struct ArtifactDir {
    /// `None` when nothing may be kept: every component is then compiled at each start.
    kept: Option<Kept>,
}

struct Kept {
    root: PathBuf,
    key: CacheKey,
    /// Bytes at most; the least recently used go first.
    capacity: u64,
    /// Bytes of code in the folder, once it has been looked through: since then what was written is added, so rather too many. It
    /// spares a look at every file for each that is written.
    held: Mutex<Option<u64>>,
}

impl ArtifactDir {
    /// Nothing is kept.
    pub fn none() -> Self {
        Self { kept: None }
    }

    /// Uses `data_dir/compiled`, made with mode 0700, for at most `capacity` bytes. Fails where it belongs to somebody else or
    /// others may enter it.
    pub fn open(data_dir: &Path, key: CacheKey, capacity: u64) -> io::Result<Self> {
        let root = data_dir.join("compiled");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        check_private(&root)?;
        Ok(Self { kept: Some(Kept { root, key, capacity, held: Mutex::default() }) })
    }

    /// The compiled component of `digest`, if a good one is there. What cannot be loaded is removed and compiled again.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let kept = self.kept.as_ref()?;
        let path = kept.path(engine, digest);
        let file = File::open(&path).ok()?;
        let private = [Some(kept.root.as_path()), path.parent()].into_iter().flatten().try_for_each(check_private);
        if let Err(error) = private {
            tracing::warn!(path = %path.display(), %error, "the folder of compiled components is not private; nothing is loaded from it");
            return None;
        }
        match kept.read(engine, digest, &path, file) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(path = %path.display(), error, "a compiled component cannot be used; compiling it again");
                kept.remove(&path);
                None
            }
        }
    }

    /// Keeps a compiled component; a reader never sees half of it.
    pub(crate) fn store(&self, engine: &Engine, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let Some(kept) = &self.kept else { return Err(io::Error::other("no data folder")) };
        let path = kept.path(engine, digest);
        let Some(folder) = path.parent() else { return Err(io::Error::other("no folder")) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut tag = kept.tag(engine, digest);
        tag.update(code);
        write(folder, &tag_path(&path), tag.sign().as_ref())?;
        write(folder, &path, code)?;
        let mut held = kept.held.lock();
        let grown = held.map(|held| held.saturating_add(code.len() as u64)).filter(|held| *held <= kept.capacity);
        *held = Some(match grown {
            Some(held) => held,
            None => kept.collect(&path)?,
        });
        Ok(())
    }
}

impl Kept {
    fn path(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        self.root.join(compatibility(engine)).join(format!("{}.cwasm", digest.hex()))
    }

    fn tag(&self, engine: &Engine, digest: &Digest) -> hmac::Context {
        let mut tag = self.key.context();
        for part in [DOMAIN, compatibility(engine).as_bytes(), digest.hex().as_bytes()] {
            tag.update(&(part.len() as u64).to_le_bytes());
            tag.update(part);
        }
        tag
    }

    fn read(&self, engine: &Engine, digest: &Digest, path: &Path, mut file: File) -> Result<Component, String> {
        let text = |e: io::Error| e.to_string();
        let mut tag = self.tag(engine, digest);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match file.read(&mut buffer).map_err(text)? {
                0 => break,
                read => tag.update(&buffer[..read]),
            }
        }
        let stated = fs::read(tag_path(path)).map_err(|e| format!("its tag cannot be read: {e}"))?;
        if !constant_time_equal(tag.sign().as_ref(), &stated) {
            return Err("its tag is not of this host's key: somebody else wrote it, or it is damaged".into());
        }
        // Used now: what is used last is collected last. That it cannot be noted harms nobody.
        let _ = file.set_modified(SystemTime::now());
        load_file(engine, &file).map_err(|e| format!("{e:#}"))
    }

    fn remove(&self, path: &Path) {
        let _ = fs::remove_file(path);
        let _ = fs::remove_file(tag_path(path));
    }

    /// Removes the least recently used until the rest fits, and says what that is; `newest` stays in any case.
    fn collect(&self, newest: &Path) -> io::Result<u64> {
        let mut all = Vec::new();
        for folder in fs::read_dir(&self.root)?.flatten() {
            for entry in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|e| e == "cwasm")
                    && let Ok(metadata) = entry.metadata()
                {
                    all.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
                }
            }
        }
        let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
        all.sort();
        for (_, size, path) in all {
            if total <= self.capacity {
                break;
            }
            if path != newest {
                self.remove(&path);
                total -= size;
            }
        }
        Ok(total)
    }
}

fn compatibility(engine: &Engine) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

fn tag_path(path: &Path) -> PathBuf {
    path.with_extension("tag")
}

fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// Equal, without saying by its time how far.
fn constant_time_equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
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

#[allow(unsafe_code, reason = "one of the two places where compiled code is loaded; see the module's first lines")]
fn load_file(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    // The very file that was read, whatever its name leads to by now.
    let same = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the bytes were just found to carry the tag of this host's key, which is not in the folder; `check_private` found the
    // folder to be writable by this user only, so nobody changes them under our hands. wasmtime refuses another version or other settings.
    unsafe { Component::deserialize_file(engine, same) }
}

/// Loads code that was just compiled and could not be kept.
#[allow(unsafe_code, reason = "the other place where compiled code is loaded")]
pub(crate) fn load_code(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the caller got it from `precompile_component`, in this process or in the confined one that it started.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> Engine {
        Engine::default()
    }

    fn open(folder: &Path, key: u8) -> ArtifactDir {
        ArtifactDir::open(folder, CacheKey::new(&[key; 32]), 1 << 20).unwrap()
    }

    fn code(engine: &Engine) -> Vec<u8> {
        engine.precompile_component(&wat::parse_str("(component)").unwrap()).unwrap()
    }

    fn path(artifacts: &ArtifactDir, engine: &Engine, digest: &Digest) -> PathBuf {
        artifacts.kept.as_ref().unwrap().path(engine, digest)
    }

    #[test]
    fn what_is_stored_is_loaded_and_nothing_else_is() {
        let (dir, engine, digest) = (tempfile::tempdir().unwrap(), engine(), Digest::of(b"x"));
        let artifacts = open(dir.path(), 1);
        let code = code(&engine);
        let place = path(&artifacts, &engine, &digest);
        let other = path(&artifacts, &engine, &Digest::of(b"y"));
        let spoil: [(&str, &dyn Fn()); 5] = [
            ("garbage", &|| fs::write(&place, b"garbage").unwrap()),
            ("truncated", &|| fs::write(&place, &code[..code.len() - 1]).unwrap()),
            ("without its tag", &|| fs::remove_file(tag_path(&place)).unwrap()),
            ("another's tag", &|| open(dir.path(), 2).store(&engine, &digest, &code).unwrap()),
            ("moved from another digest", &|| {
                artifacts.store(&engine, &Digest::of(b"y"), &code).unwrap();
                fs::copy(&other, &place).unwrap();
                fs::copy(tag_path(&other), tag_path(&place)).unwrap();
            }),
        ];
        for (what, spoil) in spoil {
            artifacts.store(&engine, &digest, &code).unwrap();
            assert!(artifacts.load(&engine, &digest).is_some());
            spoil();
            assert!(artifacts.load(&engine, &digest).is_none(), "{what}");
            assert!(!place.exists(), "{what}: what cannot be loaded is removed");
        }
    }

    #[test]
    fn code_of_another_version_is_not_loaded_even_with_the_right_tag() {
        let (dir, engine, digest) = (tempfile::tempdir().unwrap(), engine(), Digest::of(b"x"));
        let artifacts = open(dir.path(), 1);
        let mut foreign = wasmtime::Config::new();
        foreign.epoch_interruption(true);
        let foreign = code(&Engine::new(&foreign).unwrap());
        artifacts.store(&engine, &digest, &foreign).unwrap();
        assert!(artifacts.load(&engine, &digest).is_none());
    }

    #[test]
    fn the_least_recently_used_go_when_it_is_full() {
        let (dir, engine) = (tempfile::tempdir().unwrap(), engine());
        let code = code(&engine);
        let capacity = code.len() as u64 * 3;
        let artifacts = ArtifactDir::open(dir.path(), CacheKey::new(&[1; 32]), capacity).unwrap();
        let digests: Vec<Digest> = (0..5_u8).map(|i| Digest::of(&[i])).collect();
        for (age, digest) in digests.iter().enumerate() {
            artifacts.store(&engine, digest, &code).unwrap();
            let file = File::options().append(true).open(path(&artifacts, &engine, digest)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(100 - age as u64)).unwrap();
            // The first one is used all the time.
            artifacts.load(&engine, &digests[0]);
        }
        let left: Vec<usize> = (0..5).filter(|i| path(&artifacts, &engine, &digests[*i]).exists()).collect();
        assert_eq!(left, [0, 3, 4]);
        // What an earlier host left counts too.
        let next = ArtifactDir::open(dir.path(), CacheKey::new(&[1; 32]), capacity).unwrap();
        next.store(&engine, &Digest::of(b"next"), &code).unwrap();
        let left = (0..5).filter(|i| path(&next, &engine, &digests[*i]).exists()).count();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_trusted() {
        let (dir, engine, digest) = (tempfile::tempdir().unwrap(), engine(), Digest::of(b"x"));
        let artifacts = open(dir.path(), 1);
        artifacts.store(&engine, &digest, &code(&engine)).unwrap();
        let root = dir.path().join("compiled");
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(artifacts.load(&engine, &digest).is_none());
        assert!(ArtifactDir::open(dir.path(), CacheKey::new(&[1; 32]), 1 << 20).is_err());
    }
}
