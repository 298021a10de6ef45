//! Free ports on 127.0.0.1, for programs that cannot be asked which one they took.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher, RandomState},
    io,
    net::TcpListener,
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Below what the system gives to connections that leave (from 32768 on): a port stays free while a server that has it restarts.
const RANGE: Range<u16> = 18_000..32_000;
/// How many ports may be found taken.
const TRIES: usize = 1000;

/// Ports that were given out: a program takes seconds to listen on its own, and another test must not get it meanwhile.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// `n` ports that are free now, differ from each other, and are given to nobody else in this process.
pub fn free(n: usize) -> io::Result<Vec<u16>> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (random, mut listeners) = (RandomState::new(), Vec::new());
    for attempt in 0..TRIES {
        if listeners.len() == n {
            break;
        }
        let offset = random.hash_one(attempt) % u64::from(RANGE.end - RANGE.start);
        let port = RANGE.start + offset as u16;
        if given.contains(&port) {
            continue;
        }
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            given.insert(port);
            listeners.push(listener);
        }
    }
    if listeners.len() < n {
        return Err(io::Error::other(format!("there are no {n} free ports in {RANGE:?}")));
    }
    listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect()
}
