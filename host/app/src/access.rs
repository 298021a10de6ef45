//! Who may read what this host serves: on a loopback address anybody, elsewhere whom the hub knows and allows.

mod judge;
mod verdicts;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use motet_core::ports::MemberApi;
use serde_json::json;

use crate::args::HttpAuth;
use judge::{Judge, Unjudged};
use verdicts::Verdict;

/// What kubelets and scrapers read: they carry no tokens, and nothing there tells what is on a member. Whatever is not named here is
/// guarded, what will be served one day too.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// Before a path in what the hub is asked: Kubernetes itself lets every authenticated user get `/api/*` (`system:discovery`), so that
/// the bare path would let in every ServiceAccount of the hub.
const PREFIX: &str = "/motet";
/// How the first word of a good Authorization header reads, in any case.
const SCHEME: &str = "bearer";

/// The rule of one listener.
#[derive(Clone)]
pub(crate) enum Access {
    /// Only this machine can connect.
    Open,
    /// Nobody can be asked who may read.
    Closed,
    /// The hub is asked.
    Judged(Arc<Judge>),
}

impl Access {
    /// The rule for a listener at `listen`.
    pub(crate) fn new(auth: HttpAuth, listen: SocketAddr, hub: Option<Arc<dyn MemberApi>>) -> Self {
        match hub {
            _ if auth == HttpAuth::Auto && is_loopback(listen) => Self::Open,
            None => Self::Closed,
            Some(hub) => Self::Judged(Arc::new(Judge::new(hub))),
        }
    }

    /// Whether tokens come over this listener.
    pub(crate) fn takes_tokens(&self) -> bool {
        matches!(self, Self::Judged(_))
    }

    async fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Response> {
        let judge = match self {
            _ if OPEN.contains(&path) => return Ok(()),
            Self::Open => return Ok(()),
            Self::Closed => return Err(closed()),
            Self::Judged(judge) => judge,
        };
        let Some(token) = bearer(headers) else {
            return Err(unauthorized("send a bearer token of a user or a ServiceAccount of the hub", ""));
        };
        // HEAD shows nothing that GET does not.
        let verb = if method == Method::HEAD { "get".into() } else { method.as_str().to_lowercase() };
        let url = format!("{PREFIX}{path}");
        match judge.verdict(token, &verb, &url).await {
            Ok(Verdict::Allowed) => Ok(()),
            Ok(Verdict::Unknown) => Err(unauthorized(
                "the hub does not accept this token: it may have run out",
                ", error=\"invalid_token\"",
            )),
            Ok(Verdict::Forbidden { user }) => Err(refused(StatusCode::FORBIDDEN, &forbidden(&user, &verb, &url))),
            Err(Unjudged { message }) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, message)),
        }
    }
}

/// Lets a request through, or says why not.
pub(crate) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.check(request.method(), request.uri().path(), request.headers()).await {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal,
    }
}

fn is_loopback(listen: SocketAddr) -> bool {
    listen.ip().to_canonical().is_loopback()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty())
}

fn refused(code: StatusCode, message: &str) -> Response {
    (code, Json(json!({ "error": message }))).into_response()
}

fn closed() -> Response {
    let message = "this host listens to other machines and has no hub to ask who may read: start it with --hub, or with --listen on a loopback address";
    refused(StatusCode::FORBIDDEN, message)
}

fn unauthorized(message: &str, challenge: &str) -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, message);
    if let Ok(challenge) = HeaderValue::try_from(format!("Bearer realm=\"motet\"{challenge}")) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn forbidden(user: &str, verb: &str, url: &str) -> String {
    format!(
        "user {user:?} may not {verb} the non-resource URL {url}: it takes a ClusterRole of the hub with that URL, such as motet-viewer, bound to the user"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Access {
        Access::new(HttpAuth::Auto, address.parse().unwrap(), None)
    }

    #[test]
    fn only_a_loopback_address_is_open() {
        for open in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(matches!(at(open), Access::Open), "{open}");
        }
        for closed in ["0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1"] {
            assert!(matches!(at(closed), Access::Closed), "{closed}");
        }
        let always = Access::new(HttpAuth::Always, "127.0.0.1:1".parse().unwrap(), None);
        assert!(matches!(always, Access::Closed));
    }

    #[test]
    fn a_token_stands_after_bearer() {
        let read = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(read("bearer  abc ").as_deref(), Some("abc"));
        for bad in ["abc", "Basic abc", "Bearer", "Bearer  "] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }

    async fn code(access: &Access, path: &str) -> u16 {
        match access.check(&Method::GET, path, &HeaderMap::new()).await {
            Ok(()) => 200,
            Err(refusal) => refusal.status().as_u16(),
        }
    }

    #[tokio::test]
    async fn without_a_hub_nothing_but_health_and_metrics_is_served() {
        let closed = at("0.0.0.0:1");
        for path in OPEN {
            assert_eq!(code(&closed, path).await, 200, "{path}");
        }
        for path in ["/api/v1/members", "/api", "/", "/console", "/metrics/", "/healthz/x", "//metrics"] {
            assert_eq!(code(&closed, path).await, 403, "{path}");
        }
    }
}
