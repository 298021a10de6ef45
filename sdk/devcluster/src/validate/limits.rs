//! Quotas and limit ranges.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::pod::resources::{self, amount, standard_name};
use super::{Place, Report, list, quantity, text};
use crate::go::structs;
use crate::names;
use crate::quantity::Quantity;

/// What a quota may name without a domain: all that is standard but this.
const NO_QUOTA: &str = "storage";
const COMPUTE: [&str; 7] = ["pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];

/// The hard limits of a quota, or what a status says of them.
fn amounts(amounts: &Place<'_>, report: &mut Report) {
    for (name, value) in amounts.entries() {
        let known = standard_name(&value.path, name, report);
        if !name.contains('/') && (!known || name == NO_QUOTA) {
            report.invalid(&value.path, &json!(name), "must be a standard resource for quota");
        }
        amount(&value.path, name, value.value, report);
    }
}

/// True for names of resources that quotas know, rather than for such as have a domain.
fn is_standard(name: &str) -> bool {
    let mut report = Report::default();
    !name.contains('/') && name != NO_QUOTA && standard_name("", name, &mut report)
}

fn suits(scope: &str, name: &str) -> bool {
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        scope if SCOPES.contains(&scope) => COMPUTE.contains(&name),
        _ => true,
    }
}

/// How many of the resources that a quota limits a scope does not suit.
fn unsuited(spec: &Place<'_>, scope: &str) -> usize {
    let hard = spec.of("hard");
    hard.entries().filter(|(name, _)| is_standard(name) && !suits(scope, name)).count()
}

pub(super) fn quota(spec: &Place<'_>, report: &mut Report) {
    amounts(&spec.of("hard"), report);
    let scopes = spec.of("scopes");
    let named: Vec<&str> = list(scopes.value).iter().map(text).collect();
    for scope in &named {
        if !SCOPES.contains(scope) {
            report.wrong(&scopes, "unsupported scope");
        }
        (0..unsuited(spec, scope)).for_each(|_| report.wrong(&scopes, "unsupported scope applied to resource"));
    }
    conflicts(&named, &scopes, report);
    let selector = spec.of("scopeSelector");
    if !selector.value.is_null() {
        scope_selector(spec, &selector, report);
        let chosen: Vec<&str> =
            selector.each_of("matchExpressions").iter().map(|rule| rule.text("scopeName")).collect();
        let place = Place { value: scopes.value, path: selector.at("matchExpressions") };
        conflicts(&chosen, &place, report);
    }
}

fn conflicts(named: &[&str], place: &Place<'_>, report: &mut Report) {
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|scope| named.contains(scope)) {
            report.wrong(place, "conflicting scopes");
        }
    }
}

