//! Questions about access: who am I, may I, may they, whose token is this.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

const MAY: &str = "/apis/authorization.k8s.io/v1";
const WHO: &str = "/apis/authentication.k8s.io/v1";

cases! { "access": who_am_i, may_i, may_they, may_they_here, what_may_i, whose_token_is_this, reviews_refuse_what_makes_no_sense,
reviews_say_by_what_something_is_allowed, reviews_can_only_be_created, kubectl_asks_what_may_be_done }

async fn who_am_i(talk: &Talk) -> Result<()> {
    let path = format!("{WHO}/selfsubjectreviews");
    talk.ask(Method::POST, &path).token("alice").json(&json!({})).send().await?;
    talk.ask(Method::POST, &path)
        .token("admin")
        .json(&json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {} }))
        .send()
        .await?;
    talk.ask(Method::POST, &path).anonymous().json(&json!({})).send().await?;
    Ok(())
}

fn resource(verb: &str, group: &str, resource: &str, namespace: &str) -> Value {
    json!({ "verb": verb, "group": group, "resource": resource, "namespace": namespace })
}

async fn may_i(talk: &Talk) -> Result<()> {
    let path = format!("{MAY}/selfsubjectaccessreviews");
    let secrets = json!({ "spec": { "resourceAttributes": resource("get", "", "secrets", "default") } });
    let version = json!({ "spec": { "nonResourceAttributes": { "verb": "get", "path": "/version" } } });
    let shutdown = json!({ "spec": { "nonResourceAttributes": { "verb": "post", "path": "/version" } } });
    for token in ["alice", "admin"] {
        for body in [&secrets, &version, &shutdown] {
            let answer = talk.ask(Method::POST, &path).token(token).json(body).unkept().send().await?;
            let mut seen = answer.body;
            if seen["status"]["allowed"] == true {
                // Which of two bindings is named first is chance on a kube-apiserver.
                seen["status"]["reason"] = Value::Null;
            }
            talk.note(&format!("{token} {body}"), seen);
        }
    }
    Ok(())
}

async fn may_they(talk: &Talk) -> Result<()> {
    let path = format!("{MAY}/subjectaccessreviews");
    let about = resource("list", "apps", "deployments", "default");
    for who in [
        json!({ "user": "root", "groups": ["system:masters"] }),
        json!({ "user": "alice" }),
        json!({ "groups": ["a", "b"] }),
    ] {
        let mut spec = who;
        spec["resourceAttributes"] = about.clone();
        talk.post(&path, &json!({ "spec": spec })).await?;
    }
    let more = json!({ "spec": { "user": "alice", "uid": "3", "extra": { "a": ["b"] }, "groups": ["devs"],
        "resourceAttributes": { "verb": "get", "resource": "pods", "subresource": "log", "name": "p", "version": "v1" } } });
    talk.post(&path, &more).await?;
    talk.ask(Method::POST, &path).token("alice").json(&more).send().await?;
    Ok(())
}

async fn may_they_here(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("authorization.k8s.io/v1", "localsubjectaccessreviews");
    let here = json!({ "metadata": { "namespace": talk.id() },
        "spec": { "user": "alice", "resourceAttributes": resource("get", "", "pods", talk.id()) } });
    talk.post(&path, &here).await?;
    let mut elsewhere = here.clone();
    elsewhere["spec"]["resourceAttributes"]["namespace"] = "default".into();
    talk.post(&path, &elsewhere).await?;
    let mut unsaid = here.clone();
    unsaid["metadata"] = json!({});
    talk.post(&path, &unsaid).await?;
    Ok(())
}

async fn what_may_i(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = format!("{MAY}/selfsubjectrulesreviews");
    for token in ["alice", "admin"] {
        let body = json!({ "spec": { "namespace": talk.id() } });
        let mut seen = talk.ask(Method::POST, &path).token(token).json(&body).unkept().send().await?.body;
        // A kube-apiserver lists the rules of bindings in no order.
        for list in ["resourceRules", "nonResourceRules"] {
            if let Some(list) = seen["status"][list].as_array_mut() {
                list.sort_by_key(Value::to_string);
            }
        }
        talk.note(token, seen);
    }
    talk.post(&path, &json!({ "spec": {} })).await?;
    Ok(())
}

