//! Owns the errors of the API: each is a Kubernetes `Status` with the code, reason and details a kube-apiserver gives.

use serde_json::{Value, json};

/// One entry of `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) field: String,
}

impl Cause {
    /// A value that is there but wrong.
    pub(crate) fn invalid(field: &str, value: &Value, why: &str) -> Self {
        Self { reason: "FieldValueInvalid", message: format!("Invalid value: {value}: {why}"), field: field.into() }
    }

    /// A value that has to be there.
    pub(crate) fn required(field: &str, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".into() } else { format!("Required value: {why}") };
        Self { reason: "FieldValueRequired", message, field: field.into() }
    }

    /// A value that must not be there.
    pub(crate) fn forbidden(field: &str, why: &str) -> Self {
        Self { reason: "FieldValueForbidden", message: format!("Forbidden: {why}"), field: field.into() }
    }
}

/// What a request is refused with.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    pub(crate) retry_after: Option<u32>,
    /// A token with which an expired list goes on.
    pub(crate) resume: Option<String>,
    /// What was warned of before it went wrong; boxed, as hardly any error has it.
    pub(crate) before: Option<Box<Warnings>>,
}

/// Warnings ahead of an error.
#[derive(Debug, Clone)]
pub(crate) struct Warnings(Vec<String>);

/// The plural and group that error texts and details name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) name: &'a str,
}

