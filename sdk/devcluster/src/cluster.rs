//! The public face: starting, stopping and inspecting a cluster.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::{Mutex, RwLock};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::access::users::{Tokens, User};
use crate::access::{accounts, bootstrap, impersonation, rbac};
use crate::faults::Faults;
use crate::ledger::{Ledger, Requests, WriteRecord};
use crate::resources::BUILTINS;
use crate::serve::{self, Port};
use crate::store::{Key, State};
use crate::tls::ClientCertificate;
use crate::{StartError, defaults, object, reaper, simulate, tls};

/// How a cluster is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the kubeconfig calls the cluster, its user and its context.
    pub name: String,
    /// Serve TLS with a certificate authority of the cluster's own; plain HTTP otherwise.
    pub https: bool,
    /// Bearer tokens with all rights; the first is the kubeconfig's. Empty: one is made up.
    pub tokens: Vec<String>,
    /// More users with tokens; Roles and bindings say what they may do.
    pub users: Vec<User>,
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Changes remembered per resource, for watches and pages to resume from.
    pub history: usize,
    /// How often an idle watch that allows bookmarks gets one.
    pub bookmark_every: Duration,
    /// Every answer waits this long; also a fault knob.
    pub latency: Duration,
    /// Run a tiny controller that declares every Deployment available, as if its pods ran.
    pub simulate_deployments: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "devcluster".into(),
            https: true,
            tokens: Vec::new(),
            users: Vec::new(),
            port: 0,
            history: 1000,
            bookmark_every: Duration::from_secs(60),
            latency: Duration::ZERO,
            simulate_deployments: false,
        }
    }
}

/// What the tasks of a cluster share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) name: String,
    pub(crate) https: bool,
    pub(crate) port: u16,
    pub(crate) state: Mutex<State>,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    pub(crate) tokens: RwLock<Tokens>,
    pub(crate) book: rbac::Shelved,
    pub(crate) modes: impersonation::Modes,
    pub(crate) signer: accounts::Signer,
    /// Signs certificates; none over plain HTTP.
    pub(crate) authority: Option<tls::Authority>,
    /// Told when the store has chores.
    pub(crate) chores: Arc<Notify>,
    pub(crate) bookmark_every: Duration,
    /// True while the cluster is stopped; connections end with it.
    pub(crate) stopped: watch::Sender<bool>,
}

impl Core {
    /// Wakes the reaper if a write left something to do.
    pub(crate) fn wake_reaper(&self) {
        if !self.state.lock().chores.is_empty() {
            self.chores.notify_one();
        }
    }
}

