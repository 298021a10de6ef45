//! `motet`: the author's and operator's command line. One file per command; each prints to stdout and says on stderr, in one
//! line, what went wrong.

mod args;
mod inspect;
mod member;
mod new;
mod plugin;
mod rbac;
mod status;

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use args::{Cli, Command, Member};
use clap::{CommandFactory as _, Parser as _};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let printed = run(cli.command).and_then(|text| Ok(std::io::stdout().write_all(text.as_bytes())?));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("motet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What a command prints.
fn run(command: Command) -> Result<String> {
    match command {
        Command::New(new) => new::run(&new),
        Command::Inspect { file } => inspect::run(&file),
        Command::Rbac(rbac) => rbac::run(&rbac),
        Command::Member(Member::Add(add)) => member::run(&add),
        Command::Status { host } => status::run(&host),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "motet", &mut script);
            Ok(String::from_utf8_lossy(&script).into_owned())
        }
    }
}

/// Runs what needs the network.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
