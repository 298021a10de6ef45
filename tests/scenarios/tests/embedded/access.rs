//! Who may read the status API of a host that others can connect to: the hub is asked, and says it for real.

use anyhow::{Context, Result};
use motet_devcluster::User;
use motet_scenarios::{
    ask::{self, Answer},
    client::Looker,
    embedded::Hub,
    host::HostProcess,
    ship::motet,
    site::FIRST_TOKEN,
    wait,
    wire::Fault,
};
use serde_json::{Value, json};

const MEMBERS: &str = "/api/v1/members";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

/// The ClusterRole motet-viewer as deploy/ ships it, bound to a subject.
async fn bind_viewer(hub: &Looker, subject: Value) -> Result<()> {
    let text = std::fs::read_to_string(motet_scenarios::repository().join("deploy/rbac-hub.yaml"))?;
    let documents = serde_yaml::Deserializer::from_str(&text).map(<Value as serde::Deserialize>::deserialize);
    let viewer = documents.filter_map(Result::ok).find(|d| d["metadata"]["name"] == "motet-viewer");
    hub.apply(&format!("{ROLES}/motet-viewer"), "operator", &viewer.context("no motet-viewer in deploy/")?).await?;
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "viewers" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "motet-viewer" }, "subjects": [subject] });
    hub.apply(&format!("{BINDINGS}/viewers"), "operator", &binding).await.map(drop)
}

fn user(name: &str) -> User {
    User { token: format!("{name}-token"), name: name.into(), ..User::default() }
}

fn error(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["error"].as_str().unwrap_or_default().to_owned()
}

/// A hub with alice, who has no rights, and victor, who may read; a host that asks it.
async fn stage() -> Result<(Hub, HostProcess, tempfile::TempDir)> {
    let (hub, folder) = (Hub::start().await?, tempfile::tempdir()?);
    let cluster = hub.0.cluster().context("not embedded")?;
    for name in ["alice", "victor"] {
        cluster.add_user(user(name));
    }
    let victor = json!({ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "victor" });
    bind_viewer(hub.look(), victor).await?;
    std::fs::write(folder.path().join("hub.yaml"), hub.0.kubeconfig(FIRST_TOKEN)?)?;
    let kubeconfig = folder.path().join("hub.yaml").display().to_string();
    let host = HostProcess::start(folder.path(), &["--hub", &kubeconfig, "--http-auth", "always"])?;
    host.ready().await?;
    Ok((hub, host, folder))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_decides_who_reads_the_status_api() -> Result<()> {
    let (hub, host, folder) = stage().await?;
    let get = async |path: &str, token: Option<&str>| ask::http(host.port(), path, token).await;

    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(get(path, None).await?.code, 200, "{path}");
    }
    let nobody = get(MEMBERS, None).await?;
    assert_eq!(nobody.code, 401, "{nobody:?}");
    assert!(nobody.head.to_lowercase().contains("www-authenticate: bearer"), "{nobody:?}");
    assert_eq!(get("/console", None).await?.code, 401, "what is not served yet is guarded too");
    let stranger = get(MEMBERS, Some("made up")).await?;
    assert!(stranger.code == 401 && stranger.head.contains("invalid_token"), "{stranger:?}");

    // Every user of a cluster may get its /api/*: that is not what is asked about.
    let discovery = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": { "user": "alice",
        "groups": ["system:authenticated"], "nonResourceAttributes": { "path": MEMBERS, "verb": "get" } } });
    let review = hub.look().create("/apis/authorization.k8s.io/v1/subjectaccessreviews", &discovery).await?;
    assert_eq!(review["status"]["allowed"], true);
    let alice = get(MEMBERS, Some("alice-token")).await?;
    assert_eq!(alice.code, 403, "{alice:?}");
    assert!(error(&alice).contains("\"alice\"") && error(&alice).contains("/motet/api/v1/members"), "{alice:?}");

    let victor = get(MEMBERS, Some("victor-token")).await?;
    assert!(victor.code == 200 && victor.body.contains("items"), "{victor:?}");
    assert_eq!(get("/api/v1/members/nobodys", Some("victor-token")).await?.code, 404);

    // The command line carries the token.
    std::fs::write(folder.path().join("token"), "victor-token\n")?;
    let said = motet(folder.path(), &["status", "--host", &host.url(), "--token-file", "token"])?;
    assert!(said.contains("MEMBER"), "{said}");
    let refusals: [(&[&str], &str); 2] = [(&[], "--token-file"), (&["--token", "alice-token"], "motet-viewer")];
    for (arguments, wanted) in refusals {
        let refused = motet(folder.path(), &[&["status", "--host", &host.url()][..], arguments].concat()).unwrap_err();
        assert!(format!("{refused:#}").contains(wanted), "{refused:#}");
    }
    assert_eq!(host.terminate().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_ends_and_a_service_account_can_have_one() -> Result<()> {
    let (hub, host, _folder) = stage().await?;
    let get = async |token: &str| ask::http(host.port(), MEMBERS, Some(token)).await;
    assert_eq!(get("victor-token").await?.code, 200);

    let accounts = "/api/v1/namespaces/motet-system/serviceaccounts";
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "console", "namespace": "motet-system" } });
    hub.look().create(accounts, &account).await?;
    let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {} });
    let issued = hub.look().create(&format!("{accounts}/console/token"), &request).await?;
    let token = issued["status"]["token"].as_str().context("no token")?;
    assert_eq!(get(token).await?.code, 403);
    // The binding changes hands.
    bind_viewer(hub.look(), json!({ "kind": "ServiceAccount", "name": "console", "namespace": "motet-system" }))
        .await?;
    for (token, wanted) in [(token, 200), ("victor-token", 403)] {
        wait::until(&format!("{wanted} for the one whom the binding concerns"), || async {
            let code = get(token).await.map_err(|e| e.to_string())?.code;
            if code == wanted { Ok(()) } else { Err(code.to_string()) }
        })
        .await?;
    }
    assert_eq!(host.terminate().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_is_away_lets_nobody_in_and_says_so() -> Result<()> {
    let (hub, host, _folder) = stage().await?;
    assert_eq!(ask::http(host.port(), MEMBERS, Some("alice-token")).await?.code, 403);
    hub.0.wire.set(Fault::Refuse);
    let refused = ask::http(host.port(), MEMBERS, Some("victor-token")).await?;
    assert_eq!(refused.code, 503, "{refused:?}");
    assert!(error(&refused).contains("the hub cannot be asked"), "{refused:?}");
    for path in ["/healthz", "/metrics"] {
        assert_eq!(ask::http(host.port(), path, None).await?.code, 200, "{path}");
    }
    hub.0.wire.set(Fault::None);
    wait::until("the one who may read to be let in again", || async {
        let answer = ask::http(host.port(), MEMBERS, Some("victor-token")).await.map_err(|e| e.to_string())?;
        if answer.code == 200 { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_hub_nobody_reads_from_elsewhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let members = crate::tls::no_members(folder.path())?;
    let host = HostProcess::start(folder.path(), &["--hub", "none", "--members", &members, "--http-auth", "always"])?;
    host.ready().await?;
    let refused = ask::http(host.port(), MEMBERS, Some("anybody")).await?;
    assert!(refused.code == 403 && error(&refused).contains("--hub"), "{refused:?}");
    assert_eq!(ask::http(host.port(), "/metrics", None).await?.code, 200);
    Ok(())
}
