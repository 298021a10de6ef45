//! Rules in CEL (`x-kubernetes-validations`): checked with the definition, compiled once, held against every write.

pub(crate) mod budget;
mod calls;
mod cost;
mod decl;
mod infer;
mod library;
pub(crate) mod names;
pub(crate) mod policy;
mod told;
mod types;
mod values;

use cel::common::types::CelOptional;
use cel::{Context, ExecutionError, Program, Value as Cel};
use serde_json::Value;

use self::types::Type;
use self::values::convert;
use crate::error::Cause;
use crate::schema::fill::join;
use crate::schema::lists;
use crate::schema::validator::{List, Validator};

/// Bytes of the longest message that an expression makes.
const LONGEST: usize = 5 * 1024;

/// One rule of a schema node.
pub(crate) struct Rule {
    program: Program,
    source: String,
    message: String,
    message_program: Option<Program>,
    reason: String,
    field: String,
    /// It looks at the object before the update.
    transition: bool,
    /// It is held against new objects too; the old one is then an optional value.
    optional: bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rule").field(&self.source).finish()
    }
}

fn text(listed: &Value, name: &str) -> String {
    listed.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

/// Compiles one rule of a schema that has been accepted; none if it does not compile.
pub(crate) fn compile(schema: &Value, listed: &Value) -> Option<Rule> {
    let program = |source: &str| library::RUN.compile(source).ok();
    let (source, expression, path) =
        (text(listed, "rule"), text(listed, "messageExpression"), text(listed, "fieldPath"));
    let compiled = program(&source)?;
    let field = crate::definitions::path::follow(&path, schema, true).map(|(found, _)| found);
    Some(Rule {
        transition: compiled.references().has_variable("oldSelf"),
        program: compiled,
        message_program: if expression.is_empty() { None } else { program(&expression) },
        message: text(listed, "message"),
        reason: text(listed, "reason"),
        field: field.unwrap_or_default(),
        optional: listed.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or(false),
        source,
    })
}

/// What there is to say of a rule before it is accepted.
#[derive(Debug, Default)]
pub(crate) struct Studied {
    /// Why it does not compile.
    pub(crate) error: Option<String>,
    /// Why the expression of its message does not.
    pub(crate) message_error: Option<String>,
    pub(crate) uses_old: bool,
    /// The most it can cost, for one value.
    pub(crate) cost: u64,
    /// The most its message can cost.
    pub(crate) message_cost: Option<u64>,
    /// So many values of its kind fit into a request.
    pub(crate) values: u64,
}

/// Studies all rules of a schema's node; `object`: its values have kind, version and metadata.
pub(crate) fn study(schema: &Value, object: bool) -> Result<Vec<Studied>, String> {
    let own = decl::of(schema, object).ok_or("unable to convert structural schema to CEL declarations")?;
    let rules = schema.get("x-kubernetes-validations").and_then(Value::as_array);
    Ok(rules.into_iter().flatten().map(|listed| study_one(&own, listed)).collect())
}

fn study_one(own: &decl::Decl, listed: &Value) -> Studied {
    let optional = listed.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or(false);
    let mut studied = Studied { values: own.times(), ..Studied::default() };
    let examine = |source: &str| -> Result<(Type<'_>, bool, u64), String> {
        let program = library::CHECKED.compile(source).map_err(|error| error.to_string())?;
        let (inferred, result) = infer::infer(program.expression(), infer::of_rule(own, optional), false)?;
        Ok((result, inferred.uses_old, cost::most(program.expression(), own, &inferred)))
    };
    match examine(&text(listed, "rule")) {
        Err(why) => studied.error = Some(format!("compilation failed: {why}")),
        Ok((Type::Bool, uses_old, cost)) => (studied.uses_old, studied.cost) = (uses_old, cost),
        Ok(_) => studied.error = Some("cel expression must evaluate to a bool".into()),
    }
    let expression = text(listed, "messageExpression");
    if studied.error.is_none() && !expression.is_empty() {
        match examine(&expression) {
            Err(why) => studied.message_error = Some(format!("messageExpression compilation failed: {why}")),
            Ok((Type::Text, _, cost)) => studied.message_cost = Some(cost),
            Ok(_) => studied.message_error = Some("messageExpression must evaluate to a string".into()),
        }
    }
    studied
}

/// A rule as errors repeat it: a struct of Go as JSON.
pub(crate) fn go_struct(listed: &Value) -> String {
    let json = |name: &str, absent: &str| match listed.get(name) {
        None | Some(Value::Null) => absent.to_owned(),
        Some(value) => value.to_string().replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e"),
    };
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        json("rule", "\"\""),
        json("message", "\"\""),
        json("messageExpression", "\"\""),
        json("reason", "null"),
        json("fieldPath", "\"\""),
        json("optionalOldSelf", "null")
    )
}

