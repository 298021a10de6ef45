//! Label and field selectors: parsing and matching.

use serde_json::Value;

use crate::error::ApiError;
use crate::object;
use crate::resources::Resource;
use crate::store::Stored;

/// Which objects a list or watch is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    pub(crate) namespace: String,
    labels: Vec<Label>,
    fields: Vec<Field>,
}

#[derive(Debug, Clone)]
struct Label {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

#[derive(Debug, Clone)]
struct Field {
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl Selector {
    /// Reads `labelSelector` and `fieldSelector` for a resource.
    pub(crate) fn new(resource: &Resource, namespace: &str, labels: &str, fields: &str) -> Result<Self, ApiError> {
        Ok(Self { namespace: namespace.into(), labels: parse_labels(labels)?, fields: parse_fields(resource, fields)? })
    }

    /// True if it takes everything in its scope.
    pub(crate) fn is_open(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The only name it can match, if it selects by name.
    pub(crate) fn name(&self) -> Option<&str> {
        let by_name = |f: &&Field| f.equal && f.path.iter().eq(["metadata", "name"].iter());
        self.fields.iter().find(by_name).map(|f| f.value.as_str())
    }

    /// True if the object is among those selected, namespace included.
    pub(crate) fn matches(&self, stored: &Stored) -> bool {
        if !self.namespace.is_empty() && *stored.key.namespace != *self.namespace {
            return false;
        }
        if self.is_open() {
            return true;
        }
        if self.name().is_some_and(|name| name != &*stored.key.name) {
            return false;
        }
        let value = stored.value();
        let labels = value.get("metadata").and_then(|m| m.get("labels"));
        let label = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
        self.labels.iter().all(|l| l.test.holds(label(&l.key))) && self.fields.iter().all(|f| f.holds(&value))
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|v| v.parse::<i64>().ok());
        match self {
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::In(set) => value.is_some_and(|v| set.iter().any(|s| s == v)),
            Self::NotIn(set) => value.is_none_or(|v| !set.iter().any(|s| s == v)),
            Self::Above(than) => number().is_some_and(|n| n > *than),
            Self::Below(than) => number().is_some_and(|n| n < *than),
        }
    }
}

impl Field {
    fn holds(&self, object: &Value) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let found = match path.as_slice() {
            ["source"] => object::at(object, &["source", "component"]),
            ["regarding", rest @ ..] => object.get("involvedObject").and_then(|o| object::at(o, rest)),
            path => object::at(object, path),
        };
        let text = match found {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None if path.iter().any(|p| matches!(*p, "unschedulable" | "hostNetwork")) => {
                "false".into()
            }
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        (text == self.value) == self.equal
    }
}

fn bad_label(text: &str, why: &str) -> ApiError {
    ApiError::bad_request(format!("unable to parse requirement: found '{text}', {why}"))
}

fn parse_labels(text: &str) -> Result<Vec<Label>, ApiError> {
    split_outside_brackets(text).into_iter().map(|part| parse_label(part.trim())).collect()
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0i32, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|p| !p.trim().is_empty());
    parts
}

fn parse_label(text: &str) -> Result<Label, ApiError> {
    let label = |key: &str, test| Ok(Label { key: checked_key(key.trim(), text)?, test });
    if let Some(key) = text.strip_prefix('!') {
        return label(key, Test::Absent);
    }
    if let Some((head, list)) = text.strip_suffix(')').and_then(|t| t.split_once('(')) {
        let values: Vec<String> = list.split(',').map(|v| v.trim().to_owned()).collect();
        let (key, word) =
            head.trim().rsplit_once(char::is_whitespace).ok_or_else(|| bad_label(text, "expected: in, notin"))?;
        return match word {
            "in" => label(key, Test::In(values)),
            "notin" => label(key, Test::NotIn(values)),
            _ => Err(bad_label(word, "expected: in, notin, =, ==, !=, gt, lt")),
        };
    }
    let one = |value: &str| vec![value.trim().to_owned()];
    for (sign, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((key, value)) = text.split_once(sign) {
            return label(key, if equal { Test::In(one(value)) } else { Test::NotIn(one(value)) });
        }
    }
    if let Some((key, number)) = text.split_once('>').or_else(|| text.split_once('<')) {
        let than = number.trim().parse().map_err(|_| bad_label(number, "expected: an integer"))?;
        return label(key, if text.contains('>') { Test::Above(than) } else { Test::Below(than) });
    }
    if let Some(word) = text.split_whitespace().nth(1) {
        return Err(bad_label(word, "expected: in, notin, =, ==, !=, gt, lt"));
    }
    label(text, Test::Exists)
}

fn checked_key(key: &str, text: &str) -> Result<String, ApiError> {
    let fine = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if fine { Ok(key.to_owned()) } else { Err(bad_label(text, "expected: a label key")) }
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<Field>, ApiError> {
    let mut out = Vec::new();
    for part in text.split(',').filter(|p| !p.is_empty()) {
        let (key, equal, value) = if let Some((key, value)) = part.split_once("!=") {
            (key, false, value)
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            (key, true, value)
        } else {
            return Err(ApiError::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'")));
        };
        let known = key == "metadata.name"
            || (key == "metadata.namespace" && resource.namespaced)
            || resource.selectable.iter().any(|s| s == key);
        if !known {
            let plain = resource.selectable.is_empty() && !resource.custom;
            return Err(ApiError::bad_request(if plain {
                let names =
                    if resource.namespaced { "\"metadata.name\", \"metadata.namespace\"" } else { "\"metadata.name\"" };
                format!("\"{key}\" is not a known field selector: only {names}")
            } else {
                format!("field label not supported: {key}")
            }));
        }
        out.push(Field { path: key.split('.').map(str::to_owned).collect(), value: value.into(), equal });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::resources::BUILTINS;
    use crate::store::Key;

    fn pod(labels: &str, spec: &str) -> Stored {
        let body = format!(r#"{{"metadata":{{"name":"p","namespace":"d","labels":{labels}}},"spec":{spec}}}"#);
        Stored { key: Key::new("d", "p"), version: 1, uid: "u".into(), owners: Box::default(), body: Bytes::from(body) }
    }

    fn matches(labels: &str, fields: &str, pod: &Stored) -> bool {
        let pods = BUILTINS.iter().find(|r| r.plural == "pods").unwrap();
        Selector::new(pods, "", labels, fields).unwrap().matches(pod)
    }

    #[test]
    fn labels_select() {
        let pod = pod(r#"{"a":"1","b":"x"}"#, "{}");
        for yes in ["a=1", "a==1,b=x", "a!=2", "c!=2", "a in (1,2),b", "!c", "c notin (1)", "a>0", "a<2"] {
            assert!(matches(yes, "", &pod), "{yes}");
        }
        for no in ["a=2", "a in (2,3)", "!a", "c", "a notin (1)", "a>1"] {
            assert!(!matches(no, "", &pod), "{no}");
        }
    }

    #[test]
    fn fields_select_and_unknown_ones_are_refused() {
        let pod = pod("{}", r#"{"nodeName":"n1"}"#);
        assert!(matches("", "spec.nodeName=n1,metadata.name=p", &pod));
        assert!(!matches("", "spec.nodeName!=n1", &pod));
        assert!(matches("", "status.phase=,spec.hostNetwork=false", &pod));
        let pods = BUILTINS.iter().find(|r| r.plural == "pods").unwrap();
        assert_eq!(Selector::new(pods, "", "", "spec.nope=1").unwrap_err().code, 400);
    }
}
