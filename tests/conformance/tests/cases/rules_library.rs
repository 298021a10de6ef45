//! The functions that rules can call beyond CEL's own.

use anyhow::Result;
use motet_conformance::{Talk, cases};
use serde_json::{Value, json};

use super::tools::tried;

cases! {
    "definitions":
    rules_on_quantities,
    rules_on_addresses,
    rules_on_urls,
    rules_on_expressions_and_formats,
    rules_on_lists_and_sets,
    rules_on_lists_without_order,
    rules_on_the_metadata_of_objects,
    rules_on_versions,
    rules_on_two_names,
    rules_on_dates_and_durations,
    rules_on_optional_values,
    rules_on_types_and_conversions,
    rules_that_fail_say_why,
    texts_that_are_not_what_rules_take_them_for,
    unchanged_values_that_break_rules_are_warned_of,
}

/// One text, tried with several values against each rule.
async fn text(talk: &Talk, rules: &[&str], values: &[&str]) -> Result<()> {
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "rule": rule })).collect();
    let field = json!({ "type": "string", "maxLength": 60, "x-kubernetes-validations": rules });
    let values: Vec<Value> = values.iter().map(|value| json!({ "s": value })).collect();
    spec(talk, json!({ "s": field }), &values).await
}

async fn spec(talk: &Talk, properties: Value, values: &[Value]) -> Result<()> {
    let spec = json!({ "type": "object", "properties": properties });
    let path = talk.define(&talk.widget(&json!({ "type": "object", "properties": { "spec": spec } }))).await?;
    tried(talk, &path, values).await
}

/// Rules about nothing of the object, which all have to hold.
async fn held(talk: &Talk, rules: &[&str]) -> Result<()> {
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "rule": rule })).collect();
    let field = json!({ "type": "integer", "x-kubernetes-validations": rules });
    spec(talk, json!({ "n": field }), &[json!({ "n": 1 })]).await
}

async fn rules_on_quantities(talk: &Talk) -> Result<()> {
    text(
        talk,
        &[
            "isQuantity(self)",
            "!isQuantity(self) || quantity(self).isLessThan(quantity('1Gi'))",
            "!isQuantity(self) || quantity(self).isGreaterThan(quantity('1m'))",
            "!isQuantity(self) || quantity(self).compareTo(quantity('100')) != 0",
            "!isQuantity(self) || !(quantity(self) == quantity('200'))",
            "quantity(self).isInteger()",
            "quantity(self).asInteger() < 5000",
            "quantity(self).asApproximateFloat() < 4000.5",
            "sign(quantity(self)) >= 0",
            "quantity(self).add(quantity('1')).sub(2).add(1).isLessThan(quantity('1k'))",
        ],
        &["1", "2Gi", "0", "100", "0.2k", "1500m", "5k", "much", "-3", "1e3", ""],
    )
    .await
}

async fn rules_on_addresses(talk: &Talk) -> Result<()> {
    text(
        talk,
        &[
            "isIP(self) || isCIDR(self)",
            "!isIP(self) || ip(self).family() == 4",
            "!isIP(self) || !ip(self).isLoopback()",
            "!isIP(self) || !ip(self).isUnspecified()",
            "!isIP(self) || !ip(self).isLinkLocalUnicast()",
            "!isIP(self) || !ip(self).isLinkLocalMulticast()",
            "!isIP(self) || ip(self).isGlobalUnicast()",
            "!isIP(self) || ip.isCanonical(self)",
            "!isIP(self) || string(ip(self)) == self",
            "!isIP(self) || !cidr('10.0.0.0/8').containsIP(self)",
            "!isIP(self) || !cidr('192.168.0.0/16').containsIP(ip(self))",
            "!isCIDR(self) || cidr(self).prefixLength() > 8",
            "!isCIDR(self) || cidr(self) == cidr(self).masked()",
            "!isCIDR(self) || !(cidr(self).ip() == ip('1.0.0.0'))",
            "!isCIDR(self) || !cidr('10.0.0.0/8').containsCIDR(self)",
            "!isCIDR(self) || string(cidr(self)) == self",
            "!(ip(self) == ip('8.8.8.8'))",
        ],
        &[
            "1.2.3.4",
            "127.0.0.1",
            "0.0.0.0",
            "169.254.1.1",
            "224.0.0.5",
            "255.255.255.255",
            "10.1.2.3",
            "192.168.1.1",
            "8.8.8.8",
            "::1",
            "2001:DB8::1",
            "fe80::1",
            "::ffff:1.2.3.4",
            "fe80::1%eth0",
            "01.2.3.4",
            "1.2.3",
            "10.0.0.0/8",
            "10.1.0.0/16",
            "1.0.0.0/24",
            "1.0.0.5/24",
            "2001:db8::/32",
            "1.2.3.4/33",
            "1.2.3.4/",
            "text",
        ],
    )
    .await
}

