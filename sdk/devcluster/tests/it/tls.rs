//! HTTPS: both HTTP versions by ALPN, and many watches on one HTTP/2 connection.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use motet_devcluster::{Cluster, Options};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

async fn connect(cluster: &Cluster, protocol: &str) -> TlsStream<tokio::net::TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(cluster.ca_pem().unwrap().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", cluster.port())).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap()
}

#[tokio::test]
async fn http_1_is_negotiated_for_those_who_want_it() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let stream = connect(&cluster, "http/1.1").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/readyz").header("host", "127.0.0.1").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(send.send_request(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn watches_share_one_http_2_connection() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let stream = connect(&cluster, "h2").await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut watches = Vec::new();
    for _ in 0..30 {
        let request = Request::get(format!("{}/api/v1/namespaces?watch=1", cluster.url()))
            .header("authorization", format!("Bearer {}", cluster.token()))
            .body(Empty::<Bytes>::new())
            .unwrap();
        let answer = send.send_request(request).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, http::Version::HTTP_2));
        watches.push(answer.into_body());
    }
    for watch in &mut watches {
        let first = watch.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.starts_with(b"{\"type\":\"ADDED\""));
    }
}
