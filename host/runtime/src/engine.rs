//! One engine for all plugins: its settings, its pool of sandboxes, its clock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    component::{HasSelf, Linker},
};

use crate::{artifact::ArtifactDir, bindings, state::HostState};

/// How often guests are interrupted to yield and to have their CPU time counted.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Host stack that a guest may use, bytes. One value for all: wasmtime fixes it per engine.
pub(crate) const MAX_STACK: u64 = 1 << 20;

/// What an operator may size.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sandboxes that can exist at once. Each reserves 4 GiB of address space, no memory.
    pub sandboxes: u32,
    /// Bytes of a sandbox's memory that stay resident for the next one instead of going back to the kernel.
    pub keep_resident: usize,
    /// Largest linear memory any plugin may be given, bytes.
    pub max_memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { sandboxes: 128, keep_resident: 4 << 20, max_memory: 1 << 30 }
    }
}

/// The engine, the host functions and the store of compiled components. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Arc<Linker<HostState>>,
    pub(crate) artifacts: Arc<ArtifactDir>,
    pub(crate) compiling: Arc<tokio::sync::Semaphore>,
    _ticker: Arc<Ticker>,
}

impl Runtime {
    /// Builds the engine and starts its ticker. The error says which setting the machine refused.
    pub fn new(settings: &Settings, artifacts: ArtifactDir) -> Result<Self, wasmtime::Error> {
        let engine = Engine::new(&config(settings))?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        bindings::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut HostState| state)?;
        let ticker = Arc::new(Ticker::start(&engine)?);
        Ok(Self {
            engine,
            linker: Arc::new(linker),
            artifacts: Arc::new(artifacts),
            compiling: Arc::new(tokio::sync::Semaphore::new(1)),
            _ticker: ticker,
        })
    }
}

/// The settings that `field/wasmtime.md` measured: pooled instances, memory kept resident and reset by scanning the page
/// map where the kernel can, 4 GiB reservations so that no bounds check is needed, epochs rather than fuel.
fn config(settings: &Settings) -> Config {
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
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_component_model(true)
        .epoch_interruption(true)
        .memory_reservation(4 << 30)
        .max_wasm_stack(MAX_STACK as usize)
        .async_stack_size(2 << 20)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// One thread that advances the engine's epoch; it ends with the last [`Runtime`].
struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Ticker {
    fn start(engine: &Engine) -> Result<Self, wasmtime::Error> {
        let stop = Arc::new(AtomicBool::new(false));
        let (weak, stopped) = (engine.weak(), stop.clone());
        thread::Builder::new().name("motet-epoch".into()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                let Some(engine) = weak.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
