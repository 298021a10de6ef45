//! Label and field selectors: parsing and matching.

mod labels;

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
        Ok(Self {
            namespace: namespace.into(),
            labels: labels::parse(labels).map_err(ApiError::bad_request)?,
            fields: parse_fields(resource, fields)?,
        })
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
            // Newer events name their source in another field.
            ["source"] => match object::at(object, &["source", "component"]) {
                None | Some(Value::Null) => object.get("reportingComponent"),
                found => found,
            },
            ["reportingController"] => object.get("reportingComponent"),
            ["regarding", rest @ ..] => object.get("involvedObject").and_then(|o| object::at(o, rest)),
            path => object::at(object, path),
        };
        let text = match found {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None if path.iter().any(|p| matches!(*p, "unschedulable" | "hostNetwork")) => {
                "false".into()
            }
            Some(Value::Null) | None if path.ends_with(&["replicas"]) || path.ends_with(&["successful"]) => "0".into(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        (text == self.value) == self.equal
    }
}

/// The terms of a field selector: backslashes keep what follows.
fn terms(text: &str) -> Vec<&str> {
    let (mut start, mut kept, mut out) = (0, false, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            _ if kept => kept = false,
            '\\' => kept = true,
            ',' => {
                out.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out.retain(|term| !term.is_empty());
    out.sort_unstable();
    out
}

fn unescaped(value: &str) -> Result<String, String> {
    let (mut out, mut letters) = (String::new(), value.chars());
    while let Some(c) = letters.next() {
        match c {
            '\\' => match letters.next() {
                Some(kept @ ('\\' | ',' | '=')) => out.push(kept),
                Some(other) => return Err(format!("invalid field selector: invalid escape sequence: \\{other}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".into()),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(c))),
            c => out.push(c),
        }
    }
    Ok(out)
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<Field>, ApiError> {
    let mut read = Vec::new();
    for term in terms(text) {
        let sign = term.char_indices().find_map(|(i, _)| {
            ["!=", "==", "="].into_iter().find(|sign| term[i..].starts_with(*sign)).map(|sign| (i, sign))
        });
        let Some((at, sign)) = sign else {
            return Err(ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'")));
        };
        let value = unescaped(&term[at + sign.len()..]).map_err(ApiError::bad_request)?;
        read.push((&term[..at], sign != "!=", value));
    }
    // A term without a field and a value takes everything.
    read.retain(|(key, equal, value)| !(key.is_empty() && *equal && value.is_empty()));
    read.into_iter().map(|(key, equal, value)| field(resource, key, equal, value)).collect()
}

fn field(resource: &Resource, key: &str, equal: bool, value: String) -> Result<Field, ApiError> {
    let known = key == "metadata.name"
        || (key == "metadata.namespace" && (resource.namespaced || resource.selectable.is_empty() && !resource.custom))
        || resource.selectable.iter().any(|s| s == key);
    if known {
        return Ok(Field { path: key.split('.').map(str::to_owned).collect(), value, equal });
    }
    let plain = resource.selectable.is_empty() && !resource.custom;
    Err(ApiError::bad_request(if plain {
        let names = "\"metadata.name\", \"metadata.namespace\"";
        format!("\"{key}\" is not a known field selector: only {names}")
    } else if resource.group == "batch" {
        format!("field label \"{key}\" not supported for {}", resource.kind)
    } else {
        format!("field label not supported: {key}")
    }))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::resources::BUILTINS;
    use crate::store::Key;

    fn pod(labels: &str, spec: &str) -> Stored {
        let body = format!(r#"{{"metadata":{{"name":"p","namespace":"d","labels":{labels}}},"spec":{spec}}}"#);
        Stored {
            key: Key::new("d", "p"),
            version: 1,
            uid: "u".into(),
            owners: Box::default(),
            body: Bytes::from(body),
            raw: false,
        }
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
