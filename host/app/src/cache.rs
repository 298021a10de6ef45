//! Where compiled plugins are kept, and the key that they are authenticated by.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use motet_core::{
    Gvk, ObjectName,
    names::HOST_MANAGER,
    ports::{MemberApi, Write},
};
use motet_runtime::{ArtifactDir, CacheKey};
use serde_json::{Value, json};

use crate::args::Args;

/// The hub's Secret with the key.
const SECRET: &str = "motet-cache-key";

/// Opens the cache. A folder or a key that cannot be trusted is an operator's business; one that cannot be had costs compile time only.
pub(crate) async fn open(args: &Args, hub: Option<&Arc<dyn MemberApi>>) -> Result<ArtifactDir> {
    let Some(folder) = args.data_dir.clone().or_else(cache_dir) else {
        tracing::warn!("no cache folder: set --data-dir, or HOME; plugins are compiled at every start");
        return Ok(ArtifactDir::none());
    };
    if let Err(error) = std::fs::create_dir_all(&folder) {
        tracing::warn!(folder = %folder.display(), %error, "--data-dir cannot be used: plugins are compiled at every start");
        return Ok(ArtifactDir::none());
    }
    let key = match (&args.cache_key, hub) {
        (Some(file), _) => {
            CacheKey::from_file(file, &folder).with_context(|| format!("--cache-key {}", file.display()))?
        }
        (None, Some(hub)) => match from_hub(&**hub, &args.namespace).await {
            Ok(key) => key,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "the hub's Secret {SECRET} cannot be used: plugins are compiled at this start");
                return Ok(ArtifactDir::none());
            }
        },
        (None, None) => {
            let file =
                config_dir().context("no config folder for the key of compiled plugins: set --cache-key, or HOME")?;
            let file = file.join("cache.key");
            CacheKey::from_file(&file, &folder)
                .with_context(|| format!("the key of compiled plugins, {}", file.display()))?
        }
    };
    match ArtifactDir::open(&folder, key, args.cache_size) {
        Ok(artifacts) => Ok(artifacts),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && folder.join("compiled").is_dir() => {
            Err(error).context("--data-dir cannot be used")
        }
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "--data-dir cannot be used: plugins are compiled at every start");
            Ok(ArtifactDir::none())
        }
    }
}

/// Where the user's caches are.
pub(crate) fn cache_dir() -> Option<PathBuf> {
    user_dir("XDG_CACHE_HOME", ".cache")
}

fn config_dir() -> Option<PathBuf> {
    user_dir("XDG_CONFIG_HOME", ".config")
}

fn user_dir(variable: &str, usual: &str) -> Option<PathBuf> {
    let base = std::env::var_os(variable).map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(usual)));
    base.map(|base| base.join("motet"))
}

/// The key in the hub, which all hosts share; made by the first.
async fn from_hub(hub: &dyn MemberApi, namespace: &str) -> Result<CacheKey> {
    let resource = hub.resource(&Gvk::new("", "v1", "Secret")).await?;
    let name = ObjectName::namespaced(namespace, SECRET);
    if hub.get(&resource, &name).await?.is_none() {
        let body = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "name": SECRET, "namespace": namespace },
            "data": { "key": STANDARD.encode(CacheKey::generate()?) },
        });
        let create = Write::Create { body: body.to_string().into_bytes().into(), manager: HOST_MANAGER.into() };
        // Another host may have been quicker: its key is the one.
        let _ = hub.write(&resource, &name, create).await;
    }
    let json = hub
        .get(&resource, &name)
        .await?
        .context("it could not be made: may the host create Secrets in its namespace?")?;
    let secret: Value = serde_json::from_slice(&json)?;
    let bytes = STANDARD.decode(secret["data"]["key"].as_str().context("it has no data.key")?)?;
    ensure!(
        bytes.len() == 32,
        "its data.key has {} bytes, a key has 32: delete the Secret, and a new one is made",
        bytes.len()
    );
    let bytes: [u8; 32] = bytes.try_into().unwrap_or_default();
    Ok(CacheKey::new(&bytes))
}
