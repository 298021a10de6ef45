//! Whether a body fits the types of its kind.

use serde_json::Value;

use super::Write;
use crate::error::ApiError;
use crate::schema::misfit;

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
