//! JSON values as rules see them: of the types that their schema says.

use std::collections::HashMap;

use base64::Engine;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelTimestamp,
};
use cel::common::value::Val;
use serde_json::Value;

use super::names;
use super::told::Told;
use crate::schema::validator::{List, Validator};

/// A value of a schema's node.
pub(super) fn convert(node: Option<&Validator>, value: &Value) -> Box<dyn Val> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(flag) => Box::new(CelBool::from(*flag)),
        Value::Number(number) => {
            let float = node.is_some_and(|node| node.types.iter().any(|t| **t == *"number"));
            match number.as_i64().filter(|_| !float) {
                Some(whole) => Box::new(CelInt::from(whole)),
                None => Box::new(CelDouble::from(number.as_f64().unwrap_or_default())),
            }
        }
        Value::String(said) => text(node.and_then(|node| node.format.as_deref()), said),
        Value::Array(items) => {
            let item = node.and_then(|node| node.item.as_deref());
            let list = CelList::from(items.iter().map(|child| convert(item, child)).collect::<Vec<_>>());
            match node.map(|node| &node.list) {
                Some(List::Set) => Box::new(Told::set(list)),
                Some(List::Map(keys)) => Box::new(Told::map(list, keys.clone())),
                _ => Box::new(list),
            }
        }
        Value::Object(map) => {
            let entries = map.iter().flat_map(|(key, child)| {
                let field = node.and_then(|node| node.fields.get(key.as_str()));
                let rest = node.and_then(|node| node.rest.as_deref());
                let plain = rest.is_some() && field.is_none();
                let escaped = if plain { Some(key.clone()) } else { names::escape(key) };
                // Words of the language are fields even unescaped.
                let word =
                    escaped.as_ref().filter(|escaped| !plain && **escaped == format!("__{key}__")).map(|_| key.clone());
                escaped.into_iter().chain(word).map(move |name| (CelMapKey::from(name), convert(field.or(rest), child)))
            });
            Box::new(CelMap::from(entries.collect::<HashMap<_, _>>()))
        }
    }
}

fn text(format: Option<&str>, said: &str) -> Box<dyn Val> {
    let typed: Option<Box<dyn Val>> = match format {
        Some("date-time") => {
            let at = said.parse::<chrono::DateTime<chrono::FixedOffset>>().ok();
            at.map(|at| Box::new(CelTimestamp::from(at)) as _)
        }
        Some("date") => {
            let midnight = said.parse::<chrono::NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0));
            midnight.map(|at| Box::new(CelTimestamp::from(at.and_utc().fixed_offset())) as _)
        }
        Some("duration") => {
            nanoseconds(said).map(|n| Box::new(CelDuration::from(chrono::Duration::nanoseconds(n))) as _)
        }
        Some("byte") => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(said).ok();
            bytes.map(|bytes| Box::new(CelBytes::from(bytes)) as _)
        }
        _ => None,
    };
    typed.unwrap_or_else(|| Box::new(CelString::from(said.to_owned())))
}

/// True for a duration as Go reads it.
pub(super) fn is_duration(text: &str) -> bool {
    nanoseconds(text).is_some()
}

/// The length of a duration: `1h30m`, `-1.5s`.
fn nanoseconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let (mut sum, mut any) = (0f64, false);
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let after = rest[end..].trim_start();
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        sum += number * unit(after[..unit_end].trim())?;
        rest = &after[unit_end..];
        any = true;
    }
    (any && sum.abs() < i64::MAX as f64).then_some(if negative { -(sum as i64) } else { sum as i64 })
}

fn unit(word: &str) -> Option<f64> {
    let seconds = match word {
        "ns" => return Some(1.0),
        "us" | "µs" | "μs" => return Some(1e3),
        "ms" => return Some(1e6),
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Some(seconds * 1e9)
}
