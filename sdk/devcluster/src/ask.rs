//! Reads a request's line and headers: what it is about, in which form the answer is wanted, and who asks.

use http::{HeaderMap, Method, header, request::Parts};

use crate::access::{Caller, impersonation};
use crate::answer::Finish;
use crate::error::ApiError;
use crate::protobuf;

/// A request without its body.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) target: Target,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) content_type: String,
    pub(crate) user_agent: String,
    /// How bodies may be packed.
    encodings: String,
    pub(crate) token: Option<String>,
    /// In whose name the request is to be answered.
    pub(crate) wanted: Result<Option<Caller>, ApiError>,
}

/// What the path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// An object, a collection, or a subresource.
    Resource(Place),
    /// Discovery, health, version, OpenAPI: the path's segments.
    Other(Vec<String>),
}

/// A place among the resources of a group's version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) namespace: String,
    pub(crate) plural: String,
    pub(crate) name: String,
    pub(crate) subresource: String,
    /// By the old paths of watches, below `watch/`.
    pub(crate) watched: bool,
}

/// The query string, decoded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// The first value of a parameter; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str()).unwrap_or_default()
    }

    /// The parameter as a truth value: whatever is given but "false" and "0" is true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.iter().find(|(k, _)| k == name).is_some_and(|(_, v)| !matches!(v.as_str(), "false" | "0"))
    }

    /// Every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(k, _)| k == name)
    }

    /// The parameter as a number; 0 if it is not there or below.
    pub(crate) fn number(&self, name: &str) -> Result<u64, ApiError> {
        let text = self.get(name);
        if text.is_empty() {
            return Ok(0);
        }
        text.parse::<i64>()
            .map(|n| n.try_into().unwrap_or(0))
            .map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))
    }
}

/// How the answer is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Render {
    Full,
    Table(Include, Meta),
    /// Only metadata: of many, or of one.
    Partial(bool, Meta),
}

/// What stands beside the cells of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    Metadata,
    Object,
}

/// The version of the forms of meta.k8s.io.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meta {
    V1,
    V1beta1,
}

impl Meta {
    /// As objects say it.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> String {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
}

/// The token of an Authorization header.
fn bearer(header: &str) -> Option<String> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned()).filter(|token| !token.is_empty())
}

impl Ask {
    /// Reads the head of a request.
    pub(crate) fn new(parts: &Parts) -> Self {
        let path = parts.uri.path().to_owned();
        let query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let token = text(&parts.headers, header::AUTHORIZATION);
        Self {
            method: parts.method.clone(),
            target: target(&path),
            path,
            query: Query(query.into_owned().collect()),
            accept: text(&parts.headers, header::ACCEPT),
            content_type: text(&parts.headers, header::CONTENT_TYPE),
            user_agent: text(&parts.headers, header::USER_AGENT),
            encodings: text(&parts.headers, header::ACCEPT_ENCODING),
            token: bearer(&token),
            wanted: impersonation::wanted(&parts.headers),
        }
    }

    /// The field manager: as said, else the user agent's first word, as a kube-apiserver has it.
    pub(crate) fn manager(&self) -> String {
        let said = self.query.get("fieldManager");
        if !said.is_empty() {
            return said.to_owned();
        }
        let agent = self.user_agent.split('/').next().unwrap_or_default();
        if agent.is_empty() { "unknown".into() } else { agent.to_owned() }
    }

