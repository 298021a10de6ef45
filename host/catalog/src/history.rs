//! The last good revisions of each plugin: what goes on while a source is away, across restarts, and what a rollback returns to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use bytes::Bytes;
use motet_core::{Digest, PluginName};
use motet_oci::signature::Found;
use serde::{Deserialize, Serialize};

use crate::{
    Origin,
    store::{self, Store},
};

/// Good revisions kept per plugin.
const KEPT: usize = 2;

/// A revision that came through every step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Good {
    /// The component's digest.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
    /// What proves that, for judging it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proof: Option<Proof>,
    /// When it was first good.
    pub since: jiff::Timestamp,
}

/// What shows that a component is what an image holds, and who signed it; checked again whenever it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proof {
    /// The image as it was asked for.
    pub(crate) image: String,
    /// Its manifest, after the index that led to it where there was one.
    pub(crate) manifests: Vec<String>,
    /// The signatures beside it, as they were found.
    pub(crate) signatures: Vec<Found>,
}

/// Every plugin's good revisions, newest first.
pub(crate) struct History {
    folder: Option<PathBuf>,
    store: Store,
    plugins: BTreeMap<PluginName, Vec<Good>>,
}

impl History {
    /// Reads what an earlier host kept in `data_dir`.
    pub(crate) fn open(data_dir: Option<PathBuf>) -> Self {
        let folder = data_dir.as_ref().map(|d| d.join("plugins")).filter(|f| store::make(f).is_ok());
        let mut plugins = BTreeMap::new();
        for entry in folder.iter().filter_map(|f| fs::read_dir(f).ok()).flatten().flatten() {
            let path = entry.path();
            let name = path.file_stem().and_then(|s| s.to_str()).and_then(|s| PluginName::new(s).ok());
            let goods = fs::read(&path).ok().and_then(|json| serde_json::from_slice::<Vec<Good>>(&json).ok());
            match (name, goods) {
                (Some(name), Some(goods)) => drop(plugins.insert(name, goods.into_iter().take(KEPT).collect())),
                _ => {
                    tracing::warn!(path = %path.display(), "what is kept of a plugin cannot be read; it is fetched anew")
                }
            }
        }
        Self { folder, store: Store::open(data_dir.map(|d| d.join("components"))), plugins }
    }

    /// The good revisions of `plugin`, newest first.
    pub(crate) fn of(&self, plugin: &PluginName) -> &[Good] {
        self.plugins.get(plugin).map_or(&[], Vec::as_slice)
    }

    /// The component of a good revision.
    pub(crate) fn component(&self, digest: Digest) -> Option<Bytes> {
        self.store.get(digest)
    }

    /// Notes that a component is good; `bytes` where it may not be kept yet. What falls off the end is forgotten.
    pub(crate) fn note(
        &mut self,
        plugin: &PluginName,
        digest: Digest,
        origin: &Origin,
        proof: Option<Proof>,
        bytes: Option<&Bytes>,
    ) {
        let goods = self.plugins.entry(plugin.clone()).or_default();
        let known = goods.iter().find(|g| g.digest == digest);
        let since = known.map_or_else(jiff::Timestamp::now, |g| g.since);
        let proof = proof.or_else(|| known.and_then(|g| g.proof.clone()));
        let origin = Origin { warning: None, ..origin.clone() };
        let good = Good { digest, origin, proof, since };
        if goods.first() == Some(&good) {
            return;
        }
        goods.retain(|g| g.digest != digest);
        goods.insert(0, good);
        let fallen = goods.split_off(goods.len().min(KEPT));
        if let Some(bytes) = bytes {
            self.store.put(digest, bytes);
        }
        self.save(plugin);
        self.drop_unused(&fallen);
    }

    /// Forgets a plugin.
    pub(crate) fn forget(&mut self, plugin: &PluginName) {
        if let Some(goods) = self.plugins.remove(plugin) {
            if let Some(path) = self.path(plugin) {
                let _ = fs::remove_file(path);
            }
            self.drop_unused(&goods);
        }
    }

