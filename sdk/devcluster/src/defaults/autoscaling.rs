//! Defaults of autoscalers.

use serde_json::{Value, json};

use super::default;

pub(super) fn fill(version: &str, spec: &mut Value) {
    default(spec, "minReplicas", 1);
    // Of the first version it is filled in once it is known what its annotations say.
    if version == "v1" {
        return;
    }
    if spec["metrics"].as_array().is_none_or(Vec::is_empty) {
        let target = json!({"type": "Utilization", "averageUtilization": 80});
        spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
    }
    if spec["behavior"].is_object() {
        let policy = |kind: &str, value: i64| json!({"type": kind, "value": value, "periodSeconds": 15});
        let up = &mut spec["behavior"]["scaleUp"];
        rules(up, json!([policy("Pods", 4), policy("Percent", 100)]));
        default(up, "stabilizationWindowSeconds", 0);
        rules(&mut spec["behavior"]["scaleDown"], json!([policy("Percent", 100)]));
    }
}

fn rules(rules: &mut Value, policies: Value) {
    if !rules.is_object() {
        *rules = json!({});
    }
    default(rules, "selectPolicy", "Max");
    default(rules, "policies", policies);
}
