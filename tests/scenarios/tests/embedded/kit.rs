//! A hub, members and a host that manages them with `namespace-baseline` from a ConfigMap.

use std::time::Duration;

use anyhow::{Context, Result};
use motet_scenarios::{
    baseline,
    embedded::{self, Hub},
    host::HostProcess,
    site::{FIRST_TOKEN, Site},
    wait,
};
use serde_json::Value;

pub(crate) const PLUGIN: &str = "namespace-baseline";
pub(crate) const CODE: &str = "code";
/// How long something that must not happen is watched for.
pub(crate) const WHILE: Duration = Duration::from_secs(1);

pub(crate) struct Stage {
    pub(crate) hub: Hub,
    pub(crate) members: Vec<Site>,
    /// None while it is stopped.
    pub(crate) host: Option<HostProcess>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// So many members, `edge-0` onwards, registered and converged, each with the namespace `shop`.
    pub(crate) async fn converged(members: usize) -> Result<Self> {
        let mut stage = Self::bare(members).await?;
        stage.hub.component(CODE, &embedded::component(PLUGIN)?).await?;
        stage.hub.plugin(PLUGIN, CODE, embedded::shipped_spec(PLUGIN)?).await?;
        for member in &stage.members {
            member.shop("shop").await?;
        }
        stage.start_host()?;
        for index in 0..members {
            stage.holds(index, None).await?;
        }
        Ok(stage)
    }

    /// Registered members and a hub without plugins; the host is not started.
    pub(crate) async fn bare(members: usize) -> Result<Self> {
        let (hub, folder) = (Hub::start().await?, tempfile::tempdir()?);
        let mut all = Vec::new();
        for index in 0..members {
            let member = Site::embedded(&format!("edge-{index}")).await?;
            hub.register(&member, FIRST_TOKEN).await?;
            all.push(member);
        }
        Ok(Self { hub, members: all, host: None, folder })
    }

    pub(crate) fn start_host(&mut self) -> Result<()> {
        let kubeconfig = self.folder.path().join("hub.yaml");
        std::fs::write(&kubeconfig, self.hub.0.kubeconfig(FIRST_TOKEN)?)?;
        self.host = Some(HostProcess::start(self.folder.path(), &["--hub", &kubeconfig.display().to_string()])?);
        Ok(())
    }

    pub(crate) async fn stop_host(&mut self) -> Result<()> {
        let host = self.host.take().context("no host runs")?;
        assert_eq!(host.terminate().await?, 0);
        Ok(())
    }

    pub(crate) fn host(&self) -> &HostProcess {
        self.host.as_ref().unwrap()
    }

    /// Waits until the baseline holds on a member.
    pub(crate) async fn holds(&self, index: usize, version: Option<&str>) -> Result<()> {
        let member = &self.members[index];
        baseline::converged(member.name(), &member.look, version).await.with_context(|| self.host().tail())
    }

    /// Waits until a member is published in a state.
    pub(crate) async fn is(&self, index: usize, state: &str) -> Result<Value> {
        self.hub.member_is(self.members[index].name(), state).await.with_context(|| self.host().tail())
    }

    /// Waits until the Plugin is rejected; the reason and message of the first condition that is False.
    pub(crate) async fn rejected(&self, plugin: &str) -> Result<(String, String)> {
        let status = self.hub.plugin_is(plugin, "Rejected", |s| s["state"] == "Rejected").await;
        let status = status.with_context(|| self.host().tail())?;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        let condition = conditions.iter().find(|c| c["status"] == "False").context("no condition is False")?;
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_string();
        Ok((text("reason"), text("message")))
    }

    /// Waits until a plugin has looked at every key of every member it is bound to, which are to be so many.
    pub(crate) async fn quiet(&self, plugin: &str, state: &str, bindings: usize) -> Result<()> {
        wait::until(&format!("{plugin} to have looked at every key"), || async {
            let rows =
                self.host().api(&format!("/api/v1/bindings?plugin={plugin}")).await.map_err(|e| e.to_string())?;
            let done =
                rows.iter().all(|b| b["queued"] == 0 && b["reconciles"].as_u64() >= Some(1) && b["state"] == state);
            if done && rows.len() == bindings { Ok(()) } else { Err(format!("{rows:?}")) }
        })
        .await
        .with_context(|| self.host().tail())
    }
}
