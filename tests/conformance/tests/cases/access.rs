//! Who may do what: credentials, roles and bindings, refusals, impersonation.

use anyhow::Result;
use http::Method;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

cases! { "access": a_wrong_token_is_401, nobody_may_see_health_and_version_only, a_user_without_rights_gets_403_in_each_form,
a_role_allows_its_verbs_and_resources_in_its_namespace, a_cluster_role_reaches_one_namespace_or_all,
resource_names_and_subresources_are_told_apart, wildcards_allow_verbs_groups_resources_and_urls,
a_binding_to_a_missing_role_says_so, a_client_certificate_names_user_and_group, bad_certificates_are_401,
service_account_tokens_speak_for_their_account, service_account_tokens_have_limits,
a_namespace_grants_to_its_accounts_by_group, built_in_roles_view_edit_admin, roles_are_aggregated,
nobody_grants_more_than_they_have, escalate_and_bind_let_grant_more, impersonation_takes_rights,
impersonation_by_mode, unknown_resources_are_refused_before_they_are_missed, anybody_known_may_discover,
built_in_roles_and_bindings_are_there, methods_map_to_verbs }

/// Gives the user of this case's name some rules, in the namespace of the case or everywhere.
async fn grant(talk: &Talk, name: &str, everywhere: bool, rules: Value, subject: Value) -> Result<()> {
    let (roles, bindings, kind) = if everywhere {
        (format!("{RBAC}/clusterroles"), format!("{RBAC}/clusterrolebindings"), "ClusterRole")
    } else {
        let of = |plural: &str| talk.path("rbac.authorization.k8s.io/v1", plural);
        (of("roles"), of("rolebindings"), "Role")
    };
    talk.ask(Method::POST, &roles)
        .json(&json!({ "metadata": { "name": name }, "rules": rules }))
        .unkept()
        .send()
        .await?;
    bind(talk, &bindings, name, kind, name, subject).await
}

async fn bind(talk: &Talk, bindings: &str, name: &str, kind: &str, role: &str, subject: Value) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let binding = json!({ "metadata": { "name": name }, "subjects": [subject],
        "roleRef": { "apiGroup": group, "kind": kind, "name": role } });
    talk.ask(Method::POST, bindings).json(&binding).unkept().send().await?;
    Ok(())
}

