//! A plugin that is replaced a thousand times while objects change: each change is carried out once, whatever code was active.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use motet_core::Digest;
use motet_devcluster::Cluster;
use motet_scenarios::{client::Looker, embedded, variant::variant, wait::PATIENCE};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::Instant};

use crate::kit::Stage;

const PLUGIN: &str = "relay";
const CODE: &str = "relay-code";
const RELOADS: usize = 1_000;
const MEMBERS: usize = 2;
/// Sources on each member; each changes as soon as its copy is there.
const OBJECTS: usize = 4;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// What a source of components offers next.
struct Next {
    bytes: Vec<u8>,
    /// The reason of the refusal, where it is to be refused.
    refused: Option<&'static str>,
}

/// Good, wider and slower code in several digests each, with something broken after every fourth.
fn offers() -> Result<Vec<Next>> {
    let mut all = Vec::new();
    for round in 0..4_u8 {
        for guest in ["relay", "relay_wide", "relay_slow"] {
            all.push(Next { bytes: variant(&embedded::guest(guest)?, &[round]), refused: None });
        }
        let good = embedded::guest("relay")?;
        all.push(match round {
            0 => Next { bytes: good[..good.len() / 2].to_vec(), refused: Some("CompileFailed") },
            1 => Next { bytes: b"not a component".to_vec(), refused: Some("CompileFailed") },
            2 => Next { bytes: embedded::guest("describe_trap")?, refused: Some("DescribeFailed") },
            // It needs what nobody granted.
            _ => Next { bytes: embedded::guest("baseline_next")?, refused: Some("NotGranted") },
        });
    }
    Ok(all)
}

fn spec() -> Value {
    json!({ "grants": [
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch", "create", "patch"] },
        { "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch"] },
    ]})
}

/// Changes one source again and again, each time when its copy has followed; the number of changes.
async fn change(look: Looker, name: String, enough: Arc<AtomicBool>) -> Result<u64> {
    let (source, copy) = (format!("{MAPS}/{name}"), format!("{MAPS}/{name}-copy"));
    let mut turn = 0_u64;
    while !enough.load(Ordering::Relaxed) {
        turn += 1;
        look.patch(&source, &json!({ "data": { "turn": turn.to_string() } })).await?;
        follow(&look, &copy, turn).await?;
    }
    Ok(turn)
}

