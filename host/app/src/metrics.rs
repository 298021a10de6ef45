//! What `/metrics` says, by INTERFACE's names.

use motet_catalog::PluginState;
use motet_dispatch::{BindingState, RESULTS};
use motet_fleet::{MemberState, MemberStatus};

use crate::{exposition::Exposition, host::Host};

const PLUGIN_STATES: [PluginState; 4] =
    [PluginState::Loading, PluginState::Active, PluginState::Rejected, PluginState::Suspended];
const BINDING_STATES: [BindingState; 6] = [
    BindingState::Parked,
    BindingState::Syncing,
    BindingState::Active,
    BindingState::Observing,
    BindingState::Draining,
    BindingState::Quarantined,
];

/// The text of one scrape.
pub(crate) fn text(host: &Host) -> Result<String, prometheus::Error> {
    let mut out = Exposition::default();
    let per_member = host.metrics_per_member;
    for member in host.members() {
        if per_member {
            of_member(&mut out, &member);
        }
        caches(&mut out, &member, per_member);
    }
    bindings(&mut out, host, per_member);
    plugins(&mut out, host);
    states(&mut out, host);
    hub(&mut out, host);
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let tasks = runtime.metrics().num_alive_tasks();
        out.gauge("motet_tasks", "Tasks of the async runtime that have not ended.", &[], tasks as f64);
    }
    out.text()
}

fn of_member(out: &mut Exposition, member: &MemberStatus) {
    let name = member.name.as_str();
    for state in MemberState::ALL {
        let value = f64::from(u8::from(member.state == state));
        let labels = [("member", name), ("state", state.word())];
        out.gauge("motet_member_state", "1 for the state that the member is in.", &labels, value);
    }
    out.histogram("motet_member_probe_seconds", "Health probes of the member.", &[("member", name)], &member.probes);
    for (reason, count) in &member.reconnects {
        let labels = [("member", name), ("reason", reason.as_str())];
        out.counter("motet_member_reconnects_total", "Times the member was connected anew.", &labels, *count as f64);
    }
}

/// The label `member`, empty (and so the same for all) where series per member are switched off.
fn shown(member: &str, per_member: bool) -> &str {
    if per_member { member } else { "" }
}

fn caches(out: &mut Exposition, member: &MemberStatus, per_member: bool) {
    let name = shown(member.name.as_str(), per_member);
    let mut kinds: std::collections::BTreeMap<String, (usize, usize)> = Default::default();
    for cache in &member.caches {
        let kind = cache.resource.to_string();
        let sum = kinds.entry(kind.clone()).or_default();
        sum.0 += cache.objects;
        sum.1 += cache.bytes;
        for (reason, count) in &cache.restarts {
            let labels = [("member", name), ("kind", kind.as_str()), ("reason", *reason)];
            out.counter("motet_watch_restarts_total", "Times a watch was restarted.", &labels, *count as f64);
        }
    }
    if !per_member {
        return;
    }
    for (kind, (objects, bytes)) in &kinds {
        let labels = [("member", name), ("kind", kind.as_str())];
        out.gauge("motet_cache_objects", "Objects in the caches of a kind.", &labels, *objects as f64);
        out.gauge("motet_cache_bytes", "Bytes that they take.", &labels, *bytes as f64);
    }
}

fn bindings(out: &mut Exposition, host: &Host, per_member: bool) {
    for binding in host.dispatcher.bindings() {
        let (plugin, member) = (binding.plugin.as_str(), shown(binding.member.as_str(), per_member));
        let stats = binding.stats();
        for (result, count) in RESULTS.iter().zip(&stats.results) {
            let labels = [("plugin", plugin), ("member", member), ("result", *result)];
            out.counter("motet_reconcile_total", "Reconciles by result.", &labels, count.get() as f64);
        }
        let labels = [("plugin", plugin), ("member", member)];
        out.counter(
            "motet_writes_suppressed_total",
            "Intents that were true already.",
            &labels,
            stats.suppressed.get() as f64,
        );
        out.counter("motet_intents_denied_total", "Intents without a grant.", &labels, stats.denied.get() as f64);
        for ((verb, code), count) in stats.writes.lock().iter() {
            let code = code.to_string();
            let labels = [("plugin", plugin), ("member", member), ("verb", *verb), ("code", code.as_str())];
            out.counter(
                "motet_writes_total",
                "Writes sent to members; code 0 where no answer came.",
                &labels,
                *count as f64,
            );
        }
    }
}

