//! Where a pod may run: selectors of nodes, affinity, tolerations, spreading.

use serde_json::{Value, json};

use super::{Place, Report, list, text};
use crate::names;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(super) fn affinity(place: &Place<'_>, report: &mut Report) {
    let nodes = place.of("nodeAffinity");
    if nodes.has(REQUIRED) {
        node_selector(&nodes.of(REQUIRED), report);
    }
    for term in nodes.each_of(PREFERRED) {
        weight(&term, report);
        node_term(&term.of("preference"), true, report);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let pods = place.of(kind);
        pods.each_of(REQUIRED).iter().for_each(|term| pod_term(term, report));
        for term in pods.each_of(PREFERRED) {
            weight(&term, report);
            pod_term(&term.of("podAffinityTerm"), report);
        }
    }
}

fn weight(term: &Place<'_>, report: &mut Report) {
    let weight = term.number("weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        report.invalid(&term.at("weight"), &json!(weight), "must be in the range 1-100");
    }
}

/// A selector of nodes.
pub(in crate::validate) fn node_selector(selector: &Place<'_>, report: &mut Report) {
    let terms = selector.of("nodeSelectorTerms");
    if list(terms.value).is_empty() {
        report.required(&terms.path, "must have at least one node selector term");
    }
    terms.each().for_each(|term| node_term(&term, false, report));
}

fn node_term(term: &Place<'_>, any_value: bool, report: &mut Report) {
    for rule in term.each_of("matchExpressions") {
        let (values, count) = (rule.of("values"), list(&rule.value["values"]).len());
        match (rule.text("operator"), count) {
            ("In" | "NotIn", 0) => {
                report.required(&values.path, "must be specified when `operator` is 'In' or 'NotIn'");
            }
            ("Exists" | "DoesNotExist", 1..) => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                report.forbidden(&values.path, why);
            }
            ("Gt" | "Lt", 1) => {}
            ("Gt" | "Lt", _) => {
                report.required(&values.path, "must be specified single value when `operator` is 'Lt' or 'Gt'");
            }
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            _ => report.wrong_text(&rule.of("operator"), "not a valid selector operator"),
        }
        report.form(&rule.at("key"), &rule.value["key"], names::label_key);
        for value in values.each().filter(|_| !any_value) {
            report.form(&value.path, value.value, names::label_value);
        }
    }
    for rule in term.each_of("matchFields") {
        match rule.text("operator") {
            "In" | "NotIn" if list(&rule.value["values"]).len() == 1 => {}
            "In" | "NotIn" => {
                let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
                report.required(&rule.at("values"), why);
            }
            _ => report.wrong_text(&rule.of("operator"), "not a valid selector operator"),
        }
        if rule.text("key") == "metadata.name" {
            rule.each_of("values").iter().for_each(|v| report.form(&v.path, v.value, names::subdomain));
        } else {
            report.wrong_text(&rule.of("key"), "not a valid field selector key");
        }
    }
}

fn pod_term(term: &Place<'_>, report: &mut Report) {
    report.selector_at(&term.of("labelSelector"));
    report.selector_at(&term.of("namespaceSelector"));
    for namespace in list(&term.value["namespaces"]) {
        report.form(&term.at("namespace"), namespace, names::label);
    }
    label_keys(term, report);
    let key = term.of("topologyKey");
    if text(key.value).is_empty() {
        report.required(&key.path, "can not be empty");
    }
    report.form(&key.path, key.value, names::label_key);
}

/// Labels of the pod itself that select too.
fn label_keys(place: &Place<'_>, report: &mut Report) {
    let selector = &place.value["labelSelector"];
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        let keys = place.of(field);
        if selector.is_null() && !list(keys.value).is_empty() {
            report.forbidden(&keys.path, "must not be specified when labelSelector is not set");
        } else {
            keys.each().for_each(|key| report.form(&key.path, key.value, names::label_key));
        }
    }
    let mut selected: Vec<&str> =
        selector["matchLabels"].as_object().into_iter().flatten().map(|(k, _)| &**k).collect();
    for key in list(&selector["matchExpressions"]).iter().map(|e| text(&e["key"])) {
        let at = list(&place.value["matchLabelKeys"]).iter().rposition(|k| k == key);
        if let Some(i) = at.filter(|_| selected.contains(&key)) {
            let why = "exists in both matchLabelKeys and labelSelector";
            report.invalid(&format!("{}[{i}]", place.path), &json!(key), why);
        }
        selected.push(key);
    }
    for key in place.each_of("matchLabelKeys") {
        if list(&place.value["mismatchLabelKeys"]).contains(key.value) {
            report.wrong(&key, "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
}

pub(super) fn tolerations(all: &Place<'_>, report: &mut Report) {
    for toleration in all.each() {
        let (operator, value) = (toleration.of("operator"), toleration.of("value"));
        report.may_form(&toleration.of("key"), names::label_key);
        if toleration.text("key").is_empty() && text(operator.value) != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            report.wrong_text(&operator, why);
        }
        if toleration.has("tolerationSeconds") && toleration.text("effect") != "NoExecute" {
            report.wrong_text(&toleration.of("effect"), "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match text(operator.value) {
            "Equal" | "" => {
                let wrong = names::label_value(text(value.value));
                if !wrong.is_empty() {
                    report.invalid(&operator.path, value.value, &wrong.join(";"));
                }
            }
            "Exists" if !text(value.value).is_empty() => {
                report.invalid(&operator.path, value.value, "value must be empty when `operator` is 'Exists'");
            }
            "Exists" => {}
            "Lt" | "Gt" => {
                report.unsupported(&operator.path, &operator.value.to_string(), &["Equal", "Exists", "Lt", "Gt"]);
            }
            _ => report.word(&operator, &["Equal", "Exists"]),
        }
        if !toleration.text("effect").is_empty() {
            report.word(&toleration.of("effect"), &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        }
    }
}

pub(super) fn spread(all: &Place<'_>, report: &mut Report) {
    for (i, rule) in all.each().enumerate() {
        positive(&rule, "maxSkew", report);
        let (key, otherwise) = (rule.text("topologyKey"), rule.text("whenUnsatisfiable"));
        if key.is_empty() {
            report.required(&rule.at("topologyKey"), "can not be empty");
        }
        report.any_of(&rule.of("whenUnsatisfiable"), &["DoNotSchedule", "ScheduleAnyway"]);
        let same =
            |other: &&Value| text(&other["topologyKey"]) == key && text(&other["whenUnsatisfiable"]) == otherwise;
        if list(all.value)[i + 1..].iter().any(|other| same(&other)) {
            let shown = json!(format!("{{{key}, {otherwise}}}")).to_string();
            report.duplicate(&rule.at("{topologyKey, whenUnsatisfiable}"), &shown);
        }
        if rule.has("minDomains") {
            positive(&rule, "minDomains", report);
            if otherwise != "DoNotSchedule" {
                let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {otherwise}");
                report.wrong(&rule.of("minDomains"), &why);
            }
        }
        for policy in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            report.word(&rule.of(policy), &["Honor", "Ignore"]);
        }
        label_keys(&rule, report);
        report.selector_at(&rule.of("labelSelector"));
    }
}

fn positive(place: &Place<'_>, name: &str, report: &mut Report) {
    let number = place.number(name).unwrap_or(0);
    if number <= 0 {
        report.invalid(&place.at(name), &json!(number), "must be greater than zero");
    }
}
