//! The multi-manager: providers say which members there are, and one manager per member connects, watches its health, follows changes of
//! its credentials without a gap, and frees everything when it goes.
//!
//! [`Fleet::start`] runs providers and managers; what they do reaches the rest of the host as [`FleetEvent`]s, what they are as
//! [`MemberStatus`] snapshots. Managers share nothing but the table of identities, and no lock is held across an await.

mod claims;
mod fleet;
mod manager;
mod member;
mod providers;
mod settings;
mod spec;
mod status;

pub use fleet::{Fleet, FleetHandle};
pub use member::{FleetEvent, Member};
pub use providers::Provider;
pub use settings::FleetSettings;
pub use spec::MemberSpec;
pub use status::{MemberState, MemberStatus};
