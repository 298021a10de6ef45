//! The volumes of a pod.

use serde_json::{Value, json};

use super::container::{descending, no_steps_back};
use super::{Place, Report, env, list, text};
use crate::names;
use crate::validate::storage;

const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";

/// Every kind of volume in the order in which they are looked at.
const KINDS: [&str; 29] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
];

/// What volumes of kinds with few rules have to have.
const NEEDS: [(&str, &[&str]); 13] = [
    ("gcePersistentDisk", &["pdName"]),
    ("awsElasticBlockStore", &["volumeID"]),
    ("glusterfs", &["endpoints", "path"]),
    ("persistentVolumeClaim", &["claimName"]),
    ("rbd", &["monitors", "image"]),
    ("cinder", &["volumeID"]),
    ("cephfs", &["monitors"]),
    ("flexVolume", &["driver"]),
    ("azureFile", &["secretName", "shareName"]),
    ("vsphereVolume", &["volumePath"]),
    ("photonPersistentDisk", &["pdID"]),
    ("portworxVolume", &["volumeID"]),
    ("scaleIO", &["gateway", "system", "volumeName"]),
];

/// Checks the volumes of the pod of a name; returns those that are right.
pub(super) fn check<'a>(volumes: &Place<'a>, pod: &str, alone: bool, report: &mut Report) -> Vec<(&'a str, &'a Value)> {
    let mut right: Vec<(&str, &Value)> = Vec::new();
    let made: Vec<String> = list(volumes.value)
        .iter()
        .filter(|v| !pod.is_empty() && !v["ephemeral"].is_null())
        .map(|v| format!("{pod}-{}", text(&v["name"])))
        .collect();
    for volume in volumes.each() {
        let (before, name) = (report.0.len(), volume.text("name"));
        source(&volume, pod, alone, report);
        report.need_form(&volume.of("name"), names::label);
        if right.iter().any(|(other, _)| *other == name) {
            report.duplicate(&volume.at("name"), &json!(name).to_string());
        }
        if report.0.len() == before {
            right.push((name, volume.value));
        }
        let claim = volume.of("persistentVolumeClaim").of("claimName");
        if made.iter().any(|made| made == text(claim.value)) {
            report.wrong(&claim, "must not reference a PVC that gets created for an ephemeral volume");
        }
    }
    right
}

fn source(volume: &Place<'_>, pod: &str, alone: bool, report: &mut Report) {
    let mut found = KINDS.iter().chain(&["image"]).filter(|kind| volume.has(kind));
    let Some(first) = found.next() else { return report.required(&volume.path, "must specify a volume type") };
    let source = volume.of(first);
    kind(first, &source, report);
    match *first {
        "ephemeral" if !pod.is_empty() && !volume.text("name").is_empty() => {
            let claim = format!("{pod}-{}", volume.text("name"));
            for why in names::subdomain(&claim) {
                report.wrong_text(&volume.of("name"), &format!("PVC name {claim:?}: {why}"));
            }
        }
        "image" => {
            if alone {
                report.need(&source.of("reference"));
            }
            report.need_word(&source.of("pullPolicy"), &["Always", "IfNotPresent", "Never"]);
        }
        _ => {}
    }
    for other in found {
        // The two misspelt ones are misspelt there.
        let shown = match *other {
            "downwardAPI" => "downwarAPI",
            "cephfs" => "cephFS",
            other => other,
        };
        report.forbidden(&volume.at(shown), "may not specify more than 1 volume type");
    }
}

/// What volumes of pods and PersistentVolumes of the same kind have to have.
pub(in crate::validate) fn needs(kind: &str, source: &Place<'_>, report: &mut Report) -> bool {
    let Some((_, fields)) = NEEDS.iter().find(|(known, _)| *known == kind) else { return false };
    for field in *fields {
        let value = &source.value[*field];
        let missing = match value {
            Value::Array(items) => items.is_empty(),
            other => text(other).is_empty(),
        };
        if missing {
            report.required(&source.at(field), "");
        }
    }
    true
}

fn kind(kind: &str, source: &Place<'_>, report: &mut Report) {
    match kind {
        "emptyDir" => {
            if super::super::quantity(&source.value["sizeLimit"]).is_some_and(crate::quantity::Quantity::is_negative) {
                report.forbidden(&source.at("sizeLimit"), "SizeLimit field must be a valid resource quantity");
            }
        }
        "hostPath" => host_path(source, report),
        "gitRepo" => {
            report.need(&source.of("repository"));
            descending(&source.at("directory"), &source.value["directory"], report);
        }
        "gcePersistentDisk" => {
            let disk = Place::new(source.value, source.path.replace("gcePersistentDisk", "persistentDisk"));
            needs(kind, &disk, report);
        }
        "secret" => files(source, "secretName", report),
        "configMap" => files(source, "name", report),
        "nfs" => nfs(source, report),
        "downwardAPI" => {
            mode(source, "defaultMode", report);
            source.each_of("items").iter().for_each(|file| downward(&Place::new(file.value, &*source.path), report));
        }
        "projected" => {
            mode(source, "defaultMode", report);
            projected(source, report);
        }
        "csi" => {
            storage::driver_name(&source.of("driver"), report);
            if source.has("nodePublishSecretRef") {
                let name = source.of("nodePublishSecretRef").of("name");
                if report.need(&name) {
                    report.form(&source.at("name"), name.value, names::subdomain);
                }
            }
        }
        "ephemeral" => {
            let template = source.of("volumeClaimTemplate");
            if template.value.is_null() {
                report.required(&template.path, "");
            } else {
                storage::claim_template(&template, report);
            }
        }
        other => drop(needs(other, source, report)),
    }
}

