//! Members stop answering and come back.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use motet_fleet::{FleetSettings, MemberState};
use tokio::{net::TcpListener, task::JoinHandle};

use super::stage::{Stage, cluster, settings, shows, spec, subscribe, until, write};

#[tokio::test]
async fn a_lost_member_returns_with_its_store_and_what_changed_meanwhile() {
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    let cache = subscribe(&member);
    write(&*member.api, "kept").await.unwrap();
    shows(&cache, "kept").await;
    for reason in ["ConnectionRefused", "ConnectTimeout"] {
        let stopped = reason == "ConnectionRefused";
        if stopped {
            edge.stop()
        } else {
            edge.faults().hang(true)
        }
        assert_eq!(stage.event().await, "lost a");
        let status = stage.reaches("a", MemberState::Unreachable, reason).await;
        assert!(status.message.contains(&edge.url()), "{}", status.message);
        assert_eq!(write(&*member.api, "lost").await.unwrap_err().code, 0);
        shows(&cache, "kept").await;
        if stopped {
            edge.restart().await.unwrap()
        } else {
            edge.faults().hang(false)
        }
        assert_eq!(stage.event().await, "returned a");
        stage.reaches("a", MemberState::Ready, "").await;
        write(&*member.api, reason.to_lowercase().as_str()).await.unwrap();
        shows(&cache, reason.to_lowercase().as_str()).await;
    }
    assert_eq!(stage.status("a").reconnects.values().sum::<u64>(), 2);
}

#[tokio::test]
async fn a_refused_credential_is_lost_at_once_and_returns_with_a_new_one() {
    let edge = cluster("edge").await;
    let mut settings = settings();
    // Failed probes alone would take for ever.
    settings.unhealthy_after = 1_000_000;
    let mut stage = Stage::with(settings);
    stage.put(spec("a", &edge.kubeconfig())).await;
    let member = stage.engaged().await;
    edge.revoke_token(edge.token());
    assert_eq!(stage.event().await, "lost a");
    stage.reaches("a", MemberState::Unreachable, "Unauthorized").await;
    edge.add_token("fresh");
    let fresh = edge.kubeconfig_with_token("fresh");
    stage.change("a", |spec| spec.kubeconfig = fresh.into()).await;
    assert_eq!(stage.event().await, "returned a");
    write(&*member.api, "x").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_says_why_and_recovers() {
    let (edge, other) = (cluster("edge").await, cluster("other").await);
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let good = edge.kubeconfig();
    let ca = |c: &motet_devcluster::Cluster| {
        let config = c.kubeconfig();
        config.lines().find(|l| l.contains("certificate-authority-data")).unwrap().to_string()
    };
    let cases = [
        ("not-yaml", "[".to_string(), MemberState::Refused, "KubeconfigInvalid"),
        ("empty", String::new(), MemberState::Refused, "KubeconfigInvalid"),
        ("huge", " ".repeat(10 << 20), MemberState::Refused, "KubeconfigInvalid"),
        ("bomb", format!("a: &a [b]\nc: [*a, *a]\n{good}"), MemberState::Refused, "KubeconfigInvalid"),
        ("exec", good.replace("token:", "exec: {command: sh}\n    x:"), MemberState::Refused, "KubeconfigForbidden"),
        ("files", good.replace("token:", "tokenFile:"), MemberState::Refused, "KubeconfigForbidden"),
        ("token", edge.kubeconfig_with_token("wrong"), MemberState::Refused, "Unauthorized"),
        ("ca", good.replace(&ca(&edge), &ca(&other)), MemberState::Refused, "CertificateInvalid"),
        (
            "gone",
            good.replace(&edge.url(), &format!("https://{closed}")),
            MemberState::Unreachable,
            "ConnectionRefused",
        ),
    ];
    let mut stage = Stage::new();
    stage.put(spec("fine", &other.kubeconfig())).await;
    let fine = stage.engaged().await;
    for (name, kubeconfig, ..) in &cases {
        stage.put(spec(name, kubeconfig)).await;
    }
    for (name, _, state, reason) in &cases {
        let status = stage.reaches(name, *state, reason).await;
        assert!(!status.message.is_empty(), "{name}");
    }
    write(&*fine.api, "undisturbed").await.unwrap();
    assert_eq!(stage.status("fine").state, MemberState::Ready);
    stage.quiet();
    stage.change("exec", |spec| spec.kubeconfig = good.clone().into()).await;
    assert_eq!(stage.event().await, "engaged exec");
}

/// An API server that answers probes with 500 for as long as `failing` counts down, and counts them.
struct Flaky {
    port: u16,
    failing: Arc<AtomicU32>,
    probes: Arc<AtomicU32>,
    _task: JoinHandle<()>,
}

impl Flaky {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (failing, probes) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (failures, count) = (failing.clone(), probes.clone());
        let task = tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (failures, count) = (failures.clone(), count.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (code, body) = answer(request.uri().path(), &failures, &count);
                    async move { Response::builder().status(code).body(Full::<bytes::Bytes>::from(body)) }
                });
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(tcp), service));
            }
        });
        Self { port, failing, probes, _task: task }
    }

    fn kubeconfig(&self) -> String {
        let port = self.port;
        format!(
            "contexts: [{{name: c, context: {{cluster: k}}}}]\nclusters: [{{name: k, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]"
        )
    }

    /// Has the next probes fail, and waits until they and some more were answered.
    async fn fail(&self, probes: u32) {
        let start = self.probes.load(Ordering::SeqCst);
        self.failing.store(probes, Ordering::SeqCst);
        until("probes", || self.probes.load(Ordering::SeqCst) >= start + probes + 3).await;
    }
}

fn answer(path: &str, failing: &AtomicU32, probes: &AtomicU32) -> (u16, &'static str) {
    match path {
        "/version" => (200, r#"{"gitVersion":"v1.0.0"}"#),
        "/api/v1/namespaces/kube-system" => (200, r#"{"metadata":{"uid":"u"}}"#),
        "/readyz" => {
            probes.fetch_add(1, Ordering::SeqCst);
            let fails = failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
            if fails { (500, "not ready") } else { (200, "ok") }
        }
        _ => (200, r#"{"kind":"APIGroupDiscoveryList","items":[]}"#),
    }
}

#[tokio::test]
async fn fewer_failed_probes_than_the_threshold_lose_nothing() {
    let server = Flaky::start().await;
    let mut stage = Stage::with(FleetSettings { unhealthy_after: 3, ..settings() });
    stage.put(spec("a", &server.kubeconfig())).await;
    stage.engaged().await;
    for _ in 0..3 {
        server.fail(2).await;
    }
    stage.quiet();
    assert_eq!(stage.status("a").state, MemberState::Ready);
    assert!(stage.status("a").latency.is_some());
    server.fail(3).await;
    assert_eq!(stage.event().await, "lost a");
}

#[tokio::test]
async fn a_lost_member_must_answer_several_times_before_it_returns() {
    let server = Flaky::start().await;
    let mut stage = Stage::with(FleetSettings { unhealthy_after: 1, healthy_after: 4, ..settings() });
    stage.put(spec("a", &server.kubeconfig())).await;
    stage.engaged().await;
    // One to lose it; the next fails during the first try to return.
    server.failing.store(2, Ordering::SeqCst);
    assert_eq!(stage.event().await, "lost a");
    let at_loss = server.probes.load(Ordering::SeqCst);
    assert_eq!(stage.event().await, "returned a");
    let until_return = server.probes.load(Ordering::SeqCst) - at_loss;
    assert!(until_return >= 4, "one failed probe and three good ones in a row, not {until_return}");
}
