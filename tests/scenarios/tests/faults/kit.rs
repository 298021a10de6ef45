//! A hub and members, all real, a fault wire in front of each, and a host that runs the example plugins on them.

use std::fs;

use anyhow::{Context, Result, ensure};
use motet_scenarios::{baseline, client::Looker, host::HostProcess, real::RealCluster, wait, wire::Wire};
use serde_json::{Value, json};

pub(crate) const BASELINE: &str = "namespace-baseline";
pub(crate) const EDGE: &str = "edge-service";
pub(crate) const BUDGET: &str = "platform-budget";
/// Where the hub shows members.
pub(crate) const MEMBERS: &str = "/apis/motet.dev/v1alpha1/members";
/// Where EdgeServices are looked at.
pub(crate) const EDGE_SERVICES: &str = "/apis/apps.motet.dev/v1/namespaces/default/edgeservices";

/// By which one host of several is the active one.
pub(crate) const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/motet-system/leases/motet-host";

/// An EdgeService in `default`.
pub(crate) fn edge_service(name: &str) -> Value {
    json!({ "apiVersion": "apps.motet.dev/v1", "kind": "EdgeService", "metadata": { "name": name, "namespace": "default" },
        "spec": { "image": "registry.example/shop:1", "replicas": 2, "port": 8080 } })
}

/// One cluster, the wire by which the host reaches it, and a client that does without.
pub(crate) struct Judged {
    pub(crate) name: String,
    pub(crate) cluster: RealCluster,
    pub(crate) wire: Wire,
    pub(crate) look: Looker,
}

impl Judged {
    async fn start(name: &str) -> Result<Self> {
        let cluster = RealCluster::start(name).await?;
        let wire = Wire::to(cluster.port()).await?;
        let look = cluster.admin().await?;
        Ok(Self { name: name.into(), cluster, wire, look })
    }

    /// A kubeconfig by way of the wire, for a token.
    pub(crate) fn kubeconfig(&self, token: &str) -> String {
        self.cluster.kubeconfig_at(&self.url(), token)
    }

    /// The wire's address.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.wire.port())
    }

    /// Installs the custom resources of the example plugins.
    pub(crate) async fn install(&self) -> Result<()> {
        for plugin in [EDGE, BUDGET] {
            self.look.define(&shipped_definition(plugin)?).await?;
        }
        Ok(())
    }

    /// Creates a namespace that wants the baseline.
    pub(crate) async fn shop(&self, namespace: &str) -> Result<()> {
        self.look.namespace(namespace, &[("motet.dev/baseline", "true")]).await.map(drop)
    }
}

/// The definition that a plugin's folder ships.
pub(crate) fn shipped_definition(plugin: &str) -> Result<Value> {
    let file = motet_scenarios::repository().join("plugins").join(plugin).join("crd.yaml");
    Ok(serde_yaml::from_str(&fs::read_to_string(file)?)?)
}

/// Every plugin that ships.
pub(crate) const ALL: [&str; 3] = [BASELINE, EDGE, BUDGET];
/// Members of a stage: one that suffers, and two that must not notice.
pub(crate) const MEMBERS_OF_A_STAGE: usize = 3;

/// A hub, members and a host.
pub(crate) struct Stage {
    pub(crate) hub: Judged,
    pub(crate) members: Vec<Judged>,
    pub(crate) host: Option<HostProcess>,
    pub(crate) folder: tempfile::TempDir,
    arguments: Vec<String>,
    /// What was to be seen of the members but the first when all was well.
    calm: Vec<(String, f64)>,
}

impl Stage {
    /// Three members, called `PREFIX-0` onwards, with the example plugins' definitions, registered under the token `admin`, and
    /// converged under the example plugins.
    pub(crate) async fn converged(prefix: &str) -> Result<Self> {
        let (members, plugins) = (MEMBERS_OF_A_STAGE, ALL);
        let mut stage = Self::bare(prefix, members, &plugins).await?;
        for member in &stage.members {
            member.install().await?;
            member.shop("shop").await?;
        }
        stage.start_host()?;
        for index in 0..members {
            stage.register(index, "admin").await?;
        }
        for index in 0..members {
            stage.settles(index).await?;
        }
        stage.calm = stage.others().await?;
        Ok(stage)
    }

