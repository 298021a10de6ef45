//! Rules in CEL.

use anyhow::Result;
use motet_conformance::{Talk, cases, define::DEFINITIONS, talk::patch};
use serde_json::{Value, json};

use super::tools::tried;

cases! {
    "definitions":
    rules_compare_fields,
    rules_look_into_lists_and_maps,
    rules_on_texts_and_numbers,
    rules_on_single_fields_name_them,
    a_rule_says_its_message_reason_and_field,
    transitions_are_held_against_the_object_before,
    an_optional_old_object_can_be_missing,
    rules_are_not_tried_on_objects_that_are_invalid,
    a_rule_about_a_missing_field_is_an_error,
    rules_that_do_not_compile_refuse_the_definition,
}

async fn with(talk: &Talk, rules: Value, properties: Value) -> Result<String> {
    let spec = json!({ "type": "object", "properties": properties, "x-kubernetes-validations": rules });
    talk.define(&talk.widget(&json!({ "type": "object", "properties": { "spec": spec } }))).await
}

async fn changed(talk: &Talk, path: &str, values: &[Value]) -> Result<()> {
    for value in values {
        talk.patch(path, patch::MERGE, &json!({ "spec": value })).await?;
    }
    Ok(())
}

async fn rules_compare_fields(talk: &Talk) -> Result<()> {
    let path = with(talk, json!([{ "rule": "self.min <= self.max" }, { "rule": "!has(self.kind) || self.kind in ['a', 'b']", "message": "kind is a or b" }]),
        json!({ "min": { "type": "integer" }, "max": { "type": "integer" }, "kind": { "type": "string", "maxLength": 9 } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "min": 1, "max": 2 }),
            json!({ "min": 2, "max": 1 }),
            json!({ "min": 1, "max": 1, "kind": "c" }),
            json!({ "min": 3, "max": 1, "kind": "c" }),
            json!({ "min": 0, "max": 0, "kind": "b" }),
        ],
    )
    .await
}

async fn rules_look_into_lists_and_maps(talk: &Talk) -> Result<()> {
    let path = with(talk, json!([
            { "rule": "!has(self.l) || self.l.all(x, x.startsWith('a'))", "message": "all begin with a" },
            { "rule": "!has(self.l) || self.l.exists(x, x.endsWith('z')) || size(self.l) < 2", "message": "one ends with z" },
            { "rule": "!has(self.o) || self.o.exists_one(x, x.n == 1)", "message": "just one is 1" },
            { "rule": "!has(self.o) || self.o.filter(x, x.n > 1).size() <= 1", "message": "few are large" },
            { "rule": "!has(self.o) || self.o.map(x, x.n) != [7]", "message": "not seven" },
            { "rule": "!has(self.m) || self.m.all(k, k != self.m[k])", "message": "keys are not values" },
            { "rule": "!has(self.m) || !('bad' in self.m)", "message": "nothing bad" }]),
        json!({ "l": { "type": "array", "maxItems": 5, "items": { "type": "string", "maxLength": 9 } }, "o": { "type": "array", "maxItems": 5, "items": { "type": "object",
            "properties": { "n": { "type": "integer" } }, "required": ["n"] } }, "m": { "type": "object", "maxProperties": 5, "additionalProperties": { "type": "string", "maxLength": 9 } } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "l": ["a", "az"], "o": [{ "n": 1 }, { "n": 2 }], "m": { "k": "v" } }),
            json!({ "l": ["b"] }),
            json!({ "l": ["a", "ab"] }),
            json!({ "o": [] }),
            json!({ "o": [{ "n": 1 }, { "n": 1 }] }),
            json!({ "o": [{ "n": 1 }, { "n": 2 }, { "n": 3 }] }),
            json!({ "o": [{ "n": 7 }] }),
            json!({ "m": { "k": "k" } }),
            json!({ "m": { "bad": "v" } }),
            json!({ "l": [], "m": {} }),
        ],
    )
    .await
}

