//! What a definition must say, and what an update of one may not change.

use serde_json::{Value, json};

use super::text;
use crate::error::Cause;
use crate::object;
use crate::schema::validator;

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
     character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
     '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
     start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
     '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(inner) && !text.ends_with('-')
}

/// Everything that is wrong with a definition.
pub(super) fn check(definition: &Value) -> Vec<Cause> {
    let spec = &definition["spec"];
    let mut causes = Vec::new();
    let (name, plural, group) =
        (object::meta(definition, "name"), text(&spec["names"]["plural"]), text(&spec["group"]));
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    if group.is_empty() {
        causes.push(Cause::required("spec.group", ""));
    } else if !group.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_digit()) || is_label(part)) {
        causes.push(Cause::invalid("spec.group", &group.into(), SUBDOMAIN));
    } else if !group.contains('.') {
        causes.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    match text(&spec["scope"]).as_str() {
        "" => causes.push(Cause::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => causes.push(unsupported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    versions(spec, &mut causes);
    names(&spec["names"], &mut causes);
    schemas(spec, &mut causes);
    stored(definition, &mut causes);
    causes
}

fn unsupported(field: &str, value: &str, supported: &[&str]) -> Cause {
    let supported: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
    let message = format!("Unsupported value: {}: supported values: {}", Value::from(value), supported.join(", "));
    Cause { reason: "FieldValueNotSupported", message, field: field.into() }
}

fn listed(spec: &Value) -> &[Value] {
    spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn versions(spec: &Value, out: &mut Vec<Cause>) {
    let versions = listed(spec);
    for (i, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            out.push(Cause::required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), ""));
        }
    }
    for (i, version) in versions.iter().enumerate().filter(|(_, v)| !is_label(&text(&v["name"]))) {
        out.push(Cause::invalid(&format!("spec.versions[{i}].name"), &version["name"], LABEL));
    }
    let shown = json!(versions.iter().map(|v| text(&v["name"])).collect::<Vec<_>>());
    let twice = |(i, v): (usize, &Value)| versions[..i].iter().any(|other| other["name"] == v["name"]);
    if versions.iter().enumerate().any(twice) {
        out.push(Cause::invalid("spec.versions", &shown, "must contain unique version names"));
    }
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        out.push(Cause::invalid("spec.versions", &shown, "must have exactly one version marked as storage version"));
    }
}

fn names(names: &Value, out: &mut Vec<Cause>) {
    for field in ["plural", "singular", "kind", "listKind"].into_iter().filter(|f| text(&names[*f]).is_empty()) {
        out.push(Cause::required(&format!("spec.names.{field}"), ""));
    }
    let mut label = |field: &str, value: &Value, mixed: bool| {
        let name = text(value);
        let shape = if mixed { name.to_lowercase() } else { name.clone() };
        if !name.is_empty() && !is_label(&shape) {
            let why = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            out.push(Cause::invalid(&format!("spec.names.{field}"), value, &format!("{why}{LABEL}")));
        }
    };
    label("plural", &names["plural"], false);
    label("singular", &names["singular"], false);
    label("kind", &names["kind"], true);
    label("listKind", &names["listKind"], true);
    let each = |list: &str| names[list].as_array().into_iter().flatten().cloned().enumerate().collect::<Vec<_>>();
    each("shortNames").iter().for_each(|(i, name)| label(&format!("shortNames[{i}]"), name, false));
    let categories = each("categories");
    let same = names["kind"].is_string() && names["kind"] == names["listKind"];
    if same {
        out.push(Cause::invalid("spec.names.listKind", &names["listKind"], "kind and listKind may not be the same"));
    }
    for (i, name) in categories.iter().filter(|(_, name)| !is_label(&text(name))) {
        out.push(Cause::invalid(&format!("spec.names.categories[{i}]"), name, LABEL));
    }
}

/// Where a version's schema stands in errors: equal ones are told once, for the whole definition.
fn schemas(spec: &Value, out: &mut Vec<Cause>) {
    let versions = listed(spec);
    let first = versions.first().map(|v| &v["schema"]);
    let together = versions.iter().all(|v| Some(&v["schema"]) == first);
    for (i, version) in versions.iter().enumerate().take(if together { 1 } else { usize::MAX }) {
        let schema = &version["schema"]["openAPIV3Schema"];
        let path = match together {
            true => "spec.validation.openAPIV3Schema".to_owned(),
            false => format!("spec.versions[{i}].schema.openAPIV3Schema"),
        };
        if !schema.is_object() {
            continue;
        }
        let mut found = Vec::new();
        structural(schema, &path, Level::Root, &mut found);
        found.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
        if found.is_empty() {
            for (at, rule, why) in validator::faults(schema) {
                found.push(Cause::invalid(&format!("{path}{at}"), &rule, &why));
            }
        }
        out.extend(found);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Every value has a type, so that it is known what to keep.
fn structural(schema: &Value, path: &str, level: Level, out: &mut Vec<Cause>) {
    let flag = |name: &str| schema.get(name).and_then(Value::as_bool).unwrap_or(false);
    let kind = text(&schema["type"]);
    let at = format!("{path}.type");
    if kind.is_empty() && !flag("x-kubernetes-int-or-string") && !flag("x-kubernetes-preserve-unknown-fields") {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        out.push(Cause::required(&at, why));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        out.push(Cause::invalid(&at, &kind.as_str().into(), "must be object at the root"));
    }
    if kind == "array" && !schema["items"].is_object() {
        out.push(Cause::required(&format!("{path}.items"), "must be specified"));
    }
    if schema["items"].is_object() {
        structural(&schema["items"], &format!("{path}.items"), Level::Item, out);
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        structural(field, &format!("{path}.properties[{name}]"), Level::Field, out);
    }
    if schema["additionalProperties"].is_object() {
        structural(&schema["additionalProperties"], &format!("{path}.additionalProperties"), Level::Field, out);
    }
}

/// The versions that objects may be stored in stay.
fn stored(definition: &Value, out: &mut Vec<Cause>) {
    let field = "status.storedVersions";
    let stored = definition["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    if stored.is_empty() {
        out.push(Cause::invalid(field, &Value::Null, "must have at least one stored version"));
        return;
    }
    let versions = listed(&definition["spec"]);
    for version in versions.iter().filter(|v| v["storage"] == true && !stored.contains(&v["name"])) {
        let why = format!("must have the storage version {}", text(&version["name"]));
        out.push(Cause::invalid(field, &Value::Array(stored.clone()), &why));
    }
    for (i, name) in stored.iter().enumerate().filter(|(_, name)| versions.iter().all(|v| v["name"] != **name)) {
        let name = text(name);
        let why = format!(
            "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a \
             storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
        );
        out.push(Cause::invalid(&format!("{field}[{i}]"), &name.into(), &why));
    }
}

/// What an update may not change.
pub(super) fn immutable(old: &Value, new: &Value) -> Vec<Cause> {
    let established = old["status"]["conditions"].as_array().into_iter().flatten();
    let established = established.into_iter().any(|c| c["type"] == "Established" && c["status"] == "True");
    let mut causes = Vec::new();
    let fields = [("scope", established), ("names.kind", established), ("group", true), ("names.plural", true)];
    for (field, _) in fields.into_iter().filter(|(_, holds)| *holds) {
        let path: Vec<&str> = ["spec"].into_iter().chain(field.split('.')).collect();
        let (before, after) = (object::at(old, &path), object::at(new, &path));
        if before != after {
            causes.push(Cause::invalid(&path.join("."), after.unwrap_or(&Value::Null), "field is immutable"));
        }
    }
    causes
}
