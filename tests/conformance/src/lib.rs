//! The same requests to a real kube-apiserver and to an embedded cluster: answers are compared, not judged by rules of our own.
//!
//! A [`Case`] is a small conversation, written once. It is held with both clusters, what differs between any two clusters is
//! made neutral ([`neutral`]), and the rest must be equal. What the embedded cluster does not serve it answers with 501, and
//! the case says why; everything else is a failure. The results stand in the README of `sdk/devcluster` ([`table`]).

pub mod case;
pub mod compare;
pub mod define;
pub mod kubectl;
pub mod neutral;
pub mod stage;
pub mod table;
pub mod talk;
pub mod watch;

pub use case::Case;
pub use talk::Talk;
