//! The faults found so far, in the words of kube-apiserver, and where in an object one is looking.

use serde_json::{Value, json};

use super::{list, text};
use crate::error::Cause;
use crate::go::structs;
use crate::names;
use crate::schema::fill::join;

pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";
pub(super) const PORT: &str = "must be between 1 and 65535, inclusive";
pub(super) const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
     validation is '[0-9]+%')";

/// A part of an object, and the path that leads to it.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    pub(crate) value: &'a Value,
    pub(crate) path: String,
}

impl<'a> Place<'a> {
    pub(crate) fn new(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    /// A field.
    pub(crate) fn of(&self, name: &str) -> Self {
        Self { value: &self.value[name], path: self.at(name) }
    }

    /// The path of a field.
    pub(crate) fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }

    /// The items of a list.
    pub(crate) fn each(&self) -> impl Iterator<Item = Place<'a>> + '_ {
        let item = |(i, value)| Place { value, path: [&*self.path, "[", &usize::to_string(&i), "]"].concat() };
        list(self.value).iter().enumerate().map(item)
    }

    /// The items of a list in a field.
    pub(crate) fn each_of(&self, name: &str) -> Vec<Place<'a>> {
        self.of(name).each().collect()
    }

    /// The entries of a map.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Place<'a>)> + '_ {
        let map = self.value.as_object();
        map.into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), Place { value, path: [&*self.path, "[", key, "]"].concat() }))
    }

    /// Whether a field is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.value[name].is_null()
    }

    /// The text of a field; empty where there is none.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        text(&self.value[name])
    }

    /// The number of a field.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.value[name].as_i64()
    }
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(crate) struct Report(pub(crate) Vec<Cause>);

impl Report {
    pub(crate) fn required(&mut self, field: &str, why: &str) {
        self.0.push(Cause::required(field, why));
    }

    pub(crate) fn invalid(&mut self, field: &str, value: &Value, why: &str) {
        self.0.push(Cause::invalid(field, value, why));
    }

    /// A value that stands where it is looked at; a text that is not there is an empty one.
    pub(crate) fn wrong(&mut self, place: &Place<'_>, why: &str) {
        self.invalid(&place.path, place.value, why);
    }

    /// The same of a text, which may be missing.
    pub(crate) fn wrong_text(&mut self, place: &Place<'_>, why: &str) {
        self.invalid(&place.path, &json!(text(place.value)), why);
    }

    /// The same with a value as Go shows a struct.
    pub(crate) fn wrong_struct(&mut self, place: &Place<'_>, ty: &str, why: &str) {
        self.invalid_as(&place.path, &structs::shown(ty, place.value), why);
    }

    /// The same with a value as Go shows it.
    pub(crate) fn invalid_as(&mut self, field: &str, shown: &str, why: &str) {
        self.push("FieldValueInvalid", field, format!("Invalid value: {shown}: {why}"));
    }

    pub(crate) fn push(&mut self, reason: &'static str, field: &str, message: String) {
        self.0.push(Cause { reason, message, field: field.into() });
    }

    pub(crate) fn forbidden(&mut self, field: &str, why: &str) {
        self.0.push(Cause::forbidden(field, why));
    }

    pub(crate) fn duplicate(&mut self, field: &str, shown: &str) {
        self.push("FieldValueDuplicate", field, format!("Duplicate value: {shown}"));
    }

    pub(crate) fn not_found(&mut self, field: &str, name: &str) {
        self.push("FieldValueNotFound", field, format!("Not found: {}", json!(name)));
    }

    pub(crate) fn too_long(&mut self, field: &str, most: usize) {
        self.push("FieldValueTooLong", field, format!("Too long: may not be more than {most} bytes"));
    }

    pub(crate) fn too_many(&mut self, field: &str, count: usize, most: usize) {
        self.push("FieldValueTooMany", field, format!("Too many: {count}: must have at most {most} items"));
    }

    pub(crate) fn unsupported(&mut self, field: &str, shown: &str, known: &[&str]) {
        let known: Vec<String> = known.iter().map(|k| format!("\"{k}\"")).collect();
        self.push(
            "FieldValueNotSupported",
            field,
            format!("Unsupported value: {shown}: supported values: {}", known.join(", ")),
        );
    }

