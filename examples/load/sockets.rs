//! `sockets`: the cost of a handshake and of an idle socket.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::figures::{Expected, Latencies, Report, rate, us_each};
use crate::people::{self, People, side_by_side};
use crate::server::Server;
use crate::websocket::ping_request;
use crate::{Crowd, Result};

/// Time for the server to finish its work after the last handshake, and to release memory after the last close.
const SETTLE: Duration = Duration::from_secs(3);

/// The promised bound of resident memory, in kB.
const IDLE: f64 = 5.0;

pub async fn run(server: &Server, people: &mut People, crowd: Crowd, report: &mut Report) -> Result<()> {
    let Crowd { number, users } = crowd;
    let logins = people.sign_in(number, users).await?;
    sleep(SETTLE).await;
    report.section(format!("sockets: {number} of {users} users, each with a token of its own"));

    let before = server.usage();
    let (sockets, elapsed) = people::open_sockets(server.address(), logins).await?;
    let cpu = server.cpu_since(before.map(|usage| usage.cpu));
    report.row("handshakes, tokens issued a moment ago", rate(number, elapsed), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, number),
        "us each",
    );

    sleep(SETTLE).await;
    if let (Some(before), Some(after)) = (before.map(|usage| usage.rss), server.rss()) {
        let each = (after - before) / number as f64;
        report
            .row("memory with no socket", before / 1024.0, "MB RSS")
            .row("memory with all, idle", after / 1024.0, "MB RSS")
            .promise("  an idle socket", each, "kB RSS", Expected::AtMost(IDLE));
    }

    let (before, started) = (server.cpu(), Instant::now());
    let request = ping_request();
    let answered = side_by_side(64, sockets, async move |mut socket| {
        let latency = socket.ask(&request).await?;
        Ok((latency, socket))
    })
    .await?;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before));
    let mut latencies = Latencies::default();
    for (latency, _) in &answered {
        latencies.push(*latency);
    }
    let latencies = latencies.sorted();
    report
        .row("one request on each, 64 at a time", rate(number, elapsed), "replies/s")
        .row_if_known("  server CPU", us_each(cpu, number), "us each")
        .row("  p50", latencies.percentile(500), "ms")
        .row("  p99", latencies.percentile(990), "ms")
        .row_if_known("memory with all, idle again", server.rss().map(|rss| rss / 1024.0), "MB RSS");

    drop(answered);
    sleep(SETTLE).await;
    report.row_if_known("memory after all have gone", server.rss().map(|rss| rss / 1024.0), "MB RSS");

    let before = server.cpu();
    let (sockets, elapsed) = people::open_sockets(server.address(), logins).await?;
    let cpu = server.cpu_since(before);
    report.row("handshakes, tokens seen lately (reconnects)", rate(number, elapsed), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, number),
        "us each",
    );
    drop(sockets);
    sleep(SETTLE).await;
    Ok(())
}
