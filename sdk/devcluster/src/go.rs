//! The words in which Go's JSON decoder and Kubernetes' type registry complain, for clients that show or compare them.

use serde_json::Value;

/// What of a body is shown.
const SHOWN: usize = 29;
const HEAD: &str =
    "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";

/// How Go calls the JSON type of a value.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A text that is no JSON.
pub(crate) fn json_error(error: &serde_json::Error) -> String {
    if error.is_eof() { "unexpected end of JSON input".into() } else { error.to_string() }
}

/// The complaint about a text that is no JSON.
pub(crate) fn bad_json(body: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() { json_error(error) } else { syntax(body) }
}

/// The complaint about a value from which no version and kind can be read.
pub(crate) fn no_object(value: &Value) -> Option<String> {
    match value {
        Value::Object(map) => {
            let wrong = ["apiVersion", "kind"]
                .into_iter()
                .find(|f| map.get(*f).is_some_and(|v| !v.is_string() && !v.is_null()))?;
            Some(format!(
                "json: cannot unmarshal {} into Go struct field .{wrong} of type string",
                type_of(&map[wrong])
            ))
        }
        Value::Null => None,
        other => Some(format!("json: cannot unmarshal {} into Go value of type {HEAD}", type_of(other))),
    }
}

/// A kind that its version does not have.
pub(crate) fn unregistered(kind: &str, version: &str) -> String {
    format!("no kind \"{kind}\" is registered for version \"{version}\" in scheme \"pkg/runtime/scheme.go:111\"")
}

/// The start of a body as errors show it: as text, or in hexadecimal digits where it does not look like an object.
pub(crate) fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if body.is_empty() {
        "<empty>".into()
    } else if !text.starts_with('{') {
        body.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect::<String>()
            + if body.len() > SHOWN { " ..." } else { "" }
    } else if text.chars().count() > SHOWN {
        text.chars().take(SHOWN).collect::<String>() + " ..."
    } else {
        text.into_owned()
    }
}

/// The first letter that JSON does not allow, where a word was begun.
pub(crate) fn syntax(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    for word in ["null", "true", "false"] {
        let same = text.chars().zip(word.chars()).take_while(|(a, b)| a == b).count();
        if let (1.., Some(found), Some(wanted)) = (same, text.chars().nth(same), word.chars().nth(same)) {
            return format!("invalid character '{found}' in literal {word} (expecting '{wanted}')");
        }
    }
    let first = text.chars().next().unwrap_or_default();
    format!("invalid character '{first}' looking for beginning of value")
}
