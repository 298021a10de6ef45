//! Fault knobs over HTTP, for clusters that run in another process: on a port of its own, and only where it was asked for.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::{Cluster, StartError};

/// More than all knobs take.
const LARGEST: usize = 64 * 1024;

/// Serves the knobs of some clusters: `GET /` names them, `POST /NAME` with a JSON object turns knobs. Stops when dropped.
#[derive(Debug)]
pub struct Control {
    /// The port on 127.0.0.1.
    pub port: u16,
    serving: JoinHandle<()>,
}

impl Control {
    /// Starts it on a port of 127.0.0.1; 0 takes a free one.
    ///
    /// # Errors
    /// The port cannot be taken.
    pub async fn start(port: u16, clusters: Arc<Vec<Cluster>>) -> Result<Self, StartError> {
        let of_port = |source| StartError::Port { cluster: "fault control".into(), port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(of_port)?;
        let port = listener.local_addr().map_err(of_port)?.port();
        Ok(Self { port, serving: tokio::spawn(run(listener, clusters)) })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn run(listener: TcpListener, clusters: Arc<Vec<Cluster>>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let clusters = clusters.clone();
        let service = service_fn(move |request| {
            let clusters = clusters.clone();
            async move { Ok::<_, Infallible>(answer(&clusters, request).await) }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(clusters: &[Cluster], request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (code, body) = match turn(clusters, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(message) => (StatusCode::BAD_REQUEST, json!({ "error": message })),
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = code;
    response
}

async fn turn(clusters: &[Cluster], request: Request<Incoming>) -> Result<Value, String> {
    let name = request.uri().path().trim_matches('/').to_owned();
    if name.is_empty() && request.method() == Method::GET {
        return Ok(clusters.iter().map(|c| json!({ "name": c.name(), "url": c.url() })).collect());
    }
    let cluster = clusters.iter().find(|c| c.name() == name).ok_or(format!("no cluster {name}; GET / names them"))?;
    if request.method() != Method::POST {
        return Err("POST a JSON object of knobs".into());
    }
    let body = Limited::new(request.into_body(), LARGEST).collect().await.map_err(|e| e.to_string())?.to_bytes();
    let knobs: Map<String, Value> = serde_json::from_slice(&body).map_err(|e| format!("no JSON object: {e}"))?;
    // All are read before any is turned: a mistake turns nothing.
    let turns = knobs.iter().map(|(knob, value)| read(knob, value)).collect::<Result<Vec<_>, _>>()?;
    turns.into_iter().for_each(|turn| turn(cluster));
    Ok(json!({ "cluster": cluster.name(), "turned": knobs.keys().collect::<Vec<_>>() }))
}

type Turn = Box<dyn FnOnce(&Cluster) + Send>;

/// What one knob does to a cluster. `null` turns off what takes a value.
fn read(knob: &str, value: &Value) -> Result<Turn, String> {
    let bad = |wanted: &str| format!("{knob} takes {wanted}, not {value}");
    let on = || value.as_bool().ok_or_else(|| bad("true or false"));
    let number = || match value {
        Value::Null => Ok(None),
        value => value.as_u64().map(|n| Some(n as usize)).ok_or_else(|| bad("a whole number or null")),
    };
    let texts = || -> Result<Vec<String>, String> {
        let items = value.as_array().ok_or_else(|| bad("a list of texts"))?;
        items.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(|| bad("a list of texts"))).collect()
    };
    let duration = |milliseconds: Option<usize>| Duration::from_millis(milliseconds.unwrap_or(0) as u64);
    Ok(match knob {
        "refuse" => flag(on()?, |c, on| c.faults().refuse(on)),
        "hang" => flag(on()?, |c, on| c.faults().hang(on)),
        "rejectTokens" => flag(on()?, |c, on| c.faults().reject_tokens(on)),
        "expireByStatus" => flag(on()?, |c, on| c.faults().expire_by_status(on)),
        "dropBookmarks" => flag(on()?, |c, on| c.faults().drop_bookmarks(on)),
        "cut" => once(on()?, |c| c.faults().cut()),
        "wipe" => once(on()?, Cluster::wipe),
        "expireWatches" => once(on()?, Cluster::expire_watches),
        "cutAfterBytes" => size(number()?, |c, n| c.faults().cut_after(n)),
        "slowBytesPerSecond" => size(number()?, |c, n| c.faults().slow(n)),
        "delayMs" => size(number()?, move |c, n| c.faults().delay(duration(n))),
        "delayWatchesMs" => size(number()?, move |c, n| c.faults().delay_watches(duration(n))),
        "fail" | "failSome" => failing(knob, value)?,
        "forbid" => {
            let names = texts()?;
            Box::new(move |c| c.faults().forbid(&names.iter().map(String::as_str).collect::<Vec<_>>()))
        }
        _ => return Err(format!("no knob {knob}; the README of motet-devcluster lists them")),
    })
}

fn flag(on: bool, turn: impl FnOnce(&Cluster, bool) + Send + 'static) -> Turn {
    Box::new(move |cluster| turn(cluster, on))
}

fn once(on: bool, turn: impl FnOnce(&Cluster) + Send + 'static) -> Turn {
    Box::new(move |cluster| {
        if on {
            turn(cluster);
        }
    })
}

fn size(number: Option<usize>, turn: impl FnOnce(&Cluster, Option<usize>) + Send + 'static) -> Turn {
    Box::new(move |cluster| turn(cluster, number))
}

/// `{"code": 429, "retryAfter": 1}`, `{"code": 500, "rate": 0.2}` or null.
fn failing(knob: &str, value: &Value) -> Result<Turn, String> {
    let code = match (value, value["code"].as_u64()) {
        (Value::Null, _) => None,
        (_, Some(code @ 400..=599)) => Some(code as u16),
        _ => return Err(format!("{knob} takes an object with a code from 400 to 599, or null, not {value}")),
    };
    if knob == "fail" {
        let retry_after = value["retryAfter"].as_u64().map(|s| s as u32);
        return Ok(Box::new(move |c| c.faults().fail(code.map(|code| (code, retry_after)))));
    }
    let rate = value["rate"].as_f64().unwrap_or(0.0);
    if code.is_some() && !(rate > 0.0 && rate <= 1.0) {
        return Err(format!("failSome takes a rate above 0 and up to 1, not {}", value["rate"]));
    }
    Ok(Box::new(move |c| c.faults().fail_some(code.map(|code| (rate, code)))))
}