fn plugins(out: &mut Exposition, host: &Host) {
    let depths = host.dispatcher.queue().depth_by_plugin();
    for (plugin, stats) in host.dispatcher.plugin_stats() {
        let labels = [("plugin", plugin.as_str())];
        let depth = depths.get(&plugin).map_or(0, |d| d.ready + d.delayed);
        out.gauge("motet_queue_depth", "Keys that wait.", &labels, depth as f64);
        for (name, help, histogram) in [
            ("motet_reconcile_duration_seconds", "Sandbox and writes of a reconcile.", &stats.reconcile_seconds),
            ("motet_queue_wait_seconds", "Ready until taken by a worker.", &stats.queue_wait_seconds),
            ("motet_work_latency_seconds", "Event seen until outcome written.", &stats.work_latency_seconds),
            ("motet_sandbox_seconds", "Inside the sandbox.", &stats.sandbox_seconds),
        ] {
            out.histogram(name, help, &labels, histogram);
        }
        let stale = stats.stale_reads.get() as f64;
        out.counter(
            "motet_stale_reads_total",
            "Reconciles that ran before caches showed the key's own writes.",
            &labels,
            stale,
        );
        for (class, count) in stats.kills.lock().iter() {
            let labels = [("plugin", plugin.as_str()), ("class", *class)];
            out.counter("motet_sandbox_traps_total", "Reconciles that the host ended.", &labels, *count as f64);
        }
        for (manager, count) in stats.conflicts.lock().iter() {
            let labels = [("plugin", plugin.as_str()), ("manager", manager.as_str())];
            out.counter(
                "motet_conflicts_total",
                "Applies that conflicted with another manager.",
                &labels,
                *count as f64,
            );
        }
    }
    for plugin in host.catalog.snapshot() {
        let name = plugin.name.as_str();
        let digest = plugin.digest.map(|d| d.to_string()).unwrap_or_default();
        let version = plugin.description.as_ref().map_or("", |d| &d.version);
        let labels = [("plugin", name), ("digest", &*digest), ("contract", &plugin.contract), ("version", version)];
        out.gauge("motet_plugin_info", "What runs.", &labels, 1.0);
        for (phase, seconds) in ["compile", "describe"].into_iter().zip(plugin.load_seconds) {
            out.gauge(
                "motet_plugin_load_seconds",
                "Time of the last load.",
                &[("plugin", name), ("phase", phase)],
                seconds,
            );
        }
    }
}

/// What plugins and their bindings are, in every state that they could be in: an alert finds a series before it is needed.
fn states(out: &mut Exposition, host: &Host) {
    let bindings = host.dispatcher.bindings();
    for plugin in host.catalog.snapshot() {
        let name = plugin.name.as_str();
        for state in PLUGIN_STATES {
            let labels = [("plugin", name), ("state", &*format!("{state:?}"))];
            let value = f64::from(u8::from(plugin.state == state));
            out.gauge("motet_plugin_state", "1 for the state that the plugin is in.", &labels, value);
        }
        for state in BINDING_STATES {
            let count = bindings.iter().filter(|b| b.plugin == plugin.name && b.status.state == state).count();
            let labels = [("plugin", name), ("state", &*format!("{state:?}"))];
            out.gauge("motet_bindings", "Members that the plugin is bound to, by state.", &labels, count as f64);
        }
    }
}

fn hub(out: &mut Exposition, host: &Host) {
    for ((verb, code), count) in host.hub.iter().flat_map(|hub| hub.writes()) {
        let labels = [("verb", verb), ("code", &*code.to_string())];
        let help = "Writes sent to the hub; code 0 where no answer came.";
        out.counter("motet_hub_writes_total", help, &labels, count as f64);
    }
}
