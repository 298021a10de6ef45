//! Checks what a write says in its query, before anything is looked up.

use http::Method;
use serde_json::Value;

use crate::ask::Ask;
use crate::error::{ApiError, Cause};

/// Longest name of a field manager, in bytes.
const LONGEST_MANAGER: usize = 128;

/// Refuses options that a kube-apiserver refuses.
pub(crate) fn check(ask: &Ask, applies: bool) -> Result<(), ApiError> {
    let kind = match ask.method {
        Method::POST => "CreateOptions",
        Method::PUT => "UpdateOptions",
        _ => "PatchOptions",
    };
    let mut causes = Vec::new();
    let manager = ask.query.get("fieldManager");
    if applies && manager.is_empty() {
        causes.push(Cause::required("fieldManager", "is required for apply patch"));
    }
    if ask.method == Method::PATCH && !applies && ask.query.has("force") {
        causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
    }
    check_manager(manager, &mut causes);
    let dry_run: Vec<&str> = ask.query.all("dryRun").collect();
    if dry_run.iter().any(|value| *value != "All") {
        causes.push(unsupported("dryRun", &Value::from(dry_run), &["All"]));
    }
    let validation = ask.query.get("fieldValidation");
    if !matches!(validation, "" | "Ignore" | "Strict" | "Warn") {
        causes.push(unsupported("fieldValidation", &validation.into(), &["", "Ignore", "Strict", "Warn"]));
    }
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid("meta.k8s.io", kind, "", causes)) }
}

fn check_manager(manager: &str, causes: &mut Vec<Cause>) {
    let field = "fieldManager";
    if manager.len() > LONGEST_MANAGER {
        let message = format!("Too long: may not be more than {LONGEST_MANAGER} bytes");
        causes.push(Cause { reason: "FieldValueTooLong", message, field: field.into() });
    }
    for (at, letter) in manager.char_indices().filter(|(_, letter)| letter.is_control()) {
        let shown = manager.replace('\u{7}', "\\a");
        let message =
            format!("Invalid value: \"{shown}\": invalid character U+{:04X} (at position {at})", u32::from(letter));
        causes.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
    }
}

fn unsupported(field: &str, value: &Value, supported: &[&str]) -> Cause {
    let supported: Vec<String> = supported.iter().map(|s| format!("\"{s}\"")).collect();
    let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
    Cause { reason: "FieldValueNotSupported", message, field: field.into() }
}
