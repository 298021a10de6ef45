//! What a definition must say, and what an update of one may not change.

use serde_json::{Value, json};

use super::{conversion, defaults, keywords, structural, text, version};
use crate::error::Cause;
use crate::{names, object};

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
     character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
     '[a-z]([-a-z0-9]*[a-z0-9])?')";
const APPROVED: &str = "api-approved.kubernetes.io";
const WHERE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// What is wrong with a name that has to be a label; several faults in one sentence.
pub(super) fn label(text: &str) -> Option<String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let mut wrong = Vec::new();
    if text.len() > 63 {
        wrong.push("must be no more than 63 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) || !text.chars().all(inner) || text.ends_with('-') {
        wrong.push(LABEL);
    }
    if wrong.is_empty() { None } else { Some(wrong.join(",")) }
}

/// Everything that is wrong with a definition's status.
pub(super) fn status(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    named(&definition["status"]["acceptedNames"], "status.acceptedNames", &mut causes);
    causes
}

/// Everything that is wrong with a definition.
pub(super) fn check(definition: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    let wanted = format!("{}.{}", text(&definition["spec"]["names"]["plural"]), text(&definition["spec"]["group"]));
    let name = object::meta(definition, "name");
    if name != wanted && old.is_none() {
        let why = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &name.into(), why));
    }
    spec(&definition["spec"], old, &mut causes);
    if let Some(old) = old {
        causes.extend(immutable(old, definition));
    }
    causes.extend(status(definition));
    stored(definition, &mut causes);
    causes.extend(approval(definition, old));
    if definition["spec"]["preserveUnknownFields"] == true {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        causes.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), why));
    }
    causes
}

pub(super) fn unsupported(field: &str, value: &str, supported: &[&str]) -> Cause {
    let supported: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
    let message = format!("Unsupported value: {}: supported values: {}", json!(value), supported.join(", "));
    Cause { reason: "FieldValueNotSupported", message, field: field.into() }
}

