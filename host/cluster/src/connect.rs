//! Opens one connection: TCP (directly or through an HTTP proxy), then TLS with ALPN.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{Connection, KubeconfigError, Server};
use motet_core::ApiError;

/// Opens connections to one server.
pub(crate) struct Connector {
    server: Server,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    proxy: Option<(String, u16)>,
    timeout: Duration,
}

/// An open connection, and whether HTTP/2 was agreed on.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) http2: bool,
}

impl Connector {
    pub(crate) fn new(connection: &Connection, timeout: Duration) -> Result<Self, KubeconfigError> {
        let server = connection.server.clone();
        let tls = server.tls.then(|| {
            let name = connection.tls.server_name.as_deref().unwrap_or(&server.host).to_string();
            let name = ServerName::try_from(name.clone())
                .map_err(|_| KubeconfigError::Invalid(format!("{name:?} is no name that a certificate could carry")))?;
            Ok((crate::tls::config(&connection.tls)?, name))
        });
        Ok(Self { tls: tls.transpose()?, server, proxy: connection.proxy.clone(), timeout })
    }

    /// Opens one connection, within the connect timeout.
    pub(crate) async fn open(&self) -> Result<Opened, ApiError> {
        match tokio::time::timeout(self.timeout, self.dial()).await {
            Ok(result) => result.map_err(|e| self.explain(&e)),
            Err(_) => {
                let message = format!("connecting to {} took longer than {:?}", self.server, self.timeout);
                Err(ApiError::new(0, "ConnectTimeout", message))
            }
        }
    }

    async fn dial(&self) -> io::Result<Opened> {
        let (host, port) = self.proxy.as_ref().map_or((self.server.host.as_str(), self.server.port), |(h, p)| (h, *p));
        let mut tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        // HTTP/1.1 has no ping: only this finds out that a peer of an idle watch is gone.
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(Duration::from_secs(30))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        socket2::SockRef::from(&tcp).set_tcp_keepalive(&keepalive)?;
        if self.proxy.is_some() {
            tunnel(&mut tcp, &self.server.authority()).await?;
        }
        let Some((config, name)) = &self.tls else {
            return Ok(Opened { stream: Stream::new(Inner::Plain(tcp)), http2: false });
        };
        let tls = TlsConnector::from(config.clone()).connect(name.clone(), tcp).await?;
        let http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Opened { stream: Stream::new(Inner::Tls(Box::new(tls))), http2 })
    }

    fn explain(&self, error: &io::Error) -> ApiError {
        let tls = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        let reason = match (tls, error.kind()) {
            (Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented), _) => {
                "CertificateInvalid"
            }
            (Some(rustls::Error::AlertReceived(_)), _) => "CertificateInvalid",
            (_, io::ErrorKind::ConnectionRefused) => "ConnectionRefused",
            (_, io::ErrorKind::TimedOut) => "ConnectTimeout",
            _ => "ConnectionFailed",
        };
        ApiError::new(0, reason, format!("connecting to {} failed: {error}", self.server))
    }
}

/// Asks an HTTP proxy for a tunnel.
async fn tunnel(tcp: &mut TcpStream, authority: &str) -> io::Result<()> {
    tcp.write_all(format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    // One byte at a time: what follows the head belongs to the tunnel. It is read once per connection.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 8192 {
            return Err(io::Error::other("the proxy's answer has no end"));
        }
        head.push(tcp.read_u8().await?);
    }
    let line = String::from_utf8_lossy(&head);
    let status = line.split(' ').nth(1).unwrap_or_default();
    if status == "200" {
        Ok(())
    } else {
        Err(io::Error::other(format!("the proxy answered {status:?} instead of 200")))
    }
}

/// Breaks a connection at once, whoever holds it and whatever is under way on it.
#[derive(Default)]
pub(crate) struct Switch {
    off: AtomicBool,
    reader: AtomicWaker,
}

impl Switch {
    pub(crate) fn turn_off(&self) {
        self.off.store(true, Ordering::Release);
        self.reader.wake();
    }

    fn check(&self) -> io::Result<()> {
        if self.off.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

enum Inner {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection with or without TLS, and the switch that breaks it.
pub(crate) struct Stream {
    inner: Inner,
    switch: Arc<Switch>,
}

impl Stream {
    fn new(inner: Inner) -> Self {
        Self { inner, switch: Arc::default() }
    }

    pub(crate) fn switch(&self) -> Arc<Switch> {
        self.switch.clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // Registered before the check, or a switch turned between the two would be missed.
        this.switch.reader.register(cx.waker());
        this.switch.check()?;
        match &mut this.inner {
            Inner::Plain(s) => Pin::new(s).poll_read(cx, buf),
            Inner::Tls(s) => Pin::new(s).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.switch.check()?;
        match &mut this.inner {
            Inner::Plain(s) => Pin::new(s).poll_write(cx, buf),
            Inner::Tls(s) => Pin::new(s).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.switch.check()?;
        match &mut this.inner {
            Inner::Plain(s) => Pin::new(s).poll_flush(cx),
            Inner::Tls(s) => Pin::new(s).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.switch.check()?;
        match &mut this.inner {
            Inner::Plain(s) => Pin::new(s).poll_shutdown(cx),
            Inner::Tls(s) => Pin::new(s).poll_shutdown(cx),
        }
    }
}
