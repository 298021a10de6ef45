//! Answers questions about access: who am I, may I, may they, whose token is this; and hands out tokens of accounts.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::rbac::{Book, aggregate};
use super::{Caller, Deed, accounts, users};
use crate::apply::managers::{Identity, Managers};
use crate::apply::{self, Reach};
use crate::cluster::Core;
use crate::error::{ApiError, Cause, Named};
use crate::object;
use crate::schema::Type;
use crate::schema::builtin::BUILTIN;
use crate::store::Key;

/// Who asks for a review, and how.
pub(crate) struct Asked<'a> {
    pub(crate) core: &'a Core,
    pub(crate) caller: &'a Caller,
    pub(crate) book: &'a Book,
    pub(crate) kind: &'a str,
    pub(crate) api_version: String,
    pub(crate) manager: &'a str,
    pub(crate) namespace: &'a str,
}

/// Answers a review of one of the kinds of authentication.k8s.io and authorization.k8s.io.
pub(crate) fn answer(asked: &Asked<'_>, ty: Type<'_>, mut body: Value) -> Result<Value, ApiError> {
    drop_empty(&mut body);
    if !asked.namespace.is_empty() && object::meta(&body, "namespace").is_empty() {
        object::set_meta(&mut body, "namespace", Some(asked.namespace.into()));
    }
    sign(&mut body, ty, asked, "");
    let mut out = match asked.kind {
        "SelfSubjectReview" => {
            let mut out = json!({"metadata": {}, "status": {"userInfo": asked.caller.info()}});
            object::set_meta(&mut out, "creationTimestamp", Some(object::now().into()));
            out
        }
        "SelfSubjectRulesReview" => rules(asked, &body)?,
        "TokenReview" => token(asked, body)?,
        "SelfSubjectAccessReview" => access(asked, asked.caller.clone(), body)?,
        "SubjectAccessReview" | "LocalSubjectAccessReview" => {
            let other = subject(&body["spec"]);
            access(asked, other, body)?
        }
        other => return Err(ApiError::not_implemented(&format!("the kind {other}"))),
    };
    out["apiVersion"] = asked.api_version.as_str().into();
    out["kind"] = asked.kind.into();
    Ok(out)
}

/// An empty text is no text in a review.
fn drop_empty(value: &mut Value) {
    let Some(map) = value.as_object_mut() else { return };
    map.retain(|_, value| value.as_str() != Some(""));
    map.values_mut().for_each(drop_empty);
}

/// Writes down who set which fields, as for any object.
fn sign(body: &mut Value, ty: Type<'_>, asked: &Asked<'_>, subresource: &str) {
    let mut managers = Managers::default();
    Managers::take(body);
    let who = Identity::updater(asked.manager, &asked.api_version, subresource);
    let nothing = json!({"spec": {}, "status": {}});
    apply::update(ty, &nothing, body, &mut managers, &who, Reach::Everything, &object::now());
    object::set_meta(body, "managedFields", None);
    managers.put_into(body);
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn subject(spec: &Value) -> Caller {
    let extra = spec["extra"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), texts(v))).collect();
    Caller { name: text(spec, "user"), uid: text(spec, "uid"), groups: texts(&spec["groups"]), extra }
}

fn access(asked: &Asked<'_>, caller: Caller, mut body: Value) -> Result<Value, ApiError> {
    let causes = wrong(asked.kind, &body);
    if !causes.is_empty() {
        return Err(ApiError::invalid("authorization.k8s.io", "", "", causes));
    }
    let spec = &body["spec"];
    if asked.kind == "LocalSubjectAccessReview" && object::meta(&body, "namespace") != asked.namespace {
        let why = format!("spec.resourceAttributes.namespace must match namespace: {}", asked.namespace);
        return Err(ApiError::bad_request(why));
    }
    let about = &spec["resourceAttributes"];
    let deed = if about.is_object() {
        let of = |field: &str| text(about, field);
        let deed = Deed::on(&of("verb"), &of("group"), &of("resource"), &of("namespace"), &of("name"));
        Deed { subresource: of("subresource"), ..deed }
    } else {
        let about = &spec["nonResourceAttributes"];
        Deed { verb: text(about, "verb"), path: Some(text(about, "path")), ..Deed::default() }
    };
    let verdict = asked.book.judge(&caller, &deed);
    body["status"] = json!({"allowed": verdict.allowed});
    if !verdict.reason.is_empty() {
        body["status"]["reason"] = verdict.reason.into();
    }
    Ok(body)
}

/// What keeps a review from being answered.
fn wrong(kind: &str, body: &Value) -> Vec<Cause> {
    let spec = &body["spec"];
    let (about, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let mut causes = Vec::new();
    if about.is_object() && path.is_object() {
        let why = "cannot be specified in combination with resourceAttributes";
        let shown = json!({"Path": text(path, "path"), "Verb": text(path, "verb")});
        causes.push(Cause::invalid("spec.nonResourceAttributes", &shown, why));
    }
    if !about.is_object() && !path.is_object() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        causes.push(Cause::invalid("spec.resourceAttributes", &Value::Null, why));
    }
    let nobody = text(spec, "user").is_empty() && texts(&spec["groups"]).is_empty();
    if kind != "SelfSubjectAccessReview" && nobody {
        let why = "at least one of user or group must be specified";
        causes.push(Cause::invalid("spec.user", &"".into(), why));
    }
    if kind == "LocalSubjectAccessReview"
        && about.is_object()
        && text(about, "namespace") != object::meta(body, "namespace")
    {
        let found = text(about, "namespace").into();
        causes.push(Cause::invalid("spec.resourceAttributes.namespace", &found, "must match metadata.namespace"));
    }
    causes
}

