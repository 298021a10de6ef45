//! What the host answers over HTTP.

use std::sync::Arc;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use motet_core::ports::MemberApi;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    access::{self, Access},
    api,
    args::Args,
    host::Host,
    metrics, serve,
    tls::{self, Files},
};

/// Serves until `stop`; the address is bound before this returns.
pub(crate) async fn serve(
    args: &Args,
    host: Host,
    hub: Option<Arc<dyn MemberApi>>,
    stop: CancellationToken,
) -> Result<tokio::task::JoinHandle<()>> {
    let listen = args.listen;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => {
            let files = Files { certificate: certificate.clone(), key: key.clone() };
            Some(tls::accept(files, stop.clone()).await?)
        }
        _ => None,
    };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("--listen {listen} cannot be bound"))?;
    let address = listener.local_addr().unwrap_or(listen);
    tracing::info!(%address, tls = tls.is_some(), "serving health, metrics and status");
    let access = Access::new(args.http_auth, address, hub);
    if access.takes_tokens() && tls.is_none() {
        tracing::warn!(%address, "bearer tokens travel in the clear: set --tls-cert and --tls-key");
    }
    let router = router(host).layer(from_fn_with_state(access, access::guard));
    Ok(tokio::spawn(serve::run(listener, router, tls, stop)))
}

fn router(host: Host) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(scrape))
        .route("/api/v1/members", get(|State(host): State<Host>| async move { Json(api::members(&host, None)) }))
        .route("/api/v1/members/{name}", get(member))
        .route("/api/v1/plugins", get(|State(host): State<Host>| async move { Json(api::plugins(&host, None)) }))
        .route("/api/v1/plugins/{name}", get(plugin))
        .route("/api/v1/bindings", get(bindings))
        .route("/api/v1/intents", get(intents))
        .with_state(host)
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
