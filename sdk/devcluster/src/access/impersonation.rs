//! Requests in somebody else's name: by the rule for each mode, or by the older verb `impersonate`.

use std::collections::HashMap;

use http::HeaderMap;
use parking_lot::Mutex;

use super::rbac::Book;
use super::{ANONYMOUS, AUTHENTICATED, Caller, Deed, MASTERS, UNAUTHENTICATED, accounts, forbidden};
use crate::error::ApiError;

const GROUP: &str = "authentication.k8s.io";
const EXTRA: &str = "impersonate-extra-";

/// Whom the headers ask for, if anybody.
pub(crate) fn wanted(headers: &HeaderMap) -> Result<Option<Caller>, ApiError> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let all = |name: &str| headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).map(str::to_owned);
    let mut wanted = Caller { name: text("impersonate-user"), uid: text("impersonate-uid"), ..Caller::default() };
    wanted.groups = all("impersonate-group").collect();
    for name in headers.keys() {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy().into_owned();
            wanted.extra.insert(key, all(name.as_str()).collect());
        }
    }
    if !wanted.name.is_empty() {
        return Ok(Some(wanted));
    }
    if wanted == Caller::default() {
        return Ok(None);
    }
    Err(ApiError::bad_request(format!("requested {} without impersonating a user name", shown(&wanted))))
}

/// A user as a kube-apiserver prints one.
fn shown(caller: &Caller) -> String {
    let list = |items: &[String]| {
        let items: Vec<String> = items.iter().map(|i| format!("{i:?}")).collect();
        if items.is_empty() { "[]string(nil)".to_owned() } else { format!("[]string{{{}}}", items.join(", ")) }
    };
    let extra: Vec<String> = caller.extra.iter().map(|(k, v)| format!("{k:?}:{}", list(v))).collect();
    let extra = if extra.is_empty() { "(nil)".to_owned() } else { format!("{{{}}}", extra.join(", ")) };
    format!(
        "&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{}, Extra:map[string][]string{extra}}}",
        caller.name,
        caller.uid,
        list(&caller.groups)
    )
}

fn node(name: &str) -> Option<&str> {
    name.strip_prefix("system:node:").filter(|n| !n.is_empty())
}

/// The way by which a user impersonated last: it is tried first, and so its refusal is the one that is told.
#[derive(Debug, Default)]
pub(crate) struct Modes(Mutex<HashMap<String, &'static str>>);

/// Users that are remembered.
const REMEMBERED: usize = 1024;

/// The user to go on as: 403 with the first refusal if no way of impersonating is open to the caller.
pub(crate) fn become_other(
    last: &Modes,
    book: &Book,
    caller: &Caller,
    wanted: Caller,
    deed: &Deed,
) -> Result<Caller, ApiError> {
    let mut modes = modes(&wanted);
    let recent = last.0.lock().get(&caller.name).copied();
    modes.sort_by_key(|mode| Some(*mode) != recent);
    let mut first = None;
    for mode in modes {
        let tried = on_deed(book, caller, deed, mode).and_then(|()| as_user(book, caller, &wanted, mode));
        match tried {
            Ok(user) => {
                let mut last = last.0.lock();
                if last.len() >= REMEMBERED {
                    last.clear();
                }
                last.insert(caller.name.clone(), mode);
                return Ok(user);
            }
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(ApiError::unauthorized))
}

/// The modes that fit a user; the last is the older way.
fn modes(wanted: &Caller) -> Vec<&'static str> {
    let bare = wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
    match (node(&wanted.name), accounts::split(&wanted.name)) {
        (Some(_), _) if bare => vec!["arbitrary-node", ""],
        (_, Some(_)) if bare => vec!["serviceaccount", ""],
        (None, None) => vec!["user-info", ""],
        _ => vec![""],
    }
}

fn allow(book: &Book, caller: &Caller, deed: &Deed) -> Result<(), ApiError> {
    let verdict = book.judge(caller, deed);
    if verdict.allowed { Ok(()) } else { Err(forbidden(caller, deed, &verdict.reason)) }
}

/// Whether the caller may do this deed as somebody else at all.
fn on_deed(book: &Book, caller: &Caller, deed: &Deed, mode: &str) -> Result<(), ApiError> {
    if mode.is_empty() {
        return Ok(());
    }
    let verb = format!("impersonate-on:{mode}:{}", deed.verb);
    allow(book, caller, &Deed { verb, ..deed.clone() })
}

/// Whether the caller may take on this name, uid, groups and extras.
fn as_user(book: &Book, caller: &Caller, wanted: &Caller, mode: &str) -> Result<Caller, ApiError> {
    let verb = if mode.is_empty() { "impersonate".to_owned() } else { format!("impersonate:{mode}") };
    let of_names = if mode.is_empty() { "" } else { GROUP };
    let mut user = wanted.clone();
    let name = match (accounts::split(&wanted.name), node(&wanted.name)) {
        (Some((namespace, name)), _) => {
            if wanted.groups.is_empty() {
                user.groups = accounts::groups(namespace);
            }
            Deed::on(&verb, of_names, "serviceaccounts", namespace, name)
        }
        (_, Some(node)) if mode == "arbitrary-node" => {
            user.groups = vec!["system:nodes".into()];
            Deed::on(&verb, of_names, "nodes", "", node)
        }
        _ => Deed::on(&verb, of_names, "users", "", &wanted.name),
    };
    allow(book, caller, &name)?;
    if !wanted.uid.is_empty() {
        allow(book, caller, &Deed::on(&verb, GROUP, "uids", "", &wanted.uid))?;
    }
    for group in &wanted.groups {
        let deed = Deed::on(&verb, of_names, "groups", "", group);
        if !mode.is_empty() && group == MASTERS {
            return Err(forbidden(caller, &deed, "impersonating the system:masters group is not allowed"));
        }
        allow(book, caller, &deed)?;
    }
    for (key, value) in wanted.extra.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value))) {
        let deed = Deed { subresource: key.clone(), ..Deed::on(&verb, GROUP, "userextras", "", value) };
        allow(book, caller, &deed)?;
    }
    let everybody = if user.name == ANONYMOUS { UNAUTHENTICATED } else { AUTHENTICATED };
    if !user.is_in(everybody) && !user.is_in(UNAUTHENTICATED) {
        user.groups.push(everybody.into());
    }
    Ok(user)
}
