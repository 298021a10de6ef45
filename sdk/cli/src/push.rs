//! Ships a component.

use std::fs;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use motet_core::{
    Digest, Gvk, Meta,
    names::{CHUNK_OF_LABEL, GROUP},
    ports::{ListQuery, MemberApi as _, Write},
};
use serde_json::{Value, json};

use crate::{
    args::{Output, Push},
    block_on,
    config_map::config_maps,
    hub, image, inspect,
};

/// What was shipped.
struct Shipped {
    /// As `spec.source` names it.
    source: Value,
    /// The digest of the image, and the image by that digest.
    image: Option<(Digest, String)>,
    component: Digest,
    size: usize,
    said: String,
}

/// Ships it and says so.
pub(crate) fn run(push: &Push) -> Result<String> {
    let bytes = fs::read(&push.file).with_context(|| format!("reading {}", push.file.display()))?;
    inspect::check(&bytes).with_context(|| format!("{} is not pushed", push.file.display()))?;
    let shipped = match (&push.image, &push.config_map) {
        (Some(image), _) => block_on(to_registry(push, image, bytes))?,
        (None, Some(name)) => {
            let signature =
                push.signature.as_ref().map(fs::read_to_string).transpose().context("reading --signature")?;
            let maps = config_maps(&push.hub.namespace, name, &push.key, &bytes, signature.as_deref())?;
            if push.dry_run {
                return maps.iter().map(|m| Ok(format!("---\n{}", serde_yaml::to_string(m)?))).collect();
            }
            block_on(to_hub(push, name, &maps, &bytes))?
        }
        (None, None) => anyhow::bail!("name an image, or a ConfigMap with --config-map"),
    };
    if let (true, Some((_, pinned))) = (push.quiet, &shipped.image) {
        return Ok(format!("{pinned}\n"));
    }
    match (&push.plugin, push.output) {
        (Some(_), _) => plugin(push, &shipped),
        (None, Output::Table) => Ok(shipped.said),
        (None, Output::Json) => {
            let mut answer = json!({ "source": shipped.source, "component": shipped.component, "size": shipped.size });
            if let Some((image, _)) = shipped.image {
                answer["image"] = json!(image);
            }
            Ok(format!("{answer:#}\n"))
        }
    }
}

async fn to_registry(push: &Push, name: &str, bytes: Vec<u8>) -> Result<Shipped> {
    let registry = image::registry(name, &push.registry)?.for_push();
    let size = bytes.len();
    let pushed = motet_oci::push(&registry, Bytes::from(bytes)).await?;
    let mut source = json!({ "oci": { "image": registry.image().to_string() } });
    if push.registry.plain_http {
        source["oci"]["plainHTTP"] = json!(true);
    }
    if push.pin {
        source["oci"]["digest"] = json!(pushed.image);
    }
    if let Some(secret) = &push.pull_secret {
        source["oci"]["pullSecret"] = json!(secret);
    }
    let said = format!("pushed {}\nimage      {}\ncomponent  {}\n", registry.image(), pushed.image, pushed.component);
    let pinned = format!("{}/{}@{}", registry.image().registry(), registry.image().repository(), pushed.image);
    Ok(Shipped { source, image: Some((pushed.image, pinned)), component: pushed.component, size, said })
}

async fn to_hub(push: &Push, name: &str, maps: &[Value], bytes: &[u8]) -> Result<Shipped> {
    let client = hub::connect(&push.hub).context("or print the ConfigMaps with --dry-run")?;
    let kind = Gvk::new("", "v1", "ConfigMap");
    for map in maps {
        hub::apply(&client, &kind, map).await?;
    }
    let swept = sweep(push, &client, &kind, name, maps).await?;
    let component = Digest::of(bytes);
    let parts = if maps.len() > 1 { format!(" in {} chunks", maps.len() - 1) } else { String::new() };
    let old = if swept > 0 { format!(", {swept} chunks of earlier ones removed") } else { String::new() };
    let said = format!("configmap {}/{name} written{parts}{old}\ncomponent  {component}\n", push.hub.namespace);
    let source = json!({ "configMap": { "name": name, "key": push.key } });
    Ok(Shipped { source, image: None, component, size: bytes.len(), said })
}

/// Removes chunks that the ConfigMap does not name any more.
async fn sweep(push: &Push, client: &motet_cluster::Client, kind: &Gvk, name: &str, maps: &[Value]) -> Result<usize> {
    let resource = client.resource(kind).await?;
    let wanted: Vec<&str> = maps.iter().filter_map(|m| m["metadata"]["name"].as_str()).collect();
    let query = ListQuery {
        namespace: Some(push.hub.namespace.clone()),
        labels: format!("{CHUNK_OF_LABEL}={name}"),
        limit: 500,
        ..ListQuery::default()
    };
    let mut swept = 0;
    for json in client.list(&resource, &query).await?.items {
        let meta = Meta::scan(&json).context("a ConfigMap of the hub cannot be read")?;
        if !wanted.contains(&&*meta.name) {
            let delete = Write::Delete { uid: Some(meta.uid.to_string()), resource_version: None };
            client.write(&resource, &meta.object_name(), delete).await?;
            swept += 1;
        }
    }
    Ok(swept)
}

/// The YAML with its source set to what was shipped, and nothing else changed.
fn plugin(push: &Push, shipped: &Shipped) -> Result<String> {
    let Some(file) = &push.plugin else { return Ok(shipped.said.clone()) };
    crate::plugin::read(file)?;
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    let mut document: Value = serde_yaml::from_str(&text)?;
    let mut source = shipped.source.clone();
    // Secrets and authorities that the operator named go on being used.
    for field in ["pullSecret", "caConfigMap"] {
        let named = &document["spec"]["source"]["oci"][field];
        if !named.is_null() && source["oci"].is_object() && source["oci"][field].is_null() {
            source["oci"][field] = named.clone();
        }
    }
    document["spec"]["source"] = source;
    if push.pin {
        document["spec"]["digest"] = json!(shipped.component);
    }
    eprint!("{}", shipped.said);
    debug_assert!(document["apiVersion"].as_str().is_some_and(|v| v.starts_with(GROUP)));
    Ok(serde_yaml::to_string(&document)?)
}
