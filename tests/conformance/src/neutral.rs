//! Makes neutral what differs between any two clusters: UIDs, resource versions, present times, made-up names, addresses.
//!
//! Equal values stay equal and different ones different: the second UID that a conversation meets is `uid#2` on both sides.

use std::{collections::BTreeMap, sync::LazyLock};

use regex::{Captures, Regex};
use serde_json::{Map, Value};

use crate::compare::Held;

const UUID: &str = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const TIME: &str = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z";
/// Two more forms that kubectl prints.
const PRINTED_TIME: &str =
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000";
/// Times within this many seconds of now were made by the server.
const PRESENT: i64 = 25 * 3600;

fn pattern(text: &str) -> Regex {
    Regex::new(text).unwrap_or_else(|_| unreachable!("a constant pattern"))
}

static UUIDS: LazyLock<Regex> = LazyLock::new(|| pattern(UUID));
static TIMES: LazyLock<Regex> = LazyLock::new(|| pattern(TIME));
static VERSIONS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?i)(resource ?version"?:? *"?|current: |in record \()\d+( \(\d+\))?"#));
static PRINTED_TIMES: LazyLock<Regex> = LazyLock::new(|| pattern(PRINTED_TIME));
static DIGESTS: LazyLock<Regex> = LazyLock::new(|| pattern("X509SHA256=[0-9a-f]{64}"));
static TOKENS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+"));
static AGES: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\d+m)?\d+s$"));

/// What was met so far.
pub(crate) struct Neutral<'a> {
    held: &'a Held,
    uids: BTreeMap<String, usize>,
    versions: BTreeMap<String, usize>,
    made: BTreeMap<String, String>,
}

fn number(map: &mut BTreeMap<String, usize>, value: &str) -> usize {
    let next = map.len() + 1;
    *map.entry(value.to_owned()).or_insert(next)
}

impl<'a> Neutral<'a> {
    pub(crate) fn new(held: &'a Held) -> Self {
        Self { held, uids: BTreeMap::new(), versions: BTreeMap::new(), made: BTreeMap::new() }
    }

    /// A body, or a part of one.
    pub(crate) fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(map) => self.object(map),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::String(text) => self.text(text).into(),
            other => other.clone(),
        }
    }

    fn object(&mut self, map: &Map<String, Value>) -> Value {
        self.learn_made_name(map);
        // A list, a table and a bookmark bear the version of the whole store, which others move.
        let whole =
            map.contains_key("items") || map.contains_key("rows") || map.get("type").is_some_and(|t| t == "BOOKMARK");
        let table = map.get("kind").is_some_and(|k| k == "Table");
        let neutral = map.iter().map(|(key, value)| {
            let value = match (key.as_str(), value) {
                ("metadata" | "object", Value::Object(inner)) if whole => self.of_store(inner),
                ("continue", Value::String(token)) if !token.is_empty() => "token".into(),
                ("resourceVersion", Value::String(version)) => self.version(version).into(),
                ("uid", Value::String(uid)) if UUIDS.is_match(uid) => self.uid(uid).into(),
                // Ordered by time first, and a second may pass between two requests on one side only.
                ("managedFields", Value::Array(entries)) => self.sorted(entries),
                ("rows", Value::Array(rows)) if table => rows.iter().map(|row| self.row(row)).collect(),
                (_, value) => self.value(value),
            };
            // Keys of managed lists hold UIDs.
            let key = if UUIDS.is_match(key) { self.text(key) } else { key.clone() };
            (key, value)
        });
        Value::Object(neutral.collect())
    }

    fn of_store(&mut self, metadata: &Map<String, Value>) -> Value {
        let neutral = metadata.iter().map(|(key, value)| {
            let masked = match (key.as_str(), value) {
                ("resourceVersion", Value::String(version)) if version.len() > 1 => "of the store".into(),
                ("metadata", Value::Object(inner)) => self.of_store(inner),
                ("continue", Value::String(token)) if !token.is_empty() => "token".into(),
                (_, value) => self.value(value),
            };
            (key.clone(), masked)
        });
        Value::Object(neutral.collect())
    }

    fn sorted(&mut self, entries: &[Value]) -> Value {
        let mut entries: Vec<Value> = entries.iter().map(|entry| self.value(entry)).collect();
        entries.sort_by_key(|entry| {
            ["manager", "operation", "subresource", "apiVersion"].map(|key| entry[key].to_string())
        });
        Value::Array(entries)
    }

    /// The cells of a table hold ages.
    fn row(&mut self, row: &Value) -> Value {
        let mut neutral = self.value(row);
        if let Some(cells) = neutral.get_mut("cells").and_then(Value::as_array_mut) {
            for cell in cells.iter_mut().filter(|c| c.as_str().is_some_and(|text| AGES.is_match(text))) {
                *cell = "age".into();
            }
        }
        neutral
    }

    fn learn_made_name(&mut self, map: &Map<String, Value>) {
        let of = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
        let (prefix, name) = (of("generateName"), of("name"));
        if !prefix.is_empty() && name.starts_with(prefix) && name.len() == prefix.len() + 5 {
            self.made.insert(name.to_owned(), format!("{prefix}?????"));
        }
    }

    fn version(&mut self, version: &str) -> String {
        match version {
            "" | "0" => version.into(),
            _ => format!("version#{}", number(&mut self.versions, version)),
        }
    }

    fn uid(&mut self, uid: &str) -> String {
        format!("uid#{}", number(&mut self.uids, uid))
    }

    /// A text, also what kubectl printed.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let mut text = text.replace(&self.held.url, "{server}");
        if let Some(address) = self.held.url.split("//").nth(1) {
            text = text.replace(address, "{address}");
        }
        for (made, neutral) in &self.made {
            text = text.replace(made, neutral);
        }
        let uids = &mut self.uids;
        let text = UUIDS.replace_all(&text, |found: &Captures<'_>| format!("uid#{}", number(uids, &found[0])));
        let text = DIGESTS.replace_all(&text, "X509SHA256=…");
        let text = TOKENS.replace_all(&text, "{token}");
        let text = TIMES.replace_all(&text, |found: &Captures<'_>| present(&found[0]));
        let text = PRINTED_TIMES.replace_all(&text, "a time");
        VERSIONS.replace_all(&text, "${1}N").into_owned()
    }
}