    /// Forgets every plugin that is not among `present`: they went while no host looked. With them goes what nobody has, as a host
    /// that died on the way may have left it.
    pub(crate) fn retain(&mut self, present: &BTreeSet<PluginName>) {
        let gone: Vec<PluginName> = self.plugins.keys().filter(|p| !present.contains(*p)).cloned().collect();
        gone.iter().for_each(|plugin| self.forget(plugin));
        self.store.retain(&self.plugins.values().flatten().map(|g| g.digest).collect());
    }

    /// Forgets the components of these revisions, unless another has them. The folder is not read for it, which would be once for
    /// each revision, and grow with their number.
    fn drop_unused(&self, fallen: &[Good]) {
        for good in fallen {
            if !self.plugins.values().flatten().any(|g| g.digest == good.digest) {
                self.store.forget(good.digest);
            }
        }
    }

    fn save(&self, plugin: &PluginName) {
        let Some(path) = self.path(plugin) else { return };
        let written = serde_json::to_vec_pretty(self.of(plugin))
            .map_err(std::io::Error::other)
            .and_then(|json| store::write(&path, &json));
        if let Err(error) = written {
            tracing::warn!(%plugin, %error, "its good revisions cannot be kept on disk; after a restart they are unknown");
        }
    }

    fn path(&self, plugin: &PluginName) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join(format!("{plugin}.json")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(history: &mut History, plugin: &PluginName, bytes: &'static [u8]) -> Digest {
        let digest = Digest::of(bytes);
        history.note(plugin, digest, &Origin::default(), None, Some(&Bytes::from_static(bytes)));
        digest
    }

    #[test]
    fn the_last_two_good_ones_survive_a_restart_and_older_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = PluginName::new("p").unwrap();
        let mut history = History::open(Some(folder.path().into()));
        let first = note(&mut history, &plugin, b"1");
        let second = note(&mut history, &plugin, b"2");
        let third = note(&mut history, &plugin, b"3");
        note(&mut history, &plugin, b"3");
        drop(history);
        let mut history = History::open(Some(folder.path().into()));
        assert_eq!(history.of(&plugin).iter().map(|g| g.digest).collect::<Vec<_>>(), [third, second]);
        assert_eq!(history.component(second).as_deref(), Some(&b"2"[..]));
        assert!(history.component(first).is_none());
        note(&mut history, &plugin, b"2");
        assert_eq!(history.of(&plugin).iter().map(|g| g.digest).collect::<Vec<_>>(), [second, third], "rolled back");
        history.forget(&plugin);
        assert!(History::open(Some(folder.path().into())).of(&plugin).is_empty() && history.component(third).is_none());
    }

    #[test]
    fn a_record_that_cannot_be_read_costs_nothing_but_itself() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = PluginName::new("p").unwrap();
        note(&mut History::open(Some(folder.path().into())), &plugin, b"1");
        fs::write(folder.path().join("plugins/q.json"), "{").unwrap();
        let history = History::open(Some(folder.path().into()));
        assert_eq!(history.of(&plugin).len(), 1);
    }

    #[test]
    fn plugins_that_went_unseen_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (p, q) = (PluginName::new("p").unwrap(), PluginName::new("q").unwrap());
        let mut history = History::open(Some(folder.path().into()));
        let kept = note(&mut history, &p, b"1");
        let gone = note(&mut history, &q, b"2");
        history.retain(&[p].into());
        assert!(history.component(kept).is_some() && history.component(gone).is_none());
    }

    #[test]
    fn a_component_that_two_have_stays_until_both_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let (p, q) = (PluginName::new("p").unwrap(), PluginName::new("q").unwrap());
        let mut history = History::open(Some(folder.path().into()));
        let shared = note(&mut history, &p, b"1");
        note(&mut history, &q, b"1");
        note(&mut history, &p, b"2");
        note(&mut history, &p, b"3");
        assert!(history.component(shared).is_some());
        history.forget(&q);
        assert!(history.component(shared).is_none());
    }

    #[test]
    fn what_a_dead_host_left_goes_once_all_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("components").join(format!("{}.wasm", Digest::of(b"left").hex()));
        let mut history = History::open(Some(folder.path().into()));
        fs::write(&left, b"left").unwrap();
        history.retain(&BTreeSet::new());
        assert!(!left.exists());
    }
}
