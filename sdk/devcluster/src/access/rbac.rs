//! Judges by Roles, ClusterRoles and their bindings, read once per change of any of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::{Caller, Deed, MASTERS};
use crate::store::{State, Stored};

pub(crate) const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const ROLES: &str = "roles.rbac.authorization.k8s.io";
const CLUSTER_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
const BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";

/// One rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) verbs: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) urls: Vec<String>,
}

fn texts(value: &Value, field: &str) -> Vec<String> {
    value[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The rules of a role.
pub(crate) fn rules(role: &Value) -> Vec<Rule> {
    let rule = |rule: &Value| Rule {
        verbs: texts(rule, "verbs"),
        groups: texts(rule, "apiGroups"),
        resources: texts(rule, "resources"),
        names: texts(rule, "resourceNames"),
        urls: texts(rule, "nonResourceURLs"),
    };
    role["rules"].as_array().into_iter().flatten().map(rule).collect()
}

fn has(list: &[String], item: &str) -> bool {
    list.iter().any(|i| i == item)
}

impl Rule {
    fn allows(&self, deed: &Deed) -> bool {
        let verb = has(&self.verbs, "*") || has(&self.verbs, &deed.verb);
        if let Some(path) = &deed.path {
            return verb && self.urls.iter().any(|url| url_covers(url, path));
        }
        verb && (has(&self.groups, "*") || has(&self.groups, &deed.group))
            && self.resources.iter().any(|r| resource_covers(r, deed))
            && (self.names.is_empty() || has(&self.names, &deed.name))
    }

    /// As SelfSubjectRulesReview and messages show it.
    pub(crate) fn parts(&self) -> [(&'static str, &'static str, &Vec<String>); 5] {
        [
            ("apiGroups", "APIGroups", &self.groups),
            ("resources", "Resources", &self.resources),
            ("nonResourceURLs", "NonResourceURLs", &self.urls),
            ("resourceNames", "ResourceNames", &self.names),
            ("verbs", "Verbs", &self.verbs),
        ]
    }

    /// The rule as JSON, with these of its parts.
    pub(crate) fn json(&self, keep: &[&str]) -> Value {
        let parts = self.parts().into_iter().filter(|(name, _, list)| keep.contains(name) && !list.is_empty());
        Value::Object(parts.map(|(name, _, list)| (name.to_owned(), list.as_slice().into())).collect::<Map<_, _>>())
    }
}

/// A URL of a rule may end in `*`.
pub(crate) fn url_covers(rule: &str, path: &str) -> bool {
    rule == path || rule.strip_suffix('*').is_some_and(|start| path.starts_with(start.trim_end_matches('*')))
}

fn resource_covers(rule: &str, deed: &Deed) -> bool {
    let of_any = || rule.strip_prefix("*/").is_some_and(|sub| !deed.subresource.is_empty() && sub == deed.subresource);
    rule == "*" || rule == deed.full_resource() || of_any()
}

#[derive(Debug)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

/// A binding with the rules of its role, or why they are not known.
#[derive(Debug)]
struct Binding {
    /// As an allowed access names it.
    title: String,
    subjects: Vec<Subject>,
    rules: Result<Arc<[Rule]>, String>,
}

impl Binding {
    /// The first subject that is the caller.
    fn subject(&self, caller: &Caller) -> Option<&Subject> {
        self.subjects.iter().find(|s| match s.kind.as_str() {
            "User" => s.name == caller.name,
            "Group" => caller.is_in(&s.name),
            "ServiceAccount" => {
                !s.namespace.is_empty()
                    && caller.name.strip_prefix("system:serviceaccount:").and_then(|n| n.split_once(':'))
                        == Some((&s.namespace, &s.name))
            }
            _ => false,
        })
    }
}

impl Subject {
    fn title(&self) -> String {
        match self.kind.as_str() {
            "ServiceAccount" => format!("{} \"{}/{}\"", self.kind, self.name, self.namespace),
            kind => format!("{kind} {:?}", self.name),
        }
    }
}

/// Everything that roles and bindings say, as of one version.
#[derive(Debug, Default)]
pub(crate) struct Book {
    stamp: u64,
    cluster: Vec<Binding>,
    namespaces: BTreeMap<Box<str>, Vec<Binding>>,
}

/// What was decided, and on what grounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) allowed: bool,
    pub(crate) reason: String,
}

/// The book of a cluster, opened anew after changes.
#[derive(Debug, Default)]
pub(crate) struct Shelved(Mutex<Arc<Book>>);

impl Shelved {
    /// The book as of now.
    pub(crate) fn read(&self, state: &Mutex<State>) -> Arc<Book> {
        self.read_with(&state.lock())
    }

    /// The same with the store in hand.
    pub(crate) fn read_with(&self, state: &State) -> Arc<Book> {
        let mut kept = self.0.lock();
        let stamp = [ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS].iter().map(|s| state.tip(s)).max().unwrap_or(0);
        if kept.stamp != stamp {
            *kept = Arc::new(Book::write(state, stamp));
        }
        kept.clone()
    }
}

impl Book {
    fn write(state: &State, stamp: u64) -> Self {
        let mut book = Self { stamp, ..Self::default() };
        for stored in state.range(CLUSTER_BINDINGS, "", None) {
            book.cluster.push(binding(state, stored));
        }
        for stored in state.range(BINDINGS, "", None) {
            book.namespaces.entry(stored.key.namespace.clone()).or_default().push(binding(state, stored));
        }
        book
    }

    fn bindings<'a>(&'a self, caller: &Caller, namespace: &str) -> impl Iterator<Item = (&'a Binding, &'a Subject)> {
        let here = self.namespaces.get(namespace).into_iter().flatten();
        self.cluster.iter().chain(here).filter_map(|b| b.subject(caller).map(|s| (b, s)))
    }

    /// Whether the caller may do this.
    pub(crate) fn judge(&self, caller: &Caller, deed: &Deed) -> Verdict {
        if caller.is_in(MASTERS) {
            return Verdict { allowed: true, reason: String::new() };
        }
        for (binding, subject) in self.bindings(caller, &deed.namespace) {
            if binding.rules.iter().any(|rules| rules.iter().any(|r| r.allows(deed))) {
                return Verdict {
                    allowed: true,
                    reason: format!("RBAC: allowed by {} to {}", binding.title, subject.title()),
                };
            }
        }
        let errors = self.errors(caller, &deed.namespace);
        let reason = if errors.is_empty() { String::new() } else { format!("RBAC: {}", aggregate(&errors)) };
        Verdict { allowed: false, reason }
    }

    /// Every rule that holds for the caller in a namespace.
    pub(crate) fn rules_of(&self, caller: &Caller, namespace: &str) -> Vec<Rule> {
        let known = self.bindings(caller, namespace).filter_map(|(b, _)| b.rules.as_ref().ok());
        known.flat_map(|rules| rules.iter().cloned()).collect()
    }

    /// Roles that bindings of the caller name and that are not there.
    pub(crate) fn errors(&self, caller: &Caller, namespace: &str) -> Vec<&str> {
        let mut out = Vec::new();
        for error in self.bindings(caller, namespace).filter_map(|(b, _)| b.rules.as_ref().err()) {
            if !out.contains(&error.as_str()) {
                out.push(error.as_str());
            }
        }
        out
    }
}