    /// Waits until a member is Ready with every plugin at work.
    async fn settles(&self, index: usize) -> Result<()> {
        self.is(index, "Ready").await?;
        for plugin in ALL {
            self.host().binding(plugin, &self.members[index].name, "Active").await?;
        }
        self.holds(index).await
    }

    /// Registers all members but the first, with all that the plugins need: they must not notice what becomes of the first.
    pub(crate) async fn register_others(&mut self) -> Result<()> {
        for index in 1..self.members.len() {
            self.members[index].install().await?;
            self.members[index].shop("shop").await?;
            self.register(index, "admin").await?;
        }
        for index in 1..self.members.len() {
            self.settles(index).await?;
        }
        self.calm = self.others().await?;
        Ok(())
    }

    /// Clusters only: nothing is installed on the members, nobody is registered, no host runs.
    pub(crate) async fn bare(prefix: &str, members: usize, plugins: &[&str]) -> Result<Self> {
        let hub = Judged::start(&format!("{prefix}-hub")).await?;
        for definition in [motet_catalog::crd::plugin(), motet_catalog::crd::member()] {
            hub.look.define(&definition).await?;
        }
        hub.look.namespace("motet-system", &[]).await?;
        let names: Vec<String> = (0..members).map(|index| format!("{prefix}-{index}")).collect();
        let all = futures::future::try_join_all(names.iter().map(|name| Judged::start(name))).await?;
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("hub.yaml");
        fs::write(&kubeconfig, hub.kubeconfig("admin"))?;
        let plugins = motet_scenarios::only_plugins(folder.path(), plugins)?;
        let arguments = ["--hub", &kubeconfig.display().to_string(), "--plugins", &plugins].map(Into::into).into();
        Ok(Self { hub, members: all, host: None, folder, arguments, calm: Vec::new() })
    }

    /// Starts the host.
    pub(crate) fn start_host(&mut self) -> Result<()> {
        self.host = Some(HostProcess::start(self.folder.path(), &self.arguments())?);
        Ok(())
    }

    /// Starts the host in a shell of its own, after a command that makes things worse for it alone.
    pub(crate) fn start_host_in(&mut self, command: &str) -> Result<()> {
        self.host = Some(HostProcess::start_in(command, self.folder.path(), &self.arguments())?);
        Ok(())
    }

    /// Starts the host with variables of its environment.
    pub(crate) fn start_host_with(&mut self, variables: &[(&str, &str)]) -> Result<()> {
        self.host = Some(HostProcess::start_with(variables, self.folder.path(), &self.arguments())?);
        Ok(())
    }

