//! Answers lists: pages that stay consistent, versions to read at, selectors.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::ask::Query;
use crate::cluster::Core;
use crate::error::{ApiError, Cause};
use crate::selector::Selector;
use crate::store::{Key, State, Stored};
use crate::view::View;

const EXPIRED: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new \
     list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
     Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between \
     the time the first chunk was returned and now may show up in the list.";

/// How long a read waits for a version that is not there yet, as a kube-apiserver does.
const FRESH: Duration = Duration::from_secs(3);

/// The options of a list.
struct Options {
    limit: usize,
    version: Option<u64>,
    exact: bool,
    resume: Option<Resume>,
}

/// Where a page goes on.
struct Resume {
    /// The version that the whole list shows; none for the present, after the list's own version was forgotten.
    version: Option<u64>,
    after: Key,
}

fn options(query: &Query, namespace: &str) -> Result<Options, ApiError> {
    let mut causes = Vec::new();
    let (matching, version, token) =
        (query.get("resourceVersionMatch"), query.get("resourceVersion"), query.get("continue"));
    let field = "resourceVersionMatch";
    if !matching.is_empty() {
        if version.is_empty() {
            causes
                .push(Cause::forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !token.is_empty() {
            causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            let message =
                format!("Unsupported value: \"{matching}\": supported values: \"Exact\", \"NotOlderThan\", \"\"");
            causes.push(Cause { reason: "FieldValueNotSupported", message, field: field.into() });
        }
        if matching == "Exact" && version == "0" {
            causes
                .push(Cause::forbidden(field, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
    }
    if query.has("sendInitialEvents") {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if !causes.is_empty() {
        return Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", causes));
    }
    query.number("timeoutSeconds")?;
    if !token.is_empty() && !matches!(version, "" | "0") {
        return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    let mut limit = query.number("limit")? as usize;
    let version = if version.is_empty() { None } else { Some(parse_version(version)?) };
    // Version "n" with a limit and no match rule has always meant exactly n.
    let exact = matching == "Exact" || (matching.is_empty() && limit > 0 && version.is_some_and(|v| v > 0));
    let resume = if token.is_empty() { None } else { Some(decode(token, namespace)?) };
    // Whatever version will do: the answer comes from memory, in one piece.
    if version == Some(0) && !exact {
        limit = 0;
    }
    Ok(Options { limit, version, exact, resume })
}

/// Reads a resourceVersion parameter.
pub(crate) fn parse_version(text: &str) -> Result<u64, ApiError> {
    text.parse()
        .map_err(|_| ApiError::bad_request(format!(
            "invalid resource version: resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        )))
}

/// Waits a little until the cluster has reached a version; 504 if it does not.
pub(crate) async fn fresh(core: &Core, version: u64) -> Result<(), ApiError> {
    let current = || core.state.lock().version();
    let deadline = tokio::time::Instant::now() + FRESH;
    while current() < version {
        if tokio::time::Instant::now() >= deadline {
            return Err(ApiError::too_large_version(version, current()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Answers a list.
pub(crate) async fn list(core: &Core, view: View<'_>, selector: &Selector, query: &Query) -> Result<Bytes, ApiError> {
    let options = options(query, &selector.namespace)?;
    if let Some(version) = options.version.filter(|_| options.resume.is_none()) {
        fresh(core, version).await?;
    }
    let page = page(&core.state.lock(), view, selector, &options)?;
    let mut meta = Map::new();
    meta.insert("resourceVersion".into(), page.version.to_string().into());
    if view.resource.custom {
        meta.insert("continue".into(), "".into());
    }
    if let Some(last) = &page.more {
        meta.insert("continue".into(), encode(page.version, last, &selector.namespace).into());
        if selector.is_open() {
            meta.insert("remainingItemCount".into(), page.remaining.into());
        }
    }
    Ok(view.list(page.items.iter().map(|s| &**s), &meta))
}

struct Page {
    version: u64,
    items: Vec<Arc<Stored>>,
    /// The last key of the page, if more follow.
    more: Option<Key>,
    remaining: usize,
}

fn page(state: &State, view: View<'_>, selector: &Selector, options: &Options) -> Result<Page, ApiError> {
    let shelf = &view.resource.shelf;
    let after = options.resume.as_ref().map(|resume| &resume.after);
    let current = state.version();
    let version = match (&options.resume, options.version) {
        (Some(resume), _) => resume.version.unwrap_or(current),
        (None, Some(version)) if options.exact => version,
        _ => current,
    };
    let matching = |s: &&Arc<Stored>| selector.matches(s);
    let unchanged = matches!(state.since(shelf, version, 1), crate::store::Since::Events(e) if e.is_empty());
    let all: Vec<Arc<Stored>> = if version >= current || unchanged {
        state.range(shelf, &selector.namespace, after).filter(matching).cloned().collect()
    } else {
        let past = state.at(shelf, version).ok_or_else(|| expired(after, &selector.namespace))?;
        let from = |s: &&Arc<Stored>| after.is_none_or(|key| s.key > *key);
        past.values().filter(from).filter(matching).cloned().collect()
    };
    let mut items = all;
    let mut cut = options.limit > 0 && items.len() > options.limit;
    let remaining = if cut { items.len() - options.limit } else { 0 };
    if cut {
        items.truncate(options.limit);
    } else if let Some(last) =
        items.last().filter(|_| options.limit > 0 && items.len() == options.limit && selector.name().is_none())
    {
        // The page is full: whether what lies behind it matches is not looked at.
        cut = state.range(shelf, &selector.namespace, Some(&last.key)).next().is_some();
    }
    let more = if cut { items.last().map(|s| s.key.clone()) } else { None };
    Ok(Page { version, items, more, remaining })
}

/// The first page of what a delete of many is about, with its token in `meta`.
pub(crate) fn cut(
    mut all: Vec<Arc<Stored>>,
    limit: usize,
    selector: &Selector,
    meta: &mut Map<String, Value>,
) -> Vec<Arc<Stored>> {
    let left = all.len().saturating_sub(limit);
    if limit == 0 || left == 0 {
        return all;
    }
    all.truncate(limit);
    let version = meta.get("resourceVersion").and_then(Value::as_str).and_then(|v| v.parse().ok()).unwrap_or(0);
    if let Some(last) = all.last() {
        meta.insert("continue".into(), encode(version, &last.key, &selector.namespace).into());
        if selector.is_open() {
            meta.insert("remainingItemCount".into(), left.into());
        }
    }
    all
}

fn expired(after: Option<&Key>, namespace: &str) -> ApiError {
    match after {
        None => ApiError::expired("The resourceVersion for the provided list is too old."),
        Some(key) => ApiError { resume: Some(token(json!(-1), key, namespace)), ..ApiError::expired(EXPIRED) },
    }
}

fn encode(version: u64, last: &Key, namespace: &str) -> String {
    token(json!(version), last, namespace)
}

fn token(version: Value, last: &Key, namespace: &str) -> String {
    let start = if namespace.is_empty() && !last.namespace.is_empty() {
        format!("{}/{}\u{0}", last.namespace, last.name)
    } else {
        format!("{}\u{0}", last.name)
    };
    URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": version, "start": start}).to_string())
}

fn decode(token: &str, namespace: &str) -> Result<Resume, ApiError> {
    let bad = |why: String| ApiError::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| {
        let at = token.find(|c| !letter(c)).unwrap_or(token.len() / 4 * 4);
        bad(format!("illegal base64 data at input byte {at}"))
    })?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
    let text = |field: &str| value[field].as_str().unwrap_or_default();
    if text("v") != "meta.k8s.io/v1" {
        return Err(bad(format!("server does not recognize this encoded version {}", text("v"))));
    }
    let start = text("start").trim_end_matches('\u{0}');
    if start.is_empty() {
        return Err(bad("encoded start key empty (version meta.k8s.io/v1)".into()));
    }
    let (of, name) = start.split_once('/').unwrap_or((namespace, start));
    Ok(Resume { version: value["rv"].as_u64(), after: Key::new(of, name) })
}
