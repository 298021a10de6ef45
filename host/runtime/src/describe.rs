//! What a component says about itself, asked twice under constants.

use std::{sync::Arc, time::Duration};

use motet_core::{PluginName, description::Description, outcome::ReconcileError, ports::Limits};

use crate::{
    compile::Compiled,
    kill,
    log_budget::LogBudget,
    state::{self, HostState, Purpose, Tags},
};

/// A description is a page of JSON; more is a mistake.
const MAX_BYTES: usize = 1 << 20;

/// Why a component's description cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// `describe` did not return.
    #[error("describe did not return: {0}")]
    Call(ReconcileError),
    /// Two calls gave different bytes.
    #[error("two calls of describe gave different answers: it must not depend on time, randomness or state")]
    Unstable,
    /// Too long.
    #[error("describe returned {0} bytes, at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// Not a description.
    #[error("describe did not return a description that this host understands: {0}")]
    Invalid(#[from] serde_json::Error),
}

impl Compiled {
    /// Asks the component to describe itself, under `plugin`'s name in the log.
    pub async fn describe(&self, plugin: &PluginName) -> Result<Description, DescribeError> {
        let first = self.describe_once(plugin).await.map_err(DescribeError::Call)?;
        if first != self.describe_once(plugin).await.map_err(DescribeError::Call)? {
            return Err(DescribeError::Unstable);
        }
        if first.len() > MAX_BYTES {
            return Err(DescribeError::TooLong(first.len()));
        }
        Ok(serde_json::from_slice(&first)?)
    }

    async fn describe_once(&self, plugin: &PluginName) -> Result<Vec<u8>, ReconcileError> {
        let limits = Limits::default();
        let logs = Arc::new(LogBudget::new(limits.log_bytes_per_second));
        let state = HostState::new(Arc::new(Tags::describing(plugin)), Purpose::Describe, &limits, logs);
        let mut store = state::store(&self.sandboxes.engine, state);
        let call = async {
            let plugin = self.pre.instantiate_async(&mut store).await?;
            plugin.motet_plugin_reconciler().call_describe(&mut store).await
        };
        match tokio::time::timeout(limits.deadline, call).await {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(kill::classify(&error, store.data())),
            Err(_) => Err(timed_out(limits.deadline)),
        }
    }
}

fn timed_out(deadline: Duration) -> ReconcileError {
    ReconcileError::Killed {
        class: motet_core::outcome::KillClass::Deadline,
        message: format!("took longer than {deadline:?}"),
    }
}
