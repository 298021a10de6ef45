//! Expressions of policies and match conditions: what they see, what they must evaluate to, and what is said of those that do not compile.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::admission::{self, path};
use crate::cases::tools::with;

cases! { "kinds":
    validations_of_policies_are_typed, requests_and_namespaces_have_fields, policies_ask_for_rights, parameters_of_policies_are_there_if_declared,
    variables_of_policies_build_on_one_another, messages_of_policies_are_texts, annotations_of_policies_are_texts_or_null, conditions_of_policies_and_webhooks_are_typed,
    applied_objects_are_written_out, json_patches_are_written_out, expressions_that_stay_are_compiled_again,
}

fn policy(talk: &Talk) -> Value {
    admission::policy(talk, "x")
}

/// An object with an expression at one place, named by it.
fn placed(base: &Value, at: &str, expression: &str) -> (String, Value) {
    (expression.to_owned(), with(base, &[(at, json!(expression))]))
}

/// The answer, without the words of the compiler, which are its own.
fn told(body: &Value) -> Vec<Value> {
    let causes = body["details"]["causes"].as_array().into_iter().flatten();
    causes
        .map(|cause| {
            let said = cause["message"].as_str().unwrap_or_default();
            let said = ["compilation failed", "program instantiation failed"]
                .iter()
                .find_map(|words| Some(format!("{}{words}", said.split_once(words)?.0)))
                .unwrap_or(said.to_owned());
            json!({ "field": cause["field"], "reason": cause["reason"], "message": said })
        })
        .collect()
}

async fn tried(talk: &Talk, plural: &str, objects: impl IntoIterator<Item = (String, Value)>) -> Result<()> {
    for (n, (name, object)) in objects.into_iter().enumerate() {
        let path = format!("{}?dryRun=All&n={n}", path(plural));
        let answer = talk.ask(http::Method::POST, &path).json(&object).unkept().send().await?;
        talk.note(&name, json!({ "code": answer.code, "reason": answer.body["reason"], "causes": told(&answer.body) }));
    }
    Ok(())
}

/// Each as the expression of a validation, in a policy that is otherwise `base`.
async fn validated(talk: &Talk, base: &Value, expressions: &[&str]) -> Result<()> {
    let of = |one: &&str| placed(base, "/spec/validations/0/expression", one);
    tried(talk, "validatingadmissionpolicies", expressions.iter().map(of)).await
}

async fn validations_of_policies_are_typed(talk: &Talk) -> Result<()> {
    let expressions = [
        "true",
        " true ",
        "'true'",
        "1",
        "1u",
        "1.5",
        "b'x'",
        "null",
        "[]",
        "[1, 2]",
        "{'a': 1}",
        "{}",
        "[[1]]",
        "['a'].map(x, {x: 1})",
        "duration('1h')",
        "timestamp('2020-01-01T00:00:00Z')",
        "optional.of(1)",
        "optional.none()",
        "type(1)",
        "string",
        "dyn(true)",
        "quantity('1')",
        "ip('::1')",
        "cidr('::1/128')",
        "url('https://a.org')",
        "semver('1.2.3')",
        "format.dns1123Label()",
        "format.dns1123Label().value()",
        "authorizer",
        "authorizer.requestResource",
        "authorizer.group('')",
        "authorizer.path('/x')",
        "authorizer.path('/x').check('get')",
        "request",
        "request.userInfo",
        "request.userInfo.extra",
        "request.kind",
        "request.resource",
        "request.options",
        "request.dryRun",
        "namespaceObject",
        "namespaceObject.metadata",
        "namespaceObject.metadata.creationTimestamp",
        "namespaceObject.spec",
        "namespaceObject.status.conditions",
        "object",
        "object.spec.replicas",
        "object.spec.replicas > 1",
        "object == oldObject && oldObject == null",
        "object.spec.?replicas.orValue(1) > 1",
        "has(object.spec.replicas)",
        "has(object.metadata.namespace)",
        "object.spec.containers.all(c, c.image.startsWith('x'))",
        "object.spec.containers.all(i, c, i < 2 && c.image.startsWith('x'))",
        "object.a__dash__b == 1",
        "object['a-b'] == 1",
        "self == 1",
        "nothing == 1",
        "params == null",
        "variables.a == 1",
        "Object{} == null",
        "jsonpatch.escapeKey('a') == 'a'",
        "true &&",
        "1 + 'a' == 2",
        "[1, 'a'] == []",
        "duration('x') == duration('1h')",
        "timestamp('x') == timestamp('2020-01-01T00:00:00Z')",
        "'a'.matches('(')",
        "'a'.find('(') == ''",
        "object.a.find('(') == ''",
        "object.a.matches(object.b)",
        "true\n|| false",
    ];
    validated(talk, &policy(talk), &expressions).await
}

