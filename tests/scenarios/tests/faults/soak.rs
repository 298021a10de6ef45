//! Row A7: random faults by seed, and one invariant: what can be reached becomes what the plugins want, nothing else is touched,
//! and nothing is written twice without cause.

#[path = "soak/check.rs"]
mod check;
#[path = "soak/schedule.rs"]
mod schedule;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result, ensure};
use motet_scenarios::wait;
use serde_json::json;
use tokio::time::Instant;

use crate::kit::{EDGE_SERVICES, Judged, Stage, edge_service};
use schedule::{Action, Place, Schedule};

/// The seed of `make test`.
const SEED: u64 = 14;
/// So many actions happen however slow the machine is: a seed then shows what it is meant to show.
const LEAST: usize = 60;

/// A number from the environment.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// One minute; `make soak` makes it longer and has another seed each time. `MOTET_SOAK_SEED` and `MOTET_SOAK_MINUTES` set both.
#[tokio::test(flavor = "multi_thread")]
async fn soak() -> Result<()> {
    let seed = given("MOTET_SOAK_SEED").unwrap_or(SEED);
    let minutes = given("MOTET_SOAK_MINUTES").unwrap_or(1);
    eprintln!("soak: seed {seed}, {minutes} minutes; to replay: make soak SEED={seed} MINUTES={minutes}");
    let mut soak = Soak::start(seed).await?;
    let ended = soak.run(Duration::from_secs(60 * minutes)).await;
    eprintln!("soak: {} actions, {} checks: {:?}", soak.past.len(), soak.checks, tally(&soak.past));
    ended.with_context(|| {
        let past: String = soak.past.iter().enumerate().map(|(n, action)| format!("{n:4} {action:?}\n")).collect();
        let tail = soak.stage.host.as_ref().map(|host| host.tail()).unwrap_or_default();
        format!("seed {seed}; what happened so far:\n{past}{tail}")
    })
}

/// How often each sort of action happened.
fn tally(past: &[Action]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for action in past {
        let text = format!("{action:?}");
        let sort = text.split(['(', ' ']).next().unwrap_or_default();
        *tally.entry(sort.to_string()).or_default() += 1;
    }
    tally
}

struct Soak {
    stage: Stage,
    schedule: Schedule,
    past: Vec<Action>,
    checks: u32,
    /// What belongs to nobody here, by member, as it was at the start.
    untouched: Vec<BTreeMap<String, String>>,
}

impl Soak {
    async fn start(seed: u64) -> Result<Self> {
        let stage = Stage::converged("soak").await?;
        let mut untouched = Vec::new();
        for member in &stage.members {
            check::bystander(&member.look).await?;
            untouched.push(check::untouched(&member.look).await?);
        }
        Ok(Self { stage, schedule: Schedule::new(seed), past: Vec::new(), checks: 0, untouched })
    }

    async fn run(&mut self, time: Duration) -> Result<()> {
        let stop = Instant::now() + time;
        while Instant::now() < stop || self.past.len() < LEAST {
            for action in self.schedule.next() {
                self.act(action).await?;
            }
        }
        for action in self.schedule.finish() {
            self.act(action).await?;
        }
        check::quiet(&[&self.stage.hub]).await?;
        ensure!(!self.stage.host().log().contains("panicked"), "the host panicked");
        Ok(())
    }

    async fn act(&mut self, action: Action) -> Result<()> {
        if !matches!(action, Action::Wait(_)) {
            self.past.push(action.clone());
        }
        match action {
            Action::Wire(place, fault) => self.cluster(place).wire.set(fault),
            Action::Cut(place) => self.cluster(place).wire.cut(),
            Action::Pause(place) => self.cluster(place).cluster.pause(),
            Action::Resume(place) => self.cluster(place).cluster.resume().await?,
            Action::Withdraw(index) => {
                let name = &self.stage.members[index].name;
                let secret = format!("/api/v1/namespaces/motet-system/secrets/{name}");
                self.stage.hub.look.delete(&secret).await?;
            }
            Action::Register(index) => self.stage.register(index, "admin").await?,
            Action::Restart => {
                let code = self.stage.host.take().context("a host")?.terminate().await?;
                ensure!(code == 0, "the host ended with {code} after SIGTERM");
                self.stage.start_host()?;
            }
            Action::Kill => {
                self.stage.host.take().context("a host")?.kill()?;
                self.stage.start_host()?;
            }
            Action::Wait(time) => tokio::time::sleep(time).await,
            Action::Check => self.check().await?,
            on_member => change(&self.stage, on_member).await?,
        }
        Ok(())
    }

    fn cluster(&mut self, place: Place) -> &mut Judged {
        match place {
            Place::Hub => &mut self.stage.hub,
            Place::Member(index) => &mut self.stage.members[index],
        }
    }

