//! Keys that stand twice in a mapping of a YAML document: a parser into values keeps the last and says nothing.

use std::collections::BTreeSet;

/// The complaint about all keys that stand twice, with the lines of the second ones.
pub(crate) fn twins(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if text.trim_start().starts_with('{') {
        return None;
    }
    let found: Vec<String> =
        lines(text).into_iter().map(|(line, key)| format!("  line {line}: key \"{key}\" already set in map")).collect();
    if found.is_empty() { None } else { Some(format!("yaml: unmarshal errors:\n{}", found.join("\n"))) }
}

/// Mappings that are open, each with its indent and its keys so far.
type Open<'a> = Vec<(usize, BTreeSet<&'a str>)>;

fn lines(text: &str) -> Vec<(usize, String)> {
    let (mut open, mut found, mut block): (Open<'_>, Vec<_>, Option<usize>) = (Vec::new(), Vec::new(), None);
    for (number, line) in text.lines().enumerate() {
        let bare = line.trim_start();
        let mut indent = line.len() - bare.len();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        // Lines of a text are no keys.
        if block.is_some_and(|outer| indent > outer) {
            continue;
        }
        block = None;
        if bare == "---" || bare == "..." {
            open.clear();
            continue;
        }
        let mut rest = bare;
        while let Some(after) = rest.strip_prefix("- ") {
            // An item begins a mapping of its own.
            open.retain(|(at, _)| *at <= indent);
            rest = after.trim_start();
            indent = line.len() - rest.len();
            open.retain(|(at, _)| *at < indent);
        }
        let Some((key, value)) = split(rest) else { continue };
        open.retain(|(at, _)| *at <= indent);
        if open.last().is_none_or(|(at, _)| *at < indent) {
            open.push((indent, BTreeSet::new()));
        }
        if let Some((_, keys)) = open.last_mut()
            && !keys.insert(key)
        {
            found.push((number + 1, key.to_owned()));
        }
        if value.starts_with(['|', '>']) {
            block = Some(indent);
        }
    }
    found
}

/// Key and value of a line.
fn split(line: &str) -> Option<(&str, &str)> {
    let quote = line.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (key, rest) = match quote {
        Some(quote) => line[1..].split_once(quote)?,
        None => line.split_at(line.find(": ").or_else(|| line.ends_with(':').then(|| line.len() - 1))?),
    };
    let value = rest.strip_prefix(':')?;
    Some((key.trim_end(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_where_they_stand_twice() {
        let text = "a: 1\nb:\n  - a: 1\n    c: |\n      a: x\n      a: x\n  - a: 2\n    a: 3\n\"a\": 4\n";
        assert_eq!(lines(text), [(8, "a".to_owned()), (9, "a".to_owned())]);
        assert_eq!(twins(b"a: 1\na: 2\n").unwrap(), "yaml: unmarshal errors:\n  line 2: key \"a\" already set in map");
        assert_eq!(twins(b"a: 1\nb: {a: 1}\n"), None);
    }
}