async fn requests_and_namespaces_have_fields(talk: &Talk) -> Result<()> {
    let fields = [
        "request.kind.group == 'a' && request.kind.version == 'v1' && request.kind.kind == 'K'",
        "request.resource.group == 'a' && request.resource.version == 'v1' && request.resource.resource == 'k'",
        "request.requestKind == request.kind && request.requestResource == request.resource",
        "request.kind == request.resource",
        "request.subResource == 's' && request.requestSubResource == 's'",
        "request.name == 'a' && request.namespace == 'b' && request.operation == 'CREATE'",
        "request.userInfo.username == 'a' && request.userInfo.uid == 'u'",
        "request.userInfo.groups.exists(g, g == 'x') && 'x' in request.userInfo.extra['y']",
        "request.dryRun || request.options.force",
        "request.uid == 'u'",
        "request.object == null",
        "request.oldObject == null",
        "request.kind.resource == 'x'",
        "request.userInfo.name == 'x'",
        "request.name == 1",
        "has(request.name) && has(request.userInfo.extra)",
        "has(request.nope)",
        "request.?name.hasValue()",
        "request == null",
        "namespaceObject.metadata.name == 'a' && namespaceObject.metadata.namespace == ''",
        "namespaceObject.metadata.labels['a'] == 'b' && namespaceObject.metadata.annotations.?x.hasValue()",
        "namespaceObject.metadata.UID == 'u' && namespaceObject.metadata.generation == 1",
        "namespaceObject.metadata.uid == 'u'",
        "namespaceObject.metadata.creationTimestamp < timestamp('2020-01-01T00:00:00Z')",
        "namespaceObject.metadata.creationTimestamp == '2020'",
        "namespaceObject.metadata.deletionGracePeriodSeconds == 1 && namespaceObject.metadata.resourceVersion == '1'",
        "namespaceObject.metadata.finalizers == namespaceObject.spec.finalizers",
        "namespaceObject.metadata.ownerReferences == []",
        "namespaceObject.metadata.managedFields == []",
        "namespaceObject.status.phase == 'Active' && namespaceObject.status.conditions[0].type == 'x'",
        "namespaceObject.status.conditions[0].lastTransitionTime == namespaceObject.metadata.deletionTimestamp",
        "namespaceObject.status.conditions[0].observedGeneration == 1",
        "namespaceObject.kind == 'Namespace'",
        "namespaceObject == null",
        "namespaceObject == request",
    ];
    validated(talk, &policy(talk), &fields).await
}

async fn policies_ask_for_rights(talk: &Talk) -> Result<()> {
    let rights = [
        "authorizer.group('apps').resource('deployments').check('get').allowed()",
        "authorizer.group('').resource('pods').subresource('log').namespace('x').name('y').check('get').allowed()",
        "authorizer.group('').resource('pods').fieldSelector('a=b').labelSelector('c=d').check('list').allowed()",
        "authorizer.serviceAccount('ns', 'sa').path('/healthz').check('get').allowed()",
        "authorizer.path('/healthz').check('get').reason() == ''",
        "authorizer.requestResource.check('custom').errored() && authorizer.requestResource.check('custom').error() == ''",
        "authorizer.requestResource.subresource('x').check('get').allowed()",
        "authorizer.requestResource.path('x')",
        "authorizer.group('').check('get').allowed()",
        "authorizer.path('/x').namespace('y').check('get').allowed()",
        "authorizer.group(1).resource('pods').check('get').allowed()",
        "authorizer.group('').resource('pods').check('get')",
        "authorizer.group('').resource('pods').check('get').allowed",
        "authorizer.allowed()",
        "authorizer == null",
        "authorizer.nope == 1",
    ];
    validated(talk, &policy(talk), &rights).await
}

