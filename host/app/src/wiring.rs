//! Puts the stages together in the order in which data flows, and takes them apart in reverse.

use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result, bail};
use motet_catalog::{Catalog, CatalogEvent, Hub, Policy, Registries, Settings as CatalogSettings};
use motet_cluster::Settings as ClientSettings;
use motet_core::ports::MemberApi;
use motet_dispatch::Dispatcher;
use motet_fleet::{Fleet, FleetEvent, FleetSettings, Provider};
use motet_queue::Queue;
use motet_runtime::{CompileLimits, Compiler, Runtime};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    args::Args,
    cache,
    fence::Fence,
    host::Host,
    http, hub,
    lease::{self, Election},
    publish::Publisher,
    shutdown,
};

/// Runs the host until a signal or the loss of the Lease.
pub(crate) async fn run(args: Args) -> Result<()> {
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone()).context("signals cannot be received")?;
    let identity = lease::identity();
    let client =
        ClientSettings { probe_timeout: args.probe_timeout, instance: identity.clone(), ..ClientSettings::default() };
    let counted = hub::connect(&args, &client)?;
    let hub = counted.clone().map(|hub| -> Arc<dyn MemberApi> { hub });
    if hub.is_none() && args.members.is_empty() {
        bail!("there is neither a hub nor any member: name a hub with --hub or kubeconfigs with --members");
    }
    // This very program, even where its file has been replaced since.
    let limits = CompileLimits { memory: args.compile_memory, ..CompileLimits::default() };
    let compiler = Compiler::process("/proc/self/exe".into(), limits);
    let compilations = compilations(cores(), args.compile_memory, memory_limit());
    let sandboxes = motet_runtime::Settings { compiler, compilations, ..motet_runtime::Settings::default() };
    let runtime = Runtime::new(&sandboxes, cache::open(&args, hub.as_ref()).await?)
        .map_err(|e| anyhow::anyhow!("the Wasm engine cannot be started: {e:#}"))?;

    let (catalog, plugins) = Catalog::start(runtime, catalog_settings(&args, hub.as_ref())?);
    let dispatcher = Dispatcher::new(Queue::new(motet_queue::Settings::default()));
    let host = Host {
        dispatcher: dispatcher.clone(),
        catalog: catalog.clone(),
        fleet: Arc::new(OnceLock::new()),
        hub: counted,
        metrics_per_member: args.metrics_per_member,
    };
    // Answers from the start: a standby is unready, not silent.
    let http_stop = CancellationToken::new();
    let server = http::serve(&args, host.clone(), hub.clone(), http_stop.clone()).await?;

    let mut election = hub.clone().map(|hub| Election::new(hub, &args.namespace, identity.clone()));
    if let Some(election) = &mut election
        && stop.run_until_cancelled(election.acquire()).await.is_none()
    {
        http_stop.cancel();
        return Ok(());
    }
    let (lost, hub_away) = (CancellationToken::new(), watch::Sender::new(false));
    let hasty = election.as_ref().is_some_and(Election::is_hasty);
    let fence = Fence::new(dispatcher.clone(), election.is_some().then_some(identity), hasty, hub_away.subscribe());
    tokio::spawn(fence.clone().guard());
    let holding = election.map(|election| tokio::spawn(hold(election, lost.clone(), hub_away)));

    let workers = args.workers.map_or_else(cores, usize::from);
    let mut tasks = dispatcher.start_workers(workers, sandboxes.sandboxes as usize);
    tokio::spawn(follow_plugins(dispatcher.clone(), plugins));
    start_sources(&args, &catalog, hub.as_ref());
    let (fleet, members) = Fleet::start(fleet_settings(&args, client), providers(&args, hub.as_ref()));
    let fleet = host.fleet.get_or_init(|| fleet);
    tokio::spawn(follow_members(fence, members));
    let publishing = hub.clone().map(|hub| tokio::spawn(Publisher::new(host.clone(), hub).run(stop.child_token())));

    let clean = tokio::select! {
        () = stop.cancelled() => true,
        () = lost.cancelled() => false,
    };
    tracing::info!("draining");
    if !dispatcher.drain(args.drain_timeout).await {
        tracing::warn!("--drain-timeout passed with reconciles still running; they are dropped");
    }
    tasks.shutdown().await;
    fleet.shutdown().await;
    stop.cancel();
    if let Some(publishing) = publishing {
        let _ = publishing.await;
    }
    lost.cancel();
    if let Some(holding) = holding
        && let Ok(election) = holding.await
        && clean
    {
        election.release().await;
    }
    http_stop.cancel();
    let _ = server.await;
    if clean { Ok(()) } else { bail!("the Lease in the hub was lost: start again to stand by") }
}

