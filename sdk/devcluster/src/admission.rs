//! What admission does with an object before it is looked at: the plugins of kube-apiserver that work on pods.

use serde_json::{Value, json};

use crate::defaults;
use crate::error::ApiError;
use crate::resources::Resource;
use crate::store::{Key, State};

/// The classes that are always there, with their priorities.
pub(crate) const SYSTEM: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// Adds to a new object what admission adds, or refuses it.
pub(crate) fn create(state: &State, resource: &Resource, name: &str, object: &mut Value) -> Result<(), ApiError> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => {
            let refused = |why: String| ApiError::forbidden(resource.named(name), &why);
            priority(state, object).map_err(refused)?;
            defaults::tolerate(object);
            runtime_class(object).map_err(refused)
        }
        _ => Ok(()),
    }
}

/// The priority of a pod is that of its class.
fn priority(state: &State, pod: &mut Value) -> Result<(), String> {
    let spec = &pod["spec"];
    let name = spec["priorityClassName"].as_str().unwrap_or_default();
    let system = SYSTEM.iter().find(|(known, _)| *known == name);
    let (class, value, preemption) = match system {
        Some((name, value)) => ((*name).to_owned(), *value, None),
        None if name.is_empty() => default_class(state),
        None => {
            let stored = state.get("priorityclasses.scheduling.k8s.io", &Key::new("", name));
            let class = stored.ok_or_else(|| format!("no PriorityClass with name {name} was found"))?;
            of_class(&class.value())
        }
    };
    let preemption = preemption.unwrap_or_else(|| "PreemptLowerPriority".to_owned());
    if let Some(said) = spec["priority"].as_i64().filter(|said| *said != value) {
        return Err(format!(
            "the integer value of priority ({said}) must not be provided in pod spec; priority admission controller computed \
             {value} from the given PriorityClass name"
        ));
    }
    if let Some(said) = spec["preemptionPolicy"].as_str().filter(|said| *said != preemption) {
        return Err(format!(
            "the string value of PreemptionPolicy ({said}) must not be provided in pod spec; priority admission controller \
             computed {preemption} from the given PriorityClass name"
        ));
    }
    if !class.is_empty() {
        pod["spec"]["priorityClassName"] = class.into();
    }
    pod["spec"]["priority"] = json!(value);
    pod["spec"]["preemptionPolicy"] = preemption.into();
    Ok(())
}

fn of_class(class: &Value) -> (String, i64, Option<String>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let name = text(&class["metadata"]["name"]).unwrap_or_default();
    (name, class["value"].as_i64().unwrap_or(0), text(&class["preemptionPolicy"]))
}

/// The class of pods that name none: of several the least.
fn default_class(state: &State) -> (String, i64, Option<String>) {
    let classes = state.range("priorityclasses.scheduling.k8s.io", "", None);
    let default = classes.map(|stored| stored.value()).filter(|class| class["globalDefault"] == true);
    let least = default.min_by_key(|class| class["value"].as_i64().unwrap_or(0));
    least.map_or((String::new(), 0, None), |class| of_class(&class))
}

/// RuntimeClasses are not served, so none is there.
fn runtime_class(pod: &Value) -> Result<(), String> {
    let spec = &pod["spec"];
    match spec["runtimeClassName"].as_str() {
        Some(name) if !name.is_empty() => Err(format!("pod rejected: RuntimeClass \"{name}\" not found")),
        _ if spec["overhead"].as_object().is_some_and(|o| !o.is_empty()) => {
            Err("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead".into())
        }
        _ => Ok(()),
    }
}