/// Times that the server made are equal; others are what somebody wrote.
fn present(text: &str) -> String {
    let is_present = text
        .parse::<jiff::Timestamp>()
        .is_ok_and(|time| (jiff::Timestamp::now().as_second() - time.as_second()).abs() < PRESENT);
    match (is_present, text.contains('.')) {
        (false, _) => text.into(),
        (true, false) => "now".into(),
        (true, true) => "now, with fractions".into(),
    }
}

/// What kubectl prints: ages, the width of columns and the lines of versions and times differ between any two clusters.
pub(crate) fn printed(text: &str) -> String {
    let line = |line: &str| {
        let field = line.trim_start().trim_start_matches("- ");
        if field.starts_with("resourceVersion:") {
            return "resourceVersion: …".to_owned();
        }
        let words = line.split_whitespace().map(|word| if AGES.is_match(word) { "AGE" } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn neutral(url: &str, body: &Value) -> Value {
        let held = Held { url: url.into(), ..Held::default() };
        Neutral::new(&held).value(body)
    }

    #[test]
    fn equal_values_stay_equal_and_different_ones_different() {
        let one = "00000000-0000-4000-8000-000000000001";
        let two = "00000000-0000-4000-8000-000000000002";
        let body = json!([{ "uid": two, "resourceVersion": "70" }, { "uid": one, "resourceVersion": "7" }, { "uid": two, "resourceVersion": "70" }]);
        let seen = neutral("http://h", &body);
        assert_eq!(seen[0], seen[2]);
        assert_ne!(seen[0], seen[1]);
        assert_eq!(seen[1], json!({ "uid": "uid#2", "resourceVersion": "version#2" }));
    }

    #[test]
    fn only_present_times_and_made_names_are_masked() {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let body = json!({ "generateName": "a-", "name": "a-x7k2p", "made": now, "written": "2020-01-01T00:00:00Z", "s": "a-x7k2p at http://h/x" });
        let wanted = json!({ "generateName": "a-", "name": "a-?????", "made": "now", "written": "2020-01-01T00:00:00Z", "s": "a-????? at {server}/x" });
        assert_eq!(neutral("http://h", &body), wanted);
    }
}
