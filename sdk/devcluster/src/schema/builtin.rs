//! Reads the types and resources of built-in kinds from the tables derived from a kube-apiserver's OpenAPI (data/derive.py).
//!
//! `types.txt`: a line with a type's name (`!` = atomic), then one line per field: a space, the name (`*` = required, `+` = always
//! written, `-` = vanishes when empty), its type.
//! Types: `s y t u i l n b x q ?` (text, base64, time, time with fractions, integer, long integer, number, boolean, int-or-string, quantity, any; text may be followed by its
//! values, each after a `|`), `{T}` map, `[T]`
//! list, or another type's name; then `@s` or `@m(keys)` for lists that merge as sets or by keys, `!` atomic, `~key` the
//! strategic merge key, `^` retain keys. `resources.txt`: group, version, plural, kind, singular, scope, short names,
//! categories, subresources (`name=Kind=verb+verb`), type, verbs (`-`: all), storage version hash; `-` stands for nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::{ListKind, ListShape, Node, ObjectShape, Scalar, Schema, Shape, Strategy};

const TYPES: &str = include_str!("../../data/types.txt");
const RESOURCES: &str = include_str!("../../data/resources.txt");

/// One line of the resource table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<&'static str>,
    pub(crate) categories: Vec<&'static str>,
    pub(crate) subresources: Vec<Sub>,
    pub(crate) type_id: usize,
    /// Empty: all.
    pub(crate) verbs: Vec<&'static str>,
    pub(crate) hash: &'static str,
}

/// A subresource as discovery names it.
#[derive(Debug, Clone)]
pub(crate) struct Sub {
    pub(crate) name: &'static str,
    /// A kind of the resource's own group and version, or `group/version/Kind`.
    pub(crate) kind: &'static str,
    pub(crate) verbs: Vec<&'static str>,
}

/// The types of all built-in kinds, shared by every cluster of the process.
pub(crate) struct Builtin {
    pub(crate) schema: Arc<Schema>,
    pub(crate) names: BTreeMap<&'static str, usize>,
    pub(crate) rows: Vec<Row>,
}

/// The tables, read on first use.
pub(crate) static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
    let (schema, names) = Reader::default().read(TYPES);
    let rows = RESOURCES.lines().filter_map(|line| row(line, &names)).collect();
    Builtin { schema: Arc::new(schema), names, rows }
});

fn row(line: &'static str, names: &BTreeMap<&'static str, usize>) -> Option<Row> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let none = |word: &'static str| if word == "-" { "" } else { word };
    let many = |word: &'static str| none(word).split(',').filter(|w| !w.is_empty()).collect::<Vec<_>>();
    Some(Row {
        group: none(next()?),
        version: next()?,
        plural: next()?,
        kind: next()?,
        singular: next()?,
        namespaced: next()? == "N",
        short_names: many(next()?),
        categories: many(next()?),
        subresources: many(next()?).into_iter().filter_map(sub).collect(),
        type_id: names.get(next()?).copied()?,
        verbs: many(next()?),
        hash: none(next()?),
    })
}

fn sub(text: &'static str) -> Option<Sub> {
    let mut parts = text.split('=');
    Some(Sub { name: parts.next()?, kind: parts.next()?, verbs: parts.next()?.split('+').collect() })
}

#[derive(Default)]
struct Reader {
    nodes: Vec<Node>,
    names: BTreeMap<&'static str, usize>,
    /// Uses of a named type with flags of their own: filled with a flagged copy once every type is read.
    copies: Vec<(usize, usize, bool)>,
    scalars: HashMap<u8, usize>,
}

