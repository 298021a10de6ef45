//! The network between the host and a cluster, with its faults: the cluster's other clients still reach it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What a wire does to what goes over it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Connections in use are closed and nobody listens.
    Refuse,
    /// Connections are accepted, and nothing on any of them moves: a black hole.
    Hang,
    /// Every chunk is late by so much, in both directions.
    Delay(Duration),
    /// At most so many bytes per second and direction.
    Slow(u32),
}

/// A port on 127.0.0.1 that leads to another one. It closes when dropped.
pub struct Wire {
    port: u16,
    state: watch::Sender<State>,
    open: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

#[derive(Clone, Copy)]
struct State {
    fault: Fault,
    /// How often connections in use were cut.
    cuts: u64,
}

impl Wire {
    /// A wire to `port` of 127.0.0.1.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (state, open) = (watch::Sender::new(State { fault: Fault::None, cuts: 0 }), Arc::new(AtomicUsize::new(0)));
        let own = listener.local_addr()?.port();
        let task = tokio::spawn(accept(listener, port, state.clone(), open.clone()));
        Ok(Self { port: own, state, open, task })
    }

    /// The port that leads there.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets what it does from now on, to connections in use too.
    pub fn set(&self, fault: Fault) {
        self.state.send_modify(|state| state.fault = fault);
    }

    /// Closes connections in use; new ones are carried.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Connections in use.
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.set(Fault::Refuse);
        self.task.abort();
    }
}

async fn accept(first: TcpListener, to: u16, state: watch::Sender<State>, open: Arc<AtomicUsize>) {
    let Ok(own) = first.local_addr() else { return };
    let (mut listener, mut seen) = (Some(first), state.subscribe());
    loop {
        if seen.borrow_and_update().fault == Fault::Refuse {
            listener = None;
            if seen.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(listening) = listener.take().map_or_else(|| listen_again(own), Some) else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        tokio::select! {
            accepted = listening.accept() => if let Ok((client, _)) = accepted {
                tokio::spawn(serve(client, to, state.subscribe(), open.clone()));
            },
            _ = seen.changed() => {}
        }
        listener = Some(listening);
    }
}

fn listen_again(own: std::net::SocketAddr) -> Option<TcpListener> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind(own).ok()?;
    socket.listen(1024).ok()
}

async fn serve(client: TcpStream, to: u16, state: watch::Receiver<State>, open: Arc<AtomicUsize>) {
    let mut ending = state.clone();
    let cuts = state.borrow().cuts;
    open.fetch_add(1, Relaxed);
    tokio::select! {
        _ = ending.wait_for(|now| now.fault == Fault::Refuse || now.cuts != cuts) => {}
        _ = carry(client, to, state) => {}
    }
    open.fetch_sub(1, Relaxed);
}

async fn carry(client: TcpStream, to: u16, mut state: watch::Receiver<State>) -> io::Result<()> {
    let _ = state.wait_for(|now| now.fault != Fault::Hang).await;
    let server = TcpStream::connect(("127.0.0.1", to)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
    // One end closing ends the other: no peer here half-closes.
    tokio::select! {
        ended = pump(client_in, server_out, state.clone()) => ended,
        ended = pump(server_in, client_out, state) => ended,
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let most = match state.borrow().fault {
            Fault::Slow(rate) => (rate / 20).clamp(1, buffer.len() as u32) as usize,
            _ => buffer.len(),
        };
        let read = from.read(&mut buffer[..most]).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        let fault = state.borrow().fault;
        match fault {
            Fault::Delay(by) => tokio::time::sleep(by).await,
            Fault::Slow(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => {}
        }
        let _ = state.wait_for(|now| now.fault != Fault::Hang).await;
        to.write_all(&buffer[..read]).await?;
    }
}
