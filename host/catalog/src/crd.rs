//! The custom resources `Plugin` and `Member`, generated from the Rust types that read and write them.

use kube::core::schema::StructuralSchemaRewriter;
use motet_core::plugin::PluginSpec;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::object::PluginObjectStatus;

/// What the host publishes about a member.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberStatus {
    /// `Pending`, `Connecting`, `Ready`, `Unreachable`, `Refused`.
    pub state: String,
    /// UpperCamelCase word; empty where all is well.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Since when, RFC 3339.
    pub since: String,
    /// Its identity.
    pub uid: String,
    /// Its API server.
    pub server: String,
    /// Its Kubernetes version.
    pub version: String,
    /// Which provider announced it.
    pub provider: String,
    /// Plugins that run on it, and that are bound to it.
    pub plugins: String,
}

/// A `Member` has no spec: it is published, not asked for.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct MemberSpec {}

fn schema<T: JsonSchema>() -> Value {
    let settings =
        SchemaSettings::openapi3().with(|s| s.inline_subschemas = true).with_transform(StructuralSchemaRewriter);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("$schema");
        object.remove("title");
    }
    drop_foreign(&mut schema);
    schema
}

/// API servers know no unsigned formats and warn of each (`minimum: 0` says the same), and would store a default of null.
fn drop_foreign(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("format").and_then(Value::as_str).is_some_and(|f| f.starts_with("uint")) {
                fields.remove("format");
            }
            if fields.get("default") == Some(&Value::Null) {
                fields.remove("default");
            }
            fields.values_mut().for_each(drop_foreign);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_foreign),
        _ => {}
    }
}

struct Kind {
    plural: &'static str,
    singular: &'static str,
    kind: &'static str,
    short: &'static str,
    spec: Value,
    status: Value,
    columns: Value,
}

fn crd(kind: Kind) -> Value {
    let Kind { plural, singular, kind, short, spec, status, columns } = kind;
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.motet.dev") },
        "spec": {
            "group": "motet.dev",
            "names": { "plural": plural, "singular": singular, "kind": kind, "listKind": format!("{kind}List"), "shortNames": [short] },
            "scope": "Cluster",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": { "status": {} },
                "additionalPrinterColumns": columns,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": { "spec": spec, "status": status },
                } },
            }],
        },
    })
}

fn column(name: &str, kind: &str, path: &str) -> Value {
    json!({ "name": name, "type": kind, "jsonPath": path })
}

/// The spec, with grants as kubectl sends them: it reads YAML 1.1, in which the key `on` is the boolean `true`, and would refuse
/// a field that is not in the schema.
fn plugin_spec() -> Value {
    let mut spec = schema::<PluginSpec>();
    if let Some(fields) = spec.pointer_mut("/properties/grants/items/properties").and_then(Value::as_object_mut)
        && let Some(mut on) = fields.get("on").cloned()
    {
        // A default would make the server write it, and one of the two is enough.
        for field in [&mut on, &mut fields["on"]] {
            field.as_object_mut().map(|f| f.remove("default"));
        }
        fields.insert("true".into(), on);
    }
    spec
}

/// The custom resource definition of `Plugin`.
pub fn plugin() -> Value {
    crd(Kind {
        plural: "plugins",
        singular: "plugin",
        kind: "Plugin",
        short: "mpl",
        spec: plugin_spec(),
        status: schema::<PluginObjectStatus>(),
        columns: json!([
            column("State", "string", ".status.state"),
            column("Mode", "string", ".spec.mode"),
            column("Selected", "integer", ".status.members.selected"),
            column("Active", "integer", ".status.members.active"),
            column("Failing", "integer", ".status.members.failing"),
            column("Age", "date", ".metadata.creationTimestamp"),
        ]),
    })
}

/// The custom resource definition of `Member`.
pub fn member() -> Value {
    crd(Kind {
        plural: "members",
        singular: "member",
        kind: "Member",
        short: "mem",
        spec: schema::<MemberSpec>(),
        status: schema::<MemberStatus>(),
        columns: json!([
            column("State", "string", ".status.state"),
            column("Reason", "string", ".status.reason"),
            column("Version", "string", ".status.version"),
            column("Plugins", "string", ".status.plugins"),
            column("Age", "date", ".metadata.creationTimestamp"),
        ]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules of structural schemas that a generator can break: no references, one type everywhere.
    fn check(path: &str, schema: &Value) {
        assert!(schema.get("$ref").is_none(), "{path} has a $ref");
        assert!(schema["type"].is_string(), "{path} has no single type: {schema}");
        assert!(schema.get("default") != Some(&Value::Null), "{path} would be stored as null");
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            check(&format!("{path}.{name}"), property);
        }
        if let Some(items) = schema.get("items") {
            check(&format!("{path}[]"), items);
        }
    }

    #[test]
    fn the_schemas_are_structural() {
        for crd in [plugin(), member()] {
            check("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
        }
    }

    #[test]
    fn every_field_of_a_plugin_is_in_the_schema() {
        let spec = &plugin()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
        for field in [
            "source",
            "members",
            "mode",
            "config",
            "configOverrides",
            "grants",
            "limits",
            "onDelete",
            "suspend",
            "digest",
        ] {
            assert!(spec.get(field).is_some(), "{field} is missing");
        }
        let grant = &spec["grants"]["items"]["properties"];
        assert!(grant["on"].is_object() && grant["on"] == grant["true"]);
    }
}
