//! Expressions of admission policies and of match conditions: compiled and typed when they are written, never run.
//!
//! What they see follows `plugin/cel/compile.go` of k8s.io/apiserver: the object and its parameters are of any type, the request and
//! the namespace have the fields that are listed here, and a variable is of the type that its expression turned out to have.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::infer::{self, OBJECT, PATCH, Scope};
use super::library;
use super::types::{AUTHORIZER, RESOURCE_CHECK, Record, Type};

/// What an expression is for, which says what it must evaluate to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Whether something holds.
    Condition,
    Message,
    Annotation,
    /// The object to apply.
    Apply,
    /// The operations of a JSON patch.
    Patch,
}

/// Why an expression is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is wrong.
    Invalid(String),
    /// It passes the compiler, but no program can be made of it.
    Internal(String),
}

/// The expressions of one policy.
#[derive(Debug)]
pub(crate) struct Expressions {
    params: bool,
    /// The types of the variables so far; none where there can be no variables.
    variables: Option<BTreeMap<String, Type<'static>>>,
}

impl Expressions {
    /// Those of a policy, with or without parameters and variables.
    pub(crate) fn new(params: bool, variables: bool) -> Self {
        Self { params, variables: variables.then(BTreeMap::new) }
    }

    fn scope(&self, purpose: Option<Purpose>) -> Scope<'static> {
        let mut scope: Scope<'static> = [("object", Type::Dyn), ("oldObject", Type::Dyn)]
            .into_iter()
            .chain([("namespaceObject", NAMESPACE.clone()), ("request", REQUEST.clone())])
            .map(|(name, ty)| (name.to_owned(), ty))
            .collect();
        if self.params {
            scope.push(("params".into(), Type::Dyn));
        }
        // Messages are made after the decision.
        if purpose != Some(Purpose::Message) {
            scope.push(("authorizer".into(), Type::Own(AUTHORIZER)));
            scope.push(("authorizer.requestResource".into(), Type::Own(RESOURCE_CHECK)));
        }
        if let Some(fields) = &self.variables {
            let all = Record { name: "kubernetes.variables", fields: fields.clone() };
            scope.push(("variables".into(), Type::Record(Arc::new(all))));
        }
        scope
    }

    fn typed(&self, source: &str, purpose: Option<Purpose>) -> Result<Type<'static>, Refusal> {
        let invalid = |why: String| Refusal::Invalid(format!("compilation failed: {why}"));
        let program = library::CHECKED.compile(source).map_err(|error| invalid(error.to_string()))?;
        let patches = matches!(purpose, Some(Purpose::Apply | Purpose::Patch));
        match infer::infer(program.expression(), self.scope(purpose), patches) {
            Ok((_, result)) => Ok(result),
            Err(why) if why.starts_with("program instantiation failed") => Err(Refusal::Internal(why)),
            Err(why) => Err(invalid(why)),
        }
    }

    /// Compiles an expression, and holds its type against what it is for.
    pub(crate) fn check(&self, source: &str, purpose: Purpose) -> Result<(), Refusal> {
        let found = self.typed(source, Some(purpose))?;
        let (good, wanted) = match purpose {
            Purpose::Condition => (matches!(found, Type::Bool), "bool"),
            Purpose::Message => (matches!(found, Type::Text), "string"),
            Purpose::Annotation => (matches!(found, Type::Text | Type::Null), "one of [string null_type]"),
            Purpose::Apply => (matches!(&found, Type::Made(name) if name == OBJECT), "Object"),
            Purpose::Patch => (
                matches!(&found, Type::List(item) if matches!(&**item, Type::Made(name) if name == PATCH)),
                "list(JSONPatch)",
            ),
        };
        if good {
            return Ok(());
        }
        let shown = if matches!(found, Type::Null) { "null_type".to_owned() } else { found.to_string() };
        Err(Refusal::Invalid(format!("must evaluate to {wanted} but got {shown}")))
    }

    /// Compiles a variable, which what comes after it can use; of any type if it is wrong.
    pub(crate) fn declare(&mut self, name: &str, source: &str) -> Result<(), Refusal> {
        let typed = self.typed(source, None);
        let ty = typed.as_ref().map_or(Type::Dyn, kept);
        if let Some(all) = &mut self.variables {
            all.insert(name.to_owned(), ty);
        }
        typed.map(|_| ())
    }
}

/// The type under which a variable is known: of what is no plain value, list or map, nothing is.
fn kept(ty: &Type<'static>) -> Type<'static> {
    match ty {
        Type::List(item) => Type::List(Box::new(kept(item))),
        Type::Map(entry) => Type::Map(Box::new((kept(&entry.0), kept(&entry.1)))),
        Type::Object(_) | Type::Record(_) | Type::Own(_) | Type::Made(_) => Type::Dyn,
        Type::Kind(_) | Type::Optional(_) | Type::Var(_) => Type::Dyn,
        plain => plain.clone(),
    }
}

fn record<const N: usize>(name: &'static str, fields: [(&str, Type<'static>); N]) -> Type<'static> {
    let fields = fields.into_iter().map(|(name, ty)| (name.to_owned(), ty)).collect();
    Type::Record(Arc::new(Record { name, fields }))
}

fn texts() -> Type<'static> {
    Type::List(Box::new(Type::Text))
}

fn labels() -> Type<'static> {
    Type::Map(Box::new((Type::Text, Type::Text)))
}

