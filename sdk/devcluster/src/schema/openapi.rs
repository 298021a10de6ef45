//! Turns a CustomResourceDefinition's structural schema into the schema form that the rest works on.

use serde_json::Value;

use super::{ListKind, ListShape, Node, ObjectShape, Scalar, Schema, Shape, Strategy, Type};
use crate::schema::builtin::BUILTIN;

/// Deeper schemas are cut off as "anything"; real definitions stay far below.
const DEPTH: usize = 64;

/// Reads `openAPIV3Schema`; the root always declares apiVersion, kind and metadata. Returns the schema and its root.
pub(crate) fn read(schema: &Value) -> (Schema, usize) {
    let mut out = Schema::default();
    let root = node(&mut out, schema, 0);
    let text = push(&mut out, Node { shape: Shape::Scalar(Scalar::Text), ..Node::default() });
    let meta = metadata(&mut out);
    if let Shape::Object(object) = &mut out.nodes[root].shape {
        object.fields.insert("apiVersion".into(), text);
        object.fields.insert("kind".into(), text);
        object.fields.insert("metadata".into(), meta);
    }
    (out, root)
}

/// Reads a part of a schema by itself.
pub(crate) fn part(schema: &Value) -> (Schema, usize) {
    let mut out = Schema::default();
    let root = node(&mut out, schema, 0);
    (out, root)
}

/// Copies the built-in ObjectMeta, so that finalizers and owner references merge in custom resources as they do elsewhere.
fn metadata(out: &mut Schema) -> usize {
    let id = BUILTIN.names.get("meta.v1.ObjectMeta").copied().unwrap_or_default();
    copy(out, Type { schema: &BUILTIN.schema, id }, 0)
}

fn copy(out: &mut Schema, from: Type<'_>, depth: usize) -> usize {
    if depth > 6 {
        return push(out, Node::default());
    }
    let mut node = from.node().clone();
    match &mut node.shape {
        Shape::Object(object) => {
            for id in object.fields.values_mut() {
                *id = copy(out, Type { schema: from.schema, id: *id }, depth + 1);
            }
            object.rest = object.rest.map(|id| copy(out, Type { schema: from.schema, id }, depth + 1));
        }
        Shape::List(list) => list.item = copy(out, Type { schema: from.schema, id: list.item }, depth + 1),
        _ => {}
    }
    push(out, node)
}

fn push(out: &mut Schema, node: Node) -> usize {
    out.nodes.push(node);
    out.nodes.len() - 1
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn node(out: &mut Schema, schema: &Value, depth: usize) -> usize {
    if depth > DEPTH {
        return push(out, Node::default());
    }
    let shape = shape(out, schema, depth);
    let node = Node {
        shape,
        strategy: Strategy::default(),
        default: schema.get("default").cloned(),
        nullable: flag(schema, "nullable"),
    };
    push(out, node)
}

fn shape(out: &mut Schema, schema: &Value, depth: usize) -> Shape {
    let keep = flag(schema, "x-kubernetes-preserve-unknown-fields");
    if flag(schema, "x-kubernetes-int-or-string") {
        return Shape::Scalar(Scalar::IntOrText);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => Shape::Scalar(Scalar::Time),
            Some("byte") => Shape::Scalar(Scalar::Base64),
            _ => Shape::Scalar(Scalar::Text),
        },
        Some("integer") => Shape::Scalar(Scalar::Integer),
        Some("number") => Shape::Scalar(Scalar::Number),
        Some("boolean") => Shape::Scalar(Scalar::Boolean),
        Some("array") => list(out, schema, depth),
        Some("object") => Shape::Object(object(out, schema, keep, depth)),
        _ => Shape::Any,
    }
}

fn list(out: &mut Schema, schema: &Value, depth: usize) -> Shape {
    let items = schema.get("items").unwrap_or(&Value::Null);
    let item = node(out, items, depth + 1);
    let kind = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys = keys.into_iter().flatten().filter_map(Value::as_str);
            ListKind::Map(keys.map(|k| (k.into(), items["properties"][k].get("default").cloned())).collect())
        }
        _ => ListKind::Atomic,
    };
    Shape::List(ListShape { item, kind })
}

fn object(out: &mut Schema, schema: &Value, keep_unknown: bool, depth: usize) -> ObjectShape {
    let mut object = ObjectShape {
        keep_unknown,
        atomic: schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic"),
        embedded: flag(schema, "x-kubernetes-embedded-resource"),
        ..ObjectShape::default()
    };
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let id = node(out, field, depth + 1);
        object.fields.insert(name.as_str().into(), id);
    }
    if object.embedded {
        let text = push(out, Node { shape: Shape::Scalar(Scalar::Text), ..Node::default() });
        let meta = metadata(out);
        for (name, id) in [("apiVersion", text), ("kind", text), ("metadata", meta)] {
            object.fields.insert(name.into(), id);
        }
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(true)) => object.rest = Some(push(out, Node { shape: Shape::Bare, ..Node::default() })),
        Some(rest @ Value::Object(_)) => object.rest = Some(node(out, rest, depth + 1)),
        _ => {}
    }
    let required = schema.get("required").and_then(Value::as_array);
    object.required = required.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect();
    object
}
