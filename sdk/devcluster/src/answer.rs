//! Builds HTTP answers.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderValue, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;

use crate::error::ApiError;

/// The body of every answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer before it is sent.
pub(crate) type Answer = Response<Body>;

fn with(code: u16, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// JSON that is already encoded.
pub(crate) fn json_bytes(code: u16, bytes: Bytes) -> Answer {
    with(code, "application/json", Full::new(bytes).boxed_unsync())
}

/// JSON that is already encoded, as YAML where that is wanted.
pub(crate) fn bytes(code: u16, bytes: Bytes, yaml: bool) -> Answer {
    if !yaml {
        return json_bytes(code, bytes);
    }
    let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = serde_yaml::to_string(&value).unwrap_or_default();
    with(code, "application/yaml", Full::new(Bytes::from(text)).boxed_unsync())
}

/// A value as JSON.
pub(crate) fn json(code: u16, value: &Value) -> Answer {
    json_bytes(code, Bytes::from(value.to_string()))
}

/// A value as JSON under another media type.
pub(crate) fn json_as(content_type: &'static str, value: &Value) -> Answer {
    with(200, content_type, Full::new(Bytes::from(value.to_string())).boxed_unsync())
}

/// Plain text.
pub(crate) fn text(code: u16, text: &'static str) -> Answer {
    with(code, "text/plain; charset=utf-8", Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync())
}

/// Nothing, not even a reason.
pub(crate) fn missing() -> Answer {
    let mut answer = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *answer.status_mut() = http::StatusCode::NOT_FOUND;
    answer
}

/// A body that goes on: a watch.
pub(crate) fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    with(200, "application/json", StreamBody::new(frames).boxed_unsync())
}

/// The `Status` of an error.
pub(crate) fn error(error: &ApiError) -> Answer {
    if error.code == 404 && error.reason.is_empty() {
        return text(404, "404 page not found\n");
    }
    let mut answer = json(error.code, &error.status());
    if let Some(seconds) = error.retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Adds a `Warning` header per text, as kubectl prints them.
pub(crate) fn warn(mut answer: Answer, warnings: &[String]) -> Answer {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
    answer
}