fn user(name: &str) -> Value {
    json!({ "kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name })
}

/// Asks as the user of a certificate, again until the server has heard of the new roles.
async fn as_user(talk: &Talk, user: &str, method: Method, path: &str) -> Result<()> {
    talk.ask(method, path).certificate(user, "").await?.send().await?;
    Ok(())
}

/// A kube-apiserver hears of new roles a moment later.
async fn settled(talk: &Talk, user: &str, path: &str) -> Result<()> {
    for _ in 0..100 {
        let answer = talk.ask(Method::GET, path).certificate(user, "").await?.unkept().send().await?;
        if answer.code != 403 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    anyhow::bail!("{user} still may not get {path}")
}

async fn a_wrong_token_is_401(talk: &Talk) -> Result<()> {
    for path in ["/api", "/api/v1/namespaces", "/healthz", "/version"] {
        talk.ask(Method::GET, path).token("nobody").send().await?;
    }
    talk.ask(Method::POST, "/api/v1/namespaces").token("nobody").json(&json!({})).send().await?;
    talk.ask(Method::GET, "/api").anonymous().header("authorization", "Basic YTpi").send().await?;
    Ok(())
}

async fn nobody_may_see_health_and_version_only(talk: &Talk) -> Result<()> {
    talk.aside("/gitCommit", "an embedded cluster is of another make");
    talk.aside("/gitTreeState", "an embedded cluster is of another make");
    talk.aside("/gitVersion", "an embedded cluster is of another make");
    talk.aside("/goVersion", "an embedded cluster is of another make");
    talk.aside("/compiler", "an embedded cluster is of another make");
    for path in ["/healthz", "/livez", "/readyz", "/version", "/api", "/apis", "/openapi/v3", "/nowhere", "/"] {
        talk.ask(Method::GET, path).anonymous().send().await?;
    }
    talk.ask(Method::GET, "/api/v1/nodes").anonymous().send().await?;
    Ok(())
}

async fn a_user_without_rights_gets_403_in_each_form(talk: &Talk) -> Result<()> {
    let maps = talk.path("v1", "configmaps");
    let asks = [
        (Method::GET, "/api/v1/configmaps".to_owned()),
        (Method::GET, maps.clone()),
        (Method::GET, format!("{maps}?watch=1")),
        (Method::GET, format!("{maps}/one")),
        (Method::GET, format!("{maps}?fieldSelector=metadata.name%3Done")),
        (Method::DELETE, format!("{maps}/one")),
        (Method::DELETE, maps.clone()),
        (Method::GET, "/api/v1/namespaces".to_owned()),
        (Method::GET, format!("/api/v1/namespaces/{}", talk.id())),
        (Method::GET, format!("/api/v1/namespaces/{}/status", talk.id())),
        (Method::GET, format!("{}/web", talk.path("apps/v1", "deployments"))),
        (Method::GET, format!("{}/web/log", talk.path("v1", "pods"))),
        (Method::GET, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/a.b".to_owned()),
        (Method::GET, "/logs".to_owned()),
        (Method::GET, "/metrics".to_owned()),
    ];
    for (method, path) in asks {
        talk.ask(method, &path).token("alice").send().await?;
    }
    Ok(())
}

async fn methods_map_to_verbs(talk: &Talk) -> Result<()> {
    let maps = talk.path("v1", "configmaps");
    let object = json!({ "metadata": { "name": "one" } });
    talk.ask(Method::POST, &maps).token("alice").json(&object).send().await?;
    talk.ask(Method::PUT, &format!("{maps}/one")).token("alice").json(&object).send().await?;
    for kind in ["application/merge-patch+json", "application/apply-patch+yaml"] {
        let ask = talk.ask(Method::PATCH, &format!("{maps}/one?fieldManager=m")).token("alice").json(&object);
        ask.header("content-type", kind).send().await?;
    }
    talk.ask(Method::POST, "/nowhere").token("alice").json(&object).send().await?;
    talk.ask(Method::DELETE, "/apis").token("alice").send().await?;
    talk.ask(Method::HEAD, &maps).token("alice").send().await?;
    Ok(())
}

async fn a_role_allows_its_verbs_and_resources_in_its_namespace(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let who = talk.id();
    let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"] },
        { "apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["create"] }]);
    grant(talk, who, false, rules, user(who)).await?;
    let maps = talk.path("v1", "configmaps");
    settled(talk, who, &maps).await?;
    as_user(talk, who, Method::GET, &maps).await?;
    as_user(talk, who, Method::GET, &format!("{maps}/none")).await?;
    as_user(talk, who, Method::DELETE, &format!("{maps}/none")).await?;
    as_user(talk, who, Method::GET, &talk.path("v1", "secrets")).await?;
    as_user(talk, who, Method::GET, &talk.path("apps/v1", "deployments")).await?;
    as_user(talk, who, Method::GET, "/api/v1/configmaps").await?;
    as_user(talk, who, Method::GET, "/api/v1/namespaces/default/configmaps").await?;
    let map = json!({ "metadata": { "name": "one" } });
    talk.ask(Method::POST, &maps).certificate(who, "").await?.json(&map).send().await?;
    Ok(())
}

async fn a_cluster_role_reaches_one_namespace_or_all(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (one, all) = (format!("{}-one", talk.id()), format!("{}-all", talk.id()));
    let rules = json!([{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list"] }]);
    grant(talk, &all, true, rules, user(&all)).await?;
    let bindings = talk.path("rbac.authorization.k8s.io/v1", "rolebindings");
    bind(talk, &bindings, "one", "ClusterRole", &all, user(&one)).await?;
    let (here, everywhere) = (talk.path("coordination.k8s.io/v1", "leases"), "/apis/coordination.k8s.io/v1/leases");
    settled(talk, &one, &here).await?;
    settled(talk, &all, &here).await?;
    as_user(talk, &one, Method::GET, &here).await?;
    as_user(talk, &one, Method::GET, everywhere).await?;
    as_user(talk, &all, Method::GET, &here).await?;
    as_user(talk, &all, Method::GET, &format!("{everywhere}?labelSelector=none%3D{}", talk.id())).await?;
    Ok(())
}

async fn resource_names_and_subresources_are_told_apart(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let who = talk.id();
    let rules = json!([
        { "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"], "verbs": ["get", "list"] },
        { "apiGroups": [""], "resources": ["pods/status"], "verbs": ["get"] },
        { "apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["get"] }]);
    grant(talk, who, false, rules, user(who)).await?;
    let (maps, pods, sets) =
        (talk.path("v1", "configmaps"), talk.path("v1", "pods"), talk.path("apps/v1", "deployments"));
    settled(talk, who, &format!("{maps}/mine")).await?;
    for path in [
        format!("{maps}/mine"),
        format!("{maps}/other"),
        maps.clone(),
        format!("{maps}?fieldSelector=metadata.name%3Dmine"),
        format!("{pods}/p"),
        format!("{pods}/p/status"),
        format!("{sets}/web"),
        format!("{sets}/web/scale"),
        format!("{sets}/web/status"),
    ] {
        as_user(talk, who, Method::GET, &path).await?;
    }
    Ok(())
}

async fn wildcards_allow_verbs_groups_resources_and_urls(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (verbs, groups, urls) = (format!("{}-v", talk.id()), format!("{}-g", talk.id()), format!("{}-u", talk.id()));
    grant(
        talk,
        &verbs,
        true,
        json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"] }]),
        user(&verbs),
    )
    .await?;
    grant(talk, &groups, true, json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["get"] }]), user(&groups))
        .await?;
    grant(talk, &urls, true, json!([{ "nonResourceURLs": ["/nowhere/*", "/else"], "verbs": ["get"] }]), user(&urls))
        .await?;
    let maps = talk.path("v1", "configmaps");
    settled(talk, &verbs, &maps).await?;
    settled(talk, &groups, &format!("{maps}/x")).await?;
    settled(talk, &urls, "/else").await?;
    as_user(talk, &verbs, Method::DELETE, &maps).await?;
    as_user(talk, &verbs, Method::GET, &talk.path("v1", "secrets")).await?;
    as_user(talk, &groups, Method::GET, &format!("{}/x", talk.path("apps/v1", "deployments"))).await?;
    as_user(talk, &groups, Method::GET, &maps).await?;
    for path in ["/nowhere/at/all", "/else", "/else/where", "/nowhere"] {
        as_user(talk, &urls, Method::GET, path).await?;
    }
    Ok(())
}

async fn a_binding_to_a_missing_role_says_so(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let who = talk.id();
    let bindings = talk.path("rbac.authorization.k8s.io/v1", "rolebindings");
    bind(talk, &bindings, "one", "Role", "none", user(who)).await?;
    let other = format!("{who}-other");
    bind(talk, &bindings, "two", "ClusterRole", "not-there", user(&other)).await?;
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] }]);
    grant(talk, "three", false, rules, user(who)).await?;
    settled(talk, who, &talk.path("v1", "secrets")).await?;
    as_user(talk, who, Method::GET, &talk.path("v1", "configmaps")).await?;
    as_user(talk, &other, Method::GET, &talk.path("v1", "configmaps")).await?;
    as_user(talk, who, Method::GET, &talk.path("v1", "secrets")).await?;
    Ok(())
}

async fn a_client_certificate_names_user_and_group(talk: &Talk) -> Result<()> {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    talk.ask(Method::POST, path).certificate("bob", "builders").await?.json(&json!({})).send().await?;
    talk.ask(Method::POST, path).certificate("bob", "").await?.json(&json!({})).send().await?;
    talk.ask(Method::GET, "/api/v1/secrets").certificate("bob", "builders").await?.send().await?;
    talk.ask(Method::GET, "/api/v1/namespaces/default")
        .certificate("root", "system:masters")
        .await?
        .unkept()
        .send()
        .await?;
    Ok(())
}

async fn bad_certificates_are_401(talk: &Talk) -> Result<()> {
    // A certificate of the other side's making would do; one of nobody's is simpler to have.
    let certificate = talk.certificate("eve", "")?;
    let other = motet_clusters::real::credentials::Authority::new("another")?;
    let until = std::time::SystemTime::now() + std::time::Duration::from_secs(600);
    let pair = other.client("eve", "system:masters", until)?;
    let mut config: Value = serde_json::to_value(kube::config::Kubeconfig::from_yaml(&certificate)?)?;
    let encode = motet_clusters::real::credentials::base64;
    config["users"][0]["user"] = json!({ "client-certificate-data": encode(pair.certificate.as_bytes()), "client-key-data": encode(pair.key.as_bytes()) });
    for path in ["/api", "/version", "/api/v1/namespaces"] {
        talk.ask(Method::GET, path).with(&config.to_string()).await?.send().await?;
    }
    Ok(())
}

/// A token of an account of this case.
async fn account(talk: &Talk, name: &str, request: &Value) -> Result<String> {
    let accounts = talk.path("v1", "serviceaccounts");
    talk.ask(Method::POST, &accounts).json(&json!({ "metadata": { "name": name } })).unkept().send().await?;
    talk.post(&format!("{accounts}/{name}/token"), request).await?.text("/status/token")
}

async fn service_account_tokens_speak_for_their_account(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let token = account(talk, "robot", &json!({})).await?;
    let review = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    talk.ask(Method::POST, review).token(&token).json(&json!({})).send().await?;
    let maps = talk.path("v1", "configmaps");
    talk.ask(Method::GET, &maps).token(&token).send().await?;
    let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }]);
    grant(talk, "robots", false, rules, json!({ "kind": "ServiceAccount", "name": "robot", "namespace": talk.id() }))
        .await?;
    for _ in 0..100 {
        if talk.ask(Method::GET, &maps).token(&token).unkept().send().await?.code == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    talk.ask(Method::GET, &maps).token(&token).send().await?;
    talk.ask(Method::GET, &talk.path("v1", "secrets")).token(&token).send().await?;
    talk.ask(Method::DELETE, &talk.path("v1", "serviceaccounts/robot")).unkept().send().await?;
    // A kube-apiserver remembers a token that was right for some seconds.
    for _ in 0..400 {
        if talk.ask(Method::GET, &maps).token(&token).unkept().send().await?.code == 401 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    talk.ask(Method::GET, &maps).token(&token).send().await?;
    Ok(())
}

async fn service_account_tokens_have_limits(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let path = talk.path("v1", "serviceaccounts/robot/token");
    talk.post(&path, &json!({})).await?;
    let elsewhere =
        account(talk, "robot", &json!({ "spec": { "audiences": ["elsewhere"], "expirationSeconds": 700 } })).await?;
    talk.ask(Method::GET, "/api").token(&elsewhere).send().await?;
    talk.post(&path, &json!({ "spec": { "expirationSeconds": 10 } })).await?;
    talk.post(
        &path,
        &json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": { "name": "robot" } }),
    )
    .await?;
    talk.ask(Method::GET, &path).send().await?;
    talk.ask(Method::POST, &path).token("alice").json(&json!({})).send().await?;
    Ok(())
}

async fn a_namespace_grants_to_its_accounts_by_group(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let token = account(talk, "robot", &json!({ "spec": { "expirationSeconds": 7200 } })).await?;
    let group = json!({ "kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": format!("system:serviceaccounts:{}", talk.id()) });
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] }]);
    grant(talk, "robots", false, rules, group).await?;
    let secrets = talk.path("v1", "secrets");
    for _ in 0..100 {
        if talk.ask(Method::GET, &secrets).token(&token).unkept().send().await?.code == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    talk.ask(Method::GET, &secrets).token(&token).send().await?;
    Ok(())
}

