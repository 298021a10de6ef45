//! Reads bodies in protobuf, which kubectl and client-go send for built-in kinds; the message types are derived from
//! Kubernetes' own (data/protos.go makes data/protos.txt).
//!
//! `protos.txt`: lines `apiVersion Kind = message`, then for each message a line with its name and one per field: a space, the
//! number, the JSON name, a flag, the type. Flags: `<` the field's own fields stand in its place, `=` zero values count, `?`
//! zero values stand for nothing. Types: `s y b i f q t m x r e` (text, bytes, boolean, integer, number, quantity, time, time
//! with fractions, int-or-string, raw JSON, list of texts), `[T]` list, `{T}` map from texts, or a message.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// What bodies in protobuf are called.
pub(crate) const MEDIA: &str = "application/vnd.kubernetes.protobuf";

const TEXT: &str = include_str!("../data/protos.txt");
/// What every body starts with.
pub(crate) const MAGIC: &[u8] = b"k8s\0";
/// Deeper bodies are not of any kind that there is.
const DEPTH: usize = 64;

struct Field {
    name: &'static str,
    flag: char,
    kind: &'static str,
}

type Message = BTreeMap<u64, Field>;

#[derive(Default)]
struct Protos {
    roots: BTreeMap<&'static str, &'static str>,
    messages: BTreeMap<&'static str, Message>,
}

static PROTOS: LazyLock<Protos> = LazyLock::new(|| {
    let (mut protos, mut current) = (Protos::default(), "");
    for line in TEXT.lines() {
        if let Some((kind, message)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) {
            protos.roots.insert(kind, message);
        } else if let Some(field) = line.strip_prefix(' ') {
            protos.messages.entry(current).or_default().extend(self::field(field));
        } else {
            current = line;
            protos.messages.entry(line).or_default();
        }
    }
    protos
});

fn field(line: &'static str) -> Option<(u64, Field)> {
    let mut words = line.split(' ');
    let number = words.next()?.parse().ok()?;
    Some((number, Field { name: words.next()?, flag: words.next()?.chars().next()?, kind: words.next()? }))
}

