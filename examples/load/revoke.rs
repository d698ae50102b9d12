//! `revoke`: how soon a user's sockets close when all logins of the user are revoked.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::figures::{Expected, Latencies, Report, ms};
use crate::http::{Connection, Request};
use crate::people::{self, People};
use crate::server::Server;
use crate::{Crowd, Result};

/// Users to sign out, one after another: each is one measurement.
const SIGNED_OUT: usize = 200;

/// A socket that is open after this was missed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The promised bound, in ms.
const P99: f64 = 50.0;

/// The close code of a sign-out.
const CODE: u16 = 4441;

struct Closed {
    user: usize,
    code: Option<u16>,
    at: Instant,
}

pub async fn run(server: &Server, people: &mut People, crowd: Crowd, report: &mut Report) -> Result<()> {
    let Crowd { number, users } = crowd;
    let logins = people.sign_in(number, users).await?;
    report.section(format!(
        "revoke: {number} sockets of {users} users open, DELETE /api/logins by one user after another"
    ));
    let (sockets, _) = people::open_sockets(server.address(), logins).await?;
    let (sender, mut closes) = unbounded_channel();
    let mut watchers = JoinSet::new();
    for (mut socket, login) in sockets.into_iter().zip(logins) {
        let (sender, user) = (sender.clone(), login.user);
        watchers.spawn_local(async move {
            let code = socket.closed().await;
            let at = Instant::now();
            // The receiver is dropped only when the measurement ends.
            let _ = sender.send(Closed { user, code, at });
        });
    }
    // So that the poll for revocations is not what finds them.
    sleep(Duration::from_secs(2)).await;

    let mut connection = Connection::open(server.address()).await?;
    let mut tally = Tally::default();
    let before = server.cpu();
    let picked = users.min(SIGNED_OUT);
    for user in 0..picked {
        let theirs: Vec<_> = logins.iter().filter(|login| login.user == user).collect();
        let Some(login) = theirs.first() else { continue };
        let request = Request::new("DELETE", "/api/logins", Some(&login.token), None);
        let sent = Instant::now();
        connection.send(&request).await?.expect(204)?;
        let replied = Instant::now();
        tally.replies.push(replied - sent);
        tally.collect(&mut closes, user, theirs.len(), sent, replied).await;
    }
    let cpu = server.cpu_since(before);
    watchers.shutdown().await;

    let (from_request, from_reply) = (tally.from_request.sorted(), tally.from_reply.sorted());
    let replies = tally.replies.sorted();
    report
        .row("sockets that closed with 4441", from_request.len() as f64, "")
        .promise("sockets missed", tally.missed as f64, "", Expected::AtMost(0.0))
        .promise("sockets closed otherwise", tally.strays as f64, "", Expected::AtMost(0.0))
        .row("request sent to close frame, p50", from_request.percentile(500), "ms")
        .promise("  p99", from_request.percentile(990), "ms", Expected::AtMost(P99))
        .row("  max", from_request.max(), "ms")
        .row("204 received to close frame, p50", from_reply.percentile(500), "ms")
        .row("  p99", from_reply.percentile(990), "ms")
        .row("  max", from_reply.max(), "ms")
        .row("the request itself, p50", replies.percentile(500), "ms")
        .row("  p99", replies.percentile(990), "ms")
        .row_if_known("server CPU, a user signed out", cpu.map(|cpu| ms(cpu) / picked as f64), "ms");
    Ok(())
}

#[derive(Default)]
struct Tally {
    from_request: Latencies,
    /// Zero if the socket closed before the reply arrived.
    from_reply: Latencies,
    replies: Latencies,
    missed: usize,
    strays: usize,
}

impl Tally {
    /// Waits until the user's sockets have closed.
    async fn collect(
        &mut self,
        closes: &mut UnboundedReceiver<Closed>,
        user: usize,
        sockets: usize,
        sent: Instant,
        replied: Instant,
    ) {
        let mut left = sockets;
        while left > 0 {
            let Ok(Some(one)) = timeout(PATIENCE, closes.recv()).await else {
                self.missed += left;
                return;
            };
            if one.user != user || one.code != Some(CODE) {
                self.strays += 1;
                left -= usize::from(one.user == user);
                continue;
            }
            self.from_request.push(one.at.saturating_duration_since(sent));
            self.from_reply.push(one.at.saturating_duration_since(replied));
            left -= 1;
        }
    }
}
