//! Members announced by Secrets in the hub, followed through the same list+watch streams as everything else.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use motet_core::{Change, Gvk, MemberName, Resource, description::Scope, names, ports::MemberApi};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::{MemberSpec, fleet::Announcement};

#[derive(Deserialize)]
struct Secret {
    metadata: Metadata,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    creation_timestamp: Option<jiff::Timestamp>,
}

/// The members of one namespace, kept up to date by changes.
#[derive(Default)]
struct Members {
    all: BTreeMap<String, Arc<MemberSpec>>,
    /// Names seen since a list began.
    listed: Option<HashSet<String>>,
    /// Whether a first list is complete: before that, what is known is not all.
    complete: bool,
}

impl Members {
    /// Takes one change in; true where the set of members changed and is complete.
    fn take(&mut self, change: Change, provider: &str) -> bool {
        match change {
            Change::Reset => self.listed = Some(HashSet::new()),
            Change::Initial(object) | Change::Upsert(object) => return self.put(&object, provider),
            Change::Delete(object) => {
                if let Ok(secret) = serde_json::from_slice::<Secret>(&object) {
                    return self.all.remove(&secret.metadata.name).is_some() && self.complete;
                }
            }
            Change::Synced { .. } => {
                if let Some(listed) = self.listed.take() {
                    self.all.retain(|name, _| listed.contains(name));
                }
                self.complete = true;
                return true;
            }
            Change::Resumed | Change::Bookmark { .. } => {}
            Change::Interrupted(why) => {
                if why.blocked {
                    tracing::error!(
                        provider,
                        reason = why.reason,
                        message = why.message,
                        "members cannot be listed in the hub"
                    );
                }
            }
        }
        false
    }

    fn put(&mut self, object: &Bytes, provider: &str) -> bool {
        let secret = match serde_json::from_slice::<Secret>(object) {
            Ok(secret) => secret,
            Err(error) => {
                tracing::warn!(provider, %error, "a member Secret cannot be read");
                return false;
            }
        };
        let name = secret.metadata.name.clone();
        if let Some(listed) = &mut self.listed {
            listed.insert(name.clone());
        }
        let Some(spec) = spec(secret, provider).map(Arc::new) else { return false };
        let before = self.all.insert(name, spec.clone());
        self.complete && self.listed.is_none() && before.as_ref() != Some(&spec)
    }
}

/// Reads a Secret; `None` where its name cannot be a member's, which Kubernetes rules out.
fn spec(secret: Secret, provider: &str) -> Option<MemberSpec> {
    let Metadata { name, labels, annotations, creation_timestamp } = secret.metadata;
    let data = secret.data.unwrap_or_default();
    // Without a kubeconfig the manager refuses it, and says so where people look.
    let kubeconfig = data.get("kubeconfig").and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
    let annotations = annotations.unwrap_or_default();
    Some(MemberSpec {
        name: MemberName::new(name).ok()?,
        kubeconfig: kubeconfig.into(),
        context: annotations.get(names::CONTEXT_ANNOTATION).cloned(),
        base: None,
        labels: labels.unwrap_or_default(),
        identity: annotations.get(names::IDENTITY_ANNOTATION).filter(|i| !i.is_empty()).cloned(),
        provider: provider.into(),
        created: creation_timestamp.map_or(0, jiff::Timestamp::as_second),
    })
}

/// Follows the Secrets of a namespace for ever.
pub(super) async fn run(
    hub: &dyn MemberApi,
    namespace: &str,
    provider: &str,
    index: usize,
    announce: mpsc::Sender<Announcement>,
) {
    let resource = Resource {
        gvk: Gvk::new("", "v1", "Secret"),
        plural: "secrets".into(),
        namespaced: true,
        status: false,
        watchable: true,
    };
    let scope = Scope {
        namespaces: vec![namespace.into()],
        labels: format!("{}=true", names::MEMBER_LABEL),
        fields: String::new(),
    };
    let mut changes = hub.watch(&resource, &scope, None);
    let mut members = Members::default();
    while let Some(change) = changes.next().await {
        let mut changed = members.take(change, provider);
        // What is there already goes out as one announcement.
        while let Some(Some(change)) = changes.next().now_or_never() {
            changed |= members.take(change, provider);
        }
        if changed && announce.send((index, members.all.values().cloned().collect())).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, kubeconfig: &str) -> Bytes {
        let data = STANDARD.encode(kubeconfig);
        format!(
            r#"{{"metadata":{{"name":"{name}","creationTimestamp":"2026-01-01T00:00:10Z","labels":{{"motet.dev/paused":"true","tier":"edge"}},
            "annotations":{{"motet.dev/context":"c","motet.dev/identity":"i"}}}},"data":{{"kubeconfig":"{data}"}}}}"#
        )
        .into()
    }

    fn synced() -> Change {
        Change::Synced { resource_version: "1".into() }
    }

    #[test]
    fn a_secret_is_a_member() {
        let mut members = Members::default();
        assert!(!members.take(Change::Initial(secret("a", "k")), "p"));
        assert!(members.take(synced(), "p"));
        let spec = &members.all["a"];
        assert_eq!(
            (&*spec.kubeconfig, spec.context.as_deref(), spec.identity.as_deref()),
            (b"k".as_slice(), Some("c"), Some("i"))
        );
        assert!(spec.paused() && spec.labels["tier"] == "edge");
        assert_eq!(spec.created, 1_767_225_610);
    }

    #[test]
    fn an_unchanged_secret_announces_nothing_and_a_relist_drops_what_is_gone() {
        let mut members = Members::default();
        members.take(synced(), "p");
        assert!(members.take(Change::Upsert(secret("a", "k")), "p"));
        assert!(!members.take(Change::Upsert(secret("a", "k")), "p"));
        assert!(members.take(Change::Upsert(secret("b", "k")), "p"));
        members.take(Change::Reset, "p");
        assert!(!members.take(Change::Initial(secret("b", "k")), "p"));
        assert!(members.take(synced(), "p"));
        assert_eq!(members.all.keys().collect::<Vec<_>>(), ["b"]);
        assert!(members.take(Change::Delete(secret("b", "k")), "p"));
        assert!(!members.take(Change::Upsert("nonsense".into()), "p"));
    }

    #[test]
    fn a_secret_without_kubeconfig_is_still_a_member() {
        let mut members = Members::default();
        members.take(Change::Initial(r#"{"metadata":{"name":"a"},"data":{"kubeconfig":"%%%"}}"#.into()), "p");
        assert!(members.all["a"].kubeconfig.is_empty());
    }
}
