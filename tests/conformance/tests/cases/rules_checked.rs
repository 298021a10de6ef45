//! Rules in CEL that refuse a definition: what is said beside them, what does not compile, what costs too much.

use anyhow::Result;
use motet_conformance::{Talk, cases, define::DEFINITIONS};
use serde_json::{Value, json};

cases! {
    "definitions":
    rules_say_what_they_need_to,
    rules_are_typed,
    rules_know_the_fields_of_the_schema,
    literals_in_rules_are_checked,
    messages_are_texts,
    fields_of_rules_are_in_the_schema,
    old_values_are_only_seen_where_they_can_be_told_apart,
    rules_that_cost_too_much_are_refused,
    rules_that_cost_too_much_together_are_refused,
    bounds_make_rules_cheap_enough,
}

/// A definition whose spec has these rules.
fn ruled(talk: &Talk, rules: &Value) -> Value {
    let spec = json!({ "type": "object", "x-kubernetes-validations": rules, "properties": { "s": { "type": "string", "maxLength": 5 }, "i": { "type": "integer" }, "n": { "type": "number" }, "b": { "type": "boolean" },
        "d": { "type": "string", "format": "duration" }, "t": { "type": "string", "format": "date-time" }, "day": { "type": "string", "format": "date" }, "y": { "type": "string", "format": "byte", "maxLength": 9 },
        "l": { "type": "array", "maxItems": 5, "items": { "type": "object", "properties": { "a": { "type": "string", "maxLength": 5 } } } }, "m": { "type": "object", "maxProperties": 5, "additionalProperties": { "type": "integer" } },
        "e": { "x-kubernetes-int-or-string": true }, "any": { "x-kubernetes-preserve-unknown-fields": true }, "open": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
        "ob": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true }, "a-b": { "type": "string", "maxLength": 5 }, "namespace": { "type": "string", "maxLength": 5 } } });
    talk.widget(&json!({ "type": "object", "properties": { "spec": spec } }))
}

async fn tried(talk: &Talk, rules: &[Value]) -> Result<()> {
    for (n, rule) in rules.iter().enumerate() {
        let answer = talk
            .ask(http::Method::POST, &format!("{DEFINITIONS}?dryRun=All&n={n}"))
            .json(&ruled(talk, &json!([rule])))
            .unkept()
            .send()
            .await?;
        let causes = answer.body["details"]["causes"].as_array().cloned().unwrap_or_default();
        let told: Vec<Value> =
            causes.iter().map(|cause| json!({ "field": cause["field"], "reason": cause["reason"] })).collect();
        talk.note(&rule.to_string(), json!({ "code": answer.code, "reason": answer.body["reason"], "causes": told }));
    }
    Ok(())
}

async fn expressions(talk: &Talk, rules: &[&str]) -> Result<()> {
    tried(talk, &rules.iter().map(|rule| json!({ "rule": rule })).collect::<Vec<_>>()).await
}

async fn rules_say_what_they_need_to(talk: &Talk) -> Result<()> {
    for (n, rule) in [
        json!({ "rule": "" }),
        json!({ "rule": "  " }),
        json!({ "rule": "true", "message": " " }),
        json!({ "rule": "true", "message": "a\nb" }),
        json!({ "rule": "true &&\ntrue" }),
        json!({ "rule": "true &&\ntrue", "message": "x" }),
        json!({ "rule": "true", "messageExpression": " " }),
        json!({ "rule": "true", "reason": "FieldValueOdd" }),
        json!({ "rule": "true", "reason": "FieldValueForbidden" }),
        json!({ "rule": "true", "fieldPath": " " }),
        json!({ "rule": "true", "fieldPath": ".s\n" }),
        json!({ "rule": "true", "fieldPath": ".nope" }),
        json!({ "rule": "true", "optionalOldSelf": true }),
        json!({ "rule": "true", "optionalOldSelf": false }),
        json!({ "rule": "oldSelf.hasValue()", "optionalOldSelf": true }),
    ]
    .into_iter()
    .enumerate()
    {
        talk.post(&format!("{DEFINITIONS}?dryRun=All&n={n}"), &ruled(talk, &json!([rule]))).await?;
    }
    Ok(())
}

