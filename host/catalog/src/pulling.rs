//! Follows one image for as long as its `Plugin` asks for it: a tag is looked at again and again, a digest until it is here.

use std::{sync::Arc, time::Duration};

use motet_core::PluginName;
use rand::Rng as _;
use tokio::sync::mpsc;

use crate::{
    Fetched, Origin, Refusal,
    history::Proof,
    pull::{Asked, PullError, Puller},
};

/// The first wait after a failure; doubled up to the interval.
const RETRY: Duration = Duration::from_secs(5);

/// What following an image brings.
pub(crate) struct Pulled {
    pub(crate) name: PluginName,
    /// Which task of the plugin's says so: an earlier one changes nothing.
    pub(crate) sequence: u64,
    pub(crate) result: Result<News, Refusal>,
}

/// What is new about an image.
pub(crate) enum News {
    /// It holds this.
    Component(Fetched, Proof),
    /// It holds what it held; how it stands with its registry changed.
    Same(Origin),
}

/// One plugin's image.
pub(crate) struct Following {
    pub(crate) puller: Arc<Puller>,
    pub(crate) name: PluginName,
    pub(crate) sequence: u64,
    pub(crate) asked: Asked,
    /// What is here already, good for now.
    pub(crate) here: Option<Origin>,
    pub(crate) tell: mpsc::Sender<Pulled>,
}

impl Following {
    /// Runs until its task is dropped, or the image is here and can never change.
    pub(crate) async fn run(mut self) {
        let pinned = self.asked.oci.digest.is_some() || self.asked.oci.image.contains('@');
        let interval = self.puller.registries.interval;
        let (mut said, mut retry) = (None, RETRY.min(interval));
        while !(pinned && self.here.is_some()) {
            let wait = match self.look().await {
                Ok(news) => {
                    retry = RETRY.min(interval);
                    let back = said.take().and(self.here.clone()).map(News::Same);
                    if let Some(news) = news.or(back)
                        && !self.say(Ok(news)).await
                    {
                        return;
                    }
                    interval
                }
                Err(error) => {
                    let wait = error.after.unwrap_or(retry);
                    retry = (retry * 2).min(interval);
                    let same = said.replace(error.refusal.clone()).as_ref() == Some(&error.refusal);
                    if !same && !self.failed(error).await {
                        return;
                    }
                    wait
                }
            };
            tokio::time::sleep(jittered(wait)).await;
        }
    }

    /// What the image holds, if that is not what is here.
    async fn look(&mut self) -> Result<Option<News>, PullError> {
        let (registry, digest) = self.puller.resolve(&self.asked).await?;
        if self.here.as_ref().and_then(|origin| origin.image) == Some(digest) {
            return Ok(None);
        }
        let (fetched, proof) = self.puller.fetch(&self.asked, &registry, digest).await?;
        self.here = Some(fetched.origin.clone());
        Ok(Some(News::Component(fetched, proof)))
    }

    /// A registry that is away costs nothing while what it had is here; anything else is a refusal.
    async fn failed(&self, error: PullError) -> bool {
        let result = match &self.here {
            Some(origin) if error.transient => {
                let why = format!("{}; what was pulled before runs on", error.refusal.message);
                Ok(News::Same(Origin { warning: Some((error.refusal.reason.into(), why)), ..origin.clone() }))
            }
            _ => Err(error.refusal),
        };
        self.say(result).await
    }

    async fn say(&self, result: Result<News, Refusal>) -> bool {
        self.tell.send(Pulled { name: self.name.clone(), sequence: self.sequence, result }).await.is_ok()
    }
}

/// A tenth more or less, so that plugins of one registry do not ask in step.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.9..1.1))
}