async fn parameters_of_policies_are_there_if_declared(talk: &Talk) -> Result<()> {
    let expressions = ["params.a == 1", "params == null", "params", "has(params.a)"];
    validated(talk, &policy(talk), &expressions).await?;
    let declared = with(&policy(talk), &[("/spec/paramKind", json!({ "apiVersion": "v1", "kind": "ConfigMap" }))]);
    validated(talk, &declared, &expressions).await?;
    let place = |at: &str, one: Value| with(&declared, &[(at, one)]);
    tried(
        talk,
        "validatingadmissionpolicies",
        [
            ("message".to_owned(), place("/spec/validations/0/messageExpression", json!("params.data.a"))),
            ("message text".to_owned(), place("/spec/validations/0/messageExpression", json!("string(params.data.a)"))),
            (
                "condition".to_owned(),
                place("/spec/matchConditions", json!([{ "name": "a", "expression": "params.a == 1" }])),
            ),
            ("variable".to_owned(), place("/spec/variables", json!([{ "name": "a", "expression": "params.a" }]))),
        ],
    )
    .await
}

async fn variables_of_policies_build_on_one_another(talk: &Talk) -> Result<()> {
    let variables = json!([
        { "name": "number", "expression": "1" }, { "name": "text", "expression": "'a'" }, { "name": "any", "expression": "object.spec" },
        { "name": "texts", "expression": "['a']" }, { "name": "map", "expression": "{'a': 1}" }, { "name": "nested", "expression": "[{'a': [1]}]" },
        { "name": "sum", "expression": "variables.number + 1" }, { "name": "user", "expression": "request.userInfo" }, { "name": "maybe", "expression": "optional.of('a')" },
        { "name": "kind", "expression": "type(1)" }, { "name": "time", "expression": "timestamp('2020-01-01T00:00:00Z')" }, { "name": "nothing", "expression": "null" },
        { "name": "rights", "expression": "authorizer.group('').resource('pods')" } ]);
    let base = with(&policy(talk), &[("/spec/variables", variables)]);
    let expressions = [
        "variables.number == 1 && variables.text == 'a'",
        "variables.number == 'a'",
        "variables.any.x == 1 && variables.any == 'a'",
        "variables.texts[0] == 'a'",
        "variables.texts[0] == 1",
        "variables.map['a'] == 1",
        "variables.map['a'] == 'x'",
        "variables.nested[0]['a'][0] == 1",
        "variables.nested[0]['a'][0] == 'x'",
        "variables.sum == 2",
        "variables.sum == 'x'",
        "variables.user.nope == 1",
        "variables.maybe.value() == 1",
        "variables.maybe == 1",
        "variables.kind == int",
        "variables.time < timestamp('2020-01-01T00:00:00Z')",
        "variables.time == 'x'",
        "variables.nothing == null",
        "variables.nothing == 1",
        "variables.rights.check('get').allowed()",
        "variables.nope == 1",
        "variables == null",
        "variables['number'] == 1",
        "has(variables.number)",
        "variables.number",
        "variables.any",
        "variables.nested",
    ];
    validated(talk, &base, &expressions).await?;
    let of = |all: Value| (all.to_string(), with(&policy(talk), &[("/spec/variables", all)]));
    tried(
        talk,
        "validatingadmissionpolicies",
        [
            of(json!([{ "name": "a", "expression": "variables.b" }, { "name": "b", "expression": "1" }])),
            of(json!([{ "name": "a", "expression": "variables.a" }])),
            of(json!([{ "name": "a", "expression": "1 +" }, { "name": "b", "expression": "variables.a == 1 && variables.a == 'x'" }])),
            of(json!([{ "name": "a", "expression": "1" }, { "name": "a", "expression": "'x'" }, { "name": "b", "expression": "variables.a == 'x'" }])),
            of(json!([{ "name": "a", "expression": "params" }])),
            of(json!([{ "name": "", "expression": "nope" }, { "name": "1", "expression": "1" }])),
            of(json!([])),
        ],
    )
    .await
}

