//! Two hosts, one Lease: never two writers.

use anyhow::Result;
use motet_scenarios::{client::Looker, host::HostProcess, real::RealCluster, wait};

use crate::kit::{self, has};

async fn holder(hub: &Looker) -> Result<String> {
    let lease =
        hub.get("/apis/coordination.k8s.io/v1/namespaces/motet-system/leases/motet-host").await?.unwrap_or_default();
    Ok(lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_a_killed_host_and_they_never_both_write() -> Result<()> {
    let (hub, hub_looker) = kit::hub("lease-hub").await?;
    let member = RealCluster::start("lease-member").await?;
    let looker = member.admin().await?;
    hub_looker.register("edge-1", &member.kubeconfig("admin"), &[]).await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("hub.yaml");
    std::fs::write(&kubeconfig, hub.kubeconfig("admin"))?;
    let hub_path = kubeconfig.display().to_string();
    let plugins = kit::only(folder.path(), &["namespace-baseline"])?;
    let arguments = ["--hub", &hub_path, "--plugins", &plugins];
    let (first_folder, second_folder) = (folder.path().join("first"), folder.path().join("second"));
    std::fs::create_dir_all(&first_folder)?;
    std::fs::create_dir_all(&second_folder)?;

    let first = HostProcess::start(&first_folder, &arguments)?;
    first.ready().await?;
    let first_holder = holder(&hub_looker).await?;
    let second = HostProcess::start(&second_folder, &arguments)?;
    looker.namespace("one", &[("motet.dev/baseline", "true")]).await?;
    has(&looker, "one", 3).await.map_err(|e| e.context(first.tail()))?;
    let standby =
        wait::until("the second host to answer", || async { second.get("/readyz").await.map_err(|e| e.to_string()) })
            .await?;
    assert_eq!(standby.0, 503, "{}", standby.1);
    assert!(standby.1.contains("stands by"), "{}", standby.1);

    first.kill()?;
    looker.namespace("two", &[("motet.dev/baseline", "true")]).await?;
    second.ready().await?;
    has(&looker, "two", 3).await.map_err(|e| e.context(second.tail()))?;
    assert_ne!(holder(&hub_looker).await?, first_holder);

    // Each host's user agent names its process: the log shows who wrote when.
    let writers = member.audit().writers()?;
    let [first, second_writer] = &writers[..] else { panic!("expected two writers, one after the other: {writers:?}") };
    assert_ne!(first, second_writer);
    assert_eq!(second.terminate().await?, 0);
    assert_eq!(holder(&hub_looker).await?, "", "a clean stop gives the Lease back");
    Ok(())
}
