//! Between the contract's types and the host's words.

use std::time::Duration;

use bytes::Bytes;
use motet_core::{
    ApiError, Gvk, ObjectName, ObjectRef, Target,
    outcome::{EventIntent, Failure, Intent, Next, Outcome, PatchKind},
    request::{Rejected, Request},
};

use crate::bindings::motet::plugin::types as wit;

pub(crate) fn gvk(gvk: &wit::Gvk) -> Gvk {
    Gvk::new(&gvk.group, &gvk.version, &gvk.kind)
}

pub(crate) fn object_ref(object: &wit::ObjectRef) -> ObjectRef {
    let name = match &object.name.namespace {
        Some(namespace) => ObjectName::namespaced(namespace, &object.name.name),
        None => ObjectName::cluster(&object.name.name),
    };
    ObjectRef { gvk: gvk(&object.gvk), name }
}

pub(crate) fn api_error(error: ApiError) -> wit::ApiError {
    wit::ApiError {
        code: error.code,
        reason: error.reason,
        message: error.message,
        retry_after_ms: error.retry_after.map(millis),
    }
}

pub(crate) fn request(request: Request) -> wit::Request {
    let member = &*request.member;
    wit::Request {
        member: wit::Member { name: member.name.to_string(), uid: member.uid.clone(), labels: member.labels.clone() },
        target: match &request.target {
            Target::Member => wit::Target::Member,
            Target::Object(name) => wit::Target::Object(object_name(name)),
        },
        primary: request.primary.map(|b| b.to_vec()),
        deleting: request.deleting,
        attempt: request.attempt,
        deadline_ms: millis(request.deadline),
        config: request.config.to_vec(),
        previous: request.previous.iter().map(rejected).collect(),
    }
}

fn object_name(name: &ObjectName) -> wit::ObjectName {
    wit::ObjectName { namespace: name.namespace.as_deref().map(String::from), name: name.name.to_string() }
}

fn rejected(rejected: &Rejected) -> wit::Rejected {
    let Rejected { object, verb, error } = rejected;
    wit::Rejected {
        object: wit::ObjectRef {
            gvk: wit::Gvk {
                group: object.gvk.group.to_string(),
                version: object.gvk.version.to_string(),
                kind: object.gvk.kind.to_string(),
            },
            name: object_name(&object.name),
        },
        verb: (*verb).to_string(),
        code: error.code,
        reason: error.reason.clone(),
        causes: error
            .causes
            .iter()
            .map(|c| wit::Cause { reason: c.reason.clone(), message: c.message.clone(), field: c.field.clone() })
            .collect(),
        message: error.message.clone(),
    }
}

pub(crate) fn outcome(outcome: wit::Outcome) -> Outcome {
    Outcome {
        intents: outcome.intents.into_iter().map(intent).collect(),
        next: match outcome.next {
            wit::Next::Changed => Next::Changed,
            wit::Next::Requeue => Next::Requeue,
            wit::Next::After(ms) => Next::After(Duration::from_millis(ms)),
        },
        keep_finalizer: outcome.keep_finalizer,
    }
}

fn intent(intent: wit::Intent) -> Intent {
    match intent {
        wit::Intent::Apply(a) => Intent::Apply { object: a.object.into(), force: a.force },
        wit::Intent::ApplySet(s) => {
            Intent::ApplySet { name: s.name, objects: s.objects.into_iter().map(Bytes::from).collect(), force: s.force }
        }
        wit::Intent::Status(object) => Intent::Status { object: object.into() },
        wit::Intent::Patch(p) => Intent::Patch {
            target: object_ref(&p.target),
            subresource: p.subresource,
            kind: match p.kind {
                wit::PatchKind::Merge => PatchKind::Merge,
                wit::PatchKind::Json => PatchKind::Json,
            },
            body: p.body.into(),
        },
        wit::Intent::Delete(d) => {
            Intent::Delete { target: object_ref(&d.target), uid: d.uid, resource_version: d.resource_version }
        }
        wit::Intent::Event(e) => Intent::Event(EventIntent {
            regarding: object_ref(&e.regarding),
            warning: e.warning,
            reason: e.reason,
            action: e.action,
            note: e.note,
        }),
    }
}

pub(crate) fn failure(failure: wit::Failure) -> Failure {
    match failure {
        wit::Failure::Retry(r) => Failure::Retry { message: r.message, after: r.after_ms.map(Duration::from_millis) },
        wit::Failure::Terminal(message) => Failure::Terminal { message },
        wit::Failure::NotGranted(message) => Failure::NotGranted { message },
        wit::Failure::Api(e) => Failure::Api {
            code: e.code,
            reason: e.reason,
            message: e.message,
            retry_after: e.retry_after_ms.map(Duration::from_millis),
        },
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
