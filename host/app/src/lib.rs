//! The host: arguments, wiring in data-flow order, HTTP, and a shutdown in reverse order.
//!
//! This is the only crate that knows all the others; nobody knows it.

mod access;
mod api;
pub mod args;
mod budget;
mod cache;
mod exposition;
mod fence;
mod host;
mod http;
mod hub;
mod hub_writes;
mod lease;
mod logs;
mod metrics;
mod plugin_status;
mod publish;
mod serve;
mod shutdown;
mod tls;
mod transitions;
mod wiring;

use std::process::ExitCode;

use args::Args;

/// Runs the host until it is told to stop. 0 after a clean stop, 1 when it could not run, 2 for bad usage or config.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = motet_runtime::compile_worker(&arguments) {
        return code;
    }
    let args = match Args::read(std::env::args_os().collect::<Vec<_>>()) {
        Ok(args) => args,
        Err(error) => {
            // Nothing can be done about a closed terminal.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Err(error) = logs::init(&args) {
        eprintln!("motet-host: {error:#}");
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("motet-host: the async runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(wiring::run(args)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("motet-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}