async fn hold(mut election: Election, lost: CancellationToken, hub_away: watch::Sender<bool>) -> Election {
    election.hold(lost, hub_away).await;
    election
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Components to be compiled at once: all of them together may take half of what the host's container may, since a container that is
/// out of memory is killed as a whole.
fn compilations(cores: usize, each: u64, limit: Option<u64>) -> usize {
    let fit = limit.map_or(usize::MAX, |limit| usize::try_from(limit / 2 / each.max(1)).unwrap_or(usize::MAX));
    fit.clamp(1, cores.max(1))
}

/// Bytes that this container may use; none where nobody limits them.
fn memory_limit() -> Option<u64> {
    std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok()?.trim().parse().ok()
}

fn catalog_settings(args: &Args, hub: Option<&Arc<dyn MemberApi>>) -> Result<CatalogSettings> {
    let policy = match &args.verify {
        None => Policy::default(),
        Some(path) => {
            let what = || format!("--verify {}", path.display());
            let text = std::fs::read_to_string(path).with_context(what)?;
            Policy::from_yaml(&text).map_err(anyhow::Error::msg).with_context(what)?
        }
    };
    let mut sources = Vec::new();
    sources.extend(args.plugins.as_ref().map(|_| "folder"));
    sources.extend(hub.map(|_| "hub"));
    Ok(CatalogSettings {
        sources,
        data_dir: args.data_dir.clone().or_else(cache::cache_dir),
        hub: hub.map(|api| Hub { api: api.clone(), namespace: args.namespace.clone() }),
        registries: Registries {
            rules: Arc::new(args.registry_rules()),
            policy: Arc::new(policy),
            interval: args.registry_interval,
            ..Registries::default()
        },
    })
}

fn fleet_settings(args: &Args, client: ClientSettings) -> FleetSettings {
    FleetSettings {
        probe_interval: args.probe_interval,
        unhealthy_after: args.unhealthy_after,
        healthy_after: args.healthy_after,
        reconnect_min: args.reconnect_min,
        reconnect_max: args.reconnect_max,
        cache_sync_timeout: args.cache_sync_timeout,
        allow: args.allowed(),
        client,
        ..FleetSettings::default()
    }
}

fn providers(args: &Args, hub: Option<&Arc<dyn MemberApi>>) -> Vec<Provider> {
    let secrets = hub.map(|hub| Provider::Secrets { hub: hub.clone(), namespace: args.namespace.clone() });
    secrets.into_iter().chain(args.members.iter().map(|path| Provider::Path(path.clone()))).collect()
}

fn start_sources(args: &Args, catalog: &Catalog, hub: Option<&Arc<dyn MemberApi>>) {
    if let Some(folder) = &args.plugins {
        tokio::spawn(motet_catalog::watch_folder(folder.clone(), catalog.observer()));
    }
    if let Some(hub) = hub {
        tokio::spawn(motet_catalog::watch_hub(hub.clone(), args.namespace.clone(), catalog.observer()));
    }
}

/// catalog -> dispatch
async fn follow_plugins(dispatcher: Dispatcher, mut events: mpsc::Receiver<CatalogEvent>) {
    while let Some(event) = events.recv().await {
        match event {
            CatalogEvent::Set(revision) => dispatcher.set_plugin(revision),
            CatalogEvent::Removed(plugin) => dispatcher.remove_plugin(&plugin),
            CatalogEvent::Known(plugins) => dispatcher.set_known(plugins),
        }
    }
}

/// fleet -> fence -> dispatch
async fn follow_members(fence: Arc<Fence>, mut events: mpsc::Receiver<FleetEvent>) {
    while let Some(event) = events.recv().await {
        fence.pass(event);
    }
}

#[cfg(test)]
mod tests {
    use super::compilations;

    #[test]
    fn compiling_leaves_half_of_the_memory_to_the_host() {
        let (mib, gib) = (1 << 20, 1 << 30);
        assert_eq!(compilations(8, 512 * mib, None), 8);
        assert_eq!(compilations(8, 512 * mib, Some(2 * gib)), 2);
        assert_eq!(compilations(2, 512 * mib, Some(64 * gib)), 2);
        assert_eq!(compilations(2, 512 * mib, Some(256 * mib)), 1);
    }
}
