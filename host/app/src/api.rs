//! The status API: what `/api/v1` answers, by INTERFACE's fields.

use std::time::Duration;

use motet_dispatch::{BindingSnapshot, BindingState};
use motet_fleet::MemberStatus;
use serde_json::{Value, json};

use crate::host::Host;

fn items(items: Vec<Value>) -> Value {
    json!({ "items": items })
}

/// `/api/v1/members`, one or all.
pub(crate) fn members(host: &Host, name: Option<&str>) -> Value {
    let bindings = host.dispatcher.bindings();
    let wanted = host.members().into_iter().filter(|m| name.is_none_or(|n| m.name.as_str() == n));
    items(wanted.map(|m| member(&m, &bindings)).collect())
}

fn member(member: &MemberStatus, bindings: &[BindingSnapshot]) -> Value {
    let mine: Vec<_> = bindings.iter().filter(|b| b.member == member.name).collect();
    let active = mine.iter().filter(|b| runs(b)).count();
    let caches: Vec<Value> = member
        .caches
        .iter()
        .map(|c| json!({ "kind": c.resource.to_string(), "scope": c.scope, "objects": c.objects, "bytes": c.bytes, "synced": c.synced }))
        .collect();
    json!({
        "name": member.name,
        "uid": member.uid,
        "state": member.state.word(),
        "since": member.since,
        "reason": member.reason,
        "message": member.message,
        "provider": member.provider,
        "labels": member.labels,
        "server": member.server,
        "version": member.version,
        "latencyMs": member.latency.map(millis),
        "objects": member.caches.iter().map(|c| c.objects).sum::<usize>(),
        "bytes": member.caches.iter().map(|c| c.bytes).sum::<usize>(),
        "plugins": { "active": active, "total": mine.len() },
        "caches": caches,
    })
}

fn millis(latency: Duration) -> f64 {
    (latency.as_secs_f64() * 1e5).round() / 100.0
}

fn runs(binding: &BindingSnapshot) -> bool {
    matches!(binding.status.state, BindingState::Active | BindingState::Observing)
}

/// `/api/v1/plugins`, one or all.
pub(crate) fn plugins(host: &Host, name: Option<&str>) -> Value {
    let bindings = host.dispatcher.bindings();
    let wanted = host.catalog.snapshot().into_iter().filter(|p| name.is_none_or(|n| p.name.as_str() == n));
    let plugin = |p: motet_catalog::PluginStatus| {
        let (watches, needs) = match &p.description {
            Some(d) => (json!({ "primary": d.primary, "related": d.related, "applies": d.applies }), json!(d.needs)),
            None => (Value::Null, json!([])),
        };
        json!({
            "name": p.name,
            "source": p.source,
            "state": p.state,
            "reason": p.reason,
            "message": p.message,
            "digest": p.digest,
            "size": p.size,
            "contract": p.contract,
            "version": p.description.as_ref().map(|d| &d.version),
            "mode": p.mode,
            "since": p.since,
            "members": Host::counts(&p, &bindings),
            "conditions": p.conditions,
            "revisions": p.revisions.iter().map(|good| json!({ "digest": good.digest, "from": good.origin.from, "signedBy": good.origin.signed_by, "since": good.since })).collect::<Vec<_>>(),
            "watches": watches,
            "needs": needs,
            "grants": p.grants,
        })
    };
    items(wanted.map(plugin).collect())
}

/// `/api/v1/bindings`, filtered.
pub(crate) fn bindings(host: &Host, plugin: Option<&str>, member: Option<&str>) -> Value {
    let wanted = host
        .dispatcher
        .bindings()
        .into_iter()
        .filter(|b| plugin.is_none_or(|p| b.plugin.as_str() == p) && member.is_none_or(|m| b.member.as_str() == m));
    let mut rows: Vec<Value> = wanted.map(|b| binding(&b)).collect();
    rows.sort_by_key(|row| (row["plugin"].to_string(), row["member"].to_string()));
    items(rows)
}

fn binding(binding: &BindingSnapshot) -> Value {
    let stats = binding.stats();
    json!({
        "plugin": binding.plugin,
        "member": binding.member,
        "state": binding.status.state,
        "reason": binding.status.reason,
        "message": binding.status.message,
        "since": binding.status.since,
        "digest": binding.digest,
        "reconciles": stats.reconciles(),
        "errors": stats.errors(),
        "failing": binding.last.failing,
        "lastError": binding.last.error,
        "lastReconcile": binding.last.time,
        "queued": binding.queued.ready + binding.queued.delayed,
        "intents": {
            "sent": stats.sent.get(),
            "suppressed": stats.suppressed.get(),
            "denied": stats.denied.get(),
            "observed": stats.observed.get(),
        },
    })
}

/// What `/api/v1/intents` is asked for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IntentsQuery {
    plugin: Option<String>,
    member: Option<String>,
    namespace: Option<String>,
    name: Option<String>,
}

/// `/api/v1/intents`: the last outcome of each key asked for.
pub(crate) fn intents(host: &Host, query: &IntentsQuery) -> Value {
    let is = |asked: &Option<String>, value: Option<&str>| asked.as_deref().is_none_or(|a| value == Some(a));
    let mut rows = Vec::new();
    for plugin in host.catalog.snapshot().iter().filter(|p| is(&query.plugin, Some(p.name.as_str()))) {
        let reports = host.dispatcher.reports(&plugin.name, |report| {
            let (namespace, name) = match &report.target {
                motet_core::Target::Member => (None, None),
                motet_core::Target::Object(o) => (o.namespace.as_deref(), Some(&*o.name)),
            };
            is(&query.member, Some(report.member.as_str())) && is(&query.namespace, namespace) && is(&query.name, name)
        });
        rows.extend(reports.into_iter().map(|report| {
            let intents: Vec<Value> = report
                .intents
                .iter()
                .map(|i| {
                    json!({ "object": i.object.to_string(), "verb": i.verb, "result": i.result, "code": i.code, "message": i.message, "diff": i.diff })
                })
                .collect();
            json!({ "plugin": plugin.name, "member": report.member, "key": report.target.to_string(), "time": report.time, "intents": intents })
        }));
    }
    items(rows)
}
