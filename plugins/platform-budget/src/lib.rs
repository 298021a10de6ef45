//! How much of a member's CPU and memory the platform itself asks for, per node and in all, kept in the `PlatformBudget` named
//! `budget`, with a warning when it is more than agreed.

mod quantity;
mod usage;

use motet_sdk::prelude::*;
use usage::{Node, Pod, Share, Usage};

const KIND: &str = "apps.motet.dev/v1/PlatformBudget";
const NAME: &str = "budget";
/// Nodes named in a message; the status has them all.
const NAMED: usize = 5;

/// What counts as platform, and how much of it is agreed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Namespaces whose pods are the platform's; `*` at the end of one stands for anything.
    namespaces: Vec<String>,
    /// Per cent of allocatable CPU and memory, of each node and in all, that the platform may ask for.
    limit_percent: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { namespaces: vec!["kube-system".into(), "platform-*".into()], limit_percent: 25 }
    }
}

impl Config {
    fn is_platform(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => namespace.starts_with(prefix),
            None => namespace == pattern,
        })
    }

    fn is_over(&self, share: &Share) -> bool {
        let (cpu, memory) = share.percent();
        cpu.max(memory) > self.limit_percent
    }
}

/// The budget as it is now: its condition keeps its time, and the Event is sent once per crossing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Budget {
    status: Known,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Known {
    conditions: Vec<Condition>,
}

#[motet_sdk::plugin(
    member,
    watch("v1/Pod", map = member, projection = [
        "/spec/nodeName",
        "/spec/containers/*/resources/requests",
        "/spec/initContainers/*/resources/requests",
        "/spec/initContainers/*/restartPolicy",
        "/spec/resources/requests",
        "/spec/overhead",
        "/status/phase",
    ]),
    watch("v1/Node", map = member, projection = ["/status/allocatable/cpu", "/status/allocatable/memory"]),
    watch("apps.motet.dev/v1/PlatformBudget", map = none, projection = ["/status/conditions"]),
    applies("apps.motet.dev/v1/PlatformBudget", status),
    events,
)]
fn reconcile(ctx: &Context<Config>) -> Result<Outcome> {
    let config = ctx.config();
    let mut usage = Usage::default();
    ctx.for_each::<Node>(&Query::new("v1/Node"), |node| usage.add_node(node))?;
    ctx.for_each::<Pod>(&Query::new("v1/Pod"), |pod| {
        if config.is_platform(pod.namespace()) {
            usage.add_pod(&pod);
        }
    })?;
    let before = ctx.get::<Budget>((KIND, NAME))?.unwrap_or_default().status.conditions;
    let verdict = Verdict::of(config, &usage);
    let mut conditions = Conditions::from(&before, None);
    let reason = if verdict.within { "WithinLimit" } else { "LimitExceeded" };
    conditions.set("WithinBudget", Some(verdict.within), reason, &verdict.message);
    let budget = json!({ "apiVersion": "apps.motet.dev/v1", "kind": "PlatformBudget", "metadata": { "name": NAME } });
    let mut with_status = budget.clone();
    with_status["status"] = status(config, &usage, conditions.list());
    let mut outcome = Outcome::new().apply(&budget).status(&with_status);
    let warned = before.iter().any(|c| c.kind == "WithinBudget" && c.status == "False")
        && !ctx.previous().iter().any(|refused| refused.verb == "event");
    if !verdict.within && !warned {
        outcome = outcome.warning(ObjectRef::cluster(KIND, NAME), "PlatformOverBudget", verdict.message);
    }
    Ok(outcome)
}

/// Whether the platform keeps to its limit, and what there is to say about it.
struct Verdict {
    within: bool,
    message: String,
}

impl Verdict {
    fn of(config: &Config, usage: &Usage) -> Self {
        let total = usage.total();
        let over: Vec<&str> = usage.nodes.iter().filter(|(_, s)| config.is_over(s)).map(|(n, _)| n.as_str()).collect();
        let (cpu, memory) = total.percent();
        let mut message = format!(
            "the platform asks for {cpu} % of CPU and {memory} % of memory; the limit is {} %",
            config.limit_percent
        );
        if !over.is_empty() {
            let more = over.len().saturating_sub(NAMED);
            let names = over[..over.len().min(NAMED)].join(", ");
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            message.push_str(&format!("; over it on {names}{rest}"));
        }
        Self { within: over.is_empty() && !config.is_over(&total), message }
    }
}

fn status(config: &Config, usage: &Usage, conditions: &[Condition]) -> Value {
    let nodes: Vec<Value> = usage
        .nodes
        .iter()
        .map(|(name, node)| {
            let mut entry = share(node);
            entry["name"] = json!(name);
            entry["withinLimit"] = json!(!config.is_over(node));
            entry
        })
        .collect();
    json!({
        "limitPercent": config.limit_percent,
        "namespaces": config.namespaces,
        "total": share(&usage.total()),
        "nodes": nodes,
        "conditions": conditions,
    })
}

fn share(share: &Share) -> Value {
    let (cpu, memory) = share.percent();
    json!({
        "cpuPercent": cpu,
        "memoryPercent": memory,
        "requestedMilliCpu": share.requested.cpu,
        "requestedMemoryBytes": share.requested.memory,
        "allocatableMilliCpu": share.allocatable.cpu,
        "allocatableMemoryBytes": share.allocatable.memory,
    })
}

#[cfg(test)]
mod tests;
