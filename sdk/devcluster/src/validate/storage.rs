//! Volumes, claims, storage classes and what CSI drivers register.

use serde_json::{Value, json};

use super::pod::{placement, volume};
use super::{Place, Report, list, quantity, text};
use crate::go::{diff, structs};
use crate::names;
use crate::quantity::Quantity;
use crate::resources::Resource;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
/// The kinds of PersistentVolumes in the order in which they are looked at.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

pub(super) fn check(resource: &Resource, object: &Value, report: &mut Report) {
    let root = Place::new(object, "");
    match resource.plural.as_str() {
        "persistentvolumes" => volume_spec(&root.of("spec"), false, report),
        "persistentvolumeclaims" => claim(&root.of("spec"), report),
        "storageclasses" => class(&root, report),
        "csidrivers" => driver(&root.of("spec"), report),
        "csinodes" => node(&root.of("spec"), report),
        "volumeattachments" => attachment(&root, report),
        "csistoragecapacities" => {
            report.selector_at(&root.of("nodeTopology"));
            report.form("storageClassName", &object["storageClassName"], names::subdomain);
            if quantity(&object["capacity"]).is_some_and(Quantity::is_negative) {
                report.wrong(&root.of("capacity"), super::NEGATIVE);
            }
        }
        "volumeattributesclasses" => {
            provisioner(&root.of("driverName"), report);
            parameters(&root.of("parameters"), report);
            if object["parameters"].as_object().is_none_or(serde_json::Map::is_empty) {
                report.required("parameters", "must contain at least one key/value pair");
            }
        }
        _ => {}
    }
}

fn modes(spec: &Place<'_>, none: &str, report: &mut Report) -> Vec<String> {
    let modes: Vec<String> = list(&spec.value["accessModes"]).iter().map(|m| text(m).to_owned()).collect();
    if modes.is_empty() {
        report.required(&spec.at("accessModes"), none);
    }
    modes
}

fn known_modes(spec: &Place<'_>, modes: &[String], report: &mut Report) {
    let field = spec.at("accessModes");
    modes.iter().for_each(|mode| report.one_of(&field, &json!(mode), &MODES));
    let single = modes.iter().any(|m| m == "ReadWriteOncePod");
    if single && modes.iter().any(|m| m != "ReadWriteOncePod" && MODES.contains(&m.as_str())) {
        report.forbidden(&field, "may not use ReadWriteOncePod with other access modes");
    }
}

/// A PersistentVolume's specification; inline ones stand in an attachment.
fn volume_spec(spec: &Place<'_>, inline: bool, report: &mut Report) {
    if inline {
        for field in ["claimRef", "capacity"].iter().filter(|f| spec.has(f)) {
            report.forbidden(&spec.at(field), "may not be specified in the context of inline volumes");
        }
        if !spec.has("csi") {
            report.required(&spec.at("csi"), "has to be specified in the context of inline volumes");
        }
    }
    let modes = modes(spec, "", report);
    known_modes(spec, &modes, report);
    if !inline {
        capacity(&spec.of("capacity"), report);
        if !spec.text("persistentVolumeReclaimPolicy").is_empty() {
            report.word(&spec.of("persistentVolumeReclaimPolicy"), &["Delete", "Recycle", "Retain"]);
        }
    }
    let affinity = spec.of("nodeAffinity");
    if affinity.has("required") {
        placement::node_selector(&affinity.of("required"), report);
    } else if !affinity.value.is_null() {
        report.required(&affinity.at("required"), "must specify required node constraints");
    }
    source(spec, report);
    if spec.value["hostPath"]["path"] == "/" && spec.text("persistentVolumeReclaimPolicy") == "Recycle" {
        let why = "may not be 'recycle' for a hostPath mount of '/'";
        report.forbidden(&spec.at("persistentVolumeReclaimPolicy"), why);
    }
    if !inline {
        report.may_form(&spec.of("storageClassName"), names::subdomain);
        report.word(&spec.of("volumeMode"), &["Block", "Filesystem"]);
    }
    let attributes = spec.of("volumeAttributesClassName");
    if attributes.value.is_null() {
        return;
    }
    if text(attributes.value).is_empty() {
        report.required(&attributes.path, "an empty string is disallowed");
    } else {
        report.form(&attributes.path, attributes.value, names::subdomain);
    }
    if !spec.has("csi") {
        report.required(&spec.at("csi"), "has to be specified when using volumeAttributesClassName");
    }
}

