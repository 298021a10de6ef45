//! The two versions of autoscalers: what the first has no field for lies in annotations there, in the words of kube-apiserver.

use serde_json::{Map, Value, json};

use crate::apply::Other;
use crate::go::structs;
use crate::resources::{Resource, Version};
use crate::schema::builtin::BUILTIN;
use crate::schema::{Type, misfit};

const PREFIX: &str = "autoscaling.alpha.kubernetes.io/";
const METRICS: &str = "metrics";
const BEHAVIOR: &str = "behavior";
const STATUSES: &str = "current-metrics";
const CONDITIONS: &str = "conditions";
/// What stands in annotations in the first version only.
const KEPT: [&str; 6] = [METRICS, BEHAVIOR, STATUSES, CONDITIONS, "scale-down-tolerance", "scale-up-tolerance"];
/// What the first version calls the parts of a metric: the kind of metric, then its fields in the first and in the second version.
type Names = (&'static str, &'static [(&'static str, &'static str)]);

const SPECS: [Names; 5] = [
    (
        "object",
        &[
            ("target", "/describedObject"),
            ("metricName", "/metric/name"),
            ("targetValue", "/target/value"),
            ("selector", "/metric/selector"),
            ("averageValue", "/target/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "/metric/name"),
            ("targetAverageValue", "/target/averageValue"),
            ("selector", "/metric/selector"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "/name"),
            ("targetAverageUtilization", "/target/averageUtilization"),
            ("targetAverageValue", "/target/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "/name"),
            ("targetAverageUtilization", "/target/averageUtilization"),
            ("targetAverageValue", "/target/averageValue"),
            ("container", "/container"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name"),
            ("metricSelector", "/metric/selector"),
            ("targetValue", "/target/value"),
            ("targetAverageValue", "/target/averageValue"),
        ],
    ),
];
const FOUND: [Names; 5] = [
    (
        "object",
        &[
            ("target", "/describedObject"),
            ("metricName", "/metric/name"),
            ("currentValue", "/current/value"),
            ("selector", "/metric/selector"),
            ("averageValue", "/current/averageValue"),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", "/metric/name"),
            ("currentAverageValue", "/current/averageValue"),
            ("selector", "/metric/selector"),
        ],
    ),
    (
        "resource",
        &[
            ("name", "/name"),
            ("currentAverageUtilization", "/current/averageUtilization"),
            ("currentAverageValue", "/current/averageValue"),
        ],
    ),
    (
        "containerResource",
        &[
            ("name", "/name"),
            ("currentAverageUtilization", "/current/averageUtilization"),
            ("currentAverageValue", "/current/averageValue"),
            ("container", "/container"),
        ],
    ),
    (
        "external",
        &[
            ("metricName", "/metric/name"),
            ("metricSelector", "/metric/selector"),
            ("currentValue", "/current/value"),
            ("currentAverageValue", "/current/averageValue"),
        ],
    ),
];

/// True if a version of a resource is not the one in which its objects are kept.
pub(crate) fn is_first(resource: &Resource, version: &str) -> bool {
    resource.group == "autoscaling" && version == "v1"
}

/// The version in which objects are kept, for writes in another one.
pub(crate) fn kept<'a>(resource: &'a Resource, version: &Version) -> Option<&'a Version> {
    resource.version("v2").filter(|_| is_first(resource, &version.name))
}

/// Drops what only the first version has a meaning for.
pub(crate) fn forget(resource: &Resource, version: &str, object: &mut Value) {
    if resource.group == "autoscaling" && !is_first(resource, version) {
        annotate(object, Vec::new());
    }
}

/// Makes one version of an object another.
type Convert = fn(&mut Value);

/// How owners of fields in the version that a write is not in see the object.
pub(crate) fn other<'a>(resource: &'a Resource, version: &Version) -> Option<Other<'a>> {
    if resource.group != "autoscaling" {
        return None;
    }
    let (name, convert, back): (_, Convert, Convert) =
        if version.name == "v1" { ("v2", second, first) } else { ("v1", first, second) };
    Some(Other { version: resource.api_version(name), ty: resource.version(name)?.ty(), convert, back })
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A share of the CPU, which the first version has a field for.
fn utilization<'a>(metric: &'a Value, part: &str) -> Option<&'a Value> {
    let resource = &metric["resource"];
    let of_cpu = metric["type"] == "Resource" && resource["name"] == "cpu";
    Some(&resource[part]["averageUtilization"]).filter(|share| of_cpu && !share.is_null())
}

