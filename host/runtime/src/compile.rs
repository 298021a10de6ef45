//! From a component's bytes to something that can be instantiated, off the data path and once per digest.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::Digest;
use semver::Version;
use wasmtime::component::Component;

use crate::{
    artifact,
    bindings::PluginPre,
    contract::{self, ContractError},
    engine::{Runtime, Sandboxes},
    state::HostState,
};

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It does not speak the contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// It is not valid WebAssembly, or needs more of a sandbox than there is.
    #[error("the component does not compile: {0}")]
    Invalid(String),
    /// It imports what the host does not offer.
    #[error("the component imports what this host does not offer: {0}")]
    Import(String),
    /// Compiling it takes more than it may.
    #[error("the component is not compiled: {0}")]
    Limit(String),
    /// The host failed.
    #[error("the host could not compile the component: {0}")]
    Host(String),
}

/// A compiled component, ready to be instantiated any number of times.
#[derive(Clone)]
pub struct Compiled {
    pub(crate) sandboxes: Arc<Sandboxes>,
    pub(crate) pre: Arc<PluginPre<HostState>>,
    digest: Digest,
    contract: Version,
    size: usize,
    cached: bool,
}

impl Compiled {
    /// The digest of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The contract version it is built for.
    pub fn contract(&self) -> &Version {
        &self.contract
    }

    /// Bytes of the component as fetched.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether it runs with the stack that `limits.stack` gives, bytes; else it has to be compiled for that.
    pub fn has_stack(&self, stack: u64) -> bool {
        self.sandboxes.serves(stack)
    }

    /// Whether the compiled code came from the disk cache.
    pub fn cached(&self) -> bool {
        self.cached
    }
}

impl CompileError {
    /// The reason as an UpperCamelCase word that does not change.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Limit(_) => "CompileLimit",
            Self::Host(_) => "CompilerFailed",
            Self::Contract(_) | Self::Invalid(_) | Self::Import(_) => "CompileFailed",
        }
    }
}

impl Runtime {
    /// Compiles `bytes` for guests with `stack` bytes of stack (rounded up to a power of two from 64 KiB to 1 MiB), or loads
    /// what an earlier compilation of the same digest left on disk.
    pub async fn compile(&self, bytes: Bytes, stack: u64) -> Result<Compiled, CompileError> {
        contract::check_header(&bytes)?;
        let host = |e: &dyn std::fmt::Display| CompileError::Host(e.to_string());
        let _permit = self.compiling.acquire().await.map_err(|e| host(&e))?;
        let (runtime, digest) = (self.clone(), Digest::of(&bytes));
        let size = bytes.len();
        let known = tokio::task::spawn_blocking(move || runtime.known(digest, size, stack));
        if let Some(compiled) = known.await.map_err(|e| host(&e))?? {
            return Ok(compiled);
        }
        let code = self.compiler.compile(&bytes, stack).await?;
        let runtime = self.clone();
        let fresh = tokio::task::spawn_blocking(move || runtime.fresh(&bytes, digest, stack, code));
        fresh.await.map_err(|e| host(&e))?
    }

    /// What an earlier compilation left on disk.
    fn known(&self, digest: Digest, size: usize, stack: u64) -> Result<Option<Compiled>, CompileError> {
        let sandboxes = self.sandboxes(stack).map_err(|e| CompileError::Host(chain(&e)))?;
        let Some(component) = self.artifacts.load(&sandboxes.engine, &digest) else { return Ok(None) };
        link(sandboxes, &component, digest, size, true).map(Some)
    }

    /// New code: out of the process that compiled it, or made here.
    fn fresh(&self, bytes: &[u8], digest: Digest, stack: u64, code: Option<Vec<u8>>) -> Result<Compiled, CompileError> {
        let sandboxes = self.sandboxes(stack).map_err(|e| CompileError::Host(chain(&e)))?;
        let engine = &sandboxes.engine;
        let invalid = |e: wasmtime::Error| CompileError::Invalid(chain(&e));
        let code = match code {
            Some(code) => code,
            None => engine.precompile_component(bytes).map_err(invalid)?,
        };
        if let Err(error) = self.artifacts.store(engine, &digest, &code) {
            tracing::warn!(%digest, %error, "the compiled component could not be kept on disk; it will be compiled again at the next start");
        }
        // Loaded from the file it was just written to: mapped pages cost no anonymous memory.
        let component = match self.artifacts.load(engine, &digest) {
            Some(component) => component,
            None => artifact::load_code(engine, &code).map_err(invalid)?,
        };
        link(sandboxes, &component, digest, bytes.len(), false)
    }
}

fn link(
    sandboxes: Arc<Sandboxes>,
    component: &Component,
    digest: Digest,
    size: usize,
    cached: bool,
) -> Result<Compiled, CompileError> {
    let contract = contract::check_exports(&sandboxes.engine, component)?;
    let pre = sandboxes.linker.instantiate_pre(component).map_err(|e| CompileError::Import(chain(&e)))?;
    let pre = PluginPre::new(pre).map_err(|e| CompileError::Invalid(chain(&e)))?;
    Ok(Compiled { sandboxes, pre: Arc::new(pre), digest, contract, size, cached })
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
