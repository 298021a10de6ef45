//! Defaults of what admission is configured by.

use serde_json::{Value, json};

use super::{default, each, within};
use crate::resources::Resource;

pub(super) fn fill(resource: &Resource, object: &mut Value) {
    let mutating = resource.plural == "mutatingwebhookconfigurations";
    each(object, "webhooks", |webhook| {
        default(webhook, "failurePolicy", "Fail");
        matched(webhook);
        default(webhook, "timeoutSeconds", 10);
        if mutating {
            default(webhook, "reinvocationPolicy", "Never");
        }
        each(webhook, "rules", |rule| default(rule, "scope", "*"));
        within(webhook, &["clientConfig", "service"], |service| default(service, "port", 443));
    });
    if matches!(resource.plural.as_str(), "validatingadmissionpolicies" | "mutatingadmissionpolicies") {
        within(object, &["spec"], |spec| default(spec, "failurePolicy", "Fail"));
    }
    for field in ["matchConstraints", "matchResources"] {
        within(object, &["spec", field], |constraints| {
            matched(constraints);
            for rules in ["resourceRules", "excludeResourceRules"] {
                each(constraints, rules, |rule| default(rule, "scope", "*"));
            }
        });
    }
}

fn matched(part: &mut Value) {
    default(part, "matchPolicy", "Equivalent");
    default(part, "namespaceSelector", json!({}));
    default(part, "objectSelector", json!({}));
}
