//! Probes and handlers of containers.

use serde_json::Value;

use super::{Place, Report, list};
use crate::names;

const LINUX: [&str; 33] = [
    "SIGABRT",
    "SIGALRM",
    "SIGBUS",
    "SIGCHLD",
    "SIGCLD",
    "SIGCONT",
    "SIGFPE",
    "SIGHUP",
    "SIGILL",
    "SIGINT",
    "SIGIO",
    "SIGIOT",
    "SIGKILL",
    "SIGPIPE",
    "SIGPOLL",
    "SIGPROF",
    "SIGPWR",
    "SIGQUIT",
    "SIGRTMAX",
    "SIGRTMIN",
    "SIGSEGV",
    "SIGSTKFLT",
    "SIGSTOP",
    "SIGSYS",
    "SIGTERM",
    "SIGTRAP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGUSR1",
    "SIGUSR2",
    "SIGVTALRM",
];

/// Checks the probes and handlers of a container that runs on.
pub(super) fn all(spec: &Value, container: &Place<'_>, report: &mut Report) {
    let grace = spec["terminationGracePeriodSeconds"].as_i64();
    let lifecycle = container.of("lifecycle");
    for moment in ["postStart", "preStop"].iter().filter(|m| lifecycle.has(m)) {
        handler(&lifecycle.of(moment), grace, &["exec", "httpGet", "tcpSocket", "sleep"], report);
    }
    if lifecycle.has("stopSignal") {
        signal(spec, &lifecycle.of("stopSignal"), report);
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"].into_iter().filter(|name| container.has(name)) {
        let probe = container.of(name);
        check(&probe, report);
        let own = probe.of("terminationGracePeriodSeconds");
        if name == "readinessProbe" {
            if !own.value.is_null() {
                report.wrong(&own, "must not be set for readinessProbes");
            }
        } else if probe.number("successThreshold") != Some(1) {
            report.wrong(&probe.of("successThreshold"), "must be 1");
        }
    }
}

fn check(probe: &Place<'_>, report: &mut Report) {
    handler(probe, None, &["exec", "httpGet", "tcpSocket", "grpc"], report);
    let counts = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
    report.wholes(probe, &counts);
    if probe.number("terminationGracePeriodSeconds").is_some_and(|n| n <= 0) {
        report.wrong(&probe.of("terminationGracePeriodSeconds"), "must be greater than 0");
    }
}

fn handler(place: &Place<'_>, grace: Option<i64>, kinds: &[&str], report: &mut Report) {
    let mut found = kinds.iter().filter(|kind| place.has(kind));
    let Some(first) = found.next() else { return report.required(&place.path, "must specify a handler type") };
    let action = place.of(first);
    match *first {
        "exec" if list(&action.value["command"]).is_empty() => report.required(&action.at("command"), ""),
        "exec" => {}
        "httpGet" => {
            report.need(&action.of("path"));
            report.port_or_name(&action.of("port"));
            report.any_of(&action.of("scheme"), &["HTTP", "HTTPS"]);
            for header in action.each_of("httpHeaders") {
                report.form(&action.at("httpHeaders"), &header.value["name"], names::header);
            }
        }
        "sleep" => {
            let seconds = action.number("seconds").unwrap_or(0);
            if let Some(grace) = grace.filter(|grace| seconds < 0 || seconds > *grace) {
                let why = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
                report.invalid(&action.path, &seconds.into(), &why);
            }
        }
        _ => report.port_or_name(&action.of("port")),
    }
    found.for_each(|other| report.forbidden(&place.at(other), "may not specify more than 1 handler type"));
}

fn signal(spec: &Value, signal: &Place<'_>, report: &mut Report) {
    match spec["os"]["name"].as_str() {
        None => report.forbidden(&signal.path, "may not be set for containers with empty `spec.os.name`"),
        Some("windows") => report.any_of(signal, &["SIGKILL", "SIGTERM"]),
        Some(_) => {
            let said = signal.value.as_str().unwrap_or_default();
            let real_time = said.starts_with("SIGRTMIN+") || said.starts_with("SIGRTMAX-");
            if !real_time && !LINUX.contains(&said) {
                report.unsupported(&signal.path, &signal.value.to_string(), &signals());
            }
        }
    }
}

/// All signals of Linux in the order of their names.
fn signals() -> Vec<&'static str> {
    static REAL_TIME: [&str; 29] = [
        "SIGRTMAX-1",
        "SIGRTMAX-10",
        "SIGRTMAX-11",
        "SIGRTMAX-12",
        "SIGRTMAX-13",
        "SIGRTMAX-14",
        "SIGRTMAX-2",
        "SIGRTMAX-3",
        "SIGRTMAX-4",
        "SIGRTMAX-5",
        "SIGRTMAX-6",
        "SIGRTMAX-7",
        "SIGRTMAX-8",
        "SIGRTMAX-9",
        "SIGRTMIN+1",
        "SIGRTMIN+10",
        "SIGRTMIN+11",
        "SIGRTMIN+12",
        "SIGRTMIN+13",
        "SIGRTMIN+14",
        "SIGRTMIN+15",
        "SIGRTMIN+2",
        "SIGRTMIN+3",
        "SIGRTMIN+4",
        "SIGRTMIN+5",
        "SIGRTMIN+6",
        "SIGRTMIN+7",
        "SIGRTMIN+8",
        "SIGRTMIN+9",
    ];
    let mut all: Vec<&str> = LINUX.iter().chain(&REAL_TIME).copied().collect();
    all.sort_unstable();
    all
}