impl Reader {
    fn read(mut self, text: &'static str) -> (Schema, BTreeMap<&'static str, usize>) {
        for line in text.lines().filter(|l| !l.starts_with(' ')) {
            let id = self.push(Node::default());
            self.names.insert(line.trim_end_matches('!'), id);
        }
        let (mut current, mut object) = (0, ObjectShape::default());
        for line in text.lines() {
            let Some(field) = line.strip_prefix(' ') else {
                self.close(current, std::mem::take(&mut object));
                current = self.names.get(line.trim_end_matches('!')).copied().unwrap_or_default();
                object.atomic = line.ends_with('!');
                object.name = line.trim_end_matches('!');
                continue;
            };
            let Some((name, expr)) = field.split_once(' ') else { continue };
            let plain = name.trim_end_matches(['*', '+', '-']);
            let marks = &name[plain.len()..];
            for (mark, list) in [('*', &mut object.required), ('+', &mut object.always), ('-', &mut object.sparse)] {
                if marks.contains(mark) {
                    list.push(plain.into());
                }
            }
            let id = self.parse(expr);
            object.fields.insert(plain.into(), id);
        }
        self.close(current, object);
        for (at, of, atomic) in std::mem::take(&mut self.copies) {
            let mut shape = self.nodes[of].shape.clone();
            if let (Shape::Object(object), true) = (&mut shape, atomic) {
                object.atomic = true;
            }
            self.nodes[at].shape = shape;
        }
        (Schema { nodes: self.nodes }, self.names)
    }

    fn push(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn close(&mut self, id: usize, object: ObjectShape) {
        if !object.fields.is_empty() {
            self.nodes[id].shape = Shape::Object(object);
        }
    }

    fn parse(&mut self, expr: &'static str) -> usize {
        let end = match expr.as_bytes().first() {
            Some(b'[') => matching(expr, b'[', b']'),
            Some(b'{') => matching(expr, b'{', b'}'),
            _ => expr.find(['@', '!', '~', '^']).unwrap_or(expr.len()),
        };
        let (body, flags) = expr.split_at(end);
        let (flags, strategy) = strategy(flags);
        match body.as_bytes().first() {
            Some(b'[') => {
                let item = self.parse(&body[1..body.len() - 1]);
                let shape = Shape::List(ListShape { item, kind: list_kind(flags, &body[1..body.len() - 1]) });
                self.push(Node { shape, strategy, ..Node::default() })
            }
            Some(b'{') => {
                let rest = Some(self.parse(&body[1..body.len() - 1]));
                let shape = Shape::Object(ObjectShape { rest, atomic: flags == "!", ..ObjectShape::default() });
                self.push(Node { shape, strategy, ..Node::default() })
            }
            _ => self.named(body, flags == "!", strategy),
        }
    }

    fn named(&mut self, name: &'static str, atomic: bool, strategy: Strategy) -> usize {
        // What may be anything as a whole is not merged.
        if name == "?" && atomic {
            let shape = Shape::Object(ObjectShape { keep_unknown: true, atomic, ..ObjectShape::default() });
            return self.push(Node { shape, strategy, ..Node::default() });
        }
        // Texts of a closed set are texts here.
        let name = name.split('|').next().unwrap_or(name);
        if let Some(shape) = scalar(name) {
            let letter = name.as_bytes().first().copied().unwrap_or_default();
            if let Some(id) = self.scalars.get(&letter) {
                return *id;
            }
            let id = self.push(Node { shape, ..Node::default() });
            self.scalars.insert(letter, id);
            return id;
        }
        let of = self.names.get(name).copied().unwrap_or_default();
        if !atomic && strategy == Strategy::default() {
            return of;
        }
        let at = self.push(Node { strategy, ..Node::default() });
        self.copies.push((at, of, atomic));
        at
    }
}

fn matching(expr: &str, open: u8, close: u8) -> usize {
    let mut depth = 0usize;
    for (i, byte) in expr.bytes().enumerate() {
        depth += usize::from(byte == open);
        if byte == close {
            depth -= 1;
            if depth == 0 {
                return i + 1;
            }
        }
    }
    expr.len()
}

fn strategy(flags: &'static str) -> (&'static str, Strategy) {
    let retain_keys = flags.ends_with('^');
    let flags = flags.trim_end_matches('^');
    match flags.split_once('~') {
        Some((rest, key)) => (rest, Strategy { merge_key: Some(key.into()), retain_keys }),
        None => (flags, Strategy { merge_key: None, retain_keys }),
    }
}

fn list_kind(flags: &str, item: &str) -> ListKind {
    match flags.strip_prefix("@m(").and_then(|keys| keys.strip_suffix(')')) {
        Some(keys) => ListKind::Map(keys.split(',').map(|k| (k.into(), key_default(item, k))).collect()),
        None if flags == "@s" => ListKind::Set,
        None => ListKind::Atomic,
    }
}

/// The fields that Go always writes, with their types, by the name of the struct.
static ALWAYS: LazyLock<HashMap<&'static str, Vec<(&'static str, &'static str)>>> = LazyLock::new(|| {
    let mut all = HashMap::<_, Vec<_>>::new();
    let mut current = "";
    for line in TYPES.lines() {
        match line.strip_prefix(' ').and_then(|field| field.split_once(' ')) {
            Some((name, kind)) => {
                let plain = name.trim_end_matches(['*', '+', '-']);
                if name[plain.len()..].contains('+') {
                    all.entry(current).or_default().push((plain, kind.split('|').next().unwrap_or(kind)));
                }
            }
            None => current = line.trim_end_matches('!'),
        }
    }
    all
});