/// One field as it stands in a message.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Takes what is next off the front of a message; `None` where it is no protobuf.
fn next<'a>(bytes: &mut &'a [u8]) -> Option<(u64, Wire<'a>)> {
    let tag = varint(bytes)?;
    let fixed = |bytes: &mut &'a [u8], size: usize| {
        let (taken, rest) = bytes.split_at_checked(size)?;
        *bytes = rest;
        Some(taken.iter().rev().fold(0u64, |number, byte| number << 8 | u64::from(*byte)))
    };
    let value = match tag & 7 {
        0 => Wire::Number(varint(bytes)?),
        1 => Wire::Number(fixed(bytes, 8)?),
        2 => {
            let length = usize::try_from(varint(bytes)?).ok()?;
            let (taken, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            Wire::Bytes(taken)
        }
        5 => Wire::Number(fixed(bytes, 4)?),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// All fields of a message, in their order.
fn all(mut bytes: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        out.push(next(&mut bytes)?);
    }
    Some(out)
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

/// The object in a body.
pub(crate) fn decode(bytes: &[u8]) -> Result<Value, ApiError> {
    let broken = || ApiError::bad_request("the body of the request is not an object in protobuf");
    let unknown = all(bytes.strip_prefix(MAGIC).ok_or_else(broken)?).ok_or_else(broken)?;
    let (mut version, mut kind, mut raw) = (String::new(), String::new(), &b""[..]);
    for (number, value) in unknown {
        match (number, value) {
            (1, Wire::Bytes(meta)) => {
                for (number, value) in all(meta).ok_or_else(broken)? {
                    match (number, value) {
                        (1, Wire::Bytes(bytes)) => version = text(bytes).ok_or_else(broken)?,
                        (2, Wire::Bytes(bytes)) => kind = text(bytes).ok_or_else(broken)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let root = PROTOS.roots.get(format!("{version} {kind}").as_str());
    let root = root.or_else(|| (kind == "DeleteOptions").then(|| PROTOS.roots.get("v1 DeleteOptions")).flatten());
    let root = root.ok_or_else(|| ApiError::not_implemented(&format!("bodies of {version} {kind} in protobuf")))?;
    let mut object = message(root, raw, 0).ok_or_else(broken)?;
    object.insert("apiVersion".into(), version.into());
    object.insert("kind".into(), kind.into());
    Ok(Value::Object(object))
}

fn message(name: &str, bytes: &[u8], depth: usize) -> Option<Map<String, Value>> {
    let known = PROTOS.messages.get(name).filter(|_| depth < DEPTH)?;
    let mut out = Map::new();
    for (number, wire) in all(bytes)? {
        let Some(field) = known.get(&number) else { continue };
        if let Some(item) = field.kind.strip_prefix('[').and_then(|k| k.strip_suffix(']')) {
            let item = value(item, wire, depth)?;
            if let Some(list) = out.entry(field.name).or_insert_with(|| Value::Array(Vec::new())).as_array_mut() {
                list.push(item);
            }
        } else if let Some(item) = field.kind.strip_prefix('{').and_then(|k| k.strip_suffix('}')) {
            let Wire::Bytes(bytes) = wire else { return None };
            let (key, item) = entry(item, bytes, depth)?;
            if let Some(map) = out.entry(field.name).or_insert_with(|| Value::Object(Map::new())).as_object_mut() {
                map.insert(key, item);
            }
        } else if field.flag == '<' {
            let Wire::Bytes(bytes) = wire else { return None };
            out.extend(message(field.kind, bytes, depth + 1)?);
        } else {
            let value = value(field.kind, wire, depth)?;
            if field.flag == '=' || !is_zero(&value) {
                out.insert(field.name.into(), value);
            }
        }
    }
    Some(out)
}

/// What a Go program leaves out of JSON, or puts in as an empty struct.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(yes) => !yes,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// An entry of a map: a message of key and value.
fn entry(kind: &str, bytes: &[u8], depth: usize) -> Option<(String, Value)> {
    let (mut key, mut found) = (String::new(), None);
    for (number, wire) in all(bytes)? {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => key = text(bytes)?,
            (2, wire) => found = Some(value(kind, wire, depth)?),
            _ => {}
        }
    }
    let nothing = || if matches!(kind, "s" | "y") { "".into() } else { Value::Object(Map::new()) };
    Some((key, found.unwrap_or_else(nothing)))
}

fn value(kind: &str, wire: Wire<'_>, depth: usize) -> Option<Value> {
    Some(match (kind, wire) {
        ("b", Wire::Number(number)) => (number != 0).into(),
        ("i", Wire::Number(number)) => number.cast_signed().into(),
        ("f", Wire::Number(number)) => f64::from_bits(number).into(),
        ("s", Wire::Bytes(bytes)) => text(bytes)?.into(),
        ("y", Wire::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        ("q", Wire::Bytes(bytes)) => first(bytes, 1)?.map_or(Some("0".to_owned()), text)?.into(),
        ("t", Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%SZ")?,
        ("m", Wire::Bytes(bytes)) => time(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ")?,
        ("x", Wire::Bytes(bytes)) => int_or_text(bytes)?,
        ("r", Wire::Bytes(bytes)) => {
            first(bytes, 1)?.map_or(Some(Value::Null), |raw| serde_json::from_slice(raw).ok())?
        }
        ("e", Wire::Bytes(bytes)) => {
            let items = all(bytes)?.into_iter().map(|(_, wire)| value("s", wire, depth));
            Value::Array(items.collect::<Option<Vec<_>>>()?)
        }
        // A list in a map.
        (list, Wire::Bytes(bytes)) if list.starts_with('[') => {
            let item = list.trim_start_matches('[').trim_end_matches(']');
            let items = all(bytes)?.into_iter().map(|(_, wire)| value(item, wire, depth));
            Value::Array(items.collect::<Option<Vec<_>>>()?)
        }
        (name, Wire::Bytes(bytes)) => Value::Object(message(name, bytes, depth + 1)?),
        _ => return None,
    })
}

/// The bytes of a field.
fn first(bytes: &[u8], wanted: u64) -> Option<Option<&[u8]>> {
    Some(all(bytes)?.into_iter().find_map(|(number, wire)| match wire {
        Wire::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    }))
}

fn numbers(bytes: &[u8]) -> Option<BTreeMap<u64, i64>> {
    let found = all(bytes)?.into_iter().filter_map(|(number, wire)| match wire {
        Wire::Number(value) => Some((number, value.cast_signed())),
        Wire::Bytes(_) => None,
    });
    Some(found.collect())
}

/// Seconds and nanoseconds; none at all is no time.
fn time(bytes: &[u8], form: &str) -> Option<Value> {
    let parts = numbers(bytes)?;
    let Some(seconds) = parts.get(&1) else { return Some(Value::Null) };
    let nanos = i32::try_from(parts.get(&2).copied().unwrap_or(0)).ok()?;
    let time = jiff::Timestamp::new(*seconds, nanos).ok()?;
    Some(time.strftime(form).to_string().into())
}

fn int_or_text(bytes: &[u8]) -> Option<Value> {
    let parts = numbers(bytes)?;
    if parts.get(&1).copied().unwrap_or(0) == 0 {
        return Some(parts.get(&2).copied().unwrap_or(0).into());
    }
    Some(first(bytes, 3)?.map_or(Some(String::new()), text)?.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn length(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
    }

    #[test]
    fn a_config_map_is_read() {
        let meta = [length(1, b"v1"), length(2, b"ConfigMap")].concat();
        let entry = length(2, &[length(1, b"a"), length(2, b"b")].concat());
        let object = [length(1, &[length(1, b"one"), length(3, b"")].concat()), entry].concat();
        let body = [MAGIC, &length(1, &meta), &length(2, &object)].concat();
        let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"a": "b"}});
        assert_eq!(decode(&body).unwrap(), wanted);
    }

    #[test]
    fn every_type_is_known() {
        let known = |kind: &str| kind.len() == 1 || PROTOS.messages.contains_key(kind);
        for field in PROTOS.messages.values().flat_map(BTreeMap::values) {
            assert!(known(field.kind.trim_matches(['[', ']', '{', '}'])), "{}", field.kind);
        }
        assert!(PROTOS.roots.len() > 50);
    }

    #[test]
    fn broken_bodies_are_refused() {
        for body in [&b""[..], b"k8s", b"k8s\0\xff\xff", b"{}"] {
            assert!(decode(body).is_err());
        }
    }
}
