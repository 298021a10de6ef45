//! Registries that lie, stall, flood and send elsewhere: each is refused with a reason, and no packet goes where none may.

#[cfg(test)]
mod hostile {
    use std::{
        net::SocketAddr,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use axum::{
        Router,
        body::Body,
        extract::Request,
        http::{StatusCode, header},
        response::{IntoResponse, Response},
    };
    use bytes::Bytes;
    use motet_core::Digest;
    use motet_oci::{
        Credentials, Held, Http, MAX_COMPONENT, OciError, Patience, Registry, Rules, Trust, component_layer,
    };
    use serde_json::json;

    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

    /// Serves `answer` for every request on a port of its own, and counts the requests.
    async fn serve(
        answer: impl Fn(Request) -> Response + Clone + Send + Sync + 'static,
    ) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let router = Router::new().fallback(move |request: Request| {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            async move { answer(request) }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        (address, asked)
    }

    fn laptop() -> Rules {
        Rules { plain_http: true, loopback: true, ..Rules::default() }
    }

    fn registry(at: SocketAddr, rules: Rules, credentials: Option<Credentials>) -> Result<Registry, OciError> {
        let patience = Patience {
            header: Duration::from_millis(400),
            stall: Duration::from_millis(300),
            body: Duration::from_secs(2),
        };
        let http = Http::new(Arc::new(rules), &Trust::system(), patience)?;
        Registry::new(http, format!("{at}/team/plugin:v1").parse()?, true, credentials)
    }

    async fn pull(registry: &Registry) -> Result<Bytes, OciError> {
        let digest = registry.resolve("v1").await?;
        match component_layer(&registry.manifest(digest).await?)? {
            Held::Layer(layer) => registry.blob(&layer, MAX_COMPONENT).await,
            Held::Child(_) => Err(OciError::Layout("an index".into())),
        }
    }

    /// An image of one component of which `declared` bytes are promised.
    fn manifest(component: &[u8], declared: u64) -> Vec<u8> {
        json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}").to_string(), "size": 2},
            "layers": [{"mediaType": "application/wasm", "digest": Digest::of(component).to_string(), "size": declared}]})
        .to_string()
        .into_bytes()
    }

    fn found(kind: &'static str, bytes: Vec<u8>) -> Response {
        let digest = Digest::of(&bytes).to_string();
        (
            [(header::CONTENT_TYPE, kind), (header::HeaderName::from_static("docker-content-digest"), digest.leak())],
            bytes,
        )
            .into_response()
    }

    fn is_blob(request: &Request) -> bool {
        request.uri().path().contains("/blobs/")
    }

    fn redirect(to: String) -> Response {
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response()
    }

    #[tokio::test]
    async fn an_honest_registry_is_pulled_from() {
        let (at, _) =
            serve(|r| if is_blob(&r) { b"wasm".into_response() } else { found(MANIFEST, manifest(b"wasm", 4)) }).await;
        assert_eq!(&*pull(&registry(at, laptop(), None).unwrap()).await.unwrap(), b"wasm");
    }

    #[tokio::test]
    async fn plain_http_and_loopback_need_the_hosts_leave() {
        let (at, asked) = serve(|_| "x".into_response()).await;
        let error = registry(at, Rules { plain_http: false, ..laptop() }, None).err().unwrap();
        assert!(error.to_string().contains("--allow-registry plain-http"), "{error}");
        let error = pull(&registry(at, Rules { loopback: false, ..laptop() }, None).unwrap()).await.unwrap_err();
        assert_eq!(error.reason(), "RegistryForbidden", "{error}");
        // A name that resolves inward is found out before the connection.
        let named = format!("localhost:{}/team/plugin:v1", at.port()).parse().unwrap();
        let rules = Arc::new(Rules { loopback: false, ..laptop() });
        let http = Http::new(rules, &Trust::system(), Patience::default()).unwrap();
        let error = Registry::new(http, named, true, None).unwrap().resolve("v1").await.unwrap_err();
        assert!(error.reason() == "RegistryForbidden" && error.to_string().contains("loopback"), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "no packet left");
    }

    #[tokio::test]
    async fn redirects_go_to_the_registry_itself_or_to_listed_hosts() {
        let (storage, asked) = serve(|r| {
            assert!(r.headers().get(header::AUTHORIZATION).is_none(), "credentials stay with the registry");
            b"wasm".into_response()
        })
        .await;
        let (at, _) = serve(move |r| {
            if is_blob(&r) {
                redirect(format!("http://{storage}/somewhere"))
            } else {
                found(MANIFEST, manifest(b"wasm", 4))
            }
        })
        .await;
        let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
        assert!(error.reason() == "RegistryForbidden" && error.to_string().contains("--registry-hosts"), "{error}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "no packet left");
        let hosts = vec![motet_oci::HostPattern::parse(&storage.to_string()).unwrap()];
        let credentials = Credentials { user: "u".into(), password: "p".into(), identity_token: None };
        let listed = registry(at, Rules { hosts, ..laptop() }, Some(credentials)).unwrap();
        assert_eq!(&*pull(&listed).await.unwrap(), b"wasm");
    }

    #[tokio::test]
    async fn redirects_inward_and_in_circles_end() {
        for target in [
            "http://169.254.169.254/latest/meta-data",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "gopher://x/",
        ] {
            let (at, _) = serve(move |_| redirect(target.into())).await;
            let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
            assert_eq!(error.reason(), "RegistryForbidden", "{target}: {error}");
        }
        let (at, asked) = serve(|_| redirect("/v2/again".into())).await;
        let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
        assert!(error.to_string().contains("circle"), "{error}");
        assert!(asked.load(Ordering::SeqCst) <= 6);
    }

    #[tokio::test]
    async fn token_realms_are_held_to_the_same_rules() {
        let (elsewhere, asked) = serve(|_| json!({"token": "t"}).to_string().into_response()).await;
        for realm in
            [format!("http://{elsewhere}/token"), "http://169.254.169.254/token".into(), "ftp://x/token".into()]
        {
            let (at, _) = serve(move |_| {
                let challenge = format!(r#"Bearer realm="{realm}",service="s",scope="repository:x:pull""#);
                (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
            })
            .await;
            let credentials = Credentials { user: "u".into(), password: "p".into(), identity_token: None };
            let error = pull(&registry(at, laptop(), Some(credentials)).unwrap()).await.unwrap_err();
            assert_eq!(error.reason(), "RegistryForbidden", "{error}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0, "no password left");
    }

    #[tokio::test]
    async fn ten_gigabytes_are_not_taken() {
        let flood = || {
            let chunk = Bytes::from(vec![0; 1 << 20]);
            let stream = tokio_stream(chunk, 10_240);
            Body::from_stream(stream).into_response()
        };
        // Promised: refused before it is asked for. Not promised: cut at what was promised.
        for (declared, reason) in [(10 << 30, "TooLarge"), (1000, "TooLarge")] {
            let (at, _) =
                serve(move |r| if is_blob(&r) { flood() } else { found(MANIFEST, manifest(b"wasm", declared)) }).await;
            let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
            assert_eq!(error.reason(), reason, "{error}");
        }
        let (at, _) =
            serve(move |r| if r.method() == "HEAD" { found(MANIFEST, vec![]) } else { endless_manifest(flood()) })
                .await;
        assert_eq!(pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err().reason(), "TooLarge");
    }

    fn endless_manifest(mut response: Response) -> Response {
        response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(MANIFEST));
        response
    }

    /// `times` times the same chunk.
    fn tokio_stream(chunk: Bytes, times: usize) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> {
        futures::stream::iter(std::iter::repeat_n(chunk, times).map(Ok))
    }

    #[tokio::test]
    async fn silence_ends_the_pull() {
        let (at, _) = serve(|r| {
            if is_blob(&r) {
                let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"wa"))]);
                let rest = futures::stream::pending();
                return Body::from_stream(futures::StreamExt::chain(first, rest)).into_response();
            }
            found(MANIFEST, manifest(b"wasm", 4))
        })
        .await;
        let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("stopped coming"), "{error}");
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let error = pull(&registry(silent.local_addr().unwrap(), laptop(), None).unwrap()).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("did not answer"), "{error}");
    }

    #[tokio::test]
    async fn a_page_for_browsers_is_no_registry() {
        let (at, _) = serve(|_| axum::response::Html("<html>Welcome</html>").into_response()).await;
        let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
        assert!(error.reason() == "RegistryProtocol" && error.to_string().contains("text/html"), "{error}");
    }

    #[tokio::test]
    async fn other_bytes_than_the_digest_promises_are_refused() {
        // A tag that changes between two reads: the digest read first decides, and what comes for it is something else.
        let reads = Arc::new(AtomicUsize::new(0));
        let (at, _) = serve(move |_| {
            let read = reads.fetch_add(1, Ordering::SeqCst);
            found(MANIFEST, manifest(format!("wasm {read}").as_bytes(), 6))
        })
        .await;
        let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
        assert_eq!(error.reason(), "DigestMismatch", "{error}");
        // A layer of the promised length with other bytes.
        let (at, _) =
            serve(|r| if is_blob(&r) { b"evil".into_response() } else { found(MANIFEST, manifest(b"wasm", 4)) }).await;
        let error = pull(&registry(at, laptop(), None).unwrap()).await.unwrap_err();
        assert_eq!(error.reason(), "DigestMismatch", "{error}");
    }

    #[tokio::test]
    async fn refusals_of_a_registry_are_told_apart() {
        for (status, reason, transient) in [
            (StatusCode::FORBIDDEN, "RegistryUnauthorized", false),
            (StatusCode::NOT_FOUND, "ImageNotFound", false),
            (StatusCode::TOO_MANY_REQUESTS, "RegistryThrottled", true),
            (StatusCode::BAD_GATEWAY, "RegistryUnreachable", true),
            (StatusCode::IM_A_TEAPOT, "RegistryProtocol", false),
        ] {
            let (at, _) = serve(move |_| {
                let body = json!({"errors": [{"code": "DENIED", "message": "no"}]}).to_string();
                (status, [(header::RETRY_AFTER, "7")], body).into_response()
            })
            .await;
            let error = registry(at, laptop(), None).unwrap().manifest(Digest::of(b"x")).await.unwrap_err();
            assert_eq!((error.reason(), error.is_transient()), (reason, transient), "{error}");
            assert!(error.to_string().contains("DENIED: no"), "{error}");
            if status == StatusCode::TOO_MANY_REQUESTS {
                assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
            }
        }
    }
}
