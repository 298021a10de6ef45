//! Whether a body belongs where it is sent: its kind and version, its namespace and name.

use serde_json::Value;

use super::Write;
use crate::error::{ApiError, Cause};
use crate::resources::BUILTINS;
use crate::{go, object};

/// Refuses bodies of another kind or version than the path's.
pub(crate) fn check_kind(write: &Write<'_>, body: &mut Value) -> Result<(), ApiError> {
    if !body.is_object() {
        return Err(ApiError::bad_request("the body of the request is not a JSON object"));
    }
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let expected = write.api_version();
    let own = &write.resource.kind;
    let fits = (version.is_empty() || version == expected) && (kind.is_empty() || kind == *own);
    if !write.resource.custom && fits {
        body["apiVersion"] = expected.into();
        body["kind"] = own.as_str().into();
        return Ok(());
    }
    if version == expected && kind == *own {
        return Ok(());
    }
    if write.resource.custom && version != expected {
        let what =
            format!("the API version in the data ({version}) does not match the expected API version ({expected})");
        return Err(ApiError::bad_request(what));
    }
    if write.resource.custom {
        let cause = Cause::invalid("kind", &kind.into(), &format!("must be {own}"));
        return Err(ApiError::invalid(&write.resource.group, kind, object::meta(body, "name"), vec![cause]));
    }
    let (group, name) = version.rsplit_once('/').unwrap_or(("", version));
    // What a server answers with is known to every group.
    let known = (kind, version) == ("Status", "v1")
        || BUILTINS.iter().any(|r| r.group == group && r.kind == kind && r.version(name).is_some());
    if !group.is_empty() && group == write.resource.group && (kind.is_empty() || kind == *own) {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({expected})"
        )));
    }
    let why = if known {
        let package = write.resource.group.split('.').next().filter(|p| !p.is_empty()).unwrap_or("core");
        format!("converting ({name}.{kind}) to ({package}.{own}): unknown conversion")
    } else {
        go::unregistered(kind, version)
    };
    Err(ApiError::bad_request(format!("{kind} in version \"{name}\" cannot be handled as a {own}: {why}")))
}

/// Puts the path's namespace and name into the body, or refuses a body that has others.
pub(super) fn place(write: &Write<'_>, body: &mut Value) -> Result<(), ApiError> {
    let (namespace, name) = (object::meta(body, "namespace").to_owned(), object::meta(body, "name").to_owned());
    if !write.resource.namespaced {
        object::set_meta(body, "namespace", None);
    } else if namespace.is_empty() {
        object::set_meta(body, "namespace", Some(write.namespace.as_str().into()));
    } else if namespace != write.namespace {
        let what = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(ApiError::bad_request(what));
    }
    if write.name.is_empty() {
        return Ok(());
    }
    if name.is_empty() && write.replaces {
        let what =
            format!("the name of the object ({} based on URL) was undeterminable: name must be provided", write.name);
        return Err(ApiError::bad_request(what));
    } else if name.is_empty() {
        object::set_meta(body, "name", Some(write.name.as_str().into()));
    } else if name != write.name {
        let what = "the name of the object";
        return Err(ApiError::bad_request(format!(
            "{what} ({name}) does not match the name on the URL ({})",
            write.name
        )));
    }
    Ok(())
}

/// A kind as Go writes it: `/v1, Kind=Pod`.
pub(crate) fn named_kind(version: &str, kind: &str) -> String {
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={kind}")
}
