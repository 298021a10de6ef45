//! The form in which Go prints the structs behind the built-in kinds: complaints of a kube-apiserver repeat wrong values in it.
//!
//! `structs.txt` (made by data/structs.go): a line with a struct's name, then one line per field in Go's order: a space, the name that
//! is written (`-` after it: left out when empty; `.`: its fields stand among the others), the field's name in the API (`-`: those of
//! the same object), its type. Types: `s i b q t x y ?` (text, number, boolean, quantity, time, int-or-string, base64, anything), `*T`
//! pointer, `[T]` list, `{T}` map, or a struct's name.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::Value;

const STRUCTS: &str = include_str!("../../data/structs.txt");

struct Field {
    /// Empty: embedded.
    name: &'static str,
    sparse: bool,
    /// Empty: the fields of the same object.
    from: &'static str,
    expr: &'static str,
}

static FIELDS: LazyLock<HashMap<&'static str, Vec<Field>>> = LazyLock::new(|| {
    let mut all = HashMap::<_, Vec<Field>>::new();
    let mut current = "";
    for line in STRUCTS.lines() {
        let Some(field) = line.strip_prefix(' ') else {
            current = line;
            continue;
        };
        let mut words = field.split(' ');
        let (Some(name), Some(from), Some(expr)) = (words.next(), words.next(), words.next()) else { continue };
        let plain = name.trim_end_matches(['-', '.']);
        let from = if from == "-" { "" } else { from };
        all.entry(current).or_default().push(Field { name: plain, sparse: name.ends_with('-'), from, expr });
    }
    all
});

/// What is written: fields keep their order.
enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

/// A value of a type, on one line.
pub(crate) fn shown(expr: &str, value: &Value) -> String {
    let mut text = String::new();
    tree(expr, value).write(None, &mut text);
    text
}

/// A value of a type, as lines that are indented by one space per level.
pub(crate) fn lines(expr: &str, value: &Value) -> String {
    let mut text = String::new();
    tree(expr, value).write(Some(0), &mut text);
    text
}

impl Tree {
    fn write(&self, depth: Option<usize>, text: &mut String) {
        let deeper = depth.map(|d| d + 1);
        let line = |text: &mut String, depth: Option<usize>| {
            if let Some(depth) = depth {
                text.push('\n');
                text.extend(std::iter::repeat_n(' ', depth));
            }
        };
        let (open, close, count) = match self {
            Self::Leaf(leaf) => return text.push_str(leaf),
            Self::List(items) => ('[', ']', items.len()),
            Self::Map(fields) => ('{', '}', fields.len()),
        };
        text.push(open);
        for i in 0..count {
            if i > 0 {
                text.push(',');
            }
            line(text, deeper);
            match self {
                Self::Map(fields) => {
                    text.push_str(&quoted(&fields[i].0));
                    text.push_str(if depth.is_some() { ": " } else { ":" });
                    fields[i].1.write(deeper, text);
                }
                Self::List(items) => items[i].write(deeper, text),
                Self::Leaf(_) => {}
            }
        }
        if count > 0 {
            line(text, depth);
        }
        text.push(close);
    }
}

fn tree(expr: &str, value: &Value) -> Tree {
    let null = || Tree::Leaf("null".into());
    if let Some(inner) = expr.strip_prefix('*') {
        return if value.is_null() { null() } else { tree(inner, value) };
    }
    if let Some(inner) = expr.strip_prefix('[').and_then(|e| e.strip_suffix(']')) {
        return value.as_array().map_or_else(null, |items| Tree::List(items.iter().map(|v| tree(inner, v)).collect()));
    }
    if let Some(inner) = expr.strip_prefix('{').and_then(|e| e.strip_suffix('}')) {
        let pairs =
            |map: &serde_json::Map<String, Value>| map.iter().map(|(k, v)| (k.clone(), tree(inner, v))).collect();
        return value.as_object().map_or_else(null, |map| Tree::Map(pairs(map)));
    }
    let zero = match expr {
        "s" => "\"\"",
        "q" => "\"0\"",
        "i" | "x" => "0",
        "b" => "false",
        "t" | "?" | "y" => "null",
        name => return of_struct(name, value),
    };
    match value {
        Value::Null => Tree::Leaf(zero.into()),
        Value::String(text) => Tree::Leaf(quoted(text)),
        other => Tree::Leaf(other.to_string()),
    }
}

fn of_struct(name: &str, value: &Value) -> Tree {
    let mut written = Vec::new();
    fields(name, value, &mut written);
    Tree::Map(written)
}

fn fields(name: &str, value: &Value, written: &mut Vec<(String, Tree)>) {
    let host = (name == "core.PodSpec").then(|| with_host(value));
    for field in FIELDS.get(name).into_iter().flatten() {
        let part = match (field.from, &host) {
            ("", _) => value,
            ("securityContext", Some(context)) => context,
            (from, _) => &value[from],
        };
        if field.name.is_empty() {
            fields(field.expr, part, written);
        } else if !(field.sparse && (part.is_null() || !field.expr.starts_with('*') && is_empty(part))) {
            written.push((field.name.to_owned(), tree(field.expr, part)));
        }
    }
}

/// What a pod says about its host belongs to the security context there.
fn with_host(spec: &Value) -> Value {
    let mut context = spec["securityContext"].clone();
    if context.is_null() {
        context = Value::Object(serde_json::Map::new());
    }
    for name in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"] {
        if let Some(value) = spec.get(name) {
            context[name] = value.clone();
        }
    }
    context
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// Go writes texts so that they can stand in a web page.
fn quoted(text: &str) -> String {
    let plain = Value::from(text).to_string();
    if plain.contains(['<', '>', '&']) {
        plain.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn structs_are_written_in_the_order_of_go() {
        let port = json!({"port": 1, "protocol": "TCP", "targetPort": "web"});
        let wanted = r#"{"Name":"","Protocol":"TCP","AppProtocol":null,"Port":1,"TargetPort":"web","NodePort":0}"#;
        assert_eq!(shown("core.ServicePort", &port), wanted);
        assert_eq!(lines("[s]", &json!(["a", "<"])), "[\n \"a\",\n \"\\u003c\"\n]");
        assert_eq!(shown("v1.LabelSelector", &json!({"matchLabels": {"a": "b"}})), r#"{"matchLabels":{"a":"b"}}"#);
        let template =
            shown("core.PodTemplateSpec", &json!({"metadata": {"labels": {"a": "b"}}, "spec": {"hostPID": true}}));
        assert!(
            template.starts_with(r#"{"labels":{"a":"b"},"Spec":{"Volumes":null,"#)
                && template.contains(r#""HostPID":true"#)
        );
    }
}
