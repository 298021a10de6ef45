//! The words in which Go's JSON decoder and Kubernetes' type registry complain, for clients that show or compare them.

pub(crate) mod diff;
pub(crate) mod structs;

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

/// `%v`: `map[a:1 b:[x y]]`.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key}:{}", plain(value))).collect();
            format!("map[{}]", pairs.join(" "))
        }
        other => other.to_string(),
    }
}

/// `%#v`: `map[string]interface {}{"a":1}`.
pub(crate) fn source(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".into(),
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(source).collect::<Vec<_>>().join(", "))
        }
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().collect();
            pairs.sort_by_key(|(key, _)| *key);
            let pairs: Vec<String> = pairs
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), source(value)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

/// The name of the Go type that JSON decodes into.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The JSON decoder's error for a document that is not what `target` takes; none where it is an object or a list as asked for.
pub(crate) fn decode_error(bytes: &[u8], target: &str) -> Option<String> {
    if bytes.trim_ascii().is_empty() {
        return Some("unexpected end of JSON input".into());
    }
    let value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return Some("unexpected end of JSON input".into()),
        Err(_) => return Some(syntax_error(bytes)),
    };
    let found = match (&value, target.starts_with("[]")) {
        (Value::Null, _) | (Value::Array(_), true) | (Value::Object(_), false) => return None,
        (Value::Array(_), _) => "array",
        (Value::Object(_), _) => "object",
        (Value::String(_), _) => "string",
        (Value::Bool(_), _) => "bool",
        (Value::Number(_), _) => "number",
    };
    Some(format!("json: cannot unmarshal {found} into Go value of type {target}"))
}

/// The commonest syntax errors as Go words them.
fn syntax_error(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.trim_start().chars();
    let (first, second) = (letters.next().unwrap_or(' '), letters.find(|c| !c.is_whitespace()));
    match (first, second) {
        ('{', Some(second)) if second != '"' && second != '}' => {
            format!("invalid character '{second}' looking for beginning of object key string")
        }
        ('{' | '[' | '"', _) => "invalid JSON document".into(),
        _ => format!("invalid character '{first}' looking for beginning of value"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_look_as_in_go() {
        assert_eq!(plain(&json!({ "b": [1, "x", null], "a": { "c": true } })), "map[a:map[c:true] b:[1 x <nil>]]");
        let target = "map[string]interface {}";
        assert_eq!(decode_error(b"{}", target), None);
        assert_eq!(
            decode_error(b"[]", target).unwrap(),
            format!("json: cannot unmarshal array into Go value of type {target}")
        );
        assert_eq!(
            decode_error(b"{{", target).unwrap(),
            "invalid character '{' looking for beginning of object key string"
        );
        assert_eq!(decode_error(b"{\"a\"", target).unwrap(), "unexpected end of JSON input");
    }
}
