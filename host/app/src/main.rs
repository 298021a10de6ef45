//! The binary `motet-host`: everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    motet_host::main()
}
