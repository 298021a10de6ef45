//! Label selectors, in the object form of `Plugin.spec.members` and in the text form of list queries.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an expression's values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label has one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label is present.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

/// One requirement.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// Label key.
    pub key: String,
    /// How to compare.
    pub operator: Operator,
    /// What to compare with; empty for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// A conjunction of requirements; empty selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// Labels that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Expression>,
}

impl Selector {
    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether labels, looked up by `get`, satisfy every requirement.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.match_labels.iter().all(|(key, value)| get(key) == Some(value.as_str()))
            && self.match_expressions.iter().all(|e| {
                let value = get(&e.key);
                let listed = || value.is_some_and(|v| e.values.iter().any(|x| x == v));
                match e.operator {
                    Operator::In => listed(),
                    Operator::NotIn => !listed(),
                    Operator::Exists => value.is_some(),
                    Operator::DoesNotExist => value.is_none(),
                }
            })
    }

    /// Reads the text form that kubectl and list queries use: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut selector = Self::default();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let expression = parse_requirement(part).ok_or_else(|| {
                format!("{part:?} is not a label requirement: use a=b, a!=b, a in (b,c), a notin (b), a or !a")
            })?;
            match (expression.operator, expression.values.as_slice()) {
                (Operator::In, [value]) if !selector.match_labels.contains_key(&expression.key) => {
                    selector.match_labels.insert(expression.key, value.clone());
                }
                _ => selector.match_expressions.push(expression),
            }
        }
        Ok(selector)
    }
}

fn split_outside_parentheses(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
}

fn parse_requirement(part: &str) -> Option<Expression> {
    let set = |key: &str, operator, values: Vec<String>| {
        let key = key.trim();
        let valid = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        valid.then(|| Expression { key: key.into(), operator, values })
    };
    let list = |text: &str| -> Option<Vec<String>> {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| v.trim().to_string()).collect())
    };
    if let Some(key) = part.strip_prefix('!') {
        return set(key, Operator::DoesNotExist, vec![]);
    }
    if let Some((key, values)) = part.split_once(" notin ") {
        return set(key, Operator::NotIn, list(values)?);
    }
    if let Some((key, values)) = part.split_once(" in ") {
        return set(key, Operator::In, list(values)?);
    }
    if let Some((key, value)) = part.split_once("!=") {
        return set(key, Operator::NotIn, vec![value.trim().into()]);
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return set(key, Operator::In, vec![value.trim().into()]);
    }
    set(part, Operator::Exists, vec![])
}

impl fmt::Display for Selector {
    /// The text form, ready for a query parameter (not yet percent-encoded).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = self.match_labels.iter().map(|(k, v)| format!("{k}={v}"));
        let others = self.match_expressions.iter().map(|e| match e.operator {
            Operator::In => format!("{} in ({})", e.key, e.values.join(",")),
            Operator::NotIn => format!("{} notin ({})", e.key, e.values.join(",")),
            Operator::Exists => e.key.clone(),
            Operator::DoesNotExist => format!("!{}", e.key),
        });
        f.write_str(&equal.chain(others).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &'static str)]) -> bool {
        let labels: BTreeMap<_, _> = labels.iter().copied().collect();
        Selector::parse(selector).unwrap().matches(|k| labels.get(k).copied())
    }

    #[test]
    fn requirements_are_read_and_held() {
        let labels = [("tier", "edge"), ("ring", "1")];
        for yes in ["", "tier=edge", "tier==edge,ring", "ring in (1, 2)", "tier!=core", "x notin (y)", "!x"] {
            assert!(matches(yes, &labels), "{yes}");
        }
        for no in ["tier=core", "x", "ring notin (1)", "!tier", "tier=edge,ring=2"] {
            assert!(!matches(no, &labels), "{no}");
        }
        assert!(Selector::parse("a b").is_err());
        assert!(Selector::parse("a in b").is_err());
    }

    #[test]
    fn the_text_form_reads_back() {
        for text in ["a=b", "a=b,c notin (d,e),!f,g", "a in (b,c)"] {
            assert_eq!(Selector::parse(text).unwrap().to_string(), text);
        }
    }
}
