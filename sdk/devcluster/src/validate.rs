//! What is valid in objects of built-in kinds beyond their types: the faults that people make most often, in the words and in
//! the order of kube-apiserver. What no rule here speaks of is let in.

mod change;
mod core;
mod network;
mod pod;
mod policy;
mod storage;
mod workload;

use serde_json::{Value, json};

use crate::error::Cause;
use crate::names;
use crate::quantity::Quantity;
use crate::resources::Resource;
use crate::schema::Type;

pub(crate) use change::change;

const NEGATIVE: &str = "must be greater than or equal to 0";
const PORT: &str = "must be between 1 and 65535, inclusive";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
     validation is '[0-9]+%')";
const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Report(pub(crate) Vec<Cause>);

impl Report {
    fn required(&mut self, field: &str, why: &str) {
        self.0.push(Cause::required(field, why));
    }

    fn invalid(&mut self, field: &str, value: &Value, why: &str) {
        self.0.push(Cause::invalid(field, value, why));
    }

    /// The same with a value as Go shows it.
    fn invalid_as(&mut self, field: &str, shown: &str, why: &str) {
        let message = format!("Invalid value: {shown}: {why}");
        self.0.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
    }

    fn forbidden(&mut self, field: &str, why: &str) {
        self.0.push(Cause::forbidden(field, why));
    }

    fn duplicate(&mut self, field: &str, shown: &str) {
        let message = format!("Duplicate value: {shown}");
        self.0.push(Cause { reason: "FieldValueDuplicate", message, field: field.into() });
    }

    fn unsupported(&mut self, field: &str, shown: &str, known: &[&str]) {
        let known: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
        let message = format!("Unsupported value: {shown}: supported values: {}", known.join(", "));
        self.0.push(Cause { reason: "FieldValueNotSupported", message, field: field.into() });
    }

    /// One of some words, if it is there.
    fn one_of(&mut self, field: &str, value: &Value, known: &[&str]) {
        if value.as_str().is_some_and(|text| !known.contains(&text)) {
            self.unsupported(field, &value.to_string(), known);
        }
    }

    /// The same of a word that has to be there.
    fn some_of(&mut self, field: &str, value: &Value, why: &str, known: &[&str]) {
        if text(value).is_empty() {
            self.required(field, why);
        } else {
            self.one_of(field, value, known);
        }
    }

    fn whole(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|n| n < 0) {
            self.invalid(field, value, NEGATIVE);
        }
    }

    fn port(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|n| !(1..=65535).contains(&n)) {
            self.invalid(field, value, PORT);
        }
    }

    /// A text in a form that a function of [`names`] knows.
    fn form(&mut self, field: &str, value: &Value, wrong: fn(&str) -> Vec<String>) {
        for why in wrong(text(value)) {
            self.invalid(field, &json!(text(value)), &why);
        }
    }

    /// A number or a share, neither below nothing.
    fn amount(&mut self, field: &str, value: &Value) {
        match value {
            Value::String(text) => {
                let digits = text.strip_suffix('%').unwrap_or_default();
                if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
                    self.invalid(field, value, PERCENT);
                }
            }
            other => self.whole(field, other),
        }
    }

    fn at_most_all(&mut self, field: &str, value: &Value) {
        let share = value.as_str().and_then(|t| t.strip_suffix('%')).and_then(|t| t.parse::<u32>().ok());
        if share.is_some_and(|share| share > 100) {
            self.invalid(field, value, "must not be greater than 100%");
        }
    }

    /// A label selector.
    fn selector(&mut self, field: &str, selector: &Value) {
        self.0.extend(names::labels(&selector["matchLabels"], &format!("{field}.matchLabels")));
        for (i, expression) in list(&selector["matchExpressions"]).iter().enumerate() {
            let at = |name: &str| format!("{field}.matchExpressions[{i}].{name}");
            let none = list(&expression["values"]).is_empty();
            match text(&expression["operator"]) {
                "In" | "NotIn" if none => {
                    self.required(&at("values"), "must be specified when `operator` is 'In' or 'NotIn'")
                }
                "Exists" | "DoesNotExist" if !none => {
                    self.forbidden(&at("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
                }
                "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
                _ => self.invalid(&at("operator"), &expression["operator"], "not a valid selector operator"),
            }
            self.form(&at("key"), &expression["key"], names::label_key);
        }
    }
}

/// A text; empty where there is none.
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn quantity(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?)
}

/// Every fault of an object.
pub(crate) fn object(resource: &Resource, _ty: Type<'_>, object: &Value) -> Vec<Cause> {
    let mut report = Report::default();
    match resource.group.as_str() {
        "" => {
            core::check(resource, object, &mut report);
            network::check(resource, object, &mut report);
            storage::check(resource, object, &mut report);
            workload::check(resource, object, &mut report);
        }
        "apps" | "batch" => workload::check(resource, object, &mut report),
        "networking.k8s.io" | "discovery.k8s.io" => network::check(resource, object, &mut report),
        "storage.k8s.io" => storage::check(resource, object, &mut report),
        _ => policy::check(resource, object, &mut report),
    }
    report.0
}
