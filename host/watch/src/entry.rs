//! One cached object: its body and the little metadata that the host itself needs, packed.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use motet_core::{
    Meta, PluginName, Target,
    names::{owner_plugin, parse_owner_value},
    object::rv_number,
    owned::{OwnedFields, owned_digests},
};

use crate::body::Body;

type Label = (Arc<str>, Arc<str>);

/// What many objects of a cache share: label keys and values, whole sets of labels, finalizers.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    words: HashSet<Arc<str>>,
    labels: HashSet<Arc<[Label]>>,
}

impl Shared {
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(word) = self.words.get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        self.words.insert(Arc::clone(&word));
        word
    }

    fn labels(&mut self, labels: &BTreeMap<Box<str>, Box<str>>) -> Arc<[Label]> {
        let labels: Vec<Label> = labels.iter().map(|(key, value)| (self.word(key), self.word(value))).collect();
        if let Some(known) = self.labels.get(labels.as_slice()) {
            return Arc::clone(known);
        }
        let labels: Arc<[Label]> = labels.into();
        self.labels.insert(Arc::clone(&labels));
        labels
    }

    /// Drops what no object uses any more.
    pub(crate) fn sweep(&mut self) {
        self.labels.retain(|labels| Arc::strong_count(labels) > 1);
        self.words.retain(|word| Arc::strong_count(word) > 1);
        self.labels.shrink_to_fit();
        self.words.shrink_to_fit();
    }
}

/// A text that is nearly always a number or a UUID, kept as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compact {
    Number(u64),
    Uuid(u64, u64),
    Text(Box<str>),
}

impl Compact {
    fn version(text: &str) -> Self {
        match rv_number(text) {
            Some(number) if number.to_string() == text => Compact::Number(number),
            _ => Compact::Text(text.into()),
        }
    }

    fn uid(text: &str) -> Self {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let half = |range: std::ops::Range<usize>| digits.get(range).and_then(|d| u64::from_str_radix(d, 16).ok());
        match (half(0..16), half(16..32)) {
            (Some(high), Some(low)) if digits.len() == 32 => {
                let uuid = Compact::Uuid(high, low);
                if uuid.text() == text { uuid } else { Compact::Text(text.into()) }
            }
            _ => Compact::Text(text.into()),
        }
    }

    /// The text it stands for.
    pub(crate) fn text(&self) -> String {
        match self {
            Compact::Number(number) => number.to_string(),
            Compact::Uuid(high, low) => format!(
                "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
                high >> 32,
                high >> 16 & 0xffff,
                high & 0xffff,
                low >> 48,
                low & 0xffff_ffff_ffff
            ),
            Compact::Text(text) => text.to_string(),
        }
    }
}

/// What plugins own of an object.
#[derive(Debug, PartialEq)]
pub(crate) struct Managed {
    /// Key and set of each owner annotation.
    pub(crate) owners: Box<[(PluginName, Target, Box<str>)]>,
    pub(crate) fields: Box<[OwnedFields]>,
}

/// One object. Immutable but for the list that last mentioned it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) body: Body,
    pub(crate) uid: Compact,
    pub(crate) version: Compact,
    pub(crate) generation: i64,
    pub(crate) labels: Arc<[Label]>,
    pub(crate) finalizers: Box<[Arc<str>]>,
    pub(crate) managed: Option<Box<Managed>>,
    /// Which of the cache's projections the body went through.
    pub(crate) epoch: u32,
    pub(crate) deleting: bool,
    mark: AtomicU32,
}

impl Entry {
    /// Packs an object: `json` as the server sent it, `body` as it is kept.
    pub(crate) fn new(json: &[u8], meta: &Meta, body: Body, epoch: u32, shared: &mut Shared) -> Self {
        let owner = |key: &str, value: &str| {
            let (target, set) = parse_owner_value(value)?;
            Some((owner_plugin(key)?, target, set.into()))
        };
        let owners: Box<[_]> = meta.annotations.iter().filter_map(|(key, value)| owner(key, value)).collect();
        let fields = owned_digests(json).into_boxed_slice();
        let managed = (!owners.is_empty() || !fields.is_empty()).then(|| Box::new(Managed { owners, fields }));
        Self {
            body,
            uid: Compact::uid(&meta.uid),
            version: Compact::version(&meta.resource_version),
            generation: meta.generation,
            labels: shared.labels(&meta.labels),
            finalizers: meta.finalizers.iter().map(|f| shared.word(f)).collect(),
            managed,
            epoch,
            deleting: meta.deleting(),
            mark: AtomicU32::new(0),
        }
    }

    /// Whether the server's `meta` is what is held, as the cache projects now.
    pub(crate) fn is_current(&self, meta: &Meta, epoch: u32) -> bool {
        self.epoch == epoch
            && self.uid == Compact::uid(&meta.uid)
            && self.version == Compact::version(&meta.resource_version)
    }

    /// Notes that list `mark` mentions it.
    pub(crate) fn mark(&self, mark: u32) {
        self.mark.store(mark, Ordering::Relaxed);
    }

    pub(crate) fn marked(&self, mark: u32) -> bool {
        self.mark.load(Ordering::Relaxed) == mark
    }

    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| **k == *key).map(|(_, value)| &**value)
    }

    /// Key and set of a plugin's owner annotation.
    pub(crate) fn owner(&self, plugin: &PluginName) -> Option<(&Target, &str)> {
        let owners = &self.managed.as_ref()?.owners;
        owners.iter().find(|(owner, ..)| owner == plugin).map(|(_, target, set)| (target, &**set))
    }

    pub(crate) fn fields(&self, plugin: &PluginName) -> Option<&OwnedFields> {
        self.managed.as_ref()?.fields.iter().find(|fields| fields.plugin == *plugin)
    }

    /// Bytes held for it, without its name and without the labels that it shares.
    pub(crate) fn size(&self) -> usize {
        let managed = self
            .managed
            .as_ref()
            .map_or(0, |m| size_of::<Managed>() + size_of_val(&*m.owners) + size_of_val(&*m.fields));
        size_of::<Self>() + self.body.len() + size_of_val(&*self.finalizers) + managed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_texts_read_back() {
        for uid in ["d299397f-9818-448b-a80c-2aef67526d78", "D299397F-9818-448b-a80c-2aef67526d78", "u1", ""] {
            assert_eq!(Compact::uid(uid).text(), uid);
        }
        for version in ["42", "0", "007", "a1", "", "18446744073709551616"] {
            assert_eq!(Compact::version(version).text(), version);
        }
        assert!(matches!(Compact::uid("d299397f-9818-448b-a80c-2aef67526d78"), Compact::Uuid(..)));
    }
}
