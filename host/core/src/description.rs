//! What a plugin says about itself: the JSON that `describe` returns, read strictly.
//!
//! The schema is published beside the contract as `wit/description.schema.json`; a test holds both together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Gvk, PluginName, grant::Rule};

/// A plugin's own description.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Description {
    /// The name its author gave it. The operator's `Plugin` may call it otherwise.
    pub name: PluginName,
    /// The author's version, for people.
    pub version: String,
    /// What has keys.
    pub primary: Primary,
    /// What else it wants to read from caches, and how a change there maps to keys.
    #[serde(default)]
    pub related: Vec<Watch>,
    /// Kinds whose objects it applies, so that drift is seen. Each is watched.
    #[serde(default)]
    pub applies: Vec<Gvk>,
    /// What it asks the operator to grant, beyond what its watches and `applies` imply.
    #[serde(default)]
    pub needs: Vec<Rule>,
    /// JSON schema of its config; absent means that it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// Whether primaries get a finalizer, so that it can clean up.
    #[serde(default)]
    pub finalizer: bool,
}

/// What a plugin's keys are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
// One per plugin: its size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Primary {
    /// One key per object of a kind.
    Object(Watch),
    /// One key per member.
    Member {},
}

/// One kind that is watched, and what the plugin makes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Watch {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Which objects.
    #[serde(default)]
    pub scope: Scope,
    /// Which changes count.
    #[serde(default)]
    pub trigger: Trigger,
    /// JSON Pointers, `*` for every element or key, of what the plugin sees; absent means the whole object without `managedFields`.
    /// `apiVersion`, `kind` and the identifying metadata (name, namespace, uid, resourceVersion) are always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<Vec<String>>,
    /// How an object maps to keys; not given for the primary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Mapping>,
}

impl Watch {
    /// The watched kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(&self.group, &self.version, &self.kind)
    }
}

/// Which objects of a kind a watch covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scope {
    /// One namespace each; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
    /// Label selector in text form; empty selects all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub labels: String,
    /// Field selector in text form; empty selects all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fields: String,
}

/// Which changes of an object enqueue a key. Whatever it says, adds, deletions and a set deletion timestamp count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Trigger {
    /// Any change of what the plugin sees.
    #[default]
    Any,
    /// A new generation.
    Generation,
    /// A change under one of these paths (same syntax as a projection).
    Paths(Vec<String>),
}

/// How an object of a related kind maps to keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Mapping {
    /// To the primaries that its owner references name.
    Owner {},
    /// To the primary that a label's value names (`NAMESPACE/NAME`, or `NAME` in the object's own namespace).
    Label(String),
    /// To the primary that an annotation's value names, likewise.
    Annotation(String),
    /// To the primary with the object's own name (and namespace, where the primary is namespaced).
    Name {},
    /// To the primary named by the object's namespace.
    Namespace {},
    /// To the primaries that the values at a path name (same syntax as a projection).
    Path(String),
    /// To the member's key.
    Member {},
    /// To no key: read from the cache only.
    None {},
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_read_strictly() {
        let json = r#"{"name":"x","version":"0.1.0","primary":{"object":{"version":"v1","kind":"Namespace",
            "scope":{"labels":"a=b"},"trigger":"generation","projection":["/metadata/labels"]}},
            "related":[{"version":"v1","kind":"Pod","map":{"path":"/spec/nodeName"}}]}"#;
        let description: Description = serde_json::from_str(json).unwrap();
        assert_eq!(description.related[0].map, Some(Mapping::Path("/spec/nodeName".into())));
        let unknown = json.replacen("\"version\"", "\"colour\":1,\"version\"", 1);
        assert!(serde_json::from_str::<Description>(&unknown).unwrap_err().to_string().contains("colour"));
        let member = r#"{"name":"x","version":"1","primary":{"member":{}}}"#;
        assert_eq!(serde_json::from_str::<Description>(member).unwrap().primary, Primary::Member {});
    }

    /// The published schema is what this type reads; run with `MOTET_BLESS=1` to write it anew.
    #[test]
    fn the_published_schema_is_the_types() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/description.schema.json");
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(Description)).unwrap() + "\n";
        if std::env::var_os("MOTET_BLESS").is_some() {
            std::fs::write(file, &schema).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(file).unwrap_or_default(),
            schema,
            "run with MOTET_BLESS=1 and commit {file}"
        );
    }
}
