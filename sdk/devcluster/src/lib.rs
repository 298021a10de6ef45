//! Embedded Kubernetes API servers: real HTTP and HTTPS on ports of 127.0.0.1, in memory, hundreds per process, for tests,
//! demos and development without a cluster.
//!
//! ```no_run
//! # async fn example() -> Result<(), motet_devcluster::StartError> {
//! use motet_devcluster::{Cluster, Options};
//! let cluster = Cluster::start(Options { name: "edge-1".into(), ..Options::default() }).await?;
//! let kubeconfig = cluster.kubeconfig(); // for kubectl, kube-rs, client-go …
//! cluster.faults().cut(); // every connection is closed, watches included
//! # Ok(())
//! # }
//! ```
//!
//! The README lists what is served; what is not is answered with 501 and says so.

mod access;
mod admission;
mod answer;
mod apply;
mod ask;
mod autoscaling;
mod cluster;
mod control;
mod custom;
mod defaults;
mod definitions;
mod delete;
mod discovery;
mod error;
mod faults;
mod go;
mod ledger;
mod list;
mod names;
mod object;
mod openapi;
mod options;
mod patch;
mod protobuf;
mod quantity;
mod reaper;
mod resources;
mod routes;
mod rules;
mod scale;
mod schema;
mod selector;
mod serve;
mod services;
mod shape;
mod simulate;
mod store;
mod strict;
mod table;
mod tls;
mod validate;
mod view;
mod watch;
mod write;

pub use access::users::User;
pub use cluster::{Cluster, Options};
pub use control::Control;
pub use faults::Faults;
pub use ledger::{Requests, WriteRecord};
pub use tls::ClientCertificate;

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port could not be taken or listened on.
    #[error("cluster {cluster}: cannot listen on port {port} of 127.0.0.1: {source}; choose another port or 0 for any")]
    Port {
        /// The cluster's name.
        cluster: String,
        /// The port asked for; 0 for any.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// Certificates could not be made.
    #[error("cluster {cluster}: cannot make its certificates: {what}")]
    Tls {
        /// The cluster's name.
        cluster: String,
        /// What went wrong.
        what: String,
    },
}

/// What the README shows is run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