async fn rules_are_typed(talk: &Talk) -> Result<()> {
    expressions(
        talk,
        &[
            "self.s",
            "self.i",
            "self.s == 1",
            "self.i == 1.0",
            "self.i < 1.5",
            "self.i + 1.0 > 2.0",
            "self.n == 1",
            "self.s + 1 == 'x'",
            "self.s.size() == '1'",
            "self.b && self.s",
            "!self.s",
            "-self.s == 'x'",
            "self.l == self.m",
            "self.l[0].a == 'x'",
            "self.l['a'] == 'x'",
            "self.m['a'] == 1",
            "self.m[1] == 1",
            "'a' in self.m",
            "1 in self.m",
            "1 in self.l",
            "self.l.all(x, x.a)",
            "self.l.map(x, x.a) == ['a']",
            "self.l.map(x, x.a) == [1]",
            "self.l.filter(x, true).size() > 0",
            "self.s ? true : false",
            "self.b ? 1 : 'a'",
            "self.b ? self.i > 1 : self.s == 'x'",
            "[1, 'a'].size() > 0",
            "{'a': 1, 'b': 'c'}.size() > 0",
            "[] == self.l",
            "size(self.e) == 1",
            "self.e == 1 || self.e == 'x'",
            "self.e.startsWith('x')",
            "self.s == null",
            "self.ob == null",
            "self.d == null",
            "self.d < duration('1h')",
            "self.d == '1h'",
            "self.t > timestamp('2020-01-01T00:00:00Z')",
            "self.t - self.t < duration('1h')",
            "self.t + self.d > self.t",
            "self.t + self.t > self.t",
            "self.day.getFullYear() > 2000",
            "self.y == b'abc'",
            "self.y == 'abc'",
            "type(self.s) == string",
            "type(self.i) == int && type(self.e) == string",
            "string(self.i) == '1' && int('1') == 1 && double(self.i) == 1.0",
            "int(self.b) == 1",
            "string(self.l) == ''",
            "self.s.substring(1) == 'x' && self.s.split(',').size() == 1",
            "self.s.substring('x') == ''",
            "dyn(self.s) == 1",
            "self.l.sum() == 1",
            "[1, 2].sum() == self.i",
            "['a'].sum() == 'a'",
            "self.?s.hasValue()",
            "self.?s.orValue('x') == 'x'",
            "self.?s.orValue(1) == 1",
            "self.l[?0].?a.orValue('') == 'x'",
            "optional.of(self.s).value() == 'x'",
            "optional.none().hasValue()",
            "self.?s.optMap(x, x.size()).orValue(1) == 1",
        ],
    )
    .await
}

async fn rules_know_the_fields_of_the_schema(talk: &Talk) -> Result<()> {
    expressions(
        talk,
        &[
            "self.nope == 'x'",
            "has(self.nope)",
            "has(self.s)",
            "has(self)",
            "self.s.x == 'x'",
            "self.any == 'x'",
            "self.open.x == 'x'",
            "self.ob.kind == 'x'",
            "self.ob.metadata.name == 'x'",
            "self.ob.metadata.labels.size() == 0",
            "self.a__dash__b == 'x'",
            "self.a-b == 'x'",
            "self.__namespace__ == 'x'",
            "self.namespace == 'x'",
            "self.m.key == 1",
            "self.l.a == 'x'",
            "self.l.all(x, x.nope == 'a')",
            "self.l.all(x, y == 'a')",
            "self.m.all(k, k == 1)",
            "self.m.all(k, self.m[k] == 1)",
            "other == 'x'",
            "nonesuch(self.s)",
            "self.s.nonesuch()",
            "math.greatest(1, 2) == 2",
            "self.s.reverse() == 'x'",
            "base64.encode(self.y) == ''",
            "authorizer.path('/x').check('get').allowed()",
            "oldSelf.s == self.s",
            "self.l.all(self, true)",
            "self.l.all(x.y, true)",
            "Widget{s: 'x'} == self",
        ],
    )
    .await
}

async fn literals_in_rules_are_checked(talk: &Talk) -> Result<()> {
    expressions(
        talk,
        &[
            "duration('soon') < self.d",
            "duration('1h30m') < self.d",
            "duration('1d') < self.d",
            "timestamp('today') < self.t",
            "timestamp('2020-13-01T00:00:00Z') < self.t",
            "self.s.matches('[')",
            "self.s.matches('^a*$')",
            "self.s.matches('(?=a)')",
            "self.s.find('[') == ''",
            "self.s == 'unfinished",
            "self.s ==",
            "(self.i > 1",
            "self.i > 1)",
            "self.i = 1",
            "self.i === 1",
            "self..i",
            "true and false",
            "1 > 99999999999999999999",
            "r'\\d' == self.s && '''x''' == self.s && \"y\" != self.s",
            "0x1F == self.i && 1u == uint(self.i) && 1e3 > self.n",
        ],
    )
    .await
}