fn capacity(capacity: &Place<'_>, report: &mut Report) {
    let count = capacity.value.as_object().map_or(0, serde_json::Map::len);
    if count == 0 {
        report.required(&capacity.path, "");
    }
    if count != 1 || !capacity.has("storage") {
        report.unsupported(&capacity.path, &capacity.value.to_string(), &["storage"]);
    }
    for (_, amount) in capacity.entries() {
        positive(&amount, report);
    }
}

fn positive(amount: &Place<'_>, report: &mut Report) {
    if quantity(amount.value).is_some_and(|read| read.is_zero() || read.is_negative()) {
        report.wrong(amount, "must be greater than zero");
    }
}

fn source(spec: &Place<'_>, report: &mut Report) {
    let mut found = SOURCES.iter().filter(|kind| spec.has(kind));
    let Some(first) = found.next() else { return report.required(&spec.path, "must specify a volume type") };
    let source = spec.of(first);
    match *first {
        "hostPath" => volume::host_path(&source, report),
        "nfs" => volume::nfs(&source, report),
        "local" => {
            if report.need(&source.of("path")) && source.text("path").split('/').any(|part| part == "..") {
                report.wrong(&source.of("path"), "must not contain '..'");
            }
            if list(&spec.value["nodeAffinity"]["required"]["nodeSelectorTerms"]).is_empty() {
                report.required(&spec.at("nodeAffinity"), "Local volume requires node affinity");
            }
        }
        "csi" => csi(&source, report),
        "gcePersistentDisk" => {
            let disk = Place::new(source.value, source.path.replace("gcePersistentDisk", "persistentDisk"));
            volume::needs(first, &disk, report);
        }
        other => drop(volume::needs(other, &source, report)),
    }
    for other in found {
        let shown = if *other == "cephfs" { "cephFS" } else { other };
        report.forbidden(&spec.at(shown), "may not specify more than 1 volume type");
    }
}

fn csi(source: &Place<'_>, report: &mut Report) {
    driver_name(&source.of("driver"), report);
    report.need(&source.of("volumeHandle"));
    let secrets =
        ["controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"];
    for secret in secrets.iter().filter(|s| source.has(s)).map(|s| source.of(s)) {
        report.need_form(&secret.of("name"), names::subdomain);
        report.need_form(&secret.of("namespace"), names::label);
    }
}

/// The name of a CSI driver.
pub(super) fn driver_name(name: &Place<'_>, report: &mut Report) {
    if !report.need(name) {
        return;
    }
    if text(name.value).len() > 63 {
        report.too_long(&name.path, 63);
    }
    for why in names::subdomain(&text(name.value).to_lowercase()) {
        report.wrong(name, &why);
    }
}

/// A template of claims.
pub(super) fn claim_template(template: &Place<'_>, report: &mut Report) {
    let meta = template.of("metadata");
    report.0.extend(names::annotations(&meta.value["annotations"], &meta.at("annotations")));
    report.0.extend(names::labels(&meta.value["labels"], &meta.at("labels")));
    for field in ["name", "generateName", "namespace", "ownerReferences", "finalizers"].iter().filter(|f| meta.has(f)) {
        report.forbidden(&meta.at(field), "cannot be set");
    }
    claim(&template.of("spec"), report);
}

/// A claim's specification.
pub(super) fn claim(spec: &Place<'_>, report: &mut Report) {
    let modes = modes(spec, "at least 1 access mode is required", report);
    report.selector_at(&spec.of("selector"));
    known_modes(spec, &modes, report);
    let asked = Place { value: &spec.value["resources"]["requests"]["storage"], path: spec.at("resources[storage]") };
    if asked.value.is_null() {
        report.required(&asked.path, "");
    }
    positive(&asked, report);
    report.may_form(&spec.of("storageClassName"), names::subdomain);
    report.word(&spec.of("volumeMode"), &["Block", "Filesystem"]);
    let (data, reference) = (spec.of("dataSource"), spec.of("dataSourceRef"));
    for source in [&data, &reference].into_iter().filter(|s| !s.value.is_null()) {
        data_source(source, report);
    }
    let shown = format!("{:?}", spec.at("dataSource"));
    let same = ["apiGroup", "kind", "name"].iter().all(|f| data.value[*f] == reference.value[*f]);
    let both = !data.value.is_null() && !reference.value.is_null();
    if both && !reference.text("namespace").is_empty() {
        let why = "may not be specified when dataSourceRef.namespace is specified";
        report.invalid_as(&spec.path, &shown, why);
    } else if both && !same {
        report.invalid_as(&spec.path, &shown, "must match dataSourceRef");
    }
    report.may_form(&spec.of("volumeAttributesClassName"), names::subdomain);
}

