//! Tests of the crate against servers that are scripted, over real sockets.

#[cfg(test)]
mod it {
    mod client;
    mod reflector;
    mod server;
    mod transport;
}
