//! Builds HTTP answers.

use std::convert::Infallible;
use std::io::Write;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
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

/// Marks a body that goes on.
#[derive(Debug, Clone, Copy)]
struct Endless;

/// A body that goes on: a watch.
pub(crate) fn stream(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Answer {
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    let mut answer = with(200, "application/json", StreamBody::new(frames).boxed_unsync());
    answer.extensions_mut().insert(Endless);
    answer
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
    warn(answer, error.warnings())
}

/// Bodies of more bytes are packed for clients that take it.
const PACKED: usize = 128 * 1024;

/// How a body is written in the end, whatever it says.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Finish {
    /// With line breaks and indents.
    pub(crate) pretty: bool,
    /// Errors in YAML.
    pub(crate) yaml: bool,
    /// What is no error in YAML.
    pub(crate) yaml_success: bool,
    /// Large ones packed.
    pub(crate) gzip: bool,
}

/// Gives a body its final form.
pub(crate) async fn finish(answer: Answer, how: Finish) -> Answer {
    let kind = answer.headers().get(header::CONTENT_TYPE).cloned();
    let kind = kind.as_ref().and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let (json, failed) = (kind.starts_with("application/json"), answer.status().as_u16() >= 400);
    let yaml = if failed { how.yaml } else { how.yaml_success };
    let untouched = !how.pretty && !how.gzip && !yaml;
    if untouched || !(json || kind == "application/yaml") || answer.extensions().get::<Endless>().is_some() {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(collected) = body.collect().await;
    let mut bytes = collected.to_bytes();
    if kind == "application/json" && yaml {
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        bytes = Bytes::from(serde_yaml::to_string(&value).unwrap_or_default());
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    } else if json && how.pretty {
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        bytes = Bytes::from(serde_json::to_vec_pretty(&value).unwrap_or_default());
    }
    if how.gzip && bytes.len() > PACKED {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        // Nothing fails that is written to memory.
        if packer.write_all(&bytes).is_ok()
            && let Ok(packed) = packer.finish()
        {
            bytes = Bytes::from(packed);
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
    }
    Response::from_parts(parts, Full::new(bytes).boxed_unsync())
}

/// Adds a `Warning` header per text, as kubectl prints them.
pub(crate) fn warn(mut answer: Answer, warnings: &[String]) -> Answer {
    for (i, warning) in warnings.iter().enumerate() {
        // Nobody is told twice; what does not fit into a header is not told at all.
        if warnings[..i].contains(warning) || warning.contains(char::is_control) {
            continue;
        }
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
    answer
}
