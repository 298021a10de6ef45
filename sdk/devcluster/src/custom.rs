//! What a custom resource goes through before it is stored: defaults, then every check of its definition.

use serde_json::Value;

use crate::error::{ApiError, Cause};
use crate::rules;
use crate::schema::{check, embedded, fill, lists, numbers, settle};
use crate::write::Write;

/// Findings after which rules are not tried.
const BLOCKING: [&str; 5] =
    ["FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"];
const UNCHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// Puts in defaults; refuses what cannot be read at all.
pub(crate) fn prepare(write: &Write<'_>, body: &mut Value) -> Result<(), ApiError> {
    numbers::rewrite(body);
    if let (Some(ty), Some(metadata)) = (write.version.ty().field("metadata"), body.get_mut("metadata")) {
        settle::settle(ty, metadata);
    }
    fill::defaults(write.version.ty(), body);
    let Some(validator) = &write.version.validator else { return Ok(()) };
    if let Some(cause) = embedded::unreadable(validator, body) {
        let (kind, version) = (&write.resource.kind, &write.version.name);
        let what = format!("{kind} in version \"{version}\" cannot be handled as a {kind}");
        return Err(ApiError::bad_request(format!("{what}: {}: {}", cause.field, cause.message)));
    }
    Ok(())
}

/// What is wrong with an object; `old` is what it replaces. What was wrong before and has not changed is warned of.
pub(crate) fn check(write: &Write<'_>, body: &Value, old: Option<&Value>, warnings: &mut Vec<String>) -> Vec<Cause> {
    let Some(validator) = &write.version.validator else { return Vec::new() };
    let mut causes = check::check(validator, body, old);
    causes.extend(embedded::check(validator, body));
    // Twins that were there before stay.
    if old.is_none_or(|old| lists::check(validator, old).is_empty()) {
        causes.extend(lists::check(validator, body));
    }
    if rules::any(validator) {
        let blocks = |cause: &Cause| BLOCKING.contains(&cause.reason);
        if causes.iter().any(blocks) {
            causes.push(Cause {
                reason: "FieldValueInvalid",
                message: format!("Invalid value: null: {UNCHECKED}"),
                field: "<nil>".into(),
            });
        } else {
            let broken = rules::check(validator, body, old, true);
            causes.extend(broken.causes);
            warnings.extend(broken.tolerated.iter().map(|cause| format!("{}: {}", cause.field, cause.message)));
        }
    }
    causes
}
