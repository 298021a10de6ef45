//! One reconcile in one fresh instance: nothing is shared with any other, and whatever happens in it ends with it.

use std::sync::Arc;

use async_trait::async_trait;
use motet_core::{
    PluginName,
    outcome::{Intent, KillClass, Outcome, ReconcileError},
    ports::{HostCalls, Limits, Sandbox},
    request::Request,
};

use crate::{
    bindings::exports::motet::plugin::reconciler,
    compile::Compiled,
    convert, kill,
    log_budget::LogBudget,
    state::{self, HostState, Purpose, Tags},
};

/// A plugin that can run.
struct PluginSandbox {
    compiled: Compiled,
    plugin: Arc<str>,
    logs: Arc<LogBudget>,
}

impl Compiled {
    /// The component as the sandbox of `plugin`.
    pub fn sandbox(&self, plugin: &PluginName) -> Arc<dyn Sandbox> {
        Arc::new(PluginSandbox {
            compiled: self.clone(),
            plugin: plugin.as_str().into(),
            logs: Arc::new(LogBudget::new(Limits::default().log_bytes_per_second)),
        })
    }
}

#[async_trait]
impl Sandbox for PluginSandbox {
    async fn reconcile(&self, request: Request, limits: &Limits, calls: HostCalls) -> Result<Outcome, ReconcileError> {
        self.logs.set_rate(limits.log_bytes_per_second);
        let tags = Tags {
            plugin: self.plugin.clone(),
            member: request.member.name.as_str().into(),
            key: request.target.to_string().into(),
        };
        let deadline = request.deadline;
        let state = HostState::new(Arc::new(tags), Purpose::Reconcile(calls), limits, self.logs.clone());
        let mut store = state::store(&self.compiled.sandboxes.engine, state);
        let request = convert::request(request);
        // A wall deadline over everything: a guest that computes yields every tick, one that waits in a host call is dropped
        // with its store.
        let call = async {
            let plugin = self.compiled.pre.instantiate_async(&mut store).await?;
            plugin.motet_plugin_reconciler().call_reconcile(&mut store, &request).await
        };
        let returned = tokio::time::timeout(deadline, call).await;
        match returned {
            Err(_) => {
                Err(killed(KillClass::Deadline, format!("took longer than limits.deadline allows ({deadline:?})")))
            }
            Ok(Err(error)) => Err(kill::classify(&error, store.data())),
            Ok(Ok(Err(failure))) => Err(convert::failure(failure).into()),
            Ok(Ok(Ok(outcome))) => checked(outcome, limits),
        }
    }
}

fn killed(class: KillClass, message: String) -> ReconcileError {
    ReconcileError::Killed { class, message }
}

/// Holds an outcome against the plugin's limits.
fn checked(outcome: reconciler::Outcome, limits: &Limits) -> Result<Outcome, ReconcileError> {
    let outcome = convert::outcome(outcome);
    let (mut intents, mut bytes) = (0, 0);
    for intent in &outcome.intents {
        let (n, size) = weigh(intent);
        intents += n;
        bytes += size;
    }
    if intents > limits.intents {
        return Err(killed(
            KillClass::Limit,
            format!("returned {intents} intents, limits.intents allows {}", limits.intents),
        ));
    }
    if bytes > limits.outcome_bytes {
        let allowed = limits.outcome_bytes;
        return Err(killed(KillClass::Limit, format!("returned {bytes} bytes, limits.outcomeBytes allows {allowed}")));
    }
    Ok(outcome)
}

/// How many intents one counts as, and its bytes.
fn weigh(intent: &Intent) -> (u64, u64) {
    let (n, bytes) = match intent {
        Intent::Apply { object, .. } | Intent::Status { object } => (1, object.len()),
        Intent::ApplySet { objects, .. } => (objects.len().max(1), objects.iter().map(|o| o.len()).sum()),
        Intent::Patch { body, .. } => (1, body.len()),
        Intent::Delete { .. } => (1, 0),
        Intent::Event(event) => (1, event.reason.len() + event.action.len() + event.note.len()),
    };
    (n as u64, bytes as u64)
}
