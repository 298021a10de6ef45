//! What admission is configured by: webhooks, policies and their bindings.

use serde_json::{Value, json};

use super::{Place, Report, condition, list, text, webhook};
use crate::names;
use crate::resources::Resource;
use crate::rules;
use crate::rules::policy::{Expressions, Purpose, Refusal};

const POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCHES: [&str; 2] = ["Equivalent", "Exact"];
const AGAIN: [&str; 2] = ["IfNeeded", "Never"];
const OPERATIONS: [&str; 5] = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
/// What is deleted cannot be mutated.
const MUTATIONS: [&str; 4] = ["*", "CONNECT", "CREATE", "UPDATE"];
const CONDITIONS: usize = 64;
const ANNOTATIONS: usize = 20;
const LONGEST: usize = 5 * 1024;

pub(super) fn check(resource: &Resource, object: &Value, old: Option<&Value>, report: &mut Report) {
    let spec = Place::new(&object["spec"], "spec");
    match resource.plural.as_str() {
        "validatingwebhookconfigurations" | "mutatingwebhookconfigurations" => webhook::check(object, old, report),
        "validatingadmissionpolicies" => {
            let expressions = policy(&spec, false, old, report);
            validations(text(&object["metadata"]["name"]), &spec, &expressions, report);
        }
        "mutatingadmissionpolicies" => {
            let expressions = policy(&spec, true, old, report);
            mutations(&spec, &expressions, report);
        }
        "validatingadmissionpolicybindings" => {
            binding(&spec, report);
            actions(&spec.of("validationActions"), report);
        }
        "mutatingadmissionpolicybindings" => {
            binding(&spec, report);
            only_mutable(&spec.of("matchResources"), report);
        }
        _ => {}
    }
}

/// The status of a policy.
pub(super) fn status(status: &Value, report: &mut Report) {
    let status = Place::new(status, "status");
    for warning in status.of("typeChecking").each_of("expressionWarnings") {
        report.need(&warning.of("warning"));
        if warning.text("fieldRef").trim().is_empty() {
            report.required(&warning.at("fieldRef"), "");
        }
    }
    condition::check(&status.of("conditions"), report);
}

/// What both kinds of policies have in common; what the rest of its expressions can use.
fn policy(spec: &Place<'_>, mutates: bool, old: Option<&Value>, report: &mut Report) -> Expressions {
    report.any_of(&spec.of("failurePolicy"), &POLICIES);
    if spec.has("paramKind") {
        param_kind(&spec.of("paramKind"), report);
    }
    let constraints = spec.of("matchConstraints");
    if constraints.value.is_null() {
        report.required(&constraints.path, "");
    } else {
        matched(&constraints, report);
        if list(&constraints.value["resourceRules"]).is_empty() {
            report.required(&constraints.at("resourceRules"), "");
        }
        if mutates {
            only_mutable(&constraints, report);
        }
    }
    let same = |field: &str| old.is_some_and(|old| old["spec"][field] == spec.value[field]);
    if !(same("paramKind") && same("matchConditions")) {
        match_conditions(&spec.of("matchConditions"), spec.has("paramKind"), report);
    }
    let variables = spec.each_of("variables");
    let mut expressions = Expressions::new(spec.has("paramKind"), mutates || !variables.is_empty());
    for variable in variables {
        let name = variable.of("name");
        if text(name.value).trim().is_empty() {
            report.required(&name.path, "name is not specified");
        } else if !is_identifier(text(name.value)) {
            report.wrong(&name, "must be a valid CEL identifier");
        }
        let declare = |source: &str| expressions.declare(text(name.value), source);
        needed(&variable.at("expression"), variable.text("expression"), "expression is not specified", declare, report);
    }
    expressions
}

/// What there is to say of an expression, which errors repeat as `shown`.
fn compiled(outcome: Result<(), Refusal>, path: &str, shown: &str, report: &mut Report) {
    match outcome {
        Ok(()) => {}
        Err(Refusal::Invalid(why)) => report.invalid(path, &json!(shown), &why),
        Err(Refusal::Internal(why)) => report.push("InternalError", path, format!("Internal error: {why}")),
    }
}

/// An expression that has to be there; errors repeat it as `source`.
fn needed(
    path: &str,
    source: &str,
    absent: &str,
    compile: impl FnOnce(&str) -> Result<(), Refusal>,
    report: &mut Report,
) {
    if source.trim().is_empty() {
        report.required(path, absent);
    } else {
        compiled(compile(source), path, source, report);
    }
}

fn is_identifier(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !rules::names::is_reserved(text)
}

fn param_kind(kind: &Place<'_>, report: &mut Report) {
    let version = kind.of("apiVersion");
    let said = text(version.value);
    if said.is_empty() {
        report.required(&version.path, "");
    } else if said.matches('/').count() > 1 {
        report.wrong(&version, &format!("unexpected GroupVersion string: {said}"));
    } else {
        let (group, name) = if said == "/" { ("", "") } else { said.split_once('/').unwrap_or(("", said)) };
        let wrong = names::subdomain(group);
        if !group.is_empty() && !wrong.is_empty() {
            report.invalid(&version.path, &json!(group), &wrong.join(","));
        }
        let wrong = names::old_label(name);
        if name.is_empty() {
            report.wrong(&version, "version must be specified");
        } else if !wrong.is_empty() {
            report.invalid(&version.path, &json!(name), &wrong.join(","));
        }
    }
    let wrong = names::old_label(&kind.text("kind").to_lowercase());
    if report.need(&kind.of("kind")) && !wrong.is_empty() {
        let why = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
        report.wrong(&kind.of("kind"), &why);
    }
}

