//! One form for values that an API server treats as the same.
//!
//! - Object keys are sorted; `1.0` is `1`.
//! - Null, false, 0, `""`, `[]` and `{}` are one value, "empty": servers drop empty values of their own kinds, and any change to or
//!   from them by someone else also changes who owns the place, which the digest shows. The place itself still counts.
//! - Quantities under the names that Kubernetes gives them (limits, requests, hard, …) are numbers: `"4"`, `"4000m"` and 4 are one.
//! - The lists that Kubernetes merges by key or as sets (env, ports, volumes, finalizers, …) are compared without order, because two
//!   managers share it; an empty one is as good as none, because nobody owns an element of it. Every other list keeps its order.

use serde_json::{Map, Number, Value};

/// Fields whose values are maps of quantities.
const QUANTITY_MAPS: [&str; 14] = [
    "limits",
    "requests",
    "hard",
    "used",
    "capacity",
    "allocatable",
    "allocatedResources",
    "default",
    "defaultRequest",
    "max",
    "min",
    "maxLimitRequestRatio",
    "overhead",
    "podFixed",
];
/// Fields whose values are quantities.
const QUANTITIES: [&str; 5] = ["sizeLimit", "storage", "divisor", "averageValue", "storageCapacity"];
/// Lists that are merged by key or as sets and whose order means nothing.
const UNORDERED: [&str; 14] = [
    "containers",
    "ephemeralContainers",
    "env",
    "ports",
    "volumes",
    "volumeMounts",
    "volumeDevices",
    "imagePullSecrets",
    "hostAliases",
    "topologySpreadConstraints",
    "resourceClaims",
    "conditions",
    "ownerReferences",
    "finalizers",
];
/// A list that is merged by key, but runs in order.
const ORDERED_BY_KEY: &str = "initContainers";

/// The canonical form as bytes, prefix-free so that different trees never share one.
pub(super) fn bytes(tree: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, tree, "", false);
    out
}

/// Whether servers may drop a value like this.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.iter().all(|(name, value)| is_unowned(name, value)),
    }
}

/// An empty list that is merged by key: nobody owns anything of it.
fn is_unowned(name: &str, value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty) && (UNORDERED.contains(&name) || name == ORDERED_BY_KEY)
}

/// Writes `value`, which stands under the field `name`; `quantity` if the field around it holds quantities.
fn write(out: &mut Vec<u8>, value: &Value, name: &str, quantity: bool) {
    if is_empty(value) {
        out.push(b'0');
        return;
    }
    if (quantity || QUANTITIES.contains(&name))
        && let Some(nano) = quantity_nano(value)
    {
        match nano {
            0 => out.push(b'0'),
            nano => text(out, b'q', &nano.to_string()),
        }
        return;
    }
    match value {
        Value::Null | Value::Bool(_) => out.push(b't'),
        Value::Number(value) => text(out, b'n', &number(value)),
        Value::String(value) => text(out, b's', value),
        Value::Array(elements) => array(out, elements, name),
        Value::Object(fields) => object(out, fields, name),
    }
}

fn array(out: &mut Vec<u8>, elements: &[Value], name: &str) {
    let mut forms: Vec<Vec<u8>> = elements
        .iter()
        .map(|element| {
            let mut form = Vec::new();
            write(&mut form, element, "", false);
            form
        })
        .collect();
    if UNORDERED.contains(&name) {
        forms.sort_unstable();
    }
    out.push(b'[');
    out.extend(forms.into_iter().flatten());
    out.push(b']');
}

fn object(out: &mut Vec<u8>, fields: &Map<String, Value>, name: &str) {
    let quantities = QUANTITY_MAPS.contains(&name);
    let mut fields: Vec<(&String, &Value)> = fields.iter().filter(|(name, value)| !is_unowned(name, value)).collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    out.push(b'{');
    for (name, value) in fields {
        text(out, b'k', name);
        write(out, value, name, quantities);
    }
    out.push(b'}');
}