async fn rules_on_urls(talk: &Talk) -> Result<()> {
    text(
        talk,
        &[
            "isURL(self)",
            "!isURL(self) || url(self).getScheme() == 'https'",
            "!isURL(self) || url(self).getHost() != 'a.org:80'",
            "!isURL(self) || url(self).getHostname() != 'b.org'",
            "!isURL(self) || url(self).getPort() != '8080'",
            "!isURL(self) || url(self).getEscapedPath() != '/x'",
            "!isURL(self) || url(self).getEscapedPath() != '/a%20b'",
            "!isURL(self) || !('q' in url(self).getQuery())",
            "!isURL(self) || url(self).getQuery().size() < 2",
            "!(url(self) == url('https://c.org'))",
        ],
        &[
            "https://a.org",
            "https://a.org:80/y",
            "http://b.org:8080/x?q=1&q=2",
            "https://[::1]:8080/x",
            "https://c.org",
            "https://d.org/a b",
            "https://d.org/a%20b?z=1#f",
            "/only/path",
            "no url",
            "",
            "mailto:x@y.org",
            "https://e.org?x",
            ":x",
        ],
    )
    .await
}

async fn rules_on_expressions_and_formats(talk: &Talk) -> Result<()> {
    text(
        talk,
        &[
            "self.find('[0-9]+') != '7'",
            "self.findAll('[0-9]').size() < 4",
            "self.findAll('[0-9]+', 1) != ['8']",
            "!format.dns1123Label().validate(self).hasValue() || self.size() > 20",
            "!format.dns1035Label().validate(self).hasValue() || self.size() > 18",
            "!format.named('labelValue').value().validate(self).hasValue()",
            "!format.named('none').hasValue()",
            "format.uuid().validate(self).hasValue()",
            "!format.date().validate(self).hasValue() || self != 'a'",
            "self.charAt(0) != 'z' && self.indexOf('q') == -1 && self.lastIndexOf('w') == -1",
            "self.lowerAscii() == self && self.upperAscii() != 'BAD'",
            "self.replace('k', 'kk').size() < 30 && self.substring(0, 1) != 'y' && self.trim() == self",
            "self.split('-').size() != 2",
            "'%s has %d'.format([self, self.size()]) != 'five has 4' && strings.quote(self) != '\"quote\"'",
        ],
        &[
            "a7b",
            "1234",
            "8",
            "-x",
            "1a",
            "a_b!",
            "123e4567-e89b-12d3-a456-426614174000",
            "a",
            "zoo",
            "aq",
            "Up",
            "bad",
            "year",
            "a-b",
            "five",
            "quote",
            " pad",
        ],
    )
    .await
}

