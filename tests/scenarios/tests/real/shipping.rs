//! Plugins shipped by OCI: pushed by several clients to a real registry, signed by the real cosign, run by a host that takes what
//! it may and says why it does not take the rest.

use anyhow::{Context, Result};
use motet_scenarios::{
    embedded::{self, Hub, condition},
    host::HostProcess,
    ship::{self, RealRegistry, Way, motet, tool},
    site::{FIRST_TOKEN, Site},
    wait,
};
use serde_json::{Value, json};

const PLUGIN: &str = "namespace-baseline";
const PLUGINS: &str = "/apis/motet.dev/v1alpha1/plugins";
const SYSTEM: &str = "/api/v1/namespaces/motet-system";

/// An embedded hub and member, a folder with components, and a host.
struct Stage {
    hub: Hub,
    member: Site,
    folder: tempfile::TempDir,
    host: Option<HostProcess>,
}

impl Stage {
    async fn new() -> Result<Self> {
        let (hub, member) = (Hub::start().await?, Site::embedded("edge-1").await?);
        hub.register(&member, FIRST_TOKEN).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("hub.yaml"), hub.0.kubeconfig(FIRST_TOKEN)?)?;
        std::fs::write(folder.path().join("plugin.wasm"), embedded::component(PLUGIN)?)?;
        std::fs::write(folder.path().join("next.wasm"), embedded::guest("baseline_next")?)?;
        let yaml = motet_scenarios::plugins_dir().join(format!("{PLUGIN}.yaml"));
        std::fs::copy(yaml, folder.path().join("plugin.yaml"))?;
        Ok(Self { hub, member, folder, host: None })
    }

    /// A host that may talk to registries on this machine.
    fn host(&mut self, more: &[&str]) -> Result<()> {
        let hub = self.folder.path().join("hub.yaml").display().to_string();
        let mut arguments = vec!["--hub", &hub, "--allow-registry", "plain-http,loopback", "--registry-interval", "1s"];
        arguments.extend(more);
        self.host = Some(HostProcess::start(self.folder.path(), &arguments)?);
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        let host = self.host.take().context("no host runs")?;
        assert_eq!(host.terminate().await?, 0);
        Ok(())
    }

    fn tail(&self) -> String {
        self.host.as_ref().map(HostProcess::tail).unwrap_or_default()
    }

    /// Creates or changes a Plugin with this source.
    async fn plugin(&self, name: &str, oci: Value) -> Result<()> {
        self.plugin_with(name, oci, |_| {}).await
    }

    async fn plugin_with(&self, name: &str, oci: Value, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut spec = embedded::shipped_spec(PLUGIN)?;
        spec["source"] = json!({ "oci": oci });
        change(&mut spec);
        let object =
            json!({ "apiVersion": "motet.dev/v1alpha1", "kind": "Plugin", "metadata": { "name": name }, "spec": spec });
        self.hub.look().apply(&format!("{PLUGINS}/{name}"), "operator", &object).await.map(drop)
    }

    /// Waits until a plugin is active with this component.
    async fn runs(&self, name: &str, file: &str) -> Result<Value> {
        let digest = json!(motet_core::Digest::of(&std::fs::read(self.folder.path().join(file))?));
        let is = |s: &Value| s["state"] == "Active" && s["digest"] == digest;
        self.hub.plugin_is(name, &format!("active with {file}"), is).await.with_context(|| self.tail())
    }

    /// Waits until a condition is False for a reason; its message, and whether something runs.
    async fn refused(&self, name: &str, kind: &str, reason: &str) -> Result<(String, bool)> {
        let wanted = |s: &Value| condition(s, kind)["status"] == "False" && condition(s, kind)["reason"] == reason;
        let what = format!("refused: {kind} False for {reason}");
        let status = self.hub.plugin_is(name, &what, wanted).await.with_context(|| self.tail())?;
        let message = condition(&status, kind)["message"].as_str().unwrap_or_default().to_owned();
        Ok((message, condition(&status, "Active")["status"] == "True"))
    }

    fn cosign(&self, arguments: &[&str]) -> Result<String> {
        tool("cosign", self.folder.path(), arguments)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_every_client_pushes_runs() -> Result<()> {
    let registry = RealRegistry::start(Way::Open).await?;
    let mut stage = Stage::new().await?;
    let (folder, host) = (stage.folder.path().to_owned(), registry.host());
    stage.host(&[])?;
    let image = |client: &str| format!("{host}/team/{client}:v1");
    motet(&folder, &["push", "plugin.wasm", &image("motet"), "--plain-http"])?;
    let typed = "plugin.wasm:application/wasm";
    tool("oras", &folder, &["push", "--plain-http", &image("oras"), typed])?;
    tool("wkg", &folder, &["oci", "push", "--insecure", &host, &image("wkg"), "plugin.wasm"])?;
    // As people do who do not care for media types: an artefact with a README beside the component.
    std::fs::write(folder.join("README.md"), "read me")?;
    let kind = "application/vnd.example.plugin";
    tool(
        "oras",
        &folder,
        &["push", "--plain-http", "--artifact-type", kind, &image("artefact"), "plugin.wasm", "README.md"],
    )?;
    for client in ["motet", "oras", "wkg", "artefact"] {
        stage.plugin(client, json!({ "image": image(client), "plainHTTP": true })).await?;
        stage.runs(client, "plugin.wasm").await.with_context(|| client.to_owned())?;
    }
    stage.member.shop("shop").await?;
    motet_scenarios::baseline::converged("edge-1", &stage.member.look, None).await?;
    stage.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_leads_to_its_component() -> Result<()> {
    let registry = RealRegistry::start(Way::Open).await?;
    let mut stage = Stage::new().await?;
    let (folder, image) = (stage.folder.path().to_owned(), format!("{}/team/indexed", registry.host()));
    motet(&folder, &["push", "plugin.wasm", &format!("{image}:one"), "--plain-http"])?;
    tool("oras", &folder, &["manifest", "index", "create", "--plain-http", &format!("{image}:v1"), "one"])?;
    stage.host(&[])?;
    stage.plugin("indexed", json!({ "image": format!("{image}:v1"), "plainHTTP": true })).await?;
    stage.runs("indexed", "plugin.wasm").await?;
    stage.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_tag_is_followed_and_a_registry_that_is_away_costs_nothing() -> Result<()> {
    let mut registry = RealRegistry::start(Way::Open).await?;
    let mut stage = Stage::new().await?;
    let (folder, image) = (stage.folder.path().to_owned(), format!("{}/team/p:v1", registry.host()));
    let push = |file: &str| motet(&folder, &["push", file, &image, "--plain-http", "-o", "json"]);
    let first: Value = serde_json::from_str(&push("plugin.wasm")?)?;
    stage.host(&[])?;
    stage.plugin(PLUGIN, json!({ "image": image, "plainHTTP": true })).await?;
    stage.runs(PLUGIN, "plugin.wasm").await?;
    push("next.wasm")?;
    let status = stage.runs(PLUGIN, "next.wasm").await?;
    assert_eq!(status["revisions"].as_array().map(Vec::len), Some(2), "{status}");
    assert_eq!(status["revisions"][1]["digest"], first["component"]);

    registry.stop();
    let away = |s: &Value| condition(s, "Fetched")["reason"] == "RegistryUnreachable";
    let status = stage.hub.plugin_is(PLUGIN, "without its registry", away).await.with_context(|| stage.tail())?;
    assert_eq!((&status["state"], &condition(&status, "Fetched")["status"]), (&json!("Active"), &json!("True")));
    assert_eq!(condition(&status, "Degraded")["status"], "True");
    // It survives a restart, and so does the way back.
    stage.stop().await?;
    stage.host(&[])?;
    stage.member.shop("while-away").await?;
    stage.runs(PLUGIN, "next.wasm").await?;
    motet_scenarios::baseline::converged("edge-1", &stage.member.look, Some("2"))
        .await
        .with_context(|| stage.tail())?;
    let hub = folder.join("hub.yaml").display().to_string();
    let said = motet(&folder, &["rollback", PLUGIN, "--hub", &hub])?;
    assert!(said.contains(first["component"].as_str().unwrap_or_default()), "{said}");
    let status = stage.runs(PLUGIN, "plugin.wasm").await?;
    assert_eq!(condition(&status, "Active")["reason"], "RolledBack");
    motet_scenarios::baseline::converged("edge-1", &stage.member.look, None).await.with_context(|| stage.tail())?;

    // Back, the source is followed again only when that is said.
    registry.start_again().await?;
    motet(&folder, &["rollback", PLUGIN, "--undo", "--hub", &hub])?;
    stage.runs(PLUGIN, "next.wasm").await?;
    let back = |s: &Value| condition(s, "Degraded")["status"] == "False";
    stage.hub.plugin_is(PLUGIN, "well", back).await?;
    stage.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_tokens_and_authorities_let_one_in() -> Result<()> {
    let (locked, tokens) = (RealRegistry::start(Way::Password).await?, RealRegistry::start(Way::Token).await?);
    let mut stage = Stage::new().await?;
    let folder = stage.folder.path().to_owned();
    std::fs::write(folder.join("ca.crt"), locked.ca())?;
    for (registry, file) in [(&locked, "locked.json"), (&tokens, "tokens.json")] {
        std::fs::write(folder.join(file), registry.docker_config())?;
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": file.replace(".json", ""), "namespace": "motet-system" },
            "type": "kubernetes.io/dockerconfigjson", "stringData": { ".dockerconfigjson": registry.docker_config() } });
        stage.hub.look().apply(&format!("{SYSTEM}/secrets/{}", file.replace(".json", "")), "operator", &secret).await?;
    }
    let locked_image = format!("{}/team/p:v1", locked.host());
    motet(&folder, &["push", "plugin.wasm", &locked_image, "--ca", "ca.crt", "--docker-config", "locked.json"])?;
    let (public, private) = (format!("{}/public/p:v1", tokens.host()), format!("{}/private/p:v1", tokens.host()));
    for image in [&public, &private] {
        motet(&folder, &["push", "plugin.wasm", image, "--plain-http", "--docker-config", "tokens.json"])?;
    }
    let realm = "127.0.0.1";
    stage.host(&["--registry-hosts", realm])?;
    // Without the authority, without the password, with both.
    stage.plugin("locked", json!({ "image": locked_image })).await?;
    let (message, _) = stage.refused("locked", "Fetched", "RegistryUnreachable").await?;
    assert!(message.contains("certificate") || message.contains("UnknownIssuer"), "{message}");
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca", "namespace": "motet-system" }, "data": { "ca.crt": locked.ca() } });
    stage.hub.look().apply(&format!("{SYSTEM}/configmaps/ca"), "operator", &map).await?;
    stage.plugin("locked", json!({ "image": locked_image, "caConfigMap": "ca" })).await?;
    stage.refused("locked", "Fetched", "RegistryUnauthorized").await?;
    stage.plugin("locked", json!({ "image": locked_image, "caConfigMap": "ca", "pullSecret": "nobodys" })).await?;
    let (message, _) = stage.refused("locked", "Fetched", "SourceMissing").await?;
    assert!(message.contains("pullSecret"), "{message}");
    stage.plugin("locked", json!({ "image": locked_image, "caConfigMap": "ca", "pullSecret": "locked" })).await?;
    stage.runs("locked", "plugin.wasm").await?;

    let (before, _) = tokens.tokens_given();
    stage.plugin("public", json!({ "image": public, "plainHTTP": true })).await?;
    stage.runs("public", "plugin.wasm").await?;
    assert!(tokens.tokens_given().0 > before, "a token for nobody in particular");
    stage.plugin("private", json!({ "image": private, "plainHTTP": true })).await?;
    stage.refused("private", "Fetched", "RegistryUnauthorized").await?;
    stage.plugin("private", json!({ "image": private, "plainHTTP": true, "pullSecret": "tokens" })).await?;
    stage.runs("private", "plugin.wasm").await?;
    stage.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_trusted_key_signed_runs() -> Result<()> {
    let registry = RealRegistry::start(Way::Open).await?;
    let mut stage = Stage::new().await?;
    let (folder, host) = (stage.folder.path().to_owned(), registry.host());
    for name in ["trusted", "other"] {
        stage.cosign(&["generate-key-pair", "--output-key-prefix", name])?;
    }
    let key = std::fs::read_to_string(folder.join("trusted.pub"))?;
    let policy = json!({ "default": "enforce", "keys": { "release": key }, "sources": [
        { "prefix": format!("{host}/lab"), "policy": "off" }, { "prefix": format!("{host}/warned/"), "policy": "warn" }] });
    std::fs::write(folder.join("verify.yaml"), serde_yaml::to_string(&policy)?)?;
    stage.host(&["--verify", &folder.join("verify.yaml").display().to_string()])?;

    let push = |name: &str, file: &str| -> Result<String> {
        let pushed = motet(&folder, &["push", file, &format!("{host}/{name}:v1"), "--plain-http"])?;
        let digest = pushed.lines().find_map(|l| l.strip_prefix("image")).context("no digest")?.trim().to_owned();
        Ok(format!("{host}/{name}@{digest}"))
    };
    let sign = |stage: &Stage, key: &str, image: &str, bundle: bool| {
        let format = format!("--new-bundle-format={bundle}");
        let plain = ["--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry"];
        stage.cosign(&[&["sign", "-y", "--key", key, &format], &plain[..], &[image]].concat())
    };
    let source = |name: &str| json!({ "image": format!("{host}/{name}:v1"), "plainHTTP": true });

    // Both formats of the real cosign count, and the catalogue says whose they are.
    for (name, bundle) in [("team/tagged", false), ("team/bundled", true)] {
        sign(&stage, "trusted.key", &push(name, "plugin.wasm")?, bundle)?;
        let plugin = name.trim_start_matches("team/");
        stage.plugin(plugin, source(name)).await?;
        let status = stage.runs(plugin, "plugin.wasm").await?;
        assert!(condition(&status, "Verified")["message"].as_str().is_some_and(|m| m.contains("release")), "{status}");
        assert_eq!(status["revisions"][0]["signedBy"], json!(["release"]));
    }
    // Nothing, the wrong key, and somebody else's signature brought along are refused.
    push("team/unsigned", "plugin.wasm")?;
    sign(&stage, "other.key", &push("team/wrong", "plugin.wasm")?, true)?;
    let replayed = push("team/replayed", "next.wasm")?;
    let signature =
        |image: &str| image.rsplit_once('@').map(|(name, digest)| format!("{name}:{}.sig", digest.replace(':', "-")));
    let good = push("team/good", "plugin.wasm")?;
    sign(&stage, "trusted.key", &good, false)?;
    let (from, to) = (signature(&good).context("no digest")?, signature(&replayed).context("no digest")?);
    tool("oras", &folder, &["copy", "--from-plain-http", "--to-plain-http", &from, &to])?;
    for (plugin, word) in [("unsigned", "not signed"), ("wrong", "none of the keys"), ("replayed", "another image")] {
        stage.plugin(plugin, source(&format!("team/{plugin}"))).await?;
        let (message, runs) = stage.refused(plugin, "Verified", "SignatureMissing").await?;
        assert!(message.contains(word) && !runs, "{plugin}: {message}");
    }
    // An update that nobody signed leaves what runs.
    push("team/tagged", "next.wasm")?;
    let (_, runs) = stage.refused("tagged", "Verified", "SignatureMissing").await?;
    assert!(runs, "the old revision runs on");
    // By prefix: warned of, or let through.
    for (name, plugin) in [("lab/free", "free"), ("warned/p", "warned")] {
        push(name, "plugin.wasm")?;
        stage.plugin(plugin, source(name)).await?;
        let status = stage.runs(plugin, "plugin.wasm").await?;
        let verified = condition(&status, "Verified");
        assert_eq!(verified["status"], if plugin == "free" { "Unknown" } else { "False" }, "{verified}");
    }
    // A Plugin may ask for more than its host.
    let asks = |key: String| move |spec: &mut Value| spec["verify"] = json!({ "keys": [key] });
    stage.plugin_with("free", source("lab/free"), asks(key)).await?;
    stage.refused("free", "Verified", "SignatureMissing").await?;
    stage.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_what_it_claims_is_refused_and_what_ran_runs_on() -> Result<()> {
    let registry = RealRegistry::start(Way::Open).await?;
    let mut stage = Stage::new().await?;
    let (folder, host) = (stage.folder.path().to_owned(), registry.host());
    let image = format!("{host}/team/p:v1");
    stage.host(&["--registries", "127.0.0.1"])?;
    motet(&folder, &["push", "plugin.wasm", &image, "--plain-http"])?;
    stage.plugin("good", json!({ "image": image, "plainHTTP": true })).await?;
    stage.runs("good", "plugin.wasm").await?;
    // A tampered layer under a digest that is right.
    motet(&folder, &["push", "next.wasm", &format!("{host}/team/p:v2"), "--plain-http"])?;
    registry.tamper(&motet_core::Digest::of(&std::fs::read(folder.join("next.wasm"))?).to_string())?;
    stage.plugin("good", json!({ "image": format!("{host}/team/p:v2"), "plainHTTP": true })).await?;
    let (message, runs) = stage.refused("good", "Verified", "DigestMismatch").await?;
    assert!(runs, "{message}");
    // Another digest than the one that was pinned, on either level.
    let wrong = format!("sha256:{}", "ab".repeat(32));
    stage.plugin("pinned", json!({ "image": image, "digest": wrong, "plainHTTP": true })).await?;
    stage.refused("pinned", "Fetched", "ImageNotFound").await?;
    let pin = |spec: &mut Value| spec["digest"] = json!(wrong);
    stage.plugin_with("pinned", json!({ "image": image, "plainHTTP": true }), pin).await?;
    stage.refused("pinned", "Verified", "DigestMismatch").await?;
    // Places that are not allowed, or are none.
    for (name, oci, reason) in [
        ("elsewhere", json!({ "image": "registry.example/p:v1" }), "RegistryForbidden"),
        ("tls", json!({ "image": image }), "RegistryUnreachable"),
        ("short", json!({ "image": "team/p:v1" }), "ImageInvalid"),
        ("no-tag", json!({ "image": format!("{host}/team/p:v9"), "plainHTTP": true }), "ImageNotFound"),
    ] {
        stage.plugin(name, oci).await?;
        let (message, _) = stage.refused(name, "Fetched", reason).await?;
        assert!(!message.is_empty(), "{name}");
    }
    std::fs::write(folder.join("text.txt"), "no component")?;
    tool("oras", &folder, &["push", "--plain-http", &format!("{host}/team/text:v1"), "text.txt"])?;
    stage.plugin("text", json!({ "image": format!("{host}/team/text:v1"), "plainHTTP": true })).await?;
    let (message, _) = stage.refused("text", "Fetched", "ImageLayout").await?;
    assert!(message.contains("text.txt"), "{message}");
    stage.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_what_is_in_a_registry() -> Result<()> {
    let registry = RealRegistry::start(Way::Open).await?;
    let stage = Stage::new().await?;
    let (folder, image) = (stage.folder.path().to_owned(), format!("{}/team/p:v1", registry.host()));
    let yaml = motet(&folder, &["push", "plugin.wasm", &image, "--plain-http", "--plugin", "plugin.yaml", "--pin"])?;
    let plugin: Value = serde_yaml::from_str(&yaml)?;
    assert_eq!(plugin["spec"]["source"]["oci"]["image"], image);
    assert!(plugin["spec"]["source"]["oci"]["digest"].is_string() && plugin["spec"]["digest"].is_string(), "{yaml}");
    assert_eq!(plugin["spec"]["grants"], embedded::shipped_spec(PLUGIN)?["grants"]);
    stage.cosign(&["generate-key-pair"])?;
    let unsigned = motet(&folder, &["inspect", &image, "--plain-http", "--key", "cosign.pub"]).unwrap_err().to_string();
    assert!(unsigned.contains("exit status: 3") && unsigned.contains("not signed"), "{unsigned}");
    let pinned = format!("{image}@{}", plugin["spec"]["source"]["oci"]["digest"].as_str().unwrap_or_default());
    let (plain, key) = (
        ["--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry"],
        ["sign", "-y", "--key", "cosign.key"],
    );
    stage.cosign(&[&key[..], &plain[..], &[&pinned]].concat())?;
    let text = motet(&folder, &["inspect", &image, "--plain-http", "--key", "cosign.pub"])?;
    assert!(text.contains("contract  0.1.0") && text.contains("by cosign.pub"), "{text}");
    let refused = motet(&folder, &["push", "plugin.yaml", &image, "--plain-http"]).unwrap_err().to_string();
    assert!(refused.contains("is not pushed"), "{refused}");
    let tags = wait::until("the registry to list the tag", || async {
        let (code, body) = registry.get("/v2/team/p/tags/list").await.map_err(|e| e.to_string())?;
        if code == 200 && body.contains("\"v1\"") { Ok(body) } else { Err(body) }
    });
    tags.await?;
    assert!(ship::tools()?.is_dir());
    Ok(())
}