impl Named<'_> {
    fn text(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("{}{dot}{} \"{}\"", self.plural, self.group, self.name)
    }

    fn details(&self) -> Value {
        let mut details = json!({"name": self.name, "kind": self.plural});
        if !self.group.is_empty() {
            details["group"] = self.group.into();
        }
        details
    }
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, retry_after: None, resume: None, before: None }
    }

    fn of(code: u16, reason: &'static str, what: Named<'_>, message: String) -> Self {
        Self { details: Some(what.details()), ..Self::new(code, reason, message) }
    }

    pub(crate) fn not_found(what: Named<'_>) -> Self {
        Self::of(404, "NotFound", what, format!("{} not found", what.text()))
    }

    pub(crate) fn no_such_resource() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(404, "NotFound", "the server could not find the requested resource")
        }
    }

    pub(crate) fn already_exists(what: Named<'_>) -> Self {
        Self::of(409, "AlreadyExists", what, format!("{} already exists", what.text()))
    }

    /// The name is taken by something that is on its way out.
    pub(crate) fn still_exists(what: Named<'_>) -> Self {
        let message = format!("object is being deleted: {} already exists", what.text());
        Self { message, ..Self::already_exists(what) }
    }

    pub(crate) fn conflict(what: Named<'_>, why: &str) -> Self {
        Self::of(409, "Conflict", what, format!("Operation cannot be fulfilled on {}: {why}", what.text()))
    }

    pub(crate) fn modified(what: Named<'_>) -> Self {
        Self::conflict(
            what,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// A server-side apply that would take fields of other managers.
    pub(crate) fn apply_conflict(message: String, causes: Vec<Cause>) -> Self {
        Self { details: Some(json!({"causes": encode(&causes)})), ..Self::new(409, "Conflict", message) }
    }

    pub(crate) fn forbidden(what: Named<'_>, why: &str) -> Self {
        Self::of(403, "Forbidden", what, format!("{} is forbidden: {why}", what.text()))
    }

    /// A new object in a namespace that is going away.
    pub(crate) fn terminating(what: Named<'_>, namespace: &str) -> Self {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut error = Self::forbidden(what, &why);
        if let Some(details) = &mut error.details {
            let message = format!("namespace {namespace} is being terminated");
            details["causes"] =
                json!([{"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}]);
        }
        error
    }

    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let dot = if group.is_empty() { "" } else { "." };
        let mut texts: Vec<String> = Vec::new();
        for text in causes.iter().map(|c| format!("{}: {}", c.field, c.message)) {
            // Each is told once, however often it is a cause.
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let text = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
        let mut details = json!({"causes": encode(&causes)});
        if !kind.is_empty() {
            details["kind"] = kind.into();
        }
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !group.is_empty() {
            details["group"] = group.into();
        }
        let message = format!("{kind}{dot}{group} \"{name}\" is invalid: {text}");
        Self { details: Some(details), ..Self::new(422, "Invalid", message) }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// A group, version or path that is nowhere: answered in plain text.
    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "", "404 page not found\n")
    }

    /// An applied object that does not fit its schema; a kube-apiserver calls that an error of its own.
    pub(crate) fn untyped(message: String) -> Self {
        Self::new(500, "", message)
    }

    /// A JSON patch that cannot be carried out.
    pub(crate) fn unprocessable() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
        }
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn too_large_version(asked: u64, current: u64) -> Self {
        let causes = json!([{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]);
        let details = json!({"causes": causes, "retryAfterSeconds": 1});
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        Self { details: Some(details), retry_after: Some(1), ..Self::new(504, "Timeout", message) }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    pub(crate) fn unsupported_media(accepted: &str) -> Self {
        let what = "the body of the request was in an unknown format - accepted media types include: ";
        Self::new(415, "UnsupportedMediaType", format!("{what}{accepted}"))
    }

    /// None of the parameters of the forms that are asked for are known.
    pub(crate) fn not_acceptable() -> Self {
        Self::unlike(
            "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
        )
    }

    /// The form that is asked for does not fit what is asked for.
    pub(crate) fn unlike(message: &str) -> Self {
        Self::new(406, "NotAcceptable", message)
    }

    /// None of the media types that are asked for is known.
    pub(crate) fn no_representation(many: bool) -> Self {
        let watch = ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
        let forms = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
        let message =
            format!("406: Not Acceptable\n\nAvailable representations: {forms}{}", if many { watch } else { "" });
        Self { details: Some(json!({})), ..Self::new(406, "NotAcceptable", message) }
    }

    /// A path that is only answered in JSON.
    pub(crate) fn json_only() -> Self {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json";
        Self { details: Some(json!({})), ..Self::new(406, "NotAcceptable", message) }
    }

    /// A patch in none of the forms of patches.
    pub(crate) fn unsupported_patch() -> Self {
        Self { details: Some(json!({})), ..Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type") }
    }

    pub(crate) fn too_big_because(why: &str) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: {why}"))
    }

    pub(crate) fn too_big() -> Self {
        Self::new(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    }

    /// Something a kube-apiserver has and this server has not.
    pub(crate) fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("embedded clusters do not serve {what}"))
    }

    /// The answer of the fault knob that refuses requests with a code of the test's choice.
    pub(crate) fn injected(code: u16, retry_after: Option<u32>) -> Self {
        let (reason, message) = match code {
            429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            _ => ("InternalError", "Internal error occurred: injected fault"),
        };
        let details = retry_after.map(|s| json!({"retryAfterSeconds": s}));
        Self { details, retry_after, ..Self::new(code, reason, message) }
    }

    /// What an admission webhook's refusal looks like to a client.
    pub(crate) fn denied(message: &str) -> Self {
        Self::new(403, "Forbidden", format!("admission webhook \"fault.devcluster\" denied the request: {message}"))
    }

    /// The answer to somebody who may not do this; everything that is not about a resource has no name and no kind.
    pub(crate) fn refused(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let mut details = json!({});
        for (field, text) in [("name", name), ("group", group), ("kind", plural)] {
            if !text.is_empty() {
                details[field] = text.into();
            }
        }
        let dot = if group.is_empty() { "" } else { "." };
        let what = match (plural.is_empty(), name.is_empty()) {
            (true, true) => String::new(),
            (_, true) => format!("{plural}{dot}{group} is "),
            (_, false) => format!("{plural}{dot}{group} \"{name}\" is "),
        };
        let message = format!("{what}forbidden: {why}");
        Self { details: Some(details), ..Self::new(403, "Forbidden", message) }
    }

    /// The same after warnings.
    pub(crate) fn after(mut self, warnings: Vec<String>) -> Self {
        self.before = if warnings.is_empty() { None } else { Some(Box::new(Warnings(warnings))) };
        self
    }

    /// What was warned of before it went wrong.
    pub(crate) fn warnings(&self) -> &[String] {
        self.before.as_ref().map(|before| before.0.as_slice()).unwrap_or_default()
    }

    /// The `Status` object that says it.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code});
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if let Some(token) = &self.resume {
            status["metadata"]["continue"] = token.as_str().into();
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}

fn encode(causes: &[Cause]) -> Value {
    causes.iter().map(|c| json!({"reason": c.reason, "message": c.message, "field": c.field})).collect()
}
