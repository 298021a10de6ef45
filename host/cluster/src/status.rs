//! Reads what an API server says instead of success.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use motet_core::{ApiError, Cause};
use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
    reason: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    causes: Option<Vec<StatusCause>>,
    retry_after_seconds: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct StatusCause {
    reason: Option<String>,
    message: Option<String>,
    field: Option<String>,
}

/// The error of an answer whose status is not a success. `doing` says what was asked, for people.
pub(crate) fn from_response(doing: &str, code: StatusCode, headers: &HeaderMap, body: &[u8]) -> ApiError {
    let status: Status = serde_json::from_slice(body).unwrap_or_default();
    let mut error = from_status(doing, status, code.as_u16(), || {
        let text = String::from_utf8_lossy(body);
        let text = text.trim().chars().take(200).collect::<String>();
        if text.is_empty() { code.canonical_reason().unwrap_or("no explanation").into() } else { text }
    });
    let header = headers.get(RETRY_AFTER).and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok());
    error.retry_after = header.map(Duration::from_secs).or(error.retry_after);
    error
}

/// The error of a `Status` object, as watches carry it in an ERROR event; `None` where the bytes are none.
pub(crate) fn from_object(doing: &str, json: &[u8]) -> Option<ApiError> {
    let status: Status = serde_json::from_slice(json).ok()?;
    let code = status.code;
    Some(from_status(doing, status, code, || "the watch failed without explanation".into()))
}

fn from_status(doing: &str, status: Status, code: u16, message: impl FnOnce() -> String) -> ApiError {
    let details = status.details.unwrap_or_default();
    // A missing object is named; what nobody serves is not.
    let unserved = code == 404 && details.name.is_empty();
    let reason = if unserved { Some("KindMissing".to_string()) } else { status.reason };
    let text = status.message.filter(|m| !m.is_empty()).unwrap_or_else(message);
    let causes = details.causes.unwrap_or_default().into_iter().map(|c| Cause {
        reason: c.reason.unwrap_or_default(),
        message: c.message.unwrap_or_default(),
        field: c.field.unwrap_or_default(),
    });
    ApiError {
        code,
        reason: reason.filter(|r| !r.is_empty()).unwrap_or_else(|| default_reason(code).into()),
        message: format!("{doing}: {text}"),
        causes: causes.collect(),
        retry_after: (details.retry_after_seconds > 0).then(|| Duration::from_secs(details.retry_after_seconds)),
    }
}

fn default_reason(code: u16) -> &'static str {
    match code {
        400 => "BadRequest",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        409 => "Conflict",
        410 => "Expired",
        413 => "RequestEntityTooLarge",
        415 => "UnsupportedMediaType",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    }
}

/// Whether the server says that it has not reached a resource version yet.
pub(crate) fn too_large_version(error: &ApiError) -> bool {
    error.code == 504
        && (error.causes.iter().any(|c| c.reason == "ResourceVersionTooLarge")
            || error.message.contains("Too large resource version"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_with_causes_and_retry_time() {
        let body =
            br#"{"kind":"Status","code":409,"reason":"Conflict","message":"taken","details":{"retryAfterSeconds":2,
            "causes":[{"reason":"FieldManagerConflict","message":"by x","field":".spec"}]}}"#;
        let mut headers = HeaderMap::new();
        let error = from_response("applying pods a", StatusCode::CONFLICT, &headers, body);
        assert!(error.is_apply_conflict());
        assert_eq!(
            (error.message.as_str(), error.retry_after),
            ("applying pods a: taken", Some(Duration::from_secs(2)))
        );
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let error = from_response("x", StatusCode::TOO_MANY_REQUESTS, &headers, b"<html>");
        assert_eq!(
            (error.code, error.reason.as_str(), error.retry_after),
            (429, "TooManyRequests", Some(Duration::from_secs(7)))
        );
        let missing = |body: &[u8]| from_response("x", StatusCode::NOT_FOUND, &HeaderMap::new(), body).reason;
        assert_eq!(missing(b"404 page not found"), "KindMissing");
        assert_eq!(missing(br#"{"reason":"NotFound","details":{"name":"a"}}"#), "NotFound");
        assert_eq!(from_response("x", StatusCode::BAD_GATEWAY, &HeaderMap::new(), b"").message, "x: Bad Gateway");
    }
}