async fn messages_are_texts(talk: &Talk) -> Result<()> {
    let message = |expression: &str| json!({ "rule": "self.i > 1", "messageExpression": expression });
    tried(
        talk,
        &[
            message("'it is ' + string(self.i)"),
            message("self.i"),
            message("self.nope"),
            message("'unfinished"),
            message("oldSelf.s"),
            message("self.l.map(x, x.a).join(', ')"),
            message("'%d and %s'.format([self.i, self.s])"),
            json!({ "rule": "self.nope", "messageExpression": "self.i" }),
        ],
    )
    .await
}

async fn fields_of_rules_are_in_the_schema(talk: &Talk) -> Result<()> {
    let path = |path: &str| json!({ "rule": "self.i > 1", "fieldPath": path });
    tried(
        talk,
        &[
            path(".s"),
            path("s"),
            path(".ob"),
            path(".ob.x"),
            path(".m.key"),
            path(".m['key']"),
            path("['s']"),
            path(".['s']"),
            path(".a-b"),
            path("['a-b']"),
            path(".l"),
            path(".l[0]"),
            path(".l.a"),
            path(".s."),
            path(".s]"),
            path("['s'"),
            path("[s]"),
        ],
    )
    .await
}

async fn old_values_are_only_seen_where_they_can_be_told_apart(talk: &Talk) -> Result<()> {
    let rule = json!([{ "rule": "self == oldSelf" }]);
    let item = json!({ "type": "string", "maxLength": 5, "x-kubernetes-validations": rule });
    let keyed = json!({ "type": "object", "required": ["k"], "properties": { "k": { "type": "string", "maxLength": 5 }, "v": item } });
    for (n, field) in [
        json!({ "type": "array", "maxItems": 5, "items": item }),
        json!({ "type": "array", "maxItems": 5, "x-kubernetes-list-type": "set", "items": item }),
        json!({ "type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": keyed }),
        json!({ "type": "array", "maxItems": 5, "x-kubernetes-list-type": "atomic", "items": keyed }),
        json!({ "type": "object", "maxProperties": 5, "additionalProperties": item }),
        json!({ "type": "object", "x-kubernetes-map-type": "atomic", "properties": { "x": item } }),
        json!({ "type": "array", "maxItems": 5, "items": { "type": "object", "properties": { "m": { "type": "object", "maxProperties": 5, "additionalProperties": item } } } }),
    ]
    .into_iter()
    .enumerate()
    {
        let schema = json!({ "type": "object", "properties": { "f": field } });
        talk.post(&format!("{DEFINITIONS}?dryRun=All&n={n}"), &talk.widget(&schema)).await?;
    }
    Ok(())
}

/// Schemas with one field of each form, whose answers are compared to the letter.
async fn weighed(talk: &Talk, fields: &[Value]) -> Result<()> {
    for (n, field) in fields.iter().enumerate() {
        let schema = json!({ "type": "object", "properties": { "f": field } });
        let answer = talk
            .ask(http::Method::POST, &format!("{DEFINITIONS}?dryRun=All&n={n}"))
            .json(&talk.widget(&schema))
            .unkept()
            .send()
            .await?;
        talk.note(&field.to_string(), json!({ "code": answer.code, "causes": answer.body["details"]["causes"] }));
    }
    Ok(())
}

fn texts(rule: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "x-kubernetes-validations": [{ "rule": rule }] })
}

fn text(rule: &str) -> Value {
    json!({ "type": "string", "x-kubernetes-validations": [{ "rule": rule }] })
}