fn matched(place: &Place<'_>, report: &mut Report) {
    if !place.value.is_object() {
        return;
    }
    report.any_of(&place.of("matchPolicy"), &MATCHES);
    report.selector_at(&place.of("namespaceSelector"));
    report.selector_at(&place.of("objectSelector"));
    for field in ["resourceRules", "excludeResourceRules"] {
        place.each_of(field).iter().for_each(|one| named_rule(one, report));
    }
}

fn named_rule(rule: &Place<'_>, report: &mut Report) {
    let names = rule.of("resourceNames");
    for (i, name) in names.each().enumerate() {
        report.form(&name.path, name.value, names::segment);
        if list(names.value)[..i].contains(name.value) {
            report.duplicate(&name.path, &name.value.to_string());
        }
    }
    rule_with_operations(rule, report);
}

/// What a rule is about.
pub(super) fn rule_with_operations(rule: &Place<'_>, report: &mut Report) {
    let operations = rule.of("operations");
    alone(&operations, "operations", report);
    operations.each().for_each(|one| report.any_of(&one, &OPERATIONS));
    alone(&rule.of("apiGroups"), "API groups", report);
    let versions = rule.of("apiVersions");
    alone(&versions, "API versions", report);
    for version in versions.each() {
        report.need(&version);
    }
    resources(&rule.of("resources"), report);
    report.word(&rule.of("scope"), &["*", "Cluster", "Namespaced"]);
}

/// Some, of which everything is the only one.
fn alone(all: &Place<'_>, what: &str, report: &mut Report) {
    let items = list(all.value);
    if items.is_empty() {
        report.required(&all.path, "");
    }
    if items.len() > 1 && items.iter().any(|one| one == "*") {
        report.wrong(all, &format!("if '*' is present, must not specify other {what}"));
    }
}

fn resources(all: &Place<'_>, report: &mut Report) {
    let (mut every_sub, mut every_resource) = (Vec::new(), Vec::new());
    let (mut both, mut any, mut plain) = (false, false, false);
    if list(all.value).is_empty() {
        report.required(&all.path, "");
    }
    for one in all.each() {
        let said = text(one.value);
        if said.is_empty() {
            report.required(&one.path, "");
            continue;
        }
        both |= said == "*/*";
        any |= said == "*";
        let Some((resource, sub)) = said.split_once('/') else {
            plain = said != "*";
            continue;
        };
        if every_sub.contains(&resource) {
            report.wrong(&one, &format!("if '{resource}/*' is present, must not specify {said}"));
        }
        if every_resource.contains(&sub) {
            report.wrong(&one, &format!("if '*/{sub}' is present, must not specify {said}"));
        }
        if sub == "*" {
            every_sub.push(resource);
        }
        if resource == "*" {
            every_resource.push(sub);
        }
    }
    if list(all.value).len() > 1 && both {
        report.wrong(all, "if '*/*' is present, must not specify other resources");
    }
    if any && plain {
        report.wrong(all, "if '*' is present, must not specify other resources without subresources");
    }
}

/// Conditions under which a webhook or a policy is asked.
pub(super) fn match_conditions(conditions: &Place<'_>, params: bool, report: &mut Report) {
    let expressions = Expressions::new(params, false);
    let count = list(conditions.value).len();
    if count > CONDITIONS {
        report.too_many(&conditions.path, count, CONDITIONS);
    }
    for (i, one) in conditions.each().enumerate() {
        let name = one.text("name");
        let check = |source: &str| expressions.check(source, Purpose::Condition);
        needed(&one.at("expression"), one.text("expression").trim(), "", check, report);
        report.need_form(&one.of("name"), names::label_key);
        if !name.is_empty() && list(conditions.value)[..i].iter().any(|other| text(&other["name"]) == name) {
            report.duplicate(&one.at("name"), &json!(name).to_string());
        }
    }
}

fn validations(name: &str, spec: &Place<'_>, expressions: &Expressions, report: &mut Report) {
    let (validations, annotations) = (spec.of("validations"), spec.of("auditAnnotations"));
    if list(validations.value).is_empty() && list(annotations.value).is_empty() {
        let why = "validations or auditAnnotations must contain at least one item";
        report.required(&validations.path, why);
        return report.required(&annotations.path, why);
    }
    for one in validations.each() {
        let check = |source: &str| expressions.check(source, Purpose::Condition);
        needed(&one.at("expression"), one.text("expression"), "expression is not specified", check, report);
        let message = one.of("messageExpression");
        let blank = |field: &str| !one.text(field).is_empty() && one.text(field).trim().is_empty();
        if blank("messageExpression") {
            report.wrong(&message, "must be non-empty if specified");
        } else if !text(message.value).is_empty() {
            let source = text(message.value);
            compiled(expressions.check(source, Purpose::Message), &message.path, source, report);
        }
        if blank("message") {
            report.wrong(&one.of("message"), "must be non-empty if specified");
        } else if one.text("message").trim().contains(['\n', '\r']) {
            report.wrong(&one.of("message"), "must not contain line breaks");
        }
        report.word(&one.of("reason"), &["Forbidden", "Invalid", "RequestEntityTooLarge"]);
    }
    audited(name, &annotations, expressions, report);
}

