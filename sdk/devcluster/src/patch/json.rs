//! JSON patches, with the leniences of the library that kube-apiserver uses: a replace of a missing member adds it, a test of a
//! missing member passes for null, indices may be negative, a value that is not given is null. Those keep us from using a crate.

use serde_json::Value;

/// Carries out every operation, or says nothing more than that one of them could not be.
pub(crate) fn apply(document: &mut Value, operations: &[Value]) -> Option<()> {
    operations.iter().try_for_each(|operation| one(document, operation))
}

fn one(document: &mut Value, operation: &Value) -> Option<()> {
    let text = |name: &str| operation.get(name).and_then(Value::as_str);
    let value = || operation.get("value").cloned().unwrap_or_default();
    let path = text("path");
    match text("op")? {
        "add" => add(document, path?, value()),
        "remove" => remove(document, path?).map(drop),
        "replace" => replace(document, path?, value()),
        "move" => {
            let value = remove(document, text("from")?)?;
            add(document, path?, value)
        }
        "copy" => {
            let value = get(document, text("from")?)?;
            add(document, path?, value)
        }
        "test" => (get(document, path?)? == value()).then_some(()),
        _ => None,
    }
}

/// The container that a path ends in, and the last segment. What stands before the first slash is not looked at.
fn parent<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    if !path.contains('/') {
        return None;
    }
    let mut segments: Vec<String> =
        path.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
    let last = segments.pop().unwrap_or_default();
    let mut at = document;
    for segment in segments {
        at = match at {
            Value::Object(map) => map.get_mut(&segment)?,
            Value::Array(items) => {
                let index = index(&segment, items.len())?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    (at.is_object() || at.is_array()).then_some((at, last))
}

/// A list index; negative ones count from the end.
fn index(segment: &str, len: usize) -> Option<usize> {
    let number: i64 = segment.parse().ok()?;
    if number < 0 { len.checked_sub(usize::try_from(-number).ok()?) } else { usize::try_from(number).ok() }
}

fn add(document: &mut Value, path: &str, value: Value) -> Option<()> {
    match parent(document, path)? {
        (Value::Object(map), key) => {
            map.insert(key, value);
        }
        (Value::Array(items), key) => {
            let at = if key == "-" { items.len() } else { index(&key, items.len() + 1)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(document: &mut Value, path: &str) -> Option<Value> {
    match parent(document, path)? {
        (Value::Object(map), key) => map.remove(&key),
        (Value::Array(items), key) => {
            let at = index(&key, items.len())?;
            (at < items.len()).then(|| items.remove(at))
        }
        _ => None,
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        *document = value;
        return Some(());
    }
    match parent(document, path)? {
        (Value::Object(map), key) => {
            map.insert(key, value);
        }
        (Value::Array(items), key) => {
            let at = index(&key, items.len())?;
            *items.get_mut(at)? = value;
        }
        _ => return None,
    }
    Some(())
}

fn get(document: &mut Value, path: &str) -> Option<Value> {
    if path.is_empty() {
        return Some(document.clone());
    }
    match parent(document, path)? {
        (Value::Object(map), key) => Some(map.get(&key).cloned().unwrap_or_default()),
        (Value::Array(items), key) => items.get(index(&key, items.len())?).cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(operations: Value) -> Option<Value> {
        let mut document = json!({ "a": { "b": [1, 2] }, "x/y": 1 });
        apply(&mut document, operations.as_array().unwrap()).map(|()| document)
    }

    #[test]
    fn members_are_lenient_and_indices_are_not() {
        let ops = json!([{ "op": "replace", "path": "/new", "value": 1 }, { "op": "test", "path": "/none", "value": null },
            { "op": "remove", "path": "/a/b/-1" }, { "op": "move", "from": "/x~1y", "path": "/a/b/-" }]);
        assert_eq!(patched(ops), Some(json!({ "a": { "b": [1, 1] }, "new": 1 })));
        assert_eq!(patched(json!([{ "op": "add", "path": "/a/b/9", "value": 1 }])), None);
        assert_eq!(patched(json!([{ "op": "remove", "path": "/none" }])), None);
        assert_eq!(patched(json!([{ "op": "add", "path": "/none/x", "value": 1 }])), None);
    }
}