static REQUEST: LazyLock<Type<'static>> = LazyLock::new(|| {
    let triple = |name, last| record(name, [("group", Type::Text), ("version", Type::Text), (last, Type::Text)]);
    let kind = triple("kubernetes.GroupVersionKind", "kind");
    let resource = triple("kubernetes.GroupVersionResource", "resource");
    let extra = Type::Map(Box::new((Type::Text, texts())));
    let user = [("username", Type::Text), ("uid", Type::Text), ("groups", texts()), ("extra", extra)];
    record(
        "kubernetes.AdmissionRequest",
        [
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Type::Text),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Type::Text),
            ("name", Type::Text),
            ("namespace", Type::Text),
            ("operation", Type::Text),
            ("userInfo", record("kubernetes.UserInfo", user)),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
});

static NAMESPACE: LazyLock<Type<'static>> = LazyLock::new(|| {
    let condition = record(
        "kubernetes.NamespaceCondition",
        [
            ("status", Type::Text),
            ("type", Type::Text),
            ("lastTransitionTime", Type::Time),
            ("message", Type::Text),
            ("reason", Type::Text),
        ],
    );
    let conditions = Type::List(Box::new(condition));
    let metadata = record(
        "kubernetes.NamespaceMetadata",
        [
            ("name", Type::Text),
            ("generateName", Type::Text),
            ("namespace", Type::Text),
            ("labels", labels()),
            ("annotations", labels()),
            ("UID", Type::Text),
            ("creationTimestamp", Type::Time),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Time),
            ("generation", Type::Int),
            ("resourceVersion", Type::Text),
            ("finalizers", texts()),
        ],
    );
    record(
        "kubernetes.Namespace",
        [
            ("metadata", metadata),
            ("spec", record("kubernetes.NamespaceSpec", [("finalizers", texts())])),
            ("status", record("kubernetes.NamespaceStatus", [("conditions", conditions), ("phase", Type::Text)])),
        ],
    )
});

#[cfg(test)]
mod tests {
    use super::*;

    fn why(expressions: &Expressions, source: &str, purpose: Purpose) -> String {
        match expressions.check(source, purpose) {
            Ok(()) => String::new(),
            Err(Refusal::Invalid(why) | Refusal::Internal(why)) => why,
        }
    }

    #[test]
    fn expressions_see_the_request_and_what_they_may_ask_for() {
        let plain = Expressions::new(false, false);
        for good in [
            "object.spec.replicas <= 5 && oldObject == null",
            "request.kind.group == 'apps' && request.userInfo.groups.exists(g, g == 'x')",
            "namespaceObject.metadata.labels['a'] == 'b' && namespaceObject.status.conditions[0].lastTransitionTime < timestamp('2020-01-01T00:00:00Z')",
            "authorizer.group('').resource('pods').namespace('x').check('get').allowed()",
            "authorizer.requestResource.check('x').allowed() || authorizer.path('/x').check('get').reason() == ''",
            "authorizer.serviceAccount('a', 'b').group('').resource('pods').fieldSelector('a=b').check('get').errored()",
            "request.namespace == 'x'",
        ] {
            assert_eq!(why(&plain, good, Purpose::Condition), "", "{good}");
        }
        assert!(why(&plain, "request.nope == 'x'", Purpose::Condition).contains("undefined field 'nope'"));
        assert!(why(&plain, "params.x == 'x'", Purpose::Condition).contains("undeclared reference to 'params'"));
        assert!(why(&plain, "variables.x == 'x'", Purpose::Condition).contains("undeclared reference to 'variables'"));
        assert_eq!(why(&plain, "object.spec.x", Purpose::Condition), "must evaluate to bool but got dyn");
        assert_eq!(why(&Expressions::new(true, false), "params.x == 'x'", Purpose::Condition), "");
        assert!(why(&plain, "authorizer.path('/').check('get').reason()", Purpose::Message).contains("undeclared"));
    }

    #[test]
    fn variables_are_known_from_where_they_stand() {
        let mut all = Expressions::new(false, true);
        assert!(all.declare("early", "variables.late == 1").is_err());
        assert_eq!(all.declare("late", "1"), Ok(()));
        assert_eq!(all.declare("labels", "{'a': 'b'}"), Ok(()));
        assert_eq!(why(&all, "variables.late == 1 && variables.labels['a'] == 'b'", Purpose::Condition), "");
        assert!(why(&all, "variables.late == 'x'", Purpose::Condition).contains("found no matching overload"));
        assert_eq!(why(&all, "variables.early == 'x' || variables.early == 1", Purpose::Condition), "");
    }

    #[test]
    fn mutations_make_objects_and_patches() {
        let all = Expressions::new(false, true);
        assert_eq!(why(&all, "Object{spec: Object.spec{replicas: 1, ?x: optional.none()}}", Purpose::Apply), "");
        assert_eq!(why(&all, "Object.spec{}", Purpose::Apply), "must evaluate to Object but got Object.spec");
        let patch = "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c'), value: 1}]";
        assert_eq!(why(&all, patch, Purpose::Patch), "");
        assert_eq!(why(&all, "[1]", Purpose::Patch), "must evaluate to list(JSONPatch) but got list(int)");
        assert!(why(&all, "[JSONPatch{op: 1}]", Purpose::Patch).contains("expected type 'string'"));
        assert!(why(&all, "Object{} == null", Purpose::Condition).contains("undeclared reference to 'Object'"));
    }
}
