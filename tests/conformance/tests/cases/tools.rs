//! What many cases do: send an object in many broken forms, or lead one from its creation to its end.

use anyhow::Result;
use http::Method;
use motet_conformance::Talk;
use serde_json::{Value, json};

/// The object with other values at some JSON pointers; null takes a field away.
pub(crate) fn with(base: &Value, changes: &[(&str, Value)]) -> Value {
    let mut object = base.clone();
    for (pointer, value) in changes {
        set(&mut object, pointer, value.clone());
    }
    object
}

fn set(object: &mut Value, pointer: &str, value: Value) {
    let segments: Vec<&str> = pointer.split('/').skip(1).collect();
    let Some((last, parents)) = segments.split_last() else { return };
    let mut slot = object;
    for segment in parents {
        slot = match segment.parse::<usize>() {
            Ok(index) if slot.is_array() => &mut slot[index],
            _ => &mut slot[*segment],
        };
    }
    let last = last.replace("~1", "/");
    match (slot, last.parse::<usize>()) {
        (Value::Array(items), Ok(index)) if index == items.len() => items.push(value),
        (Value::Array(items), Ok(index)) => items[index] = value,
        (Value::Object(map), _) if value.is_null() => drop(map.remove(&last)),
        (slot, _) => slot[last.as_str()] = value,
    }
}

/// An object's path below its collection.
pub(crate) fn at(collection: &str, object: &Value) -> String {
    format!("{collection}/{}", object["metadata"]["name"].as_str().unwrap_or_default())
}

/// Creates, reads, replaces and deletes each object.
pub(crate) async fn lives(talk: &Talk, collection: &str, objects: &[Value]) -> Result<()> {
    for object in objects {
        let made = talk.post(collection, object).await?;
        let path = at(collection, object);
        talk.get(&path).await?;
        let same = talk.put(&path, &made.body).await?;
        talk.put(&path, &with(&same.body, &[("/metadata/labels/changed", json!("yes"))])).await?;
        talk.delete(&path).await?;
        talk.ask(Method::GET, &path).unkept().send().await?;
    }
    Ok(())
}

/// Tries to create the object with each change by itself.
pub(crate) async fn create_each(talk: &Talk, collection: &str, base: &Value, changes: &[(&str, Value)]) -> Result<()> {
    for (n, (pointer, value)) in changes.iter().enumerate() {
        let object = with(base, &[(pointer, value.clone())]);
        talk.note("with", format!("{pointer}: {value}"));
        let made = talk.post(&format!("{collection}?dryRun=All&n={n}"), &object).await?;
        talk.note("so", made.code);
    }
    Ok(())
}

/// Creates the object, then tries to replace it with each change by itself.
pub(crate) async fn change_each(talk: &Talk, collection: &str, base: &Value, changes: &[(&str, Value)]) -> Result<()> {
    let made = talk.post(collection, base).await?;
    let path = at(collection, base);
    for (n, (pointer, value)) in changes.iter().enumerate() {
        talk.note("with", format!("{pointer}: {value}"));
        let object = with(&made.body, &[(pointer, value.clone())]);
        talk.put(&format!("{path}?dryRun=All&n={n}"), &object).await?;
    }
    talk.ask(Method::DELETE, &path).unkept().send().await?;
    Ok(())
}

/// A Widget of the case's group.
pub(super) fn widget(talk: &Talk, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": format!("{}/v1", talk.group()), "kind": "Widget", "metadata": { "name": name }, "spec": spec })
}

/// Posts one Widget per value of `spec`.
pub(super) async fn tried(talk: &Talk, path: &str, values: &[Value]) -> Result<()> {
    for (i, value) in values.iter().enumerate() {
        talk.post(path, &widget(talk, &format!("w{i}"), value.clone())).await?;
    }
    Ok(())
}
