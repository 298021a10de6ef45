//! Tests of the crate against servers that are scripted, over real sockets.

mod it {
    mod client;
    mod reflector;
    mod server;
    mod transport;
}
