//! Plugins in a folder: `NAME.yaml` and the component that it names. Seen by notifications, and every few seconds where those
//! are not delivered (a mounted ConfigMap swaps a symlink; some file systems tell nothing).

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use motet_core::PluginName;
use notify::{
    Event, EventKind, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use crate::{Component as Found, Handed, Observed, PluginObject, Refusal};

const SOURCE: &str = "folder";
/// Looks without being told.
const POLL: Duration = Duration::from_secs(5);
/// A file written a moment ago may be half written.
const SETTLE: Duration = Duration::from_millis(200);
/// A component larger than this is a mistake.
const MAX_COMPONENT: u64 = 256 << 20;

/// A folder of plugins.
pub struct FolderSource {
    folder: PathBuf,
    seen: BTreeMap<PathBuf, Seen>,
}

/// What a file looked like when it was last read.
#[derive(Clone, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    target: PathBuf,
}

struct Seen {
    name: PluginName,
    yaml: Stamp,
    wasm: Option<Stamp>,
}

/// Follows `folder` until the catalog ends.
pub async fn watch_folder(folder: PathBuf, observe: mpsc::Sender<Observed>) {
    let (wake, mut woken) = mpsc::channel(1);
    let watcher = notify::recommended_watcher(move |event| {
        if is_change(&event) {
            // One waiting wake-up stands for all that came since.
            let _ = wake.try_send(());
        }
    });
    let _watcher = match watcher.and_then(|mut w| w.watch(&folder, RecursiveMode::NonRecursive).map(|()| w)) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the plugin folder cannot be watched; looking every {POLL:?}");
            None
        }
    };
    let mut source = FolderSource { folder, seen: BTreeMap::new() };
    let mut poll = tokio::time::interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut listed = false;
    loop {
        tokio::select! {
            _ = poll.tick() => {}
            Some(()) = woken.recv() => tokio::time::sleep(SETTLE).await,
        }
        let (changes, settled) = tokio::task::block_in_place(|| source.scan());
        for change in changes {
            if observe.send(change).await.is_err() {
                return;
            }
        }
        if !settled {
            tokio::time::sleep(SETTLE).await;
            poll.reset_immediately();
        } else if !listed {
            listed = true;
            if observe.send(Observed::Listed { source: SOURCE }).await.is_err() {
                return;
            }
        }
    }
}

/// Whether there is something new to see. That a file was opened or read is told as well, which the look that follows would do again.
fn is_change(event: &notify::Result<Event>) -> bool {
    event.as_ref().map_or(true, |event| match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    })
}

