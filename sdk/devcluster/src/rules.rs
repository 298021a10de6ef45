//! Rules in CEL (`x-kubernetes-validations`): compiled with the definition, held against every write.

mod known;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::OptionalValue;
use cel::{Context, Env, Program, Value as Cel, extensions};
use serde_json::Value;

use crate::error::Cause;
use crate::schema::fill::join;
use crate::schema::lists;
use crate::schema::validator::{List, Validator};

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

/// The functions that rules can call, shared by all clusters.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // None of them is declared twice, which is all that could fail.
    let _ = env.add_extension(extensions::strings);
    let _ = env.add_extension(extensions::lists);
    let _ = env.add_extension(extensions::math);
    Arc::new(env)
});

/// Compiles one rule of a node, or says why it cannot be.
pub(crate) fn compile(node: &Validator, root: bool, listed: &Value) -> Result<Rule, String> {
    let text = |name: &str| listed.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let program = |source: &str| -> Result<Program, String> {
        let program = ENVIRONMENT.compile(source).map_err(|error| format!("compilation failed: {error}"))?;
        known::check(node, root, &program)?;
        Ok(program)
    };
    let source = text("rule");
    let compiled = program(&source)?;
    let message_expression = text("messageExpression");
    Ok(Rule {
        transition: compiled.references().has_variable("oldSelf"),
        program: compiled,
        message_program: if message_expression.is_empty() { None } else { Some(program(&message_expression)?) },
        message: text("message"),
        reason: text("reason"),
        field: text("fieldPath").trim_start_matches('.').to_owned(),
        optional: listed.get("optionalOldSelf").and_then(Value::as_bool).unwrap_or(false),
        source,
    })
}

/// True if any rule is somewhere in the schema.
pub(crate) fn any(node: &Validator) -> bool {
    !node.rules.is_empty()
        || node.fields.values().any(any)
        || [&node.rest, &node.item].into_iter().flatten().any(|child| any(child))
}

/// Every rule that does not hold. What has not changed is tolerated.
pub(crate) fn check(node: &Validator, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    at(node, value, old, false, "", &mut causes);
    causes
}

fn at(node: &Validator, value: &Value, old: Option<&Value>, unchanged: bool, path: &str, out: &mut Vec<Cause>) {
    let unchanged = old.map_or(unchanged, |old| old == value);
    if value.is_null() {
        return;
    }
    for rule in &node.rules {
        if let Some(cause) = rule.hold(node, value, old, path)
            && !unchanged
        {
            out.push(cause);
        }
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let before = old.filter(|_| !node.atomic).and_then(|old| old.get(key));
                match (node.fields.get(key.as_str()), &node.rest) {
                    (Some(field), _) => at(field, child, before, unchanged, &join(path, key), out),
                    (None, Some(rest)) => at(rest, child, before, unchanged, &format!("{path}[{key}]"), out),
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
                at(item, child, before, unchanged, &format!("{path}[{i}]"), out);
            }
        }
        _ => {}
    }
}

impl Rule {
    /// What is wrong, if something is.
    fn hold(&self, node: &Validator, value: &Value, old: Option<&Value>, path: &str) -> Option<Cause> {
        if self.transition && old.is_none() && !self.optional {
            return None;
        }
        let mut context = Context::with_env(ENVIRONMENT.clone());
        context.add_variable_from_value("self", convert(Some(node), value));
        let before = old.map(|old| convert(Some(node), old));
        if self.optional {
            let before = before.map_or_else(OptionalValue::none, OptionalValue::of);
            context.add_variable_from_value("oldSelf", Cel::Opaque(Arc::new(before)));
        } else if let Some(before) = before {
            context.add_variable_from_value("oldSelf", before);
        }
        // What is large is not repeated.
        let of = if value.is_object() || value.is_array() { None } else { Some(value) };
        match self.program.execute(&context) {
            Ok(Cel::Bool(true)) => None,
            Ok(_) => Some(self.broken(&context, path, of)),
            Err(error) => {
                let rule = if self.message.is_empty() { &self.source } else { &self.message };
                let error = error.to_string().replace("No such key", "no such key");
                let kind = Value::from(node.types.first().map(|t| &**t).unwrap_or_default());
                Some(Cause::invalid(path, &kind, &format!("{error} evaluating rule: {rule}")))
            }
        }
    }

    fn broken(&self, context: &Context<'_, '_>, path: &str, of: Option<&Value>) -> Cause {
        let said = self.message_program.as_ref().and_then(|program| match program.execute(context) {
            Ok(Cel::String(text)) if !text.trim().is_empty() && !text.contains('\n') => Some(text.trim().to_owned()),
            _ => None,
        });
        let own = || match self.message.as_str() {
            "" => format!("failed rule: {}", self.source),
            message => message.to_owned(),
        };
        let why = said.unwrap_or_else(own);
        let at = if self.field.is_empty() { path.to_owned() } else { join(path, &self.field) };
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

fn invalid(field: &str, value: Option<&Value>, why: &str) -> Cause {
    match value {
        Some(value) => Cause::invalid(field, value, why),
        None => Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {why}"), field: field.into() },
    }
}

/// A JSON value as rules see it: names that are none in CEL are escaped.
fn convert(node: Option<&Validator>, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => {
            let float = node.is_some_and(|node| node.types.iter().any(|t| **t == *"number"));
            match number.as_i64().filter(|_| !float) {
                Some(whole) => Cel::Int(whole),
                None => Cel::Float(number.as_f64().unwrap_or_default()),
            }
        }
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => {
            let item = node.and_then(|node| node.item.as_deref());
            Cel::List(Arc::new(items.iter().map(|child| convert(item, child)).collect()))
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(key, child)| {
                let field = node.and_then(|node| node.fields.get(key.as_str()));
                let name = if field.is_some() { known::escape(key) } else { key.clone() };
                (name, convert(field.or_else(|| node.and_then(|node| node.rest.as_deref())), child))
            });
            Cel::from(entries.collect::<HashMap<String, Cel>>())
        }
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
        check(&node, &wrap(value), old.map(wrap).as_ref())
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

    #[test]
    fn unknown_names_do_not_compile() {
        let node = validator::compile(&json!({ "type": "object", "properties": { "a": { "type": "string" } } }));
        let compile = |rule: &str| compile(&node, false, &json!({ "rule": rule })).map(drop);
        assert!(compile("self.a == 'x'").is_ok());
        assert!(compile("self.nope == 'x'").unwrap_err().contains("undefined field 'nope'"));
        assert!(compile("other == 'x'").unwrap_err().contains("undeclared reference to 'other'"));
        assert!(compile("quantity(self.a)").unwrap_err().contains("undeclared reference to 'quantity'"));
        assert!(compile("self.a ==").is_err());
    }
}
