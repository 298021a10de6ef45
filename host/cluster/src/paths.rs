//! URL paths and queries of the Kubernetes API.

use std::fmt::Write as _;

use motet_core::{Gvk, Resource};

/// Percent-encodes one path segment or query value.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// `/api/v1` or `/apis/GROUP/VERSION`.
pub(crate) fn group_version(gvk: &Gvk) -> String {
    if gvk.group.is_empty() { format!("/api/{}", gvk.version) } else { format!("/apis/{}/{}", gvk.group, gvk.version) }
}

/// The path of a collection, in one namespace or in all.
pub(crate) fn collection(resource: &Resource, namespace: Option<&str>) -> String {
    let mut path = group_version(&resource.gvk);
    if let Some(namespace) = namespace.filter(|_| resource.namespaced) {
        path.push_str("/namespaces/");
        encode(&mut path, namespace);
    }
    path.push('/');
    encode(&mut path, &resource.plural);
    path
}

/// The path of one object, or of a subresource of it.
pub(crate) fn object(resource: &Resource, namespace: Option<&str>, name: &str, subresource: Option<&str>) -> String {
    let mut path = collection(resource, namespace);
    path.push('/');
    encode(&mut path, name);
    if let Some(subresource) = subresource {
        path.push('/');
        encode(&mut path, subresource);
    }
    path
}

/// Builds a query string piece by piece; empty values are left out.
pub(crate) struct Query {
    text: String,
    separator: char,
}

impl Query {
    pub(crate) fn new(path: String) -> Self {
        Self { text: path, separator: '?' }
    }

    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.text.push(self.separator);
            self.separator = '&';
            self.text.push_str(key);
            self.text.push('=');
            encode(&mut self.text, value);
        }
        self
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, plural: &str, namespaced: bool) -> Resource {
        Resource { gvk: Gvk::new(group, "v1", "X"), plural: plural.into(), namespaced, status: true, watchable: true }
    }

    #[test]
    fn paths_and_queries_are_encoded() {
        let deployments = resource("apps", "deployments", true);
        assert_eq!(collection(&deployments, None), "/apis/apps/v1/deployments");
        assert_eq!(
            object(&deployments, Some("a/../b"), "x?y", Some("status")),
            "/apis/apps/v1/namespaces/a%2F..%2Fb/deployments/x%3Fy/status"
        );
        assert_eq!(collection(&resource("", "nodes", false), Some("ignored")), "/api/v1/nodes");
        let query = Query::new("/p".into()).with("a", "").with("labelSelector", "a in (b,c)").with("limit", "5");
        assert_eq!(query.finish(), "/p?labelSelector=a%20in%20%28b%2Cc%29&limit=5");
    }
}
