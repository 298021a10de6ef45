//! Glue between the generated bindings and a [`Plugin`]; the attribute's code calls it, nobody else does.

use std::time::Duration;

use crate::{
    Context, Error, Intent, Member, Next, ObjectRef, Outcome, Plugin, Query, Rejected, Result, Target,
    bindings::{
        exports::motet::plugin::reconciler::{Failure, Outcome as WitOutcome, Request},
        motet::plugin::{reads, types as wit},
    },
    json, logging,
    reader::{Page, Reader},
};

/// The answer to `describe`, of which all but the config's schema was written at compile time.
pub fn describe<P: Plugin>(json: &[u8]) -> Vec<u8> {
    logging::init();
    // Decided at compile time: without a config nothing of schemas is in the component.
    match P::DESCRIPTION.config {
        Some(schema) => with_schema(json, schema),
        None => json.to_vec(),
    }
}

/// Adds the schema as the last field of the object that `json` is.
pub(crate) fn with_schema(json: &[u8], schema: fn() -> schemars::Schema) -> Vec<u8> {
    let mut json = json.to_vec();
    if let Ok(schema) = json::to_vec(schema().as_value()) {
        json.pop();
        json.extend_from_slice(br#","config":"#);
        json.extend_from_slice(&schema);
        json.push(b'}');
    }
    json
}

/// The answer to `reconcile`.
pub fn reconcile<P: Plugin>(request: Request) -> std::result::Result<WitOutcome, Failure> {
    logging::init();
    run::<P>(request).map(wit_outcome).map_err(failure)
}

fn run<P: Plugin>(request: Request) -> Result<Outcome> {
    let config = match request.config.as_slice() {
        [] | b"null" => P::Config::default(),
        json => json::from_slice(json)
            .map_err(|e| Error::terminal(format!("the config does not fit the plugin's config type: {e}")))?,
    };
    let ctx = Context {
        member: Member { name: request.member.name, uid: request.member.uid, labels: request.member.labels },
        target: match request.target {
            wit::Target::Member => Target::Member,
            wit::Target::Object(name) => Target::Object { namespace: name.namespace, name: name.name },
        },
        primary: request.primary,
        deleting: request.deleting,
        attempt: request.attempt,
        deadline: Duration::from_millis(request.deadline_ms),
        config,
        previous: request.previous.into_iter().map(rejected).collect(),
        reader: Box::new(HostReader),
    };
    P::reconcile(&ctx)?.check()
}

/// Reads through the host.
struct HostReader;

impl Reader for HostReader {
    fn get_many(&self, objects: &[ObjectRef]) -> Vec<Result<Option<Vec<u8>>>> {
        let objects: Vec<_> = objects.iter().map(wit_ref).collect();
        reads::get_many(&objects).into_iter().map(|r| r.map_err(read_error)).collect()
    }

    fn list(&self, query: &Query, page: Option<String>) -> Result<Page> {
        let query = reads::Query {
            gvk: wit_gvk(&query.gvk),
            namespace: query.namespace.clone(),
            labels: query.labels.clone(),
            limit: query.limit,
            page,
        };
        reads::list(&query).map(|p| Page { items: p.items, next: p.next }).map_err(read_error)
    }
}

fn read_error(error: reads::ReadError) -> Error {
    match error {
        reads::ReadError::NotGranted(message) => Error::NotGranted { message },
        reads::ReadError::Api(e) => Error::Api {
            code: e.code,
            reason: e.reason,
            message: e.message,
            retry_after: e.retry_after_ms.map(Duration::from_millis),
        },
    }
}

fn wit_gvk(gvk: &crate::Gvk) -> wit::Gvk {
    wit::Gvk { group: gvk.group.clone(), version: gvk.version.clone(), kind: gvk.kind.clone() }
}

fn wit_ref(object: &ObjectRef) -> wit::ObjectRef {
    wit::ObjectRef {
        gvk: wit_gvk(&object.gvk),
        name: wit::ObjectName { namespace: object.namespace.clone(), name: object.name.clone() },
    }
}

fn rejected(rejected: wit::Rejected) -> Rejected {
    let wit::ObjectRef { gvk, name } = rejected.object;
    Rejected {
        object: ObjectRef {
            gvk: crate::Gvk { group: gvk.group, version: gvk.version, kind: gvk.kind },
            namespace: name.namespace,
            name: name.name,
        },
        verb: rejected.verb,
        code: rejected.code,
        reason: rejected.reason,
        message: rejected.message,
        causes: rejected.causes.into_iter().map(|c| (c.field, c.message)).collect(),
    }
}

fn wit_outcome(outcome: Outcome) -> WitOutcome {
    WitOutcome {
        intents: outcome.intents.into_iter().map(wit_intent).collect(),
        next: match outcome.next {
            Next::Changed => wit::Next::Changed,
            Next::Requeue => wit::Next::Requeue,
            Next::After(after) => wit::Next::After(millis(after)),
        },
        keep_finalizer: outcome.keep_finalizer,
    }
}

fn wit_intent(intent: Intent) -> wit::Intent {
    match intent {
        Intent::Apply { object, force } => wit::Intent::Apply(wit::Apply { object, force }),
        Intent::ApplySet { name, objects, force } => wit::Intent::ApplySet(wit::ApplySet { name, objects, force }),
        Intent::Status(object) => wit::Intent::Status(object),
        Intent::Patch { target, subresource, json_patch, body } => wit::Intent::Patch(wit::Patch {
            target: wit_ref(&target),
            subresource,
            kind: if json_patch { wit::PatchKind::Json } else { wit::PatchKind::Merge },
            body,
        }),
        Intent::Delete { target, uid, resource_version } => {
            wit::Intent::Delete(wit::Delete { target: wit_ref(&target), uid, resource_version })
        }
        Intent::Event { regarding, warning, reason, note } => wit::Intent::Event(wit::Event {
            regarding: wit_ref(&regarding),
            warning,
            action: reason.clone(),
            reason,
            note,
        }),
    }
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Retry { message, after } => Failure::Retry(wit::Retry { message, after_ms: after.map(millis) }),
        Error::Terminal { message } => Failure::Terminal(message),
        Error::NotGranted { message } => Failure::NotGranted(message),
        Error::Api { code, reason, message, retry_after } => {
            Failure::Api(wit::ApiError { code, reason, message, retry_after_ms: retry_after.map(millis) })
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