async fn built_in_roles_view_edit_admin(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let bindings = talk.path("rbac.authorization.k8s.io/v1", "rolebindings");
    for role in ["view", "edit", "admin"] {
        let who = format!("{}-{role}", talk.id());
        bind(talk, &bindings, role, "ClusterRole", role, user(&who)).await?;
        settled(talk, &who, &talk.path("v1", "configmaps")).await?;
        as_user(talk, &who, Method::GET, &talk.path("v1", "configmaps")).await?;
        as_user(talk, &who, Method::GET, &talk.path("v1", "secrets")).await?;
        as_user(talk, &who, Method::DELETE, &format!("{}/none", talk.path("apps/v1", "deployments"))).await?;
        as_user(talk, &who, Method::GET, &format!("{bindings}/none")).await?;
        as_user(talk, &who, Method::GET, "/api/v1/nodes").await?;
    }
    Ok(())
}

async fn roles_are_aggregated(talk: &Talk) -> Result<()> {
    let (sum, part) = (format!("{}-sum", talk.id()), format!("{}-part", talk.id()));
    let roles = format!("{RBAC}/clusterroles");
    let label = format!("{}/part", talk.id());
    let sum_role = json!({ "metadata": { "name": sum },
        "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { &label: "true" } }] }, "rules": [] });
    talk.post(&roles, &sum_role).await?;
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["list"] }]);
    talk.post(&roles, &json!({ "metadata": { "name": part, "labels": { &label: "true" } }, "rules": rules })).await?;
    talk.until(&format!("{roles}/{sum}"), "the sum", |a| a.body["rules"].as_array().is_some_and(|r| r.len() == 1))
        .await?;
    talk.delete(&format!("{roles}/{part}")).await?;
    talk.until(&format!("{roles}/{sum}"), "nothing", |a| a.body["rules"].as_array().is_none_or(Vec::is_empty)).await?;
    talk.delete(&format!("{roles}/{sum}")).await?;
    Ok(())
}

