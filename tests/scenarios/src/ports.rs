//! Free ports on 127.0.0.1, for programs that cannot be asked which one they took.

use std::net::TcpListener;

/// `n` ports that are free now and differ from each other.
pub fn free(n: usize) -> std::io::Result<Vec<u16>> {
    let listeners: Vec<TcpListener> = (0..n).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    listeners.iter().map(|l| l.local_addr().map(|a| a.port())).collect()
}
