//! Moves what client-side `kubectl apply` owned to server-side apply: its annotation says what was applied.

use serde_json::Value;

use super::managers::{Identity, Managers};
use super::walk;
use crate::write::Write;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The only manager that takes over what the annotation says.
const KUBECTL: &str = "kubectl";

fn annotation(object: &Value) -> Option<&str> {
    let text = object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()?;
    Some(text).filter(|text| !text.is_empty())
}

/// True if all that an apply would conflict with was applied before by kubectl's client side and is still as it was.
pub(crate) fn allows(write: &Write<'_>, live: &Value, config: &Value, managers: &Managers, who: &Identity) -> bool {
    let applied = annotation(live).filter(|_| write.manager == KUBECTL).and_then(|a| serde_json::from_str(a).ok());
    let Some(applied): Option<Value> = applied else { return false };
    if applied["apiVersion"] != live["apiVersion"] {
        return false;
    }
    let ty = Some(write.version.ty());
    let changes = walk::compare(ty, &applied, live);
    let changed = changes.modified.union(&changes.added).union(&changes.removed);
    let owned = walk::owned(ty, &applied).difference(&changed);
    let mut tried = managers.clone();
    let would = super::apply(write.version.ty(), live, config, &mut tried, who, (write.reach(), false), "");
    let allowed = owned.paths();
    would.conflicts.iter().all(|conflict| allowed.contains(&conflict.path))
}

/// What kubectl applied, as it sent it: for the annotation.
pub(crate) fn copy(manager: &str, config: &Value) -> Option<Value> {
    (manager == KUBECTL).then(|| config.clone())
}

/// Keeps the annotation true, where there is one.
pub(crate) fn renew(sent: Option<Value>, object: &mut Value) {
    let Some(mut sent) = sent.filter(|_| annotation(object).is_some()) else { return };
    if let Some(annotations) = sent.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    object["metadata"]["annotations"][ANNOTATION] = format!("{sent}\n").into();
}
