//! The engine of all plugins: its settings, its pool of sandboxes, its clock. A further one is made only for plugins that were
//! given a smaller stack, since wasmtime fixes the stack per engine.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use parking_lot::Mutex;

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    component::{HasSelf, Linker},
};

use crate::{artifact::ArtifactDir, bindings, compiler::Compiler, state::HostState};

/// How often guests are interrupted to yield and to have their CPU time counted.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// The stack that a guest gets if its limits say nothing, and the most that can be had, bytes.
const MAX_STACK: u64 = 1 << 20;

/// The least stack that is worth an engine, bytes.
const MIN_STACK: u64 = 64 << 10;

/// What an operator may size.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who compiles.
    pub compiler: Compiler,
    /// Components that are compiled at once; each takes one core.
    pub compilations: usize,
    /// Sandboxes that can exist at once. Each reserves 4 GiB of address space, no memory.
    pub sandboxes: u32,
    /// Bytes of a sandbox's memory that stay resident for the next one instead of going back to the kernel.
    pub keep_resident: usize,
    /// Largest linear memory any plugin may be given, bytes.
    pub max_memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self {
            compiler: Compiler::in_process(),
            compilations: cores,
            sandboxes: 256,
            keep_resident: 4 << 20,
            max_memory: 1 << 30,
        }
    }
}

/// The engine, the host functions and the store of compiled components. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    engines: Arc<Engines>,
    pub(crate) artifacts: Arc<ArtifactDir>,
    pub(crate) compiler: Compiler,
    pub(crate) compiling: Arc<tokio::sync::Semaphore>,
}

/// One engine and what is linked against it.
pub(crate) struct Sandboxes {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<HostState>,
    stack: u64,
}

/// By stack size in bytes, which [`stack_class`] keeps to five values.
struct Engines {
    settings: Settings,
    by_stack: Mutex<BTreeMap<u64, Arc<Sandboxes>>>,
}

impl Runtime {
    /// Builds the engine and starts its ticker. The error says which setting the machine refused.
    pub fn new(settings: &Settings, artifacts: ArtifactDir) -> Result<Self, wasmtime::Error> {
        let engines = Arc::new(Engines { settings: settings.clone(), by_stack: Mutex::default() });
        engines.of(MAX_STACK)?;
        start_ticker(&engines)?;
        let compiling = Arc::new(tokio::sync::Semaphore::new(settings.compilations.max(1)));
        Ok(Self { engines, artifacts: Arc::new(artifacts), compiler: settings.compiler.clone(), compiling })
    }

    /// Where guests with `stack` bytes run.
    pub(crate) fn sandboxes(&self, stack: u64) -> Result<Arc<Sandboxes>, wasmtime::Error> {
        self.engines.of(stack_class(stack))
    }
}

impl Engines {
    fn of(&self, stack: u64) -> Result<Arc<Sandboxes>, wasmtime::Error> {
        let mut by_stack = self.by_stack.lock();
        if let Some(found) = by_stack.get(&stack) {
            return Ok(found.clone());
        }
        let made = Arc::new(Sandboxes::new(&self.settings, stack)?);
        by_stack.insert(stack, made.clone());
        Ok(made)
    }

    fn tick(&self) {
        for sandboxes in self.by_stack.lock().values() {
            sandboxes.engine.increment_epoch();
        }
    }
}

impl Sandboxes {
    fn new(settings: &Settings, stack: u64) -> Result<Self, wasmtime::Error> {
        let engine = Engine::new(&config(settings, stack))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        bindings::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut HostState| state)?;
        Ok(Self { engine, linker, stack })
    }

    /// Whether guests that were given `stack` bytes run here.
    pub(crate) fn serves(&self, stack: u64) -> bool {
        self.stack == stack_class(stack)
    }
}

/// The next power of two from 64 KiB to 1 MiB, so that operators cannot ask for any number of engines.
fn stack_class(stack: u64) -> u64 {
    stack.clamp(MIN_STACK, MAX_STACK).next_power_of_two()
}

/// The settings that `field/wasmtime.md` measured: pooled instances, memory kept resident and reset by scanning the page
/// map where the kernel can, 4 GiB reservations so that no bounds check is needed, epochs rather than fuel.
fn config(settings: &Settings, stack: u64) -> Config {
    let slots = settings.sandboxes;
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(6))
        .total_memories(slots.saturating_mul(2))
        .total_tables(slots.saturating_mul(4))
        .total_stacks(slots)
        .max_core_instances_per_component(16)
        .max_memories_per_component(2)
        .max_tables_per_component(8)
        .max_component_instance_size(4 << 20)
        .max_memory_size(usize::try_from(settings.max_memory).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(settings.keep_resident)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = code_config(stack);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// What decides about the code: the same for the process that compiles and the one that runs.
fn code_config(stack: u64) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_component_model(true)
        .epoch_interruption(true)
        .memory_reservation(4 << 30)
        .max_wasm_stack(stack as usize)
        .async_stack_size(2 << 20)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16));
    config
}

/// An engine that only compiles: it reserves no address space for instances, and keeps to one core, since as many processes compile
/// at once as there are cores.
pub(crate) fn for_compiling(stack: u64) -> Result<Engine, wasmtime::Error> {
    Engine::new(code_config(stack_class(stack)).parallel_compilation(false))
}

/// One thread that advances the epochs; it ends with the last [`Runtime`].
fn start_ticker(engines: &Arc<Engines>) -> std::io::Result<()> {
    let engines = Arc::downgrade(engines);
    thread::Builder::new().name("motet-epoch".into()).spawn(move || {
        while let Some(engines) = engines.upgrade() {
            engines.tick();
            drop(engines);
            thread::sleep(TICK);
        }
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_come_in_powers_of_two() {
        for (asked, given) in [(0, 64), (64, 64), (65, 128), (300, 512), (1024, 1024), (9999, 1024)] {
            assert_eq!(stack_class(asked << 10), given << 10);
        }
    }
}
