//! Components by digest, on disk where there is a data folder: what survives a restart while its source is away, and what a
//! rollback returns to. A name is a promise that reading checks, so nobody who tampers with the folder gets other code to run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    io::Write as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use motet_core::Digest;
use parking_lot::Mutex;

/// The kept components. Bounded by its owner, which says what to retain.
pub(crate) struct Store {
    folder: Option<PathBuf>,
    /// Where there is no folder, for as long as the process lives.
    memory: Mutex<BTreeMap<Digest, Bytes>>,
}

impl Store {
    /// Keeps components in `folder`, or in memory where there is none or it cannot be made.
    pub(crate) fn open(folder: Option<PathBuf>) -> Self {
        let made = folder.filter(|folder| match make(folder) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "components cannot be kept there; they are kept in memory");
                false
            }
        });
        Self { folder: made, memory: Mutex::default() }
    }

    /// Keeps one.
    pub(crate) fn put(&self, digest: Digest, bytes: &Bytes) {
        let Some(path) = self.path(digest) else {
            self.memory.lock().insert(digest, bytes.clone());
            return;
        };
        if path.exists() {
            return;
        }
        if let Err(error) = write(&path, bytes) {
            tracing::warn!(path = %path.display(), %error, "a component cannot be kept on disk; it is kept in memory");
            self.memory.lock().insert(digest, bytes.clone());
        }
    }

    /// The one of this digest. What is something else is removed.
    pub(crate) fn get(&self, digest: Digest) -> Option<Bytes> {
        if let Some(bytes) = self.memory.lock().get(&digest) {
            return Some(bytes.clone());
        }
        let path = self.path(digest)?;
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) == digest {
            return Some(bytes.into());
        }
        tracing::warn!(path = %path.display(), "a kept component is not what its name says; it is removed");
        let _ = fs::remove_file(&path);
        None
    }

    /// Forgets one.
    pub(crate) fn forget(&self, digest: Digest) {
        self.memory.lock().remove(&digest);
        if let Some(path) = self.path(digest) {
            let _ = fs::remove_file(path);
        }
    }

    /// Forgets all others.
    pub(crate) fn retain(&self, wanted: &BTreeSet<Digest>) {
        self.memory.lock().retain(|digest, _| wanted.contains(digest));
        let names: BTreeSet<String> = wanted.iter().map(Digest::hex).collect();
        for entry in self.folder.iter().filter_map(|f| fs::read_dir(f).ok()).flatten().flatten() {
            let kept = entry.path().file_stem().and_then(|s| s.to_str()).is_some_and(|s| names.contains(s));
            if !kept {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn path(&self, digest: Digest) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{}.wasm", digest.hex())))
    }
}

/// Makes a folder that is this user's alone.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a file that a reader sees whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("no folder"))?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(store: &Store) {
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
        let (first, second) = (Digest::of(&one), Digest::of(&two));
        store.put(first, &one);
        store.put(second, &two);
        assert_eq!((store.get(first), store.get(second)), (Some(one), Some(two)));
        store.retain(&[second].into());
        assert!(store.get(first).is_none() && store.get(second).is_some());
    }

    #[test]
    fn components_are_kept_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        check(&Store::open(Some(folder.path().join("components"))));
        check(&Store::open(None));
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        check(&Store::open(Some(file.join("impossible"))));
    }

    #[test]
    fn what_was_tampered_with_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(Some(folder.path().into()));
        let digest = Digest::of(b"good");
        store.put(digest, &Bytes::from_static(b"good"));
        let path = store.path(digest).unwrap();
        fs::write(&path, "evil").unwrap();
        assert!(store.get(digest).is_none() && !path.exists());
    }
}
