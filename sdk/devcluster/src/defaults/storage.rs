//! Defaults of claims and of what CSI drivers register.

use serde_json::{Value, json};

use super::default;

pub(super) fn driver(spec: &mut Value) {
    default(spec, "attachRequired", true);
    for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        default(spec, field, false);
    }
    default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec["volumeLifecycleModes"].as_array().is_none_or(Vec::is_empty) {
        spec["volumeLifecycleModes"] = json!(["Persistent"]);
    }
}

/// The two fields that say what a claim is filled from say the same; what nobody could read is dropped.
pub(super) fn sources(spec: &mut Value, old: &Value) {
    let Some(map) = spec.as_object_mut() else { return };
    let elsewhere = |source: &Value| source["namespace"].as_str().is_some_and(|n| !n.is_empty());
    if map.get("dataSourceRef").is_some_and(elsewhere) && old["dataSourceRef"].is_null() {
        map.remove("dataSourceRef");
    }
    let readable = |source: &Value| {
        let group = source["apiGroup"].as_str().unwrap_or_default();
        (group.is_empty() && source["kind"] == "PersistentVolumeClaim")
            || (group == "snapshot.storage.k8s.io" && source["kind"] == "VolumeSnapshot")
    };
    let known = |source: &Value| readable(source) || *source == old["dataSource"];
    if !map.contains_key("dataSourceRef") && map.get("dataSource").is_some_and(|source| !known(source)) {
        map.remove("dataSource");
    }
    let copied =
        |source: &Value| json!({"apiGroup": source["apiGroup"], "kind": source["kind"], "name": source["name"]});
    match (map.get("dataSource").cloned(), map.get("dataSourceRef").cloned()) {
        (Some(source), None) => drop(map.insert("dataSourceRef".into(), copied(&source))),
        (None, Some(source)) if !elsewhere(&source) => drop(map.insert("dataSource".into(), copied(&source))),
        _ => {}
    }
}
