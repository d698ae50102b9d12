//! One who only wants an answer every 10 ms, whatever the others do.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::Result;
use crate::figures::{Latencies, Sorted};
use crate::http::{Connection, Request};
use crate::websocket::{WebSocket, ping_request};

const PACE: Duration = Duration::from_millis(10);

/// Asks until it is told to stop.
pub struct Pinger {
    shared: Rc<Shared>,
    task: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Shared {
    stopped: Cell<bool>,
    latencies: RefCell<Latencies>,
}

impl Pinger {
    /// `ping` on a socket that is in.
    pub async fn socket(address: SocketAddr, token: &str) -> Result<Self> {
        let mut socket = WebSocket::open(address, Some(token), None).await?;
        let request = ping_request();
        Ok(Self::start(async move || socket.ask(&request).await.map(drop)))
    }

    /// `GET /healthz` on a connection that stays open.
    pub async fn health(address: SocketAddr) -> Result<Self> {
        let mut connection = Connection::open(address).await?;
        let request = Request::get("/healthz", None);
        Ok(Self::start(async move || connection.send(&request).await?.expect(200).map(drop)))
    }

    fn start(mut ask: impl AsyncFnMut() -> Result<()> + 'static) -> Self {
        let shared = Rc::<Shared>::default();
        let theirs = Rc::clone(&shared);
        let task = tokio::task::spawn_local(async move {
            let mut due = Instant::now();
            while !theirs.stopped.get() {
                due += PACE;
                // Whoever waited too long for the last answer has asked too late: that delay counts, or one
                // long silence would hide all the questions that were not asked in it.
                let mut from = due;
                if Instant::now() < due {
                    sleep_until(due.into()).await;
                    from = Instant::now();
                }
                ask().await?;
                theirs.latencies.borrow_mut().push(from.elapsed());
            }
            Ok(())
        });
        Self { shared, task }
    }

    /// Ends it: how long its answers took.
    pub async fn stop(self) -> Result<Sorted> {
        self.shared.stopped.set(true);
        self.task.await??;
        Ok(self.shared.latencies.take().sorted())
    }
}
