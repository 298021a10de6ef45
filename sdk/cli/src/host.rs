//! Asks a running host.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;

use crate::args::Host;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The items at `path` of the status API.
pub(crate) async fn items(host: &Host, path: &str) -> Result<Vec<Value>> {
    let url = format!("{}{path}", host.url.trim_end_matches('/'));
    let answer = tokio::time::timeout(TIMEOUT, ask(host, &url))
        .await
        .map_err(|_| anyhow::anyhow!("no answer within {TIMEOUT:?}: is it running? see --host"))
        .and_then(|a| a);
    let mut answer = answer.with_context(|| format!("asking the host at {url}"))?;
    Ok(answer["items"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

async fn ask(host: &Host, url: &str) -> Result<Value> {
    let mut request = Request::get(url);
    if let Some(token) = token(host)? {
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).context("the token is not one line of text")?;
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    let ca = host.host_ca.as_ref().map(fs::read).transpose().context("reading --host-ca")?;
    let client = Client::builder(TokioExecutor::new()).build::<_, Empty<Bytes>>(motet_oci::connector(ca.as_deref())?);
    let response = client.request(request.body(Empty::new())?).await.context("is it running? see --host")?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    match status.as_u16() {
        200..=299 => Ok(serde_json::from_slice(&body)?),
        401 => bail!("it wants a bearer token, by --token-file or --token: {}", said(&body)),
        _ => bail!("it answered {status}: {}", said(&body)),
    }
}

fn token(host: &Host) -> Result<Option<String>> {
    if let Some(token) = &host.token {
        return Ok(Some(token.trim().to_owned()));
    }
    let Some(file) = &host.token_file else { return Ok(None) };
    let token = fs::read_to_string(file).with_context(|| format!("reading the token {}", file.display()))?;
    Ok(Some(token.trim().to_owned()))
}

/// The host's own words where it has any.
fn said(body: &[u8]) -> String {
    let message = serde_json::from_slice::<Value>(body).ok().and_then(|v| v["error"].as_str().map(str::to_owned));
    message.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}
