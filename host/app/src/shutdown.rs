//! SIGTERM and SIGINT: the first asks for a clean stop, the second aborts.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `stop` at the first signal; ends the process at the second.
pub(crate) fn on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        let mut asked = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if asked {
                tracing::error!("a second signal: aborting");
                std::process::exit(1);
            }
            asked = true;
            tracing::info!("stopping; a second signal aborts");
            stop.cancel();
        }
    });
    Ok(())
}