fn listed(spec: &Value) -> &[Value] {
    spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn spec(spec: &Value, old: Option<&Value>, out: &mut Vec<Cause>) {
    let (group, versions) = (text(&spec["group"]), listed(spec));
    let wrong = names::subdomain(&group);
    if group.is_empty() {
        out.push(Cause::required("spec.group", ""));
    } else if !wrong.is_empty() {
        out.push(Cause::invalid("spec.group", &group.into(), &wrong.join(",")));
    } else if !group.contains('.') {
        out.push(Cause::invalid("spec.group", &group.into(), "should be a domain with at least one dot"));
    }
    match text(&spec["scope"]).as_str() {
        "" => out.push(Cause::required("spec.scope", "")),
        "Cluster" | "Namespaced" => {}
        other => out.push(unsupported("spec.scope", other, &["Cluster", "Namespaced"])),
    }
    for (i, _) in versions.iter().enumerate().filter(|(_, v)| !v["schema"]["openAPIV3Schema"].is_object()) {
        out.push(Cause::required(&format!("spec.versions[{i}].schema.openAPIV3Schema"), ""));
    }
    if spec["preserveUnknownFields"] == true {
        let has =
            versions.iter().any(|v| keywords::any(&v["schema"]["openAPIV3Schema"], &|s| s.get("default").is_some()));
        if has {
            let why = "must be false in order to use defaults in the schema";
            out.push(Cause::invalid("spec.preserveUnknownFields", &true.into(), why));
        }
    }
    of_versions(versions, out);
    for field in ["plural", "singular", "kind", "listKind"].into_iter().filter(|f| text(&spec["names"][*f]).is_empty())
    {
        out.push(Cause::required(&format!("spec.names.{field}"), ""));
    }
    named(&spec["names"], "spec.names", out);
    together(versions, out);
    conversion::check(spec, old, out);
}

/// What all versions say alike is told once, for the whole definition.
fn shared(versions: &[Value], field: &str) -> bool {
    let first = versions.first().map(|v| &v[field]);
    versions.iter().all(|v| Some(&v[field]) == first)
}

fn of_versions(versions: &[Value], out: &mut Vec<Cause>) {
    let alone = |field: &str| !shared(versions, field);
    for (i, listed) in versions.iter().enumerate() {
        let path = format!("spec.versions[{i}]");
        if let Some(why) = label(&text(&listed["name"])) {
            out.push(Cause::invalid(&format!("{path}.name"), &text(&listed["name"]).into(), &why));
        }
        version::deprecation(listed, &path, out);
        if alone("schema") {
            schema(&listed["schema"]["openAPIV3Schema"], has_status(listed), &format!("{path}.schema"), out);
        }
        if alone("subresources") {
            version::subresources(&listed["subresources"], &format!("{path}.subresources"), out);
        }
        if alone("additionalPrinterColumns") {
            version::columns(&listed["additionalPrinterColumns"], &format!("{path}.additionalPrinterColumns"), out);
        }
        if alone("selectableFields") && !listed["selectableFields"].is_null() {
            let at = format!("{path}.selectableFields");
            let own = Some(&listed["schema"]["openAPIV3Schema"]).filter(|s| s.is_object() && alone("schema"));
            let why = "may only be set when `version.schema.openAPIV3Schema` is not included";
            version::selectable(&listed["selectableFields"], own.ok_or(why), &at, out);
        }
    }
    let of_all = |why: &str| {
        let message = format!("Invalid value: {}: {why}", go_structs(versions));
        Cause { reason: "FieldValueInvalid", message, field: "spec.versions".into() }
    };
    let twice = |(i, v): (usize, &Value)| versions[..i].iter().any(|other| other["name"] == v["name"]);
    if versions.iter().enumerate().any(twice) {
        out.push(of_all("must contain unique version names"));
    }
    if versions.iter().filter(|v| v["storage"] == true).count() != 1 {
        out.push(of_all("must have exactly one version marked as storage version"));
    }
    // The first version is also that of the older form of definitions.
    let first = versions.first().map(|v| text(&v["name"])).filter(|name| !name.is_empty());
    if let Some((name, why)) = first.and_then(|name| Some((name.clone(), label(&name)?))) {
        out.push(Cause::invalid("spec.version", &name.into(), &why));
    }
}

/// Versions as errors repeat them, structs of Go as JSON; what all of them share is not part of them.
fn go_structs(versions: &[Value]) -> String {
    let one = |version: &Value| {
        let flag = |name: &str| version[name] == true;
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\"Schema\":null,\"Subresources\":null,\
             \"AdditionalPrinterColumns\":null,\"SelectableFields\":null}}",
            version["name"],
            flag("served"),
            flag("storage"),
            flag("deprecated"),
            version["deprecationWarning"]
        )
    };
    format!("[{}]", versions.iter().map(one).collect::<Vec<_>>().join(","))
}

fn together(versions: &[Value], out: &mut Vec<Cause>) {
    let Some(first) = versions.first() else { return };
    let all = |field: &str| Some(&first[field]).filter(|value| !value.is_null() && shared(versions, field));
    if let Some(shared) = all("schema") {
        schema(&shared["openAPIV3Schema"], versions.iter().any(has_status), "spec.validation", out);
    }
    if let Some(shared) = all("subresources") {
        version::subresources(shared, "spec.subresources", out);
    }
    if let Some(shared) = all("additionalPrinterColumns") {
        version::columns(shared, "spec.additionalPrinterColumns", out);
    }
    if let Some(shared) = all("selectableFields") {
        let source = all("schema").map(|s| &s["openAPIV3Schema"]);
        let why = "may only be set when validations.schema is included";
        version::selectable(shared, source.ok_or(why), "spec.selectableFields", out);
    }
}

fn has_status(version: &Value) -> bool {
    version["subresources"]["status"].is_object()
}

/// Checks one schema, which stands at `path.openAPIV3Schema`.
fn schema(source: &Value, status: bool, path: &str, out: &mut Vec<Cause>) {
    if !source.is_object() {
        return;
    }
    let (path, before) = (format!("{path}.openAPIV3Schema"), out.len());
    if status {
        version::root_of_status(source, &path, out);
    }
    if source["nullable"] == true {
        out.push(Cause::forbidden(&format!("{path}.nullable"), "nullable cannot be true at the root"));
    }
    let unbuildable = structural::unbuildable(source);
    let mut rules = false;
    if unbuildable.is_none() {
        let mut found = structural::check(source, &path);
        if found.is_empty() {
            found = defaults::check(source, &path);
        }
        rules = found.is_empty();
        out.extend(found);
    }
    out.extend(keywords::check(source, &path, rules));
    if let Some(why) = unbuildable.filter(|_| out.len() == before) {
        out.push(Cause::invalid(&path, &"".into(), &why));
    }
}

