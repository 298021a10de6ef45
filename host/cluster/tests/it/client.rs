//! Reads, writes, discovery and identity, by what is asked and what is made of the answer.

use std::time::Duration;

use motet_core::{
    Gvk, ObjectName,
    outcome::PatchKind,
    ports::{ListQuery, MemberApi as _, Write},
};
use serde_json::{Value, json};

use super::server::{Asked, Options, Reply, Server, pods, settings, status};

fn aggregated(kinds: &[(&str, &str)]) -> String {
    let resources: Vec<_> = kinds
        .iter()
        .map(|(plural, kind)| {
            json!({"resource": plural, "responseKind": {"group": "", "version": "v1", "kind": kind}, "scope": "Namespaced",
                "verbs": ["get", "list", "watch"], "subresources": [{"subresource": "status"}]})
        })
        .collect();
    let versions = json!([{"version": "v1", "resources": resources}, {"version": "v1beta1", "resources": resources}]);
    json!({"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "apps.motet.dev"}, "versions": versions}]})
        .to_string()
}

#[tokio::test]
async fn aggregated_discovery_is_refreshed_for_a_missing_kind_but_not_in_a_storm() {
    let installed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = installed.clone();
    let server = Server::start(Options::default(), move |asked: Asked| {
        let both = flag.load(std::sync::atomic::Ordering::SeqCst);
        async move {
            let kinds: &[_] =
                if both { &[("budgets", "Budget"), ("services", "Service")] } else { &[("budgets", "Budget")] };
            Reply::ok(if asked.target == "/api" { aggregated(&[]) } else { aggregated(kinds) })
        }
    })
    .await;
    let (base, tables) = (settings(), std::sync::Arc::default());
    let client = server.client_with(motet_cluster::Settings { tables: std::sync::Arc::clone(&tables), ..base });
    let budget = client.resource(&Gvk::new("apps.motet.dev", "v1", "Budget")).await.unwrap();
    assert_eq!((&*budget.plural, budget.namespaced, budget.status, budget.watchable), ("budgets", true, true, true));
    assert!(server.log()[0].headers["accept"].to_str().unwrap().contains("as=APIGroupDiscoveryList"));
    let service = Gvk::new("apps.motet.dev", "v1", "Service");
    for _ in 0..50 {
        let error = client.resource(&service).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_str()), (404, "KindMissing"));
    }
    assert!(server.log().len() <= 4, "{} requests", server.log().len());
    installed.store(true, std::sync::atomic::Ordering::SeqCst);
    let found = tokio::time::timeout(Duration::from_secs(10), async {
        while client.resource(&service).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.expect("the kind to be found");
    let table = client.discovered().unwrap();
    assert_eq!(table.kind("apps.motet.dev", "services"), Some(&service));
    let mut settings = settings();
    settings.tables = tables;
    let twin = server.client_with(settings);
    assert!(std::sync::Arc::ptr_eq(&twin.discover().await.unwrap(), &table), "equal clusters share one table");
}

#[tokio::test]
async fn older_servers_are_discovered_group_by_group_and_a_broken_group_hides_no_other() {
    let server = Server::start(Options::default(), |asked: Asked| async move {
        let group = |versions: &[&str]| {
            let all: Vec<_> = versions.iter().map(|v| json!({"groupVersion": v})).collect();
            json!({"versions": all, "preferredVersion": all[0]})
        };
        let document: Value = match asked.target.as_str() {
            "/api" => json!({"kind": "APIVersions", "versions": ["v1"]}),
            "/apis" => {
                json!({"kind": "APIGroupList", "groups": [group(&["broken/v1"]), group(&["apps/v1", "apps/v1beta1"])]})
            }
            "/api/v1" => json!({"kind": "APIResourceList", "resources": [
                {"name": "namespaces", "namespaced": false, "kind": "Namespace", "verbs": ["get", "list", "watch"]},
                {"name": "namespaces/status", "namespaced": false, "kind": "Namespace", "verbs": ["get"]},
                {"name": "bindings", "namespaced": true, "kind": "Binding", "verbs": ["create"]}]}),
            "/apis/broken/v1" => return Reply::status(503, "ServiceUnavailable", "down"),
            _ => json!({"kind": "APIResourceList", "resources": [
                {"name": "deployments", "namespaced": true, "kind": "Deployment", "verbs": ["list", "watch"]}]}),
        };
        Reply::ok(document.to_string())
    })
    .await;
    let client = server.client();
    let table = client.discover().await.unwrap();
    let namespace = table.resource(&Gvk::new("", "v1", "Namespace")).unwrap();
    assert_eq!((namespace.status, namespace.watchable, namespace.namespaced), (true, true, false));
    assert!(!table.resource(&Gvk::new("", "v1", "Binding")).unwrap().watchable);
    assert_eq!(table.kind("apps", "deployments"), Some(&Gvk::new("apps", "v1", "Deployment")));
    assert!(table.resource(&Gvk::new("apps", "v1beta1", "Deployment")).is_some());
}

#[tokio::test]
async fn writes_go_out_in_the_shape_that_servers_expect() {
    let server = Server::start(Options::default(), |_| async { Reply::ok("{}") }).await;
    let client = server.client();
    let name = ObjectName::namespaced("shop", "web");
    let body = || bytes::Bytes::from_static(b"{}");
    let manager = || "motet/x".to_string();
    let writes = [
        Write::Apply { body: body(), manager: manager(), force: true, subresource: Some("status") },
        Write::Patch { body: body(), kind: PatchKind::Json, manager: manager(), subresource: None },
        Write::Patch { body: body(), kind: PatchKind::Merge, manager: manager(), subresource: Some("scale".into()) },
        Write::Create { body: body(), manager: manager() },
        Write::Delete { uid: Some("u".into()), resource_version: None },
    ];
    for write in writes {
        client.write(&pods(), &name, write).await.unwrap();
    }
    let sent: Vec<_> = server
        .log()
        .iter()
        .map(|a| format!("{} {} {}", a.method, a.target, a.headers["content-type"].to_str().unwrap()))
        .collect();
    let base = "/api/v1/namespaces/shop/pods";
    assert_eq!(
        sent,
        [
            format!("PATCH {base}/web/status?fieldManager=motet%2Fx&force=true application/apply-patch+yaml"),
            format!("PATCH {base}/web?fieldManager=motet%2Fx application/json-patch+json"),
            format!("PATCH {base}/web/scale?fieldManager=motet%2Fx application/merge-patch+json"),
            format!("POST {base}?fieldManager=motet%2Fx application/json"),
            format!("DELETE {base}/web application/json"),
        ]
    );
    let options: Value = serde_json::from_slice(&server.log()[4].body).unwrap();
    assert_eq!(
        (&options["propagationPolicy"], &options["preconditions"]),
        (&"Background".into(), &json!({"uid": "u"}))
    );
}

#[tokio::test]
async fn a_name_that_would_change_the_path_is_refused_here() {
    let server = Server::start(Options::default(), |_| async { Reply::ok("{}") }).await;
    let client = server.client();
    for name in ["..", ".", "", "a/b", "%2e"] {
        for name in [ObjectName::namespaced("n", name), ObjectName::namespaced(name, "n")] {
            assert_eq!(client.get(&pods(), &name).await.unwrap_err().code, 400, "{name}");
        }
    }
    assert!(server.log().is_empty());
}

#[tokio::test]
async fn reads_tell_missing_objects_from_missing_kinds_and_page_through_lists() {
    let server = Server::script(vec![
        Reply::status(404, "NotFound", "pods b not found"),
        Reply::new(404, "404 page not found"),
        Reply::status(403, "Forbidden", "no"),
        Reply::list("9", "more", &["a"]),
    ])
    .await;
    let client = server.client();
    let name = ObjectName::namespaced("a", "b");
    assert_eq!(client.get(&pods(), &name).await, Ok(None));
    assert_eq!(client.get(&pods(), &name).await.unwrap_err().reason, "KindMissing");
    assert!(client.get(&pods(), &name).await.unwrap_err().is_forbidden());
    let query = ListQuery {
        namespace: Some("n".into()),
        labels: "a=b".into(),
        limit: 1,
        page: Some("t".into()),
        ..ListQuery::default()
    };
    let page = client.list(&pods(), &query).await.unwrap();
    assert_eq!((page.items.len(), page.next.as_deref(), page.resource_version.as_str()), (1, Some("more"), "9"));
    assert_eq!(server.log()[3].target, "/api/v1/namespaces/n/pods?labelSelector=a%3Db&limit=1&continue=t");
}

#[tokio::test]
async fn a_cluster_is_told_by_its_uid_or_else_by_url_and_ca() {
    let server = Server::script(vec![
        Reply::ok(r#"{"metadata":{"uid":"u-1"}}"#),
        Reply::status(403, "Forbidden", "no"),
        Reply::status(401, "Unauthorized", "who"),
        Reply::ok(r#"{"gitVersion":"v1.36.3"}"#),
        Reply::status(403, "Forbidden", "no readyz for you"),
        Reply::status(500, "InternalError", "etcd is down"),
    ])
    .await;
    let client = server.client_with(settings());
    assert_eq!(client.identify().await.unwrap().id, "u-1");
    let fallback = client.identify().await.unwrap();
    assert!(fallback.id.starts_with(&format!("http://127.0.0.1:{}#", server.port)) && fallback.warning.is_some());
    assert!(client.identify().await.unwrap_err().is_unauthorized());
    assert_eq!(client.version().await.unwrap(), "v1.36.3");
    client.probe().await.expect("a refusal is an answer");
    assert_eq!(client.probe().await.unwrap_err().code, 500);
}

#[tokio::test]
async fn a_kube_client_runs_over_the_same_connections() {
    let list = r#"{"kind":"NamespaceList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"a"}}]}"#;
    let server = Server::script(vec![Reply::ok(list), Reply::new(409, status(409, "Conflict", "taken"))]).await;
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> = kube::Api::all(server.client().kube());
    assert_eq!(namespaces.list(&Default::default()).await.unwrap().items.len(), 1);
    let error = namespaces.get("a").await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(s) if s.code == 409), "{error}");
    assert_eq!((server.log()[0].headers["authorization"].to_str().unwrap(), server.accepted()), ("Bearer tok", 1));
}
