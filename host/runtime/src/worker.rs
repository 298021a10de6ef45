//! The process that compiles: confined first, it reads one component from stdin and writes its code to stdout.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use crate::{confine, confine::CompileLimits, engine};

/// The component is at fault; stderr says how.
pub(crate) const INVALID: u8 = 3;
/// This machine is at fault; stderr says how.
const FAILED: u8 = 4;

/// The arguments after the program's own that make it this process: stack, memory, CPU seconds, component bytes.
pub(crate) fn arguments(stack: u64, limits: &CompileLimits) -> [String; 5] {
    let CompileLimits { memory, cpu_seconds, component, .. } = limits;
    [WORKER.into(), stack.to_string(), memory.to_string(), cpu_seconds.to_string(), component.to_string()]
}

/// The first argument of a process that is to compile.
pub const WORKER: &str = "compile-worker";

/// Compiles and ends, if the program was started for that: `arguments` are those after its name. To be called first in `main`, by
/// the program that [`crate::Compiler::process`] names.
pub fn compile_worker(arguments: &[String]) -> Option<ExitCode> {
    let (first, rest) = arguments.split_first()?;
    if first != WORKER {
        return None;
    }
    let numbers: Option<Vec<u64>> = rest.iter().map(|a| a.parse().ok()).collect();
    let Some([stack, memory, cpu_seconds, component]) = numbers.as_deref() else {
        return Some(fail(FAILED, "the compiling process is started by the host only"));
    };
    let limits =
        CompileLimits { memory: *memory, cpu_seconds: *cpu_seconds, component: *component, ..CompileLimits::default() };
    Some(match compile(*stack, &limits) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, message)) => fail(code, &message),
    })
}

fn fail(code: u8, message: &str) -> ExitCode {
    // Nobody is there to be told that nobody is there.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::from(code)
}

fn compile(stack: u64, limits: &CompileLimits) -> Result<(), (u8, String)> {
    let engine = engine::for_compiling(stack).map_err(|e| (FAILED, format!("{e:#}")))?;
    confine::confine(limits).map_err(|e| (FAILED, e))?;
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(limits.component + 1).read_to_end(&mut bytes);
    read.map_err(|e| (FAILED, format!("reading the component: {e}")))?;
    if bytes.len() as u64 > limits.component {
        return Err((INVALID, format!("it has more than {} bytes", limits.component)));
    }
    let code = engine.precompile_component(&bytes).map_err(|e| (INVALID, format!("{e:#}")))?;
    let mut out = io::stdout().lock();
    out.write_all(&code).and_then(|()| out.flush()).map_err(|e| (FAILED, format!("handing over the code: {e}")))
}
