//! Follows a folder or file of kubeconfigs: at once where the system tells of changes, by looking every few seconds where it does not.

use std::{path::PathBuf, sync::Arc};

use notify::{
    EventKind, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::{Notify, mpsc},
    time::{sleep, timeout},
};

use super::scan::scan;
use crate::{FleetSettings, MemberSpec, fleet::Announcement};

/// Announces the members of a path for ever.
pub(super) async fn run(
    path: PathBuf,
    provider: &str,
    settings: &FleetSettings,
    index: usize,
    announce: mpsc::Sender<Announcement>,
) {
    let touched = Arc::new(Notify::new());
    // Kept alive for as long as this runs; without it the poll remains.
    let _watcher = watcher(&path, &touched).inspect_err(|error| {
        tracing::debug!(path = %path.display(), %error, "changes are not told by the system; polling");
    });
    let mut announced: Option<Vec<Arc<MemberSpec>>> = None;
    let mut trouble = String::new();
    loop {
        let (scanned, name) = (path.clone(), provider.to_string());
        match tokio::task::spawn_blocking(move || scan(&scanned, &name)).await {
            Ok(Ok(members)) if announced.as_ref() != Some(&members) => {
                announced = Some(members.clone());
                if announce.send((index, members)).await.is_err() {
                    return;
                }
            }
            Ok(Ok(_)) => trouble.clear(),
            // Half written, unmounted, not there yet: what was announced stands. Said once, not at every look.
            Ok(Err(error)) => {
                let new = error.to_string();
                if new != trouble {
                    tracing::warn!(path = %path.display(), error = new, "members cannot be read; keeping those known");
                    trouble = new;
                }
            }
            Err(error) => tracing::error!(path = %path.display(), %error, "reading members failed"),
        }
        if timeout(settings.poll_interval, touched.notified()).await.is_ok() {
            sleep(settings.settle).await;
        }
    }
}

fn watcher(path: &std::path::Path, touched: &Arc<Notify>) -> notify::Result<notify::RecommendedWatcher> {
    let touched = touched.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the folder is an event as well; answering it would never end.
        let read =
            |kind: EventKind| kind.is_access() && kind != EventKind::Access(AccessKind::Close(AccessMode::Write));
        if !event.is_ok_and(|e| read(e.kind)) {
            touched.notify_one();
        }
    })?;
    // A file is replaced rather than written by most tools: its folder tells, the file itself would not.
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