fn taken(object: &mut Value, field: &str) -> Value {
    object.as_object_mut().and_then(|map| map.remove(field)).unwrap_or_default()
}

fn put(map: &mut Map<String, Value>, field: &str, value: &Value) {
    if !value.is_null() {
        map.insert(field.into(), value.clone());
    }
}

/// From the second version to the first.
pub(crate) fn first(object: &mut Value) {
    let (spec, status) = (taken(object, "spec"), taken(object, "status"));
    let mut notes = Vec::new();
    let others: Vec<Value> = items(&spec["metrics"])
        .iter()
        .filter(|metric| utilization(metric, "target").is_none())
        .map(|metric| older(metric, &SPECS))
        .collect();
    if !others.is_empty() {
        notes.push((METRICS, structs::shown("[v1.MetricSpec]", &others.into())));
    }
    let found: Vec<Value> = items(&status["currentMetrics"]).iter().map(|metric| older(metric, &FOUND)).collect();
    if !found.is_empty() {
        notes.push((STATUSES, structs::shown("[v1.MetricStatus]", &found.into())));
    }
    if spec["behavior"].is_object() {
        notes.push((BEHAVIOR, structs::shown("autoscaling.HorizontalPodAutoscalerBehavior", &spec["behavior"])));
    }
    if !items(&status["conditions"]).is_empty() {
        let shown = structs::shown("[v1.HorizontalPodAutoscalerCondition]", &status["conditions"]);
        notes.push((CONDITIONS, shown));
    }
    annotate(object, notes);
    let (mut old, mut state) = (Map::new(), Map::new());
    for field in ["scaleTargetRef", "minReplicas", "maxReplicas"] {
        put(&mut old, field, &spec[field]);
    }
    let share = items(&spec["metrics"]).iter().find_map(|metric| utilization(metric, "target"));
    put(&mut old, "targetCPUUtilizationPercentage", share.unwrap_or(&Value::Null));
    for field in ["observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"] {
        put(&mut state, field, &status[field]);
    }
    let share = items(&status["currentMetrics"]).iter().filter_map(|metric| utilization(metric, "current")).next_back();
    put(&mut state, "currentCPUUtilizationPercentage", share.unwrap_or(&Value::Null));
    object["spec"] = old.into();
    object["status"] = state.into();
}

