//! Bounds of numbers. Whole numbers are held against whole bounds, as kube-apiserver's validator does.

use serde_json::{Number, Value};

use super::check::nowhere;
use super::validator::Validator;
use crate::error::Cause;

/// True for 1 and 1.0.
pub(crate) fn is_whole(number: &Number) -> bool {
    !number.is_f64() || number.as_f64().is_some_and(|n| n.fract() == 0.0)
}

/// A number as Go writes it: 1.0 is 1.
pub(crate) fn rewrite(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15);
            if let Some(whole) = whole {
                *value = Value::from(whole as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rewrite),
        Value::Object(map) => map.values_mut().for_each(rewrite),
        _ => {}
    }
}

pub(super) fn check(node: &Validator, number: &Number, path: &str, out: &mut Vec<Cause>) {
    let value = Value::Number(number.clone());
    range(node, number, path, out);
    let (data, whole) = (number.as_f64().unwrap_or_default(), !number.is_f64());
    // A bound loses its fraction before a whole number is held against it.
    let bound = |bound: f64| if whole { bound.trunc() } else { bound };
    let mut refuse = |why: String| out.push(Cause::invalid(path, &value, &format!("{path} in body should be {why}")));
    if let Some(factor) = node.multiple_of.map(bound) {
        if factor <= 0.0 {
            let why = format!("factor MultipleOf declared for {path} must be positive: {factor}");
            out.push(Cause::invalid(path, &Value::from(factor as i64), &why));
            return;
        }
        let times = if factor < 1.0 { 1.0 / factor * data } else { data / factor };
        if times.fract().abs() > 1e-9 {
            refuse(format!("a multiple of {factor}"));
        }
    }
    if let Some((min, exclusive)) = node.minimum.map(|(min, exclusive)| (bound(min), exclusive))
        && (data < min || (exclusive && data == min))
    {
        refuse(format!("{} {min}", if exclusive { "greater than" } else { "greater than or equal to" }));
    }
    if let Some((max, exclusive)) = node.maximum.map(|(max, exclusive)| (bound(max), exclusive))
        && (data > max || (exclusive && data == max))
    {
        refuse(format!("{} {max}", if exclusive { "less than" } else { "less than or equal to" }));
    }
}

/// Whether the number can be of its type and format at all.
fn range(node: &Validator, number: &Number, path: &str, out: &mut Vec<Cause>) {
    if node.types.len() != 1 || *node.types[0] != *"integer" {
        return;
    }
    let format = node.format.as_deref();
    let fits = match number.as_i64() {
        Some(n) if format == Some("int32") => i32::try_from(n).is_ok(),
        Some(_) => true,
        None => is_whole(number) && number.as_f64().is_some_and(|n| n.abs() < 9.2e18),
    };
    if !fits {
        let how = format.map_or_else(|| "(default format)".to_owned(), |format| format!("with format {format}"));
        out.push(nowhere(&format!("Checked value must be of type integer {how} in {path}")));
    }
}