/// True if any rule is somewhere in the schema.
pub(crate) fn any(node: &Validator) -> bool {
    !node.rules.is_empty()
        || node.fields.values().any(any)
        || [&node.rest, &node.item].into_iter().flatten().any(|child| any(child))
}

/// What does not hold, and what would not but has not changed.
#[derive(Debug, Default)]
pub(crate) struct Broken {
    pub(crate) causes: Vec<Cause>,
    pub(crate) tolerated: Vec<Cause>,
}

/// Every rule that does not hold; with `tolerant`, what has not changed is tolerated.
pub(crate) fn check(node: &Validator, value: &Value, old: Option<&Value>, tolerant: bool) -> Broken {
    let mut broken = Broken::default();
    at(node, value, old, (tolerant, false), "", &mut broken);
    broken
}

fn at(
    node: &Validator,
    value: &Value,
    old: Option<&Value>,
    (tolerant, unchanged): (bool, bool),
    path: &str,
    out: &mut Broken,
) {
    let unchanged = tolerant && old.map_or(unchanged, |old| old == value);
    if value.is_null() {
        return;
    }
    for rule in &node.rules {
        match rule.hold(node, value, old, path) {
            Ok(()) => {}
            Err(Failure::False(cause)) if unchanged && !rule.transition => out.tolerated.push(cause),
            Err(Failure::False(cause) | Failure::Error(cause)) => out.causes.push(cause),
        }
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let before = old.filter(|_| !node.atomic).and_then(|old| old.get(key));
                match (node.fields.get(key.as_str()), &node.rest) {
                    (Some(field), _) => at(field, child, before, (tolerant, unchanged), &join(path, key), out),
                    (None, Some(rest)) => {
                        at(rest, child, before, (tolerant, unchanged), &format!("{path}[{key}]"), out)
                    }
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) => {
            let Some(item) = &node.item else { return };
            for (i, child) in items.iter().enumerate() {
                let before = match &node.list {
                    List::Map(keys) => old.and_then(Value::as_array).and_then(|old| lists::twin(old, keys, child)),
                    _ => None,
                };
                at(item, child, before, (tolerant, unchanged), &format!("{path}[{i}]"), out);
            }
        }
        _ => {}
    }
}

/// How a rule does not hold.
enum Failure {
    False(Cause),
    /// It could not be evaluated.
    Error(Cause),
}

