//! Carries HTTP/1.1 over TCP or TLS: a bounded number of connections, none of which may be silent for long.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 1024;
/// Longest handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Longest time to send a request's head, which is the longest time to keep an idle connection too.
const HEAD: Duration = Duration::from_secs(30);
/// How long answers under way may take once the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Before accepting is tried again where the process has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until `stop`, and then what is under way.
pub(crate) async fn run(listener: TcpListener, router: Router, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    let (connections, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let accepting = async {
        // The semaphore is never closed.
        while let Ok(slot) = slots.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let serving = connection(stream, router.clone(), tls.clone(), stop.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
    drop(listener);
    connections.close();
    if timeout(FAREWELL, connections.wait()).await.is_err() {
        tracing::debug!("answers were still under way; they are dropped");
    }
}

async fn connection(stream: TcpStream, router: Router, tls: Option<TlsAcceptor>, stop: CancellationToken) {
    // Answers are small; waiting to fill packets only costs.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return http(stream, router, stop).await };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => http(stream, router, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took longer than {HANDSHAKE:?}"),
    }
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, router: Router, stop: CancellationToken) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}