async fn rules_on_lists_and_sets(talk: &Talk) -> Result<()> {
    let rules: Vec<Value> = [
        "self.isSorted()",
        "self.size() == 0 || self.sum() < 100",
        "self.size() == 0 || self.max() < 50 && self.min() > 0",
        "self.indexOf(13) == -1 && self.lastIndexOf(2) < 3",
        "sets.contains([1, 2, 3, 4, 60, 13, 99], self)",
        "!sets.intersects(self, [4])",
        "!sets.equivalent(self, [1, 3])",
        "self.distinct().size() == self.size()",
        "self.sort() == self && self.reverse().reverse() == self",
        "self.size() < 2 || self.slice(0, 2) != [1, 2]",
        "[self, [1]].flatten().size() < 6",
        "lists.range(3) == [0, 1, 2] && self.sortBy(x, -x).reverse() == self.sort()",
        "self.first() != optional.of(3) && self.last().orValue(0) != 99",
        "self + [1] != [60, 1] && !(7 in self)",
    ]
    .iter()
    .map(|rule| json!({ "rule": rule }))
    .collect();
    let field =
        json!({ "type": "array", "maxItems": 9, "items": { "type": "integer" }, "x-kubernetes-validations": rules });
    let values: Vec<Value> = [
        json!([]),
        json!([1, 3]),
        json!([3, 1]),
        json!([1, 1, 1, 2, 2]),
        json!([60]),
        json!([13, 99]),
        json!([4]),
        json!([1, 2]),
        json!([7]),
        json!([-1]),
    ]
    .iter()
    .map(|list| json!({ "l": list }))
    .collect();
    spec(talk, json!({ "l": field }), &values).await
}

async fn rules_on_lists_without_order(talk: &Talk) -> Result<()> {
    let rules = |rules: &[&str]| rules.iter().map(|rule| json!({ "rule": rule })).collect::<Vec<Value>>();
    let item = json!({ "type": "object", "required": ["k"], "properties": { "k": { "type": "string", "maxLength": 5 }, "v": { "type": "integer" } } });
    let fields = json!({
        "set": { "type": "array", "maxItems": 5, "x-kubernetes-list-type": "set", "items": { "type": "integer" }, "x-kubernetes-validations": rules(&["self != [1, 2]", "self + [3] == [1, 3] || self.size() != 1 || self[0] != 1", "!(4 in self)", "[5, 6] != self"]) },
        "old": { "type": "array", "maxItems": 5, "x-kubernetes-list-type": "set", "items": { "type": "integer" }, "x-kubernetes-validations": rules(&["self == oldSelf"]) },
        "map": { "type": "array", "maxItems": 5, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": item, "x-kubernetes-validations": rules(&["self == oldSelf", "(self + oldSelf).size() == self.size()"]) },
        "plain": { "type": "array", "maxItems": 5, "items": { "type": "integer" }, "x-kubernetes-validations": rules(&["self == oldSelf"]) } });
    let path =
        talk.define(&talk.widget(
            &json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": fields } } }),
        ))
        .await?;
    tried(
        talk,
        &path,
        &[
            json!({ "set": [7], "old": [1, 2, 3], "map": [{ "k": "a", "v": 1 }, { "k": "b" }], "plain": [1, 2] }),
            json!({ "set": [2, 1] }),
            json!({ "set": [1] }),
            json!({ "set": [4] }),
            json!({ "set": [6, 5] }),
            json!({ "set": [5, 6] }),
        ],
    )
    .await?;
    for change in [
        json!({ "old": [3, 2, 1] }),
        json!({ "old": [1, 2] }),
        json!({ "map": [{ "k": "b" }, { "k": "a", "v": 1 }] }),
        json!({ "map": [{ "k": "b" }, { "k": "a", "v": 2 }] }),
        json!({ "map": [{ "k": "b" }, { "k": "c" }] }),
        json!({ "plain": [2, 1] }),
    ] {
        talk.patch(&format!("{path}/w0"), motet_conformance::talk::patch::MERGE, &json!({ "spec": change })).await?;
    }
    Ok(())
}

async fn rules_on_the_metadata_of_objects(talk: &Talk) -> Result<()> {
    let rules = [
        "self.metadata.name.startsWith('w')",
        "self.kind == 'Widget' && self.apiVersion != ''",
        "!has(self.metadata.generateName)",
        "self.spec.n < 5 || self.metadata.name == 'w1'",
    ];
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "rule": rule })).collect();
    let inner = json!({ "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "spec": { "type": "object", "properties": { "x": { "type": "integer" } } } }, "x-kubernetes-validations": [{ "rule": "self.kind == 'Inner' && self.metadata.name != 'bad'" }] });
    let schema = json!({ "type": "object", "required": ["spec"], "x-kubernetes-validations": rules, "properties": { "spec": { "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" }, "o": inner } } } });
    let path = talk.define(&talk.widget(&schema)).await?;
    let object = |name: &str| json!({ "apiVersion": "v1", "kind": name, "metadata": { "name": if name == "Bad" { "bad" } else { "x" } } });
    tried(
        talk,
        &path,
        &[
            json!({ "n": 1 }),
            json!({ "n": 9 }),
            json!({ "n": 9 }),
            json!({ "n": 1, "o": object("Inner") }),
            json!({ "n": 1, "o": object("Bad") }),
        ],
    )
    .await?;
    talk.post(&path, &json!({ "apiVersion": format!("{}/v1", talk.group()), "kind": "Widget", "metadata": { "name": "other" }, "spec": { "n": 1 } })).await?;
    Ok(())
}

