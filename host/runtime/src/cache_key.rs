//! The key that compiled components are authenticated by: out of a Secret of the hub, or of a file that is this user's alone.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

/// Bytes of a key.
const LENGTH: usize = 32;

/// See the module. It is not shown by anything.
pub struct CacheKey(hmac::Key);

impl CacheKey {
    /// This one.
    pub fn new(bytes: &[u8; LENGTH]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// A new one, as bytes to be kept somewhere.
    pub fn generate() -> io::Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random bytes"))?;
        Ok(bytes)
    }

    /// The one in `file`, which is made with mode 0600 where there is none. Refused where others may read it, or where it lies in
    /// `data_dir`: whoever can write there must not find it there.
    pub fn from_file(file: &Path, data_dir: &Path) -> io::Result<Self> {
        if let Some(folder) = file.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            if let (Ok(folder), Ok(data_dir)) = (folder.canonicalize(), data_dir.canonicalize())
                && folder.starts_with(&data_dir)
            {
                let message = format!(
                    "{} lies in --data-dir, which it is to protect: name another place with --cache-key",
                    file.display()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        match fs::File::options().write(true).create_new(true).mode(0o600).open(file) {
            Ok(mut new) => new.write_all(&Self::generate()?)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let metadata = fs::symlink_metadata(file)?;
        let me = rustix::process::geteuid().as_raw();
        if !metadata.is_file() || metadata.uid() != me || metadata.mode() & 0o077 != 0 {
            let message = format!("{} must be a file of user {me} with mode 0600", file.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        let bytes: [u8; LENGTH] = fs::read(file)?.try_into().map_err(|other: Vec<u8>| {
            let message = format!(
                "{} has {} bytes, a key has {LENGTH}: remove it, and a new one is made",
                file.display(),
                other.len()
            );
            io::Error::new(io::ErrorKind::InvalidData, message)
        })?;
        Ok(Self::new(&bytes))
    }

    pub(crate) fn context(&self) -> hmac::Context {
        hmac::Context::with_key(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn sign(key: &CacheKey) -> Vec<u8> {
        key.context().sign().as_ref().to_vec()
    }

    #[test]
    fn a_key_is_made_once_and_kept_to_oneself() {
        let folder = tempfile::tempdir().unwrap();
        let (data, file) = (folder.path().join("data"), folder.path().join("config/motet/cache.key"));
        fs::create_dir(&data).unwrap();
        let first = CacheKey::from_file(&file, &data).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(sign(&first), sign(&CacheKey::from_file(&file, &data).unwrap()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(CacheKey::from_file(&file, &data).err().unwrap().to_string().contains("0600"));
    }

    #[test]
    fn a_key_beside_what_it_protects_or_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = CacheKey::from_file(&folder.path().join("deep/cache.key"), folder.path()).err().unwrap();
        assert!(error.to_string().contains("--cache-key"), "{error}");
        let (data, file) = (folder.path().join("data"), folder.path().join("key"));
        fs::write(&file, "short").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(CacheKey::from_file(&file, &data).err().unwrap().to_string().contains("5 bytes"));
    }
}
