//! Waiting for something to become true, with a generous stop: no test asserts a time.

use std::{fmt::Debug, future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::Instant;

/// Longest wait for anything on a machine that is building at the same time.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks `look` until it gives something; the error says what was waited for and what was seen last.
pub async fn until<T, S: Debug, F: Future<Output = Result<T, S>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T> {
    let stop = Instant::now() + PATIENCE;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if Instant::now() >= stop => bail!("waited {PATIENCE:?} for {what}; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Checks that `look` keeps giving the same for a while: for what must not happen.
pub async fn stays<T: PartialEq + Debug, F: Future<Output = Result<T>>>(
    what: &str,
    wanted: T,
    during: Duration,
    mut look: impl FnMut() -> F,
) -> Result<()> {
    let stop = Instant::now() + during;
    while Instant::now() < stop {
        let seen = look().await?;
        if seen != wanted {
            bail!("{what} should stay {wanted:?}, it became {seen:?}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
