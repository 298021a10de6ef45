//! The network between the host and a member, so that it can be cut while the member's own clients still reach it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use anyhow::Result;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A port on 127.0.0.1 that leads to another one. It closes when dropped.
pub struct Wire {
    port: u16,
    cut: watch::Sender<bool>,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Wire {
    /// A wire to `port` of 127.0.0.1.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (cut, open) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
        let own = listener.local_addr()?.port();
        let task = tokio::spawn(accept(listener, port, cut.clone(), open.clone()));
        Ok(Self { port: own, cut, open, task })
    }

    /// The port that leads there.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts it, connections in use included, or mends it.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }

    /// Connections in use.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.cut.send_replace(true);
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, cut: watch::Sender<bool>, open: Arc<AtomicUsize>) {
    while let Ok((client, _)) = listener.accept().await {
        let (mut cut, open) = (cut.subscribe(), open.clone());
        tokio::spawn(async move {
            open.fetch_add(1, Relaxed);
            tokio::select! {
                _ = cut.wait_for(|cut| *cut) => {}
                _ = carry(client, port) => {}
            }
            open.fetch_sub(1, Relaxed);
        });
    }
}

async fn carry(mut client: TcpStream, port: u16) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}
