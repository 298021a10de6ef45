//! Finds the fields of a JSON body in their order, and those that stand twice, which a parser into values no longer tells.

pub(crate) mod yaml;

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::schema::fill::Trail;

/// A field of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Met {
    /// As in `spec.ports[0].name`.
    pub(crate) path: String,
    /// It stood there before.
    pub(crate) again: bool,
}

/// All fields of a body, or only those that stand twice; nothing where it is no JSON.
pub(crate) fn fields(bytes: &[u8], all: bool) -> Vec<Met> {
    let mut found = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    // What is wrong with the body has been told by who parsed it into values.
    let _ = At { path: &mut Trail::default(), found: &mut found, all }.deserialize(&mut parser);
    found
}

struct At<'a> {
    path: &'a mut Trail,
    found: &'a mut Vec<Met>,
    all: bool,
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut told: BTreeSet<String> = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let again = seen.contains(&key);
            let tell = if again { told.insert(key.clone()) } else { self.all };
            if tell {
                self.found.push(Met { path: self.path.to(&key), again });
            }
            let (all, found) = (self.all, &mut *self.found);
            self.path.field(&key, |path| map.next_value_seed(At { path, found, all }))?;
            seen.insert(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut i = 0;
        loop {
            let (all, found) = (self.all, &mut *self.found);
            if self.path.item(i, |path| list.next_element_seed(At { path, found, all }))?.is_none() {
                return Ok(());
            }
            i += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, parser: D) -> Result<(), D::Error> {
        parser.deserialize_ignored_any(IgnoredAny).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_met_in_order_and_twice() {
        let body = br#"{"b": {"x": 1, "x": 2, "x": 3}, "a": [{"c": "d"}], "b": null}"#;
        let met: Vec<(String, bool)> = fields(body, true).into_iter().map(|m| (m.path, m.again)).collect();
        let wanted = [("b", false), ("b.x", false), ("b.x", true), ("a", false), ("a[0].c", false), ("b", true)];
        assert_eq!(met, wanted.map(|(path, again)| (path.to_owned(), again)));
        assert!(fields(b"{", true).is_empty());
    }
}
