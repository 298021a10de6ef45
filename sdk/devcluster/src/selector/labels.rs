//! Reads label selectors as kube-apiserver does, errors included.

use super::{Label, Test};
use crate::names;

/// A word of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Sign(&'static str),
    /// Signs that are none.
    Wrong(String),
    End,
}

const SIGNS: [&str; 10] = ["==", "!=", "!", "=", ">", "<", ")", "(", ",", ""];

impl Token {
    fn text(&self) -> String {
        match self {
            Self::Word(text) => text.clone(),
            Self::Sign(sign) => (*sign).into(),
            Self::Wrong(text) => format!("error expected: keyword found '{text}'"),
            Self::End => String::new(),
        }
    }
}

fn is_sign(c: char) -> bool {
    "=!(),><".contains(c)
}

fn tokens(text: &str) -> Vec<Token> {
    let mut rest = text;
    let mut out = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let Some(first) = rest.chars().next() else { break };
        let end = if is_sign(first) {
            let sign = SIGNS.iter().find(|s| rest.starts_with(**s)).copied().unwrap_or_default();
            out.push(if sign.is_empty() { Token::Wrong(first.into()) } else { Token::Sign(sign) });
            sign.len().max(1)
        } else {
            let end = rest.find(|c| is_sign(c) || " \t\r\n".contains(c)).unwrap_or(rest.len());
            out.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = &rest[end..];
    }
    out.push(Token::End);
    out
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
    next: Token,
}

impl Parser {
    fn take(&mut self) -> Token {
        let next = self.tokens.next().unwrap_or(Token::End);
        std::mem::replace(&mut self.next, next)
    }

    fn at_end_of_requirement(&self) -> bool {
        matches!(self.next, Token::End | Token::Sign(","))
    }

    fn requirement(&mut self) -> Result<Label, String> {
        let absent = self.next == Token::Sign("!");
        if absent {
            self.take();
        }
        let key = match self.take() {
            Token::Word(key) => key,
            other => return Err(format!("found '{}', expected: identifier", other.text())),
        };
        let wrong = names::label_key(&key);
        if !wrong.is_empty() {
            return Err(format!("<nil>: Invalid value: \"{key}\": {}", wrong.join("; ")));
        }
        if absent || self.at_end_of_requirement() {
            return Ok(Label { key, test: if absent { Test::Absent } else { Test::Exists } });
        }
        let sign = self.take();
        let test = match sign.text().as_str() {
            "in" => Test::In(self.values()?),
            "notin" => Test::NotIn(self.values()?),
            "=" | "==" => Test::In(vec![self.value()?]),
            "!=" => Test::NotIn(vec![self.value()?]),
            above @ (">" | "<") => {
                let value = self.value()?;
                let than = value.parse().map_err(|_| {
                    format!(
                        "values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
                    )
                })?;
                if above == ">" { Test::Above(than) } else { Test::Below(than) }
            }
            other => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        check_values(&key, &test)?;
        Ok(Label { key, test })
    }

    fn value(&mut self) -> Result<String, String> {
        if self.at_end_of_requirement() {
            return Ok(String::new());
        }
        match self.take() {
            Token::Word(word) => Ok(word),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != Token::Sign("(") {
            return Err(format!("found '{}' expected: '('", open.text()));
        }
        match &self.next {
            Token::Sign(")") => {
                self.take();
                return Ok(vec![String::new()]);
            }
            Token::Word(_) | Token::Sign(",") => {}
            other => return Err(format!("found '{}', expected: ',', ')' or identifier", other.text())),
        }
        let mut values = Vec::new();
        loop {
            match self.take() {
                Token::Word(word) => {
                    values.push(word);
                    if !matches!(self.next, Token::Sign("," | ")")) {
                        return Err(format!("found '{}', expected: ',' or ')'", self.next.text()));
                    }
                }
                Token::Sign(",") => {
                    if values.is_empty() || matches!(self.next, Token::Sign(")" | ",")) {
                        values.push(String::new());
                    }
                }
                other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
            if self.next == Token::Sign(")") {
                self.take();
                values.sort();
                values.dedup();
                return Ok(values);
            }
        }
    }
}

fn check_values(key: &str, test: &Test) -> Result<(), String> {
    let (Test::In(values) | Test::NotIn(values)) = test else { return Ok(()) };
    let wrong: Vec<String> = values
        .iter()
        .enumerate()
        .filter_map(|(i, value)| {
            let wrong = names::label_value(value);
            (!wrong.is_empty()).then(|| format!("values[{i}][{key}]: Invalid value: \"{value}\": {}", wrong.join("; ")))
        })
        .collect();
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

/// Every requirement of a selector; the message where it cannot be read.
pub(super) fn parse(text: &str) -> Result<Vec<Label>, String> {
    let mut tokens = tokens(text).into_iter();
    let next = tokens.next().unwrap_or(Token::End);
    let mut parser = Parser { tokens, next };
    let mut labels = Vec::new();
    loop {
        match &parser.next {
            Token::Word(_) | Token::Sign("!") => {
                labels.push(parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?);
            }
            Token::End => return Ok(labels),
            other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.text())),
        }
        match parser.take() {
            Token::End => return Ok(labels),
            Token::Sign(",") if matches!(parser.next, Token::Word(_) | Token::Sign("!")) => {}
            Token::Sign(",") => return Err(format!("found '{}', expected: identifier after ','", parser.next.text())),
            other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text())),
        }
    }
}
