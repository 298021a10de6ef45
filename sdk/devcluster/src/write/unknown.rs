//! Fields of a body that nobody knows, and those that stand twice.

use serde_json::Value;

use super::{Unknown, Write};
use crate::error::ApiError;
use crate::schema::fill;
use crate::strict;

/// Drops fields that nobody knows; refuses them, or warns of them, as the write says.
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
            // Each line of YAML is warned of by itself.
            let lines = |text: String| match text.split_once('\n') {
                Some((_, lines)) => lines.lines().map(|line| line.trim().to_owned()).collect(),
                None => vec![text],
            };
            warnings.extend(texts.into_iter().flat_map(lines));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What is unknown or stands twice, as a kube-apiserver lists it: in the order of the body, for custom resources what stands
/// twice first.
fn strict_errors(write: &Write<'_>, mut dropped: Vec<String>) -> Vec<String> {
    let unknown = |path: &String| format!("unknown field \"{path}\"");
    let met = strict::fields(write.source, !dropped.is_empty());
    let again = |met: &strict::Met| format!("duplicate field \"{}\"", met.path);
    if write.resource.custom {
        dropped.sort();
        let twice = strict::yaml::twins(write.source).into_iter().chain(met.iter().filter(|m| m.again).map(again));
        return twice.chain(dropped.iter().map(unknown)).collect();
    }
    let listed = |met: &strict::Met| match met {
        strict::Met { again: true, .. } => Some(again(met)),
        strict::Met { path, .. } => dropped.contains(path).then(|| unknown(path)),
    };
    let mut texts: Vec<String> = strict::yaml::twins(write.source).into_iter().collect();
    texts.extend(met.iter().filter_map(listed));
    let rest: Vec<String> = dropped.iter().map(unknown).filter(|text| !texts.contains(text)).collect();
    texts.extend(rest);
    texts
}
