//! Security contexts, and what a pod's operating system forbids.

use serde_json::Value;

use super::{Place, Report, list, text};

const ID: &str = "must be between 0 and 2147483647, inclusive";

fn id(place: &Place<'_>, report: &mut Report) {
    if place.value.as_i64().is_some_and(|n| !(0..=i64::from(i32::MAX)).contains(&n)) {
        report.wrong(place, ID);
    }
}

/// The security context of a pod.
pub(super) fn of_pod(spec: &Place<'_>, report: &mut Report) {
    let context = spec.of("securityContext");
    ["fsGroup", "runAsUser", "runAsGroup"].iter().for_each(|name| id(&context.of(name), report));
    context.each_of("supplementalGroups").iter().for_each(|group| id(group, report));
    if spec.value["shareProcessNamespace"] == true && spec.value["hostPID"] == true {
        let why = "ShareProcessNamespace and HostPID cannot both be enabled";
        report.invalid(&context.at("shareProcessNamespace"), &Value::Bool(true), why);
    }
    sysctls(spec, &context.of("sysctls"), report);
    report.word(&context.of("fsGroupChangePolicy"), &["Always", "OnRootMismatch"]);
    seccomp(&context.of("seccompProfile"), report);
    app_armor(&context.of("appArmorProfile"), report);
    report.word(&context.of("supplementalGroupsPolicy"), &["Merge", "Strict"]);
    report.word(&context.of("seLinuxChangePolicy"), &["MountOption", "Recursive"]);
}

fn sysctls(spec: &Place<'_>, all: &Place<'_>, report: &mut Report) {
    const FORM: &str = "^[a-z0-9]([-_a-z0-9]*[a-z0-9])?([\\./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*$";
    let part = |part: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        edge(part.chars().next()) && edge(part.chars().last()) && part.chars().all(inner)
    };
    let mut seen = Vec::new();
    for name in all.each().map(|s| s.of("name")) {
        let said = text(name.value);
        if said.is_empty() {
            report.required(&name.path, "");
        } else if said.len() > 253 || !said.split(['.', '/']).all(part) {
            report.wrong(&name, &format!("must have at most 253 characters and match regex {FORM}"));
        } else if seen.contains(&said) {
            report.duplicate(&name.path, &name.value.to_string());
        }
        seen.push(said);
        let dotted = said.replace('/', ".");
        let shared = ["kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue."].iter().any(|p| dotted.starts_with(p));
        if spec.value["hostNetwork"] == true && dotted.starts_with("net.") {
            report.wrong(&name, "may not be specified when 'hostNetwork' is true");
        } else if spec.value["hostIPC"] == true && shared {
            report.wrong(&name, "may not be specified when 'hostIPC' is true");
        }
    }
}

fn seccomp(profile: &Place<'_>, report: &mut Report) {
    if profile.value.is_null() {
        return;
    }
    let (kind, local) = (profile.of("type"), profile.of("localhostProfile"));
    let why = "type is required when seccompProfile is set";
    report.some_of(&kind.path, kind.value, why, &["Localhost", "RuntimeDefault", "Unconfined"]);
    if text(kind.value) == "Localhost" {
        if local.value.is_null() {
            report.required(&local.path, "must be set when seccomp type is Localhost");
        } else {
            super::container::descending(&local.path, local.value, report);
        }
    } else if !local.value.is_null() {
        report.wrong(&local, "can only be set when seccomp type is Localhost");
    }
}

fn app_armor(profile: &Place<'_>, report: &mut Report) {
    if profile.value.is_null() {
        return;
    }
    let (kind, local) = (profile.of("type"), profile.of("localhostProfile"));
    match text(kind.value) {
        "Localhost" => {
            let said = text(local.value);
            if !local.value.is_null() && said.trim() != said {
                report.wrong(&local, "must not be padded with whitespace");
            } else if said.is_empty() {
                report.required(&local.path, "must be set when AppArmor type is Localhost");
            }
            if said.len() > 4095 {
                report.too_long(&local.path, 4095);
            }
        }
        "RuntimeDefault" | "Unconfined" => {
            if !local.value.is_null() {
                report.wrong(&local, "can only be set when AppArmor type is Localhost");
            }
        }
        "" => report.required(&kind.path, "type is required when appArmorProfile is set"),
        _ => report.word(&kind, &["Localhost", "RuntimeDefault", "Unconfined"]),
    }
}

/// The security context of a container.
pub(super) fn of_container(spec: &Value, context: &Place<'_>, report: &mut Report) {
    if context.value.is_null() {
        return;
    }
    ["runAsUser", "runAsGroup"].iter().for_each(|name| id(&context.of(name), report));
    let mount = context.of("procMount");
    report.word(&mount, &["Default", "Unmasked"]);
    if text(mount.value) == "Unmasked" && spec["hostUsers"] != false {
        report.wrong(&mount, "`hostUsers` must be false to use `Unmasked`");
    }
    seccomp(&context.of("seccompProfile"), report);
    if context.value["allowPrivilegeEscalation"] == false {
        let mut wrong = |why: &str| report.wrong_struct(context, "core.SecurityContext", why);
        if context.value["privileged"] == true {
            wrong("cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
        }
        for _ in list(&context.value["capabilities"]["add"]).iter().filter(|c| *c == "CAP_SYS_ADMIN") {
            wrong("cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
        }
    }
    app_armor(&context.of("appArmorProfile"), report);
}

/// What a pod may not say if it names its operating system.
pub(super) fn by_system(spec: &Place<'_>, report: &mut Report) {
    let system = spec.of("os");
    if system.value.is_null() {
        return;
    }
    match system.text("name") {
        "" => report.required(&system.at("name"), ""),
        "linux" => linux(spec, report),
        "windows" => windows(spec, report),
        other => report.unsupported(&system.path, &Value::from(other).to_string(), &["linux", "windows"]),
    }
}

fn linux(spec: &Place<'_>, report: &mut Report) {
    let contexts = super::containers(spec).iter().map(|c| c.of("securityContext")).collect::<Vec<_>>();
    for context in std::iter::once(spec.of("securityContext")).chain(contexts).filter(|c| c.has("windowsOptions")) {
        report.forbidden(&context.at("windowsOptions"), "windows options cannot be set for a linux pod");
    }
}

fn windows(spec: &Place<'_>, report: &mut Report) {
    let why = "cannot be set for a windows pod";
    let context = spec.of("securityContext");
    let names = [
        "appArmorProfile",
        "seLinuxOptions",
        "hostUsers",
        "hostPID",
        "hostIPC",
        "seccompProfile",
        "fsGroup",
        "fsGroupChangePolicy",
        "sysctls",
        "shareProcessNamespace",
        "runAsUser",
        "runAsGroup",
        "supplementalGroups",
        "supplementalGroupsPolicy",
    ];
    for name in names {
        let of_spec = name.starts_with("host") || name == "shareProcessNamespace";
        let place = if of_spec { spec } else { &context };
        if place.has(name) && place.value[name] != false {
            report.forbidden(&place.at(name), why);
        }
    }
    let of_containers = [
        "appArmorProfile",
        "seLinuxOptions",
        "seccompProfile",
        "capabilities",
        "readOnlyRootFilesystem",
        "privileged",
        "allowPrivilegeEscalation",
        "procMount",
        "runAsUser",
        "runAsGroup",
    ];
    for context in super::containers(spec).iter().map(|c| c.of("securityContext")) {
        for name in of_containers.iter().filter(|name| context.has(name)) {
            report.forbidden(&context.at(name), why);
        }
    }
}
