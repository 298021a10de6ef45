//! From a plugin's object and bytes to a revision: each step can refuse, and says which it was.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;
use motet_core::{Digest, PluginName, description::Description, grant::Rule, revision::Revision};
use motet_runtime::{Compiled, Runtime};
use parking_lot::Mutex;

use crate::{PluginObject, Refusal, Step, config};

/// A load that was refused.
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// What is known of the component all the same.
    pub(crate) description: Option<Description>,
}

/// A load that came through.
pub(crate) struct Loaded {
    pub(crate) revision: Arc<Revision>,
    pub(crate) size: usize,
    pub(crate) contract: String,
    pub(crate) load_seconds: [f64; 2],
}

/// Components by digest, so that a change of config or grants compiles nothing. One entry per plugin.
#[derive(Default)]
pub(crate) struct Components(Mutex<BTreeMap<PluginName, (Compiled, Description)>>);

impl Components {
    fn get(&self, name: &PluginName, digest: &Digest, stack: u64) -> Option<(Compiled, Description)> {
        let fits = |compiled: &Compiled| compiled.digest() == *digest && compiled.has_stack(stack);
        self.0.lock().get(name).filter(|(compiled, _)| fits(compiled)).cloned()
    }

    fn put(&self, name: &PluginName, compiled: Compiled, description: Description) {
        self.0.lock().insert(name.clone(), (compiled, description));
    }

    pub(crate) fn forget(&self, name: &PluginName) {
        self.0.lock().remove(name);
    }
}

/// Loads one plugin. `bytes` is asked for the component only where it has to be compiled.
pub(crate) async fn load(
    runtime: &Runtime,
    components: &Components,
    object: PluginObject,
    digest: Digest,
    bytes: Option<Bytes>,
) -> Result<Loaded, Refused> {
    let refused = |refusal, description| Refused { refusal, description };
    let name = object.name.clone();
    let pinned = object.spec.digest.filter(|_| object.rollback.is_none());
    if let Some(pinned) = pinned.filter(|pinned| *pinned != digest) {
        let message =
            format!("spec.digest says {pinned}, the component is {digest}: one of them is not what was meant");
        return Err(refused(Refusal::new(Step::Verified, "DigestMismatch", message), None));
    }
    let limits = object
        .spec
        .limits
        .resolve()
        .map_err(|e| refused(Refusal::fetch("InvalidObject", format!("spec.{e}")), None))?;
    let (compiled, description, seconds) = compile(runtime, components, &name, digest, bytes, limits.stack)
        .await
        .map_err(|refusal| refused(refusal, None))?;
    let known = Some(description.clone());
    check_paths(&description).map_err(|r| refused(r, known.clone()))?;
    let revision = Revision {
        sandbox: compiled.sandbox(&name),
        name,
        digest,
        description,
        spec: object.spec,
        limits,
        release: object.release,
    };
    let missing = revision.permissions().missing();
    if !missing.is_empty() {
        return Err(refused(Refusal::new(Step::Granted, "NotGranted", ask_for(&missing)), known));
    }
    config::check(revision.description.config.as_ref(), &revision.spec).map_err(|r| refused(r, known))?;
    Ok(Loaded {
        size: compiled.size(),
        contract: compiled.contract().to_string(),
        revision: Arc::new(revision),
        load_seconds: seconds,
    })
}

async fn compile(
    runtime: &Runtime,
    components: &Components,
    name: &PluginName,
    digest: Digest,
    bytes: Option<Bytes>,
    stack: u64,
) -> Result<(Compiled, Description, [f64; 2]), Refusal> {
    if let Some((compiled, description)) = components.get(name, &digest, stack) {
        return Ok((compiled, description, [0.0; 2]));
    }
    let gone = || Refusal::fetch("SourceMissing", format!("the component {digest} is no longer kept; push it again"));
    let bytes = bytes.ok_or_else(gone)?;
    let invalid = |reason, e: &dyn std::fmt::Display| Refusal::new(Step::Compiled, reason, e.to_string());
    let started = Instant::now();
    let compiled = runtime.compile(bytes, stack).await.map_err(|e| invalid(e.reason(), &e))?;
    let compile_seconds = started.elapsed().as_secs_f64();
    let description = compiled.describe(name).await.map_err(|e| invalid("DescribeFailed", &e))?;
    components.put(name, compiled.clone(), description.clone());
    Ok((compiled, description, [compile_seconds, started.elapsed().as_secs_f64() - compile_seconds]))
}

/// What a description names must be readable before any member sees it.
fn check_paths(description: &Description) -> Result<(), Refusal> {
    let primary = match &description.primary {
        motet_core::description::Primary::Object(watch) => Some(watch),
        motet_core::description::Primary::Member {} => None,
    };
    for watch in primary.into_iter().chain(&description.related) {
        let invalid = |what: &str, e: String| {
            Refusal::new(
                Step::Compiled,
                "DescribeFailed",
                format!("the {what} of the watch on {} cannot be read: {e}", watch.gvk()),
            )
        };
        if let Some(projection) = &watch.projection {
            motet_core::path::Projection::parse(projection).map_err(|e| invalid("projection", e.to_string()))?;
        }
        motet_core::selector::Selector::parse(&watch.scope.labels).map_err(|e| invalid("label selector", e))?;
    }
    Ok(())
}

/// The grants that are missing, ready to paste below `grants:`.
fn ask_for(missing: &[Rule]) -> String {
    let list = |items: &[String]| items.iter().map(|i| format!("{i:?}")).collect::<Vec<_>>().join(", ");
    let rules: Vec<String> = missing
        .iter()
        .map(|rule| {
            let mut text = format!(
                "- {{ apiGroups: [{}], resources: [{}], verbs: [{}]",
                list(&rule.api_groups),
                list(&rule.resources),
                list(&rule.verbs)
            );
            if !rule.namespaces.is_empty() {
                text.push_str(&format!(", namespaces: [{}]", list(&rule.namespaces)));
            }
            if !rule.resource_names.is_empty() {
                text.push_str(&format!(", resourceNames: [{}]", list(&rule.resource_names)));
            }
            text + " }"
        })
        .collect();
    format!("the plugin needs what its Plugin does not grant; add to spec.grants:\n{}", rules.join("\n"))
}