/// What an absent key stands for: Go's zero where the field is always written; the protocol of a port has a real default.
fn key_default(item: &str, key: &str) -> Option<Value> {
    if key == "protocol" {
        return Some("TCP".into());
    }
    // A reference without a name is one of the empty name.
    if (item, key) == ("core.v1.LocalObjectReference", "name") {
        return Some("".into());
    }
    let zero = |kind: &str| match kind {
        "s" => Some(Value::from("")),
        "i" | "l" => Some(Value::from(0)),
        _ => None,
    };
    ALWAYS.get(item)?.iter().find(|(name, _)| *name == key).and_then(|(_, kind)| zero(kind))
}

fn scalar(name: &str) -> Option<Shape> {
    Some(match name {
        "s" => Shape::Scalar(Scalar::Text),
        "y" => Shape::Scalar(Scalar::Base64),
        "t" => Shape::Scalar(Scalar::Time),
        "u" => Shape::Scalar(Scalar::Moment),
        "i" => Shape::Scalar(Scalar::Integer),
        "l" => Shape::Scalar(Scalar::Long),
        "n" => Shape::Scalar(Scalar::Number),
        "b" => Shape::Scalar(Scalar::Boolean),
        "x" => Shape::Scalar(Scalar::IntOrText),
        "q" => Shape::Scalar(Scalar::Quantity),
        "?" => Shape::Any,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Type;
    use super::*;

    #[test]
    fn container_ports_merge_by_port_and_protocol_whatever_the_patch_key() {
        let id = BUILTIN.names["core.v1.Container"];
        let ports = Type { schema: &BUILTIN.schema, id }.field("ports").unwrap();
        let Shape::List(list) = &ports.node().shape else { panic!("ports is not a list") };
        let keys = vec![("containerPort".into(), Some(Value::from(0))), ("protocol".into(), Some(Value::from("TCP")))];
        assert_eq!(list.kind, ListKind::Map(keys));
        assert_eq!(ports.node().strategy.merge_key.as_deref(), Some("containerPort"));
    }

    #[test]
    fn every_resource_has_a_type_with_metadata() {
        assert_eq!(BUILTIN.rows.len(), RESOURCES.lines().count());
        for row in &BUILTIN.rows {
            let ty = Type { schema: &BUILTIN.schema, id: row.type_id };
            assert!(ty.declares("metadata"), "{} has no metadata", row.plural);
        }
    }

    #[test]
    fn a_use_can_be_atomic_where_the_type_is_not() {
        let id = BUILTIN.names["core.v1.PodSpec"];
        let selector = Type { schema: &BUILTIN.schema, id }.field("nodeSelector").unwrap();
        assert!(matches!(&selector.node().shape, Shape::Object(o) if o.atomic));
        let strategy =
            Type { schema: &BUILTIN.schema, id: BUILTIN.names["apps.v1.DeploymentSpec"] }.field("strategy").unwrap();
        assert!(strategy.node().strategy.retain_keys && strategy.declares("rollingUpdate"));
    }
}
