//! Starts the process that compiles, feeds it, and tells what became of it.

use std::{
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use crate::{CompileLimits, compile::CompileError, worker};

/// Bytes of code at most: machine code is several times as large as what it is made from.
const MAX_CODE: u64 = 1 << 30;
/// Bytes of what the process says.
const MAX_SAID: u64 = 16 << 10;

/// Who compiles.
#[derive(Debug, Clone)]
pub struct Compiler {
    /// None: this process, with none of the limits.
    program: Option<PathBuf>,
    limits: CompileLimits,
}

impl Compiler {
    /// A process of its own per component: `program` is one whose `main` calls [`crate::compile_worker`] first.
    pub fn process(program: PathBuf, limits: CompileLimits) -> Self {
        Self { program: Some(program), limits }
    }

    /// This process: for components that are trusted, and for tests of what comes after.
    pub fn in_process() -> Self {
        Self { program: None, limits: CompileLimits::default() }
    }

    /// The code of a component for guests with `stack` bytes; none where this process is to compile it.
    pub(crate) async fn compile(&self, component: &[u8], stack: u64) -> Result<Option<Vec<u8>>, CompileError> {
        let Some(program) = &self.program else { return Ok(None) };
        if component.len() as u64 > self.limits.component {
            let (has, most) = (component.len(), self.limits.component);
            return Err(CompileError::Limit(format!("it has {has} bytes; at most {most} are compiled")));
        }
        let failed =
            |e: std::io::Error| CompileError::Host(format!("{} cannot be started to compile: {e}", program.display()));
        let mut child = Command::new(program)
            .args(worker::arguments(stack, &self.limits))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let talked = tokio::time::timeout(self.limits.deadline, talk(&mut child, component)).await;
        let Ok(talked) = talked else {
            return Err(CompileError::Limit(format!("it takes longer than {:?} to compile", self.limits.deadline)));
        };
        let (status, code, said) =
            talked.map_err(|e| CompileError::Host(format!("talking to the compiling process: {e}")))?;
        if status.success() { Ok(Some(code)) } else { Err(self.judge(status, &said)) }
    }

    /// What the end of the process means.
    fn judge(&self, status: ExitStatus, said: &str) -> CompileError {
        let CompileLimits { memory, cpu_seconds, .. } = self.limits;
        let out_of_memory = said.contains("memory allocation of") || said.contains("Cannot allocate memory");
        if status.code() == Some(i32::from(worker::INVALID)) && !out_of_memory {
            return CompileError::Invalid(said.to_owned());
        }
        match status.signal() {
            Some(libc::SIGXCPU | libc::SIGKILL) => {
                CompileError::Limit(format!("it takes more than {cpu_seconds} s of CPU to compile"))
            }
            _ if out_of_memory => {
                CompileError::Limit(format!("it takes more than {} MiB of memory to compile", memory >> 20))
            }
            Some(signal) => CompileError::Limit(format!("the compiler died of it (signal {signal}): {said}")),
            None => CompileError::Host(said.to_owned()),
        }
    }
}

/// Feeds the component and takes the code, both at once, so that no pipe fills up while nobody reads.
async fn talk(child: &mut Child, component: &[u8]) -> std::io::Result<(ExitStatus, Vec<u8>, String)> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A process that ended early says why elsewhere.
            let _ = stdin.write_all(component).await;
        }
    };
    let take = async move {
        let mut code = Vec::new();
        if let Some(stdout) = stdout {
            stdout.take(MAX_CODE).read_to_end(&mut code).await?;
        }
        Ok::<_, std::io::Error>(code)
    };
    let hear = async move {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            stderr.take(MAX_SAID).read_to_end(&mut said).await?;
        }
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&said).trim().to_owned())
    };
    let ((), code, said) = tokio::join!(feed, take, hear);
    Ok((child.wait().await?, code?, said?))
}
