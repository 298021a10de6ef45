//! What announces members: Secrets in the hub, folders of kubeconfigs, kubeconfig files with many contexts.

mod path;
mod scan;
mod secrets;

use std::{path::PathBuf, sync::Arc};

use motet_core::ports::MemberApi;
use tokio::sync::mpsc;

use crate::{FleetSettings, MemberSpec, fleet::Announcement};

/// One source of members.
pub enum Provider {
    /// Secrets of one namespace in the hub with the label `motet.dev/member=true`.
    Secrets {
        /// The hub.
        hub: Arc<dyn MemberApi>,
        /// Where the Secrets are.
        namespace: String,
    },
    /// A folder in which every file is a member, or a file in which every context is.
    Path(PathBuf),
    /// Whoever holds the other end: each message is all members as of now.
    Fed(mpsc::Receiver<Vec<MemberSpec>>),
}

impl Provider {
    /// What it is, for people.
    pub fn describe(&self) -> String {
        match self {
            Self::Secrets { namespace, .. } => format!("secret/{namespace}"),
            Self::Path(path) => format!("path/{}", path.display()),
            Self::Fed(_) => "fed".into(),
        }
    }

    /// Announces for ever.
    pub(crate) async fn run(self, settings: FleetSettings, index: usize, announce: mpsc::Sender<Announcement>) {
        let name = self.describe();
        match self {
            Self::Secrets { hub, namespace } => secrets::run(&*hub, &namespace, &name, index, announce).await,
            Self::Path(path) => path::run(path, &name, &settings, index, announce).await,
            Self::Fed(mut members) => {
                while let Some(all) = members.recv().await {
                    if announce.send((index, all.into_iter().map(Arc::new).collect())).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
