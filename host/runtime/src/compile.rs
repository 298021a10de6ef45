//! From a component's bytes to something that can be instantiated, off the data path and once per digest.

use std::sync::Arc;

use bytes::Bytes;
use motet_core::Digest;
use semver::Version;
use wasmtime::{Engine, component::Component};

use crate::{
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

impl Runtime {
    /// Compiles `bytes` for guests with `stack` bytes of stack (rounded up to a power of two from 64 KiB to 1 MiB), or loads
    /// what an earlier compilation of the same digest left on disk.
    pub async fn compile(&self, bytes: Bytes, stack: u64) -> Result<Compiled, CompileError> {
        contract::check_header(&bytes)?;
        let host = |e: &dyn std::fmt::Display| CompileError::Host(e.to_string());
        // One at a time: compiling is the heaviest thing this process does, and nobody waits for it on the data path.
        let _permit = self.compiling.acquire().await.map_err(|e| host(&e))?;
        let runtime = self.clone();
        tokio::task::spawn_blocking(move || runtime.compile_blocking(&bytes, stack)).await.map_err(|e| host(&e))?
    }

    fn compile_blocking(&self, bytes: &[u8], stack: u64) -> Result<Compiled, CompileError> {
        let digest = Digest::of(bytes);
        let sandboxes = self.sandboxes(stack).map_err(|e| CompileError::Host(chain(&e)))?;
        let (component, cached) = match self.artifacts.load(&sandboxes.engine, &digest) {
            Some(component) => (component, true),
            None => (self.compile_fresh(&sandboxes.engine, bytes, &digest)?, false),
        };
        let contract = contract::check_exports(&sandboxes.engine, &component)?;
        let pre = sandboxes.linker.instantiate_pre(&component).map_err(|e| CompileError::Import(chain(&e)))?;
        let pre = PluginPre::new(pre).map_err(|e| CompileError::Invalid(chain(&e)))?;
        Ok(Compiled { sandboxes, pre: Arc::new(pre), digest, contract, size: bytes.len(), cached })
    }

    fn compile_fresh(&self, engine: &Engine, bytes: &[u8], digest: &Digest) -> Result<Component, CompileError> {
        let invalid = |e: wasmtime::Error| CompileError::Invalid(chain(&e));
        let artifact = engine.precompile_component(bytes).map_err(invalid)?;
        match self.artifacts.store(engine, digest, &artifact) {
            // Loaded from the file it was just written to: mapped pages cost no anonymous memory.
            Ok(()) => match self.artifacts.load(engine, digest) {
                Some(component) => Ok(component),
                None => Component::new(engine, bytes).map_err(invalid),
            },
            Err(error) => {
                tracing::warn!(%digest, %error, "the compiled component could not be kept on disk; it will be compiled again at the next start");
                Component::new(engine, bytes).map_err(invalid)
            }
        }
    }
}

fn chain(error: &wasmtime::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
