//! Cells that are made of lists.

use serde_json::Value;

use super::cells::plain;

/// The items of a list; none where there is no list.
pub(super) fn every(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.collect::<Vec<_>>().join(",")
}

/// The first few of many.
pub(super) fn shortened(all: &[String], most: usize) -> String {
    let shown = all.iter().take(most).map(String::as_str).collect::<Vec<_>>().join(",");
    match all.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// Labels as `key=value` pairs.
pub(super) fn labels(map: &Value) -> Value {
    let texts: Vec<String> = map.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", plain(v))).collect();
    if texts.is_empty() { "<none>".into() } else { texts.join(",").into() }
}

/// A label selector.
pub(super) fn selector(selector: &Value) -> Value {
    let mut tests: Vec<(String, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        tests.push((key.clone(), format!("{key}={}", plain(value))));
    }
    for test in every(&selector["matchExpressions"]) {
        let (key, values) = (plain(&test["key"]), joined(every(&test["values"]).filter_map(Value::as_str)));
        let text = match plain(&test["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        tests.push((key.to_owned(), text));
    }
    tests.sort_by(|a, b| a.0.cmp(&b.0));
    let texts: Vec<String> = tests.into_iter().map(|(_, text)| text).collect();
    if texts.is_empty() { "<none>".into() } else { texts.join(",").into() }
}

pub(super) fn containers(template: &Value, what: &str) -> Value {
    joined(every(&template["spec"]["containers"]).map(|c| plain(&c[what]))).into()
}

pub(super) fn subjects(binding: &Value, kind: &str) -> Value {
    let name = |s: &Value| match kind {
        "ServiceAccount" => format!("{}/{}", plain(&s["namespace"]), plain(&s["name"])),
        _ => plain(&s["name"]).to_owned(),
    };
    let found: Vec<String> = every(&binding["subjects"]).filter(|s| s["kind"] == *kind).map(name).collect();
    found.join(", ").into()
}

pub(super) fn access_modes(modes: &Value) -> Value {
    let of = |short: &'static str, long: &str| every(modes).any(|m| m == long).then_some(short);
    let all = [
        of("RWO", "ReadWriteOnce"),
        of("ROX", "ReadOnlyMany"),
        of("RWX", "ReadWriteMany"),
        of("RWOP", "ReadWriteOncePod"),
    ];
    joined(all.into_iter().flatten()).into()
}

/// Where a service is reached from outside.
pub(super) fn addresses(service: &Value) -> Value {
    let external = || joined(every(&service["spec"]["externalIPs"]).filter_map(Value::as_str));
    let balanced = every(&service["status"]["loadBalancer"]["ingress"]);
    let found = joined(balanced.filter_map(|i| i["ip"].as_str().or(i["hostname"].as_str())));
    match (plain(&service["spec"]["type"]), external()) {
        ("ExternalName", _) => service["spec"]["externalName"].clone(),
        ("LoadBalancer", more) => {
            let all = [found, more].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join(",");
            if all.is_empty() { "<pending>".into() } else { all.into() }
        }
        (_, none) if none.is_empty() => "<none>".into(),
        (_, some) => some.into(),
    }
}

pub(super) fn service_ports(service: &Value) -> Value {
    let port = |p: &Value| match p["nodePort"].as_i64().filter(|n| *n > 0) {
        Some(node) => format!("{}:{node}/{}", p["port"], plain(&p["protocol"])),
        None => format!("{}/{}", p["port"], plain(&p["protocol"])),
    };
    let texts: Vec<String> = every(&service["spec"]["ports"]).map(port).collect();
    if texts.is_empty() { "<none>".into() } else { texts.join(",").into() }
}

/// The ports of a slice.
pub(super) fn ports(slice: &Value) -> Value {
    let all: Vec<String> =
        every(&slice["ports"]).map(|p| p["port"].as_i64().map_or("*".into(), |n| n.to_string())).collect();
    if all.is_empty() { "<unset>".into() } else { shortened(&all, 3).into() }
}

/// The addresses that are ready, with each port.
pub(super) fn ready_addresses(endpoints: &Value) -> Value {
    let mut all = Vec::new();
    for subset in every(&endpoints["subsets"]) {
        let ips: Vec<&str> = every(&subset["addresses"]).map(|a| plain(&a["ip"])).collect();
        if every(&subset["ports"]).next().is_none() {
            all.extend(ips.iter().map(|ip| (*ip).to_owned()));
        }
        for port in every(&subset["ports"]) {
            all.extend(ips.iter().map(|ip| format!("{ip}:{}", port["port"])));
        }
    }
    if all.is_empty() { "<none>".into() } else { shortened(&all, 3).into() }
}

pub(super) fn quota(quota: &Value, limits: bool) -> Value {
    let hard = quota["status"]["hard"].as_object().into_iter().flatten();
    let shown = hard.filter(|(name, _)| name.starts_with("limits.") == limits).map(|(name, value)| {
        let used = &quota["status"]["used"][name];
        format!("{name}: {}/{}", used.as_str().unwrap_or("0"), plain(value))
    });
    shown.collect::<Vec<_>>().join(", ").into()
}

/// Who controls an object.
pub(super) fn references(object: &Value) -> Value {
    let owner = every(&object["metadata"]["ownerReferences"]).find(|o| o["controller"] == true);
    let group = |version: &str| version.split_once('/').map(|(group, _)| format!(".{group}")).unwrap_or_default();
    owner.map_or("<none>".into(), |o| {
        let kind = plain(&o["kind"]).to_lowercase();
        format!("{kind}{}/{}", group(plain(&o["apiVersion"])), plain(&o["name"])).into()
    })
}

/// What an autoscaler aims at and what was measured of it; of many the first two.
pub(super) fn targets(autoscaler: &Value) -> Value {
    const SHOWN: usize = 2;
    let found = &autoscaler["status"]["currentMetrics"];
    let all: Vec<String> =
        every(&autoscaler["spec"]["metrics"]).enumerate().map(|(i, m)| target(m, &found[i])).collect();
    match all.len() {
        0 => "<none>".into(),
        count if count > SHOWN => format!("{} + {} more...", all[..SHOWN].join(", "), count - SHOWN).into(),
        _ => all.join(", ").into(),
    }
}

fn target(metric: &Value, found: &Value) -> String {
    let kind = match plain(&metric["type"]) {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".into(),
    };
    let (goal, current) = (&metric[kind]["target"], &found[kind]["current"]);
    let measured = |field: &str| current[field].as_str().unwrap_or("<unknown>").to_owned();
    let name = plain(&metric[kind]["name"]);
    match (kind, goal["averageValue"].as_str()) {
        ("pods", average) => format!("{}/{}", measured("averageValue"), average.unwrap_or("<nil>")),
        ("external" | "object", Some(average)) => format!("{}/{average} (avg)", measured("averageValue")),
        ("external" | "object", None) => format!("{}/{}", measured("value"), plain(&goal["value"])),
        (_, Some(average)) => format!("{name}: {}/{average}", measured("averageValue")),
        (_, None) => {
            let share = |of: &Value, none: &str| of.as_i64().map_or(none.to_owned(), |share| format!("{share}%"));
            let (now, wanted) = (&current["averageUtilization"], &goal["averageUtilization"]);
            format!("{name}: {}/{}", share(now, "<unknown>"), share(wanted, "<auto>"))
        }
    }
}
