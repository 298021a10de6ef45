//! The queue through its public face: key semantics, turns, limits, gates, removal, shutdown.

mod it {
    mod fixtures;
    mod gates;
    mod keys;
    mod model;
    mod removal;
    mod turns;
}