/// What somebody who may write roles and bindings, and read Leases, may grant.
async fn granter(talk: &Talk, more: Value) -> Result<String> {
    talk.namespace().await?;
    let who = talk.id().to_owned();
    let mut rules = json!([
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings", "clusterroles"], "verbs": ["get", "list", "create", "update", "patch"] },
        { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list"] }]);
    if let (Some(rules), Some(more)) = (rules.as_array_mut(), more.as_array()) {
        rules.extend(more.iter().cloned());
    }
    grant(talk, &who, true, rules, user(&who)).await?;
    settled(talk, &who, &talk.path("rbac.authorization.k8s.io/v1", "roles")).await?;
    Ok(who)
}

async fn try_to(talk: &Talk, who: &str, path: &str, object: &Value) -> Result<()> {
    talk.ask(Method::POST, path).certificate(who, "team").await?.json(object).send().await?;
    Ok(())
}

async fn nobody_grants_more_than_they_have(talk: &Talk) -> Result<()> {
    let who = granter(talk, json!([])).await?;
    let roles = talk.path("rbac.authorization.k8s.io/v1", "roles");
    let role = |name: &str, rules: Value| json!({ "metadata": { "name": name }, "rules": rules });
    try_to(
        talk,
        &who,
        &roles,
        &role("less", json!([{ "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"] }])),
    )
    .await?;
    let more = json!([{ "apiGroups": ["", "apps"], "resources": ["secrets", "pods/log"], "verbs": ["get", "list"] },
        { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "delete"], "resourceNames": ["x"] }]);
    try_to(talk, &who, &roles, &role("more", more.clone())).await?;
    let clusterwide = role(&format!("{who}-urls"), json!([{ "nonResourceURLs": ["/secret"], "verbs": ["get"] }]));
    try_to(talk, &who, &format!("{RBAC}/clusterroles"), &clusterwide).await?;
    let mut gathering = role(&format!("{who}-sum"), json!([]));
    gathering["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { "a": "b" } }] });
    try_to(talk, &who, &format!("{RBAC}/clusterroles"), &gathering).await?;
    let patch = json!({ "rules": more });
    let ask = talk.ask(Method::PATCH, &format!("{roles}/less")).certificate(&who, "").await?.json(&patch);
    ask.header("content-type", "application/merge-patch+json").send().await?;
    let bindings = talk.path("rbac.authorization.k8s.io/v1", "rolebindings");
    for (name, kind, role) in [("b1", "ClusterRole", "view"), ("b2", "Role", "less"), ("b3", "Role", "none")] {
        let binding = json!({ "metadata": { "name": name }, "subjects": [user("alice")],
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role } });
        try_to(talk, &who, &bindings, &binding).await?;
    }
    Ok(())
}

async fn escalate_and_bind_let_grant_more(talk: &Talk) -> Result<()> {
    let rbac = "rbac.authorization.k8s.io";
    let more = json!([{ "apiGroups": [rbac], "resources": ["roles"], "verbs": ["escalate"] },
        { "apiGroups": [rbac], "resources": ["clusterroles"], "resourceNames": ["view"], "verbs": ["bind"] }]);
    let who = granter(talk, more).await?;
    let rules = json!([{ "apiGroups": [""], "resources": ["secrets"], "verbs": ["*"] }]);
    let roles = talk.path("rbac.authorization.k8s.io/v1", "roles");
    try_to(talk, &who, &roles, &json!({ "metadata": { "name": "more" }, "rules": rules })).await?;
    let bindings = talk.path("rbac.authorization.k8s.io/v1", "rolebindings");
    for role in ["view", "edit"] {
        let binding = json!({ "metadata": { "name": role }, "subjects": [user("carol")],
            "roleRef": { "apiGroup": rbac, "kind": "ClusterRole", "name": role } });
        let answer =
            talk.ask(Method::POST, &bindings).certificate(&who, "").await?.json(&binding).unkept().send().await?;
        talk.note(&format!("binding {role}"), answer.code);
    }
    Ok(())
}

async fn impersonation_takes_rights(talk: &Talk) -> Result<()> {
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let ask = || talk.ask(Method::POST, path).json(&json!({}));
    ask().header("impersonate-user", "bob").send().await?;
    ask()
        .header("impersonate-user", "bob")
        .and_header("impersonate-group", "a")
        .and_header("impersonate-group", "b")
        .send()
        .await?;
    ask()
        .header("impersonate-user", "bob")
        .header("impersonate-uid", "17")
        .header("impersonate-extra-scopes", "x")
        .send()
        .await?;
    ask().header("impersonate-user", "system:serviceaccount:default:robot").send().await?;
    ask().header("impersonate-user", "system:anonymous").send().await?;
    ask().header("impersonate-group", "a").send().await?;
    ask().header("impersonate-uid", "17").send().await?;
    let secrets = "/api/v1/namespaces/default/secrets";
    talk.ask(Method::GET, secrets).header("impersonate-user", "bob").send().await?;
    let ask = talk.ask(Method::GET, "/api/v1/namespaces/none").header("impersonate-user", "bob");
    ask.header("impersonate-group", "system:masters").send().await?;
    for name in ["bob", "system:serviceaccount:default:robot", "system:node:n1"] {
        talk.ask(Method::GET, secrets).token("alice").header("impersonate-user", name).send().await?;
        talk.ask(Method::GET, "/api").token("alice").header("impersonate-user", name).send().await?;
    }
    Ok(())
}

async fn impersonation_by_mode(talk: &Talk) -> Result<()> {
    talk.namespace().await?;
    let (old, new) = (format!("{}-old", talk.id()), format!("{}-new", talk.id()));
    let rules = json!([{ "apiGroups": [""], "resources": ["users", "groups"], "verbs": ["impersonate"] },
        { "nonResourceURLs": ["/else"], "verbs": ["get"] }]);
    grant(talk, &old, true, rules, user(&old)).await?;
    let rules = json!([{ "apiGroups": ["authentication.k8s.io"], "resources": ["users"], "resourceNames": ["bob"], "verbs": ["impersonate:user-info"] },
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["impersonate-on:user-info:list"] },
        { "nonResourceURLs": ["/else"], "verbs": ["get"] }]);
    grant(talk, &new, true, rules, user(&new)).await?;
    settled(talk, &old, "/else").await?;
    settled(talk, &new, "/else").await?;
    let maps = talk.path("v1", "configmaps");
    for who in [&old, &new] {
        for (name, path) in
            [("bob", maps.as_str()), ("carol", &maps), ("bob", "/api/v1/secrets"), ("system:serviceaccount:a:b", &maps)]
        {
            let ask = talk.ask(Method::GET, path).certificate(who, "").await?.header("impersonate-user", name);
            ask.send().await?;
        }
        let ask = talk.ask(Method::GET, &maps).certificate(who, "").await?.header("impersonate-user", "bob");
        ask.header("impersonate-group", "devs").send().await?;
        let ask = talk.ask(Method::GET, &maps).certificate(who, "").await?.header("impersonate-user", "bob");
        ask.header("impersonate-uid", "7").send().await?;
    }
    Ok(())
}