async fn rules_that_cost_too_much_are_refused(talk: &Talk) -> Result<()> {
    let each = |rule: &str| json!({ "type": "array", "items": { "type": "string", "x-kubernetes-validations": [{ "rule": rule }] } });
    let objects = |rule: &str| json!({ "type": "array", "items": { "type": "object", "properties": { "a": { "type": "string" }, "n": { "type": "integer" } }, "x-kubernetes-validations": [{ "rule": rule }] } });
    weighed(
        talk,
        &[
            texts("self.all(x, self.all(y, x == y))"),
            texts("self.all(x, x.contains('a'))"),
            texts("self.all(x, x.matches('^a*$'))"),
            texts("self.exists_one(x, x == 'a')"),
            texts("self.map(x, x + 'a').size() > 1"),
            texts("self.filter(x, x != '').all(x, x.startsWith('a'))"),
            texts("self.map(x, self.map(y, x + y)).size() > 1"),
            texts("self.all(i, x, self.all(j, y, i == j || x != y))"),
            texts("self.transformList(i, x, x + string(i)).size() > 1"),
            texts("self.join(',').size() < 9"),
            texts("self.isSorted()"),
            texts("self.sort() == self"),
            texts("'a' in self"),
            texts("self.distinct().size() == self.size()"),
            texts("sets.contains(self, ['a'])"),
            text("self.matches('^[a-z]+$')"),
            text("self.contains('abcdefghijklmnopqrstuvwxyz') && self.contains('0123456789')"),
            text("self.find('[0-9]+') == '' && self.findAll('[a-z]').size() < 3"),
            text("self.replace('a', 'bb').size() < 9"),
            text("self.split(',').all(x, x.split(';').size() < 3)"),
            text("self.split(',').all(x, self.split(';').all(y, x != y))"),
            text("self.lowerAscii() == self && self.upperAscii() != self && self.trim() == self"),
            text("quantity(self).isGreaterThan(quantity('1'))"),
            text("url(self).getHost() == 'a'"),
            text("ip(self).family() == 4 && cidr('10.0.0.0/8').containsIP(self)"),
            text("!format.dns1123Label().validate(self).hasValue()"),
            text("self.size() < 9 ? self == 'a' : self.startsWith('b')"),
            text("self < 'a' || self + self > 'b'"),
            each("self.size() < 9"),
            each("self.matches('^[a-z]+$')"),
            each("self == 'a' || self == 'b'"),
            objects("self.n > 1"),
            objects("self.a == 'x' || self.n > 1"),
            objects("!has(self.a) || self.a.contains('x')"),
            json!({ "type": "object", "additionalProperties": { "type": "string" }, "x-kubernetes-validations": [{ "rule": "self.all(k, self[k] != k)" }] }),
            json!({ "type": "object", "additionalProperties": { "type": "string" }, "x-kubernetes-validations": [{ "rule": "self.all(k, v, v != k)" }] }),
            json!({ "type": "array", "items": { "type": "array", "items": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self > 1" }] } } }),
            json!({ "type": "array", "items": { "type": "string" }, "x-kubernetes-validations": [{ "rule": "self.size() > 1", "messageExpression": "self.map(x, self.map(y, x + y).join('')).join('')" }] }),
            json!({ "x-kubernetes-int-or-string": true, "x-kubernetes-validations": [{ "rule": "type(self) == int ? self > 1 : self.matches('^[a-z]+$')" }] }),
        ],
    )
    .await
}

async fn rules_that_cost_too_much_together_are_refused(talk: &Talk) -> Result<()> {
    let rules = |count: usize, rule: &str| json!(vec![json!({ "rule": rule }); count]);
    let list = |most: u64, rules: Value| json!({ "type": "array", "maxItems": most, "items": { "type": "string", "maxLength": 50 }, "x-kubernetes-validations": rules });
    weighed(
        talk,
        &[
            list(900, rules(3, "self.all(x, self.all(y, x == y))")),
            list(300, rules(20, "self.all(x, self.all(y, x == y))")),
            list(600, rules(40, "self.all(x, self.all(y, x == y))")),
            list(30, rules(20, "self.all(x, self.all(y, x == y))")),
        ],
    )
    .await
}

async fn bounds_make_rules_cheap_enough(talk: &Talk) -> Result<()> {
    let list = |most: u64, length: u64, rule: &str| json!({ "type": "array", "maxItems": most, "items": { "type": "string", "maxLength": length }, "x-kubernetes-validations": [{ "rule": rule }] });
    weighed(
        talk,
        &[
            list(100, 100, "self.all(x, self.all(y, x == y))"),
            list(1000, 10, "self.all(x, self.all(y, x == y))"),
            list(2000, 10, "self.all(x, self.all(y, x == y))"),
            list(1500, 3, "self.all(x, self.all(y, x == y))"),
            list(10, 100000, "self.all(x, x.contains('abc'))"),
            list(1000, 100000, "self.all(x, x.matches('^[a-z]+$'))"),
            json!({ "type": "string", "enum": ["a", "bc"], "x-kubernetes-validations": [{ "rule": "self.matches('^[a-z]+$')" }] }),
            json!({ "type": "array", "maxItems": 1000, "items": { "type": "array", "maxItems": 1000, "items": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self > 1 && self < 9 && self != 5" }] } } }),
        ],
    )
    .await
}
