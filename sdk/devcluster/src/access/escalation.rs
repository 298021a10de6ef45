//! Nobody may grant what they do not have: what writing a role or a binding takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::rbac::{self, Book, Rule, url_covers};
use super::{Caller, Deed, MASTERS};
use crate::error::ApiError;
use crate::object;
use crate::resources::Resource;
use crate::store::State;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Who writes, for what only some may write.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    pub(crate) caller: Arc<Caller>,
    pub(crate) book: Arc<Book>,
    /// The name in the request's path.
    pub(crate) named: String,
}

impl Guard {
    fn may(&self, verb: &str, resource: &str, namespace: &str, name: &str) -> bool {
        self.book.judge(&self.caller, &Deed::on(verb, GROUP, resource, namespace, name)).allowed
    }

    /// 403 unless the caller may write this role or binding; `live` is what is there before.
    pub(crate) fn check(
        &self,
        state: &State,
        resource: &Resource,
        live: Option<&Value>,
        body: &Value,
    ) -> Result<(), ApiError> {
        if resource.group != GROUP || self.caller.is_in(MASTERS) {
            return Ok(());
        }
        if live.is_some_and(|live| without_owners(live) == without_owners(body)) {
            return Ok(());
        }
        let (namespace, name) = (object::meta(body, "namespace"), object::meta(body, "name"));
        let refused = |why: String| ApiError::forbidden(resource.named(name), &why);
        match resource.plural.as_str() {
            "roles" | "clusterroles" => {
                if self.may("escalate", &resource.plural, namespace, &self.named) {
                    return Ok(());
                }
                self.cover(namespace, &rbac::rules(body)).map_err(refused)?;
                let gathers = |role: &Value| {
                    role["aggregationRule"]["clusterRoleSelectors"].as_array().is_some_and(|s| !s.is_empty())
                };
                if gathers(body) || live.is_some_and(gathers) {
                    let why = "must have cluster-admin privileges to use the aggregationRule";
                    self.cover(namespace, &everything()).map_err(|_| refused(why.into()))?;
                }
                Ok(())
            }
            "rolebindings" | "clusterrolebindings" => {
                let text = |field: &str| body["roleRef"][field].as_str().unwrap_or_default();
                let plural = if text("kind") == "Role" { "roles" } else { "clusterroles" };
                if self.may("bind", plural, namespace, text("name")) {
                    return Ok(());
                }
                let rules = rbac::role_rules(state, text("kind"), namespace, text("name"))
                    .map_err(|_| ApiError::not_found(resource.named(text("name"))))?;
                self.cover(namespace, &rules).map_err(refused)
            }
            _ => Ok(()),
        }
    }

    /// Whether the caller's own rules cover these; the error lists what is missing.
    fn cover(&self, namespace: &str, rules: &[Rule]) -> Result<(), String> {
        let own = self.book.rules_of(&self.caller, namespace);
        let missing: Vec<Rule> =
            rules.iter().flat_map(atoms).filter(|atom| !own.iter().any(|rule| covers(rule, atom))).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let lines: BTreeSet<String> = compact(missing).iter().map(line).collect();
        let lines: Vec<String> = lines.into_iter().collect();
        let groups: Vec<String> = self.caller.groups.iter().map(|g| format!("{g:?}")).collect();
        let mut text = format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            self.caller.name,
            groups.join(" "),
            lines.join("\n")
        );
        let errors = self.book.errors(&self.caller, namespace);
        if !errors.is_empty() {
            text.push_str(&format!("; resolution errors: [{}]", rbac::aggregate(&errors)));
        }
        Err(text)
    }
}

/// What deleting and adopting may change without changing what is granted.
fn without_owners(object: &Value) -> Value {
    let mut object = object.clone();
    for field in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
        object::set_meta(&mut object, field, None);
    }
    object
}

fn everything() -> [Rule; 2] {
    let any = || vec!["*".to_owned()];
    [
        Rule { verbs: any(), groups: any(), resources: any(), ..Rule::default() },
        Rule { verbs: any(), urls: any(), ..Rule::default() },
    ]
}

/// A rule as rules of one verb, group, resource and name each.
fn atoms(rule: &Rule) -> Vec<Rule> {
    let one = |text: &String| vec![text.clone()];
    let mut out = Vec::new();
    for (group, resource) in rule.groups.iter().flat_map(|g| rule.resources.iter().map(move |r| (g, r))) {
        for verb in &rule.verbs {
            let plain = Rule { verbs: one(verb), groups: one(group), resources: one(resource), ..Rule::default() };
            if rule.names.is_empty() {
                out.push(plain);
            } else {
                out.extend(rule.names.iter().map(|name| Rule { names: one(name), ..plain.clone() }));
            }
        }
    }
    let urls = rule.urls.iter().flat_map(|url| rule.verbs.iter().map(move |verb| (url, verb)));
    out.extend(urls.map(|(url, verb)| Rule { urls: one(url), verbs: one(verb), ..Rule::default() }));
    out
}

fn covers(own: &Rule, atom: &Rule) -> bool {
    let all = |own: &[String], wanted: &[String]| wanted.iter().all(|w| own.contains(w));
    let any = |own: &[String]| own.iter().any(|o| o == "*");
    let resource = |wanted: &String| {
        own.resources.contains(wanted)
            || wanted.split_once('/').is_some_and(|(_, sub)| own.resources.contains(&format!("*/{sub}")))
    };
    (any(&own.verbs) || all(&own.verbs, &atom.verbs))
        && (any(&own.groups) || all(&own.groups, &atom.groups))
        && (any(&own.resources) || atom.resources.iter().all(resource))
        && (own.names.is_empty() || (!atom.names.is_empty() && all(&own.names, &atom.names)))
        && atom.urls.iter().all(|url| own.urls.iter().any(|own| url_covers(own, url)))
}

/// Puts the verbs of the same resource and name together.
fn compact(atoms: Vec<Rule>) -> Vec<Rule> {
    let mut out: BTreeMap<[Vec<String>; 3], Rule> = BTreeMap::new();
    let mut urls = Vec::new();
    for atom in atoms {
        if !atom.urls.is_empty() {
            urls.push(atom);
            continue;
        }
        let key = [atom.groups.clone(), atom.resources.clone(), atom.names.clone()];
        out.entry(key).and_modify(|rule| rule.verbs.extend(atom.verbs.clone())).or_insert(atom);
    }
    urls.into_iter().chain(out.into_values()).collect()
}

fn line(rule: &Rule) -> String {
    let parts = rule.parts().into_iter().filter(|(_, _, list)| !list.is_empty()).map(|(_, title, list)| {
        let quoted: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
        format!("{title}:[{}]", quoted.join(" "))
    });
    format!("{{{}}}", parts.collect::<Vec<_>>().join(", "))
}