impl Rule {
    /// What is wrong, if something is.
    fn hold(&self, node: &Validator, value: &Value, old: Option<&Value>, path: &str) -> Result<(), Failure> {
        if self.transition && old.is_none() && !self.optional {
            return Ok(());
        }
        let mut context = Context::with_env(library::RUN.clone());
        context.add_variable_as_val("self", convert(Some(node), value));
        let before = old.map(|old| convert(Some(node), old));
        if self.optional {
            context.add_variable_as_val("oldSelf", Box::new(CelOptional::from(before)));
        } else if let Some(before) = before {
            context.add_variable_as_val("oldSelf", before);
        }
        // The object itself has no path.
        let at = if path.is_empty() { "<nil>" } else { path };
        // What is large is not repeated.
        let of = if value.is_object() || value.is_array() { None } else { Some(value) };
        match self.program.execute(&context) {
            Ok(Cel::Bool(true)) => Ok(()),
            Ok(_) => Err(Failure::False(self.broken(&context, path, of))),
            Err(error) => {
                let rule = if self.message.is_empty() { &self.source } else { &self.message };
                let kind = Value::from(if node.types.len() == 1 { &*node.types[0] } else { "" });
                let why = match said(&error) {
                    None => format!(
                        "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {rule}"
                    ),
                    Some(said) => format!("{said} evaluating rule: {rule}"),
                };
                Err(Failure::Error(Cause::invalid(at, &kind, &why)))
            }
        }
    }

    fn broken(&self, context: &Context<'_, '_>, path: &str, of: Option<&Value>) -> Cause {
        let said = self.message_program.as_ref().and_then(|program| match program.execute(context) {
            Ok(Cel::String(text)) => Some(text.trim().to_owned()),
            _ => None,
        });
        let said = said.filter(|said| !said.is_empty() && !said.contains('\n') && said.len() <= LONGEST);
        let own = || match self.message.as_str() {
            "" => format!("failed rule: {}", self.source),
            message => message.to_owned(),
        };
        let why = said.unwrap_or_else(own);
        let at = match (self.field.as_str(), path) {
            ("", "") => "<nil>".to_owned(),
            ("", path) => path.to_owned(),
            (field, path) => join(path, field),
        };
        match self.reason.as_str() {
            "FieldValueRequired" => Cause::required(&at, &why),
            "FieldValueForbidden" => Cause::forbidden(&at, &why),
            "FieldValueDuplicate" => {
                let message = of.map_or_else(|| "Duplicate value".to_owned(), |of| format!("Duplicate value: {of}"));
                Cause { reason: "FieldValueDuplicate", message, field: at }
            }
            _ => invalid(&at, of, &why),
        }
    }
}

/// What went wrong, in the words of kube-apiserver; none where types do not fit.
fn said(error: &ExecutionError) -> Option<String> {
    Some(match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::DivisionByZero(_) => "division by zero".into(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".into(),
        ExecutionError::Overflow(..) => "integer overflow".into(),
        ExecutionError::IndexOutOfBounds(Cel::Int(at)) => format!("index out of bounds: {at}"),
        ExecutionError::FunctionError { message, .. } => message.clone(),
        ExecutionError::NoSuchOverload(_)
        | ExecutionError::UnsupportedBinaryOperator(..)
        | ExecutionError::ValuesNotComparable(..)
        | ExecutionError::UnexpectedType { .. } => return None,
        other => other.to_string(),
    })
}

