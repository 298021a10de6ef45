//! Projections: sets of JSON Pointers in which `*` stands for every element or key, and what they leave of an object.

mod select;

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

/// A path that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{path:?} is not a path: {rule}")]
pub struct InvalidPath {
    path: String,
    rule: &'static str,
}

impl From<InvalidPath> for String {
    fn from(error: InvalidPath) -> String {
        error.to_string()
    }
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Every key of an object, every element of an array.
    Every,
    /// One key; one index, where the value is an array.
    Named(Box<str>),
}

fn parse(path: &str) -> Result<Vec<Step>, InvalidPath> {
    let invalid = |rule| InvalidPath { path: path.into(), rule };
    let steps = path.strip_prefix('/').ok_or_else(|| invalid("start with '/', such as /spec/nodeName"))?;
    let step = |text: &str| {
        if text == "*" {
            return Ok(Step::Every);
        }
        let mut name = String::with_capacity(text.len());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            name.push(match c {
                '~' => match chars.next() {
                    Some('0') => '~',
                    Some('1') => '/',
                    _ => return Err(invalid("write ~0 for '~' and ~1 for '/'")),
                },
                c => c,
            });
        }
        Ok(Step::Named(name.into()))
    };
    steps.split('/').map(step).collect()
}

/// Writes one key so that [`Projection::parse`] reads it back as that key.
pub fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// What is selected below one place. Kept minimal, so that equal selections are equal values: `named` holds nothing that
/// `every` selects anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Node {
    /// Everything from here on.
    all: bool,
    /// What is selected below each key or element.
    every: Option<Box<Node>>,
    /// What is selected below one key or index; includes what `every` selects.
    named: BTreeMap<Box<str>, Node>,
}

impl Node {
    fn all() -> Self {
        Self { all: true, ..Self::default() }
    }

    fn of(steps: &[Step]) -> Self {
        match steps {
            [] => Self::all(),
            [Step::Every, rest @ ..] => Self { every: Some(Box::new(Self::of(rest))), ..Self::default() },
            [Step::Named(name), rest @ ..] => {
                Self { named: [(name.clone(), Self::of(rest))].into(), ..Self::default() }
            }
        }
    }

    /// What is selected below `key`, if anything.
    fn child(&self, key: &str) -> Option<&Node> {
        if self.all {
            return Some(self);
        }
        self.named.get(key).or(self.every.as_deref())
    }

    fn union(&self, other: &Node) -> Node {
        if self.all || other.all {
            return Node::all();
        }
        let every = match (&self.every, &other.every) {
            (Some(a), Some(b)) => Some(Box::new(a.union(b))),
            (a, b) => a.clone().or_else(|| b.clone()),
        };
        let mut named = BTreeMap::new();
        for key in self.named.keys().chain(other.named.keys()) {
            let node = match (self.child(key), other.child(key)) {
                (Some(a), Some(b)) => a.union(b),
                (a, b) => a.or(b).cloned().unwrap_or_default(),
            };
            if every.as_deref() != Some(&node) {
                named.insert(key.clone(), node);
            }
        }
        Node { all: false, every, named }
    }
}

/// Which parts of an object someone sees.
///
/// Whatever is selected, `apiVersion`, `kind` and `metadata.{name,namespace,uid,resourceVersion}` are kept, and
/// `metadata.managedFields` is not. What is kept stays where it was: objects and arrays on the way to a selected place are
/// kept even if they hold nothing of it, and array elements that lose everything become `{}`, so that indices hold.
/// The default is [`Projection::identity`]. Clones share one value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Projection(Arc<Node>);

impl Projection {
    /// The whole object without `managedFields`: what is seen where no projection was asked for.
    pub fn whole() -> Self {
        Self(Arc::new(Node::all()))
    }

    /// Nothing but what is always kept.
    pub fn identity() -> Self {
        Self::default()
    }

    /// Reads a list of paths; the error names the first that is not one.
    pub fn parse<S: AsRef<str>>(paths: &[S]) -> Result<Self, InvalidPath> {
        let mut root = Node::default();
        for path in paths {
            root = root.union(&Node::of(&parse(path.as_ref())?));
        }
        Ok(Self(Arc::new(root)))
    }

    /// What either selects; one of the two itself where it selects all that the other does.
    pub fn union(&self, other: &Projection) -> Projection {
        if Arc::ptr_eq(&self.0, &other.0) {
            return self.clone();
        }
        let union = self.0.union(&other.0);
        match [self, other].into_iter().find(|part| *part.0 == union) {
            Some(part) => part.clone(),
            None => Self(Arc::new(union)),
        }
    }

    /// Whether everything that `other` selects is selected.
    pub fn covers(&self, other: &Projection) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.union(&other.0) == *self.0
    }

    /// Whether another clone of this value exists: one that keeps values to share them need not keep the rest.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// What is left of an object. Only what is kept is built; the rest is scanned over.
    pub fn apply(&self, json: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
        select::object(json, &self.0, true)
    }

    /// Whether two states of an object look the same through this projection, whatever their resource versions.
    pub fn same(&self, old: &[u8], new: &[u8]) -> Result<bool, serde_json::Error> {
        Ok(select::object(old, &self.0, false)? == select::object(new, &self.0, false)?)
    }
}

/// The texts at a path, in order: strings as they are, numbers and booleans as JSON writes them; nothing for the rest.
pub fn values_at(json: &[u8], path: &str) -> Result<Vec<String>, ValuesError> {
    Ok(select::values(json, &parse(path)?)?)
}

