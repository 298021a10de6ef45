//! The queue between what happened and who reconciles it: each key once waiting and once running, fair turns, backoff.
//!
//! A key is added by events, retries and requeues; workers take it with [`Queue::get`]. Whatever was added while a key ran leads
//! to exactly one more run. Turns go to the highest [`Priority`](motet_core::Priority) with work (a lower one gets every ninth),
//! there to members in turn, inside a member to plugins in turn (both by weight), inside a plugin first come, first served.
//!
//! Two gates delay a key whatever events say: [`Queue::hold`] (a host backoff, after traps and deadlines) and [`Queue::park`] (a
//! key that wrote and waits to see its own writes). Nothing here does I/O or knows what a reconcile is; time is tokio's, so
//! that tests pause it.

mod backoff;
mod entry;
mod queue;
mod settings;
mod state;
mod turns;

pub use queue::{Queue, Running};
pub use settings::Settings;
pub use state::Depth;