fn rules(asked: &Asked<'_>, body: &Value) -> Result<Value, ApiError> {
    let namespace = text(&body["spec"], "namespace");
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let all = asked.book.rules_of(asked.caller, &namespace);
    let of_resources = ["verbs", "apiGroups", "resources", "resourceNames"];
    let resources: Vec<Value> = all.iter().filter(|r| !r.resources.is_empty()).map(|r| r.json(&of_resources)).collect();
    let urls: Vec<Value> =
        all.iter().filter(|r| !r.urls.is_empty()).map(|r| r.json(&["verbs", "nonResourceURLs"])).collect();
    let mut status = json!({"resourceRules": resources, "nonResourceRules": urls, "incomplete": false});
    let errors = asked.book.errors(asked.caller, &namespace);
    if !errors.is_empty() {
        status["evaluationError"] = aggregate(&errors).into();
    }
    Ok(json!({"metadata": {}, "spec": {}, "status": status}))
}

fn token(asked: &Asked<'_>, mut body: Value) -> Result<Value, ApiError> {
    let token = text(&body["spec"], "token");
    if token.is_empty() {
        return Err(ApiError::bad_request("token is required for TokenReview in authentication"));
    }
    let wanted = texts(&body["spec"]["audiences"]);
    let wanted = if wanted.is_empty() { vec![accounts::ISSUER.to_owned()] } else { wanted };
    body["status"] = match accounts::audiences(asked.core, &token) {
        Some(held) => {
            let shared: Vec<&String> = wanted.iter().filter(|w| held.contains(w)).collect();
            match accounts::caller_for_any(asked.core, &token) {
                Some(caller) if !shared.is_empty() => known(caller, json!(shared)),
                Some(_) => {
                    let list = |of: &[String]| {
                        format!("[{}]", of.iter().map(|a| format!("{a:?}")).collect::<Vec<_>>().join(" "))
                    };
                    let why = format!(
                        "token audiences {} is invalid for the target audiences {}",
                        list(&held),
                        list(&wanted)
                    );
                    json!({"user": {}, "error": format!("[invalid bearer token, {why}]")})
                }
                None => {
                    json!({"user": {}, "error": "[invalid bearer token, service account token has been invalidated]"})
                }
            }
        }
        None => match users::by_token(asked.core, &token) {
            Some(caller) if wanted.iter().any(|a| a == accounts::ISSUER) => known(caller, json!([accounts::ISSUER])),
            _ => json!({"user": {}, "error": "invalid bearer token"}),
        },
    };
    Ok(body)
}

fn known(mut caller: Caller, audiences: Value) -> Value {
    if !caller.is_in(super::AUTHENTICATED) {
        caller.groups.push(super::AUTHENTICATED.into());
    }
    json!({"authenticated": true, "user": caller.info(), "audiences": audiences})
}

/// A token of an account: POST to its subresource `token`.
pub(crate) fn request_token(asked: &Asked<'_>, account: &Key, mut body: Value) -> Result<Value, ApiError> {
    let missing = || ApiError::not_found(Named { group: "", plural: "serviceaccounts", name: &account.name });
    let stored = asked.core.state.lock().get("serviceaccounts.", account).ok_or_else(missing)?;
    if let Some(id) = BUILTIN.names.get("authentication.v1.TokenRequest") {
        sign_request(&mut body, Type { schema: &BUILTIN.schema, id: *id }, asked);
    }
    let seconds = body["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let invalid = |why: &str| {
        let cause = Cause::invalid("spec.expirationSeconds", &seconds.into(), why);
        Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", vec![cause]))
    };
    if seconds < 600 {
        return invalid("may not specify a duration less than 10 minutes");
    }
    if seconds > 1 << 32 {
        return invalid("may not specify a duration larger than 2^32 seconds");
    }
    if body["spec"]["boundObjectRef"].is_object() {
        return Err(ApiError::not_implemented("tokens that are bound to an object"));
    }
    let audiences = match texts(&body["spec"]["audiences"]) {
        none if none.is_empty() => vec![accounts::ISSUER.to_owned()],
        some => some,
    };
    let audiences = json!(audiences);
    let token = accounts::issue(asked.core, account, &stored.uid, &audiences, seconds)?;
    let ends = Timestamp::now() + SignedDuration::from_secs(seconds);
    let now = object::now();
    for (field, value) in
        [("name", &*account.name), ("namespace", &account.namespace), ("uid", &stored.uid), ("creationTimestamp", &now)]
    {
        object::set_meta(&mut body, field, Some(value.into()));
    }
    body["apiVersion"] = "authentication.k8s.io/v1".into();
    body["kind"] = "TokenRequest".into();
    body["spec"] = json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": null});
    body["status"] = json!({"token": token, "expirationTimestamp": ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()});
    Ok(body)
}

/// The default of the duration counts as set by the client.
fn sign_request(body: &mut Value, ty: Type<'_>, asked: &Asked<'_>) {
    if body["spec"]["expirationSeconds"].is_null() {
        object::set_at(body, &["spec", "expirationSeconds"], 3600.into());
    }
    sign(body, ty, asked, "token");
}