fn scope_selector(spec: &Place<'_>, selector: &Place<'_>, report: &mut Report) {
    let field = selector.at("matchExpressions");
    for rule in selector.each_of("matchExpressions") {
        let (scope, operator, values) = (rule.text("scopeName"), rule.text("operator"), &rule.value["values"]);
        if !SCOPES.contains(&scope) {
            report.invalid(&format!("{field}.scopeName"), &json!(scope), "unsupported scope");
        }
        for _ in 0..unsuited(spec, scope) {
            let shown = structs::shown("*core.ScopeSelector", selector.value);
            report.invalid_as(&field, &shown, "unsupported scope applied to resource");
        }
        let plain = SCOPES.contains(&scope) && !matches!(scope, "PriorityClass" | "VolumeAttributesClass");
        if plain && operator != "Exists" {
            let why = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, \
                       ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            report.invalid(&format!("{field}.operator"), &json!(operator), why);
        }
        match operator {
            "In" | "NotIn" if list(values).is_empty() => {
                let why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                report.required(&format!("{field}.values"), why);
            }
            "Exists" | "DoesNotExist" if !list(values).is_empty() => {
                let why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                report.invalid(&format!("{field}.values"), values, why);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => report.invalid(&format!("{field}.operator"), &json!(other), "not a valid selector operator"),
        }
    }
}

/// The status of a quota.
pub(super) fn quota_status(status: &Place<'_>, report: &mut Report) {
    amounts(&status.of("hard"), report);
    amounts(&status.of("used"), report);
}

/// The scopes of a quota stay, in whatever order.
pub(super) fn quota_change(live: &Value, object: &Value, report: &mut Report) {
    let named = |of: &Value| list(&of["spec"]["scopes"]).iter().map(|s| text(s).to_owned()).collect::<BTreeSet<_>>();
    if named(live) != named(object) {
        report.invalid("spec.scopes", &object["spec"]["scopes"], "field is immutable");
    }
}

/// Requests that are more than the limit beside them.
pub(super) fn quota_warnings(spec: &Place<'_>) -> Vec<String> {
    let hard = spec.of("hard");
    let of = |name: &str| quantity(&hard.value[name]);
    let mut said = Vec::new();
    for resource in ["cpu", "memory", "storage", "ephemeral-storage"] {
        let (mut asked, limit) = (format!("requests.{resource}"), format!("limits.{resource}"));
        if of(&asked).is_none() && matches!(resource, "cpu" | "memory") {
            asked = resource.to_owned();
        }
        if let (Some(request), Some(most)) = (of(&asked), of(&limit))
            && request > most
        {
            let (request, most) = (request.canonical(), most.canonical());
            said.push(format!("ResourceQuota {asked} ({request}) should be less than {limit} ({most})"));
        }
    }
    said
}

pub(super) fn limit_range(spec: &Place<'_>, report: &mut Report) {
    let limits = spec.each_of("limits");
    for (i, limit) in limits.iter().enumerate() {
        let kind = limit.text("type");
        limit_type(limit, report);
        if limits[..i].iter().any(|other| other.text("type") == kind) {
            report.duplicate(&limit.at("type"), &json!(kind).to_string());
        }
        limit_names(limit, kind, report);
        let fields = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
        let counted = fields.iter().filter(|f| kind != "Pod" || !f.starts_with("default"));
        let mut keys = BTreeSet::new();
        counted
            .for_each(|f| keys.extend(limit.value[*f].as_object().into_iter().flatten().map(|(key, _)| key.as_str())));
        keys.iter().for_each(|key| compare(limit, kind, key, report));
    }
}

fn limit_type(limit: &Place<'_>, report: &mut Report) {
    let kind = limit.of("type");
    let before = report.0.len();
    report.form(&kind.path, kind.value, names::label_key);
    let known = ["Pod", "Container", "PersistentVolumeClaim"].contains(&text(kind.value));
    if report.0.len() == before && !text(kind.value).contains('/') && !known {
        report.wrong_text(&kind, "must be a standard limit type or fully qualified");
    }
}

fn limit_names(limit: &Place<'_>, kind: &str, report: &mut Report) {
    let named = |field: &str, report: &mut Report| {
        for (name, value) in limit.of(field).entries() {
            if matches!(kind, "Pod" | "Container") {
                resources::container_name(&value.path, name, report);
            } else {
                standard_name(&value.path, name, report);
            }
        }
    };
    named("max", report);
    named("min", report);
    for field in ["default", "defaultRequest"] {
        if kind != "Pod" {
            named(field, report);
        } else if limit.value[field].as_object().is_some_and(|map| !map.is_empty()) {
            report.forbidden(&limit.at(field), "may not be specified when `type` is 'Pod'");
        }
    }
    let bounded = ["min", "max"].iter().any(|f| limit.value[*f].get("storage").is_some());
    if kind == "PersistentVolumeClaim" && !bounded {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        report.required(&limit.at("limits"), why);
    }
    named("maxLimitRequestRatio", report);
}

/// The amounts of one resource against each other.
fn compare(limit: &Place<'_>, kind: &str, key: &str, report: &mut Report) {
    let of = |field: &str| {
        let hidden = kind == "Pod" && field.starts_with("default");
        limit.value[field].get(key).filter(|_| !hidden).and_then(quantity)
    };
    let at = |field: &str| format!("{}[{key}]", limit.at(field));
    let (min, max, usual, asked, ratio) =
        (of("min"), of("max"), of("default"), of("defaultRequest"), of("maxLimitRequestRatio"));
    let more = |a: Option<Quantity>, b: Option<Quantity>| a.zip(b).filter(|(a, b)| a > b);
    // The field that is complained of, the value that is shown of both, and what both are called.
    let pairs = [
        ("min", min, max, false, ("min value", "max value")),
        ("defaultRequest", min, asked, true, ("min value", "default request value")),
        ("defaultRequest", asked, max, false, ("default request value", "max value")),
        ("defaultRequest", asked, usual, false, ("default request value", "default limit value")),
        ("default", min, usual, false, ("min value", "default value")),
        ("default", usual, max, true, ("default value", "max value")),
    ];
    for (field, less, most, second, (name, other)) in pairs {
        if let Some((a, b)) = more(less, most) {
            let (a, b) = (a.canonical(), b.canonical());
            let why = format!("{name} {a} is greater than {other} {b}");
            report.invalid(&at(field), &json!(if second { b } else { a }), &why);
        }
    }
    if let Some(ratio) = ratio {
        let shown = ratio.canonical();
        if Quantity::parse("1").is_some_and(|one| ratio < one) {
            report.invalid(&at("maxLimitRequestRatio"), &json!(shown), &format!("ratio {shown} is less than 1"));
        }
        if let (Some(min), Some(max)) = (min, max)
            && ratio.as_f64() > max.as_f64() / min.as_f64()
        {
            let why = format!("ratio {shown} is greater than max/min = {:.6}", max.as_f64() / min.as_f64());
            report.invalid(&at("maxLimitRequestRatio"), &json!(shown), &why);
        }
    }
    let exact = resources::is_page(key) || key.contains('/') && !key.contains("kubernetes.io/");
    if let (Some(usual), Some(asked)) = (usual, asked)
        && exact
        && usual != asked
    {
        let (usual, asked) = (usual.canonical(), asked.canonical());
        let why = format!("default value {usual} must equal to defaultRequest value {asked} in {key}");
        report.invalid(&at("defaultRequest"), &json!(asked), &why);
    }
}