async fn whose_token_is_this(talk: &Talk) -> Result<()> {
    let path = format!("{WHO}/tokenreviews");
    for token in ["alice", "nobody", ""] {
        talk.post(&path, &json!({ "spec": { "token": token } })).await?;
    }
    talk.post(&path, &json!({ "spec": { "token": "alice", "audiences": ["https://kubernetes.default.svc", "x"] } }))
        .await?;
    talk.namespace().await?;
    let accounts = talk.path("v1", "serviceaccounts");
    talk.ask(Method::POST, &accounts).json(&json!({ "metadata": { "name": "robot" } })).unkept().send().await?;
    let token = talk.post(&format!("{accounts}/robot/token"), &json!({})).await?.text("/status/token")?;
    talk.post(&path, &json!({ "spec": { "token": token } })).await?;
    talk.post(&path, &json!({ "spec": { "token": token, "audiences": ["else"] } })).await?;
    talk.ask(Method::POST, &path).token("alice").json(&json!({ "spec": { "token": "admin" } })).send().await?;
    Ok(())
}

async fn reviews_refuse_what_makes_no_sense(talk: &Talk) -> Result<()> {
    let self_review = format!("{MAY}/selfsubjectaccessreviews");
    talk.post(&self_review, &json!({ "spec": {} })).await?;
    let both =
        json!({ "nonResourceAttributes": { "path": "/x", "verb": "get" }, "resourceAttributes": { "verb": "get" } });
    talk.post(&self_review, &json!({ "spec": both })).await?;
    talk.post(&format!("{MAY}/subjectaccessreviews"), &json!({ "spec": { "resourceAttributes": { "verb": "get" } } }))
        .await?;
    talk.post(&self_review, &json!({ "spec": { "resourceAttributes": { "verb": "get" }, "more": 1 } })).await?;
    Ok(())
}

async fn reviews_say_by_what_something_is_allowed(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let rbac = "rbac.authorization.k8s.io";
    let who = talk.id();
    let role = json!({ "metadata": { "name": "reader" }, "rules": [{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }] });
    talk.ask(Method::POST, &talk.path("rbac.authorization.k8s.io/v1", "roles")).json(&role).unkept().send().await?;
    let binding = json!({ "metadata": { "name": "readers" }, "roleRef": { "apiGroup": rbac, "kind": "Role", "name": "reader" },
        "subjects": [{ "kind": "User", "apiGroup": rbac, "name": who }, { "kind": "ServiceAccount", "name": "robot", "namespace": who }] });
    talk.ask(Method::POST, &talk.path("rbac.authorization.k8s.io/v1", "rolebindings"))
        .json(&binding)
        .unkept()
        .send()
        .await?;
    let path = format!("{MAY}/subjectaccessreviews");
    for user in [who.to_owned(), format!("system:serviceaccount:{who}:robot")] {
        let body = json!({ "spec": { "user": user, "resourceAttributes": resource("get", "", "pods", who) } });
        for _ in 0..100 {
            if talk.ask(Method::POST, &path).json(&body).unkept().send().await?.body["status"]["allowed"] == true {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        talk.post(&path, &body).await?;
    }
    Ok(())
}

async fn reviews_can_only_be_created(talk: &Talk) -> Result<()> {
    let path = format!("{MAY}/selfsubjectaccessreviews");
    talk.get(&path).await?;
    talk.get(&format!("{path}/x")).await?;
    talk.delete(&path).await?;
    talk.get(&format!("{WHO}/tokenreviews")).await?;
    Ok(())
}

async fn kubectl_asks_what_may_be_done(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    talk.kubectl("auth can-i get pods", "").await?;
    talk.kubectl("auth can-i get pods --as alice", "").await?;
    talk.kubectl("auth can-i create deployments.apps --as alice -q", "").await?;
    talk.kubectl("auth can-i get /version --as alice", "").await?;
    talk.kubectl("auth can-i nothing nothings --as alice", "").await?;
    talk.kubectl("auth whoami", "").await?;
    talk.kubectl("auth whoami --as bob --as-group devs -o json", "").await?;
    talk.kubectl("create serviceaccount robot", "").await?;
    talk.kubectl("create token robot --duration 20m", "").await?;
    Ok(())
}