async fn rules_on_texts_and_numbers(talk: &Talk) -> Result<()> {
    let path = with(talk, json!([
            { "rule": "!has(self.s) || self.s.matches('^[a-z]+[0-9]$')", "message": "letters and a digit" },
            { "rule": "!has(self.s) || self.s.size() < 5", "message": "short" },
            { "rule": "!has(self.s) || !self.s.contains('x')", "message": "no x" },
            { "rule": "!has(self.i) || (self.i % 2 == 0 && self.i * 2 + 1 > 4)", "message": "even and large" },
            { "rule": "!has(self.n) || self.n / 2.0 < 1.5", "message": "small" },
            { "rule": "!has(self.i) || !has(self.s) || string(self.i) != self.s", "message": "not the same" },
            { "rule": "!has(self.b) || (self.b ? has(self.s) : true)", "message": "b needs s" }]),
        json!({ "s": { "type": "string", "maxLength": 20 }, "i": { "type": "integer" }, "n": { "type": "number" }, "b": { "type": "boolean" } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "s": "ab1", "i": 4, "n": 2.5, "b": true }),
            json!({ "s": "1" }),
            json!({ "s": "abcde1" }),
            json!({ "s": "ax1" }),
            json!({ "i": 3 }),
            json!({ "i": 0 }),
            json!({ "n": 3 }),
            json!({ "n": 3.5 }),
            json!({ "b": true }),
            json!({ "b": false }),
        ],
    )
    .await
}

async fn rules_on_single_fields_name_them(talk: &Talk) -> Result<()> {
    let rule = |rule: &str| json!([{ "rule": rule }]);
    let path = with(talk, json!([]), json!({ "s": { "type": "string", "x-kubernetes-validations": rule("self != 'no'") }, "i": { "type": "integer", "x-kubernetes-validations": rule("self > 2") },
        "l": { "type": "array", "x-kubernetes-validations": rule("size(self) > 1"), "items": { "type": "object", "properties": { "k": { "type": "string", "x-kubernetes-validations": rule("self != 'x'") } } } },
        "m": { "type": "object", "additionalProperties": { "type": "integer", "x-kubernetes-validations": rule("self < 5") } } })).await?;
    tried(
        talk,
        &path,
        &[
            json!({ "s": "no" }),
            json!({ "i": 1 }),
            json!({ "l": [{}] }),
            json!({ "l": [{ "k": "a" }, { "k": "x" }] }),
            json!({ "m": { "key": 9 } }),
            json!({ "s": "", "i": 3 }),
        ],
    )
    .await
}

async fn a_rule_says_its_message_reason_and_field(talk: &Talk) -> Result<()> {
    let rule = |n: i64, more: Value| {
        let mut rule = json!({ "rule": format!("self.n != {n}") });
        rule.as_object_mut().into_iter().for_each(|r| r.extend(more.as_object().cloned().unwrap_or_default()));
        rule
    };
    let path = with(
        talk,
        json!([
            rule(1, json!({ "message": "said" })),
            rule(2, json!({ "messageExpression": "'it is ' + 'two'" })),
            rule(3, json!({ "message": "plain", "messageExpression": "''" })),
            rule(4, json!({ "reason": "FieldValueForbidden", "message": "no" })),
            rule(5, json!({ "reason": "FieldValueRequired", "message": "need", "fieldPath": ".o.x" })),
            rule(6, json!({ "reason": "FieldValueDuplicate", "message": "twice" })),
            rule(7, json!({ "fieldPath": ".n" })),
            rule(8, json!({ "reason": "FieldValueInvalid" }))
        ]),
        json!({ "n": { "type": "integer" }, "o": { "type": "object", "properties": { "x": { "type": "string" } } } }),
    )
    .await?;
    let values: Vec<Value> = (1..=9).map(|n| json!({ "n": n })).collect();
    tried(talk, &path, &values).await
}

