//! Names: which are allowed, and making them up.

use serde_json::Value;

use crate::error::Cause;
use crate::object;
use crate::resources::Resource;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
     end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
     start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Checks name, labels and annotations.
pub(crate) fn check(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = object::meta(object, "name");
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Some(why) = wrong_name(resource, name) {
        causes.push(Cause::invalid("metadata.name", &Value::from(name), why));
    }
    for (i, finalizer) in object::finalizers(object).iter().enumerate().filter(|_| !resource.custom) {
        let standard = matches!(*finalizer, "orphan" | "foregroundDeletion" | "kubernetes");
        if !standard && !finalizer.contains('/') {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            causes.push(Cause::invalid(&format!("metadata.finalizers[{i}]"), &Value::from(*finalizer), why));
        }
    }
    for (key, value) in object["metadata"]["labels"].as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        if !is_label_value(text) {
            let why = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
                 and end with an alphanumeric character";
            causes.push(Cause::invalid("metadata.labels", value, why));
        }
        if !is_qualified(key) {
            causes.push(Cause::invalid(
                "metadata.labels",
                &Value::from(key.as_str()),
                "name part must be a qualified name",
            ));
        }
    }
    causes
}

fn wrong_name(resource: &Resource, name: &str) -> Option<&'static str> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("rbac.authorization.k8s.io", _) => {
            (name == "." || name == ".." || name.contains(['/', '%'])).then_some("may not contain '/' or '%'")
        }
        ("", "namespaces" | "services") => (!is_label(name) || name.len() > 63).then_some(LABEL),
        _ => (name.len() > 253 || !name.split('.').all(is_label)).then_some(SUBDOMAIN),
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(inner) && edge(text.chars().next()) && edge(text.chars().last())
}

fn is_qualified(key: &str) -> bool {
    let (prefix, name) = key.split_once('/').unwrap_or(("x", key));
    !name.is_empty() && is_label_value(name) && prefix.split('.').all(is_label)
}

/// A name from a prefix, with five characters of the alphabet that kube-apiserver uses.
pub(crate) fn generated(prefix: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4();
    let tail: String =
        random.as_bytes().iter().take(5).map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()])).collect();
    let prefix: String = prefix.chars().take(58).collect();
    format!("{prefix}{tail}")
}
