//! Webhooks: when they are asked, and where they listen.

use serde_json::{Value, json};

use super::admission::{match_conditions, rule_with_operations};
use super::{Place, Report, list, text};
use crate::names;

const KNOWN: [&str; 2] = ["v1", "v1beta1"];
const QUIET: [&str; 2] = ["None", "NoneOnDryRun"];
const EFFECTS: [&str; 4] = ["None", "NoneOnDryRun", "Some", "Unknown"];
const FORM: &str = "; desired format: https://host[/path]";

/// A configuration of either kind. What was let in before it was forbidden may stay.
pub(super) fn check(object: &Value, old: Option<&Value>, report: &mut Report) {
    let webhooks = Place::new(&object["webhooks"], "webhooks");
    let before = old.map(|old| list(&old["webhooks"]));
    let held = |good: &dyn Fn(&Value) -> bool| before.is_none_or(|all| all.iter().all(good));
    let effects: &[&str] = if held(&|one| QUIET.contains(&text(&one["sideEffects"]))) { &QUIET } else { &EFFECTS };
    let versions = held(&|one| {
        let versions = list(&one["admissionReviewVersions"]);
        versions.is_empty() || versions.iter().any(|version| KNOWN.contains(&text(version)))
    });
    let named = |all: &[Value], name: &Value| all.iter().filter(|one| one["name"] == *name).count();
    let unique = before.is_none_or(|all| all.iter().all(|one| named(all, &one["name"]) == 1));
    let now = list(webhooks.value);
    let conditions = |all: &[Value]| all.iter().map(|one| one["matchConditions"].clone()).collect::<Vec<_>>();
    let same = before.is_some_and(|all| conditions(all) == conditions(now));
    for (i, one) in webhooks.each().enumerate() {
        webhook(&one, effects, same, report);
        review_versions(&one.of("admissionReviewVersions"), versions, report);
        let name = one.text("name");
        if unique && !name.is_empty() && now[..i].iter().any(|other| text(&other["name"]) == name) {
            report.duplicate(&one.at("name"), &json!(name).to_string());
        }
    }
}

fn webhook(hook: &Place<'_>, effects: &[&str], same: bool, report: &mut Report) {
    let name = hook.of("name");
    if report.need(&name) {
        let wrong = names::subdomain(text(name.value));
        if !wrong.is_empty() {
            report.wrong(&name, &wrong.join(","));
        } else if text(name.value).split('.').count() < 3 {
            report.wrong(&name, "should be a domain with at least three segments separated by dots");
        }
    }
    hook.each_of("rules").iter().for_each(|rule| rule_with_operations(rule, report));
    report.word(&hook.of("failurePolicy"), &["Fail", "Ignore"]);
    report.word(&hook.of("matchPolicy"), &["Equivalent", "Exact"]);
    let side = hook.of("sideEffects");
    if side.value.is_null() {
        report.required(&side.path, &format!("must specify one of {}", effects.join(", ")));
    }
    report.word(&side, effects);
    if hook.number("timeoutSeconds").is_some_and(|n| !(1..=30).contains(&n)) {
        report.wrong(&hook.of("timeoutSeconds"), "the timeout value must be between 1 and 30 seconds");
    }
    report.selector_at(&hook.of("namespaceSelector"));
    report.selector_at(&hook.of("objectSelector"));
    report.word(&hook.of("reinvocationPolicy"), &["IfNeeded", "Never"]);
    let config = hook.of("clientConfig");
    match (config.has("url"), config.has("service")) {
        (true, false) => url(&config.of("url"), report),
        (false, true) => service(&config.of("service"), report),
        _ => report.required(&config.path, "exactly one of url or service is required"),
    }
    if !same {
        match_conditions(&hook.of("matchConditions"), false, report);
    }
}

fn review_versions(versions: &Place<'_>, recognized: bool, report: &mut Report) {
    let all = list(versions.value);
    if all.is_empty() {
        return report.required(&versions.path, &format!("must specify one of {}", KNOWN.join(", ")));
    }
    for (i, version) in versions.each().enumerate() {
        if all[..i].contains(version.value) {
            report.wrong(&version, "duplicate version");
        } else {
            report.form(&version.path, version.value, names::old_label);
        }
    }
    if recognized && !all.iter().any(|version| KNOWN.contains(&text(version))) {
        report.wrong(versions, &format!("must include at least one of {}", KNOWN.join(", ")));
    }
}

fn url(url: &Place<'_>, report: &mut Report) {
    let said = text(url.value);
    let (scheme, rest) = match said.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_lowercase(), rest),
        Some(("", _)) => {
            let why = format!("url must be a valid URL: parse {said:?}: missing protocol scheme{FORM}");
            return report.required(&url.path, &why);
        }
        _ => (String::new(), said),
    };
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = rest.strip_prefix("//").map(|rest| rest.split('/').next().unwrap_or_default()).unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if scheme != "https" {
        report.invalid(&url.path, &json!(scheme), &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        report.invalid(&url.path, &json!(""), &format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        report.invalid(&url.path, &json!(user), "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        report.invalid(&url.path, &json!(fragment), "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        report.invalid(&url.path, &json!(query), "query parameters are not permitted in the URL");
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn service(service: &Place<'_>, report: &mut Report) {
    // Name and namespace change places on their way to where they are looked at.
    for (asked, shown) in [("namespace", "name"), ("name", "namespace")] {
        if service.text(asked).is_empty() {
            report.required(&service.at(shown), "");
        }
    }
    let port = service.of("port");
    if port.value.as_i64().is_some_and(|n| !(1..=65535).contains(&n)) {
        report.wrong(&port, &format!("port is not valid: {}", super::report::PORT));
    }
    let path = service.of("path");
    let said = text(path.value);
    if said.is_empty() || said == "/" {
        return;
    }
    if said == "//" {
        return report.wrong(&path, "segment[0] may not be empty");
    }
    if !said.starts_with('/') {
        report.wrong(&path, "must start with a '/'");
    }
    let checked = said.get(1..).unwrap_or_default();
    for (i, step) in checked.strip_suffix('/').unwrap_or(checked).split('/').enumerate() {
        if step.is_empty() {
            report.wrong(&path, &format!("segment[{i}] may not be empty"));
            continue;
        }
        for why in names::subdomain(step) {
            report.wrong(&path, &format!("segment[{i}]: {why}"));
        }
    }
}
