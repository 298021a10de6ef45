//! A plugin's config against its own JSON schema, for every member that it could run on.

use motet_core::plugin::PluginSpec;
use serde_json::Value;

use crate::{Refusal, Step};

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Step::Configured, "ConfigInvalid", message)
}

/// Checks `config` alone and with each override merged: whichever selector matches, the result must fit.
pub(crate) fn check(schema: Option<&Value>, spec: &PluginSpec) -> Result<(), Refusal> {
    let Some(schema) = schema else {
        return if spec.config.is_none() && spec.config_overrides.is_empty() {
            Ok(())
        } else {
            Err(invalid("the plugin takes no config: remove spec.config and spec.configOverrides"))
        };
    };
    let validator = jsonschema::validator_for(schema)
        .map_err(|e| invalid(format!("the plugin's own config schema is not valid: {e}")))?;
    fits(&validator, "spec.config", &PluginSpec { config_overrides: vec![], ..spec.clone() })?;
    for count in 1..=spec.config_overrides.len() {
        let mut merged = spec.clone();
        merged.config_overrides.truncate(count);
        merged.config_overrides.iter_mut().for_each(|o| o.members = Default::default());
        fits(&validator, &format!("spec.config with spec.configOverrides[..{count}]"), &merged)?;
    }
    Ok(())
}

fn fits(validator: &jsonschema::Validator, what: &str, spec: &PluginSpec) -> Result<(), Refusal> {
    let config = spec.config_for(|_| None);
    // Without any config the plugin's defaults hold, and those are its author's business.
    if config.is_null() {
        return Ok(());
    }
    let problems: Vec<String> = validator
        .iter_errors(&config)
        .take(5)
        .map(|e| format!("at /{}: {e}", e.instance_path.to_string().trim_start_matches('/')))
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(invalid(format!("{what} does not fit the plugin's schema: {}", problems.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(json: Value) -> PluginSpec {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_config_is_held_against_the_schema_with_its_path() {
        let schema = json!({"type": "object", "properties": {"quota": {"type": "object", "properties":
            {"pods": {"type": "integer"}}}}, "additionalProperties": false});
        assert!(check(Some(&schema), &spec(json!({}))).is_ok());
        assert!(check(Some(&schema), &spec(json!({"config": {"quota": {"pods": 3}}}))).is_ok());
        let refusal = check(Some(&schema), &spec(json!({"config": {"quota": {"pods": "three"}}}))).unwrap_err();
        assert!(refusal.message.contains("/quota/pods"), "{}", refusal.message);
        let overridden = spec(json!({"config": {}, "configOverrides": [{"config": {"colour": "red"}}]}));
        assert!(check(Some(&schema), &overridden).unwrap_err().message.contains("configOverrides"));
    }

    #[test]
    fn a_plugin_without_config_takes_none() {
        assert!(check(None, &spec(json!({}))).is_ok());
        assert!(check(None, &spec(json!({"config": {}}))).is_err());
    }
}
