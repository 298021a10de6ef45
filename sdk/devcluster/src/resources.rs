//! Owns what a cluster serves: the built-in resources, shared by all clusters, and the form that custom ones take too.

use std::sync::{Arc, LazyLock};

use serde_json::Value;

use crate::error::Named;
use crate::schema::builtin::{BUILTIN, Row, Sub};
use crate::schema::validator::Validator;
use crate::schema::{Schema, Type};

/// One resource in all its versions.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) plural: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) singular: String,
    pub(crate) namespaced: bool,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) versions: Vec<Version>,
    /// Where its objects lie: `plural.group`. The two Event resources share one.
    pub(crate) shelf: Arc<str>,
    /// From a CustomResourceDefinition.
    pub(crate) custom: bool,
    /// What a kube-apiserver offers below an object; custom resources say it by version.
    pub(crate) subs: &'static [Sub],
    /// What can be done with objects of this kind, as discovery says it.
    pub(crate) verbs: Vec<&'static str>,
    /// What discovery calls the version that objects are stored in; empty where nothing is stored.
    pub(crate) hash: String,
    pub(crate) status: StatusReset,
    /// What objects of this kind have besides metadata.name and metadata.namespace to select by.
    pub(crate) selectable: Vec<String>,
    /// The version that objects are stored in, where only a webhook could make another of it.
    pub(crate) unconverted: Option<String>,
}

/// Whether objects have a generation, and what raises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusReset {
    /// No generation.
    None,
    /// Raised when anything but metadata and status changes.
    Generation,
}

/// One served version of a resource.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) schema: Arc<Schema>,
    pub(crate) root: usize,
    pub(crate) status: bool,
    pub(crate) scale: Option<Scale>,
    /// Printer columns of a CustomResourceDefinition, as it lists them.
    pub(crate) columns: Vec<Value>,
    /// The schema's constraints; none for built-in kinds.
    pub(crate) validator: Option<Arc<Validator>>,
    /// The schema as its author wrote it, for OpenAPI; null for built-in kinds.
    pub(crate) source: Value,
    /// What everybody is told who uses it.
    pub(crate) warning: Option<String>,
}

/// Where the scale subresource reads and writes, as paths of field names.
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) spec: Vec<String>,
    pub(crate) status: Vec<String>,
    pub(crate) selector: Option<Vec<String>>,
}

impl Version {
    /// The type of the kind in this version.
    pub(crate) fn ty(&self) -> Type<'_> {
        Type { schema: &self.schema, id: self.root }
    }
}

impl Resource {
    /// The version of that name, if it is served.
    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == name)
    }

    /// `group/version`, or the version alone in the core group.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// How errors name an object of it.
    pub(crate) fn named<'a>(&'a self, name: &'a str) -> Named<'a> {
        Named { group: &self.group, plural: &self.plural, name }
    }

    /// True if objects of this kind are only asked about, never kept: reviews and bindings.
    pub(crate) fn is_virtual(&self) -> bool {
        !self.verbs.contains(&"update")
    }

    /// True for events.k8s.io, whose objects are stored as core Events.
    pub(crate) fn renames_events(&self) -> bool {
        self.group == "events.k8s.io"
    }
}

/// The built-in resources in the order discovery lists them.
pub(crate) static BUILTINS: LazyLock<Vec<Arc<Resource>>> = LazyLock::new(|| {
    let mut all: Vec<Resource> = Vec::new();
    for row in &BUILTIN.rows {
        match all.iter_mut().find(|known| known.group == row.group && known.plural == row.plural) {
            Some(known) => known.versions.push(version(row)),
            None => all.push(builtin(row)),
        }
    }
    all.into_iter().map(Arc::new).collect()
});

/// Groups that a kube-apiserver serves and this server does not; asking for them says so instead of "not found".
pub(crate) const ABSENT_GROUPS: [&str; 7] = [
    "apiregistration.k8s.io",
    "certificates.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "node.k8s.io",
    "resource.k8s.io",
    "storagemigration.k8s.io",
];

/// What can be done with most kinds.
pub(crate) const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

fn version(row: &'static Row) -> Version {
    let has = |name: &str| row.subresources.iter().any(|sub| sub.name == name);
    Version {
        name: row.version.into(),
        schema: BUILTIN.schema.clone(),
        root: row.type_id,
        status: has("status"),
        scale: has("scale").then(builtin_scale),
        columns: Vec::new(),
        validator: None,
        source: Value::Null,
        warning: None,
    }
}

fn builtin(row: &'static Row) -> Resource {
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
    let shelf_group = if row.plural == "events" { "" } else { row.group };
    Resource {
        group: row.group.into(),
        plural: row.plural.into(),
        kind: row.kind.into(),
        list_kind: format!("{}List", row.kind),
        singular: row.singular.into(),
        namespaced: row.namespaced,
        short_names: strings(&row.short_names),
        categories: strings(&row.categories),
        versions: vec![version(row)],
        shelf: format!("{}.{shelf_group}", row.plural).into(),
        custom: false,
        subs: &row.subresources,
        verbs: if row.verbs.is_empty() { VERBS.to_vec() } else { row.verbs.clone() },
        hash: row.hash.into(),
        status: if has_generation(row.plural) { StatusReset::Generation } else { StatusReset::None },
        selectable: selectable(row.group, row.plural).iter().map(|s| (*s).to_owned()).collect(),
        unconverted: None,
    }
}

fn builtin_scale() -> Scale {
    let path = |path: &str| path.split('.').map(str::to_owned).collect();
    Scale { spec: path("spec.replicas"), status: path("status.replicas"), selector: None }
}

fn has_generation(plural: &str) -> bool {
    matches!(
        plural,
        "pods"
            | "podtemplates"
            | "replicationcontrollers"
            | "daemonsets"
            | "deployments"
            | "replicasets"
            | "statefulsets"
            | "cronjobs"
            | "jobs"
            | "ingresses"
            | "ingressclasses"
            | "networkpolicies"
            | "poddisruptionbudgets"
            | "endpointslices"
            | "priorityclasses"
            | "customresourcedefinitions"
            | "validatingwebhookconfigurations"
            | "mutatingwebhookconfigurations"
            | "validatingadmissionpolicies"
            | "validatingadmissionpolicybindings"
            | "mutatingadmissionpolicies"
            | "mutatingadmissionpolicybindings"
    )
}

fn selectable(group: &str, plural: &str) -> &'static [&'static str] {
    match plural {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "nodes" => &["spec.unschedulable"],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "services" => &["spec.clusterIP", "spec.type"],
        "replicationcontrollers" => &["status.replicas"],
        "jobs" => &["status.successful"],
        "events" if group == "events.k8s.io" => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        "events" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    }
}
