//! Images, with the credentials of whoever types: any registry may be spoken to.

use std::{env, fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use motet_core::Digest;
use motet_oci::{
    Credentials, Held, Http, Image, MAX_COMPONENT, Patience, Rules, Trust, component_layer,
    signature::{self, Found},
};

use crate::args::Registry;

/// The registry of `image`.
pub(crate) fn registry(image: &str, how: &Registry) -> Result<motet_oci::Registry> {
    let image: Image = image.parse()?;
    let trust = match &how.ca {
        None => Trust::system(),
        Some(file) => {
            let pem = fs::read(file).with_context(|| format!("reading --ca {}", file.display()))?;
            Trust::with(&pem).map_err(anyhow::Error::msg).with_context(|| format!("--ca {}", file.display()))?
        }
    };
    let rules = Rules { any_host: true, plain_http: how.plain_http, loopback: true, ..Rules::default() };
    let http = Http::new(Arc::new(rules), &trust, Patience::default())?;
    let credentials = credentials(how, image.registry())?;
    Ok(motet_oci::Registry::new(http, image, how.plain_http, credentials)?)
}

fn credentials(how: &Registry, registry: &str) -> Result<Option<Credentials>> {
    let named = how.docker_config.clone();
    let usual = || {
        let folder = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker")));
        folder.map(|f| f.join("config.json")).filter(|f| f.is_file())
    };
    let Some(file) = named.or_else(usual) else { return Ok(None) };
    let what = || format!("the docker config {}", file.display());
    let json = fs::read(&file).with_context(what)?;
    Credentials::from_docker_config(&json, registry).map_err(anyhow::Error::msg).with_context(what)
}

/// What an image holds.
pub(crate) struct Pulled {
    pub(crate) image: Digest,
    pub(crate) component: Bytes,
    pub(crate) signatures: Vec<Found>,
}

/// Pulls the component of an image, and what signatures there are.
pub(crate) async fn pull(registry: &motet_oci::Registry) -> Result<Pulled> {
    let image = match (registry.image().digest(), registry.image().tag()) {
        (Some(digest), _) => digest,
        (None, tag) => registry.resolve(tag.unwrap_or("latest")).await?,
    };
    let mut held = component_layer(&registry.manifest(image).await?)?;
    if let Held::Child(child) = &held {
        let child = Digest::try_from(child.digest().to_string())?;
        held = component_layer(&registry.manifest(child).await?)?;
    }
    let Held::Layer(layer) = held else { bail!("the index {image} leads to another index") };
    let signatures = signature::find(registry, image).await?;
    Ok(Pulled { image, component: registry.blob(&layer, MAX_COMPONENT).await?, signatures })
}