async fn rules_on_versions(talk: &Talk) -> Result<()> {
    text(
        talk,
        &[
            "isSemver(self)",
            "isSemver(self, true)",
            "!isSemver(self) || semver(self).major() < 2",
            "!isSemver(self) || semver(self).minor() < 5 && semver(self).patch() < 9",
            "!isSemver(self) || semver(self).isGreaterThan(semver('0.1.0-rc.1'))",
            "!isSemver(self) || semver(self).isLessThan(semver('v1.5', true))",
            "!isSemver(self) || semver(self).compareTo(semver('1.0.0')) != 0",
            "!(semver(self) == semver('1.2.3'))",
        ],
        &[
            "0.1.0",
            "1.0.0",
            "1.0.0+build",
            "1.2.3",
            "2.0.0",
            "1.5.9",
            "0.1.0-rc.1",
            "0.1.0-rc.2",
            "v1.2",
            "1.2",
            "01.2.3",
            "",
            "one",
        ],
    )
    .await
}

async fn rules_on_two_names(talk: &Talk) -> Result<()> {
    let list: Vec<Value> = [
        "self.all(i, x, i != 1 || x == 'b')",
        "self.exists(i, x, i == 0 && x == 'a')",
        "self.existsOne(i, x, x == 'a')",
        "self.transformList(i, x, i + 1) != [1, 2, 3]",
        "self.transformList(i, x, i > 0, x) != ['c']",
        "self.transformMap(i, x, x).size() == self.size()",
        "self.transformMap(i, x, i > 0, x) != {1: 'd'}",
        "self.transformMapEntry(i, x, {x: i}).size() > 0",
    ]
    .iter()
    .map(|rule| json!({ "rule": rule }))
    .collect();
    let map: Vec<Value> = [
        "self.all(k, v, k != v)",
        "self.transformMap(k, v, v + v) != {'a': 'xx'}",
        "!self.exists(k, v, v == 'bad')",
        "self.transformList(k, v, k + v) != ['qr']",
    ]
    .iter()
    .map(|rule| json!({ "rule": rule }))
    .collect();
    let fields = json!({ "l": { "type": "array", "maxItems": 5, "items": { "type": "string", "maxLength": 5 }, "x-kubernetes-validations": list },
        "m": { "type": "object", "maxProperties": 5, "additionalProperties": { "type": "string", "maxLength": 5 }, "x-kubernetes-validations": map } });
    spec(
        talk,
        fields,
        &[
            json!({ "l": ["a", "b"] }),
            json!({ "l": ["a"] }),
            json!({ "l": ["a", "c"] }),
            json!({ "l": ["a", "d"] }),
            json!({ "l": ["b", "b"] }),
            json!({ "l": ["a", "b", "a"] }),
            json!({ "l": [] }),
            json!({ "m": { "k": "v" } }),
            json!({ "m": { "k": "k" } }),
            json!({ "m": { "a": "x" } }),
            json!({ "m": { "k": "bad" } }),
            json!({ "m": { "q": "r" } }),
        ],
    )
    .await
}