impl FolderSource {
    /// What changed since the last look, and whether every file had settled.
    fn scan(&mut self) -> (Vec<Observed>, bool) {
        let files = match yaml_files(&self.folder) {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "the plugin folder cannot be read; its plugins stay as they are");
                return (vec![], true);
            }
        };
        let (mut changes, mut settled) = (Vec::new(), true);
        let gone: Vec<PathBuf> = self.seen.keys().filter(|p| files.binary_search(p).is_err()).cloned().collect();
        for path in gone {
            if let Some(seen) = self.seen.remove(&path) {
                changes.push(Observed::Gone { source: SOURCE, name: seen.name });
            }
        }
        for path in files {
            match self.look(&path) {
                Ok(Some(found)) => changes.extend(found),
                Ok(None) => {}
                Err(Unsettled) => settled = false,
            }
        }
        (changes, settled)
    }

    fn look(&mut self, path: &Path) -> Result<Option<Vec<Observed>>, Unsettled> {
        let yaml = stamp(path)?;
        let Some(yaml) = yaml else { return Ok(None) };
        let object = fs::read(path)
            .map_err(|e| Refusal::fetch("InvalidObject", format!("{} cannot be read: {e}", path.display())))
            .and_then(|text| PluginObject::from_yaml(&text));
        let stem = path.file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let Some(name) = object.as_ref().ok().map(|o| o.name.clone()).or_else(|| PluginName::new(stem).ok()) else {
            tracing::warn!(file = %path.display(), "the file names no plugin and cannot be one: {}", message(&object));
            return Ok(None);
        };
        let image = object.as_ref().is_ok_and(|o| o.spec.source.oci.is_some());
        let wasm_path = object.as_ref().ok().filter(|_| !image).map(|o| self.component_path(path, o));
        let wasm = match &wasm_path {
            Some(Ok(wasm)) => stamp(wasm)?,
            _ => None,
        };
        let previous = self.seen.get(path);
        if previous.is_some_and(|s| s.name == name && s.yaml == yaml && s.wasm == wasm) {
            return Ok(None);
        }
        let mut changes = Vec::new();
        if let Some(renamed) = previous.filter(|s| s.name != name) {
            changes.push(Observed::Gone { source: SOURCE, name: renamed.name.clone() });
        }
        let component = match wasm_path {
            _ if image => Found::Image,
            Some(Ok(wasm)) => Found::Here(read_component(&wasm)),
            Some(Err(refusal)) => Found::Here(Err(refusal)),
            None => Found::Here(Err(Refusal::fetch("InvalidObject", "the Plugin cannot be read"))),
        };
        self.seen.insert(path.into(), Seen { name: name.clone(), yaml, wasm });
        changes.push(Observed::Present { source: SOURCE, name, object: object.map(Box::new), component });
        Ok(Some(changes))
    }

    /// The component beside the YAML: inside the folder, whatever the YAML says.
    fn component_path(&self, yaml: &Path, object: &PluginObject) -> Result<PathBuf, Refusal> {
        let source = &object.spec.source;
        if source.config_map.is_some() {
            return Err(Refusal::fetch("SourceInvalid", "source.configMap needs a hub: in a folder use source.path"));
        }
        let Some(path) = &source.path else { return Ok(yaml.with_extension("wasm")) };
        let relative = Path::new(path);
        if relative.components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir)) {
            Ok(self.folder.join(relative))
        } else {
            Err(Refusal::fetch("SourceInvalid", format!("source.path {path:?} leaves the plugin folder")))
        }
    }
}

/// A file changed too recently to be read.
struct Unsettled;

fn message(object: &Result<PluginObject, Refusal>) -> &str {
    object.as_ref().err().map_or("", |r| &r.message)
}

/// In order.
fn yaml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| matches!(path.extension().and_then(OsStr::to_str), Some("yaml" | "yml")))
        .filter(|path| !path.file_name().and_then(OsStr::to_str).is_some_and(|n| n.starts_with('.')))
        .collect();
    files.sort();
    Ok(files)
}

/// How a file looks; none where there is none.
fn stamp(path: &Path) -> Result<Option<Stamp>, Unsettled> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(None) };
    let modified = metadata.modified().ok();
    let fresh = modified.and_then(|m| m.elapsed().ok()).is_some_and(|age| age < SETTLE);
    if fresh {
        return Err(Unsettled);
    }
    // Resolved, so that a swapped symlink is a change even where time and length are the same.
    Ok(Some(Stamp { modified, length: metadata.len(), target: fs::canonicalize(path).unwrap_or_default() }))
}