    /// The Kubernetes verb.
    pub(crate) fn verb(&self) -> &'static str {
        let named = matches!(&self.target, Target::Resource(place) if !place.name.is_empty());
        match self.method {
            Method::GET if matches!(&self.target, Target::Resource(place) if place.watched) => "watch",
            Method::GET | Method::HEAD if !named && self.query.flag("watch") => "watch",
            Method::GET | Method::HEAD if named || matches!(self.target, Target::Other(_)) => "get",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH if self.content_type.starts_with("application/apply-patch") => "apply",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            Method::DELETE => "deletecollection",
            _ => "other",
        }
    }

    /// The form that the Accept header asks for first and that this server can write; 406 if there is none.
    pub(crate) fn render(&self, many: bool) -> Result<Render, ApiError> {
        if self.accept.is_empty() {
            return Ok(Render::Full);
        }
        let known = |choice: &&str| matches!(media(choice), "*/*" | JSON | YAML | protobuf::MEDIA);
        if !self.accept.split(',').any(|choice| known(&choice)) {
            return Err(ApiError::no_representation(many));
        }
        match choices(&self.accept).into_iter().find_map(render).ok_or_else(ApiError::not_acceptable)? {
            Render::Table(_, meta) => Ok(Render::Table(self.include()?, meta)),
            other => Ok(other),
        }
    }

    /// True if YAML is asked for before JSON.
    pub(crate) fn yaml(&self) -> bool {
        choices(&self.accept).into_iter().find(|choice| render(choice).is_some()).is_some_and(|c| media(c) == YAML)
    }

    /// How the answer's body is written in the end.
    pub(crate) fn finish(&self) -> Finish {
        let plain = choices(&self.accept).into_iter().find(|choice| writes_status(choice));
        let parameter = |name: &str| plain.is_some_and(|choice| choice.split(';').any(|p| p.trim() == name));
        let human = ["curl", "Wget", "Mozilla/5.0"].iter().any(|agent| self.user_agent.starts_with(agent));
        let pretty = match self.query.get("pretty") {
            "" => human,
            said => matches!(said, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        };
        let object = matches!(self.target, Target::Resource(_)) || !self.path.starts_with("/openapi");
        Finish {
            pretty: object && (pretty || parameter("pretty=1")),
            yaml: plain.is_some_and(|choice| media(choice) == YAML),
            yaml_success: object && self.yaml(),
            gzip: object && self.encodings.split(',').any(|token| token.trim() == "gzip"),
        }
    }

    fn include(&self) -> Result<Include, ApiError> {
        match self.query.get("includeObject") {
            "" | "Metadata" => Ok(Include::Metadata),
            "Object" => Ok(Include::Object),
            "None" => Ok(Include::Nothing),
            other => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: \"{other}\": must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

fn media(choice: &str) -> &str {
    choice.split(';').next().unwrap_or_default().trim()
}

/// The choices of an Accept header, the most wanted first.
pub(crate) fn choices(accept: &str) -> Vec<&str> {
    let mut all: Vec<&str> = accept.split(',').collect();
    let weight = |choice: &&str| {
        let quality = choice.split(';').find_map(|p| p.trim().strip_prefix("q=")).and_then(|q| q.parse::<f64>().ok());
        (quality.unwrap_or(1.0) * -1000.0) as i64
    };
    all.sort_by_key(weight);
    all
}

/// True for a form that errors are written in: as they are, not as anything else.
fn writes_status(choice: &str) -> bool {
    let other = |p: &str| ["as=", "g=", "v="].iter().any(|name| p.trim().starts_with(name));
    matches!(media(choice), JSON | YAML | "*/*" | "application/*") && !choice.split(';').skip(1).any(other)
}

fn render(choice: &str) -> Option<Render> {
    let mut parts = choice.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    if !matches!(media, JSON | YAML | "*/*" | "application/*") {
        return None;
    }
    let parameters: Vec<&str> = parts.collect();
    let is = |name: &str, value: &str| parameters.iter().any(|p| p.split_once('=') == Some((name, value)));
    let meta = if is("v", "v1beta1") { Meta::V1beta1 } else { Meta::V1 };
    match parameters.iter().find_map(|p| p.strip_prefix("as=")) {
        None => Some(Render::Full),
        Some(_) if !is("g", "meta.k8s.io") || !(is("v", "v1") || is("v", "v1beta1")) => None,
        Some("Table") => Some(Render::Table(Include::Metadata, meta)),
        Some("PartialObjectMetadata") => Some(Render::Partial(false, meta)),
        Some("PartialObjectMetadataList") => Some(Render::Partial(true, meta)),
        Some(_) => None,
    }
}

fn target(path: &str) -> Target {
    let segments: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decoded).collect();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let place = match parts.as_slice() {
        ["api", version, rest @ ..] if !rest.is_empty() => place("", version, rest),
        ["apis", group, version, rest @ ..] if !rest.is_empty() => place(group, version, rest),
        _ => None,
    };
    place.map_or(Target::Other(segments.clone()), Target::Resource)
}

/// A path segment with its percent escapes undone.
fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn place(group: &str, version: &str, rest: &[&str]) -> Option<Place> {
    let (watched, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, rest),
    };
    let (namespace, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        _ => ("", rest),
    };
    let mut words = rest.iter().map(|w| (*w).to_owned());
    Some(Place {
        group: group.into(),
        version: version.into(),
        namespace: namespace.into(),
        plural: words.next()?,
        name: words.next().unwrap_or_default(),
        subresource: words.collect::<Vec<_>>().join("/"),
        watched,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> Place {
        match target(path) {
            Target::Resource(place) => place,
            Target::Other(other) => panic!("{path} is not a resource but {other:?}"),
        }
    }

    #[test]
    fn paths_name_places() {
        let pod = resource("/api/v1/namespaces/d/pods/p/log");
        let words = [pod.namespace.as_str(), &pod.plural, &pod.name, &pod.subresource];
        assert_eq!(words, ["d", "pods", "p", "log"]);
        let namespace = resource("/api/v1/namespaces/d");
        assert_eq!((namespace.plural.as_str(), namespace.name.as_str()), ("namespaces", "d"));
        assert_eq!(resource("/api/v1/namespaces/d/status").subresource, "status");
        assert_eq!(resource("/apis/apps/v1/deployments").plural, "deployments");
        assert_eq!(resource("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Aa").name, "system:a");
        assert!(matches!(target("/apis/apps/v1"), Target::Other(_)));
    }

    #[test]
    fn the_first_form_that_can_be_written_wins() {
        let first = |accept: &str| choices(accept).into_iter().find_map(render);
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(first(table), Some(Render::Table(Include::Metadata, Meta::V1)));
        assert_eq!(first("application/json;as=Table;v=v7;g=meta.k8s.io,application/json"), Some(Render::Full));
        assert_eq!(first("application/vnd.kubernetes.protobuf"), None);
        assert_eq!(choices("a;q=0.1, b"), [" b", "a;q=0.1"]);
    }
}