/// Exchanges the annotations that stand for fields.
fn annotate(object: &mut Value, notes: Vec<(&str, String)>) -> Map<String, Value> {
    let mut annotations = object["metadata"].get("annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    let before = KEPT.iter().filter_map(|name| Some(((*name).into(), annotations.remove(&format!("{PREFIX}{name}"))?)));
    let before: Map<String, Value> = before.collect();
    annotations.extend(notes.into_iter().map(|(name, text)| (format!("{PREFIX}{name}"), text.into())));
    let annotations = if annotations.is_empty() { None } else { Some(annotations.into()) };
    crate::object::set_meta(object, "annotations", annotations);
    before
}

fn older(metric: &Value, names: &[Names]) -> Value {
    let mut old = json!({"type": metric["type"]});
    for (kind, fields) in names {
        let Some(part) = metric.get(*kind).filter(|part| part.is_object()) else { continue };
        let mut converted = Map::new();
        for (field, pointer) in *fields {
            put(&mut converted, field, part.pointer(pointer).unwrap_or(&Value::Null));
        }
        old[*kind] = converted.into();
    }
    old
}

/// From the first version to the second.
pub(crate) fn second(object: &mut Value) {
    let (spec, status) = (taken(object, "spec"), taken(object, "status"));
    let notes = annotate(object, Vec::new());
    let read = |name: &str| notes.get(name).and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let (mut new, mut state) = (Map::new(), Map::new());
    for field in ["scaleTargetRef", "minReplicas", "maxReplicas"] {
        put(&mut new, field, &spec[field]);
    }
    for field in ["observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"] {
        put(&mut state, field, &status[field]);
    }
    let mut metrics: Vec<Value> = read(METRICS).and_then(|noted| newer(&noted, &SPECS)).unwrap_or_default();
    let cpu = |part: &str, value: Value| json!({"type": "Resource", "resource": {"name": "cpu", part: value}});
    let share = match &spec["targetCPUUtilizationPercentage"] {
        Value::Null if metrics.is_empty() => json!(80),
        share => share.clone(),
    };
    if !share.is_null() {
        metrics.push(cpu("target", json!({"type": "Utilization", "averageUtilization": share})));
    }
    new.insert("metrics".into(), metrics.into());
    if let Some(rules) = read(BEHAVIOR).and_then(|noted| behavior(&noted)) {
        new.insert("behavior".into(), rules);
    }
    let measured = read(STATUSES).and_then(|noted| newer(&noted, &FOUND));
    let share = &status["currentCPUUtilizationPercentage"];
    let measured =
        measured.or_else(|| (!share.is_null()).then(|| vec![cpu("current", json!({"averageUtilization": share}))]));
    put(&mut state, "currentMetrics", &measured.map_or(Value::Null, Value::from));
    let conditions = read(CONDITIONS).filter(|noted: &Value| fits(&json!({"status": {"conditions": noted}})));
    put(&mut state, "conditions", &conditions.filter(Value::is_array).unwrap_or_default());
    object["spec"] = new.into();
    object["status"] = state.into();
}

/// Whether Go could read a part of an autoscaler; what it cannot read is passed over.
fn fits(object: &Value) -> bool {
    let id = BUILTIN.names.get("autoscaling.v2.HorizontalPodAutoscaler");
    id.is_some_and(|id| misfit::find(Type { schema: &BUILTIN.schema, id: *id }, object).is_none())
}

fn newer(noted: &Value, names: &[Names]) -> Option<Vec<Value>> {
    if !noted.is_array() && !noted.is_null() {
        return None;
    }
    let spec = names[0].1[2].0 == "targetValue";
    let converted: Vec<Value> =
        items(noted).iter().map(|metric| newer_metric(metric, names, spec)).collect::<Option<_>>()?;
    let field =
        if spec { json!({"spec": {"metrics": converted}}) } else { json!({"status": {"currentMetrics": converted}}) };
    fits(&field).then_some(converted)
}

fn newer_metric(metric: &Value, names: &[Names], spec: bool) -> Option<Value> {
    if !metric.is_object() && !metric.is_null() {
        return None;
    }
    let mut new = json!({"type": metric.get("type").cloned().unwrap_or_else(|| "".into())});
    for (kind, fields) in names {
        let Some(part) = metric.get(*kind).filter(|part| !part.is_null()) else { continue };
        let mut converted = json!({});
        for (field, pointer) in *fields {
            let found = part.as_object()?.get(*field).cloned().unwrap_or_default();
            let path: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
            if !found.is_null() {
                crate::object::set_at(&mut converted, &path, found);
            }
        }
        complete(kind, &mut converted, spec);
        new[*kind] = converted;
    }
    Some(new)
}

/// What the first version says by its fields' being there, and what is never left out there.
fn complete(kind: &str, part: &mut Value, spec: bool) {
    let field = if spec { "target" } else { "current" };
    let has = |part: &Value, name: &str| !part[field][name].is_null();
    let zero = |part: &mut Value, name: &str| {
        if part[field][name].is_null() {
            part[field][name] = "0".into();
        }
    };
    match (spec, kind) {
        (true, "object") => {
            let is_zero = part[field]["value"]
                .as_str()
                .is_none_or(|text| crate::quantity::Quantity::parse(text).is_some_and(|q| q.is_zero()));
            if has(part, "averageValue") && is_zero {
                drop(part[field].as_object_mut().and_then(|target| target.remove("value")));
            } else {
                zero(part, "value");
            }
        }
        (_, "pods") => zero(part, "averageValue"),
        (false, "object" | "external") => zero(part, "value"),
        (false, _) => zero(part, "averageValue"),
        _ => {}
    }
    if spec {
        let share = has(part, "averageUtilization") && matches!(kind, "resource" | "containerResource");
        let plain = match kind {
            "object" => !has(part, "averageValue"),
            _ => kind == "external" && has(part, "value"),
        };
        let kind = if share {
            "Utilization"
        } else if plain {
            "Value"
        } else {
            "AverageValue"
        };
        part[field]["type"] = kind.into();
    }
}

/// How the annotation writes the rules of scaling: as Go's struct, whose fields are read whatever their case.
fn behavior(noted: &Value) -> Option<Value> {
    let mut rules = Map::new();
    for (name, rule) in noted.as_object()?.iter().filter(|(_, rule)| !rule.is_null()) {
        let Some(field) = ["scaleUp", "scaleDown"].into_iter().find(|f| f.eq_ignore_ascii_case(name)) else { continue };
        rules.insert(field.into(), cased(rule));
    }
    let rules = Value::from(rules);
    let some = rules.as_object().is_some_and(|rules| !rules.is_empty());
    (some && fits(&json!({"spec": {"behavior": rules}}))).then_some(rules)
}

fn cased(value: &Value) -> Value {
    const FIELDS: [&str; 7] =
        ["stabilizationWindowSeconds", "selectPolicy", "policies", "tolerance", "type", "value", "periodSeconds"];
    match value {
        Value::Object(map) => {
            let known = |name: &str| FIELDS.into_iter().find(|field| field.eq_ignore_ascii_case(name));
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            Value::Object(fields.filter_map(|(name, value)| Some((known(name)?.to_owned(), cased(value)))).collect())
        }
        Value::Array(items) => items.iter().map(cased).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_first_version_has_no_field_for_comes_back() {
        let metrics = json!([
            {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
            {"type": "Object", "object": {"metric": {"name": "o"}, "describedObject": {"kind": "K", "name": "n"}, "target": {"type": "Value", "value": "2"}}},
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}},
        ]);
        let rules = json!({"scaleUp": {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}});
        let spec = json!({"maxReplicas": 3, "metrics": metrics, "behavior": rules});
        let new = json!({"metadata": {"name": "a", "annotations": {"x": "y"}}, "spec": spec, "status": {}});
        let mut old = new.clone();
        first(&mut old);
        assert_eq!(old["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 60}));
        assert_eq!(
            old["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/behavior"],
            r#"{"ScaleUp":{"StabilizationWindowSeconds":null,"SelectPolicy":null,"Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":null}"#
        );
        second(&mut old);
        assert_eq!(old, new);
    }

    #[test]
    fn annotations_that_cannot_be_read_are_passed_over() {
        let noted = json!({"autoscaling.alpha.kubernetes.io/metrics": "[{\"type\":1}]", "autoscaling.alpha.kubernetes.io/behavior": "{"});
        let mut old = json!({"metadata": {"name": "a", "annotations": noted}, "spec": {"maxReplicas": 1}});
        second(&mut old);
        assert_eq!(old["metadata"], json!({"name": "a"}));
        assert_eq!(old["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 80);
        assert!(old["spec"].get("behavior").is_none());
    }
}
