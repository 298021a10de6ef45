//! JSON values as rules see them: of the types that their schema says.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use cel::Value as Cel;
use serde_json::Value;

use super::names;
use crate::schema::validator::Validator;

/// A value of a schema's node.
pub(super) fn convert(node: Option<&Validator>, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => {
            let float = node.is_some_and(|node| node.types.iter().any(|t| **t == *"number"));
            match number.as_i64().filter(|_| !float) {
                Some(whole) => Cel::Int(whole),
                None => Cel::Float(number.as_f64().unwrap_or_default()),
            }
        }
        Value::String(said) => text(node.and_then(|node| node.format.as_deref()), said),
        Value::Array(items) => {
            let item = node.and_then(|node| node.item.as_deref());
            Cel::List(Arc::new(items.iter().map(|child| convert(item, child)).collect()))
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
                let value = convert(field.or(rest), child);
                escaped.into_iter().chain(word).map(move |name| (name, value.clone()))
            });
            Cel::from(entries.collect::<HashMap<String, Cel>>())
        }
    }
}

fn text(format: Option<&str>, said: &str) -> Cel {
    let typed = match format {
        Some("date-time") => said.parse::<chrono::DateTime<chrono::FixedOffset>>().ok().map(Cel::Timestamp),
        Some("date") => {
            let midnight = said.parse::<chrono::NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0));
            midnight.map(|at| Cel::Timestamp(at.and_utc().fixed_offset()))
        }
        Some("duration") => nanoseconds(said).map(|n| Cel::Duration(chrono::Duration::nanoseconds(n))),
        Some("byte") => {
            base64::engine::general_purpose::STANDARD.decode(said).ok().map(|bytes| Cel::Bytes(Arc::new(bytes)))
        }
        _ => None,
    };
    typed.unwrap_or_else(|| Cel::String(Arc::new(said.to_owned())))
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
