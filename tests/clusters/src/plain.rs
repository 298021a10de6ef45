//! Plain HTTP/1.1 without TLS: the host's status API, etcd's gateway.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// GET; code and body.
pub async fn get(address: &str, path: &str) -> Result<(u16, String)> {
    exchange(address, &format!("GET {path} HTTP/1.0\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await
}

/// POST of JSON; the answer must be a success.
pub async fn post(address: &str, path: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let head = format!("POST {path} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\n");
    let (code, answer) =
        exchange(address, &format!("{head}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())).await?;
    if code != 200 {
        bail!("POST {path}: {code} {answer}");
    }
    Ok(serde_json::from_str(&answer)?)
}

async fn exchange(address: &str, request: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let code = head.split(' ').nth(1).and_then(|c| c.parse().ok()).context("no status")?;
    Ok((code, body.to_string()))
}
