//! Two conversations side by side.

use serde_json::Value;

use crate::{
    case::Case,
    neutral::{self, Neutral},
};

/// One request with its answer, or one thing that was seen.
#[derive(Debug, Clone, Default)]
pub struct Step {
    /// What was asked.
    pub ask: String,
    /// The status code, or kubectl's exit code.
    pub code: i64,
    /// The headers that must be equal.
    pub headers: Vec<(String, String)>,
    /// What was answered.
    pub body: Value,
}

/// What was said with one side.
#[derive(Debug, Default)]
pub struct Held {
    pub(crate) url: String,
    pub(crate) steps: Vec<Step>,
    pub(crate) asides: Vec<(String, String)>,
    pub(crate) error: Option<String>,
}

/// What came out.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Equal; the codes in their order, and what was left out of the comparison.
    Same {
        /// Status codes of a real cluster.
        codes: Vec<i64>,
        /// Reasons why something was not compared.
        asides: Vec<String>,
    },
    /// The embedded cluster says 501, as the case says it would: why.
    Outside(String),
    /// They differ, or the case could not be held.
    Differs(String),
}

/// Not implemented: what an embedded cluster answers where it does not serve something.
const OUTSIDE: i64 = 501;
/// How many differences of one step are shown.
const SHOWN: usize = 12;

pub(crate) fn verdict(case: &Case, real: &Held, embedded: &Held) -> Verdict {
    let differing = |served: &dyn Fn(&Step) -> bool| differences(real, embedded, served);
    if let Some(why) = case.outside {
        return match differing(&|embedded| !refuses(embedded)) {
            Some(text) => Verdict::Differs(text),
            None if embedded.steps.iter().any(refuses) => Verdict::Outside(why.into()),
            None => Verdict::Differs(format!("it is listed as outside ({why}), yet nothing answers 501")),
        };
    }
    if let Some(text) = differing(&|_| true) {
        return Verdict::Differs(text);
    }
    let codes = real.steps.iter().map(|s| s.code).collect();
    let asides: std::collections::BTreeSet<String> = real.asides.iter().map(|(_, why)| why.clone()).collect();
    Verdict::Same { codes, asides: asides.into_iter().collect() }
}

/// It says that it does not serve what it was asked for.
fn refuses(embedded: &Step) -> bool {
    embedded.code == OUTSIDE || embedded.body.to_string().contains("not implemented")
}

/// What differs in the steps whose answers count.
fn differences(real: &Held, embedded: &Held, counts: &dyn Fn(&Step) -> bool) -> Option<String> {
    let mut said = Vec::new();
    let (mut of_real, mut of_embedded) = (Neutral::new(real), Neutral::new(embedded));
    for (a, b) in real.steps.iter().zip(&embedded.steps).filter(|(_, b)| counts(b)) {
        let found = step(&neutral_step(&mut of_real, a, real), &neutral_step(&mut of_embedded, b, embedded));
        if !found.is_empty() {
            let more = found.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!("\n    … and {more} more") } else { String::new() };
            said.push(format!("  {}\n    {}{more}", a.ask, found[..found.len().min(SHOWN)].join("\n    ")));
        }
    }
    for (name, held) in [("real", real), ("embedded", embedded)] {
        said.extend(held.error.iter().map(|error| format!("  the case failed on {name}: {error}")));
    }
    if real.steps.len() != embedded.steps.len() {
        said.push(format!("  {} steps on real, {} on embedded", real.steps.len(), embedded.steps.len()));
    }
    if said.is_empty() { None } else { Some(said.join("\n")) }
}

fn neutral_step(neutral: &mut Neutral<'_>, step: &Step, held: &Held) -> Step {
    let mut body = step.body.clone();
    for (pointer, _) in &held.asides {
        let segments: Vec<&str> = pointer.split('/').skip(1).collect();
        remove(&mut body, &segments);
    }
    let body = neutral.value(&body);
    let body = match &body {
        Value::String(text) if step.ask.starts_with("$ kubectl") => neutral::printed(text).into(),
        _ => body,
    };
    let headers = step.headers.iter().map(|(name, value)| (name.clone(), neutral.text(value))).collect();
    Step { ask: neutral.text(&step.ask), code: step.code, headers, body }
}

