//! What containers and pods ask for.

use serde_json::{Value, json};

use super::{Place, Report, list, text};
use crate::go::structs;
use crate::names;
use crate::quantity::Quantity;
use crate::validate::{NEGATIVE, quantity};

/// Names without a domain that are known, whoever uses them.
const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const WHOLE: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];

/// Pages of memory.
pub(in crate::validate) fn is_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Of Kubernetes itself.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.") && names::label_key(&format!("requests.{name}")).is_empty()
}

/// Counted in whole numbers.
pub(in crate::validate) fn is_integer(name: &str) -> bool {
    WHOLE.contains(&name) || is_extended(name)
}

/// A name that is qualified, or known; false where it is neither.
pub(in crate::validate) fn standard_name(field: &str, name: &str, report: &mut Report) -> bool {
    let before = report.0.len();
    report.form(field, &json!(name), names::label_key);
    let quota = is_page(name) || name.starts_with("requests.hugepages-");
    if report.0.len() == before && !name.contains('/') && !STANDARD.contains(&name) && !quota {
        report.invalid(field, &json!(name), "must be a standard resource type or fully qualified");
    }
    report.0.len() == before
}

/// An amount that is not negative, and whole where it has to be.
pub(in crate::validate) fn amount(field: &str, name: &str, value: &Value, report: &mut Report) {
    let Some(read) = quantity(value) else { return };
    if read.is_negative() {
        report.invalid(field, value, NEGATIVE);
    }
    if is_integer(name) && !read.is_whole() {
        report.invalid(field, value, "must be an integer");
    }
}

/// The name of what a container may ask for.
pub(in crate::validate) fn container_name(field: &str, name: &str, report: &mut Report) {
    standard_name(field, name, report);
    if !name.contains('/') {
        if !matches!(name, "cpu" | "memory" | "ephemeral-storage") && !is_page(name) {
            report.invalid(field, &json!(name), "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        report.invalid(field, &json!(name), "doesn't follow extended resource name standard");
    }
}

fn pod_name(field: &str, name: &str, report: &mut Report) {
    if standard_name(field, name, report) && !matches!(name, "cpu" | "memory") && !is_page(name) {
        report.unsupported(field, &json!(name).to_string(), &["cpu", "hugepages-", "memory"]);
    }
}

fn pages(field: &str, name: &str, value: &Value, report: &mut Report) {
    let size = name.strip_prefix("hugepages-").and_then(Quantity::parse);
    if let (Some(size), Some(read)) = (size, quantity(value))
        && (read.is_negative() || !read.is_multiple_of(size))
    {
        report.invalid(field, value, &format!("{} is not positive integer multiple of {name}", text(value)));
    }
}

/// The limits and requests of a container.
pub(super) fn of_container(spec: &Value, place: &Place<'_>, report: &mut Report) {
    requirements(place, container_name, report);
    claim_names(spec, &place.of("claims"), report);
}

fn requirements(place: &Place<'_>, named: fn(&str, &str, &mut Report), report: &mut Report) {
    let (limits, requests) = (place.of("limits"), place.of("requests"));
    for (name, limit) in limits.entries() {
        named(&limit.path, name, report);
        amount(&limit.path, name, limit.value, report);
        pages(&limit.path, name, limit.value, report);
    }
    for (name, request) in requests.entries() {
        named(&request.path, name, report);
        amount(&request.path, name, request.value, report);
        let limit = &limits.value[name];
        let fixed = !is_native(name) || is_page(name);
        match (quantity(request.value), quantity(limit)) {
            (Some(_), None) if fixed => {
                report.required(&limits.path, "Limit must be set for non overcommitable resources");
            }
            (Some(asked), Some(most)) if fixed && asked != most => {
                report.invalid(
                    &requests.path,
                    request.value,
                    &format!("must be equal to {name} limit of {}", text(limit)),
                );
            }
            (Some(asked), Some(most)) if asked > most => {
                let why = format!("must be less than or equal to {name} limit of {}", text(limit));
                report.invalid(&requests.path, request.value, &why);
            }
            _ => {}
        }
        pages(&request.path, name, request.value, report);
    }
    let names = || limits.entries().chain(requests.entries()).map(|(name, _)| name);
    if names().any(is_page) && !names().any(|name| matches!(name, "cpu" | "memory")) {
        report.forbidden(&place.path, "HugePages require cpu or memory");
    }
}

/// What a pod costs beside its containers.
pub(super) fn overhead(place: &Place<'_>, report: &mut Report) {
    for (name, limit) in place.entries() {
        let field = format!("{}.limits[{name}]", place.path);
        container_name(&field, name, report);
        amount(&field, name, limit.value, report);
    }
}

/// What a pod asks for as a whole.
pub(super) fn of_pod(place: &Place<'_>, report: &mut Report) {
    let resources = place.of("resources");
    if resources.value.is_null() {
        return;
    }
    if place.value["os"]["name"] == "windows" {
        return report.forbidden(&resources.path, "may not be set for a windows pod");
    }
    if resources.has("claims") {
        report.forbidden(&resources.at("claims"), "claims may not be set for Resources at pod-level");
    }
    requirements(&resources, pod_name, report);
    for container in place.each_of("containers") {
        for (name, limit) in container.of("resources").of("limits").entries() {
            let most = &resources.value["limits"][name];
            if quantity(limit.value).zip(quantity(most)).is_some_and(|(own, most)| own > most) {
                let field =
                    format!("{}[{name}].limits", container.path.replace(".containers", ".resources.containers"));
                report.invalid(
                    &field,
                    limit.value,
                    &format!("must be less than or equal to pod limits of {}", text(most)),
                );
            }
        }
    }
}

/// The claims of a pod to devices.
pub(super) fn claims(claims: &Place<'_>, report: &mut Report) {
    let mut names = Vec::new();
    for claim in claims.each() {
        let name = claim.text("name");
        if name.is_empty() {
            report.required(&claim.at("name"), "");
        } else if names.contains(&name) {
            report.duplicate(&claim.at("name"), &json!(name).to_string());
        } else {
            report.form(&claim.at("name"), &claim.value["name"], names::label);
            names.push(name);
        }
        let (direct, template) = (claim.has("resourceClaimName"), claim.has("resourceClaimTemplateName"));
        let why = match (direct, template) {
            (true, true) => "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified",
            (false, false) => "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
            _ => "",
        };
        if !why.is_empty() {
            report.invalid_as(&claim.path, &structs::shown("core.PodResourceClaim", claim.value), why);
        }
        for field in ["resourceClaimName", "resourceClaimTemplateName"].iter().filter(|f| claim.has(f)) {
            report.form(&claim.at(field), &claim.value[*field], names::subdomain);
        }
    }
}

fn claim_names(spec: &Value, claims: &Place<'_>, report: &mut Report) {
    let mut known: Vec<&str> = list(&spec["resourceClaims"]).iter().map(|c| text(&c["name"])).collect();
    known.sort_unstable();
    let mut seen = Vec::new();
    for claim in claims.each() {
        let name = claim.text("name");
        if name.is_empty() {
            report.required(&claim.path, "");
            continue;
        }
        if seen.contains(&name) {
            report.duplicate(&claim.path, &json!(name).to_string());
        }
        seen.push(name);
        if !known.contains(&name) {
            let others = if known.is_empty() { " which is empty".into() } else { format!(": {}", known.join(", ")) };
            let why = format!("must be one of the names in pod.spec.resourceClaims{others}");
            report.push("FieldValueNotFound", &claim.path, format!("Not found: {}: {why}", json!(name)));
        }
    }
}
