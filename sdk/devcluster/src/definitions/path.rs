//! Paths to fields as definitions write them, `.spec.a['b.c']`: followed through the schema.

use serde_json::Value;

/// Follows a path: how errors write it, and the schema of what it points to.
pub(crate) fn follow<'a>(path: &str, schema: &'a Value, brackets: bool) -> Result<(String, &'a Value), String> {
    let (mut rest, mut node, mut found) = (path, schema, String::new());
    while !rest.is_empty() {
        let name;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[', ']']).unwrap_or(after.len());
            // A delimiter in a place of a name is taken for one.
            let end = if end == 0 { after.chars().next().map_or(0, char::len_utf8) } else { end };
            if after.is_empty() {
                return Err("unexpected end of JSON path".into());
            }
            name = after[..end].to_owned();
            rest = &after[end..];
        } else if let Some(after) = rest.strip_prefix('[') {
            if !brackets {
                return Err("array notation is not allowed".into());
            }
            (name, rest) = quoted(after)?;
        } else {
            let end = rest.find(['.', '[', ']']).filter(|end| *end > 0).unwrap_or(rest.len());
            return Err(format!("expected [ or . but got: {}", &rest[..end]));
        }
        node = step(node, &name, &mut found)?;
    }
    Ok((found, node))
}

fn quoted(text: &str) -> Result<(String, &str), String> {
    if text.is_empty() {
        return Err("unexpected end of JSON path".into());
    }
    let Some(inner) = text.strip_prefix('\'') else {
        let end = text.find(['.', '[', ']']).filter(|end| *end > 0).unwrap_or(text.len().min(1));
        return Err(format!("expected single quoted string but got {}", &text[..end]));
    };
    let (mut name, mut escaped) = (String::new(), false);
    for (at, letter) in inner.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            '\'' if !escaped => {
                let after = &inner[at + 1..];
                let next = after.chars().next().ok_or("unexpected end of JSON path")?;
                let rest = after.strip_prefix(']').ok_or_else(|| format!("expected ] but got {next}"))?;
                return Ok((name, rest));
            }
            other => {
                name.push(other);
                escaped = false;
            }
        }
    }
    Err(format!("expected single quoted string but got {text}"))
}

fn step<'a>(node: &'a Value, name: &str, found: &mut String) -> Result<&'a Value, String> {
    let nowhere = || "does not refer to a valid field".to_owned();
    let fields = node["properties"].as_object().filter(|fields| !fields.is_empty());
    if let Some(fields) = fields {
        if !found.is_empty() {
            found.push('.');
        }
        found.push_str(name);
        return fields.get(name).ok_or_else(nowhere);
    }
    let rest = &node["additionalProperties"];
    if rest.is_object() {
        found.push_str(&format!("[{name}]"));
        return Ok(rest);
    }
    Err(nowhere())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_are_followed_or_say_where_they_end() {
        let schema = json!({ "properties": { "spec": { "properties": { "a.b": { "type": "string" } } }, "m": { "additionalProperties": { "type": "integer" } } } });
        let told = |path: &str| follow(path, &schema, true).map(|(path, node)| format!("{path} {}", node["type"]));
        assert_eq!(told(".spec['a.b']").unwrap(), "spec.a.b \"string\"");
        assert_eq!(told(".m.x").unwrap(), "m[x] \"integer\"");
        assert_eq!(told("spec").unwrap_err(), "expected [ or . but got: spec");
        assert_eq!(told(".spec.").unwrap_err(), "unexpected end of JSON path");
        assert_eq!(told(".spec.c").unwrap_err(), "does not refer to a valid field");
        assert_eq!(follow(".spec['a']", &schema, false).unwrap_err(), "array notation is not allowed");
    }
}
