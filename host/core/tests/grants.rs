//! Grants to the letter: every verb, kind, namespace, name and subresource of a small world, held against a second reading of the
//! rules that shares no code with the first, and against rules that nobody thought of.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use motet_core::grant::{Access, Permissions, Rule};
use proptest::prelude::*;

const GROUPS: [&str; 4] = ["", "apps", "rbac.authorization.k8s.io", "motet.dev"];
const RESOURCES: [&str; 7] =
    ["pods", "pods/status", "secrets", "configmaps", "roles", "namespaces", "deployments/scale"];
const VERBS: [&str; 9] = ["get", "list", "watch", "create", "patch", "delete", "bind", "escalate", "impersonate"];
const NAMESPACES: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("motet-system")];
const NAMES: [Option<&str>; 4] = [None, Some("x"), Some("y"), Some("motet-system")];

type Point = (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>);

/// Everything that can be asked in the small world.
fn world() -> Vec<Point> {
    let mut all = Vec::new();
    for group in GROUPS {
        for resource in RESOURCES {
            for verb in VERBS {
                for namespace in NAMESPACES {
                    all.extend(NAMES.map(|name| (group, resource, verb, namespace, name)));
                }
            }
        }
    }
    all
}

/// What a rule lets one do, spelt out point by point from the words of INTERFACE: lists name things, `*` means every thing but
/// Secrets, RBAC and motet.dev (and never the verbs that give rights), an empty list of namespaces or names means all, and
/// what is Motet's own has to be named.
fn spelt_out(rule: &Rule, is_grant: bool) -> BTreeSet<Point> {
    let mut points: BTreeSet<Point> = world().into_iter().collect();
    let has = |list: &[String], word: &str| list.iter().any(|item| item == word);
    points.retain(|p| has(&rule.api_groups, p.0) || has(&rule.api_groups, "*"));
    points.retain(|p| has(&rule.resources, p.1) || has(&rule.resources, "*"));
    points.retain(|p| has(&rule.verbs, p.2) || has(&rule.verbs, "*"));
    for point in points.clone() {
        let (group, resource, verb, namespace, name) = point;
        let precious =
            group == "rbac.authorization.k8s.io" || group == "motet.dev" || (group.is_empty() && resource == "secrets");
        let by_wildcard = !has(&rule.api_groups, group) || !has(&rule.resources, resource);
        let gives_rights = ["bind", "escalate", "impersonate"].contains(&verb);
        let mut good = (!precious || !by_wildcard) && (!gives_rights || has(&rule.verbs, verb));
        if !rule.namespaces.is_empty() {
            good &= namespace.is_some_and(|n| has(&rule.namespaces, n));
        }
        if !rule.resource_names.is_empty() {
            good &= name.is_some_and(|n| has(&rule.resource_names, n));
        }
        if is_grant && namespace == Some("motet-system") {
            good &= has(&rule.namespaces, "motet-system");
        } else if is_grant && group.is_empty() && resource == "namespaces" && name == Some("motet-system") {
            good &= ["get", "list", "watch"].contains(&verb) || has(&rule.resource_names, "motet-system");
        }
        if !good {
            points.remove(&point);
        }
    }
    points
}

fn check(needs: &[Rule], grants: &[Rule]) {
    let needed: BTreeSet<Point> = needs.iter().flat_map(|r| spelt_out(r, false)).collect();
    let granted: BTreeSet<Point> = grants.iter().flat_map(|r| spelt_out(r, true)).collect();
    let permissions = Permissions::new(needs.to_vec(), grants.to_vec());
    for point in world() {
        let (group, resource, verb, namespace, name) = point;
        let access = Access { group, resource, verb, namespace, name };
        let wanted = needed.contains(&point) && granted.contains(&point);
        assert_eq!(permissions.allow(&access), wanted, "{access}\nneeds {needs:#?}\ngrants {grants:#?}");
    }
}

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str], namespaces: &[&str], names: &[&str]) -> Rule {
    let texts = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
    Rule {
        api_groups: texts(groups),
        resources: texts(resources),
        verbs: texts(verbs),
        namespaces: texts(namespaces),
        resource_names: texts(names),
        ..Rule::default()
    }
}

#[test]
fn every_point_of_the_table_is_as_the_rules_spell_it_out() {
    let everything = rule(&["*"], &["*"], &["*"], &[], &[]);
    let table = [
        everything.clone(),
        rule(&[""], &["pods"], &["get"], &[], &[]),
        rule(&[""], &["pods"], &["get"], &["a"], &["x"]),
        rule(&[""], &["pods/status"], &["*"], &["a", "b"], &[]),
        rule(&["", "apps"], &["*"], &["get", "patch"], &[], &["x"]),
        rule(&[""], &["secrets"], &["*"], &[], &[]),
        rule(&[""], &["secrets"], &["get"], &["motet-system"], &[]),
        rule(&["*"], &["secrets"], &["get"], &[], &[]),
        rule(&["rbac.authorization.k8s.io"], &["roles"], &["*"], &[], &[]),
        rule(&["rbac.authorization.k8s.io"], &["roles"], &["bind"], &[], &["x"]),
        rule(&["motet.dev"], &["*"], &["*"], &[], &[]),
        rule(&[""], &["namespaces"], &["delete"], &[], &["motet-system"]),
        rule(&[], &["pods"], &["get"], &[], &[]),
    ];
    let wide: Vec<Rule> = [&["secrets", "*"][..], &["roles"]]
        .iter()
        .map(|resources| {
            rule(&["", "apps", "rbac.authorization.k8s.io", "motet.dev", "*"], resources, &["*", "bind"], &[], &[])
        })
        .collect();
    for row in &table {
        check(&wide, std::slice::from_ref(row));
        check(std::slice::from_ref(row), &wide);
        check(std::slice::from_ref(row), std::slice::from_ref(row));
    }
}

fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(proptest::sample::select(words).prop_map(String::from), 0..3)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        some_of(&["", "apps", "rbac.authorization.k8s.io", "motet.dev", "*", "ap"]),
        some_of(&[
            "pods",
            "pods/status",
            "secrets",
            "configmaps",
            "roles",
            "namespaces",
            "deployments/scale",
            "*",
            "pod",
            "*/status",
        ]),
        some_of(&["get", "list", "watch", "create", "patch", "delete", "bind", "escalate", "*", ""]),
        some_of(&["a", "b", "motet-system", "*", ""]),
        some_of(&["x", "y", "motet-system", "*"]),
    )
        .prop_map(|(api_groups, resources, verbs, namespaces, resource_names)| Rule {
            api_groups,
            resources,
            verbs,
            namespaces,
            resource_names,
            ..Rule::default()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_rules_let_anything_through_that_they_do_not_spell_out(
        needs in proptest::collection::vec(any_rule(), 0..3),
        grants in proptest::collection::vec(any_rule(), 0..3),
    ) {
        check(&needs, &grants);
    }

    /// What is reported as missing is enough: with it, nothing is missing any more.
    #[test]
    fn what_is_missing_is_all_that_is_missing(needs in proptest::collection::vec(any_rule(), 0..3), grants in proptest::collection::vec(any_rule(), 0..3)) {
        let missing = Permissions::new(needs.clone(), grants.clone()).missing();
        let granted: Vec<Rule> = grants.into_iter().chain(missing).collect();
        let left = Permissions::new(needs, granted).missing();
        prop_assert!(left.is_empty(), "{left:?}");
    }
}