fn audited(name: &str, annotations: &Place<'_>, expressions: &Expressions, report: &mut Report) {
    let count = list(annotations.value).len();
    if count > ANNOTATIONS {
        let shown = crate::go::structs::shown("[admissionregistration.AuditAnnotation]", annotations.value);
        let why = format!("must not have more than {ANNOTATIONS} auditAnnotations");
        report.invalid_as(&annotations.path, &shown, &why);
    }
    for (i, one) in annotations.each().enumerate() {
        let key = one.text("key");
        report.form(&one.at("key"), &json!(format!("{name}/{key}")), names::label_key);
        let expression = one.of("valueExpression");
        let source = text(expression.value);
        match source.trim().len() {
            0 => report.required(&expression.path, "valueExpression is not specified"),
            long if long > LONGEST => {
                report.required(&expression.path, &format!("must not exceed {LONGEST} bytes in length"));
            }
            _ => compiled(expressions.check(source.trim(), Purpose::Annotation), &expression.path, source, report),
        }
        if list(annotations.value)[..i].iter().any(|other| text(&other["key"]) == key) {
            report.duplicate(&one.at("key"), &json!(key).to_string());
        }
    }
}

fn mutations(spec: &Place<'_>, expressions: &Expressions, report: &mut Report) {
    let mutations = spec.of("mutations");
    if list(mutations.value).is_empty() {
        report.required(&mutations.path, "mutations must contain at least one item");
    }
    for one in mutations.each() {
        let (kind, parts) =
            (one.of("patchType"), [("JSONPatch", "jsonPatch"), ("ApplyConfiguration", "applyConfiguration")]);
        let Some((_, own)) = parts.iter().find(|(name, _)| *name == text(kind.value)) else {
            report.need_word(&kind, &["ApplyConfiguration", "JSONPatch"]);
            continue;
        };
        let said = text(kind.value);
        let part = one.of(own);
        if part.value.is_null() {
            report.required(&part.path, &format!("must be specified when patchType is {said}"));
        } else {
            let purpose = if *own == "jsonPatch" { Purpose::Patch } else { Purpose::Apply };
            let check = |source: &str| expressions.check(source, purpose);
            needed(&part.at("expression"), part.text("expression").trim(), "", check, report);
        }
        for (_, other) in parts.iter().filter(|(_, field)| field != own && one.has(field)) {
            let why = format!("must not be specified when patchType is {said}");
            report.invalid(&one.at(other), &json!(format!("{{{other}}}")), &why);
        }
    }
    report.need_word(&spec.of("reinvocationPolicy"), &AGAIN);
}

/// Only what is created or changed can be mutated.
fn only_mutable(place: &Place<'_>, report: &mut Report) {
    let field = format!("{}.operations", place.at("resourceRules"));
    for rule in place.each_of("resourceRules") {
        for operation in list(&rule.value["operations"]) {
            report.one_of(&field, operation, &MUTATIONS);
        }
    }
}

fn binding(spec: &Place<'_>, report: &mut Report) {
    report.need_form(&spec.of("policyName"), names::subdomain);
    let params = spec.of("paramRef");
    if params.value.is_object() {
        param_reference(&params, report);
    }
    matched(&spec.of("matchResources"), report);
}

fn param_reference(params: &Place<'_>, report: &mut Report) {
    let (name, selector) = (params.of("name"), params.of("selector"));
    let (named, selected) = (!text(name.value).is_empty(), !selector.value.is_null());
    let why = "name and selector are mutually exclusive";
    report.may_form(&name, names::segment);
    if named && selected {
        report.forbidden(&name.path, why);
    }
    report.selector_at(&selector);
    if named && selected {
        report.forbidden(&selector.path, why);
    }
    if !named && !selected {
        report.required(&params.path, "one of name or selector must be specified");
    }
    report.need_word(&params.of("parameterNotFoundAction"), &["Deny", "Allow"]);
}

fn actions(actions: &Place<'_>, report: &mut Report) {
    let all = list(actions.value);
    for (i, action) in actions.each().enumerate() {
        report.any_of(&action, &["Audit", "Deny", "Warn"]);
        if all[..i].contains(action.value) {
            report.duplicate(&action.path, &action.value.to_string());
        }
    }
    if ["Deny", "Warn"].iter().all(|action| all.iter().any(|one| one == action)) {
        let why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and \
                   headers serves no purpose)";
        report.wrong(actions, why);
    }
    if all.is_empty() {
        report.required(&actions.path, "at least one validation action is required");
    }
}
