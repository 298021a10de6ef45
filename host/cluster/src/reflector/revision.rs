//! Whether a server still is where its watchers were.
//!
//! Versions are etcd's revisions. A cluster that was restored from an older snapshot counts on from there, and a watch from a
//! version that it has not reached is accepted and says nothing until it is: whatever happens before is lost in silence. So a
//! watch that resumes over a new connection first makes sure that the server has been where it was.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Context, breaks::Break, whole_page};
use crate::paths::Query;
use motet_core::{Resource, object::rv_number};

/// What is known of how far the server behind one client is.
#[derive(Debug, Default)]
pub(crate) struct Revision {
    /// The greatest version it is known to have reached since the last broken connection; 0 for none.
    reached: AtomicU64,
    /// Held by the first that asks, so that the others, which start at the same moment, need not.
    asking: tokio::sync::Mutex<()>,
}

impl Revision {
    /// The connection broke: it may be another server, or one that went back.
    pub(super) fn forget(&self) {
        self.reached.store(0, Ordering::Relaxed);
    }

    fn saw(&self, version: u64) {
        self.reached.fetch_max(version, Ordering::Relaxed);
    }

    fn reached(&self, version: u64) -> bool {
        self.reached.load(Ordering::Relaxed) >= version
    }
}

/// Makes sure that the server has reached `version`: by what is known of it, else by one object of the kind. Versions that are
/// no numbers cannot be compared, and pass.
pub(super) async fn confirm(context: &Context, resource: &Resource, query: Query, version: &str) -> Result<(), Break> {
    let Some(wanted) = rv_number(version) else { return Ok(()) };
    let asking = context.revision.asking.try_lock();
    if asking.is_err() {
        // Waited for, not held: where the first had no answer, everybody asks.
        drop(context.revision.asking.lock().await);
    }
    if context.revision.reached(wanted) {
        return Ok(());
    }
    let doing = format!("asking how far {resource} are");
    // Without a version, so that the answer is not from a cache that lags.
    let page = whole_page(context, resource, &doing, query.with("limit", "1").finish()).await;
    let (_, meta) = page.map_err(|error| Break::of_watch(&error))?;
    // Some aggregated servers have no versions, or say 0.
    let Some(now) = rv_number(&meta.resource_version).filter(|now| *now > 0) else { return Ok(()) };
    context.revision.saw(now);
    if now < wanted { Err(Break::went_back(wanted, now)) } else { Ok(()) }
}