    /// What the host is started with.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    pub(crate) fn host(&self) -> &HostProcess {
        self.host.as_ref().expect("a host runs")
    }

    /// Creates or changes a member's Secret: a kubeconfig by way of its wire, for a token.
    pub(crate) async fn register(&self, index: usize, token: &str) -> Result<()> {
        let member = &self.members[index];
        self.hub.look.register(&member.name, &member.kubeconfig(token), &[]).await
    }

    /// Waits until the operator sees a member in a state; its status.
    pub(crate) async fn is(&self, index: usize, state: &str) -> Result<Value> {
        self.shows(index, &format!("to be {state}"), |status| status["state"] == state).await
    }

    /// Waits until the operator sees what is wanted of a member, in its object and then everywhere; its status.
    pub(crate) async fn shows(&self, index: usize, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let name = &self.members[index].name;
        wait::until(&format!("member {name} {what}"), || async {
            let member = self.hub.look.get(&format!("{MEMBERS}/{name}")).await.map_err(|e| e.to_string())?;
            let status = member.ok_or("no Member object")?["status"].clone();
            if !wanted(&status) {
                return Err(status.to_string());
            }
            self.says_the_same_everywhere(name, &status).await.map_err(|e| format!("{e:#}"))?;
            Ok(status)
        })
        .await
        .with_context(|| self.host().tail())
    }

    /// The status API, the metrics and the Events on the Member agree with its status.
    async fn says_the_same_everywhere(&self, name: &str, status: &Value) -> Result<()> {
        let api = self.host().api(&format!("/api/v1/members/{name}")).await?;
        let (state, reason) =
            (status["state"].as_str().unwrap_or_default(), status["reason"].as_str().unwrap_or_default());
        ensure!(api.len() == 1 && api[0]["state"] == state, "the API says {api:?}");
        let gauge = self.metric("motet_member_state", name).await?;
        let one = |(labels, n): &(String, f64)| (labels.contains(&format!("state=\"{state}\"")), *n == 1.0);
        ensure!(gauge.iter().map(one).all(|(is, set)| is == set), "the metrics say {gauge:?}");
        let word = if reason.is_empty() { state } else { reason };
        let events = self.hub.look.list("/apis/events.k8s.io/v1/namespaces/default/events").await?;
        let told = events.iter().any(|event| {
            let about = &event["regarding"];
            about["kind"] == "Member" && about["name"] == name && event["reason"] == word && !about["uid"].is_null()
        });
        ensure!(told, "no Event {word} on the Member");
        Ok(())
    }

    /// Waits until the baseline holds on a member.
    pub(crate) async fn holds(&self, index: usize) -> Result<()> {
        let member = &self.members[index];
        baseline::converged(&member.name, &member.look, None).await.with_context(|| self.host().tail())
    }

    /// Gives a member something to do and waits until it is done.
    pub(crate) async fn works(&self, index: usize, namespace: &str) -> Result<()> {
        self.members[index].shop(namespace).await?;
        self.holds(index).await
    }

    /// Gives a member something to do and waits until it is done, whatever becomes of another namespace.
    pub(crate) async fn works_in(&self, index: usize, namespace: &str) -> Result<()> {
        let (look, path) =
            (&self.members[index].look, format!("/api/v1/namespaces/{namespace}/limitranges/motet-baseline"));
        self.members[index].shop(namespace).await?;
        wait::until(&path, || async {
            look.get(&path).await.map_err(|e| e.to_string())?.map(drop).ok_or("not there".to_string())
        })
        .await
        .with_context(|| self.host().tail())
    }

    /// Every value of a metric of a member, by the rest of its labels.
    pub(crate) async fn metric(&self, name: &str, member: &str) -> Result<Vec<(String, f64)>> {
        let (_, text) = self.host().get("/metrics").await?;
        let wanted = format!("member=\"{member}\"");
        Ok(text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}{{")) && line.contains(&wanted))
            .filter_map(|line| {
                line.rsplit_once(' ').and_then(|(labels, n)| Some((labels.to_string(), n.parse().ok()?)))
            })
            .collect())
    }

    /// Nobody but the first member noticed anything since all was well: they were never lost, and work.
    pub(crate) async fn nobody_else_noticed(&self) -> Result<()> {
        let now = self.others().await?;
        ensure!(now == self.calm, "before: {:?}, now: {now:?}", self.calm);
        for index in 1..self.members.len() {
            self.works(index, "undisturbed").await?;
        }
        Ok(())
    }

    /// What must stay as it is of everybody but the first member.
    async fn others(&self) -> Result<Vec<(String, f64)>> {
        let mut all = Vec::new();
        for member in &self.members[1..] {
            all.extend(self.metric("motet_member_reconnects_total", &member.name).await?);
            let state = self.hub.look.get(&format!("{MEMBERS}/{}", member.name)).await?.unwrap_or_default();
            ensure!(state["status"]["state"] == "Ready", "{} is {}", member.name, state["status"]);
            all.push((state["status"]["since"].to_string(), 0.0));
        }
        Ok(all)
    }
}