fn remove(value: &mut Value, segments: &[&str]) {
    match (segments, value) {
        ([last], Value::Object(map)) if *last != "*" => drop(map.remove(*last)),
        (["*", rest @ ..], Value::Object(map)) => map.values_mut().for_each(|v| remove(v, rest)),
        (["*", rest @ ..], Value::Array(items)) => items.iter_mut().for_each(|v| remove(v, rest)),
        ([first, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*first) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

fn step(real: &Step, embedded: &Step) -> Vec<String> {
    let mut found = Vec::new();
    if real.ask != embedded.ask {
        found.push(format!("asked: real {}, embedded {}", real.ask, embedded.ask));
    }
    if real.code != embedded.code {
        found.push(format!("code: real {}, embedded {}", real.code, embedded.code));
    }
    if real.headers != embedded.headers {
        found.push(format!("headers: real {:?}, embedded {:?}", real.headers, embedded.headers));
    }
    match (&real.body, &embedded.body) {
        (Value::String(a), Value::String(b)) if a != b => found.extend(lines(a, b)),
        (a, b) => values("", a, b, &mut found),
    }
    found
}

/// The lines of two texts from where they differ.
fn lines(real: &str, embedded: &str) -> Vec<String> {
    let (a, b): (Vec<&str>, Vec<&str>) = (real.lines().collect(), embedded.lines().collect());
    let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let tail = a[same..].iter().rev().zip(b[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let mut found: Vec<String> = a[same..a.len() - tail].iter().map(|l| format!("- real     {l}")).collect();
    found.extend(b[same..b.len() - tail].iter().map(|l| format!("+ embedded {l}")));
    found
}

fn values(at: &str, real: &Value, embedded: &Value, found: &mut Vec<String>) {
    match (real, embedded) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                match (of(a), of(b)) {
                    (Some(a), Some(b)) => values(&format!("{at}/{key}"), &a, &b, found),
                    (Some(a), None) => found.push(format!("{at}/{key}: real {a}, embedded has none")),
                    (None, Some(b)) => found.push(format!("{at}/{key}: real has none, embedded {b}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| values(&format!("{at}/{i}"), a, b, found));
        }
        (a, b) if a != b => found.push(format!("{at}: real {a}, embedded {b}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(body: Value) -> Held {
        Held { steps: vec![Step { ask: "GET /x".into(), code: 200, body, ..Step::default() }], ..Held::default() }
    }

    #[test]
    fn any_difference_is_named_with_its_place() {
        let (a, b) = (held(json!({ "a": [1, { "b": 2 }] })), held(json!({ "a": [1, { "b": 3 }] })));
        assert!(differences(&a, &b, &|_| true).unwrap_or_default().contains("/a/1/b: real 2, embedded 3"));
        assert!(
            differences(&a, &held(json!({})), &|_| true)
                .unwrap_or_default()
                .contains("/a: real [1,{\"b\":2}], embedded has none")
        );
        assert_eq!(differences(&a, &a, &|_| true), None);
    }

    #[test]
    fn what_is_set_aside_is_not_compared() {
        let mut a = held(json!({ "items": [{ "status": 1, "spec": 1 }] }));
        let b = held(json!({ "items": [{ "status": 2, "spec": 1 }] }));
        assert!(differences(&a, &b, &|_| true).is_some());
        a.asides.push(("/items/*/status".into(), "why".into()));
        let b = Held { asides: a.asides.clone(), ..b };
        assert_eq!(differences(&a, &b, &|_| true), None);
    }

    #[test]
    fn texts_differ_by_lines() {
        assert_eq!(lines("a\nb\nc", "a\nx\nc"), ["- real     b", "+ embedded x"]);
    }
}
