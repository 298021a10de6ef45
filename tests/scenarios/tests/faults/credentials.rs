//! Row A1: what becomes of a member whose credentials change, end, or turn bad.

use std::time::{Duration, SystemTime};

use anyhow::Result;
use motet_scenarios::wait;
use serde_json::json;

use crate::kit::{BASELINE, BUDGET, EDGE, Stage};

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_change_end_and_turn_bad_on_a_working_member() -> Result<()> {
    let mut stage = Stage::converged("cred").await?;

    // Token rotated: in place, nothing is connected again.
    let reconnects = stage.metric("motet_member_reconnects_total", "cred-0").await?;
    let account = stage.members[0].cluster.account("motet-rotated").await?;
    stage.register(0, &account).await?;
    stage.works(0, "rotated").await?;
    assert_eq!(stage.metric("motet_member_reconnects_total", "cred-0").await?, reconnects);

    // Token to client certificate.
    let pair = stage.members[0].cluster.client_certificate("somebody", "system:masters", in_an_hour())?;
    let member = &stage.members[0];
    stage.hub.look.register(&member.name, &member.cluster.kubeconfig_with(&member.url(), &pair), &[]).await?;
    wait::until("the host to come as the certificate's user", || async {
        let entries = member.cluster.audit().entries().map_err(|e| e.to_string())?;
        let seen = entries.iter().rev().take(50).any(|e| {
            e["user"]["username"] == "somebody" && e["userAgent"].as_str().unwrap_or_default().starts_with("motet-host")
        });
        if seen { Ok(()) } else { Err("not yet".to_string()) }
    })
    .await?;
    stage.works(0, "certificate").await?;

    // A certificate that has ended, on a working member: the old one goes on.
    let ended = stage.members[0].cluster.client_certificate(
        "somebody",
        "system:masters",
        SystemTime::now() - Duration::from_secs(60),
    )?;
    stage.hub.look.register(&member.name, &member.cluster.kubeconfig_with(&member.url(), &ended), &[]).await?;
    stage.shows(0, "to say UpdateRejected", |s| s["reason"] == "UpdateRejected" && s["state"] == "Ready").await?;
    stage.works(0, "still").await?;

    // A good one again.
    stage.register(0, "admin").await?;
    stage
        .shows(0, "to be Ready without a reason", |s| s["state"] == "Ready" && s["reason"] != "UpdateRejected")
        .await?;
    stage.works(0, "again").await?;

    // Revoked: visible with the reason, and back at once when the Secret changes.
    let account = stage.members[0].cluster.account("motet-revoked").await?;
    stage.register(0, &account).await?;
    stage.works(0, "before").await?;
    stage.members[0].look.delete("/api/v1/namespaces/kube-system/serviceaccounts/motet-revoked").await?;
    stage.shows(0, "to say Unauthorized", |s| s["reason"] == "Unauthorized").await?;
    stage.members[0].shop("meanwhile").await?;
    stage.register(0, "admin").await?;
    stage.is(0, "Ready").await?;
    stage.holds(0).await?;

    // The server's authority is rotated: not trusted until the Secret says so.
    stage.members[0].cluster.rotate_server_ca().await?;
    stage.members[0].look = stage.members[0].cluster.admin().await?;
    stage.shows(0, "to say CertificateInvalid", |s| s["reason"] == "CertificateInvalid").await?;
    stage.register(0, "admin").await?;
    stage.is(0, "Ready").await?;
    stage.works(0, "trusted").await?;

    stage.nobody_else_noticed().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_taken_away_under_a_running_watch_parks_only_who_needs_it() -> Result<()> {
    let stage = Stage::converged("perm").await?;
    let look = &stage.members[0].look;
    let rights = |pods: bool| {
        let mut rules = vec![
            json!({ "apiGroups": ["apps.motet.dev", "apps", "networking.k8s.io", "events.k8s.io"], "resources": ["*"], "verbs": ["*"] }),
            json!({ "apiGroups": [""], "resources": ["namespaces", "nodes", "services", "configmaps", "resourcequotas", "limitranges", "events"], "verbs": ["*"] }),
        ];
        if pods {
            rules.push(json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["*"] }));
        }
        json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": "motet" }, "rules": rules })
    };
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/motet";
    look.apply(role, "test", &rights(true)).await?;
    let binding = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": { "name": "motet" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "motet" },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "motet" }] });
    look.apply("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/motet", "test", &binding).await?;
    stage.register(0, "motet").await?;
    stage.works(0, "limited").await?;
    for plugin in [BASELINE, BUDGET, EDGE] {
        stage.host().binding(plugin, "perm-0", "Active").await?;
    }

    // A server decides when a watch begins: the loss shows when the running one ends, at the latest after some minutes.
    look.apply(role, "test", &rights(false)).await?;
    stage.members[0].wire.cut();
    let parked = stage.host().binding(BUDGET, "perm-0", "Parked").await?;
    assert_eq!(parked["reason"], "Forbidden", "{parked}");
    let message = parked["message"].as_str().unwrap_or_default();
    assert!(message.contains("pods") && (message.contains("watch") || message.contains("list")), "{message}");
    stage.works(0, "others-go-on").await?;
    stage.host().binding(EDGE, "perm-0", "Active").await?;

    look.apply(role, "test", &rights(true)).await?;
    stage.host().binding(BUDGET, "perm-0", "Active").await?;
    stage.nobody_else_noticed().await
}
