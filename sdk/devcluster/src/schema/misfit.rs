//! Finds values of a wrong type, in the words of Go's JSON decoder.

use base64::Engine;
use serde_json::Value;

use super::fill::Trail;
use super::{Scalar, Shape, Type};
use crate::go;
use crate::quantity::Quantity;

/// The first value that does not fit its type.
pub(crate) fn find(ty: Type<'_>, value: &Value) -> Option<String> {
    look(ty, value, "", &mut Trail::default())
}

fn look(ty: Type<'_>, value: &Value, owner: &str, path: &mut Trail) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match (&ty.node().shape, value) {
        (Shape::Object(object), Value::Object(map)) => map.iter().find_map(|(key, child)| {
            let own = object.name.rsplit('.').next().unwrap_or_default();
            let named = object.fields.contains_key(key.as_str());
            let ty = ty.field(key)?;
            // Entries of maps are not named.
            if named { path.field(key, |path| look(ty, child, own, path)) } else { look(ty, child, owner, path) }
        }),
        (Shape::List(_), Value::Array(items)) => items.iter().find_map(|item| look(ty.item()?, item, owner, path)),
        (Shape::Scalar(scalar), value) => scalar_misfit(*scalar, value, owner, path.as_str()),
        (Shape::Any, _) => None,
        // What may be anything is looked at by the rules of its kind.
        (Shape::Object(object), _) if object.keep_unknown => None,
        (_, other) => Some(decoding(go::type_of(other), owner, path.as_str(), &name(ty))),
    }
}

fn decoding(found: &str, owner: &str, path: &str, wanted: &str) -> String {
    format!("json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}")
}

/// How Go writes a type.
fn name(ty: Type<'_>) -> String {
    match &ty.node().shape {
        Shape::Object(object) if object.fields.is_empty() => {
            let of = object.rest.map(|id| name(Type { schema: ty.schema, id })).unwrap_or_default();
            format!("map[string]{of}")
        }
        Shape::Object(object) => {
            let words: Vec<&str> = object.name.rsplit('.').take(2).collect();
            format!("{}.{}", words.last().copied().unwrap_or_default(), words.first().copied().unwrap_or_default())
        }
        Shape::List(_) => format!("[]{}", ty.item().map(name).unwrap_or_default()),
        Shape::Scalar(Scalar::Integer) => "int32".into(),
        Shape::Scalar(Scalar::Long) => "int64".into(),
        Shape::Scalar(Scalar::Number) => "float64".into(),
        Shape::Scalar(Scalar::Boolean) => "bool".into(),
        Shape::Scalar(Scalar::Base64) => "[]uint8".into(),
        Shape::Scalar(Scalar::Quantity) => "resource.Quantity".into(),
        _ => "string".into(),
    }
}

fn scalar_misfit(scalar: Scalar, value: &Value, owner: &str, path: &str) -> Option<String> {
    let wrong = |wanted: &str| {
        let found = match value {
            Value::Number(number) if wanted.starts_with("int") => format!("number {number}"),
            other => go::type_of(other).into(),
        };
        Some(decoding(&found, owner, path, wanted))
    };
    match (scalar, value) {
        (Scalar::Text, Value::String(_)) | (Scalar::Boolean, Value::Bool(_)) | (Scalar::Number, Value::Number(_)) => {
            None
        }
        (Scalar::Text, _) => wrong("string"),
        (Scalar::Boolean, _) => wrong("bool"),
        (Scalar::Integer, value) if value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => None,
        (Scalar::Integer, _) => wrong("int32"),
        (Scalar::Long, value) if value.is_i64() => None,
        (Scalar::Long, _) => wrong("int64"),
        (Scalar::Base64, Value::String(text)) => {
            base64::engine::general_purpose::STANDARD.decode(text).err().map(|_| {
                let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
                let at = text.find(|c| !letter(c)).unwrap_or(text.len() / 4 * 4);
                format!("illegal base64 data at input byte {at}")
            })
        }
        (Scalar::Quantity, Value::String(text)) if Quantity::parse(text).is_none() => Some(bad_quantity(text).into()),
        (Scalar::Time, Value::String(text)) => bad_time(text),
        (Scalar::Moment, Value::String(text)) => bad_moment(text),
        _ => None,
    }
}

/// Either the unit is none, or there is more than a unit.
fn bad_quantity(text: &str) -> &'static str {
    let digits = |text: &str| text.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned();
    let rest = digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    let rest = rest.strip_prefix('.').map_or(rest.clone(), digits);
    let rest = rest.trim_start_matches(|c| "eEinumkKMGTP".contains(c));
    if !text.is_empty() && digits(rest.strip_prefix(['+', '-']).unwrap_or(rest)).is_empty() {
        "unable to parse quantity's suffix"
    } else {
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    }
}

/// Of the fractions of a moment there are six digits.
fn bad_moment(text: &str) -> Option<String> {
    let start = "2006-01-02T15:04:05".len();
    let complain = |part: &str, layout: &str| {
        Some(format!(
            "parsing time \"{text}\" as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse \"{part}\" as \"{layout}\""
        ))
    };
    let Some((head, rest)) = text.split_at_checked(start) else { return complain(text, "2006") };
    if format!("{head}Z").parse::<jiff::Timestamp>().is_err() {
        return complain(text, "2006");
    }
    let (digits, zone) = rest.split_at_checked(7).unwrap_or((rest, ""));
    let six = digits.len() == 7 && digits.starts_with('.') && digits[1..].bytes().all(|b| b.is_ascii_digit());
    match six {
        false => complain(rest, ".000000"),
        true if format!("{head}{zone}").parse::<jiff::Timestamp>().is_err() || zone.is_empty() => {
            complain(zone, "Z07:00")
        }
        true => None,
    }
}

fn bad_time(text: &str) -> Option<String> {
    let layout = "2006-01-02T15:04:05Z07:00";
    text.parse::<jiff::Timestamp>()
        .err()
        .map(|_| format!("parsing time \"{text}\" as \"{layout}\": cannot parse \"{text}\" as \"2006\""))
}
