//! Names, labels and the other forms of text that Kubernetes knows: which are allowed, and making names up.

mod forms;

use serde_json::{Value, json};

pub(crate) use self::forms::*;

use crate::error::Cause;
use crate::object;
use crate::resources::Resource;
use crate::validate;

const KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
     (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
     end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
     '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
     end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
     start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
/// All annotations of an object together, in bytes.
const ANNOTATIONS: usize = 256 * 1024;

fn too_long(most: usize) -> String {
    format!("must be no more than {most} bytes")
}

/// Lengths of names are counted in characters, where those of labels are counted in bytes.
fn too_many(most: usize) -> String {
    format!("must be no more than {most} characters")
}

fn is_edge(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric())
}

fn is_name_part(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && is_edge(text.chars().next())
        && is_edge(text.chars().last())
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// What is wrong with a label's key, which is also the form of other qualified names.
pub(crate) fn label_key(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (mut wrong, name) = match parts.as_slice() {
        [name] => (Vec::new(), *name),
        ["", name] => (vec!["prefix part must be non-empty".to_owned()], *name),
        [prefix, name] => {
            let bytes = |why: String| if why == too_many(253) { too_long(253) } else { why };
            (subdomain(prefix).into_iter().map(|why| format!("prefix part {}", bytes(why))).collect(), *name)
        }
        _ => {
            return vec![format!(
                "a valid label key {KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        wrong.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        wrong.push(format!("name part {}", too_long(63)));
    }
    if !is_name_part(name) {
        wrong.push(format!("name part {KEY}"));
    }
    wrong
}

/// What is wrong with a label's value.
pub(crate) fn label_value(text: &str) -> Vec<String> {
    let mut wrong = if text.len() > 63 { vec![too_long(63)] } else { Vec::new() };
    if !text.is_empty() && !is_name_part(text) {
        wrong.push(VALUE.into());
    }
    wrong
}

/// What is wrong with a DNS subdomain.
pub(crate) fn subdomain(text: &str) -> Vec<String> {
    let mut wrong = if text.len() > 253 { vec![too_many(253)] } else { Vec::new() };
    if !text.split('.').all(is_label) {
        wrong.push(SUBDOMAIN.into());
    }
    wrong
}

/// What is wrong with a DNS label.
pub(crate) fn label(text: &str) -> Vec<String> {
    let mut wrong = if text.len() > 63 { vec![too_many(63)] } else { Vec::new() };
    if !is_label(text) {
        let dots = text.split('.').all(is_label);
        wrong.push(if dots { "must not contain dots".into() } else { LABEL.into() });
    }
    wrong
}

/// What is wrong with a name that only has to fit into a path.
pub(crate) fn segment(text: &str) -> Vec<String> {
    match text {
        "." | ".." => vec![format!("may not be '{text}'")],
        _ => ['/', '%'].into_iter().filter(|c| text.contains(*c)).map(|c| format!("may not contain '{c}'")).collect(),
    }
}

/// Checks the metadata of an object that is created.
pub(crate) fn check(resource: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let (name, prefix) = (object::meta(object, "name"), object::meta(object, "generateName"));
    let invalid = |field: &str, value: &str, whys: Vec<String>| -> Vec<Cause> {
        whys.iter().map(|why| Cause::invalid(field, &Value::from(value), why)).collect()
    };
    if !prefix.is_empty() {
        let masked = prefix.strip_suffix('-').map_or_else(|| prefix.to_owned(), |p| format!("{p}a"));
        causes.extend(invalid("metadata.generateName", prefix, wrong_name(resource, &masked)));
    }
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else {
        causes.extend(invalid("metadata.name", name, wrong_name(resource, name)));
    }
    causes.extend(metadata(object));
    causes.extend(finalizers(object));
    if validate::knows_finalizers(resource) {
        causes.extend(standard_finalizers(object));
    }
    causes
}

/// Checks labels, annotations and owners.
pub(crate) fn metadata(object: &Value) -> Vec<Cause> {
    let mut causes = labels(&object["metadata"]["labels"], "metadata.labels");
    causes.extend(annotations(&object["metadata"]["annotations"], "metadata.annotations"));
    causes.extend(owners(object));
    causes
}

/// Checks a map of labels.
pub(crate) fn labels(labels: &Value, field: &str) -> Vec<Cause> {
    let mut causes = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        causes.extend(label_key(key).iter().map(|why| Cause::invalid(field, &json!(key), why)));
        let whys = label_value(value.as_str().unwrap_or_default());
        causes.extend(whys.iter().map(|why| Cause::invalid(field, value, why)));
    }
    causes
}

/// Checks a map of annotations.
pub(crate) fn annotations(annotations: &Value, field: &str) -> Vec<Cause> {
    let (mut causes, mut size) = (Vec::new(), 0);
    for (key, value) in annotations.as_object().into_iter().flatten() {
        // Case does not count in keys of annotations.
        let whys = label_key(&key.to_lowercase());
        causes.extend(whys.iter().map(|why| Cause::invalid(field, &json!(key), why)));
        size += key.len() + value.as_str().unwrap_or_default().len();
    }
    if size > ANNOTATIONS {
        let message = format!("Too long: may not be more than {ANNOTATIONS} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", message, field: field.into() });
    }
    causes
}

fn owners(object: &Value) -> Vec<Cause> {
    let (mut causes, mut controllers) = (Vec::new(), Vec::new());
    let field = |name: &str| format!("metadata.ownerReferences.{name}");
    for owner in object::owners(object) {
        let text = |name: &str| owner[name].as_str().unwrap_or_default();
        let version = text("apiVersion");
        if version.is_empty() || version.split('/').count() > 2 || version.ends_with('/') {
            causes.push(Cause::invalid(&field("apiVersion"), &json!(version), "version must not be empty"));
        }
        for name in ["kind", "name", "uid"] {
            if text(name).is_empty() {
                causes.push(Cause::invalid(&field(name), &json!(""), "must not be empty"));
            }
        }
        if text("kind") == "Event" && matches!(version, "v1" | "events.k8s.io/v1") {
            let (group, version) = version.rsplit_once('/').unwrap_or(("", version));
            let why = format!("{group}/{version}, Kind=Event is disallowed from being an owner");
            causes.push(Cause::invalid("metadata.ownerReferences", owner, &why));
        }
        if owner["controller"] == true {
            controllers.push(format!("{}/{}", text("kind"), text("name")));
        }
    }
    if let [first, second, ..] = controllers.as_slice() {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {second}"
        );
        let shown = spelled(&object["metadata"]["ownerReferences"]);
        let message = format!("Invalid value: {shown}: {why}");
        causes.push(Cause { reason: "FieldValueInvalid", message, field: "metadata.ownerReferences".into() });
    }
    causes
}

/// Owners with their fields in the order that kube-apiserver writes them in.
fn spelled(owners: &Value) -> String {
    let one = |owner: &Value| {
        let order = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
        let fields = order.iter().filter(|f| !owner[**f].is_null()).map(|f| format!("\"{f}\":{}", owner[*f]));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    let all: Vec<String> = owners.as_array().into_iter().flatten().map(one).collect();
    format!("[{}]", all.join(","))
}

/// Checks the form of finalizers.
pub(crate) fn finalizers(object: &Value) -> Vec<Cause> {
    let (mut causes, all) = (Vec::new(), object::finalizers(object));
    for finalizer in &all {
        let whys = label_key(finalizer);
        causes.extend(whys.iter().map(|why| Cause::invalid("metadata.finalizers", &Value::from(*finalizer), why)));
    }
    if all.contains(&"orphan") && all.contains(&"foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        causes.push(Cause::invalid("metadata.finalizers", &object["metadata"]["finalizers"], why));
    }
    causes
}

/// True for the finalizers that need no domain.
pub(crate) fn is_standard_finalizer(name: &str) -> bool {
    matches!(name, "orphan" | "foregroundDeletion" | "kubernetes")
}

/// Checks that finalizers without a domain are known.
pub(crate) fn standard_finalizers(object: &Value) -> Vec<Cause> {
    let all = object::finalizers(object).into_iter().enumerate();
    let unknown = all.filter(|(_, name)| !is_standard_finalizer(name) && !name.contains('/'));
    let why = "name is neither a standard finalizer name nor is it fully qualified";
    unknown.map(|(i, name)| Cause::invalid(&format!("metadata.finalizers[{i}]"), &name.into(), why)).collect()
}

fn wrong_name(resource: &Resource, name: &str) -> Vec<String> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("events.k8s.io", _) => subdomain(name),
        ("rbac.authorization.k8s.io", _) => segment(name),
        ("", "replicationcontrollers") => {
            let bytes = |why: String| if why == too_many(253) { too_long(253) } else { why };
            subdomain(name).into_iter().map(bytes).collect()
        }
        _ if validate::names_nothing(resource) => segment(name),
        ("", "namespaces" | "services") | ("apps", "statefulsets") => label(name),
        ("networking.k8s.io", "ipaddresses") => canonical_address(name),
        ("batch", "cronjobs") => {
            let mut wrong = subdomain(name);
            if name.len() > 52 {
                wrong.push(too_many(52));
            }
            wrong
        }
        _ => subdomain(name),
    }
}

fn canonical_address(name: &str) -> Vec<String> {
    match (address(name), loose_address(name).map(|address| address.to_string())) {
        (wrong, Some(canonical)) if wrong.is_empty() && canonical != name => {
            vec![format!("must be in canonical form ({canonical:?})")]
        }
        (wrong, _) => wrong,
    }
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