pub(in crate::validate) fn host_path(source: &Place<'_>, report: &mut Report) {
    if !report.need(&source.of("path")) {
        return;
    }
    no_steps_back(&source.at("path"), &source.value["path"], report);
    let known = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    report.word(&source.of("type"), &known);
}

pub(in crate::validate) fn nfs(source: &Place<'_>, report: &mut Report) {
    report.need(&source.of("server"));
    report.need(&source.of("path"));
    if !source.text("path").starts_with('/') {
        report.wrong_text(&source.of("path"), "must be an absolute path");
    }
}

fn mode(place: &Place<'_>, name: &str, report: &mut Report) {
    if place.number(name).is_some_and(|n| !(0..=0o777).contains(&n)) {
        report.wrong(&place.of(name), MODE);
    }
}

fn files(source: &Place<'_>, name: &str, report: &mut Report) {
    report.need(&source.of(name));
    mode(source, "defaultMode", report);
    source.each_of("items").iter().for_each(|item| key_to_path(item, report));
}

fn key_to_path(item: &Place<'_>, report: &mut Report) {
    report.need(&item.of("key"));
    report.need(&item.of("path"));
    local(&item.of("path"), report);
    mode(item, "mode", report);
}

/// A path below something that does not begin with two dots.
fn local(path: &Place<'_>, report: &mut Report) {
    descending(&path.path, path.value, report);
    let said = text(path.value);
    if said.starts_with("..") && !said.starts_with("../") {
        report.wrong(path, "must not start with '..'");
    }
}

fn downward(file: &Place<'_>, report: &mut Report) {
    report.need(&file.of("path"));
    local(&file.of("path"), report);
    if file.has("fieldRef") {
        env::in_volume(&file.of("fieldRef"), report);
        if file.has("resourceFieldRef") {
            let why = "fieldRef and resourceFieldRef can not be specified simultaneously";
            report.invalid(&file.path, &json!("resource"), why);
        }
    } else if file.has("resourceFieldRef") {
        env::resource(&file.of("resourceFieldRef"), true, report);
    } else {
        report.required(&file.path, "one of fieldRef and resourceFieldRef is required");
    }
    mode(file, "mode", report);
}

fn projected<'a>(volume: &Place<'a>, report: &mut Report) {
    let mut paths: Vec<&'a str> = Vec::new();
    let mut once = |path: &'a str, shown: &str, report: &mut Report| {
        if path.is_empty() {
            return;
        }
        if paths.contains(&path) {
            report.invalid(&volume.path, &json!(shown), "conflicting duplicate paths");
        }
        paths.push(path);
    };
    for source in volume.each_of("sources") {
        let kinds =
            ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];
        for kind in kinds.iter().filter(|kind| source.has(kind)) {
            let part = source.of(kind);
            match *kind {
                "secret" | "configMap" => {
                    report.need(&part.of("name"));
                    for item in part.each_of("items") {
                        key_to_path(&item, report);
                        once(item.text("path"), part.text("name"), report);
                    }
                }
                "downwardAPI" => {
                    for file in part.each_of("items") {
                        downward(&Place::new(file.value, &*part.path), report);
                        once(file.text("path"), file.text("path"), report);
                    }
                }
                "serviceAccountToken" => token(volume, &part, report),
                _ => local(&part.of("path"), report),
            }
        }
        if kinds.iter().filter(|kind| source.has(kind)).count() > 1 {
            report.forbidden(&source.path, "may not specify more than 1 volume type per source");
        }
    }
}

fn token(volume: &Place<'_>, part: &Place<'_>, report: &mut Report) {
    let seconds = part.number("expirationSeconds").unwrap_or(0);
    if seconds < 600 {
        report.invalid(
            &part.at("expirationSeconds"),
            &json!(seconds),
            "may not specify a duration less than 10 minutes",
        );
    }
    if seconds > 1 << 32 {
        let why = "may not specify a duration larger than 2^32 seconds";
        report.invalid(&part.at("expirationSeconds"), &json!(seconds), why);
    }
    let path = Place { value: &part.value["path"], path: volume.at("path") };
    if report.need(&path) {
        local(&path, report);
    }
}
