//! The Helm chart: sound by itself, equal to the raw manifests where both say the same, and enough for a host on a real cluster,
//! with no right too few.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use motet_scenarios::{
    ask,
    client::Looker,
    embedded,
    host::HostProcess,
    real::{self, RealCluster, credentials::Authority},
    repository,
    ship::{motet, tool},
};
use serde_json::{Value, json};

use crate::kit;

const PLUGIN: &str = "namespace-baseline";
const NAMESPACE: &str = "motet-system";
/// What helm renders for, asked or not: one built without its release flags takes itself for an ancient one.
const KUBERNETES: &str = "1.36.3";
/// Who the host is in the audit log.
const ACCOUNT: &str = "system:serviceaccount:motet-system:motet-host";

fn chart() -> String {
    repository().join("deploy/chart").display().to_string()
}

fn full() -> String {
    repository().join("deploy/chart/ci/full-values.yaml").display().to_string()
}

fn helm(arguments: &[&str]) -> Result<String> {
    tool("helm", tempfile::tempdir()?.path(), arguments)
}

/// What `helm template` renders of a chart.
fn render(chart: &str, more: &[&str]) -> Result<String> {
    helm(&[&["template", "motet", chart, "--namespace", NAMESPACE, "--kube-version", KUBERNETES], more].concat())
}

fn documents(yaml: &str) -> Result<Vec<Value>> {
    let all = serde_yaml::Deserializer::from_str(yaml).map(<Value as serde::Deserialize>::deserialize);
    Ok(all.collect::<Result<Vec<_>, _>>()?.into_iter().filter(|d| !d.is_null()).collect())
}

fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> Result<&'a Value> {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.with_context(|| format!("no {kind} {name}"))
}

fn kinds(objects: &[Value]) -> BTreeSet<&str> {
    objects.iter().filter_map(|o| o["kind"].as_str()).collect()
}

fn file(path: &str) -> Result<String> {
    std::fs::read_to_string(repository().join(path)).with_context(|| path.to_owned())
}