    /// One of some words, if it is there.
    pub(crate) fn one_of(&mut self, field: &str, value: &Value, known: &[&str]) {
        if value.as_str().is_some_and(|text| !known.contains(&text)) {
            self.unsupported(field, &value.to_string(), known);
        }
    }

    /// The same of a field.
    pub(crate) fn word(&mut self, place: &Place<'_>, known: &[&str]) {
        self.one_of(&place.path, place.value, known);
    }

    /// One of some words, whether or not it is there.
    pub(crate) fn any_of(&mut self, place: &Place<'_>, known: &[&str]) {
        if !known.contains(&text(place.value)) {
            self.unsupported(&place.path, &json!(text(place.value)).to_string(), known);
        }
    }

    /// The same of a word that has to be there.
    pub(crate) fn some_of(&mut self, field: &str, value: &Value, why: &str, known: &[&str]) {
        if text(value).is_empty() {
            self.required(field, why);
        } else {
            self.one_of(field, value, known);
        }
    }

    /// The same of a field.
    pub(crate) fn need_word(&mut self, place: &Place<'_>, known: &[&str]) {
        self.some_of(&place.path, place.value, "", known);
    }

    /// A text that has to be there; false where it is not.
    pub(crate) fn need(&mut self, place: &Place<'_>) -> bool {
        let there = !text(place.value).is_empty();
        if !there {
            self.required(&place.path, "");
        }
        there
    }

    /// A text that has to be there, in a form.
    pub(crate) fn need_form(&mut self, place: &Place<'_>, wrong: fn(&str) -> Vec<String>) {
        if self.need(place) {
            self.form(&place.path, place.value, wrong);
        }
    }

    /// A text in a form, if it is there.
    pub(crate) fn may_form(&mut self, place: &Place<'_>, wrong: fn(&str) -> Vec<String>) {
        if !text(place.value).is_empty() {
            self.form(&place.path, place.value, wrong);
        }
    }

    pub(crate) fn whole(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|n| n < 0) {
            self.invalid(field, value, NEGATIVE);
        }
    }

    /// Some fields of a place that are not negative.
    pub(crate) fn wholes(&mut self, place: &Place<'_>, names: &[&str]) {
        names.iter().for_each(|name| self.whole(&place.at(name), &place.value[*name]));
    }

    pub(crate) fn port(&mut self, field: &str, value: &Value) {
        if value.as_i64().is_some_and(|n| !(1..=65535).contains(&n)) {
            self.invalid(field, value, PORT);
        }
    }

    /// The number or the name of a port.
    pub(crate) fn port_or_name(&mut self, place: &Place<'_>) {
        match place.value {
            Value::Null => self.invalid(&place.path, &json!(0), PORT),
            Value::String(_) => self.form(&place.path, place.value, names::port),
            _ => self.port(&place.path, place.value),
        }
    }

    /// A text in a form that a function of [`names`] knows.
    pub(crate) fn form(&mut self, field: &str, value: &Value, wrong: fn(&str) -> Vec<String>) {
        for why in wrong(text(value)) {
            self.invalid(field, &json!(text(value)), &why);
        }
    }

    /// A number or a share, neither below nothing.
    pub(crate) fn amount(&mut self, field: &str, value: &Value) {
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

    pub(crate) fn at_most_all(&mut self, field: &str, value: &Value) {
        let share = value.as_str().and_then(|t| t.strip_suffix('%')).and_then(|t| t.parse::<u32>().ok());
        if share.is_some_and(|share| share > 100) {
            self.invalid(field, value, "must not be greater than 100%");
        }
    }

    /// A label selector.
    pub(crate) fn selector(&mut self, field: &str, selector: &Value) {
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
                _ => {
                    let operator = json!(text(&expression["operator"]));
                    self.invalid(&at("operator"), &operator, "not a valid selector operator");
                }
            }
            self.form(&at("key"), &expression["key"], names::label_key);
            for (j, value) in list(&expression["values"]).iter().enumerate() {
                self.form(&format!("{}[{j}]", at("values")), value, names::label_value);
            }
        }
    }

    /// A label selector in a field.
    pub(crate) fn selector_at(&mut self, place: &Place<'_>) {
        self.selector(&place.path, place.value);
    }
}