/// Why [`values_at`] found nothing to look at.
#[derive(Debug, Error)]
pub enum ValuesError {
    /// The path is not one.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// The object is not JSON.
    #[error("the object is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n","uid":"u","resourceVersion":"7",
        "labels":{"a/b":"1","c":"2"},"managedFields":[{"manager":"x"}],"generation":1},"spec":{"nodeName":"w","hostNetwork":true,
        "containers":[{"name":"a","resources":{"requests":{"cpu":"1"}}},{"name":"b"},"odd"]},"status":{"phase":"Running"}}"#;

    fn project(paths: &[&str]) -> serde_json::Value {
        serde_json::from_slice(&Projection::parse(paths).unwrap().apply(POD.as_bytes()).unwrap()).unwrap()
    }

    fn with_identity(rest: serde_json::Value) -> serde_json::Value {
        let mut whole = serde_json::json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "7"}});
        json_patch_merge(&mut whole, rest);
        whole
    }

    fn json_patch_merge(into: &mut serde_json::Value, from: serde_json::Value) {
        match (into, from) {
            (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
                for (key, value) in from {
                    json_patch_merge(into.entry(key).or_insert(serde_json::Value::Null), value);
                }
            }
            (into, from) => *into = from,
        }
    }

    #[test]
    fn selected_paths_stay_where_they_were() {
        let cases = [
            (vec![], serde_json::json!({})),
            (vec!["/spec/nodeName"], serde_json::json!({"spec": {"nodeName": "w"}})),
            (vec!["/metadata/labels/a~1b"], serde_json::json!({"metadata": {"labels": {"a/b": "1"}}})),
            (
                vec!["/spec/containers/*/resources/requests"],
                serde_json::json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "1"}}}, {}, {}]}}),
            ),
            (vec!["/spec/containers/1/name"], serde_json::json!({"spec": {"containers": [{}, {"name": "b"}, {}]}})),
            (vec!["/spec/missing", "/status/phase/deeper"], serde_json::json!({"spec": {}, "status": {}})),
            (vec!["/*/phase", "/absent"], serde_json::json!({"spec": {}, "status": {"phase": "Running"}})),
        ];
        for (paths, rest) in cases {
            assert_eq!(project(&paths), with_identity(rest), "{paths:?}");
        }
    }

    #[test]
    fn no_projection_is_everything_but_managed_fields() {
        let mut expected: serde_json::Value = serde_json::from_str(POD).unwrap();
        expected["metadata"].as_object_mut().unwrap().remove("managedFields");
        let got = Projection::whole().apply(POD.as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&got).unwrap(), expected);
        assert_eq!(project(&["/metadata"])["metadata"], expected["metadata"]);
    }

    #[test]
    fn unions_cover_their_parts_and_nothing_more() {
        let of = |paths: &[&str]| Projection::parse(paths).unwrap();
        let spec = of(&["/spec"]);
        let images = of(&["/spec/containers/*/image"]);
        assert!(spec.covers(&images) && !images.covers(&spec));
        assert!(Projection::whole().covers(&spec) && images.covers(&Projection::identity()));
        assert_eq!(
            of(&["/spec/*/a", "/spec/x/a"]),
            of(&["/spec/*/a"]),
            "a named step that * selects anyway adds nothing"
        );
        let mixed = of(&["/spec/*/a", "/spec/x/b"]);
        assert!(
            mixed.covers(&of(&["/spec/x/a"]))
                && mixed.covers(&of(&["/spec/y/a"]))
                && !mixed.covers(&of(&["/spec/y/b"]))
        );
        assert_eq!(images.union(&spec), spec);
    }

    #[test]
    fn a_union_with_less_is_the_value_itself() {
        let [spec, node] = [["/spec"], ["/spec/nodeName"]].map(|paths| Projection::parse(&paths).unwrap());
        for union in [spec.union(&node), node.union(&spec), spec.union(&spec), spec.union(&Projection::identity())] {
            assert!(Arc::ptr_eq(&union.0, &spec.0));
        }
        assert!(!node.is_shared() && spec.clone().is_shared());
    }

    #[test]
    fn a_change_elsewhere_leaves_a_projection_the_same() {
        let node = Projection::parse(&["/spec/nodeName"]).unwrap();
        let other = POD.replace("Running", "Failed").replace("\"7\"", "\"8\"");
        let moved = POD.replace("\"w\"", "\"v\"");
        assert!(node.same(POD.as_bytes(), other.as_bytes()).unwrap());
        assert!(!node.same(POD.as_bytes(), moved.as_bytes()).unwrap());
        assert!(!Projection::whole().same(POD.as_bytes(), other.as_bytes()).unwrap());
    }

    #[test]
    fn values_are_found_below_every_element() {
        let at = |path| values_at(POD.as_bytes(), path).unwrap();
        assert_eq!(at("/spec/containers/*/name"), ["a", "b"]);
        assert_eq!(at("/spec/containers/0/name"), ["a"]);
        assert_eq!(at("/metadata/labels/*"), ["1", "2"]);
        assert_eq!(at("/spec/hostNetwork"), ["true"]);
        assert_eq!(at("/spec"), [""; 0]);
    }

    #[test]
    fn what_is_not_a_path_is_named() {
        assert!(Projection::parse(&["spec"]).unwrap_err().to_string().contains("\"spec\""));
        assert!(Projection::parse(&["/a~2"]).is_err());
        assert_eq!(
            Projection::parse(&[format!("/metadata/labels/{}", escape("a/b~"))]).unwrap(),
            Projection::parse(&["/metadata/labels/a~1b~0"]).unwrap()
        );
    }
}
