//! One API server: kubeconfig sanitising, transport, discovery, list/watch streams, reads and writes.
//!
//! A [`Client`] is made from a checked [`Connection`] and implements [`motet_core::ports::MemberApi`]. Data flows
//! `kubeconfig -> connection -> connect (TCP, proxy, TLS) -> pool (HTTP/2 or 1.1) -> transport -> client`, and from the
//! transport through `list`/`events` into the `reflector`, whose output waits in a bounded `backlog`.

mod backlog;
mod backoff;
mod client;
mod connect;
mod connection;
mod credentials;
mod discovery;
mod events;
mod health;
mod kubeconfig;
mod list;
mod paths;
mod pool;
mod reflector;
mod settings;
mod split;
mod status;
mod tls;
mod tower_service;
mod transport;

pub use backoff::Backoff;
pub use client::Client;
pub use connection::{Connection, Credentials, ExecCommand, Impersonate, Secret, Server, TlsOptions};
pub use discovery::{SharedTables, Table};
pub use health::{Identity, Probe};
pub use kubeconfig::{Allow, KubeconfigError, MAX_KUBECONFIG, contexts, parse};
pub use settings::{LIST_PERMITS, Settings, WatchSettings};
