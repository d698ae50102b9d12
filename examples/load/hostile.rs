//! `strangers`, `stalled` and `flood`: clients that occupy the server's resources, and how they affect others.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};

use crate::figures::{Expected, Latencies, Report};
use crate::people::{self, People, side_by_side};
use crate::pings::Pinger;
use crate::server::{MemoryWatch, Server};
use crate::websocket::{WebSocket, text};
use crate::{Result, Target};

/// The default of `sockets.max_waiting_per_address`.
const PER_ADDRESS: usize = 20;

/// The close code for a client that does not sign in in time.
const CODE: u16 = 4408;

/// Three times the default of `sockets.auth_timeout`.
const PATIENCE: Duration = Duration::from_secs(15);

pub async fn strangers(
    server: &Server,
    people: &mut People,
    number: usize,
    report: &mut Report,
) -> Result<()> {
    let token = people.sign_in(1, 1).await?[0].token.clone();
    report.section(format!("strangers: {number} idle sockets without a token, {PER_ADDRESS} an address"));
    let pinger = Pinger::socket(server.address(), &token).await?;
    sleep(Duration::from_secs(1)).await;
    let watch = MemoryWatch::start(server);
    let open = Rc::<Open>::default();
    let (address, theirs) = (server.address(), Rc::clone(&open));
    let sources = (0..number).map(source).collect();
    let sockets = side_by_side(64, sources, async move |from| {
        let socket = WebSocket::open(address, None, Some(from)).await?;
        theirs.add();
        // Runs while the others are opened.
        Ok(tokio::task::spawn_local(wait_for_close(socket, Rc::clone(&theirs))))
    });
    let (mut waits, mut strays) = (Latencies::default(), 0_u32);
    for socket in sockets.await? {
        match socket.await? {
            (Some(CODE), wait) => waits.push(wait),
            _ => strays += 1,
        }
    }
    let waits = waits.sorted();
    sleep(Duration::from_secs(1)).await;
    let ping = pinger.stop().await?;
    report
        .row("open at once, at most", open.most.get() as f64, "")
        .row("closed with 4408", waits.len() as f64, "")
        .row("  after, p50", waits.percentile(500), "ms")
        .row("  max", waits.max(), "ms")
        .promise("closed otherwise or not at all", f64::from(strays), "", Expected::AtMost(0.0));
    show_memory(watch, server, number, report);
    report
        .row("ping of a signed-in client meanwhile, p50", ping.percentile(500), "ms")
        .row("  p99", ping.percentile(990), "ms")
        .row("  max", ping.max(), "ms");
    Ok(())
}

#[derive(Default)]
struct Open {
    now: Cell<usize>,
    most: Cell<usize>,
}

impl Open {
    fn add(&self) {
        self.now.set(self.now.get() + 1);
        self.most.set(self.most.get().max(self.now.get()));
    }

    fn remove(&self) {
        self.now.set(self.now.get() - 1);
    }
}

/// The server's close code, and the time until it closed the socket.
async fn wait_for_close(mut socket: WebSocket, open: Rc<Open>) -> (Option<u16>, Duration) {
    let since = Instant::now();
    let code = timeout(PATIENCE, socket.closed()).await.ok().flatten();
    open.remove();
    (code, since.elapsed())
}

/// Linux accepts connections at all of 127.0.0.0/8.
fn source(index: usize) -> Ipv4Addr {
    let first = Ipv4Addr::new(127, 0, 0, 2).to_bits();
    Ipv4Addr::from_bits(first + u32::try_from(index / PER_ADDRESS).unwrap_or_default())
}

/// Sockets that send requests faster than the server can answer. With `read` they read the answers, without it they do
/// not.
pub async fn flood(
    target: &Target,
    number: usize,
    seconds: u64,
    read: bool,
    report: &mut Report,
) -> Result<()> {
    // A client that reads nothing for a heartbeat is closed; a short heartbeat shows that sooner.
    let mut settings = crate::CHEAP.to_vec();
    settings.push(("sockets.heartbeat", "3s"));
    let server = &Server::start(target, &settings).await?;
    let mut people = People::new(server.address());
    let logins = people.sign_in(number + 1, number + 1).await?;
    let name = if read { "flood" } else { "stalled" };
    let habit = if read { "and read" } else { "and never read" };
    report.section(format!(
        "{name}: {number} sockets that ask without end {habit}, {seconds} s, heartbeat 3 s"
    ));
    let pinger = Pinger::socket(server.address(), &logins[number].token).await?;
    let (sockets, _) = people::open_sockets(server.address(), &logins[..number]).await?;
    sleep(Duration::from_secs(1)).await;
    let watch = MemoryWatch::start(server);
    let before = server.cpu();
    let requests: Rc<[u8]> = text(r#"{"type":"secret"}"#).repeat(1000).into();
    let mut floods = JoinSet::new();
    for mut socket in sockets {
        let requests = Rc::clone(&requests);
        floods.spawn_local(async move {
            let started = Instant::now();
            // It may end with a close frame or in the middle of a frame.
            let _ = socket.flood(&requests, read).await;
            started.elapsed()
        });
    }
    let mut cuts = Latencies::default();
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while let Ok(Some(flood)) = timeout_at(deadline.into(), floods.join_next()).await {
        cuts.push(flood?);
    }
    sleep(deadline.saturating_duration_since(Instant::now())).await;
    let cpu = server.cpu_since(before);
    let ping = pinger.stop().await?;
    floods.shutdown().await;
    let cuts = cuts.sorted();
    report.row("ended by the server", cuts.len() as f64, "");
    if cuts.len() > 0 {
        report.row("  after, p50", cuts.percentile(500), "ms").row("  max", cuts.max(), "ms");
    }
    let share = cpu.map(|cpu| cpu.as_secs_f64() / seconds as f64 * 100.0);
    report.row_if_known("server CPU", share, "% of a core");
    show_memory(watch, server, number, report);
    report
        .row("ping of another meanwhile, p50", ping.percentile(500), "ms")
        .row("  p99", ping.percentile(990), "ms")
        .row("  max", ping.max(), "ms");
    Ok(())
}

/// Reports the memory of `number` sockets.
fn show_memory(watch: MemoryWatch, server: &Server, number: usize, report: &mut Report) {
    if let Some([before, most, now]) = watch.stop(server) {
        report
            .row("memory before", before / 1024.0, "MB RSS")
            .row("  at most", most / 1024.0, "MB RSS")
            .row("  growth, a socket", (most - before) / number as f64, "kB RSS")
            .row("  at the end", now / 1024.0, "MB RSS");
    }
}
