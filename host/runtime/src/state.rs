//! What belongs to one sandbox: its limits, its counters, its way to the member, its WASI.

use std::{sync::Arc, time::Duration};

use motet_core::{
    PluginName,
    ports::{HostCall, HostCalls, HostReply, Limits},
};
use wasmtime::{Engine, ResourceLimiter, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{Deterministic, ResourceTable, WasiCtx, WasiCtxView, WasiView};

use crate::{engine::TICK, kill::Killed, log_budget::LogBudget, stdio::LineLog};

/// Which member and key a log line is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tags {
    pub(crate) plugin: Arc<str>,
    pub(crate) member: Arc<str>,
    pub(crate) key: Arc<str>,
}

impl Tags {
    pub(crate) fn describing(plugin: &PluginName) -> Self {
        Self { plugin: plugin.as_str().into(), member: "".into(), key: "describe".into() }
    }
}

/// What a sandbox is for: reads are answered only in a reconcile.
pub(crate) enum Purpose {
    /// `describe`: every read traps, WASI answers constants.
    Describe,
    /// `reconcile`.
    Reconcile(HostCalls),
}

/// The data of one store.
pub(crate) struct HostState {
    pub(crate) tags: Arc<Tags>,
    pub(crate) purpose: Purpose,
    pub(crate) logs: Arc<LogBudget>,
    wasi: WasiCtx,
    table: ResourceTable,
    memory_limit: usize,
    memory_used: usize,
    /// Set once a growth was refused: a trap that follows is the memory limit's doing.
    pub(crate) memory_refused: bool,
    host_calls_left: u64,
    ticks_left: u64,
}

/// Elements that all of a sandbox's tables may hold together: a Rust component needs a few hundred.
const MAX_TABLE_ELEMENTS: usize = 100_000;

impl HostState {
    /// A state with fresh counters.
    pub(crate) fn new(tags: Arc<Tags>, purpose: Purpose, limits: &Limits, logs: Arc<LogBudget>) -> Self {
        let wasi = wasi(&purpose, &tags, &logs);
        let mut table = ResourceTable::new();
        table.set_max_capacity(1000);
        Self {
            tags,
            purpose,
            logs,
            wasi,
            table,
            memory_limit: usize::try_from(limits.memory).unwrap_or(usize::MAX),
            memory_used: 0,
            memory_refused: false,
            host_calls_left: limits.host_calls,
            ticks_left: u64::try_from(limits.cpu.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX),
        }
    }

    /// Forwards one read, counted against the limit of host calls.
    pub(crate) async fn call(&mut self, call: HostCall) -> wasmtime::Result<HostReply> {
        self.count_host_call()?;
        match &self.purpose {
            Purpose::Describe => {
                Err(Killed::contract("describe must not read: it is called before anything is granted").into())
            }
            Purpose::Reconcile(calls) => Ok(calls(call).await),
        }
    }

    /// Counts one host call; the error ends the sandbox.
    pub(crate) fn count_host_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls_left = self
            .host_calls_left
            .checked_sub(1)
            .ok_or_else(|| Killed::limit("more host calls than limits.hostCalls allows"))?;
        Ok(())
    }
}

fn wasi(purpose: &Purpose, tags: &Arc<Tags>, logs: &Arc<LogBudget>) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(LineLog::new("stdout", tags.clone(), logs.clone()))
        .stderr(LineLog::new("stderr", tags.clone(), logs.clone()))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    if matches!(purpose, Purpose::Describe) {
        builder
            .wall_clock(ConstantClock)
            .monotonic_clock(ConstantClock)
            .insecure_random_seed(0)
            .secure_random(Deterministic::new(vec![0]))
            .insecure_random(Deterministic::new(vec![0]));
    }
    builder.build()
}

/// A store around `state`, interrupted every tick to yield and to have its CPU time counted.
pub(crate) fn store(engine: &Engine, state: HostState) -> Store<HostState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| state);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_tick);
    store
}

/// A tick reaches a guest only while it runs: one that waits in a host call is not charged for it.
fn on_tick(mut context: StoreContextMut<'_, HostState>) -> wasmtime::Result<UpdateDeadline> {
    let state = context.data_mut();
    if state.ticks_left == 0 {
        return Err(Killed::deadline("used more CPU time than limits.cpu allows").into());
    }
    state.ticks_left -= 1;
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

impl ResourceLimiter for HostState {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_add(desired.saturating_sub(current));
        if used > self.memory_limit {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory_used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

impl WasiView for HostState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Time stands still in `describe`, so that two calls give equal bytes.
struct ConstantClock;

impl wasmtime_wasi::HostWallClock for ConstantClock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl wasmtime_wasi::HostMonotonicClock for ConstantClock {
    fn resolution(&self) -> u64 {
        1
    }
    fn now(&self) -> u64 {
        0
    }
}
