//! Members that never answer delay nobody, and members that go leave nothing behind.

use std::time::Duration;

use motet_fleet::MemberState;
use tokio::{net::TcpListener, runtime::Handle};

use super::stage::{Stage, cluster, settings, shows, spec, subscribe, until, write};

#[tokio::test]
async fn members_that_never_answer_delay_nobody() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let edges = [cluster("one").await, cluster("two").await, cluster("three").await];
    let mut settings = settings();
    // Whoever waits for a hole waits longer than this test takes.
    settings.client.connect_timeout = Duration::from_secs(3600);
    settings.client.request_timeout = Duration::from_secs(3600);
    settings.client.probe_timeout = Duration::from_secs(3600);
    let mut stage = Stage::with(settings);
    for n in 0..30 {
        let kubeconfig =
            edges[0].kubeconfig().replace(&edges[0].url(), &format!("https://{}", hole.local_addr().unwrap()));
        stage.put(spec(&format!("hole-{n}"), &kubeconfig)).await;
    }
    stage.put(spec("one", &edges[0].kubeconfig())).await;
    stage.put(spec("two", &edges[1].kubeconfig())).await;
    let (one, two) = (stage.engaged().await, stage.engaged().await);
    let caches = [subscribe(&one), subscribe(&two)];

    // One of those that are served goes silent too: the others change, come and go as before.
    edges[0].faults().hang(true);
    let (healthy, cache) = if one.info.name.as_str() == "two" { (&one, &caches[0]) } else { (&two, &caches[1]) };
    write(&*healthy.api, "x").await.unwrap();
    shows(cache, "x").await;
    stage.change("two", |spec| drop(spec.labels.insert("ring".into(), "1".into()))).await;
    assert_eq!(stage.event().await, "changed two");
    stage.put(spec("three", &edges[2].kubeconfig())).await;
    assert_eq!(stage.event().await, "engaged three");
    stage.withdraw("one").await;
    assert_eq!(stage.event().await, "disengaged one");
    stage.withdraw("hole-7").await;
    until("a hole to go", || stage.fleet.snapshot().len() == 31).await;
    assert_eq!(stage.status("hole-8").state, MemberState::Connecting);
    stage.fleet.shutdown().await;
    assert!(stage.fleet.snapshot().is_empty());
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn disengaging_returns_descriptors_and_tasks() {
    // In a process of its own other tests open files; within this runtime tasks are countable.
    let edge = cluster("edge").await;
    let mut stage = Stage::new();
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let round = async |stage: &mut Stage| {
        stage.put(spec("a", &edge.kubeconfig())).await;
        let member = stage.engaged().await;
        let cache = subscribe(&member);
        write(&*member.api, "x").await.unwrap();
        shows(&cache, "x").await;
        let during = tasks();
        stage.withdraw("a").await;
        assert_eq!(stage.event().await, "disengaged a");
        during
    };
    let before = tasks();
    let during = round(&mut stage).await;
    assert!(during > before);
    for _ in 0..10 {
        round(&mut stage).await;
    }
    until("tasks to end", || tasks() <= before).await;
    let edge_port = edge.port();
    until("sockets to close", || sockets_to(edge_port) == 0).await;
    assert!(descriptors() > 0);
}

/// Established TCP connections of this machine to a local port.
fn sockets_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let peer = format!("0100007F:{port:04X}");
    table
        .lines()
        .filter(|l| l.split_whitespace().nth(2) == Some(&peer) && l.split_whitespace().nth(3) == Some("01"))
        .count()
}
