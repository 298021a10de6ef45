//! Defaults of a config: what its schema says where the operator says nothing.

use serde_json::{Map, Value};

/// Schemas nest and may refer to themselves; no config is that deep.
const MAX_DEPTH: usize = 32;

/// Fills what `schema` has a default for into `config`, at every level that the operator wrote or that a default made. Null stays
/// null: without any config the plugin's own defaults hold.
pub fn fill(schema: &Value, config: &mut Value) {
    fill_at(schema, schema, config, MAX_DEPTH);
}

fn fill_at(root: &Value, schema: &Value, value: &mut Value, depth: usize) {
    let (Some(schema), Some(depth)) = (resolve(root, schema, MAX_DEPTH), depth.checked_sub(1)) else { return };
    match value {
        Value::Object(fields) => {
            for part in schema["allOf"].as_array().into_iter().flatten() {
                let mut whole = Value::Object(std::mem::take(fields));
                fill_at(root, part, &mut whole, depth);
                if let Value::Object(filled) = whole {
                    *fields = filled;
                }
            }
            fill_fields(root, schema, fields, depth);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill_at(root, &schema["items"], item, depth)),
        _ => {}
    }
}

fn fill_fields(root: &Value, schema: &Value, fields: &mut Map<String, Value>, depth: usize) {
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    for (name, property) in properties {
        if !fields.contains_key(name)
            && let Some(default) = default(root, property)
        {
            fields.insert(name.clone(), default.clone());
        }
        if let Some(value) = fields.get_mut(name) {
            fill_at(root, property, value, depth);
        }
    }
    let named = |name: &String| properties.contains_key(name);
    fields.iter_mut().filter(|(name, _)| !named(name)).for_each(|(_, value)| {
        fill_at(root, &schema["additionalProperties"], value, depth);
    });
}

/// A default beside a reference wins over that of what is referred to.
fn default<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    schema.get("default").or_else(|| resolve(root, schema, MAX_DEPTH)?.get("default"))
}

fn resolve<'a>(root: &'a Value, schema: &'a Value, depth: usize) -> Option<&'a Value> {
    match schema.get("$ref").and_then(Value::as_str) {
        None => Some(schema).filter(|s| s.is_object()),
        Some(reference) => resolve(root, root.pointer(reference.strip_prefix('#')?)?, depth.checked_sub(1)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_are_filled_at_every_level_and_nothing_is_overwritten() {
        let schema = json!({
            "type": "object",
            "properties": {
                "replicas": { "type": "integer", "default": 2 },
                "mode": { "default": "soft", "$ref": "#/$defs/Mode" },
                "quota": { "$ref": "#/$defs/Quota" },
                "rules": { "type": "array", "items": { "$ref": "#/$defs/Quota" } },
                "teams": { "type": "object", "additionalProperties": { "$ref": "#/$defs/Quota" } },
                "plain": { "type": "string" },
            },
            "$defs": {
                "Mode": { "type": "string", "default": "hard" },
                "Quota": { "type": "object", "default": {}, "properties": { "pods": { "default": 10 }, "cpu": {} } },
            },
        });
        let filled = |mut config: Value| {
            fill(&schema, &mut config);
            config
        };
        assert_eq!(filled(json!({})), json!({"replicas": 2, "mode": "soft", "quota": {"pods": 10}}));
        let written =
            json!({"replicas": 0, "mode": null, "quota": {"cpu": 1}, "rules": [{}, {"pods": 1}], "teams": {"a": {}}});
        assert_eq!(
            filled(written),
            json!({"replicas": 0, "mode": null, "quota": {"cpu": 1, "pods": 10}, "rules": [{"pods": 10}, {"pods": 1}],
                "teams": {"a": {"pods": 10}}})
        );
        assert_eq!(filled(Value::Null), Value::Null);
    }

    #[test]
    fn parts_of_all_of_count_and_circles_end() {
        let schema = json!({"allOf": [{"properties": {"a": {"default": 1}}}, {"$ref": "#/$defs/B"}],
            "$defs": {"B": {"properties": {"b": {"default": {}, "$ref": "#/$defs/B"}}}, "C": {"$ref": "#/$defs/C"}}});
        let mut config = json!({});
        fill(&schema, &mut config);
        assert_eq!(config["a"], 1);
        assert!(config["b"]["b"].is_object());
        fill(&json!({"$ref": "#/$defs/C", "$defs": {"C": {"$ref": "#/$defs/C"}}}), &mut config);
    }
}
