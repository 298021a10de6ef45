//! Owns the port: listening, refusing, and one task per connection.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::{convert::Infallible, io};

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::access::certificates::Peer;
use crate::cluster::Core;
use crate::routes;

/// A port that stays this cluster's, whether anything listens on it or not: a second socket is bound to it without listening.
#[derive(Debug)]
pub(crate) struct Port {
    _reserved: TcpSocket,
    pub(crate) number: u16,
}

fn socket(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

impl Port {
    /// Takes a port of 127.0.0.1; 0 means any free one.
    pub(crate) fn take(port: u16) -> io::Result<Self> {
        let reserved = socket(port)?;
        let number = reserved.local_addr()?.port();
        Ok(Self { _reserved: reserved, number })
    }

    /// Starts listening.
    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        socket(self.number)?.listen(1024)
    }
}

/// Accepts connections until the task is dropped.
pub(crate) async fn run(core: Arc<Core>, port: Arc<Port>, tls: Option<TlsAcceptor>, first: TcpListener) {
    let mut refused = core.faults.refused();
    let mut listener = Some(first);
    loop {
        if *refused.borrow_and_update() {
            // Closing the listener makes the kernel refuse; the other socket keeps the port ours.
            listener = None;
        } else if listener.is_none() {
            match port.listen() {
                Ok(again) => listener = Some(again),
                Err(error) => {
                    tracing::warn!(cluster = core.name, port = port.number, %error, "cannot listen again, trying in 100 ms");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            }
        }
        let Some(open) = &listener else {
            if refused.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            _ = refused.changed() => {}
            accepted = open.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(core.clone(), tls.clone(), stream));
                }
                // Out of file descriptors, as a rule: give others time to close some.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    }
}

async fn connection(core: Arc<Core>, tls: Option<TlsAcceptor>, stream: TcpStream) {
    let mut cuts = core.faults.cuts();
    let mut stopped = core.stopped.subscribe();
    cuts.mark_unchanged();
    if *stopped.borrow_and_update() {
        return;
    }
    // Small answers are the rule; waiting to fill packets only costs.
    let _ = stream.set_nodelay(true);
    let stream = core.faults.wrap(stream);
    let serving = async {
        match tls {
            None => http(core, Peer::Nobody, stream).await,
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => {
                    let chain = stream.get_ref().1.peer_certificates();
                    let peer = core.authority.as_ref().map_or(Peer::Nobody, |a| a.clients.peer(chain));
                    http(core, peer, stream).await;
                }
                Err(error) => tracing::debug!(%error, "TLS handshake failed"),
            },
        }
    };
    tokio::select! {
        () = serving => {}
        _ = cuts.changed() => {}
        _ = stopped.changed() => {}
    }
}

async fn http<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(core: Arc<Core>, peer: Peer, stream: T) {
    let peer = Arc::new(peer);
    let service = service_fn(move |request| {
        let (core, peer) = (core.clone(), peer.clone());
        async move {
            let answer = routes::answer(core.clone(), &peer, request).await;
            Ok::<_, Infallible>(core.faults.shape(answer))
        }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(100);
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "connection ended");
    }
}