fn data_source(source: &Place<'_>, report: &mut Report) {
    report.need(&source.of("name"));
    report.need(&source.of("kind"));
    if source.text("apiGroup").is_empty() && source.text("kind") != "PersistentVolumeClaim" {
        let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        report.invalid(&source.path, &json!(source.text("kind")), why);
    }
    report.may_form(&source.of("apiGroup"), names::subdomain);
    report.may_form(&source.of("namespace"), names::label);
}

fn class(root: &Place<'_>, report: &mut Report) {
    provisioner(&root.of("provisioner"), report);
    parameters(&root.of("parameters"), report);
    if !root.text("reclaimPolicy").is_empty() {
        report.word(&root.of("reclaimPolicy"), &["Delete", "Retain"]);
    }
    report.word(&root.of("volumeBindingMode"), &["Immediate", "WaitForFirstConsumer"]);
    topologies(&root.of("allowedTopologies"), report);
}

fn provisioner(name: &Place<'_>, report: &mut Report) {
    if report.need(name) {
        report.form(&name.path, &json!(text(name.value).to_lowercase()), names::label_key);
    }
}

fn parameters(parameters: &Place<'_>, report: &mut Report) {
    const COUNT: usize = 512;
    const SIZE: usize = 256 * 1024;
    let map = parameters.value.as_object();
    if map.is_some_and(|map| map.len() > COUNT) {
        return report.too_long(&parameters.path, COUNT);
    }
    if map.is_some_and(|map| map.contains_key("")) {
        report.invalid(&parameters.path, &json!(""), "field can not be empty.");
    }
    let size: usize = map.into_iter().flatten().map(|(key, value)| key.len() + text(value).len()).sum();
    if size > SIZE {
        report.too_long(&parameters.path, SIZE);
    }
}

fn topologies(terms: &Place<'_>, report: &mut Report) {
    for (i, term) in terms.each().enumerate() {
        let rules = term.of("matchLabelExpressions");
        let mut keys = Vec::new();
        for rule in rules.each() {
            let (key, values) = (rule.text("key"), rule.of("values"));
            if list(values.value).is_empty() {
                report.required(&values.path, "");
            }
            for value in values.each() {
                let before = list(values.value).iter().take_while(|v| !std::ptr::eq(*v, value.value));
                if before.into_iter().any(|other| other == value.value) {
                    report.duplicate(&value.path, &value.value.to_string());
                }
            }
            report.form(&rule.at("key"), &rule.value["key"], names::label_key);
            if keys.contains(&key) {
                report.duplicate(&rule.at("key"), &json!(key).to_string());
            }
            keys.push(key);
        }
        if list(terms.value)[..i].contains(term.value) {
            report.duplicate(&rules.path, "\"\"");
        }
    }
}