fn named(names: &Value, path: &str, out: &mut Vec<Cause>) {
    let mut each = |field: &str, name: &Value, mixed: bool| {
        let name = text(name);
        let shape = if mixed { name.to_lowercase() } else { name.clone() };
        if let Some(why) = label(&shape).filter(|_| !name.is_empty() || field.ends_with(']')) {
            let mixed = if mixed { "may have mixed case, but should otherwise match: " } else { "" };
            out.push(Cause::invalid(&format!("{path}.{field}"), &name.into(), &format!("{mixed}{why}")));
        }
    };
    each("plural", &names["plural"], false);
    each("singular", &names["singular"], false);
    each("kind", &names["kind"], true);
    each("listKind", &names["listKind"], true);
    let many = |list: &str| names[list].as_array().into_iter().flatten().enumerate().collect::<Vec<_>>();
    many("shortNames").iter().for_each(|(i, name)| each(&format!("shortNames[{i}]"), name, false));
    let categories = many("categories").into_iter().filter_map(|(i, name)| {
        label(&text(name)).map(|why| Cause::invalid(&format!("{path}.categories[{i}]"), name, &why))
    });
    if !text(&names["kind"]).is_empty() && names["kind"] == names["listKind"] {
        let why = "kind and listKind may not be the same";
        out.push(Cause::invalid(&format!("{path}.listKind"), &names["listKind"], why));
    }
    out.extend(categories);
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
    let mut left = stored.clone();
    for version in versions {
        let found = left.contains(&version["name"]);
        if version["storage"] == true && !found {
            let why = format!("must have the storage version {}", text(&version["name"]));
            out.push(Cause::invalid(field, &Value::Array(stored.clone()), &why));
        }
        // A name that stands twice is found once.
        left.retain(|name| *name != version["name"]);
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

/// How a definition in a group of the Kubernetes project says that it may be there.
#[derive(PartialEq, Eq)]
enum Approval {
    Missing,
    Bypassed,
    Given,
    Nonsense,
}

fn approved(definition: &Value) -> Approval {
    let said = text(&definition["metadata"]["annotations"][APPROVED]);
    let url = said
        .split_once("://")
        .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.starts_with('/') && !rest.is_empty());
    match said.as_str() {
        "" => Approval::Missing,
        said if said.starts_with("unapproved") => Approval::Bypassed,
        _ if url => Approval::Given,
        _ => Approval::Nonsense,
    }
}

fn approval(definition: &Value, old: Option<&Value>) -> Option<Cause> {
    let group = text(&definition["spec"]["group"]);
    let guarded = ["k8s.io", "kubernetes.io"].iter().any(|of| group == *of || group.ends_with(&format!(".{of}")));
    let now = approved(definition);
    if !guarded || old.is_some_and(|old| approved(old) == now) {
        return None;
    }
    let field = format!("metadata.annotations[{APPROVED}]");
    let must = format!("protected groups must have approval annotation \"{APPROVED}\"");
    match now {
        Approval::Missing => Some(Cause::required(&field, &format!("{must}, {WHERE}"))),
        Approval::Nonsense => {
            let why = format!("{must} with either a URL or a reason starting with \"unapproved\", {WHERE}");
            Some(Cause::invalid(&field, &definition["metadata"]["annotations"][APPROVED], &why))
        }
        Approval::Given | Approval::Bypassed => None,
    }
}

/// What an update may not change.
fn immutable(old: &Value, new: &Value) -> Vec<Cause> {
    let established = established(old);
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

/// True once the resources of a definition are served.
pub(super) fn established(definition: &Value) -> bool {
    let conditions = definition["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|c| c["type"] == "Established" && c["status"] == "True")
}
