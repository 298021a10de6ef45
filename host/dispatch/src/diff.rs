//! What an apply would change, for people who look before they let it write. Values of Secrets become hashes.

use motet_core::{Digest, Gvk};
use serde_json::Value;

use crate::report::Difference;

/// Differing paths listed at most.
const MAX: usize = 100;

/// What `wanted` would change of `before`: only paths that `wanted` names count.
pub(crate) fn differences(gvk: &Gvk, before: Option<&[u8]>, wanted: &[u8]) -> Vec<Difference> {
    let before: Value = before.and_then(|b| serde_json::from_slice(b).ok()).unwrap_or(Value::Null);
    let Ok(wanted) = serde_json::from_slice::<Value>(wanted) else { return vec![] };
    let mut found = Vec::new();
    compare("", Some(&before).filter(|b| !b.is_null()), &wanted, &mut found);
    if gvk.group.is_empty() && &*gvk.kind == "Secret" {
        found.iter_mut().filter(|d| d.path.starts_with("/data") || d.path.starts_with("/stringData")).for_each(hide);
    }
    found
}

fn compare(path: &str, before: Option<&Value>, wanted: &Value, found: &mut Vec<Difference>) {
    if found.len() >= MAX || before == Some(wanted) {
        return;
    }
    if let Value::Object(fields) = wanted {
        for (name, value) in fields {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            compare(&path, before.and_then(|b| b.get(name)), value, found);
        }
        return;
    }
    found.push(Difference { path: path.into(), before: before.cloned(), after: Some(wanted.clone()) });
}

fn hide(difference: &mut Difference) {
    for value in [&mut difference.before, &mut difference.after].into_iter().flatten() {
        *value = Value::String(Digest::of(value.to_string().as_bytes()).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wanted_and_differs_is_listed() {
        let found = differences(
            &Gvk::new("", "v1", "ConfigMap"),
            Some(br#"{"data":{"a":"1","b":"2"},"other":1}"#),
            br#"{"data":{"a":"1","b":"3","c/d":"4"}}"#,
        );
        let paths: Vec<_> = found.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(paths, ["/data/b", "/data/c~1d"]);
    }

    #[test]
    fn values_of_secrets_never_show() {
        let found = differences(&Gvk::new("", "v1", "Secret"), None, br#"{"data":{"password":"aHVudGVyMg=="}}"#);
        assert!(!serde_json::to_string(&found).unwrap().contains("aHVudGVyMg"));
        assert!(found[0].after.as_ref().unwrap().as_str().unwrap().starts_with("sha256:"));
    }
}
