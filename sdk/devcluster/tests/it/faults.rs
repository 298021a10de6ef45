//! The fault knobs, tokens, stopping, and the counters.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use serde_json::json;

use crate::client::{LONG, MAPS, bed, bed_with, map, version};

#[tokio::test]
async fn refusing_drops_connections_and_can_be_taken_back() {
    let bed = bed().await;
    let mut watch = bed.watch(&format!("{MAPS}?watch=1")).await;
    let port = bed.cluster.port();
    bed.cluster.faults().refuse(true);
    assert!(watch.next().await.is_none());
    let refused = async {
        loop {
            match tokio::net::TcpStream::connect(("127.0.0.1", port)).await {
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    tokio::time::timeout(LONG, refused).await.unwrap();
    assert!(bed.try_send(Method::GET, MAPS, &[], "").await.is_err());
    bed.cluster.faults().refuse(false);
    let back = async {
        while bed.try_send(Method::GET, MAPS, &[], "").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, back).await.unwrap();
}

#[tokio::test]
async fn hanging_answers_nothing_until_released() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    bed.cluster.faults().hang(true);
    let request = bed.send(Method::GET, MAPS, &[], "");
    tokio::pin!(request);
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut request).await.is_err());
    bed.cluster.faults().hang(false);
    assert_eq!(request.await.status(), 200);
}

#[tokio::test]
async fn cutting_ends_watches_and_the_next_request_works() {
    let bed = bed().await;
    let mut watch = bed.watch(&format!("{MAPS}?watch=1")).await;
    bed.cluster.faults().cut();
    assert!(watch.next().await.is_none());
    let again = async {
        while bed.try_send(Method::GET, MAPS, &[], "").await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, again).await.unwrap();
}

#[tokio::test]
async fn injected_answers_look_like_the_servers() {
    let bed = bed().await;
    bed.cluster.faults().fail(Some((429, Some(7))));
    let answer = bed.send(Method::GET, MAPS, &[], "").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "7"));
    bed.cluster.faults().fail(None);
    bed.cluster.faults().deny_writes(Some(("configmaps", "not on my watch")));
    let (code, denied) = bed.post(MAPS, &map("a", "1")).await;
    assert_eq!(code, 403);
    assert!(denied["message"].as_str().unwrap().ends_with("denied the request: not on my watch"));
    bed.cluster.faults().deny_writes(None);
    bed.cluster.faults().forbid(&["configmaps"]);
    let (code, forbidden) = bed.get(MAPS).await;
    assert_eq!((code, forbidden["reason"].as_str()), (403, Some("Forbidden")));
    assert_eq!(bed.get("/api/v1/namespaces").await.0, 200);
    bed.cluster.faults().forbid(&[]);
    assert_eq!(bed.get(MAPS).await.0, 200);
}