async fn transitions_are_held_against_the_object_before(talk: &Talk) -> Result<()> {
    let path = with(talk, json!([{ "rule": "self.fixed == oldSelf.fixed", "message": "fixed" }, { "rule": "!has(oldSelf.once) || has(self.once)", "message": "once" }]),
        json!({ "fixed": { "type": "string" }, "once": { "type": "string" }, "up": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self >= oldSelf" }] },
            "m": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": { "type": "object", "required": ["k"], "properties": { "k": { "type": "string" },
                "v": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self == oldSelf" }] } } } } })).await?;
    tried(talk, &path, &[json!({ "fixed": "a", "up": 1, "m": [{ "k": "a", "v": 1 }] })]).await?;
    changed(
        talk,
        &format!("{path}/w0"),
        &[
            json!({ "fixed": "b" }),
            json!({ "up": 2 }),
            json!({ "up": 1 }),
            json!({ "once": "x" }),
            json!({ "once": null }),
            json!({ "m": [{ "k": "b", "v": 5 }, { "k": "a", "v": 1 }] }),
            json!({ "m": [{ "k": "b", "v": 6 }, { "k": "a", "v": 1 }] }),
            json!({ "up": null }),
            json!({ "up": 0 }),
        ],
    )
    .await
}

async fn an_optional_old_object_can_be_missing(talk: &Talk) -> Result<()> {
    let path = with(talk, json!([]), json!({ "s": { "type": "string", "x-kubernetes-validations": [{ "rule": "oldSelf.hasValue() || self == 'first'", "optionalOldSelf": true, "message": "begin with first" }] } })).await?;
    tried(talk, &path, &[json!({ "s": "other" }), json!({ "s": "first" })]).await?;
    changed(talk, &format!("{path}/w1"), &[json!({ "s": "second" }), json!({ "s": null }), json!({ "s": "third" })])
        .await
}

async fn rules_are_not_tried_on_objects_that_are_invalid(talk: &Talk) -> Result<()> {
    let path = with(
        talk,
        json!([{ "rule": "self.n > 1" }]),
        json!({ "n": { "type": "integer", "maximum": 5 }, "s": { "type": "string", "maxLength": 2 } }),
    )
    .await?;
    tried(talk, &path, &[json!({ "n": "x" }), json!({ "n": 1, "s": "long" }), json!({ "n": 9 }), json!({ "n": 0 })])
        .await
}

async fn a_rule_about_a_missing_field_is_an_error(talk: &Talk) -> Result<()> {
    let path = with(talk, json!([{ "rule": "self.n > 1" }, { "rule": "self.o.x == 'a'", "message": "x is a" }]), json!({ "n": { "type": "integer" }, "o": { "type": "object", "default": {}, "properties": { "x": { "type": "string" } } } })).await?;
    tried(talk, &path, &[json!({ "o": { "x": "a" } }), json!({ "n": 2 })]).await
}

async fn rules_that_do_not_compile_refuse_the_definition(talk: &Talk) -> Result<()> {
    talk.aside("/message", "the compiler's words are its own");
    talk.aside("/details/causes/*/message", "the compiler's words are its own");
    for rule in [
        "self.s ==",
        "self.nope == 'x'",
        "other == 'x'",
        "nonesuch(self.s)",
        "self.s.nonesuch()",
        "self.l.all(x, x.nope)",
        "has(self.nope)",
    ] {
        let spec = json!({ "type": "object", "x-kubernetes-validations": [{ "rule": rule }], "properties": { "s": { "type": "string", "maxLength": 5 },
            "l": { "type": "array", "maxItems": 5, "items": { "type": "object", "properties": { "a": { "type": "string" } } } } } });
        talk.post(DEFINITIONS, &talk.widget(&json!({ "type": "object", "properties": { "spec": spec } }))).await?;
    }
    Ok(())
}