fn driver(spec: &Place<'_>, report: &mut Report) {
    let required = [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ];
    for (_, shown) in required.iter().filter(|(field, _)| !spec.has(field)) {
        report.required(&spec.at(shown), "");
    }
    report.word(&spec.of("fsGroupPolicy"), &["File", "None", "ReadWriteOnceWithFSType"]);
    let mut audiences = Vec::new();
    for request in spec.each_of("tokenRequests") {
        let audience = request.text("audience");
        if audiences.contains(&audience) {
            report.duplicate(&request.at("audience"), &json!(audience).to_string());
            continue;
        }
        audiences.push(audience);
        let seconds = request.of("expirationSeconds");
        if seconds.value.as_i64().is_some_and(|n| n < 600) {
            report.wrong(&seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds.value.as_i64().is_some_and(|n| n > 1 << 32) {
            report.wrong(&seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
    for mode in list(&spec.value["volumeLifecycleModes"]) {
        report.one_of(&spec.at("volumeLifecycleModes"), mode, &["Persistent", "Ephemeral"]);
    }
    if spec.number("nodeAllocatableUpdatePeriodSeconds").is_some_and(|n| n < 10) {
        let period = spec.of("nodeAllocatableUpdatePeriodSeconds");
        report.wrong(&period, "must be greater than or equal to 10 seconds");
    }
    let secrets = spec.of("serviceAccountTokenInSecrets");
    if !secrets.value.is_null() && audiences.is_empty() {
        report.wrong(&secrets, "serviceAccountTokenInSecrets is set but no tokenRequests are specified");
    }
}

fn node(spec: &Place<'_>, report: &mut Report) {
    let mut names = Vec::new();
    for driver in spec.each_of("drivers") {
        driver_name(&driver.of("name"), report);
        let id = driver.of("nodeID");
        report.need(&id);
        if text(id.value).len() > 256 {
            report.wrong(&id, "must be 256 characters or less");
        }
        report.whole(&driver.at("allocatable.count"), &driver.value["allocatable"]["count"]);
        let name = driver.text("name");
        if names.contains(&name) {
            report.duplicate(&driver.at("name"), &json!(name).to_string());
        }
        names.push(name);
        let mut keys = Vec::new();
        for key in list(&driver.value["topologyKeys"]) {
            if text(key).is_empty() {
                report.required(&driver.path, "");
            }
            if keys.contains(&key) {
                report.duplicate(&driver.path, &key.to_string());
            }
            keys.push(key);
            report.form(&driver.path, key, names::label_key);
        }
    }
}

fn attachment(root: &Place<'_>, report: &mut Report) {
    let spec = root.of("spec");
    driver_name(&spec.of("attacher"), report);
    let source = spec.of("source");
    let (name, inline) = (source.of("persistentVolumeName"), source.of("inlineVolumeSpec"));
    let why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (name.value.is_null(), inline.value.is_null()) {
        (true, true) => report.required(&source.path, why),
        (false, false) => report.forbidden(&source.path, why),
        (false, true) if text(name.value).is_empty() => {
            report.required(&name.path, "must specify non empty persistentVolumeName");
        }
        (false, true) => {}
        (true, false) => volume_spec(&inline, true, report),
    }
    report.form(&spec.at("nodeName"), &spec.value["nodeName"], names::subdomain);
    if !name.value.is_null() {
        report.form(&name.path, name.value, names::subdomain);
    }
}

/// What an attachment's status says of how it went.
pub(super) fn attachment_status(status: &Value, report: &mut Report) {
    const MESSAGE: usize = 1024;
    const METADATA: usize = 256 * 1024;
    let status = Place::new(status, "status");
    let metadata = status.of("attachmentMetadata");
    if metadata.entries().map(|(key, value)| key.len() + text(value.value).len()).sum::<usize>() > METADATA {
        report.too_long(&metadata.path, METADATA);
    }
    for error in [status.of("attachError"), status.of("detachError")] {
        if error.text("message").len() > MESSAGE {
            report.too_long(&error.at("message"), METADATA);
        }
        if error.number("errorCode").is_some_and(|code| code < 0) {
            report.wrong(&error.of("errorCode"), "must be between 0 and 2147483647, inclusive");
        }
    }
}

/// What may not change in a volume.
pub(super) fn volume_change(live: &Value, object: &Value, report: &mut Report) {
    let (old, mut new) = (&live["spec"], object["spec"].clone());
    let secret = "controllerExpandSecretRef";
    if old["csi"].is_object() && old["csi"][secret].is_null() && new["csi"].is_object() {
        new["csi"][secret] = Value::Null;
    }
    let lines = |spec: &Value| structs::lines("core.PersistentVolumeSource", spec);
    let difference = diff::unified(&lines(old), &lines(&new));
    if !difference.is_empty() {
        let why = format!("spec.persistentvolumesource is immutable after creation\n{difference}");
        report.forbidden("spec.persistentvolumesource", &why);
    }
    if old["volumeMode"] != new["volumeMode"] {
        report.invalid("volumeMode", &new["volumeMode"], "field is immutable");
    }
    let class = "volumeAttributesClassName";
    if !old[class].is_null() && new[class].is_null() {
        report.forbidden(&format!("spec.{class}"), "update from non-nil value to nil is forbidden");
    }
}

/// What may not change in a claim.
pub(super) fn claim_change(live: &Value, object: &Value, report: &mut Report) {
    const OLD_CLASS: &str = "volume.beta.kubernetes.io/storage-class";
    let of = |object: &Value| object["metadata"]["annotations"][OLD_CLASS].clone();
    if of(live) != of(object) {
        let field = format!("metadata.annotations[{OLD_CLASS}]");
        report.invalid(&field, &json!(text(&of(object))), "field is immutable");
    }
    let (mut old, mut new) = (live["spec"].clone(), object["spec"].clone());
    let bound = object["status"]["phase"] == "Bound";
    let keep = |from: &Value, to: &mut Value, field: &str| {
        if let Some(map) = to.as_object_mut() {
            map.remove(field);
            map.extend(from.get(field).map(|value| (field.to_owned(), value.clone())));
        }
    };
    if text(&old["volumeName"]).is_empty() {
        keep(&new, &mut old, "volumeName");
    }
    if old["storageClassName"].is_null() && !new["storageClassName"].is_null() && of(live).is_null() {
        keep(&old, &mut new, "storageClassName");
    }
    let (before, after) =
        (old["resources"]["requests"]["storage"].clone(), new["resources"]["requests"]["storage"].clone());
    if bound {
        keep(&old, &mut new, "volumeAttributesClassName");
        if new["resources"]["requests"].is_object() {
            new["resources"]["requests"]["storage"] = before.clone();
        }
    }
    if old != new {
        let lines = |spec: &Value| structs::lines("core.PersistentVolumeClaimSpec", spec);
        let difference = diff::unified(&lines(&old), &lines(&new));
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        report.forbidden("spec", &format!("{why}\n{difference}"));
    }
    let zero = Quantity::parse("0");
    let size = |value: &Value| quantity(value).or(zero);
    let status = size(&live["status"]["capacity"]["storage"]);
    if size(&after) < size(&before) && size(&after) <= status {
        report.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
    }
    if live["spec"]["volumeMode"] != object["spec"]["volumeMode"] {
        report.invalid("volumeMode", &object["spec"]["volumeMode"], "field is immutable");
    }
    attributes_change(live, object, report);
}

fn attributes_change(live: &Value, object: &Value, report: &mut Report) {
    let field = "spec.volumeAttributesClassName";
    let of = |object: &Value| object["spec"]["volumeAttributesClassName"].clone();
    if of(live) == of(object) || live["status"]["currentVolumeAttributesClassName"].is_null() {
        return;
    }
    let when = "is forbidden when status.currentVolumeAttributesClassName is not nil";
    match of(object) {
        Value::Null => report.forbidden(field, &format!("update to nil {when}")),
        name if name == "" => report.forbidden(field, &format!("update to empty string {when}")),
        _ => {}
    }
}

/// What may not change in what CSI drivers register.
pub(super) fn registration_change(plural: &str, live: &Value, object: &Value, report: &mut Report) {
    let (old, new) = (&live["spec"], &object["spec"]);
    match plural {
        "volumeattachments" if old != new => {
            let spec = Place::new(new, "spec");
            report.wrong_struct(&spec, "storage.VolumeAttachmentSpec", "field is immutable");
        }
        "csidrivers" => {
            for (field, shown) in
                [("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")]
            {
                if old[field] != new[field] {
                    report.invalid(&format!("spec.{shown}"), &new[field], "field is immutable");
                }
            }
        }
        "csinodes" => {
            let bare = |driver: &Value| {
                let mut driver = driver.clone();
                if let Some(map) = driver.as_object_mut() {
                    map.remove("allocatable");
                }
                driver
            };
            for old in list(&old["drivers"]).iter().map(bare) {
                for new in
                    list(&new["drivers"]).iter().map(bare).filter(|new| new["name"] == old["name"] && *new != old)
                {
                    let place = Place::new(&new, "spec.drivers");
                    report.wrong_struct(&place, "storage.CSINodeDriver", "field is immutable");
                }
            }
        }
        "volumeattributesclasses" => {
            for field in ["driverName", "parameters"].iter().filter(|f| live[**f] != object[**f]) {
                report.forbidden(field, &format!("updates to {field} are forbidden."));
            }
        }
        _ => {}
    }
}