#[tokio::test]
async fn delays_put_answers_and_events_off() {
    let bed = bed().await;
    let delay = Duration::from_millis(60);
    bed.cluster.faults().delay(delay);
    let start = std::time::Instant::now();
    bed.get(MAPS).await;
    assert!(start.elapsed() >= delay);
    bed.cluster.faults().delay(Duration::ZERO);
    let mut watch = bed.watch(&format!("{MAPS}?watch=1")).await;
    bed.cluster.faults().delay_watches(delay);
    let start = std::time::Instant::now();
    bed.post(MAPS, &map("a", "1")).await;
    watch.next().await.unwrap();
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn tokens_come_and_go() {
    let bed = bed_with(|o| o.tokens = vec!["first".into()]).await;
    let code = |token: &str| {
        let (bed, header) = (&bed, format!("Bearer {token}"));
        async move { bed.send(Method::GET, MAPS, &[("authorization", &header)], "").await.status().as_u16() }
    };
    assert_eq!((code("first").await, code("second").await), (200, 401));
    bed.cluster.add_token("second");
    bed.cluster.revoke_token("first");
    assert_eq!((code("first").await, code("second").await), (401, 200));
    bed.cluster.faults().reject_tokens(true);
    assert_eq!(code("second").await, 401);
    assert_eq!(bed.send(Method::GET, "/readyz", &[], "").await.status(), 200);
}

#[tokio::test]
async fn a_restart_keeps_port_and_objects() {
    let bed = bed().await;
    let (_, made) = bed.post(MAPS, &map("a", "1")).await;
    let (port, uid) = (bed.cluster.port(), bed.cluster.uid());
    bed.cluster.stop();
    assert!(bed.try_send(Method::GET, MAPS, &[], "").await.is_err());
    bed.cluster.restart().await.unwrap();
    let path = format!("{MAPS}/a");
    assert_eq!(bed.until(&path, 200).await["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!((bed.cluster.port(), bed.cluster.uid()), (port, uid));
    let mut watch = bed.watch(&format!("{MAPS}?watch=1&resourceVersion={}", version(&made) - 1)).await;
    assert_eq!(watch.named().await, ("ADDED".to_owned(), "a".to_owned()));
}

#[tokio::test]
async fn requests_are_counted_and_writes_remembered() {
    let bed = bed().await;
    bed.get(MAPS).await;
    bed.apply(&format!("{MAPS}/a"), "motet/x", "", &map("a", "1")).await;
    bed.delete(&format!("{MAPS}/nope")).await;
    let requests = bed.cluster.requests();
    assert_eq!((requests.reads(), requests.writes()), (1, 2));
    let writes = bed.cluster.writes();
    let shown: Vec<_> =
        writes.iter().map(|w| (w.verb.as_str(), w.manager.as_str(), w.user_agent.as_str(), w.code)).collect();
    assert_eq!(shown, [("apply", "motet/x", "tester/1", 201), ("delete", "tester", "tester/1", 404)]);
    assert_eq!(writes[0].path, format!("{MAPS}/a"));
}

#[tokio::test]
async fn many_clusters_are_apart() {
    let mut beds = Vec::new();
    for _ in 0..20 {
        beds.push(bed().await);
    }
    for (i, bed) in beds.iter().enumerate() {
        bed.post(MAPS, &map(&format!("m{i}"), "1")).await;
    }
    let mut uids = std::collections::HashSet::new();
    for (i, bed) in beds.iter().enumerate() {
        let (_, list) = bed.get(MAPS).await;
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        assert_eq!(list["items"][0]["metadata"]["name"], json!(format!("m{i}")));
        assert!(uids.insert(bed.cluster.uid()));
    }
}

#[tokio::test]
async fn a_share_of_the_requests_fails() {
    let bed = bed().await;
    bed.cluster.faults().fail_some(Some((0.25, 500)));
    let mut codes = Vec::new();
    for _ in 0..8 {
        codes.push(bed.get(MAPS).await.0);
    }
    assert_eq!(codes, [200, 200, 200, 500, 200, 200, 200, 500]);
    bed.cluster.faults().fail_some(None);
    assert_eq!(bed.get(MAPS).await.0, 200);
}

#[tokio::test]
async fn answers_break_off_in_the_middle_of_a_list_and_of_an_event() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    bed.cluster.faults().cut_after(Some(60));
    let list = bed.send(Method::GET, MAPS, &[], "").await;
    assert_eq!(list.status(), 200);
    assert!(list.into_body().collect().await.is_err(), "a list of more than 60 bytes came whole");
    let mut watch = bed.send(Method::GET, &format!("{MAPS}?watch=1"), &[], "").await.into_body();
    let mut seen = 0;
    let broken = loop {
        match tokio::time::timeout(LONG, watch.frame()).await.unwrap() {
            Some(Ok(frame)) => seen += frame.into_data().map(|d| d.len()).unwrap_or(0),
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(broken && seen <= 60, "{seen} bytes came, broken: {broken}");
    bed.cluster.faults().cut_after(None);
    assert_eq!(bed.get(MAPS).await.1["items"][0]["metadata"]["name"], "a");
}

#[tokio::test]
async fn slow_bodies_come_whole_in_pieces() {
    let bed = bed().await;
    bed.post(MAPS, &map("a", "1")).await;
    let wanted = bed.get(MAPS).await.1;
    bed.cluster.faults().slow(Some(2000));
    let mut body = bed.send(Method::GET, MAPS, &[], "").await.into_body();
    let (mut pieces, mut bytes) = (0, Vec::new());
    while let Some(frame) = tokio::time::timeout(LONG, body.frame()).await.unwrap() {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.len() <= 200, "{} bytes at once", data.len());
        pieces += 1;
        bytes.extend(data);
    }
    assert!(pieces > 1);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), wanted);
}

#[tokio::test]
async fn a_wiped_cluster_is_another_one_at_the_same_address() {
    let bed = bed().await;
    let before = bed.cluster.uid();
    bed.post(MAPS, &map("a", "1")).await;
    let mut watch = bed.watch(&format!("{MAPS}?watch=1")).await;
    watch.next().await.unwrap();
    bed.cluster.wipe();
    assert!(watch.next().await.is_none(), "a watch of the cluster before goes on");
    let names = async {
        loop {
            if let Ok(answer) = bed.try_send(Method::GET, MAPS, &[], "").await {
                let bytes = answer.into_body().collect().await.unwrap().to_bytes();
                return serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()["items"].clone();
            }
        }
    };
    assert_eq!(tokio::time::timeout(LONG, names).await.unwrap(), json!([]));
    assert_ne!(bed.cluster.uid(), before);
    assert_eq!(bed.post(MAPS, &map("a", "1")).await.0, 201);
}

#[tokio::test]
async fn knobs_are_turned_over_http_where_that_was_asked_for() {
    let cluster = motet_devcluster::Cluster::start(motet_devcluster::Options {
        name: "one".into(),
        https: false,
        ..Default::default()
    });
    let clusters = std::sync::Arc::new(vec![cluster.await.unwrap()]);
    let control = motet_devcluster::Control::start(0, clusters.clone()).await.unwrap();
    let maps = format!("{}{MAPS}", clusters[0].url());
    let base = format!("http://127.0.0.1:{}", control.port);
    assert_eq!(crate::client::plain(Method::GET, &base, "").await.1[0]["name"], "one");
    let turned =
        crate::client::plain(Method::POST, &format!("{base}/one"), r#"{"fail":{"code":429,"retryAfter":1}}"#).await;
    assert_eq!(turned.0, 200, "{}", turned.1);
    assert_eq!(crate::client::plain(Method::GET, &maps, "").await.0, 429);
    // A mistake turns nothing.
    let mistake = crate::client::plain(Method::POST, &format!("{base}/one"), r#"{"fail":null,"colour":"red"}"#).await;
    assert_eq!(mistake.0, 400);
    assert!(mistake.1["error"].as_str().unwrap().contains("no knob colour"));
    assert_eq!(crate::client::plain(Method::GET, &maps, "").await.0, 429);
    for bad in [r#"{"refuse":1}"#, r#"{"fail":{"code":200}}"#, r#"{"failSome":{"code":500,"rate":7}}"#, "[]"] {
        assert_eq!(crate::client::plain(Method::POST, &format!("{base}/one"), bad).await.0, 400, "{bad}");
    }
    assert_eq!(crate::client::plain(Method::POST, &format!("{base}/two"), "{}").await.0, 400);
    let all = r#"{"fail":null,"delayMs":1,"slowBytesPerSecond":null,"forbid":["secrets"],"dropBookmarks":true}"#;
    assert_eq!(crate::client::plain(Method::POST, &format!("{base}/one"), all).await.0, 200);
    assert_eq!(crate::client::plain(Method::GET, &maps, "").await.0, 200);
    assert_eq!(crate::client::plain(Method::GET, &maps.replace("configmaps", "secrets"), "").await.0, 403);
}
