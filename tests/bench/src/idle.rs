//! 250 members × 20 kinds, nothing happening: what the host costs by being there.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use crate::{fleet::Fleet, table::Table};

const MEMBERS: usize = 250;
/// Time for what starting up left behind to be done and freed.
const SETTLE: Duration = Duration::from_secs(15);
/// Three probe intervals.
const WINDOW: Duration = Duration::from_secs(30);

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let fleet = Fleet::start(MEMBERS, &[]).await?;
    let process = fleet.host.process();
    let note = format!("{MEMBERS} members × 20 kinds (21 watches each)");
    table.row("start until all are in step", format!("{:.1} s", fleet.engaged.as_secs_f64()), &note);
    table.row("the same, host CPU", format!("{:.1} s", process.busy()?.as_secs_f64()), "");
    sleep(SETTLE).await;
    let before = process.busy()?;
    sleep(WINDOW).await;
    let busy = process.busy()? - before;
    let share = 100.0 * busy.as_secs_f64() / WINDOW.as_secs_f64();
    let (now, peak) = (process.resident()?, process.status("VmHWM")? as f64 / 1024.0);
    table.row("idle fleet: RSS", format!("{now:.0} MiB"), format!("goal ≤ 100 MiB; peak {peak:.0} MiB"));
    let connections = process.connections()?;
    let per_member = fleet.members.iter().map(|m| connections.get(&m.port()).copied().unwrap_or(0));
    let (sum, most) = per_member.fold((0, 0), |(sum, most), n| (sum + n, most.max(n)));
    table.row("idle fleet: connections to members", format!("{sum}, at most {most} a member"), "goal ≤ 2 a member");
    let threads = process.status("Threads")?;
    let tasks = fleet.host.metric("motet_tasks").await?;
    table.row("idle fleet: tasks", format!("{tasks:.0}"), format!("{threads} threads"));
    table.row("idle fleet: host CPU", format!("{share:.1} % of a core"), format!("over {WINDOW:?}"));
    Ok(())
}
