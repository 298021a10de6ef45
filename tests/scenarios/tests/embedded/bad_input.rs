//! What a running host makes of bad input: the operator sees why, and another plugin and member are not disturbed.

use anyhow::{Context, Result, ensure};
use motet_scenarios::{
    embedded,
    site::{FIRST_TOKEN, Site},
    wait,
};
use serde_json::{Value, json};

use crate::kit::{PLUGIN, Stage};

/// A member's kubeconfig with one thing in it replaced.
fn with(good: &str, from: &str, to: &str) -> Result<String> {
    ensure!(good.contains(from), "{from} is not in {good}");
    Ok(good.replacen(from, to, 1))
}

fn line<'a>(kubeconfig: &'a str, field: &str) -> &'a str {
    kubeconfig.lines().find(|l| l.contains(field)).unwrap_or_default().trim().trim_start_matches("- ")
}

/// Name, kubeconfig, and the reason and the word that say what is wrong with it.
type BadKubeconfig = (&'static str, String, &'static str, &'static str);

fn kubeconfigs(member: &Site, other: &Site) -> Result<Vec<BadKubeconfig>> {
    let good = member.kubeconfig(FIRST_TOKEN)?;
    let (server, token) = (line(&good, "server:"), line(&good, "token:"));
    let other_ca = other.kubeconfig(FIRST_TOKEN)?;
    let ca = line(&other_ca, "certificate-authority-data:");
    Ok(vec![
        ("not-yaml", "[".into(), "KubeconfigInvalid", "kubeconfig"),
        ("alias-bomb", format!("a: &a [b]\nc: [*a, *a]\n{good}"), "KubeconfigInvalid", "alias"),
        ("no-server", with(&good, server, "x: y")?, "KubeconfigInvalid", "no server"),
        ("exec", with(&good, token, "exec: { command: sh }")?, "KubeconfigForbidden", "exec"),
        ("auth-provider", with(&good, token, "auth-provider: { name: gcp }")?, "KubeconfigForbidden", "auth-provider"),
        ("token-file", with(&good, token, "tokenFile: /etc/shadow")?, "KubeconfigForbidden", "tokenFile"),
        ("key-file", with(&good, token, "client-key: /etc/shadow")?, "KubeconfigForbidden", "client-key"),
        (
            "proxy-url",
            with(&good, server, &format!("{server}\n    proxy-url: http://p:1"))?,
            "KubeconfigForbidden",
            "proxy-url",
        ),
        ("wrong-ca", with(&good, line(&good, "certificate-authority-data:"), ca)?, "CertificateInvalid", "certificate"),
        ("wrong-token", member.kubeconfig("nobody")?, "Unauthorized", "401"),
        ("unreachable", with(&good, server, "server: https://127.0.0.1:1")?, "ConnectionRefused", "127.0.0.1:1"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_kubeconfig_says_what_is_wrong_with_it() -> Result<()> {
    let stage = Stage::converged(1).await?;
    let target = Site::embedded("target").await?;
    let cases = kubeconfigs(&target, &stage.members[0])?;
    for (name, kubeconfig, ..) in &cases {
        stage.hub.look().register(name, kubeconfig, &[]).await?;
    }
    for (name, _, reason, word) in &cases {
        wait::until(&format!("{name} to be {reason}, naming {word}"), || async {
            let status = stage.hub.member(name).await.map_err(|e| e.to_string())?.ok_or("no Member")?["status"].clone();
            let (seen, message) = (&status["reason"], status["message"].as_str().unwrap_or_default().to_lowercase());
            if *seen == *reason && message.contains(&word.to_lowercase()) { Ok(()) } else { Err(status.to_string()) }
        })
        .await
        .with_context(|| stage.host().tail())?;
    }
    stage.members[0].shop("undisturbed").await?;
    stage.holds(0, None).await?;
    // The mended Secret is enough.
    stage.hub.register(&target, FIRST_TOKEN).await?;
    stage.hub.member_is("target", "Ready").await.map(drop)
}

/// Name, component, what of the shipped spec is changed, the condition's reason and a word of its message.
type BadComponent = (&'static str, Vec<u8>, Value, &'static str, &'static str);

fn components() -> Result<Vec<BadComponent>> {
    let good = embedded::component(PLUGIN)?;
    Ok(vec![
        ("not-wasm", b"<html>".to_vec(), json!({}), "CompileFailed", "not WebAssembly"),
        ("core-module", wat("(module)")?, json!({}), "CompileFailed", "core WebAssembly module"),
        ("wrong-world", wat("(component)")?, json!({}), "CompileFailed", "motet:plugin/reconciler"),
        (
            "newer-contract",
            wat(r#"(component (instance $i) (export "motet:plugin/reconciler@0.2.0" (instance $i)))"#)?,
            json!({}),
            "CompileFailed",
            "0.2.0",
        ),
        ("describe-traps", embedded::guest("describe_trap")?, json!({}), "DescribeFailed", "describe"),
        ("describe-loops", embedded::guest("describe_loop")?, json!({}), "DescribeFailed", "limits.cpu"),
        ("no-grants", good.clone(), json!({ "grants": [] }), "NotGranted", "spec.grants"),
        ("bad-config", good, json!({ "config": { "quota": 7 } }), "ConfigInvalid", "quota"),
    ])
}

fn wat(text: &str) -> Result<Vec<u8>> {
    Ok(wat::parse_str(text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_component_says_what_is_wrong_with_it() -> Result<()> {
    let stage = Stage::converged(1).await?;
    let cases = components()?;
    for (name, component, change, ..) in &cases {
        let mut spec = embedded::shipped_spec(PLUGIN)?;
        for (field, value) in change.as_object().into_iter().flatten() {
            spec[field] = value.clone();
        }
        stage.hub.component(name, component).await?;
        stage.hub.plugin(name, name, spec).await?;
    }
    for (name, _, _, reason, word) in &cases {
        let (seen, message) = stage.rejected(name).await?;
        assert_eq!(seen, *reason, "{name}: {message}");
        assert!(message.contains(word), "{name}: {word} is not in {message}");
    }
    stage.members[0].shop("undisturbed").await?;
    stage.holds(0, None).await
}

/// Name, the guest's config, limits, and a word of what the binding's last error says.
fn guests() -> Vec<(&'static str, Value, Value, &'static str)> {
    let quick = json!({ "deadline": "30s", "cpu": "200ms" });
    vec![
        ("loops", json!({ "what": "loop" }), quick, "limits.cpu"),
        ("hoards", json!({ "what": "memory" }), json!({ "memory": "16Mi" }), "limits.memory"),
        ("recurses", json!({ "what": "recursion" }), json!({}), "behaviour::deep"),
        ("goes-deep", json!({ "what": "depth", "count": 4000 }), json!({ "stack": "64Ki" }), "limits.stack"),
        ("panics", json!({ "what": "panic" }), json!({}), "behaviour::give_up"),
        ("asks-much", json!({ "what": "calls", "count": 5000 }), json!({}), "limits.hostCalls"),
        ("wants-much", json!({ "what": "intents", "count": 10_000 }), json!({}), "limits.intents"),
        (
            "returns-much",
            json!({ "what": "bytes", "count": 52_428_800 }),
            json!({ "memory": "256Mi" }),
            "limits.outcomeBytes",
        ),
    ]
}

/// What the guest needs, and no more.
fn grants() -> Value {
    let all = json!(["get", "list", "watch", "create", "patch", "delete"]);
    json!([
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": all },
        { "apiGroups": [""], "resources": ["configmaps/status"], "verbs": ["patch"] },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"] },
        { "apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"] },
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_guest_that_misbehaves_is_ended_and_named() -> Result<()> {
    let stage = Stage::converged(2).await?;
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "x", "namespace": "default" } });
    stage.members[0].look.create("/api/v1/namespaces/default/configmaps", &map).await?;
    stage.hub.component("behaviour", &embedded::guest("behaviour")?).await?;
    let cases = guests();
    let flood = ("floods", json!({ "what": "log", "count": 20_000 }), json!({ "hostCalls": 100_000, "cpu": "5s" }), "");
    for (name, config, limits, _) in cases.iter().chain([&flood]) {
        stage.hub.plugin(name, "behaviour", json!({ "config": config, "limits": limits, "grants": grants() })).await?;
    }
    for (name, _, _, word) in &cases {
        wait::until(&format!("{name} to say {word}"), || async {
            let rows = stage.host().api(&format!("/api/v1/bindings?plugin={name}&member=edge-0")).await;
            let row = rows.map_err(|e| e.to_string())?.into_iter().next().ok_or("no binding")?;
            if row["lastError"].to_string().contains(word) { Ok(()) } else { Err(row.to_string()) }
        })
        .await
        .with_context(|| stage.host().tail())?;
    }
    stage.quiet(flood.0, "Active", 2).await?;
    assert!(stage.host().log().len() < 4 << 20, "a flood of log lines is cut");
    // Another plugin on the same member, and another member.
    for (index, member) in stage.members.iter().enumerate() {
        member.shop("undisturbed").await?;
        stage.holds(index, None).await?;
    }
    Ok(())
}
