//! Owns the one schema form that built-in kinds and custom resources share: what is a field, how lists merge, what is valid.

pub(crate) mod builtin;
pub(crate) mod check;
pub(crate) mod embedded;
pub(crate) mod fill;
pub(crate) mod formats;
pub(crate) mod lists;
pub(crate) mod misfit;
pub(crate) mod numbers;
pub(crate) mod openapi;
pub(crate) mod settle;
pub(crate) mod validator;

use std::collections::BTreeMap;

use serde_json::Value;

/// All types of one schema; nodes refer to one another by number, so that recursive types need no cycles of pointers.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) nodes: Vec<Node>,
}

/// One type: its shape and what the schema says beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) shape: Shape,
    /// How a strategic merge patch treats it; built-in kinds only.
    pub(crate) strategy: Strategy,
    pub(crate) default: Option<Value>,
    pub(crate) nullable: bool,
}

/// What a value of a type looks like.
#[derive(Debug, Clone, Default)]
pub(crate) enum Shape {
    /// Anything: objects merge key by key, lists are atomic.
    #[default]
    Any,
    /// Anything, of which fields are pruned: what `additionalProperties: true` allows.
    Bare,
    Scalar(Scalar),
    Object(ObjectShape),
    List(ListShape),
}

/// The scalar types that the API tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text,
    /// Text in base64.
    Base64,
    Time,
    /// A time with six digits of fractions.
    Moment,
    Integer,
    /// An integer of 64 bits.
    Long,
    Number,
    Boolean,
    IntOrText,
    Quantity,
}

/// An object with named fields, a value type for all other keys, or both.
#[derive(Debug, Clone, Default)]
pub(crate) struct ObjectShape {
    pub(crate) fields: BTreeMap<Box<str>, usize>,
    pub(crate) rest: Option<usize>,
    /// Unknown fields are kept (`x-kubernetes-preserve-unknown-fields`).
    pub(crate) keep_unknown: bool,
    pub(crate) atomic: bool,
    /// Carries apiVersion, kind and metadata of its own (`x-kubernetes-embedded-resource`).
    pub(crate) embedded: bool,
    pub(crate) required: Vec<Box<str>>,
    /// What Go calls the struct; built-in kinds only.
    pub(crate) name: &'static str,
    /// Fields that are written even if they are empty, as Go structs without `omitempty` do; built-in kinds only.
    pub(crate) always: Vec<Box<str>>,
    /// Fields that vanish when they are empty; built-in kinds only.
    pub(crate) sparse: Vec<Box<str>>,
}

/// A list and how two of them merge.
#[derive(Debug, Clone)]
pub(crate) struct ListShape {
    pub(crate) item: usize,
    pub(crate) kind: ListKind,
}

/// How list items are told apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ListKind {
    Atomic,
    Set,
    /// By these keys, each with the value that an absent one stands for.
    Map(Vec<(Box<str>, Option<Value>)>),
}

/// Strategic merge patch strategy of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Strategy {
    /// Some: lists merge, by this key, or as sets of scalars if it is empty.
    pub(crate) merge_key: Option<Box<str>>,
    pub(crate) retain_keys: bool,
}

/// A type inside a schema; `None` in an `Option<Type>` means undeclared, which behaves like [`Shape::Any`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) id: usize,
}

static ANY: Node = Node {
    shape: Shape::Any,
    strategy: Strategy { merge_key: None, retain_keys: false },
    default: None,
    nullable: true,
};

impl<'a> Type<'a> {
    /// The node behind the type.
    pub(crate) fn node(self) -> &'a Node {
        self.schema.nodes.get(self.id).unwrap_or(&ANY)
    }

    /// The type of a field or map entry; `None` where the schema declares nothing for it.
    pub(crate) fn field(self, name: &str) -> Option<Type<'a>> {
        match &self.node().shape {
            Shape::Object(object) => {
                object.fields.get(name).copied().or(object.rest).map(|id| Type { schema: self.schema, id })
            }
            _ => None,
        }
    }

    /// True if `name` is a declared field, as opposed to an entry of a map.
    pub(crate) fn declares(self, name: &str) -> bool {
        matches!(&self.node().shape, Shape::Object(object) if object.fields.contains_key(name))
    }

    /// The item type of a list.
    pub(crate) fn item(self) -> Option<Type<'a>> {
        match &self.node().shape {
            Shape::List(list) => Some(Type { schema: self.schema, id: list.item }),
            _ => None,
        }
    }
}

/// How a value of a type takes part in merging.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form<'a> {
    Leaf,
    Object,
    Set,
    Keyed(&'a [(Box<str>, Option<Value>)]),
}

/// The form that `value` has under `ty`; a value that does not fit its type is taken for what it looks like.
pub(crate) fn form<'a>(ty: Option<Type<'a>>, value: &Value) -> Form<'a> {
    let shape = ty.map(|t| &t.node().shape).unwrap_or(&Shape::Any);
    match (value, shape) {
        (Value::Object(_) | Value::Null, Shape::Object(object)) => {
            if object.atomic {
                Form::Leaf
            } else {
                Form::Object
            }
        }
        (Value::Array(_) | Value::Null, Shape::List(list)) => match &list.kind {
            ListKind::Atomic => Form::Leaf,
            ListKind::Set => Form::Set,
            ListKind::Map(keys) => Form::Keyed(keys),
        },
        (Value::Object(_), _) => Form::Object,
        _ => Form::Leaf,
    }
}
