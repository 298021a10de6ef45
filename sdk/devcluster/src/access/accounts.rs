//! Tokens of ServiceAccounts: JSON web tokens signed by a key of the cluster's own. Deleting the account revokes them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};

use super::Caller;
use crate::cluster::Core;
use crate::error::ApiError;
use crate::store::Key;

/// Who issues tokens, and for whom they are meant if nothing else is asked.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";
const PREFIX: &str = "system:serviceaccount:";

/// The signing key, made when the first token is asked for.
#[derive(Debug, Default)]
pub(crate) struct Signer(OnceLock<EcdsaKeyPair>);

impl Signer {
    fn key(&self) -> Result<&EcdsaKeyPair, ApiError> {
        if let Some(key) = self.0.get() {
            return Ok(key);
        }
        let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let made = EcdsaKeyPair::generate_pkcs8(kind, &random).map_err(|_| failed())?;
        let key = EcdsaKeyPair::from_pkcs8(kind, made.as_ref(), &random).map_err(|_| failed())?;
        Ok(self.0.get_or_init(|| key))
    }
}

fn failed() -> ApiError {
    ApiError::untyped("Internal error occurred: failed to generate token".into())
}

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A new token for an account.
pub(crate) fn issue(
    core: &Core,
    account: &Key,
    uid: &str,
    audiences: &Value,
    seconds: i64,
) -> Result<String, ApiError> {
    let key = core.signer.key()?;
    let now = Timestamp::now().as_second();
    let (namespace, name) = (&*account.namespace, &*account.name);
    let of = json!({"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}});
    let claims = json!({"aud": audiences, "exp": now + seconds, "iat": now, "iss": ISSUER, "nbf": now,
        "jti": uuid::Uuid::new_v4().to_string(), "kubernetes.io": of, "sub": format!("{PREFIX}{namespace}:{name}")});
    let head = json!({"alg": "ES256", "kid": URL_SAFE_NO_PAD.encode(&key.public_key().as_ref()[..32])});
    let signed = format!("{}.{}", encode(&head), encode(&claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| failed())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// What a token of this cluster says, if its signature and its times are right.
fn claims(core: &Core, token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (_, payload) = signed.split_once('.')?;
    let key = core.signer.0.get()?.public_key();
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.as_ref()).verify(signed.as_bytes(), &signature).ok()?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    (Timestamp::now().as_second() < claims["exp"].as_i64()?).then_some(claims)
}

/// The audiences that a token is for, if it is one of an account.
pub(crate) fn audiences(core: &Core, token: &str) -> Option<Vec<String>> {
    let claims = claims(core, token)?;
    Some(claims["aud"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// The account that a token speaks for. None unless the token is good for the API server and the account still the same.
pub(crate) fn caller(core: &Core, token: &str) -> Option<Caller> {
    let claims = claims(core, token)?;
    if !claims["aud"].as_array()?.iter().any(|a| a == ISSUER) {
        return None;
    }
    account_of(core, &claims)
}

/// The same for any audience.
pub(crate) fn caller_for_any(core: &Core, token: &str) -> Option<Caller> {
    account_of(core, &claims(core, token)?)
}

fn account_of(core: &Core, claims: &Value) -> Option<Caller> {
    let of = &claims["kubernetes.io"];
    let (namespace, name) = (of["namespace"].as_str()?, of["serviceaccount"]["name"].as_str()?);
    let uid = of["serviceaccount"]["uid"].as_str()?;
    let stored = core.state.lock().get("serviceaccounts.", &Key::new(namespace, name))?;
    if *stored.uid != *uid {
        return None;
    }
    let id =
        ("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("JTI={}", claims["jti"].as_str()?)]);
    Some(Caller {
        name: format!("{PREFIX}{namespace}:{name}"),
        uid: uid.into(),
        groups: groups(namespace),
        extra: BTreeMap::from([id]),
    })
}

/// The groups of every account of a namespace.
pub(crate) fn groups(namespace: &str) -> Vec<String> {
    vec!["system:serviceaccounts".into(), format!("system:serviceaccounts:{namespace}")]
}

/// Namespace and name of the account that a user name stands for.
pub(crate) fn split(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix(PREFIX)?
        .split_once(':')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains(':'))
}
