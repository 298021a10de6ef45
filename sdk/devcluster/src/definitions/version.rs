//! What a version of a definition says beside its schema: deprecation, subresources, printer columns, selectable fields.

use std::collections::BTreeSet;

use serde_json::Value;

use super::path;
use super::text;
use crate::error::Cause;

const TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
/// What may stand at the root of a schema whose status is taken out of it, and how Go calls it.
const ROOT: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];
/// Most selectable fields of a version.
const SELECTABLE: usize = 8;

/// A warning goes with deprecation, and has to fit into a header.
pub(super) fn deprecation(version: &Value, path: &str, out: &mut Vec<Cause>) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let mut wrong = |why: &str| {
        out.push(Cause::invalid(&format!("{path}.deprecationWarning"), &version["deprecationWarning"], why));
    };
    if version["deprecated"] != true {
        wrong("can only be set for deprecated versions");
        return;
    }
    if warning.len() > 256 {
        wrong("must be <= 256 characters long");
    }
    if warning.is_empty() {
        wrong("must not be an empty string");
    }
    let hidden = |c: char| {
        c != ' ' && (c.is_control() || c.is_whitespace() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{feff}'))
    };
    if let Some((at, _)) = warning.char_indices().find(|(_, c)| hidden(*c)) {
        wrong(&format!("must only contain printable UTF-8 characters; non-printable character found at index {at}"));
    }
}

/// The status is taken out of the schema, so that little may be said about the whole.
pub(super) fn root_of_status(schema: &Value, path: &str, out: &mut Vec<Cause>) {
    let kind = text(&schema["type"]);
    if !matches!(kind.as_str(), "" | "object") {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        out.push(Cause::invalid(&format!("{path}.type"), &kind.into(), why));
        return;
    }
    let set = |value: &Value| !value.is_null() && *value != false;
    let other = schema
        .as_object()
        .into_iter()
        .flatten()
        .any(|(key, value)| set(value) && ROOT.iter().all(|(name, _)| name != key));
    if other {
        let names: Vec<&str> = ROOT.iter().map(|(_, name)| *name).collect();
        let why = format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            names.join(" ")
        );
        out.push(Cause::invalid(path, schema, &why));
    }
}

/// The paths of the scale subresource.
pub(super) fn subresources(subresources: &Value, path: &str, out: &mut Vec<Cause>) {
    let scale = &subresources["scale"];
    if !scale.is_object() {
        return;
    }
    let fields: [(&str, bool, &[&str], &str); 3] = [
        ("specReplicasPath", true, &[".spec."], "under .spec"),
        ("statusReplicasPath", true, &[".status."], "under .status"),
        ("labelSelectorPath", false, &[".spec.", ".status."], "under either .spec or .status"),
    ];
    for (field, needed, roots, place) in fields {
        let (at, value) = (format!("{path}.scale.{field}"), text(&scale[field]));
        if value.is_empty() {
            if needed {
                out.push(Cause::required(&at, ""));
            }
        } else if let Some(cause) = simple(&value, &at) {
            out.push(cause);
        } else if !roots.iter().any(|root| value.starts_with(root)) {
            out.push(Cause::invalid(&at, &scale[field], &format!("should be a json path {place}")));
        }
    }
}

fn simple(value: &str, path: &str) -> Option<Cause> {
    let why = "must be a simple json path starting with .";
    (!value.starts_with('.')).then(|| Cause::invalid(path, &value.into(), why))
}

/// Printer columns: their names, types, formats and paths.
pub(super) fn columns(columns: &Value, path: &str, out: &mut Vec<Cause>) {
    for (i, column) in columns.as_array().into_iter().flatten().enumerate() {
        let at = |field: &str| format!("{path}[{i}].{field}");
        if text(&column["name"]).is_empty() {
            out.push(Cause::required(&at("name"), ""));
        }
        let (kind, format) = (text(&column["type"]), text(&column["format"]));
        let types = format!("must be one of {}", TYPES.join(","));
        if kind.is_empty() {
            out.push(Cause::required(&at("type"), &types));
        } else if !TYPES.contains(&kind.as_str()) {
            out.push(Cause::invalid(&at("type"), &kind.into(), &types));
        }
        if !format.is_empty() && !FORMATS.contains(&format.as_str()) {
            out.push(Cause::invalid(&at("format"), &format.into(), &format!("must be one of {}", FORMATS.join(","))));
        }
        match text(&column["jsonPath"]).as_str() {
            "" => out.push(Cause::required(&at("JSONPath"), "")),
            found => out.extend(simple(found, &at("JSONPath"))),
        }
    }
}

/// Fields that objects can be selected by; without a schema of their own, why they cannot be there.
pub(super) fn selectable(fields: &Value, schema: Result<&Value, &str>, path: &str, out: &mut Vec<Cause>) {
    let fields = fields.as_array().map(Vec::as_slice).unwrap_or_default();
    let schema = match schema {
        Ok(schema) => schema,
        Err(why) => {
            if !fields.is_empty() {
                out.push(Cause::invalid(path, &"".into(), why));
            }
            return;
        }
    };
    let mut seen = BTreeSet::new();
    for (i, field) in fields.iter().enumerate() {
        let (at, said) = (format!("{path}[{i}].jsonPath"), text(&field["jsonPath"]));
        if said.is_empty() {
            out.push(Cause::required(&at, ""));
            continue;
        }
        let value = Value::from(said.as_str());
        let (found, of) = match path::follow(&said, schema, false) {
            Ok(found) => found,
            Err(why) => {
                out.push(Cause::invalid(&at, &value, &format!("is an invalid path: {why}")));
                continue;
            }
        };
        if found.split(['.', '[']).next() == Some("metadata") {
            out.push(Cause::invalid(&at, &value, "must not point to fields in metadata"));
        }
        if !matches!(text(&of["type"]).as_str(), "string" | "boolean" | "integer") {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
            out.push(Cause::invalid(&at, &value, why));
        }
        if !seen.insert(found) {
            out.push(Cause { reason: "FieldValueDuplicate", message: format!("Duplicate value: {value}"), field: at });
        }
    }
    if seen.len() > SELECTABLE {
        let message = format!("Too many: {}: must have at most {SELECTABLE} items", seen.len());
        out.push(Cause { reason: "FieldValueTooMany", message, field: path.into() });
    }
}
