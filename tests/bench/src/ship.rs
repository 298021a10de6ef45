//! From the write of a ConfigMap with new code until that code has reconciled: compiled first, and known from before.

use std::{fs, time::Duration};

use anyhow::{Result, bail};
use motet_scenarios::{
    embedded::{self, Hub},
    site::{FIRST_TOKEN, Site},
    variant::variant,
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{host::Host, table::Table};

const PLUGIN: &str = "namespace-baseline";
const CODE: &str = "code";
const ROUNDS: u8 = 20;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(table: &mut Table) -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::create_dir(folder.path().join("plugins"))?;
    let (hub, member) = (Hub::start().await?, Site::embedded("edge-0").await?);
    fs::write(folder.path().join("hub.yaml"), hub.0.own_kubeconfig())?;
    hub.register(&member, FIRST_TOKEN).await?;
    member.shop("shop").await?;
    let (first, next) = (embedded::component(PLUGIN)?, embedded::guest("baseline_next")?);
    hub.component(CODE, &first).await?;
    hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
    let _host = Host::start(folder.path(), &[])?;
    marked(&member, false).await?;
    for (name, cold) in [("compiled first", true), ("compiled before", false)] {
        let mut samples = Vec::new();
        for round in 0..ROUNDS {
            let noise = if cold { [round] } else { [0] };
            for (component, is_next) in [(&next, true), (&first, false)] {
                let component = variant(component, &noise);
                let started = Instant::now();
                hub.component(CODE, &component).await?;
                marked(&member, is_next).await?;
                samples.push(started.elapsed());
            }
        }
        let sizes = format!("components of {} and {} KB, gzip in a ConfigMap", next.len() / 1000, first.len() / 1000);
        table.samples(&format!("ConfigMap written → objects by the new code, {name}"), samples, &sizes);
    }
    Ok(())
}

/// Waits until the object has the next version's label, or has it no more.
async fn marked(member: &Site, wanted: bool) -> Result<()> {
    let stop = Instant::now() + PATIENCE;
    loop {
        let object = member.look.get("/api/v1/namespaces/shop/limitranges/motet-baseline").await?;
        let is = object.as_ref().map(|o| o["metadata"]["labels"]["baseline-version"] != Value::Null);
        if is == Some(wanted) {
            return Ok(());
        }
        if Instant::now() > stop {
            bail!("the new code has not come within {PATIENCE:?}; the object is {object:?}");
        }
        sleep(Duration::from_millis(1)).await;
    }
}