async fn follow(look: &Looker, copy: &str, turn: u64) -> Result<()> {
    let stop = Instant::now() + PATIENCE;
    loop {
        let seen = look.get(copy).await?.unwrap_or_default()["data"]["turn"].clone();
        let at = seen.as_str().and_then(|seen| seen.parse::<u64>().ok());
        if at == Some(turn) {
            return Ok(());
        }
        ensure!(at.is_none_or(|at| at == turn - 1), "{copy} went from {} to {seen}", turn - 1);
        ensure!(Instant::now() < stop, "{copy} stays at {seen} though its source says {turn}: a change is lost");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Waits until the host has taken in what is offered, as it should.
async fn taken_in(stage: &Stage, next: &Next, running: &mut Value) -> Result<()> {
    let (digest, stop) = (json!(Digest::of(&next.bytes)), Instant::now() + PATIENCE);
    if next.refused.is_none() {
        *running = digest;
    }
    loop {
        let seen = stage.host().api(&format!("/api/v1/plugins/{PLUGIN}")).await.unwrap_or_default();
        let seen = seen.into_iter().next().unwrap_or_default();
        let state = if next.refused.is_some() { "Rejected" } else { "Active" };
        let same = next.refused.is_none_or(|reason| seen["reason"] == reason);
        if seen["state"] == state && same && seen["digest"] == *running {
            return Ok(());
        }
        if Instant::now() > stop {
            bail!("waited for {state} with {running} ({:?}); last seen: {seen}\n{}", next.refused, stage.host().tail());
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// Counts what was applied to the copies of one member.
struct Applied {
    /// The last write that was counted.
    seen: u64,
    copies: u64,
}

impl Applied {
    fn from_now(cluster: &Cluster) -> Self {
        Self { seen: cluster.writes().last().map_or(0, |w| w.number), copies: 0 }
    }

    /// Takes in what was written since the last look; a cluster remembers its last thousand writes.
    fn look(&mut self, cluster: &Cluster) -> Result<()> {
        let writes = cluster.writes();
        let missed = writes.first().is_some_and(|first| first.number > self.seen + 1);
        ensure!(!missed, "more was written since the last look than is remembered");
        let new = writes.iter().filter(|w| w.number > self.seen);
        self.copies += new.filter(|w| w.verb == "apply" && w.path.ends_with("-copy")).count() as u64;
        self.seen = writes.last().map_or(self.seen, |w| w.number);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_reloads_under_load_lose_and_double_nothing() -> Result<()> {
    let mut stage = Stage::bare(MEMBERS).await?;
    let offers = offers()?;
    let mut running = Value::Null;
    stage.hub.component(CODE, &offers[0].bytes).await?;
    stage.hub.plugin(PLUGIN, CODE, spec()).await?;
    stage.start_host()?;
    taken_in(&stage, &offers[0], &mut running).await?;
    for member in &stage.members {
        for object in 0..OBJECTS {
            let map = json!({ "metadata": { "name": format!("m-{object}"), "labels": { "relay": "source" } }, "data": { "turn": "0" } });
            member.look.create(MAPS, &map).await?;
        }
        for object in 0..OBJECTS {
            let copied = |copy: &Value| copy["data"]["turn"] == "0";
            let copy = format!("{MAPS}/m-{object}-copy");
            member.look.until_there(&copy, "a copy", copied).await.with_context(|| stage.host().tail())?;
        }
    }

    let clusters: Vec<&Cluster> = stage.members.iter().filter_map(|m| m.cluster()).collect();
    let mut applied: Vec<Applied> = clusters.iter().map(|cluster| Applied::from_now(cluster)).collect();
    let enough = Arc::new(AtomicBool::new(false));
    let mut changing = JoinSet::new();
    for (index, member) in stage.members.iter().enumerate() {
        for object in 0..OBJECTS {
            let work = change(member.look.clone(), format!("m-{object}"), enough.clone());
            changing.spawn(async move { (index, work.await) });
        }
    }
    let mut odd = std::collections::BTreeSet::new();
    for reload in 1..=RELOADS {
        for (path, n) in stage.members[0]
            .cluster()
            .unwrap()
            .writes()
            .iter()
            .filter(|w| w.verb == "apply" && !w.path.ends_with("-copy"))
            .map(|w| (w.path.clone(), w.code))
        {
            if odd.insert((path.clone(), n)) {
                eprintln!("DEBUG {reload} {path} {n}");
            }
        }
        let next = &offers[reload % offers.len()];
        stage.hub.component(CODE, &next.bytes).await?;
        taken_in(&stage, next, &mut running).await.with_context(|| format!("reload {reload}"))?;
        clusters.iter().zip(&mut applied).try_for_each(|(cluster, applied)| applied.look(cluster))?;
        if let Some(ended) = changing.try_join_next() {
            bail!("a writer ended at reload {reload}: {:?}\n{}", ended?.1, stage.host().tail());
        }
    }
    enough.store(true, Ordering::Relaxed);
    let mut turns = [0_u64; MEMBERS];
    while let Some(ended) = changing.join_next().await {
        let (member, changes) = ended?;
        turns[member] += changes.with_context(|| stage.host().tail())?;
    }
    for ((changes, cluster), applied) in turns.into_iter().zip(&clusters).zip(&mut applied) {
        applied.look(cluster)?;
        assert!(changes > RELOADS as u64 / 10, "there was no load to speak of: {changes} changes");
        assert_eq!(applied.copies, changes, "each change is applied once on {}", cluster.name());
    }
    let rows = stage.host().api(&format!("/api/v1/bindings?plugin={PLUGIN}")).await?;
    assert!(rows.iter().all(|b| b["errors"] == 0 && b["digest"] == running), "{rows:?}");
    stage.stop_host().await
}