/// Several errors as one text.
pub(crate) fn aggregate(errors: &[&str]) -> String {
    if errors.len() == 1 { errors.concat() } else { format!("[{}]", errors.join(", ")) }
}

fn binding(state: &State, stored: &Stored) -> Binding {
    let value = stored.value();
    let text = |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let namespace = &*stored.key.namespace;
    let subject = |subject: &Value| {
        let (kind, mut of) = (text(subject, "kind"), text(subject, "namespace"));
        if of.is_empty() {
            of = namespace.into();
        }
        Subject { kind, name: text(subject, "name"), namespace: of }
    };
    let (kind, role) = (text(&value["roleRef"], "kind"), text(&value["roleRef"], "name"));
    let title = if namespace.is_empty() {
        format!("ClusterRoleBinding \"{}\" of {kind} {role:?}", stored.key.name)
    } else {
        format!("RoleBinding \"{}/{namespace}\" of {kind} {role:?}", stored.key.name)
    };
    let subjects = value["subjects"].as_array().into_iter().flatten().map(subject).collect();
    Binding { title, subjects, rules: role_rules(state, &kind, namespace, &role).map(Into::into) }
}

/// The rules of the role that a binding names.
pub(crate) fn role_rules(state: &State, kind: &str, namespace: &str, name: &str) -> Result<Vec<Rule>, String> {
    let (shelf, namespace) = if kind == "Role" { (ROLES, namespace) } else { (CLUSTER_ROLES, "") };
    match state.get(shelf, &crate::store::Key::new(namespace, name)) {
        Some(role) => Ok(rules(&role.value())),
        None => Err(format!("{}.rbac.authorization.k8s.io \"{name}\" not found", kind.to_lowercase())),
    }
}
