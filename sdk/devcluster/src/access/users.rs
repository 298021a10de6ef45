//! Finds out who sent a request: by bearer token, by client certificate, or nobody.

use std::collections::BTreeMap;

use super::certificates::Peer;
use super::{ANONYMOUS, AUTHENTICATED, Caller, MASTERS, UNAUTHENTICATED, accounts};
use crate::ask::Ask;
use crate::cluster::Core;
use crate::error::ApiError;

/// A user with a bearer token, for [`Options::users`](crate::Options::users) and [`Cluster::add_user`](crate::Cluster::add_user).
/// What they may do is up to Roles and bindings; members of `system:masters` may do anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// The bearer token.
    pub token: String,
    /// The user's name.
    pub name: String,
    /// Tells users of one name apart over time; may be empty.
    pub uid: String,
    /// The groups, without `system:authenticated`.
    pub groups: Vec<String>,
}

impl User {
    /// Somebody with a token who may do anything.
    pub(crate) fn admin(token: &str) -> Self {
        Self { token: token.into(), name: "admin".into(), uid: String::new(), groups: vec![MASTERS.into()] }
    }
}

/// The users with tokens, by token.
#[derive(Debug, Default)]
pub(crate) struct Tokens(BTreeMap<String, Caller>);

impl Tokens {
    pub(crate) fn insert(&mut self, user: User) {
        let User { token, name, uid, groups } = user;
        self.0.insert(token, known(Caller { name, uid, groups, extra: BTreeMap::new() }));
    }

    pub(crate) fn remove(&mut self, token: &str) {
        self.0.remove(token);
    }
}

/// Adds the group of everybody who is known.
fn known(mut caller: Caller) -> Caller {
    if !caller.is_in(AUTHENTICATED) {
        caller.groups.push(AUTHENTICATED.into());
    }
    caller
}

/// Who has this token.
pub(crate) fn by_token(core: &Core, token: &str) -> Option<Caller> {
    let found = core.tokens.read().0.get(token).cloned();
    found.or_else(|| accounts::caller(core, token).map(known))
}

/// Who sent this request: 401 for credentials that are not accepted. Over plain HTTP a request may come without any and is let
/// in with all rights, since clients send none there.
pub(crate) fn authenticate(core: &Core, ask: &Ask, peer: &Peer) -> Result<Caller, ApiError> {
    if core.faults.rejects_tokens() {
        let open = matches!(ask.path.as_str(), "/version" | "/healthz" | "/livez" | "/readyz");
        return if open && ask.token.is_none() { Ok(anonymous()) } else { Err(ApiError::unauthorized()) };
    }
    if let Peer::Known(caller) = peer {
        return Ok(known(caller.clone()));
    }
    match (&ask.token, peer) {
        (Some(token), _) => by_token(core, token).ok_or_else(ApiError::unauthorized),
        (None, Peer::Refused) => Err(ApiError::unauthorized()),
        (None, _) if !core.https => {
            Ok(Caller { name: "admin".into(), groups: vec![MASTERS.into()], ..Caller::default() })
        }
        (None, _) => Ok(anonymous()),
    }
}

fn anonymous() -> Caller {
    Caller { name: ANONYMOUS.into(), groups: vec![UNAUTHENTICATED.into()], ..Caller::default() }
}
