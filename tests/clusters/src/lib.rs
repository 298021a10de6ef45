//! Real kube-apiservers that tests start, and a client to act on any cluster and look at it with.

pub mod audit;
pub mod client;
pub mod plain;
pub mod ports;
pub mod real;
pub mod wait;
