//! `echo`: requests and replies on open sockets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Result;
use crate::figures::{Latencies, Report, rate, us_each};
use crate::people::{self, People};
use crate::server::Server;
use crate::websocket::{Event, WebSocket, ping_request};

/// Time before the measurement starts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Sockets, and requests in flight on each.
const ROUNDS: [(usize, usize); 3] = [(100, 1), (1_000, 1), (100, 16)];

/// A socket on which the server answers requests in order.
pub trait Asker {
    async fn send(&mut self, requests: &[u8]) -> std::io::Result<()>;

    /// Waits for replies; returns how many arrived together.
    async fn replies(&mut self) -> Result<usize>;
}

impl Asker for WebSocket {
    async fn send(&mut self, requests: &[u8]) -> std::io::Result<()> {
        self.send(requests).await
    }

    async fn replies(&mut self) -> Result<usize> {
        let mut event = Some(self.next().await?);
        let mut replies = 0;
        while let Some(Event::Text) = event {
            replies += 1;
            event = self.next_buffered().await?;
        }
        match event {
            Some(Event::Closed(code)) => Err(format!("a socket was closed: {code:?}").into()),
            _ => Ok(replies),
        }
    }
}

pub async fn run(server: &Server, people: &mut People, seconds: u64, report: &mut Report) -> Result<()> {
    for (number, in_flight) in ROUNDS {
        let logins = people.sign_in(number, number).await?;
        report.section(format!("echo: {number} sockets, {in_flight} in flight on each"));
        let (sockets, _) = people::open_sockets(server.address(), logins).await?;
        let duration = Duration::from_secs(seconds);
        round(server, sockets, ping_request(), in_flight, duration).await?.show(report);
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    counting: Cell<bool>,
    stopped: Cell<bool>,
    latencies: RefCell<Latencies>,
}

/// What was measured in one interval.
#[derive(Default)]
pub struct Round {
    pub elapsed: Duration,
    /// CPU time of the server.
    pub cpu: Option<Duration>,
    pub latencies: Latencies,
}

impl Round {
    /// Combines two intervals as if one followed the other.
    pub fn add(&mut self, other: Self) {
        self.elapsed += other.elapsed;
        self.cpu = other.cpu.map(|cpu| cpu + self.cpu.unwrap_or_default());
        self.latencies.append(other.latencies);
    }

    /// Replies per second.
    pub fn rate(&self) -> f64 {
        rate(self.latencies.len(), self.elapsed)
    }

    /// The server's CPU time per request, in us.
    pub fn cpu_each(&self) -> Option<f64> {
        us_each(self.cpu, self.latencies.len())
    }

    pub fn show(self, report: &mut Report) {
        let (rate, each) = (self.rate(), self.cpu_each());
        let latencies = self.latencies.sorted();
        report
            .row("replies", rate, "/s")
            .row_if_known("  server CPU", each, "us each")
            .row("  p50", latencies.percentile(500), "ms")
            .row("  p99", latencies.percentile(990), "ms")
            .row("  p99.9", latencies.percentile(999), "ms");
    }
}

/// Keeps `in_flight` of these requests in flight on each socket.
pub async fn round(
    server: &Server,
    sockets: Vec<impl Asker + 'static>,
    request: Vec<u8>,
    in_flight: usize,
    duration: Duration,
) -> Result<Round> {
    let (tally, request) = (Rc::<Tally>::default(), Rc::<[u8]>::from(request));
    let mut tasks = JoinSet::new();
    for socket in sockets {
        tasks.spawn_local(echo(socket, Rc::clone(&request), in_flight, Rc::clone(&tally)));
    }
    sleep(WARM_UP).await;
    let (before, started) = (server.fine_cpu(), Instant::now());
    tally.counting.set(true);
    sleep(duration).await;
    tally.counting.set(false);
    let (elapsed, cpu) = (started.elapsed(), server.fine_cpu_since(before));
    tally.stopped.set(true);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(Round { elapsed, cpu, latencies: tally.latencies.take() })
}

/// Keeps `in_flight` requests in flight until it is stopped. Replies that are read together are replaced together.
async fn echo(mut socket: impl Asker, request: Rc<[u8]>, in_flight: usize, tally: Rc<Tally>) -> Result<()> {
    let batch = request.repeat(in_flight);
    let mut sent = VecDeque::from(vec![Instant::now(); in_flight]);
    socket.send(&batch).await?;
    while !tally.stopped.get() {
        let replies = socket.replies().await?;
        let now = Instant::now();
        for sent in sent.drain(..replies) {
            if tally.counting.get() {
                tally.latencies.borrow_mut().push(now - sent);
            }
        }
        sent.extend(std::iter::repeat_n(Instant::now(), replies));
        socket.send(&batch[..request.len() * replies]).await?;
    }
    Ok(())
}
