//! One pass over an object's JSON that copies what a projection selects and skips the rest.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Node, Step};

/// What is left of an object; with `versioned` false the resource version is left out too.
pub(super) fn object(json: &[u8], node: &Node, versioned: bool) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(if node.all { json.len() } else { 256 });
    let mut input = serde_json::Deserializer::from_slice(json);
    Select { node, place: Place::Root { versioned }, out: &mut out }.deserialize(&mut input)?;
    input.end()?;
    Ok(out)
}

/// The scalars at a path.
pub(super) fn values(json: &[u8], steps: &[Step]) -> Result<Vec<String>, serde_json::Error> {
    let mut found = Vec::new();
    let mut input = serde_json::Deserializer::from_slice(json);
    Find { steps, found: &mut found }.deserialize(&mut input)?;
    Ok(found)
}

/// Where in the object: the top and the metadata have fields of their own law.
#[derive(Debug, Clone, Copy)]
enum Place {
    Root { versioned: bool },
    Metadata { versioned: bool },
    Inside,
}

/// What becomes of one field.
enum Fate<'n> {
    Copy,
    Skip,
    Descend(&'n Node, Place),
}

static NOTHING: Node = Node { all: false, every: None, named: std::collections::BTreeMap::new() };

impl Place {
    fn fate<'n>(self, node: &'n Node, key: &str) -> Fate<'n> {
        match (self, key) {
            (Place::Root { .. }, "apiVersion" | "kind") => Fate::Copy,
            (Place::Root { versioned }, "metadata") => {
                Fate::Descend(node.child(key).unwrap_or(&NOTHING), Place::Metadata { versioned })
            }
            (Place::Metadata { versioned: false }, "resourceVersion") | (Place::Metadata { .. }, "managedFields") => {
                Fate::Skip
            }
            (Place::Metadata { .. }, "name" | "namespace" | "uid" | "resourceVersion") => Fate::Copy,
            _ => match node.child(key) {
                None => Fate::Skip,
                Some(child) if child.all => Fate::Copy,
                Some(child) => Fate::Descend(child, Place::Inside),
            },
        }
    }
}

/// Writes what is selected of one value; says whether that is anything.
struct Select<'n, 'o> {
    node: &'n Node,
    place: Place,
    out: &'o mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Select<'_, '_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<bool, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Select<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        self.out.push(b'{');
        let mut first = true;
        while let Some(Key(key)) = map.next_key_seed(KeySeed)? {
            let fate = self.place.fate(self.node, &key);
            if matches!(fate, Fate::Skip) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            serde_json::to_writer(&mut *self.out, key.as_ref()).map_err(A::Error::custom)?;
            self.out.push(b':');
            let written = match fate {
                Fate::Descend(node, place) => map.next_value_seed(Select { node, place, out: self.out })?,
                _ => {
                    self.out.extend_from_slice(map.next_value::<&RawValue>()?.get().as_bytes());
                    true
                }
            };
            if written {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b'}');
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        self.out.push(b'[');
        for index in 0.. {
            let child = match &self.node.named {
                named if named.is_empty() => self.node.every.as_deref(),
                _ => self.node.child(&index.to_string()),
            };
            let before = self.out.len();
            if index > 0 {
                self.out.push(b',');
            }
            let start = self.out.len();
            let written = match child {
                Some(child) if child.all => seq.next_element::<&RawValue>()?.map(|raw| {
                    self.out.extend_from_slice(raw.get().as_bytes());
                    true
                }),
                Some(node) => seq.next_element_seed(Select { node, place: Place::Inside, out: self.out })?,
                None => seq.next_element::<IgnoredAny>()?.map(|_| false),
            };
            match written {
                None => {
                    self.out.truncate(before);
                    break;
                }
                Some(true) => {}
                Some(false) => {
                    self.out.truncate(start);
                    self.out.extend_from_slice(b"{}");
                }
            }
        }
        self.out.push(b']');
        Ok(true)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// Collects the scalars at the end of `steps`.
struct Find<'s, 'o> {
    steps: &'s [Step],
    found: &'o mut Vec<String>,
}

impl<'s> Find<'s, '_> {
    fn scalar<E>(self, text: impl ToString) -> Result<(), E> {
        if self.steps.is_empty() {
            self.found.push(text.to_string());
        }
        Ok(())
    }

    /// The steps after one that leads to `key`.
    fn below(&self, key: &str) -> Option<&'s [Step]> {
        match self.steps {
            [Step::Every, rest @ ..] => Some(rest),
            [Step::Named(name), rest @ ..] if **name == *key => Some(rest),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Find<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Find<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key_seed(KeySeed)? {
            let Some(steps) = self.below(&key) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(Find { steps, found: self.found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for index in 0.. {
            let Some(steps) = self.below(&index.to_string()) else {
                if seq.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
                continue;
            };
            if seq.next_element_seed(Find { steps, found: self.found })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.scalar(text)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(value)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(value)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(value)
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(value)
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A field's name, borrowed from the input where it holds no escapes.
struct Key<'de>(Cow<'de, str>);

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key<'de>;
    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Key<'de>, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }
    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(key)))
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(key.to_owned())))
    }
}