async fn messages_of_policies_are_texts(talk: &Talk) -> Result<()> {
    let base = policy(talk);
    let of = |one: &str| placed(&base, "/spec/validations/0/messageExpression", one);
    let with_variable = with(
        &policy(talk),
        &[
            ("/spec/variables", json!([{ "name": "a", "expression": "'x'" }])),
            ("/spec/validations/0/messageExpression", json!("variables.a")),
        ],
    );
    tried(
        talk,
        "validatingadmissionpolicies",
        [
            of("'a' + object.metadata.name"),
            of("object.metadata.name"),
            of("string(object.metadata.name)"),
            of("request.name + request.userInfo.username"),
            of("namespaceObject.metadata.name"),
            of("authorizer.path('/x').check('get').reason()"),
            of("1"),
            of("null"),
            of("true ? 'a' : 'b'"),
            of("nope"),
            of("params.a"),
            of("  'a'  "),
            ("variable".to_owned(), with_variable),
        ],
    )
    .await
}

async fn annotations_of_policies_are_texts_or_null(talk: &Talk) -> Result<()> {
    let base = with(&policy(talk), &[("/spec/auditAnnotations", json!([{ "key": "k" }]))]);
    let of = |one: &str| placed(&base, "/spec/auditAnnotations/0/valueExpression", one);
    tried(
        talk,
        "validatingadmissionpolicies",
        [
            of("'a'"),
            of("null"),
            of("1"),
            of("true"),
            of("object.x"),
            of("true ? 'a' : null"),
            of("'x' + authorizer.path('/x').check('get').reason()"),
            of(" nope "),
            of("params.x"),
            of("['a']"),
        ],
    )
    .await
}

async fn conditions_of_policies_and_webhooks_are_typed(talk: &Talk) -> Result<()> {
    let expressions = [
        "true",
        "request.kind.kind == 'Pod'",
        "object.x",
        "'a'",
        " nope == 1 ",
        "params.x == 1",
        "variables.x == 1",
        "authorizer.requestResource.check('x').allowed()",
        "!(request.userInfo.username in ['a', 'b'])",
        "1 +",
    ];
    let conditions = json!([{ "name": "c" }]);
    let base = with(&policy(talk), &[("/spec/matchConditions", conditions.clone())]);
    let of = |one: &&str| placed(&base, "/spec/matchConditions/0/expression", one);
    tried(talk, "validatingadmissionpolicies", expressions.iter().map(of)).await?;
    let hooks = with(&admission::webhooks(talk, "w"), &[("/webhooks/0/matchConditions", conditions)]);
    for plural in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        let of = |one: &&str| placed(&hooks, "/webhooks/0/matchConditions/0/expression", one);
        tried(talk, plural, expressions.iter().map(of)).await?;
    }
    Ok(())
}

async fn applied_objects_are_written_out(talk: &Talk) -> Result<()> {
    let base = admission::mutation(talk, "m");
    let of = |one: &&str| placed(&base, "/spec/mutations/0/applyConfiguration/expression", one);
    let expressions = [
        "Object{}",
        "Object{metadata: Object.metadata{labels: {'a': 'b'}}}",
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{x: object.spec.y}}}}",
        "Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers.item{name: c.name})}}",
        "Object{spec: Object.spec{replicas: 1, ?paused: optional.of(true)}}",
        "object.x ? Object{} : Object{spec: Object.spec{}}",
        "has(object.x) ? Object{} : Object{spec: Object.spec{}}",
        "Object.spec{}",
        "Object.metadata{labels: {}}",
        "{'a': 'b'}",
        "object",
        "Objects{}",
        "objects.spec{}",
        "JSONPatch{op: 'add', path: '/a', value: 1}",
        "Object{a: nope}",
        "Object{a: params.x}",
        "Object{a: variables.x}",
        "Object{a: 1,}",
        "Object{a: [1, 'a']}",
        "Object{spec: Object.spec{}}.spec == null ? Object{} : Object{}",
        " Object{} ",
        "null",
    ];
    tried(talk, "mutatingadmissionpolicies", expressions.iter().map(of)).await
}

