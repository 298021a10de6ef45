//! The part of JSONPath that printer columns use: fields, indexes, `*`, and filters on equality.

use serde_json::Value;

/// All values at `path`, as in `.status.conditions[?(@.type=="Ready")].status`.
pub(crate) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
    while !rest.is_empty() {
        let (step, tail) = step(rest);
        found = found.into_iter().flat_map(|value| take(value, step)).collect();
        rest = tail;
    }
    found
}

/// Splits off the first step: a field name, or what is between brackets.
fn step(path: &str) -> (&str, &str) {
    if let Some(inner) = path.strip_prefix('[') {
        let end = bracket_end(inner);
        return (&inner[..end], inner.get(end + 1..).unwrap_or_default());
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let mut escaped = false;
    for (i, c) in path.char_indices() {
        if !escaped && (c == '.' || c == '[') && i > 0 {
            return path.split_at(i);
        }
        escaped = c == '\\';
    }
    (path, "")
}

fn bracket_end(inner: &str) -> usize {
    let mut quote = None;
    for (i, c) in inner.char_indices() {
        match (quote, c) {
            (None, ']') => return i,
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), c) if q == c => quote = None,
            _ => {}
        }
    }
    inner.len()
}

fn take<'a>(value: &'a Value, step: &str) -> Vec<&'a Value> {
    if let Some(filter) = step.strip_prefix("?(").and_then(|f| f.strip_suffix(')')) {
        let Some((left, right)) = filter.split_once("==") else { return Vec::new() };
        let (left, right) = (left.trim().trim_start_matches('@'), right.trim().trim_matches(['"', '\'']));
        let equal = |item: &&Value| {
            find(item, left).first().is_some_and(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned) == right)
        };
        return value.as_array().into_iter().flatten().filter(equal).collect();
    }
    if step == "*" {
        return match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(map) => map.values().collect(),
            _ => Vec::new(),
        };
    }
    if let (Value::Array(items), Ok(index)) = (value, step.parse::<i64>()) {
        let index = if index < 0 { items.len() as i64 + index } else { index };
        return usize::try_from(index).ok().and_then(|i| items.get(i)).into_iter().collect();
    }
    let name = step.trim_matches(['\'', '"']).replace('\\', "");
    value.get(name).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_printer_columns() {
        let object = json!({"spec": {"list": [{"a": 1}, {"a": 2}], "x.y": 5},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]}});
        let one = |path: &str| find(&object, path).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(one(".spec.list[1].a"), [json!(2)]);
        assert_eq!(one(".spec.list[*].a"), [json!(1), json!(2)]);
        assert_eq!(one(r#".status.conditions[?(@.type=="Ready")].status"#), [json!("True")]);
        assert_eq!(one(r".spec.x\.y"), [json!(5)]);
        assert_eq!(one(".spec['x.y']"), [json!(5)]);
        assert!(one(".spec.nope.more").is_empty());
    }
}
