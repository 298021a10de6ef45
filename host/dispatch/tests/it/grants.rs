//! Nothing passes without a grant: whatever a plugin's code asks for and its description says.

use motet_core::{
    ObjectName,
    grant::Rule,
    outcome::{Intent, PatchKind},
    ports::{HostCall, HostReply, ListQuery},
};
use motet_dispatch::BindingState;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use serde_json::json;

use super::world::{Plugin, Script, World, gvk, reference, rule, seconds, settle, want, watch};

const PLACES: [&str; 5] = ["a/x", "a/y", "b/x", "motet-system/mine", "motet-system/motet-p"];

#[derive(Debug, Clone)]
struct Wanted {
    verb: &'static str,
    kind: &'static str,
    place: &'static str,
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let verbs = select(&["apply", "set", "patch", "json", "delete", "status"][..]);
    (verbs, select(&["ConfigMap", "Secret", "Role"][..]), select(&PLACES[..])).prop_map(|(verb, kind, place)| Wanted {
        verb,
        kind,
        place,
    })
}

fn group(kind: &str) -> &'static str {
    if kind == "Role" { "rbac.authorization.k8s.io" } else { "" }
}

impl Wanted {
    fn intent(&self) -> Intent {
        let (namespace, name) = self.place.split_once('/').unwrap();
        let version = if self.kind == "Role" { "rbac.authorization.k8s.io/v1" } else { "v1" };
        // A role that would give what no plugin here has.
        let object = json!({ "apiVersion": version, "kind": self.kind, "metadata": { "name": name, "namespace": namespace },
            "data": {}, "rules": [{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }], "status": {} });
        let bytes = || object.to_string().into();
        let mut target = reference(self.kind, self.place);
        target.gvk = gvk(group(self.kind), self.kind);
        match self.verb {
            "apply" => Intent::Apply { object: bytes(), force: true },
            "set" => Intent::ApplySet { name: "s".into(), objects: vec![bytes()], force: true },
            "status" => Intent::Status { object: bytes() },
            "delete" => Intent::Delete { target, uid: None, resource_version: None },
            "json" => Intent::Patch { target, subresource: None, kind: PatchKind::Json, body: "[]".into() },
            _ => Intent::Patch { target, subresource: None, kind: PatchKind::Merge, body: "{}".into() },
        }
    }

    /// A naive second opinion: whether one grant names all of it.
    fn granted(&self, grants: &[Rule]) -> bool {
        let (namespace, name) = self.place.split_once('/').unwrap();
        let resource = match self.verb {
            "status" => format!("{}s/status", self.kind.to_lowercase()),
            _ => format!("{}s", self.kind.to_lowercase()),
        };
        let verbs: &[&str] = match self.verb {
            "apply" | "set" => &["create", "patch"],
            "delete" => &["delete"],
            _ => &["patch"],
        };
        let escalates = self.kind == "Role" && matches!(self.verb, "apply" | "set" | "patch" | "json");
        let one = |verb: &str| {
            grants.iter().any(|g| {
                let star = self.kind == "ConfigMap" && g.resources.iter().any(|r| r == "*");
                g.api_groups.iter().any(|x| x == group(self.kind))
                    && (star || g.resources.contains(&resource))
                    && g.verbs.iter().any(|v| v == verb)
                    && (g.namespaces.is_empty() && namespace != "motet-system"
                        || g.namespaces.iter().any(|n| n == namespace))
                    && (g.resource_names.is_empty() || g.resource_names.iter().any(|n| n == name))
            })
        };
        verbs.iter().all(|verb| one(verb)) && (!escalates || one("escalate"))
    }
}

fn grant() -> impl Strategy<Value = Rule> {
    let some = |words: &'static [&'static str], most| vec(select(words).prop_map(String::from), 0..most);
    let groups = some(&["", "rbac.authorization.k8s.io"], 3);
    let resources = some(&["configmaps", "secrets", "roles", "*", "configmaps/status"], 3);
    let verbs = some(&["get", "create", "patch", "delete", "escalate"], 5);
    (groups, resources, verbs, some(&["a", "b", "motet-system"], 2), some(&["x", "y", "mine", "motet-p"], 2)).prop_map(
        |(api_groups, resources, verbs, namespaces, resource_names)| Rule {
            api_groups,
            resources,
            verbs,
            namespaces,
            resource_names,
            ..Rule::default()
        },
    )
}

