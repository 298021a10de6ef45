//! Free ports on 127.0.0.1, for programs that cannot be asked which one they took.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::TcpListener,
    ops::Range,
};

/// Below what the system gives to connections that leave (from 32768 on): a port stays free while a server that has it restarts.
const RANGE: Range<u16> = 18_000..32_000;
/// How many ports may be found taken.
const TRIES: usize = 1000;

/// `n` ports that are free now and differ from each other.
pub fn free(n: usize) -> io::Result<Vec<u16>> {
    let (random, mut listeners) = (RandomState::new(), Vec::new());
    for attempt in 0..TRIES {
        if listeners.len() == n {
            break;
        }
        let offset = random.hash_one(attempt) % u64::from(RANGE.end - RANGE.start);
        listeners.extend(TcpListener::bind(("127.0.0.1", RANGE.start + offset as u16)).ok());
    }
    if listeners.len() < n {
        return Err(io::Error::other(format!("there are no {n} free ports in {RANGE:?}")));
    }
    listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect()
}
