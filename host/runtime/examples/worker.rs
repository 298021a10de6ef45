//! A program that compiles when it is told to, as `motet-host` does: for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    motet_runtime::compile_worker(&arguments).unwrap_or(ExitCode::from(2))
}