/// What reached the member of what `intents` asked for.
async fn reached(mut grants: Vec<Rule>, intents: &[Wanted]) -> Vec<String> {
    let world = World::new().await;
    world.api.serve("rbac.authorization.k8s.io", "Role", true);
    for place in PLACES {
        for kind in ["ConfigMap", "Secret"] {
            world.api.edit(kind, place, |_| {});
        }
    }
    let code = Script::wanting(intents.iter().map(Wanted::intent).collect());
    let mut plugin = Plugin::new("p", &code);
    plugin.description.applies.clear();
    plugin.description.needs = vec![Rule {
        api_groups: ["", "test.dev", "rbac.authorization.k8s.io"].map(String::from).into(),
        resources: ["*", "secrets", "roles", "things", "secrets/status", "roles/status"].map(String::from).into(),
        verbs: ["*", "escalate"].map(String::from).into(),
        ..Rule::default()
    }];
    grants.push(rule(&["things"], &[]));
    plugin.spec.grants = grants;
    world.run(plugin).await;
    assert!(code.runs() > 0);
    world.api.all_writes()
}

#[test]
fn no_intent_passes_without_a_matching_grant() {
    let config = ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(vec(grant(), 0..3), vec(wanted(), 1..4)), |(grants, intents)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let writes = runtime.block_on(reached(grants.clone(), &intents));
        for write in writes {
            let [verb, kind, place] = write.split(' ').collect::<Vec<_>>()[..] else { panic!("{write}") };
            // The host's own record of what the plugin applied.
            if (kind, place) == ("ConfigMap", "motet-system/motet-p") && verb.starts_with("apply") {
                continue;
            }
            if kind == "Namespace" {
                continue;
            }
            let asked = intents.iter().any(|i| i.kind == kind && i.place == place && i.granted(&grants));
            prop_assert!(asked, "{write} reached the member\n{grants:#?}\n{intents:?}");
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// A description is the plugin's word: a watch that nobody granted shows it nothing.
#[tokio::test(start_paused = true)]
async fn a_watch_without_need_and_grant_parks_the_plugin() {
    for (needs, grants) in [(&["things"][..], &["things", "secrets"][..]), (&["things", "secrets"], &["things"])] {
        let world = World::new().await;
        let code = Script::wanting(vec![]);
        let mut plugin = Plugin::new("p", &code).related(watch("", "Secret", None));
        plugin.description.needs = vec![rule(needs, &[])];
        plugin.spec.grants = vec![rule(grants, &[])];
        world.run(plugin).await;
        assert_eq!(world.state("p"), (BindingState::Parked, "NotGranted"));
        assert!(world.binding("p").status.message.contains("secrets"));
        assert_eq!(code.runs(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn narrowing_takes_effect_at_once_and_widening_needs_no_new_code() {
    let world = World::new().await;
    let code = Script::wanting(vec![]);
    let with = |resources: &[&str]| {
        let mut plugin = Plugin::new("p", &code).related(watch("", "Secret", None));
        plugin.spec.grants = vec![rule(resources, &[])];
        plugin
    };
    world.run(with(&["things", "secrets"])).await;
    assert_eq!(world.state("p").0, BindingState::Active);
    world.run(with(&["things"])).await;
    assert_eq!(world.state("p"), (BindingState::Parked, "NotGranted"));
    let before = code.runs();
    world.touch("n/a");
    seconds(5).await;
    assert_eq!(code.runs(), before, "nothing runs");
    world.run(with(&["things", "secrets"])).await;
    assert_eq!(world.state("p").0, BindingState::Active);
    assert!(code.runs() > before);
}

/// Member credentials are Secrets of Motet's namespace: a grant of all Secrets is not a grant of these.
#[tokio::test(start_paused = true)]
async fn secrets_of_motet_are_not_among_all_secrets() {
    for watching in [true, false] {
        let world = World::new().await;
        for place in ["n/theirs", "motet-system/edge-1"] {
            world.api.edit("Secret", place, |_| {});
        }
        let code = Script::reading(|_, calls| {
            Box::pin(async move {
                let query = ListQuery::default();
                let listed = match calls(HostCall::List { gvk: gvk("", "Secret"), query }).await {
                    HostReply::Page(Ok(page)) => page.items.len(),
                    other => panic!("{other:?}"),
                };
                let own = ObjectName::namespaced("motet-system", "edge-1");
                let get = motet_core::ObjectRef { gvk: gvk("", "Secret"), name: own };
                let HostReply::Objects(found) = calls(HostCall::Get(vec![get])).await else { panic!("no objects") };
                want(vec![super::world::apply(
                    "n/seen",
                    json!({ "listed": listed.to_string(), "got": found[0].is_ok().to_string() }),
                )])
            })
        });
        let mut plugin = Plugin::new("p", &code);
        if watching {
            plugin = plugin.related(watch("", "Secret", None));
        }
        world.run(plugin).await;
        settle().await;
        let seen = world.api.object("ConfigMap", "n/seen").unwrap();
        assert_eq!(seen["data"], json!({ "listed": "1", "got": "false" }), "watching: {watching}");
    }
}