    async fn check(&mut self) -> Result<()> {
        self.checks += 1;
        let mut quiet = Vec::new();
        for (judged, wanted) in self.stage.members.iter().zip(&self.schedule.members) {
            if wanted.managed() {
                wait::until(&format!("{} to be as the plugins want it", judged.name), || {
                    check::holds(&judged.look, wanted)
                })
                .await?;
            }
            if wanted.cluster.up {
                quiet.push(judged);
            }
        }
        check::quiet(&quiet).await?;
        for ((judged, wanted), before) in self.stage.members.iter().zip(&self.schedule.members).zip(&self.untouched) {
            if !wanted.cluster.up {
                continue;
            }
            ensure!(check::untouched(&judged.look).await? == *before, "{}: what is not ours was touched", judged.name);
            if wanted.managed() {
                let held = check::holds(&judged.look, wanted).await;
                held.map_err(|e| anyhow::anyhow!("{} did not stay as it was: {e}", judged.name))?;
            }
        }
        Ok(())
    }
}

/// What users and others do to a member, by a way that has no faults.
async fn change(stage: &Stage, action: Action) -> Result<()> {
    let labelled = |on: bool| if on { json!("true") } else { json!(null) };
    match action {
        Action::Create(index, name, on) => {
            let labels: &[(&str, &str)] = if on { &[("motet.dev/baseline", "true")] } else { &[] };
            stage.members[index].look.namespace(&format!("ns-{name}"), labels).await.map(drop)
        }
        Action::Label(index, name, on) => {
            let patch = json!({ "metadata": { "labels": { "motet.dev/baseline": labelled(on) } } });
            stage.members[index].look.patch(&format!("/api/v1/namespaces/ns-{name}"), &patch).await.map(drop)
        }
        Action::Delete(index, name) => stage.members[index].look.delete(&format!("/api/v1/namespaces/ns-{name}")).await,
        Action::Edit(index, name, kind) => drift(stage, index, &owned(name, kind), &edit(kind)).await,
        Action::Remove(index, name, kind) => stage.members[index].look.delete(&owned(name, kind)).await,
        Action::Edge(index, name, replicas) => {
            let mut edge = edge_service(&format!("edge-{name}"));
            edge["spec"]["replicas"] = replicas.into();
            let path = format!("{EDGE_SERVICES}/edge-{name}");
            stage.members[index].look.apply(&path, "somebody", &edge).await.map(drop)
        }
        Action::DeleteEdge(index, name) => {
            stage.members[index].look.delete(&format!("{EDGE_SERVICES}/edge-{name}")).await
        }
        Action::EditEdge(index, name) => {
            let path = format!("/apis/apps/v1/namespaces/default/deployments/edge-{name}");
            drift(stage, index, &path, &json!({ "spec": { "replicas": 77 } })).await
        }
        Action::RemoveEdge(index, name) => {
            stage.members[index].look.delete(&format!("/api/v1/namespaces/default/services/edge-{name}")).await
        }
        other => anyhow::bail!("{other:?} is no change of a member"),
    }
}

/// Edits an object of the host's; fine where it is not there (yet).
async fn drift(stage: &Stage, index: usize, path: &str, patch: &serde_json::Value) -> Result<()> {
    let look = &stage.members[index].look;
    match look.patch(path, patch).await {
        Err(error) if look.get(path).await?.is_some() => Err(error),
        _ => Ok(()),
    }
}

fn owned(name: u32, kind: &str) -> String {
    let group = if kind == "networkpolicies" { "apis/networking.k8s.io" } else { "api" };
    format!("/{group}/v1/namespaces/ns-{name}/{kind}/motet-baseline")
}

fn edit(kind: &str) -> serde_json::Value {
    match kind {
        "networkpolicies" => json!({ "spec": { "policyTypes": ["Egress"] } }),
        "resourcequotas" => json!({ "spec": { "hard": { "pods": "99" } } }),
        _ => json!({ "spec": { "limits": [] } }),
    }
}

#[test]
fn a_seed_replays_and_another_differs() {
    let play = |seed| {
        let mut schedule = Schedule::new(seed);
        (0..200).flat_map(|_| schedule.next()).collect::<Vec<_>>()
    };
    assert_eq!(play(7), play(7));
    assert_ne!(play(7), play(8));
}

#[test]
fn the_seed_of_every_day_has_every_sort_of_action() {
    let mut schedule = Schedule::new(SEED);
    let all = (0..).flat_map(|_| schedule.next()).filter(|action| !matches!(action, Action::Wait(_)));
    let tally = tally(&all.take(LEAST).collect::<Vec<_>>());
    // Every variant but `Wait`.
    assert_eq!(tally.len(), 18, "choose another seed: {tally:?}");
}
