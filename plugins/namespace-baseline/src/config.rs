//! What an operator may change about the baseline.

use std::collections::BTreeMap;

use motet_sdk::prelude::*;

/// The baseline of one member's namespaces.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Deny traffic from outside the namespace's own policies.
    pub(crate) deny_ingress: bool,
    /// Deny traffic to anywhere, too.
    pub(crate) deny_egress: bool,
    /// `spec.hard` of the ResourceQuota.
    pub(crate) quota: BTreeMap<String, String>,
    /// What a container gets that says nothing itself.
    pub(crate) container: Container,
}

/// Defaults of the LimitRange.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(crate) struct Container {
    /// Default limits.
    pub(crate) limits: BTreeMap<String, String>,
    /// Default requests.
    pub(crate) requests: BTreeMap<String, String>,
}

fn quantities(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deny_ingress: true,
            deny_egress: false,
            quota: quantities(&[("pods", "20"), ("requests.cpu", "4"), ("requests.memory", "8Gi")]),
            container: Container::default(),
        }
    }
}

impl Default for Container {
    fn default() -> Self {
        Self {
            limits: quantities(&[("cpu", "500m"), ("memory", "512Mi")]),
            requests: quantities(&[("cpu", "100m"), ("memory", "128Mi")]),
        }
    }
}

impl Config {
    /// The directions that the NetworkPolicy closes.
    pub(crate) fn policy_types(&self) -> Vec<&'static str> {
        [(self.deny_ingress, "Ingress"), (self.deny_egress, "Egress")]
            .into_iter()
            .filter_map(|(on, t)| on.then_some(t))
            .collect()
    }
}
