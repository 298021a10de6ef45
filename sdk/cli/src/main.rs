//! `motet`: the author's and operator's command line. One file per command; each prints to stdout and says on stderr, in one
//! line, what went wrong.

mod args;
mod config_map;
mod describe;
mod host;
mod hub;
mod image;
mod inspect;
mod member;
mod new;
mod plugin;
mod push;
mod rbac;
mod rollback;
mod status;

use std::{io::Write as _, process::ExitCode};

use anyhow::Result;
use args::{Cli, Command, Member};
use clap::{CommandFactory as _, Parser as _};

/// What a command answers.
#[derive(Debug)]
struct Answer {
    text: String,
    /// Whether what was asked about is as it should be; a script sees 3 where it is not.
    well: bool,
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self { text, well: true }
    }
}

/// 0 when all is well, 1 when it could not be done, 2 for wrong usage (clap's), 3 when what was asked about is not well.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = motet_runtime::compile_worker(&arguments) {
        return code;
    }
    let cli = Cli::parse();
    let printed = run(cli.command).and_then(|answer| {
        std::io::stdout().write_all(answer.text.as_bytes())?;
        Ok(answer.well)
    });
    match printed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            eprintln!("motet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Answer> {
    match command {
        Command::New(new) => new::run(&new).map(Answer::from),
        Command::Inspect(inspect) => inspect::run(&inspect),
        Command::Push(push) => push::run(&push).map(Answer::from),
        Command::Rollback(rollback) => rollback::run(&rollback).map(Answer::from),
        Command::Rbac(rbac) => rbac::run(&rbac).map(Answer::from),
        Command::Member(Member::Add(add)) => member::run(&add).map(Answer::from),
        Command::Status(status) => status::run(&status),
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "motet", &mut script);
            Ok(String::from_utf8_lossy(&script).into_owned().into())
        }
    }
}

/// Runs what needs the network.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
