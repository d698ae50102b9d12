//! `echo`: requests and replies on open sockets.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Result;
use crate::figures::{Latencies, Report, rate, us_each};
use crate::people::{self, Login, People};
use crate::server::Server;
use crate::websocket::{Event, WebSocket, ping_request};

/// Before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);

/// Sockets, and requests in flight on each.
const ROUNDS: [(usize, usize); 3] = [(100, 1), (1_000, 1), (100, 16)];

pub async fn run(server: &Server, people: &mut People, seconds: u64, report: &mut Report) -> Result<()> {
    for (sockets, in_flight) in ROUNDS {
        let logins = people.sign_in(sockets, sockets).await?;
        round(server, logins, in_flight, Duration::from_secs(seconds), report).await?;
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    counting: Cell<bool>,
    stopped: Cell<bool>,
    latencies: RefCell<Latencies>,
}

async fn round(
    server: &Server,
    logins: &[Login],
    in_flight: usize,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    report.section(format!("echo: {} sockets, {in_flight} in flight on each", logins.len()));
    let (sockets, _) = people::open_sockets(server.address(), logins).await?;
    let tally = Rc::<Tally>::default();
    let mut tasks = JoinSet::new();
    for socket in sockets {
        tasks.spawn_local(echo(socket, in_flight, Rc::clone(&tally)));
    }
    sleep(WARM_UP).await;
    let (before, started) = (server.cpu(), Instant::now());
    tally.counting.set(true);
    sleep(duration).await;
    tally.counting.set(false);
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before));
    tally.stopped.set(true);
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    let latencies = tally.latencies.take().sorted();
    report
        .row("replies", rate(latencies.len(), elapsed), "/s")
        .row_if_known("  server CPU", us_each(cpu, latencies.len()), "us each")
        .row("  p50", latencies.percentile(500), "ms")
        .row("  p99", latencies.percentile(990), "ms")
        .row("  p99.9", latencies.percentile(999), "ms");
    Ok(())
}

/// Keeps `in_flight` requests under way until told to stop. What is read at once is replaced at once.
async fn echo(mut socket: WebSocket, in_flight: usize, tally: Rc<Tally>) -> Result<()> {
    let request = ping_request();
    let batch = request.repeat(in_flight);
    let mut sent = VecDeque::from(vec![Instant::now(); in_flight]);
    socket.send(&batch).await?;
    while !tally.stopped.get() {
        let mut event = Some(socket.next().await?);
        let now = Instant::now();
        let mut replies = 0;
        while let Some(Event::Text) = event {
            replies += 1;
            if let Some(sent) = sent.pop_front()
                && tally.counting.get()
            {
                tally.latencies.borrow_mut().push(now - sent);
            }
            event = socket.next_buffered().await?;
        }
        if let Some(Event::Closed(code)) = event {
            return Err(format!("a socket was closed: {code:?}").into());
        }
        sent.extend(std::iter::repeat_n(Instant::now(), replies));
        socket.send(&batch[..request.len() * replies]).await?;
    }
    Ok(())
}
