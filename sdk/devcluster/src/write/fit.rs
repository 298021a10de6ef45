//! Whether a body fits the types of its kind: unknown fields, fields that stand twice, values of a wrong type.

use serde_json::Value;

use super::{Unknown, Write};
use crate::error::ApiError;
use crate::schema::{fill, misfit};
use crate::strict;

/// Drops what is unknown, and says so in the way that the write asks for.
pub(crate) fn unknown_fields(write: &Write<'_>, body: &mut Value, warnings: &mut Vec<String>) -> Result<(), ApiError> {
    let dropped = fill::prune(write.version.ty(), body);
    let texts = if write.unknown == Unknown::Ignore { Vec::new() } else { strict_errors(write, dropped) };
    match write.unknown {
        Unknown::Strict if !texts.is_empty() => {
            let (kind, version) = (&write.resource.kind, &write.version.name);
            let of = if write.resource.custom && write.source.is_empty() {
                String::new()
            } else {
                format!("{kind} in version \"{version}\" cannot be handled as a {kind}: ")
            };
            Err(ApiError::bad_request(format!("{of}strict decoding error: {}", texts.join(", "))))
        }
        Unknown::Warn => {
            warnings.extend(texts);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is unknown or stands twice, as a kube-apiserver lists it: in the order of the body, for custom resources what stands
/// twice first.
fn strict_errors(write: &Write<'_>, mut dropped: Vec<String>) -> Vec<String> {
    let unknown = |path: &String| format!("unknown field \"{path}\"");
    let met = strict::fields(write.source);
    let again = |met: &strict::Met| format!("duplicate field \"{}\"", met.path);
    if write.resource.custom {
        dropped.sort();
        return met.iter().filter(|m| m.again).map(again).chain(dropped.iter().map(unknown)).collect();
    }
    let listed = |met: &strict::Met| match met {
        strict::Met { again: true, .. } => Some(again(met)),
        strict::Met { path, .. } => dropped.contains(path).then(|| unknown(path)),
    };
    let mut texts: Vec<String> = met.iter().filter_map(listed).collect();
    let rest: Vec<String> = dropped.iter().map(unknown).filter(|text| !texts.contains(text)).collect();
    texts.extend(rest);
    texts
}

/// Refuses values of a wrong type.
pub(super) fn fits(write: &Write<'_>, body: &Value) -> Result<(), ApiError> {
    if write.resource.custom {
        return Ok(());
    }
    let (kind, version) = (&write.resource.kind, &write.version.name);
    match misfit::find(write.version.ty(), body) {
        Some(why) => {
            Err(ApiError::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}")))
        }
        None => Ok(()),
    }
}