async fn rules_on_dates_and_durations(talk: &Talk) -> Result<()> {
    let ruled = |format: &str, rules: &[&str]| {
        let rules: Vec<Value> = rules.iter().map(|rule| json!({ "rule": rule })).collect();
        json!({ "type": "string", "format": format, "x-kubernetes-validations": rules })
    };
    let fields = json!({
        "d": ruled("duration", &["self < duration('1h')", "self.getSeconds() != 61", "self + duration('1s') > duration('1s')", "string(self) != '90s'", "type(self) == google.protobuf.Duration"]),
        "t": ruled("date-time", &["self > timestamp('2020-01-01T00:00:00Z')", "self.getFullYear() < 2030", "self.getDayOfWeek() != 0", "self.getHours('+02:00') != 1", "self - timestamp('2024-01-01T00:00:00Z') < duration('8760h')", "string(self) != '2024-05-06T07:08:09Z'"]),
        "day": ruled("date", &["self < timestamp('2030-01-01T00:00:00Z')", "self.getMonth() != 11", "self.getDate() != 31 && self.getDayOfYear() != 0"]),
        "y": ruled("byte", &["size(self) < 4", "self != b'abc'"]) });
    spec(
        talk,
        fields,
        &[
            json!({ "d": "5m", "t": "2024-05-07T00:00:00Z", "day": "2024-02-03", "y": "YQ==" }),
            json!({ "d": "2h" }),
            json!({ "d": "1m1s" }),
            json!({ "d": "-1m" }),
            json!({ "d": "1m30s" }),
            json!({ "d": "0" }),
            json!({ "t": "2019-05-07T00:00:00Z" }),
            json!({ "t": "2031-05-07T00:00:00Z" }),
            json!({ "t": "2024-05-05T10:00:00Z" }),
            json!({ "t": "2024-05-06T23:00:00Z" }),
            json!({ "t": "2024-05-06T07:08:09Z" }),
            json!({ "t": "2024-05-06T09:08:09.5+02:00" }),
            json!({ "day": "2031-02-03" }),
            json!({ "day": "2024-12-05" }),
            json!({ "day": "2024-01-31" }),
            json!({ "y": "YWJj" }),
            json!({ "y": "YWJjZGVm" }),
        ],
    )
    .await
}

