//! Reads the members of a folder or of one kubeconfig file, once.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use motet_cluster::{MAX_KUBECONFIG, contexts};
use motet_core::MemberName;

use crate::MemberSpec;

/// All members that a path announces now. The error is about the path itself; a single bad file is a member that is refused.
pub(super) fn scan(path: &Path, provider: &str) -> io::Result<Vec<Arc<MemberSpec>>> {
    if fs::metadata(path)?.is_dir() { folder(path, provider) } else { file(path, provider) }
}

fn folder(path: &Path, provider: &str) -> io::Result<Vec<Arc<MemberSpec>>> {
    // A mounted Secret is a folder of links into `..data`, itself a link that is swapped: resolved once, all files are of one version.
    let version = fs::canonicalize(path.join("..data")).unwrap_or_else(|_| path.to_path_buf());
    let mut members = Vec::new();
    for entry in fs::read_dir(version)? {
        let file = entry?.path();
        let hidden = file.file_name().is_none_or(|n| n.to_string_lossy().starts_with('.'));
        if hidden || !fs::metadata(&file).is_ok_and(|m| m.is_file()) {
            continue;
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let Some(name) = member_name(&stem, &file) else { continue };
        members.push(Arc::new(MemberSpec {
            kubeconfig: read(&file)?,
            context: None,
            base: file.parent().map(PathBuf::from),
            created: created(&file),
            ..announced(name, provider)
        }));
    }
    // Folders have no order; equal contents must compare equal.
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members.dedup_by(|a, b| {
        let twice = a.name == b.name;
        if twice {
            tracing::warn!(member = %a.name, provider, "two files announce one member");
        }
        twice
    });
    Ok(members)
}

fn file(path: &Path, provider: &str) -> io::Result<Vec<Arc<MemberSpec>>> {
    let kubeconfig = read(path)?;
    let all = contexts(&kubeconfig).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
    let mut members: Vec<Arc<MemberSpec>> = Vec::new();
    for context in all {
        let Some(name) = member_name(&context, path) else { continue };
        if members.iter().any(|m| m.name == name) {
            tracing::warn!(member = %name, context, provider, "two contexts announce one member");
            continue;
        }
        members.push(Arc::new(MemberSpec {
            kubeconfig: kubeconfig.clone(),
            context: Some(context),
            base: path.parent().map(PathBuf::from),
            created: created(path),
            ..announced(name, provider)
        }));
    }
    Ok(members)
}

fn announced(name: MemberName, provider: &str) -> MemberSpec {
    MemberSpec {
        name,
        kubeconfig: Bytes::new(),
        context: None,
        base: None,
        labels: std::collections::BTreeMap::new(),
        identity: None,
        provider: provider.into(),
        created: 0,
    }
}

/// A file's content, cut just past the limit, so that a huge one is refused by the parser and not read.
fn read(path: &Path) -> io::Result<Bytes> {
    use io::Read as _;
    let mut content = Vec::new();
    fs::File::open(path)?.take(MAX_KUBECONFIG as u64 + 1).read_to_end(&mut content)?;
    Ok(content.into())
}

/// When a file appeared, where the system tells; a rewritten file keeps its age.
fn created(path: &Path) -> i64 {
    let born = fs::metadata(path).and_then(|m| m.created()).ok();
    let since = born.and_then(|b| b.duration_since(UNIX_EPOCH).ok());
    since.and_then(|s| i64::try_from(s.as_secs()).ok()).unwrap_or(0)
}

/// The member's name for a file stem or context: what a name cannot hold becomes `-`.
fn member_name(text: &str, path: &Path) -> Option<MemberName> {
    let mapped = text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
    let name = MemberName::new(mapped.trim_matches(['-', '.']));
    if let Err(error) = &name {
        tracing::warn!(name = text, path = %path.display(), %error, "not a member");
    }
    name.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(members: &[Arc<MemberSpec>]) -> Vec<&str> {
        members.iter().map(|m| m.name.as_str()).collect()
    }

    #[test]
    fn files_of_a_folder_are_members() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["b.yaml", "a.kubeconfig", ".hidden", "Edge_1"] {
            fs::write(dir.path().join(file), file).unwrap();
        }
        fs::create_dir(dir.path().join("folder")).unwrap();
        let members = scan(dir.path(), "p").unwrap();
        assert_eq!(names(&members), ["a", "b", "edge-1"]);
        assert_eq!(&*members[0].kubeconfig, b"a.kubeconfig");
        assert_eq!(scan(dir.path(), "p").unwrap(), members, "an unchanged folder announces the same");
        assert!(scan(&dir.path().join("gone"), "p").is_err());
    }

    #[test]
    fn a_mounted_secret_is_read_as_one_version() {
        let dir = tempfile::tempdir().unwrap();
        let link = |version: &str| {
            let _ = fs::remove_file(dir.path().join("..tmp"));
            std::os::unix::fs::symlink(version, dir.path().join("..tmp")).unwrap();
            fs::rename(dir.path().join("..tmp"), dir.path().join("..data")).unwrap();
        };
        for (version, content) in [("..v1", "one"), ("..v2", "two")] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("a"), content).unwrap();
        }
        link("..v1");
        std::os::unix::fs::symlink("..data/a", dir.path().join("a")).unwrap();
        assert_eq!(&*scan(dir.path(), "p").unwrap()[0].kubeconfig, b"one");
        link("..v2");
        assert_eq!(&*scan(dir.path(), "p").unwrap()[0].kubeconfig, b"two");
    }

    #[test]
    fn contexts_of_a_file_are_members() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        let context = |n: &str| format!("{{name: '{n}', context: {{cluster: k}}}}");
        let all = [context("kind-a"), context("arn:aws:eks/b"), context("Kind_A")].join(", ");
        fs::write(&path, format!("contexts: [{all}]")).unwrap();
        let members = scan(&path, "p").unwrap();
        assert_eq!(names(&members), ["kind-a", "arn-aws-eks-b"]);
        assert_eq!(members[1].context.as_deref(), Some("arn:aws:eks/b"));
        fs::write(&path, "[").unwrap();
        assert!(scan(&path, "p").is_err());
    }

    #[test]
    fn a_huge_file_is_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![b'x'; 10 << 20]).unwrap();
        assert_eq!(scan(dir.path(), "p").unwrap()[0].kubeconfig.len(), MAX_KUBECONFIG + 1);
    }
}
