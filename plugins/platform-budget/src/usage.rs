//! What pods ask for, as the scheduler counts it, summed per node.

use std::{collections::BTreeMap, ops::AddAssign};

use motet_sdk::prelude::*;

use crate::quantity::thousandths;

/// Millicores and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) cpu: u64,
    pub(crate) memory: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.memory = self.memory.saturating_add(other.memory);
    }
}

impl Amount {
    fn plus(mut self, other: Self) -> Self {
        self += other;
        self
    }

    fn max(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory) }
    }
}

/// `cpu` and `memory` of a list of resources; what cannot be read counts nothing, for the API server admits no such thing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resources {
    cpu: Option<String>,
    memory: Option<String>,
}

impl Resources {
    pub(crate) fn amount(&self) -> Amount {
        let read = |text: &Option<String>| text.as_deref().and_then(thousandths).unwrap_or(0);
        let narrow = |n: u128| u64::try_from(n).unwrap_or(u64::MAX);
        Amount { cpu: narrow(read(&self.cpu)), memory: narrow(read(&self.memory).div_ceil(1000)) }
    }
}

/// A pod as the projection shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pod {
    metadata: Metadata,
    spec: PodSpec,
    status: Phase,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PodSpec {
    node_name: Option<String>,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    resources: Requests,
    overhead: Option<Resources>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Phase {
    phase: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    restart_policy: Option<String>,
    resources: Requests,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Requests {
    requests: Resources,
}

impl Pod {
    /// The namespace it is in.
    pub(crate) fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The node whose resources it takes; none before it is scheduled and after it has ended.
    pub(crate) fn node(&self) -> Option<&str> {
        let ended = matches!(self.status.phase.as_str(), "Succeeded" | "Failed");
        self.spec.node_name.as_deref().filter(|n| !ended && !n.is_empty())
    }

    /// What the scheduler sets aside for it: its containers with its sidecars, or what starting them takes at its highest, or
    /// what the pod asks for as a whole; plus the overhead of its runtime.
    pub(crate) fn requests(&self) -> Amount {
        let (mut sidecars, mut starting) = (Amount::default(), Amount::default());
        for container in &self.spec.init_containers {
            let own = container.resources.requests.amount();
            if container.restart_policy.as_deref() == Some("Always") {
                sidecars += own;
                starting = starting.max(sidecars);
            } else {
                starting = starting.max(sidecars.plus(own));
            }
        }
        let running = self.spec.containers.iter().fold(sidecars, |sum, c| sum.plus(c.resources.requests.amount()));
        let (of_containers, of_pod) = (running.max(starting), &self.spec.resources.requests);
        let asked = of_pod.amount();
        let sum = Amount {
            cpu: if of_pod.cpu.is_some() { asked.cpu } else { of_containers.cpu },
            memory: if of_pod.memory.is_some() { asked.memory } else { of_containers.memory },
        };
        sum.plus(self.spec.overhead.as_ref().map(Resources::amount).unwrap_or_default())
    }
}

/// A node as the projection shows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    pub(crate) metadata: Metadata,
    status: Allocatable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Allocatable {
    allocatable: Resources,
}

impl Node {
    /// What pods may ask for.
    pub(crate) fn allocatable(&self) -> Amount {
        self.status.allocatable.amount()
    }
}

/// What the platform takes of what there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) requested: Amount,
    pub(crate) allocatable: Amount,
}

impl Share {
    /// Per cent of CPU and of memory, in whole numbers rounded up; 100 where something is asked of nothing.
    pub(crate) fn percent(&self) -> (u64, u64) {
        let of = |part: u64, whole: u64| match (part, whole) {
            (0, _) => 0,
            (_, 0) => 100,
            (part, whole) => part.saturating_mul(100).div_ceil(whole),
        };
        (of(self.requested.cpu, self.allocatable.cpu), of(self.requested.memory, self.allocatable.memory))
    }
}

/// Shares by node. Pods on nodes that are not there count for nothing: they are about to go.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    pub(crate) nodes: BTreeMap<String, Share>,
}

impl Usage {
    pub(crate) fn add_node(&mut self, node: Node) {
        let allocatable = node.allocatable();
        self.nodes.entry(node.metadata.name).or_default().allocatable = allocatable;
    }

    pub(crate) fn add_pod(&mut self, pod: &Pod) {
        if let Some(share) = pod.node().and_then(|name| self.nodes.get_mut(name)) {
            share.requested += pod.requests();
        }
    }

    /// All nodes together.
    pub(crate) fn total(&self) -> Share {
        self.nodes.values().fold(Share::default(), |mut sum, share| {
            sum.requested += share.requested;
            sum.allocatable += share.allocatable;
            sum
        })
    }
}
