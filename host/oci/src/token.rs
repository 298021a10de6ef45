//! Tokens: what a registry's challenge asks for, exchanged at the realm that it names, with or without credentials.

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{HeaderMap, Request, Uri, header};
use http_auth::parser::ChallengeParser;
use http_body_util::Full;
use serde::Deserialize;

use crate::{Credentials, Http, OciError, local::MAX_ANSWER, transport::absolute};

/// What a 401 asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from a realm.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// Reads the headers of a 401; a token is preferred to a password.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
        let mut basic = None;
        for challenge in texts.flat_map(ChallengeParser::new).flatten() {
            let find = |name: &str| {
                challenge.params.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = find("realm")
            {
                return Some(Self::Bearer { realm, service: find("service"), scope: find("scope") });
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
}

/// Where a token is asked for, on behalf of which registry.
pub(crate) struct Asking<'a> {
    pub(crate) http: &'a Http,
    pub(crate) registry: &'a str,
    /// The address that was refused: a realm may be relative to it.
    pub(crate) base: &'a Uri,
    pub(crate) plain: bool,
    pub(crate) credentials: Option<&'a Credentials>,
}

impl Asking<'_> {
    /// The value of `Authorization` that answers `challenge`; `scope` is asked for where the challenge names none.
    pub(crate) async fn authorization(&self, challenge: &Challenge, scope: &str) -> Result<String, OciError> {
        let Challenge::Bearer { realm, service, scope: asked } = challenge else {
            let none = || OciError::Unauthorized(format!("{} wants a user and a password", self.registry));
            return self.credentials.map(Credentials::basic).ok_or_else(none);
        };
        let realm = absolute(self.base, realm).ok_or_else(|| {
            OciError::Protocol(format!("{} names the token realm {realm:?}, which is no address", self.registry))
        })?;
        let scope = asked.as_deref().unwrap_or(scope);
        let request = match self.credentials.and_then(|c| c.identity_token.as_deref()) {
            Some(token) => exchange(realm, service.as_deref(), scope, token),
            None => self.ask(&realm, service.as_deref(), scope),
        };
        let request = request
            .map_err(|e| OciError::Protocol(format!("the token realm of {} cannot be asked: {e}", self.registry)))?;
        let response = self.http.send(self.registry, self.plain, request).await?;
        let status = response.status();
        let what = format!("the token for {}", self.registry);
        let body = self.http.read(response, MAX_ANSWER, &what).await?;
        if status.is_server_error() || status.as_u16() == 429 {
            return Err(OciError::Unreachable(format!("the token service of {} answered {status}", self.registry)));
        }
        if !status.is_success() {
            let with = if self.credentials.is_some() { "these credentials" } else { "nobody's credentials" };
            return Err(OciError::Unauthorized(format!("{} gives no token to {with}: {status}", self.registry)));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| OciError::Protocol(format!("the token service of {} answers no JSON", self.registry)))?;
        let token = answer.token.or(answer.access_token);
        let token = token
            .ok_or_else(|| OciError::Protocol(format!("the token service of {} answers no token", self.registry)))?;
        Ok(format!("Bearer {token}"))
    }

    fn ask(&self, realm: &Uri, service: Option<&str>, scope: &str) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut query = Serializer::new(realm.query().map_or_else(String::new, |q| format!("{q}&")));
        service.map(|s| query.append_pair("service", s));
        query.append_pair("scope", scope);
        let path = format!("{}?{}", realm.path(), query.finish());
        let mut parts = realm.clone().into_parts();
        parts.path_and_query = Some(path.parse()?);
        let mut request = Request::get(Uri::from_parts(parts)?);
        if let Some(credentials) = self.credentials {
            request = request.header(header::AUTHORIZATION, credentials.basic());
        }
        request.body(Full::default())
    }
}

/// A refresh token for an access token (OAuth2, as registries of clouds want it).
fn exchange(realm: Uri, service: Option<&str>, scope: &str, token: &str) -> Result<Request<Full<Bytes>>, http::Error> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token);
    form.append_pair("client_id", "motet").append_pair("scope", scope);
    service.map(|s| form.append_pair("service", s));
    Request::post(realm)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        Challenge::read(&headers)
    }

    #[test]
    fn challenges_are_read_and_tokens_preferred() {
        let bearer = read(&[r#"Bearer realm="https://a.example/token",service="r",scope="repository:p:pull""#]);
        let Some(Challenge::Bearer { realm, service, scope }) = bearer else { panic!("{bearer:?}") };
        assert_eq!((realm.as_str(), service.as_deref()), ("https://a.example/token", Some("r")));
        assert_eq!(scope.as_deref(), Some("repository:p:pull"));
        assert_eq!(read(&[r#"Basic realm="x""#]), Some(Challenge::Basic));
        assert!(matches!(read(&[r#"Basic realm="x""#, r#"bearer realm="/t""#]), Some(Challenge::Bearer { .. })));
        assert_eq!(read(&["Negotiate"]), None);
        assert_eq!(read(&[]), None);
    }
}