async fn rules_on_optional_values(talk: &Talk) -> Result<()> {
    let rules: Vec<Value> = [
        "self.?a.orValue('x') != 'bad'",
        "self.?o.?x.orValue(1) < 5",
        "self.?m['k'].orValue('v') != 'bad'",
        "self.?l[0].orValue('v') != 'bad'",
        "!self.?a.hasValue() || self.?a.value() != 'worse'",
        "self.?a.optMap(v, v.size()).orValue(0) != 2",
        "self.?a.optFlatMap(v, self.?o).hasValue() || !has(self.o) || !has(self.a)",
        "self.?a.or(self.?b).orValue('none') != 'second'",
        "[?self.?a, ?self.?b].size() < 3 && {?'a': self.?a}.size() < 2",
        "optional.ofNonZeroValue(self.?a.orValue('')).hasValue() == (self.?a.orValue('') != '')",
    ]
    .iter()
    .map(|rule| json!({ "rule": rule }))
    .collect();
    let text = json!({ "type": "string", "maxLength": 9 });
    let schema = json!({ "type": "object", "x-kubernetes-validations": rules, "properties": { "a": text, "b": text, "o": { "type": "object", "properties": { "x": { "type": "integer" } } },
        "m": { "type": "object", "maxProperties": 3, "additionalProperties": text }, "l": { "type": "array", "maxItems": 3, "items": text } } });
    spec(
        talk,
        json!({ "f": schema }),
        &[
            json!({ "f": {} }),
            json!({ "f": { "a": "bad" } }),
            json!({ "f": { "o": { "x": 9 } } }),
            json!({ "f": { "o": {} } }),
            json!({ "f": { "m": { "k": "bad" } } }),
            json!({ "f": { "l": ["bad"] } }),
            json!({ "f": { "l": [] } }),
            json!({ "f": { "a": "worse" } }),
            json!({ "f": { "a": "oh" } }),
            json!({ "f": { "b": "second" } }),
            json!({ "f": { "a": "", "b": "x" } }),
        ],
    )
    .await
}

async fn rules_on_types_and_conversions(talk: &Talk) -> Result<()> {
    held(
        talk,
        &[
            "type(self) == int && type(1.0) == double && type('') == string && type([]) == list && type({}) == map && type(null) == null_type",
            "string(1) == '1' && string(true) == 'true' && string(1.5) == '1.5' && string(b'a') == 'a'",
            "int('5') == 5 && int(5.9) == 5 && int(timestamp('1970-01-01T00:00:05Z')) == 5 && uint(5) == 5u",
            "double('1.5') == 1.5 && double(1) == 1.0 && bytes('a') == b'a' && bool('true')",
            "string(duration('1m')) == '60s' && duration('60s') == duration('1m') && string(timestamp('2020-01-01T00:00:00Z')) == '2020-01-01T00:00:00Z'",
            "7 / 2 == 3 && -7 / 2 == -3 && 7 % 3 == 1 && -7 % 3 == -1 && 1.0 / 2.0 == 0.5",
            "1 < 2u && 2u > 1 && 1 < 1.5 && 1.5 > 1u && 1 <= 1.0",
            "'abc' < 'abd' && 'a' + 'b' == 'ab' && [1] + [2] == [1, 2] && size('äö') == 2",
            "{'a': 1}['a'] == 1 && {'a': 1}.a == 1 && 'a' in {'a': 1} && has({'a': 1}.a) && !has({'a': 1}.b)",
            "[1, 2, 3].exists(x, x == 2) && [1, 2].all(x, x > 0) && ![1, 1].exists_one(x, x == 1) && [1, 2].map(x, x > 1, x * 2) == [4]",
            "false || true && !(false) ? true : false",
            "true || 1 / 0 == 1",
            "dyn(1) == 1 && dyn('a') != 1 && dyn([1]) == [1]",
            "'\\u00e9' == 'é' && r'\\n' == '\\\\n' && 'a\\tb'.size() == 3",
            "'abc'.matches('b') && matches('abc', '^a') && 'abc'.startsWith('a') && 'abc'.endsWith('c') && 'abc'.contains('b')",
            "timestamp('2024-02-29T12:30:45.123Z').getMilliseconds() == 123 && timestamp('2024-02-29T12:30:45Z').getDayOfMonth() == 28 && timestamp('2024-02-29T23:30:00Z').getDate('Europe/Berlin') == 1",
            "duration('1h1m1s').getMinutes() == 61 && duration('90m').getHours() == 1 && duration('1500ms').getMilliseconds() == 500",
        ],
    )
    .await
}