/// A running cluster. Dropping it closes its port and frees its memory.
pub struct Cluster {
    core: Arc<Core>,
    port: Arc<Port>,
    acceptor: Option<TlsAcceptor>,
    ca_pem: Option<String>,
    token: String,
    listening: Mutex<Option<JoinHandle<()>>>,
    workers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("name", &self.core.name).field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Starts a cluster with its start-up namespaces; it answers when this returns.
    ///
    /// # Errors
    /// The port cannot be taken, or certificates cannot be made.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let of_port = |source| StartError::Port { cluster: options.name.clone(), port: options.port, source };
        let port = Arc::new(Port::take(options.port).map_err(of_port)?);
        let listener = port.listen().map_err(of_port)?;
        let tls = if options.https { Some(tls::make(&options.name)?) } else { None };
        let token = options.tokens.first().cloned().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let mut tokens = Tokens::default();
        options.tokens.iter().chain([&token]).for_each(|token| tokens.insert(User::admin(token)));
        options.users.iter().cloned().for_each(|user| tokens.insert(user));
        let (acceptor, ca_pem, authority) = match tls {
            Some(tls) => (Some(tls.acceptor), Some(tls.ca_pem), Some(tls.authority)),
            None => (None, None, None),
        };
        let core = Arc::new(Core {
            name: options.name.clone(),
            https: options.https,
            port: port.number,
            state: Mutex::new(first_state(options.history)),
            faults: Faults::default(),
            ledger: Ledger::default(),
            tokens: RwLock::new(tokens),
            book: rbac::Shelved::default(),
            modes: impersonation::Modes::default(),
            signer: accounts::Signer::default(),
            authority,
            chores: Arc::default(),
            bookmark_every: options.bookmark_every,
            stopped: watch::Sender::new(false),
        });
        core.faults.delay(options.latency);
        let mut workers = vec![tokio::spawn(reaper::run(Arc::downgrade(&core)))];
        if options.simulate_deployments {
            workers.push(tokio::spawn(simulate::run(Arc::downgrade(&core))));
        }
        let listening = tokio::spawn(serve::run(core.clone(), port.clone(), acceptor.clone(), listener));
        Ok(Self { core, port, acceptor, ca_pem, token, listening: Mutex::new(Some(listening)), workers })
    }

    /// Where the API is served, without a trailing slash.
    pub fn url(&self) -> String {
        let scheme = if self.core.https { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port.number)
    }

    /// The port on 127.0.0.1; it stays the same over [`Cluster::stop`] and [`Cluster::restart`].
    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// The UID of the namespace kube-system.
    pub fn uid(&self) -> String {
        let stored = self.core.state.lock().get("namespaces.", &Key::new("", "kube-system"));
        stored.map(|s| s.uid.to_string()).unwrap_or_default()
    }

    /// The token that the kubeconfig carries.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The certificate authority in PEM; `None` over plain HTTP.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// A kubeconfig with the CA and the first token embedded.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_with_token(&self.token)
    }

    /// A kubeconfig with another token, be it accepted or not.
    pub fn kubeconfig_with_token(&self, token: &str) -> String {
        self.kubeconfig_of(&format!("    token: {token}\n"))
    }

    /// A kubeconfig without any credentials.
    pub fn kubeconfig_anonymous(&self) -> String {
        self.kubeconfig_of("    {}\n")
    }

    /// A certificate for a user, signed by the cluster's authority, and its key. The user is in `group`, unless that is empty:
    /// Roles and bindings say what they may do; members of `system:masters` may do anything.
    ///
    /// # Errors
    /// The cluster serves plain HTTP, or the certificate cannot be made.
    pub fn client_certificate(&self, user: &str, group: &str) -> Result<ClientCertificate, StartError> {
        let failed = |what: String| StartError::Tls { cluster: self.core.name.clone(), what };
        let authority = self.core.authority.as_ref().ok_or_else(|| failed("it serves plain HTTP".into()))?;
        authority.client(user, group).map_err(|e| failed(e.to_string()))
    }

    /// A kubeconfig with a client certificate.
    pub fn kubeconfig_with_certificate(&self, pair: &ClientCertificate) -> String {
        let [certificate, key] = [&pair.certificate, &pair.key].map(|pem| STANDARD.encode(pem));
        self.kubeconfig_of(&format!("    client-certificate-data: {certificate}\n    client-key-data: {key}\n"))
    }

    fn kubeconfig_of(&self, user: &str) -> String {
        let name = &self.core.name;
        let ca = self.ca_pem.as_ref().map(|pem| format!("    certificate-authority-data: {}\n", STANDARD.encode(pem)));
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: {name}\nclusters:\n- name: {name}\n  cluster:\n    server: {}\n{}\
             users:\n- name: {name}\n  user:\n{user}contexts:\n- name: {name}\n  context:\n    cluster: {name}\n    \
             user: {name}\n",
            self.url(),
            ca.unwrap_or_default()
        )
    }

    /// The knobs that make it misbehave.
    pub fn faults(&self) -> &Faults {
        &self.core.faults
    }

    /// Forgets the history of changes: open watches end with a 410 event, resuming from an older version gets one too, and so
    /// do the remaining pages of a list.
    pub fn expire_watches(&self) {
        self.core.state.lock().forget_history();
    }

    /// Forgets everything: all connections are closed and the cluster starts over as another one, under the same address,
    /// certificates and tokens.
    pub fn wipe(&self) {
        {
            let mut state = self.core.state.lock();
            let history = state.history();
            *state = first_state(history);
        }
        self.core.faults.cut();
    }

    /// Requests answered since the start, by verb.
    pub fn requests(&self) -> Requests {
        self.core.ledger.requests()
    }

    /// The last 1024 write requests, oldest first.
    pub fn writes(&self) -> Vec<WriteRecord> {
        self.core.ledger.writes()
    }

    /// Accepts one more token, with all rights.
    pub fn add_token(&self, token: &str) {
        self.core.tokens.write().insert(User::admin(token));
    }

    /// Accepts one more user with a token.
    pub fn add_user(&self, user: User) {
        self.core.tokens.write().insert(user);
    }

    /// Accepts a token no longer; requests that carry it get 401, connections stay open.
    pub fn revoke_token(&self, token: &str) {
        self.core.tokens.write().remove(token);
    }

    /// Closes the port and all connections, like a stopped server; the objects stay. Does nothing if it is stopped.
    pub fn stop(&self) {
        if let Some(task) = self.listening.lock().take() {
            task.abort();
        }
        self.core.stopped.send_replace(true);
    }

    /// Serves again after [`Cluster::stop`], on the same port with the same objects. Does nothing if it runs.
    ///
    /// # Errors
    /// The port cannot be listened on.
    pub async fn restart(&self) -> Result<(), StartError> {
        let mut listening = self.listening.lock();
        if listening.is_some() {
            return Ok(());
        }
        let of_port = |source| StartError::Port { cluster: self.core.name.clone(), port: self.port.number, source };
        let listener = self.port.listen().map_err(of_port)?;
        self.core.stopped.send_replace(false);
        let run = serve::run(self.core.clone(), self.port.clone(), self.acceptor.clone(), listener);
        *listening = Some(tokio::spawn(run));
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        self.workers.iter().for_each(JoinHandle::abort);
    }
}

fn first_state(history: usize) -> State {
    let mut state = State::new(history);
    let Some(namespaces) = BUILTINS.iter().find(|r| &*r.shelf == "namespaces.") else { return state };
    for name in ["kube-system", "kube-public", "kube-node-lease", "default"] {
        let mut namespace: Value = json!({"metadata": {"name": name}});
        defaults::fill(namespaces, "v1", &mut namespace);
        defaults::on_create(namespaces, &mut namespace);
        object::set_meta(&mut namespace, "uid", Some(uuid::Uuid::new_v4().to_string().into()));
        object::set_meta(&mut namespace, "creationTimestamp", Some(object::now().into()));
        state.put(namespaces, namespace);
    }
    bootstrap::fill(&mut state);
    state.chores.clear();
    state
}