async fn unknown_resources_are_refused_before_they_are_missed(talk: &Talk) -> Result<()> {
    for path in ["/apis/none.example.org/v1/things", "/api/v1/nothings", "/apis/apps/v7/deployments", "/apis/none"] {
        talk.ask(Method::GET, path).token("alice").send().await?;
    }
    Ok(())
}

async fn anybody_known_may_discover(talk: &Talk) -> Result<()> {
    for path in ["/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz"] {
        let answer = talk.ask(Method::GET, path).token("alice").unkept().send().await?;
        talk.note(path, answer.code);
    }
    Ok(())
}

async fn built_in_roles_and_bindings_are_there(talk: &Talk) -> Result<()> {
    for role in [
        "cluster-admin",
        "system:discovery",
        "system:basic-user",
        "system:public-info-viewer",
        "system:aggregate-to-view",
    ] {
        talk.get(&format!("{RBAC}/clusterroles/{role}")).await?;
    }
    for role in ["admin", "edit", "view"] {
        let aggregated =
            |a: &motet_conformance::talk::Answer| a.body["rules"].as_array().is_some_and(|r| !r.is_empty());
        talk.until(&format!("{RBAC}/clusterroles/{role}"), "the sum", aggregated).await?;
    }
    for binding in ["cluster-admin", "system:discovery", "system:basic-user", "system:public-info-viewer"] {
        talk.get(&format!("{RBAC}/clusterrolebindings/{binding}")).await?;
    }
    Ok(())
}