async fn rules_that_fail_say_why(talk: &Talk) -> Result<()> {
    let rules = |rules: &[&str]| rules.iter().map(|rule| json!({ "rule": rule })).collect::<Vec<Value>>();
    let fields = json!({
        "n": { "type": "integer", "x-kubernetes-validations": rules(&["10 / self > 0", "10 % self > 0", "9223372036854775807 + self > 0", "[1, 2][self] > 0", "{1: 1}[self] > 0"]) },
        "m": { "type": "object", "maxProperties": 3, "additionalProperties": { "type": "string", "maxLength": 5 }, "x-kubernetes-validations": rules(&["self['k'] == 'v'", "self.key == 'v'"]) },
        "e": { "x-kubernetes-int-or-string": true, "x-kubernetes-validations": rules(&["self > 1", "self.startsWith('a')", "self + 1 > 2"]) },
        "c": { "type": "integer", "x-kubernetes-validations": [{ "rule": "1 / self > 0", "message": "said", "messageExpression": "string(1 / self)" }, { "rule": "self > 5", "messageExpression": "string(1 / (self - 1))" }, { "rule": "self > 5", "message": "plain", "messageExpression": "'a\\nb'" }] } });
    let path =
        talk.define(&talk.widget(
            &json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": fields } } }),
        ))
        .await?;
    let values = [
        json!({ "n": 0 }),
        json!({ "n": 1 }),
        json!({ "n": 2 }),
        json!({ "m": {} }),
        json!({ "e": 2 }),
        json!({ "e": "ab" }),
        json!({ "c": 0 }),
        json!({ "c": 1 }),
    ];
    tried(talk, &path, &values).await
}

async fn texts_that_are_not_what_rules_take_them_for(talk: &Talk) -> Result<()> {
    talk.aside("/message", "conversions of texts fail in the words of Go's parsers");
    talk.aside("/details/causes/*/message", "conversions of texts fail in the words of Go's parsers");
    let rules = [
        "quantity(self).isInteger()",
        "int(self) > 0",
        "ip(self).family() == 4",
        "url(self).getHost() == 'a'",
        "cidr(self).prefixLength() > 1",
        "duration(self) > duration('1s')",
        "timestamp(self) > timestamp('2020-01-01T00:00:00Z')",
        "optional.none().value() == 'x'",
        "semver(self).major() == 1",
        "double(self) > 0.0 && bool(self)",
    ];
    text(talk, &rules, &["x", "", "1", "1.2.3.4"]).await
}

async fn unchanged_values_that_break_rules_are_warned_of(talk: &Talk) -> Result<()> {
    use motet_conformance::{define::DEFINITIONS, talk::patch};
    let schema = |rules: Value| json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": { "n": { "type": "integer", "x-kubernetes-validations": rules }, "m": { "type": "integer" } } } } });
    let path = talk.define(&talk.widget(&schema(json!([])))).await?;
    tried(talk, &path, &[json!({ "n": 1, "m": 1 })]).await?;
    let change = json!([{ "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": schema(json!([{ "rule": "self > 5", "message": "more" }, { "rule": "10 / (self - 1) > 1" }])) }]);
    let at = format!("{DEFINITIONS}/widgets.{}", talk.group());
    talk.ask(http::Method::PATCH, &at).json(&change).header("content-type", patch::JSON).unkept().send().await?;
    // The new schema is at work once it refuses.
    let probe = json!({ "apiVersion": format!("{}/v1", talk.group()), "kind": "Widget", "metadata": { "name": "probe" }, "spec": { "n": 3 } });
    for _ in 0..200 {
        let tried = talk.ask(http::Method::POST, &format!("{path}?dryRun=All")).json(&probe).unkept().send().await?;
        if tried.code == 422 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    talk.patch(&format!("{path}/w0"), patch::MERGE, &json!({ "spec": { "m": 2 } })).await?;
    talk.patch(&format!("{path}/w0"), patch::MERGE, &json!({ "spec": { "n": 2 } })).await?;
    talk.patch(&format!("{path}/w0"), patch::MERGE, &json!({ "spec": { "n": 9 } })).await?;
    Ok(())
}
