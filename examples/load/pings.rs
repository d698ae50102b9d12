//! A client that sends a request every 10 ms, to measure the latency under load.

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

/// Sends requests until it is stopped.
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
    /// `ping` on a signed-in socket.
    pub async fn socket(address: SocketAddr, token: &str) -> Result<Self> {
        let mut socket = WebSocket::open(address, Some(token), None).await?;
        let request = ping_request();
        Ok(Self::start(async move || socket.ask(&request).await.map(drop)))
    }

    /// `GET /healthz` on a connection that is kept open.
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
                // After a slow answer the next request is late. Its delay counts, otherwise one long pause would hide
                // all the requests that were due in it (coordinated omission).
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

    /// Stops it; returns the latencies.
    pub async fn stop(self) -> Result<Sorted> {
        self.shared.stopped.set(true);
        self.task.await??;
        Ok(self.shared.latencies.take().sorted())
    }
}
