//! Sends `log` records (and `tracing` events, by that crate's `log` feature) and panic messages to the host.

use std::panic;

use log::{LevelFilter, Log, Metadata, Record};

use crate::bindings::motet::plugin::log as host;

struct HostLog;

static LOG: HostLog = HostLog;

/// Installs the logger and the panic hook; a no-op the second time.
pub(crate) fn init() {
    if log::set_logger(&LOG).is_err() {
        return;
    }
    log::set_max_level(match host::max_level() {
        host::Level::Trace => LevelFilter::Trace,
        host::Level::Debug => LevelFilter::Debug,
        host::Level::Info => LevelFilter::Info,
        host::Level::Warn => LevelFilter::Warn,
        host::Level::Error => LevelFilter::Error,
    });
    panic::set_hook(Box::new(|info| host::log(host::Level::Error, "panic", &info.to_string(), &[])));
}

impl Log for HostLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            log::Level::Error => host::Level::Error,
            log::Level::Warn => host::Level::Warn,
            log::Level::Info => host::Level::Info,
            log::Level::Debug => host::Level::Debug,
            log::Level::Trace => host::Level::Trace,
        };
        host::log(level, record.target(), &record.args().to_string(), &[]);
    }

    fn flush(&self) {}
}