#[test]
fn the_chart_is_sound_and_refuses_what_it_does_not_know() -> Result<()> {
    helm(&["lint", "--strict", &chart()])?;
    helm(&["lint", "--strict", &chart(), "--values", &full()])?;
    for (set, named) in [
        ("replicaz=2", "replicaz"),
        ("config.workerz=2", "workerz"),
        ("config.probeInterval=10", "probeInterval"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("replicas=many", "replicas"),
        ("verify.default=maybe", "verify"),
    ] {
        let refused = render(&chart(), &["--set", set]).expect_err(set);
        assert!(format!("{refused:#}").contains(named), "{refused:#}");
    }
    let shared = ["--set", "data.persistence.enabled=true", "--set", "replicas=2"];
    assert!(format!("{:#}", render(&chart(), &shared).unwrap_err()).contains("ReadWriteMany"));

    let plain = documents(&render(&chart(), &[])?)?;
    let always = [
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "Deployment",
        "Service",
    ];
    assert_eq!(kinds(&plain), always.into_iter().chain(["NetworkPolicy"]).collect());
    let all = documents(&render(&chart(), &["--values", &full()])?)?;
    let more = ["PersistentVolumeClaim", "PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor", "PrometheusRule"];
    assert_eq!(kinds(&all), always.into_iter().chain(more).collect());

    // A package holds what the folder holds.
    let folder = tempfile::tempdir()?;
    tool("helm", folder.path(), &["package", &chart()])?;
    let package = folder.path().join("motet-0.1.0.tgz").display().to_string();
    assert_eq!(render(&package, &["--include-crds"])?, render(&chart(), &["--include-crds"])?);
    Ok(())
}

#[test]
fn the_chart_and_the_raw_manifests_say_the_same() -> Result<()> {
    for name in ["members.yaml", "plugins.yaml"] {
        let copy = file(&format!("deploy/chart/crds/{name}"))?;
        assert_eq!(copy, file(&format!("deploy/crds/{name}"))?, "{name}: run `make crds`");
    }
    let rendered = documents(&render(&chart(), &["--values", &full()])?)?;
    let raw = documents(&file("deploy/rbac-hub.yaml")?)?;
    for (kind, name) in [("Role", "motet-host"), ("ClusterRole", "motet-host"), ("ClusterRole", "motet-viewer")] {
        assert_eq!(one(&rendered, kind, name)?["rules"], one(&raw, kind, name)?["rules"], "{kind} {name}");
    }
    let granting = |o: &&Value| matches!(o["kind"].as_str(), Some("Role" | "ClusterRole"));
    assert_eq!(rendered.iter().filter(granting).count(), raw.iter().filter(granting).count(), "no further roles");

    let rendered = documents(&render(&chart(), &["--values", &full(), "--set", "data.persistence.enabled=false"])?)?;
    let raw = documents(&file("deploy/host.yaml")?)?;
    let pod = |objects: &[Value]| -> Result<Value> {
        Ok(one(objects, "Deployment", "motet-host")?["spec"]["template"]["spec"].clone())
    };
    let (ours, theirs) = (pod(&rendered)?, pod(&raw)?);
    for path in [
        "/securityContext/runAsNonRoot",
        "/securityContext/runAsUser",
        "/securityContext/seccompProfile",
        "/terminationGracePeriodSeconds",
        "/containers/0/securityContext",
        "/containers/0/resources",
        "/containers/0/ports",
        "/containers/0/livenessProbe/httpGet/path",
        "/containers/0/readinessProbe/httpGet/path",
    ] {
        assert!(ours.pointer(path).is_some(), "{path}");
        assert_eq!(ours.pointer(path), theirs.pointer(path), "{path}");
    }

    let rule = one(&rendered, "PrometheusRule", "motet-host")?;
    assert_eq!(rule["spec"], serde_yaml::from_str::<Value>(&file("deploy/chart/files/alerts.yaml")?)?);
    let dashboard = one(&rendered, "ConfigMap", "motet-host-dashboard")?;
    let shown: Value = serde_json::from_str(dashboard["data"]["motet.json"].as_str().unwrap_or_default())?;
    assert_eq!(shown, serde_json::from_str::<Value>(&file("deploy/chart/files/dashboard.json")?)?);
    Ok(())
}

/// The Prometheus operator's kinds, as far as it takes to store their objects.
async fn define_monitoring(hub: &Looker) -> Result<()> {
    for (kind, plural) in [("ServiceMonitor", "servicemonitors"), ("PrometheusRule", "prometheusrules")] {
        let definition = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": format!("{plural}.monitoring.coreos.com") },
            "spec": { "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": { "kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase() },
                "versions": [{ "name": "v1", "served": true, "storage": true,
                    "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }] } });
        hub.define(&definition).await?;
    }
    Ok(())
}

/// Server-side apply by kubectl, as `helm template … | kubectl apply --server-side -f -` does it.
fn kubectl_apply(folder: &Path, manifests: &str) -> Result<String> {
    std::fs::write(folder.join("chart.yaml"), manifests)?;
    let output = Command::new(real::programs()?.join("kubectl"))
        .current_dir(folder)
        .env("HOME", folder)
        .args(["--kubeconfig", "admin.yaml", "apply", "--server-side", "-f", "chart.yaml"])
        .output()?;
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "kubectl apply: {said}{complaint}");
    Ok(said.into_owned())
}

/// A hub with the chart in it, and a folder with what its pod would have mounted.
struct Installed {
    hub: RealCluster,
    look: Looker,
    folder: tempfile::TempDir,
    authority: Authority,
    objects: Vec<Value>,
}

impl Installed {
    async fn new() -> Result<Self> {
        let hub = RealCluster::start("chart-hub").await?;
        let (look, folder) = (hub.admin().await?, tempfile::tempdir()?);
        std::fs::write(folder.path().join("admin.yaml"), hub.kubeconfig("admin"))?;
        define_monitoring(&look).await?;
        // Its pods must be those that the strictest standard lets in.
        look.namespace(
            NAMESPACE,
            &[("pod-security.kubernetes.io/enforce", "restricted"), ("pod-security.kubernetes.io/warn", "restricted")],
        )
        .await?;
        let manifests = render(&chart(), &["--include-crds", "--values", &full()])?;
        let said = kubectl_apply(folder.path(), &manifests)?;
        assert!(said.contains("deployment.apps/motet-host serverside-applied"), "{said}");
        kubectl_apply(folder.path(), &manifests).context("a second time")?;
        let (authority, objects) = (Authority::new("motet-host-ca")?, documents(&manifests)?);
        let installed = Self { hub, look, folder, authority, objects };
        installed.mount().await?;
        Ok(installed)
    }

    /// Writes the ConfigMap, the certificate and the account's token where the host's arguments will point to.
    async fn mount(&self) -> Result<()> {
        let config = self.look.get(&format!("/api/v1/namespaces/{NAMESPACE}/configmaps/motet-host")).await?;
        for (name, content) in config.context("no ConfigMap")?["data"].as_object().context("no data")? {
            std::fs::write(self.path(name), content.as_str().unwrap_or_default())?;
        }
        let pair = self.authority.server()?;
        std::fs::write(self.path("tls.crt"), pair.certificate)?;
        std::fs::write(self.path("tls.key"), pair.key)?;
        let request = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": { "expirationSeconds": 3600 } });
        let tokens = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/motet-host/token");
        let issued = self.look.create(&tokens, &request).await?;
        let token = issued["status"]["token"].as_str().context("no token")?;
        Ok(std::fs::write(self.path("hub.yaml"), self.hub.kubeconfig_at(&self.hub.url(), token))?)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The host with the arguments of the Deployment, its paths led to the folder, and what a test decides about left out.
    fn start(&self) -> Result<HostProcess> {
        let deployment = one(&self.objects, "Deployment", "motet-host")?;
        let given = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().context("no args")?;
        let folder = self.folder.path().display().to_string();
        let mut arguments = vec![format!("--hub={folder}/hub.yaml"), "--http-auth=always".into()];
        for argument in given.iter().filter_map(Value::as_str) {
            if !argument.starts_with("--listen=") && !argument.starts_with("--data-dir=") {
                arguments.push(
                    argument.replace("=/etc/motet/", &format!("={folder}/")).replace("=/tls/", &format!("={folder}/")),
                );
            }
        }
        assert!(
            arguments.iter().any(|a| a.starts_with("--config="))
                && arguments.iter().any(|a| a.starts_with("--tls-key="))
        );
        HostProcess::start(self.folder.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What the account did: resource (or path), verb and code.
    fn deeds(&self) -> Result<Vec<(String, String, u64)>> {
        let entries = self.hub.audit().entries()?;
        let text = |e: &Value, p: &str| e.pointer(p).and_then(Value::as_str).unwrap_or_default().to_owned();
        let deed = |e: &Value| {
            let resource = [text(e, "/objectRef/resource"), text(e, "/objectRef/subresource")].join("/");
            let what = if resource == "/" { text(e, "/requestURI") } else { resource.trim_end_matches('/').to_owned() };
            (what, text(e, "/verb"), e.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default())
        };
        Ok(entries.iter().filter(|e| text(e, "/user/username") == ACCOUNT).map(deed).collect())
    }
}

/// A member that wants a baseline, and the plugin for it in the hub.
async fn put_to_work(installed: &Installed) -> Result<(RealCluster, Looker)> {
    let member = RealCluster::start("chart-member").await?;
    let look = member.admin().await?;
    look.namespace("shop", &[("motet.dev/baseline", "true")]).await?;
    installed.look.register("edge-1", &member.kubeconfig("admin"), &[]).await?;
    std::fs::write(installed.path("plugin.wasm"), embedded::component(PLUGIN)?)?;
    motet(installed.folder.path(), &["push", "plugin.wasm", "--config-map", "code", "--hub", "admin.yaml"])?;
    let mut spec = embedded::shipped_spec(PLUGIN)?;
    spec["source"] = json!({ "configMap": { "name": "code" } });
    let plugin =
        json!({ "apiVersion": "motet.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": PLUGIN }, "spec": spec });
    installed.look.apply(&format!("/apis/motet.dev/v1alpha1/plugins/{PLUGIN}"), "operator", &plugin).await?;
    Ok((member, look))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installed_chart_lets_a_host_work_with_exactly_its_rights() -> Result<()> {
    let installed = Installed::new().await?;
    let (_member, look) = put_to_work(&installed).await?;
    let host = installed.start()?;
    kit::has(&look, "shop", 3).await.map_err(|e| e.context(host.tail()))?;
    let objects = "/apis/motet.dev/v1alpha1";
    for (path, state) in
        [(format!("{objects}/members/edge-1"), "Ready"), (format!("{objects}/plugins/{PLUGIN}"), "Active")]
    {
        let shown = installed.look.until_there(&path, state, |o| o["status"]["state"] == state).await;
        shown.with_context(|| host.tail())?;
    }

    // Whom the chart bound to motet-viewer reads; others do not, the host's own account among them.
    let ask =
        async |token: &str| ask::https(host.port(), &installed.authority.pem, "/api/v1/bindings", Some(token)).await;
    let alice = ask("alice").await?;
    assert!(alice.code == 200 && alice.body.contains("edge-1"), "{alice:?}");
    assert_eq!(ask("motet").await?.code, 403);
    assert_eq!(ask("nobody's").await?.code, 401);

    // A member that goes takes its object with it.
    installed.look.delete(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/edge-1")).await?;
    installed
        .look
        .until(&format!("{objects}/members/edge-1"), "no Member", Value::is_null)
        .await
        .with_context(|| host.tail())?;
    assert_eq!(host.terminate().await?, 0);

    let deeds = installed.deeds()?;
    let refused: Vec<_> = deeds.iter().filter(|(.., code)| *code == 403).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let done: BTreeSet<(&str, &str)> = deeds.iter().map(|(what, verb, _)| (what.as_str(), verb.as_str())).collect();
    for needed in [
        ("tokenreviews", "create"),
        ("subjectaccessreviews", "create"),
        ("leases", "create"),
        ("leases", "patch"),
        ("secrets", "create"),
        ("secrets", "watch"),
        ("configmaps", "watch"),
        ("plugins", "watch"),
        ("plugins/status", "patch"),
        ("members/status", "patch"),
        ("members", "delete"),
        ("events", "create"),
    ] {
        assert!(done.contains(&needed), "nobody did {needed:?}: {done:?}");
    }
    Ok(())
}

/// Events and all: what the raw way does without helm is covered by `least`.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_of_the_chart_is_let_in_by_the_restricted_standard() -> Result<()> {
    let installed = Installed::new().await?;
    let template = one(&installed.objects, "Deployment", "motet-host")?["spec"]["template"].clone();
    let mut pod =
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"] });
    pod["metadata"]["name"] = json!("motet-host-0");
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All");
    installed.look.create(&pods, &pod).await?;
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let refused = installed.look.create(&pods, &pod).await.unwrap_err();
    assert!(format!("{refused:#}").contains("restricted"), "{refused:#}");
    Ok(())
}
