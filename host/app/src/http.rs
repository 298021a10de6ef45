//! What the host answers over HTTP.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{api, host::Host, metrics};

/// Serves until `stop`; the address is bound before this returns.
pub(crate) async fn serve(
    listen: SocketAddr,
    host: Host,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<()>> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("--listen {listen} cannot be bound"))?;
    let address = listener.local_addr().unwrap_or(listen);
    tracing::info!(%address, "serving health, metrics and status");
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .route("/api/v1/members", get(|State(host): State<Host>| async move { Json(api::members(&host, None)) }))
        .route("/api/v1/members/{name}", get(member))
        .route("/api/v1/plugins", get(|State(host): State<Host>| async move { Json(api::plugins(&host, None)) }))
        .route("/api/v1/plugins/{name}", get(plugin))
        .route("/api/v1/bindings", get(bindings))
        .route("/api/v1/intents", get(intents))
        .with_state(host);
    Ok(tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    }))
}

async fn ready(State(host): State<Host>) -> Response {
    match host.not_ready().as_slice() {
        [] => "ok\n".into_response(),
        missing => (StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n").into_response(),
    }
}

async fn scrape(State(host): State<Host>) -> Response {
    match metrics::text(&host) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics cannot be written: {error}\n")).into_response()
        }
    }
}

fn one(found: Value, what: &str, name: &str) -> Response {
    if found["items"].as_array().is_some_and(Vec::is_empty) {
        return (StatusCode::NOT_FOUND, Json(json!({ "error": format!("no {what} is called {name:?}") })))
            .into_response();
    }
    Json(found).into_response()
}

async fn member(State(host): State<Host>, Path(name): Path<String>) -> Response {
    one(api::members(&host, Some(&name)), "member", &name)
}

async fn plugin(State(host): State<Host>, Path(name): Path<String>) -> Response {
    one(api::plugins(&host, Some(&name)), "plugin", &name)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BindingsQuery {
    plugin: Option<String>,
    member: Option<String>,
}

async fn bindings(State(host): State<Host>, Query(query): Query<BindingsQuery>) -> Json<Value> {
    Json(api::bindings(&host, query.plugin.as_deref(), query.member.as_deref()))
}

async fn intents(State(host): State<Host>, Query(query): Query<api::IntentsQuery>) -> Json<Value> {
    Json(api::intents(&host, &query))
}
