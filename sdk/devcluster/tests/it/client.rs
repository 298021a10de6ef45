//! A small HTTP client for the tests: JSON in, status and JSON out, watches line by line.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use motet_devcluster::{Cluster, Options};
use serde_json::Value;

/// Generous: only a test that hangs reaches it.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";
pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON: &str = "application/json";

/// A cluster over plain HTTP and a client for it.
pub(crate) struct Bed {
    pub(crate) cluster: Cluster,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// Starts a cluster over plain HTTP with options changed by `with`.
pub(crate) async fn bed_with(with: impl FnOnce(&mut Options)) -> Bed {
    let mut options = Options { https: false, ..Options::default() };
    with(&mut options);
    let cluster = Cluster::start(options).await.unwrap();
    Bed { cluster, http: Client::builder(TokioExecutor::new()).build_http() }
}

/// Starts a cluster over plain HTTP.
pub(crate) async fn bed() -> Bed {
    bed_with(|_| {}).await
}

/// One request to any URL without a token.
pub(crate) async fn plain(method: Method, url: &str, body: &str) -> (u16, Value) {
    let http = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::builder().method(method).uri(url).header("content-type", JSON);
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
    let answer = tokio::time::timeout(LONG, http.request(request)).await.expect("no answer in time").unwrap();
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    (code, serde_json::from_slice(&bytes).unwrap_or_default())
}

impl Bed {
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.cluster.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned()))).unwrap();
        tokio::time::timeout(LONG, self.http.request(request)).await.expect("no answer in time")
    }

    async fn json(&self, method: Method, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let answer = self.send(method, path, &[("content-type", kind), ("user-agent", "tester/1")], body).await;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.json(Method::GET, path, JSON, "").await
    }

    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> (u16, Value) {
        let answer = self.send(Method::GET, path, &[("accept", accept)], "").await;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json(Method::POST, path, JSON, &body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        self.json(Method::PUT, path, JSON, &body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, kind: &str, body: &Value) -> (u16, Value) {
        self.json(Method::PATCH, path, kind, &body.to_string()).await
    }

    /// Applies as a manager; `more` is further query, as in "&force=true".
    pub(crate) async fn apply(&self, path: &str, manager: &str, more: &str, body: &Value) -> (u16, Value) {
        self.patch(&format!("{path}?fieldManager={manager}{more}"), APPLY, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.json(Method::DELETE, path, JSON, "").await
    }

    pub(crate) async fn delete_with(&self, path: &str, options: &Value) -> (u16, Value) {
        self.json(Method::DELETE, path, JSON, &options.to_string()).await
    }

    /// Opens a watch.
    pub(crate) async fn watch(&self, path: &str) -> Watch {
        let answer = self.send(Method::GET, path, &[], "").await;
        assert_eq!(answer.status(), 200, "watch of {path} was refused");
        Watch { body: answer.into_body(), buffer: Vec::new() }
    }

    /// Waits until a path answers with this code.
    pub(crate) async fn until(&self, path: &str, code: u16) -> Value {
        let poll = async {
            loop {
                let (now, body) = self.get(path).await;
                if now == code {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, poll).await.expect("the path never answered so")
    }
}

/// A running watch.
pub(crate) struct Watch {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Watch {
    /// The next event as (type, object); `None` when the stream is over.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap();
                return Some((event["type"].as_str().unwrap().to_owned(), event["object"].clone()));
            }
            let frame = tokio::time::timeout(LONG, self.body.frame()).await.expect("no event in time")?;
            self.buffer.extend_from_slice(&frame.ok()?.into_data().unwrap());
        }
    }

    /// The next event as (type, name).
    pub(crate) async fn named(&mut self) -> (String, String) {
        let (kind, object) = self.next().await.expect("the watch is over");
        (kind, object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
    }
}

/// A ConfigMap with one value.
pub(crate) fn map(name: &str, value: &str) -> Value {
    serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}})
}

/// The resourceVersion of an object or list.
pub(crate) fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}
