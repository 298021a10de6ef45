//! Runs a reconcile on plain values, without Wasm and without a cluster.
//!
//! ```
//! use motet_sdk::{prelude::*, testing::Case};
//!
//! fn reconcile(ctx: &Context) -> Result<Outcome> {
//!     Ok(Outcome::new().apply(&json!({"apiVersion": "v1", "kind": "ConfigMap",
//!         "metadata": {"name": "seen", "namespace": ctx.name()}})))
//! }
//!
//! let outcome = Case::object(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).run(reconcile)?;
//! assert!(outcome.applied("v1/ConfigMap", Some("shop"), "seen").is_some());
//! # Ok::<(), Error>(())
//! ```

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Context, Gvk, Intent, Member, ObjectRef, Outcome, Query, Rejected, Result, Target,
    reader::{Page, Reader},
};

/// One reconcile to be.
pub struct Case<C = ()> {
    context: Context<C>,
    objects: Vec<Value>,
}

impl Case {
    /// About an object that exists.
    pub fn object(primary: Value) -> Self {
        let text = |path: &str| primary.pointer(path).and_then(Value::as_str).map(String::from);
        let mut case = Self::gone(text("/metadata/namespace").as_deref(), &text("/metadata/name").unwrap_or_default());
        case.context.deleting = primary.pointer("/metadata/deletionTimestamp").is_some();
        case.context.primary = Some(primary.to_string().into_bytes());
        case
    }

    /// About an object that is gone.
    pub fn gone(namespace: Option<&str>, name: &str) -> Self {
        Self::new(Target::Object { namespace: namespace.map(String::from), name: name.into() })
    }

    /// About the member.
    pub fn member() -> Self {
        Self::new(Target::Member)
    }

    fn new(target: Target) -> Self {
        let member = Member { name: "test".into(), uid: "00000000-0000-0000-0000-000000000000".into(), labels: vec![] };
        let context = Context {
            member,
            target,
            primary: None,
            deleting: false,
            attempt: 0,
            deadline: Duration::from_secs(5),
            config: (),
            previous: vec![],
            reader: Box::new(Objects(vec![])),
        };
        Self { context, objects: vec![] }
    }
}

impl<C> Case<C> {
    /// With this config.
    pub fn config<D>(self, config: D) -> Case<D> {
        let Context { member, target, primary, deleting, attempt, deadline, previous, reader, .. } = self.context;
        let context = Context { member, target, primary, deleting, attempt, deadline, config, previous, reader };
        Case { context, objects: self.objects }
    }

    /// With these objects to be read.
    #[must_use]
    pub fn with(mut self, objects: impl IntoIterator<Item = Value>) -> Self {
        self.objects.extend(objects);
        self
    }

    /// On this member.
    #[must_use]
    pub fn on(mut self, name: &str, labels: &[(&str, &str)]) -> Self {
        self.context.member.name = name.into();
        self.context.member.labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self
    }

    /// After an outcome of which this was not written.
    #[must_use]
    pub fn previous(mut self, rejected: Rejected) -> Self {
        self.context.previous.push(rejected);
        self
    }

    /// Asked to clean up.
    #[must_use]
    pub fn deleting(mut self) -> Self {
        self.context.deleting = true;
        self
    }

    /// Runs it.
    pub fn run(mut self, reconcile: impl FnOnce(&Context<C>) -> Result<Outcome>) -> Result<Outcome> {
        self.context.reader = Box::new(Objects(self.objects));
        reconcile(&self.context)?.check()
    }
}

/// Plain objects to read.
struct Objects(Vec<Value>);

fn is(object: &Value, gvk: &Gvk) -> bool {
    object["apiVersion"] == gvk.api_version() && object["kind"] == gvk.kind.as_str()
}

impl Reader for Objects {
    fn get_many(&self, objects: &[ObjectRef]) -> Vec<Result<Option<Vec<u8>>>> {
        let find = |wanted: &ObjectRef| {
            self.0.iter().find(|o| {
                is(o, &wanted.gvk)
                    && o.pointer("/metadata/name").and_then(Value::as_str) == Some(&wanted.name)
                    && o.pointer("/metadata/namespace").and_then(Value::as_str) == wanted.namespace.as_deref()
            })
        };
        objects.iter().map(|wanted| Ok(find(wanted).map(|o| o.to_string().into_bytes()))).collect()
    }

    fn list(&self, query: &Query, _page: Option<String>) -> Result<Page> {
        let selected = |o: &&Value| {
            let namespace = o.pointer("/metadata/namespace").and_then(Value::as_str);
            let labels = query.labels.split(',').filter(|l| !l.is_empty()).all(|requirement| {
                let (key, value) = requirement.split_once('=').unwrap_or((requirement, ""));
                let label = o.pointer("/metadata/labels").and_then(|l| l.get(key)).and_then(Value::as_str);
                label.is_some_and(|l| value.is_empty() || l == value)
            });
            is(o, &query.gvk) && labels && query.namespace.as_deref().is_none_or(|n| namespace == Some(n))
        };
        let items = self.0.iter().filter(selected).map(|o| o.to_string().into_bytes()).collect();
        Ok(Page { items, next: None })
    }
}

impl Outcome {
    /// The object that this outcome applies (alone or in a set), if it does.
    pub fn applied(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let applies = self.intents.iter().filter(|i| !matches!(i, Intent::Status(_)));
        find(applies, &Gvk::parse(kind), namespace, name)
    }

    /// The status that this outcome applies to an object, if it does.
    pub fn status_of(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let statuses = self.intents.iter().filter(|i| matches!(i, Intent::Status(_)));
        find(statuses, &Gvk::parse(kind), namespace, name).map(|mut o| o["status"].take())
    }

    /// The reasons of the Events that this outcome sends.
    pub fn events(&self) -> Vec<&str> {
        self.intents
            .iter()
            .filter_map(|i| match i {
                Intent::Event { reason, .. } => Some(reason.as_str()),
                _ => None,
            })
            .collect()
    }
}

fn find<'a>(
    intents: impl Iterator<Item = &'a Intent>,
    gvk: &Gvk,
    namespace: Option<&str>,
    name: &str,
) -> Option<Value> {
    intents.flat_map(Intent::objects).filter_map(|json| serde_json::from_slice::<Value>(json).ok()).find(|o| {
        is(o, gvk)
            && o.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
            && o.pointer("/metadata/namespace").and_then(Value::as_str) == namespace
    })
}

/// Reads back a config as the host would hand it over: through JSON, with its defaults.
pub fn config<C: DeserializeOwned>(json: impl Serialize) -> Result<C> {
    Ok(serde_json::from_value(serde_json::to_value(json)?)?)
}