fn text(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    out.extend_from_slice(text.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(text.as_bytes());
}

fn number(number: &Number) -> String {
    match number.as_f64() {
        // Every integer below 2^53 is exact in both forms; larger ones stay as they were written.
        Some(float) if !number.is_i64() && !number.is_u64() && float.fract() == 0.0 && float.abs() < 9e15 => {
            format!("{float:.0}")
        }
        _ => number.to_string(),
    }
}

/// A Kubernetes quantity in units of 10⁻⁹, rounded up as servers do; `None` for what is not one.
fn quantity_nano(value: &Value) -> Option<i128> {
    let printed;
    let text = match value {
        Value::String(text) => text.as_str(),
        Value::Number(number) => {
            printed = number.to_string();
            printed.as_str()
        }
        _ => return None,
    };
    let digits_end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(digits_end);
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, exponent) = suffix_factor(suffix)?;
    let power = exponent + 9 - i32::try_from(fraction.len()).ok()?;
    let scaled = mantissa.checked_mul(factor)?;
    let ten = |n: i32| 10i128.checked_pow(n.unsigned_abs());
    let nano = if power >= 0 { scaled.checked_mul(ten(power)?)? } else { round_up(scaled, ten(power)?) };
    Some(if negative { -nano } else { nano })
}

fn round_up(value: i128, divisor: i128) -> i128 {
    value / divisor + i128::from(value % divisor != 0)
}

/// A suffix as a factor times a power of ten.
fn suffix_factor(suffix: &str) -> Option<(i128, i32)> {
    let binary = |n: u32| Some((1i128 << (10 * n), 0));
    let decimal = |n: i32| Some((1, n));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|n| n.abs() < 30).and_then(decimal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn same(a: &Value, b: &Value) -> bool {
        bytes(a) == bytes(b)
    }

    #[test]
    fn quantities_are_numbers() {
        let nano = |text: &str| quantity_nano(&json!(text));
        assert_eq!(nano("4"), nano("4000m"));
        assert_eq!(nano("4"), quantity_nano(&json!(4)));
        assert_eq!(nano("0.5Gi"), nano("512Mi"));
        assert_eq!(nano("1k"), nano("1e3"));
        assert_eq!(nano("1E"), nano("1e18"));
        assert_eq!(nano("0.1"), quantity_nano(&json!(0.1)));
        assert_eq!(nano("-1"), Some(-1_000_000_000));
        assert_eq!(nano("0.0000000001"), Some(1), "rounded up");
        for not in ["", ".", "x", "4 m", "1e99", "1.2.3", "Mi", "1-2"] {
            assert_eq!(nano(not), None, "{not}");
        }
    }

    #[test]
    fn what_a_server_treats_alike_is_alike() {
        assert!(same(&json!({"a": 1.0, "b": "x"}), &json!({"b": "x", "a": 1})));
        assert!(same(&json!({"limits": {"cpu": "1000m"}}), &json!({"limits": {"cpu": 1}})));
        assert!(same(&json!({"podSelector": {}, "ingress": []}), &json!({"podSelector": null, "ingress": null})));
        assert!(same(&json!({"finalizers": ["a", "b"]}), &json!({"finalizers": ["b", "a"]})));
        assert!(same(&json!({"spec": {"env": []}}), &json!({"spec": {}})));
    }

    #[test]
    fn what_differs_is_told_apart() {
        assert!(!same(&json!({"a": ""}), &json!({})), "an empty value is owned");
        assert!(!same(&json!({"args": ["a", "b"]}), &json!({"args": ["b", "a"]})));
        assert!(!same(&json!({"port": "80"}), &json!({"port": 80})));
        assert!(!same(&json!({"a": {"b": 1}}), &json!({"a": 1, "b": 1})));
        assert!(!same(&json!({"cpu": "1000m"}), &json!({"cpu": "1"})), "not everything that looks so is a quantity");
        assert!(!same(&json!({"a": "1", "b": "2"}), &json!({"a": "1b1:2"})));
        assert!(!same(&json!({"on": true}), &json!({"on": false})));
    }
}