/// The component, with the detached signature beside it if there is a file `NAME.wasm.sig`.
fn read_component(path: &Path) -> Result<Handed, Refusal> {
    let unreadable =
        |e: &dyn std::fmt::Display| Refusal::fetch("SourceMissing", format!("{} cannot be read: {e}", path.display()));
    let length = fs::metadata(path).map_err(|e| unreadable(&e))?.len();
    if length > MAX_COMPONENT {
        return Err(Refusal::fetch(
            "TooLarge",
            format!("{} has {length} bytes, at most {MAX_COMPONENT} are read", path.display()),
        ));
    }
    let bytes = fs::read(path).map(Bytes::from).map_err(|e| unreadable(&e))?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".sig");
    let file = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    Ok(Handed {
        bytes,
        from: format!("file {file}"),
        policy_name: format!("path/{file}"),
        signature: fs::read_to_string(beside).ok().map(|text| text.trim().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "apiVersion: motet.dev/v1alpha1\nkind: Plugin\nmetadata: { name: x }\nspec: {}\n";

    fn source() -> (tempfile::TempDir, FolderSource) {
        let dir = tempfile::tempdir().unwrap();
        let source = FolderSource { folder: dir.path().into(), seen: BTreeMap::new() };
        (dir, source)
    }

    #[test]
    fn what_a_look_itself_does_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yaml");
        fs::write(&file, YAML).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let notice = move |event| tell.send(is_change(&event)).unwrap_or_default();
        let mut watcher = notify::recommended_watcher(notice).unwrap();
        watcher.watch(dir.path(), RecursiveMode::NonRecursive).unwrap();
        fs::read(&file).unwrap();
        fs::write(dir.path().join("y.yaml"), YAML).unwrap();
        // Told in their order: the read first, then the write, which ends the wait.
        assert!(told.iter().take_while(|change| !change).count() > 0);
    }

    fn write_old(path: &Path, text: &[u8], seconds: u64) {
        fs::write(path, text).unwrap();
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn a_plugin_appears_changes_and_goes() {
        let (dir, mut source) = source();
        write_old(&dir.path().join("x.yaml"), YAML.as_bytes(), 60);
        write_old(&dir.path().join("x.wasm"), b"one", 60);
        let (changes, settled) = source.scan();
        assert!(
            settled
                && matches!(&changes[..], [Observed::Present { component: Found::Here(Ok(c)), .. }] if *c.bytes == *b"one")
        );
        assert!(source.scan().0.is_empty(), "nothing changed");
        write_old(&dir.path().join("x.wasm"), b"two", 30);
        assert!(
            matches!(&source.scan().0[..], [Observed::Present { component: Found::Here(Ok(c)), .. }] if *c.bytes == *b"two")
        );
        fs::remove_file(dir.path().join("x.yaml")).unwrap();
        assert!(matches!(&source.scan().0[..], [Observed::Gone { .. }]));
    }

    #[test]
    fn a_file_still_being_written_is_not_read() {
        let (dir, mut source) = source();
        write_old(&dir.path().join("x.yaml"), YAML.as_bytes(), 60);
        fs::write(dir.path().join("x.wasm"), b"ha").unwrap();
        let (changes, settled) = source.scan();
        assert!(changes.is_empty() && !settled);
    }

    /// What a kubelet does for a mounted ConfigMap: files are links through `..data`, which is swapped to another folder.
    #[test]
    fn a_mounted_config_map_that_is_swapped_is_one_change() {
        let (dir, mut source) = source();
        let version = |name: &str, wasm: &[u8]| {
            fs::create_dir(dir.path().join(name)).unwrap();
            write_old(&dir.path().join(name).join("x.yaml"), YAML.as_bytes(), 60);
            write_old(&dir.path().join(name).join("x.wasm"), wasm, 60);
            let link = dir.path().join("..data_tmp");
            std::os::unix::fs::symlink(name, &link).unwrap();
            fs::rename(link, dir.path().join("..data")).unwrap();
        };
        version("..2026_1", b"one");
        for file in ["x.yaml", "x.wasm"] {
            std::os::unix::fs::symlink(format!("..data/{file}"), dir.path().join(file)).unwrap();
        }
        let (changes, settled) = source.scan();
        assert!(
            settled
                && matches!(&changes[..], [Observed::Present { component: Found::Here(Ok(c)), .. }] if *c.bytes == *b"one")
        );
        assert!(source.scan().0.is_empty(), "nothing changed");
        version("..2026_2", b"two");
        let changes = source.scan().0;
        assert!(
            matches!(&changes[..], [Observed::Present { component: Found::Here(Ok(c)), .. }] if *c.bytes == *b"two"),
            "of equal length"
        );
    }

    #[test]
    fn a_path_outside_the_folder_or_a_missing_file_is_refused() {
        let (dir, mut source) = source();
        write_old(&dir.path().join("x.yaml"), YAML.replace("{}", "{ source: { path: ../y.wasm } }").as_bytes(), 60);
        assert!(
            matches!(&source.scan().0[..], [Observed::Present { component: Found::Here(Err(r)), .. }] if r.reason == "SourceInvalid")
        );
        write_old(&dir.path().join("x.yaml"), YAML.as_bytes(), 50);
        assert!(
            matches!(&source.scan().0[..], [Observed::Present { component: Found::Here(Err(r)), .. }] if r.reason == "SourceMissing")
        );
    }
}
