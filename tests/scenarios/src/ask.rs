//! Asks a host over HTTP or HTTPS with or without a token, and sees which certificate it shows.

use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// What a host answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// Status line and headers.
    pub head: String,
    /// The body.
    pub body: String,
    /// The certificate that it showed; empty over HTTP.
    pub certificate: Vec<u8>,
}

/// GET from a port of 127.0.0.1, in plain HTTP.
pub async fn http(port: u16, path: &str, token: Option<&str>) -> Result<Answer> {
    exchange(TcpStream::connect(("127.0.0.1", port)).await?, path, token).await
}

/// The same over TLS, with a certificate of the authority `ca` (PEM).
pub async fn https(port: u16, ca: &str, path: &str, token: Option<&str>) -> Result<Answer> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        roots.add(certificate.map_err(|e| anyhow!("the authority: {e}"))?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    let stream =
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost")?.to_owned(), tcp).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).context("no certificate")?;
    let certificate = shown.to_vec();
    Ok(Answer { certificate, ..exchange(stream, path, token).await? })
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str, token: Option<&str>) -> Result<Answer> {
    let authorization = token.map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer).await {
        // Some close TLS without saying so.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(error.into()),
        _ => {}
    }
    let answer = String::from_utf8(answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let code = head.split(' ').nth(1).and_then(|c| c.parse().ok()).context("no status")?;
    Ok(Answer { code, head: head.into(), body: body.into(), certificate: vec![] })
}