fn invalid(field: &str, value: Option<&Value>, why: &str) -> Cause {
    match value {
        Some(value) => Cause::invalid(field, value, why),
        None => Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {why}"), field: field.into() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::validator;

    fn found(rule: Value, value: Value, old: Option<Value>) -> Vec<String> {
        let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "x-kubernetes-validations": [rule],
            "properties": { "a": { "type": "integer" }, "b": { "type": "integer" }, "a-b": { "type": "string" }, "l": { "type": "array", "items": { "type": "string" } } } } } });
        let node = validator::compile(&schema);
        let wrap = |value: Value| json!({ "spec": value });
        check(&node, &wrap(value), old.map(wrap).as_ref(), true)
            .causes
            .into_iter()
            .map(|c| format!("{}: {}", c.field, c.message))
            .collect()
    }

    #[test]
    fn rules_hold_or_say_why_not() {
        let rule = json!({ "rule": "self.a <= self.b", "message": "a above b" });
        assert!(found(rule.clone(), json!({ "a": 1, "b": 2 }), None).is_empty());
        assert_eq!(found(rule, json!({ "a": 3, "b": 2 }), None), ["spec: Invalid value: a above b"]);
        let said = json!({ "rule": "self.a == 1", "messageExpression": "'a is ' + string(self.a)", "fieldPath": ".a" });
        assert_eq!(found(said, json!({ "a": 3 }), None), ["spec.a: Invalid value: a is 3"]);
        let list = json!({ "rule": "!has(self.l) || self.l.all(x, x.startsWith('x') && x.matches('^[a-z]+$') && x.size() < 4)" });
        assert!(found(list.clone(), json!({ "l": ["xa"] }), None).is_empty());
        assert_eq!(found(list, json!({ "l": ["ya"] }), None).len(), 1);
        assert!(found(json!({ "rule": "self.a__dash__b == 'x'" }), json!({ "a-b": "x" }), None).is_empty());
    }

    #[test]
    fn transitions_need_an_old_object_unless_it_is_optional() {
        let rule = json!({ "rule": "self.a == oldSelf.a" });
        assert!(found(rule.clone(), json!({ "a": 1 }), None).is_empty());
        assert_eq!(found(rule, json!({ "a": 1 }), Some(json!({ "a": 2 }))).len(), 1);
        let optional = json!({ "rule": "oldSelf.hasValue() || self.a == 1", "optionalOldSelf": true });
        assert_eq!(found(optional.clone(), json!({ "a": 2 }), None).len(), 1);
        assert!(found(optional, json!({ "a": 2 }), Some(json!({ "a": 3 }))).is_empty());
    }

    fn studied(rule: &str) -> Studied {
        let schema = json!({ "type": "object", "x-kubernetes-validations": [{ "rule": rule }], "properties": {
            "a": { "type": "string" }, "n": { "type": "integer" }, "l": { "type": "array", "items": { "type": "string" } },
            "b": { "type": "array", "maxItems": 3, "items": { "type": "string", "maxLength": 5 } }, "d": { "type": "string", "format": "duration" } } });
        study(&schema, false).unwrap().remove(0)
    }

    #[test]
    fn rules_are_typed_before_they_are_accepted() {
        let error = |rule: &str| studied(rule).error.unwrap_or_default();
        for good in [
            "self.a == 'x'",
            "quantity(self.a).isInteger()",
            "self.b.all(i, x, x != '' && i < 3)",
            "self.d < duration('1h')",
            "has(self.a)",
        ] {
            assert_eq!(error(good), "", "{good}");
        }
        assert!(error("self.nope == 'x'").contains("undefined field 'nope'"));
        assert!(error("other == 'x'").contains("undeclared reference to 'other'"));
        assert!(error("self.a == 1").contains("found no matching overload for '_==_' applied to '(string, int)'"));
        assert!(error("self.a").contains("must evaluate to a bool"));
        assert!(error("[1, 'a'].size() == 2").contains("expected type 'int' but found 'string'"));
        assert!(error("self.a ==").starts_with("compilation failed"));
        assert!(error("math.greatest(1, 2) == 2").contains("undeclared reference"));
    }

    #[test]
    fn what_has_not_changed_is_tolerated_unless_it_fails() {
        let schema = json!({ "type": "object", "properties": { "n": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self > 5" }, { "rule": "10 / (self - 1) > 1" }] } } });
        let node = validator::compile(&schema);
        let broken = check(&node, &json!({ "n": 1, "m": 2 }), Some(&json!({ "n": 1 })), true);
        assert_eq!((broken.causes.len(), broken.tolerated.len()), (1, 1), "{broken:?}");
        assert_eq!(
            broken.causes[0].message,
            "Invalid value: \"integer\": division by zero evaluating rule: 10 / (self - 1) > 1"
        );
    }

    #[test]
    fn costs_follow_the_bounds_of_the_schema() {
        assert_eq!(studied("self.n > 1").cost, 3);
        assert!(studied("self.l.all(x, self.l.all(y, x != y))").cost > 10_000_000);
        assert!(studied("self.b.all(x, self.b.all(y, x != y))").cost < 1_000);
    }
}
