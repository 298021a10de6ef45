//! The plugin on plain values, its YAML against what it needs, and what its projection leaves of a pod.

use motet_core::{description::Description, grant::Permissions, path::Projection, plugin::PluginSpec};
use motet_sdk::{Plugin, testing::Case};

use super::*;

fn node(name: &str, cpu: &str, memory: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name },
        "status": { "allocatable": { "cpu": cpu, "memory": memory, "pods": "110" } } })
}

fn pod(namespace: &str, name: &str, node: &str, cpu: &str, memory: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": namespace },
        "spec": { "nodeName": node, "containers": [{ "resources": { "requests": { "cpu": cpu, "memory": memory } } }] },
        "status": { "phase": "Running" } })
}

fn run(objects: Vec<Value>) -> (Value, Outcome) {
    let config = motet_sdk::testing::config::<Config>(json!({ "limitPercent": 20 })).unwrap();
    let outcome = Case::member().config(config).with(objects).run(reconcile).unwrap();
    assert!(outcome.applied(KIND, None, NAME).is_some(), "the budget is made where there is none");
    (outcome.status_of(KIND, None, NAME).unwrap(), outcome)
}

#[test]
fn the_share_is_of_platform_pods_that_hold_resources() {
    let mut ended = pod("kube-system", "job", "n1", "4", "8Gi");
    ended["status"]["phase"] = json!("Succeeded");
    let (status, outcome) = run(vec![
        node("n1", "4", "8Gi"),
        node("n2", "8", "16Gi"),
        pod("kube-system", "proxy", "n1", "200m", "256Mi"),
        pod("platform-mesh", "agent", "n2", "1", "1Gi"),
        pod("shop", "web", "n1", "3", "6Gi"),
        pod("kube-system", "lost", "n9", "1", "1Gi"),
        pod("kube-system", "waiting", "", "1", "1Gi"),
        ended,
    ]);
    assert_eq!(status["total"]["requestedMilliCpu"], 1200);
    assert_eq!((&status["total"]["cpuPercent"], &status["total"]["memoryPercent"]), (&json!(10), &json!(6)));
    assert_eq!((&status["nodes"][0]["name"], &status["nodes"][0]["cpuPercent"]), (&json!("n1"), &json!(5)));
    assert_eq!(status["nodes"][1]["requestedMemoryBytes"], 1u64 << 30);
    assert_eq!(status["conditions"][0]["status"], "True");
    assert!(outcome.events().is_empty());
}

#[test]
fn one_node_over_the_limit_is_a_condition_and_one_warning() {
    let objects =
        vec![node("n1", "4", "8Gi"), node("n2", "40", "80Gi"), pod("kube-system", "agent", "n1", "900m", "1Gi")];
    let (status, outcome) = run(objects.clone());
    let condition = &status["conditions"][0];
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("False"), &json!("LimitExceeded")));
    assert!(condition["message"].as_str().unwrap().contains("over it on n1"), "{condition}");
    assert_eq!(outcome.events(), ["PlatformOverBudget"]);

    // Once it is known, nothing is said again, and the condition keeps its time.
    let mut budget =
        json!({ "apiVersion": "apps.motet.dev/v1", "kind": "PlatformBudget", "metadata": { "name": NAME } });
    budget["status"] = status;
    budget["status"]["conditions"][0]["lastTransitionTime"] = json!("2020-01-01T00:00:00Z");
    let (again, outcome) = run(objects.into_iter().chain([budget.clone()]).collect());
    assert_eq!(again, budget["status"]);
    assert!(outcome.events().is_empty());
}

#[test]
fn a_pod_counts_as_the_scheduler_counts_it() {
    let mut pod = pod("kube-system", "p", "n1", "100m", "100Mi");
    pod["spec"]["initContainers"] = json!([
        { "restartPolicy": "Always", "resources": { "requests": { "cpu": "50m", "memory": "10Mi" } } },
        { "resources": { "requests": { "cpu": "400m", "memory": "20Mi" } } },
    ]);
    pod["spec"]["overhead"] = json!({ "cpu": "1m" });
    let requested = |pod: &Value| {
        let total = run(vec![node("n1", "4", "8Gi"), pod.clone()]).0["total"].clone();
        (total["requestedMilliCpu"].as_u64().unwrap(), total["requestedMemoryBytes"].as_u64().unwrap())
    };
    // The init container runs beside the sidecar and takes more than the container does later; memory is the other way round.
    assert_eq!(requested(&pod), (451, 110 << 20));
    pod["spec"]["resources"] = json!({ "requests": { "cpu": "2" } });
    assert_eq!(requested(&pod), (2001, 110 << 20), "what the pod asks for as a whole counts, per resource");
}

#[test]
fn a_member_without_nodes_is_within_its_budget() {
    let (status, _) = run(vec![]);
    assert_eq!((&status["nodes"], &status["conditions"][0]["status"]), (&json!([]), &json!("True")));
}

#[test]
fn the_grants_are_what_it_needs_and_no_more() {
    let described = <super::MotetPlugin as Plugin>::describe().to_json();
    let needs = serde_json::from_value::<Description>(described).unwrap().needs;
    let yaml: Value = serde_yaml::from_str(include_str!("../platform-budget.yaml")).unwrap();
    let grants = serde_json::from_value::<PluginSpec>(yaml["spec"].clone()).unwrap().grants;
    let missing = Permissions::new(needs.clone(), grants.clone()).missing();
    assert!(missing.is_empty(), "not granted: {missing:?}");
    let unused = Permissions::new(grants, needs).missing();
    assert!(unused.is_empty(), "granted but not needed: {unused:?}");
}

#[test]
fn the_definition_has_every_field_of_the_status() {
    let crd: Value = serde_yaml::from_str(include_str!("../crd.yaml")).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    let (status, _) = run(vec![node("n1", "4", "8Gi")]);
    let known = |schema: &Value, object: &Value| {
        for field in object.as_object().unwrap().keys() {
            assert!(schema["properties"].get(field).is_some(), "{field} would be pruned");
        }
    };
    known(schema, &status);
    known(&schema["properties"]["total"], &status["total"]);
    known(&schema["properties"]["nodes"]["items"], &status["nodes"][0]);
    known(&schema["properties"]["conditions"]["items"], &status["conditions"][0]);
}

/// The figures of the README.
#[test]
fn the_projection_leaves_a_twelfth_of_a_pod() {
    let pod = include_bytes!("../tests/pod.json");
    let described = <super::MotetPlugin as Plugin>::describe();
    let (watch, _) = described.related.iter().find(|(watch, _)| watch.kind == "v1/Pod").unwrap();
    let projection = Projection::parse(watch.projection.as_ref().unwrap()).unwrap();
    let whole = Projection::whole().apply(pod).unwrap();
    let left = projection.apply(pod).unwrap();
    println!("stored {} bytes, whole without managedFields {}, projected {}", pod.len(), whole.len(), left.len());
    assert!(left.len() * 12 <= pod.len(), "{}", String::from_utf8_lossy(&left));
    // What the plugin computes is the same on both.
    let requests = |json: &[u8]| serde_json::from_slice::<Pod>(json).unwrap().requests();
    assert_eq!(requests(&whole), requests(&left));
    assert_ne!(requests(&left), usage::Amount::default());
}
