//! `motet:plugin/log`: a guest's log lines as tracing events, tagged with plugin, member and key.

use tracing::level_filters::LevelFilter;

use crate::{
    bindings::motet::plugin::log::{Host, Level},
    state::HostState,
};

/// Bytes of one line that are kept.
const MAX_MESSAGE: usize = 16 << 10;

impl Host for HostState {
    async fn max_level(&mut self) -> wasmtime::Result<Level> {
        Ok(match LevelFilter::current() {
            LevelFilter::TRACE => Level::Trace,
            LevelFilter::DEBUG => Level::Debug,
            LevelFilter::INFO => Level::Info,
            LevelFilter::WARN => Level::Warn,
            _ => Level::Error,
        })
    }

    async fn log(
        &mut self,
        level: Level,
        target: String,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let size = message.len() + target.len() + fields.iter().map(|(k, v)| k.len() + v.len() + 2).sum::<usize>();
        if !self.logs.take(&self.tags.member, size.min(MAX_MESSAGE)) {
            return Ok(());
        }
        let mut text = message;
        for (key, value) in fields {
            text.push_str(&format!(" {key}={value}"));
        }
        text.truncate(text.floor_char_boundary(MAX_MESSAGE));
        let (plugin, member, key) = (&self.tags.plugin, &self.tags.member, &self.tags.key);
        macro_rules! emit {
            ($level:ident) => {
                tracing::$level!(target: "plugin", %plugin, %member, %key, module = %target, "{text}")
            };
        }
        match level {
            Level::Trace => emit!(trace),
            Level::Debug => emit!(debug),
            Level::Info => emit!(info),
            Level::Warn => emit!(warn),
            Level::Error => emit!(error),
        }
        Ok(())
    }
}