async fn json_patches_are_written_out(talk: &Talk) -> Result<()> {
    let mutations = json!([{ "patchType": "JSONPatch", "jsonPatch": { "expression": "[JSONPatch{op: 'add', path: '/a', value: variables.v}]" } }]);
    let base = with(&admission::mutation(talk, "m"), &[("/spec/mutations", mutations)]);
    let of = |one: &&str| placed(&base, "/spec/mutations/0/jsonPatch/expression", one);
    let expressions = [
        "[JSONPatch{op: 'add', path: '/a', value: 1}]",
        "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c'), value: {'a': 'b'}}]",
        "[JSONPatch{op: 'move', path: '/a', from: '/b'}, JSONPatch{op: 'remove', path: '/c'}]",
        "[JSONPatch{op: 'add', path: '/spec', value: Object.spec{replicas: 1}}]",
        "[JSONPatch{op: 1}]",
        "[JSONPatch{op: 'add', path: 1}]",
        "[JSONPatch{op: object.x, path: object.y}]",
        "JSONPatch{op: 'add', path: '/a', value: 1}",
        "[]",
        "[1]",
        "[Object{}]",
        "object.a.map(x, JSONPatch{op: 'remove', path: '/' + x})",
        "object.a ? [JSONPatch{op: 'remove', path: '/x'}] : []",
        "has(object.a) ? [JSONPatch{op: 'remove', path: '/x'}] : []",
        "[JSONPatch{op: 'add', path: '/a', value: 1}] + [JSONPatch{op: 'remove', path: '/a'}]",
        "[JSONPatch{op: 'add', path: jsonpatch.escapeKey(1)}]",
        "[JSONPatch{op: 'add', path: '/a', value: nope}]",
        "[JSONPatch{op: 'add', path: '/a', ?value: object.?x}]",
    ];
    tried(talk, "mutatingadmissionpolicies", expressions.iter().map(of)).await?;
    let variables = [
        json!([{ "name": "v", "expression": "object.x" }]),
        json!([{ "name": "v", "expression": "Object.spec{}" }]),
        json!([{ "name": "v", "expression": "JSONPatch{}" }]),
        json!([{ "name": "w", "expression": "1" }]),
    ];
    let of = |all: Value| (all.to_string(), with(&base, &[("/spec/variables", all)]));
    tried(talk, "mutatingadmissionpolicies", variables.map(of)).await
}

async fn expressions_that_stay_are_compiled_again(talk: &Talk) -> Result<()> {
    let path = path("validatingadmissionpolicies");
    let kind = json!({ "apiVersion": "v1", "kind": "ConfigMap" });
    let conditions = json!([{ "name": "c", "expression": "params.a == 1" }]);
    let base = with(&policy(talk), &[("/spec/paramKind", kind), ("/spec/matchConditions", conditions)]);
    talk.post(&path, &base).await?;
    let name = format!("{path}/{}-x", talk.id());
    for (n, (what, patch)) in [
        ("no parameters", json!({ "spec": { "paramKind": null } })),
        ("other parameters", json!({ "spec": { "paramKind": { "kind": "Secret" } } })),
        ("another condition", json!({ "spec": { "matchConditions": [{ "name": "c", "expression": "nope" }] } })),
        ("another validation", json!({ "spec": { "validations": [{ "expression": "nope" }] } })),
        ("something else", json!({ "spec": { "failurePolicy": "Ignore" } })),
    ]
    .into_iter()
    .enumerate()
    {
        let at = format!("{name}?dryRun=All&n={n}");
        let answer = talk
            .ask(http::Method::PATCH, &at)
            .bytes("application/merge-patch+json", serde_json::to_vec(&patch)?)
            .unkept()
            .send()
            .await?;
        talk.note(what, json!({ "code": answer.code, "reason": answer.body["reason"], "causes": told(&answer.body) }));
    }
    talk.ask(http::Method::DELETE, &name).unkept().send().await?;
    Ok(())
}
