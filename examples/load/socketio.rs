//! `socketio`: the cost of an idle Socket.IO socket and of a request with an acknowledgement, compared with the Node.js
//! server in one run with the same client and the same tokens.
//!
//! Node.js has one thread and Doorward several, so throughput would compare cores. CPU time is what counts.

use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::echo::{self, Round};
use crate::figures::{Report, rate, us_each};
use crate::people::{HANDSHAKES, Login, People, side_by_side};
use crate::server::Server;
use crate::socketio_client::{SocketIo, secret_request};
use crate::{CHEAP, Crowd, Result, Target, node};

/// Time for a server to finish its work after the last handshake, and to release memory after the last close.
const SETTLE: Duration = Duration::from_secs(3);

/// Sockets of the rounds, and sockets that warm a server up before its memory is measured: code is compiled, pools are
/// filled.
const FEW: usize = 100;

/// Requests in flight on each socket.
const ROUNDS: [usize; 2] = [1, 16];

/// The servers take turns in a round, so that changes on the machine affect both.
const TURNS: usize = 3;

struct Contender<'a> {
    name: String,
    server: &'a Server,
    /// kB
    idle: Option<f64>,
    /// CPU time per request in each round, in us
    requests: Vec<Option<f64>>,
}

impl<'a> Contender<'a> {
    const fn new(name: String, server: &'a Server) -> Self {
        Self { name, server, idle: None, requests: Vec::new() }
    }
}

pub async fn run(target: &Target, crowd: Crowd, seconds: u64, report: &mut Report) -> Result<()> {
    // All sockets have one address and sign in after the handshake.
    let settings = [CHEAP[0], CHEAP[1], ("sockets.max_waiting_per_address", "1000")];
    let doorward = Server::start(target, &settings).await?;
    let mut people = People::new(doorward.address());
    let logins = people.sign_in(crowd.number.max(FEW), crowd.users).await?;
    let node = node::start(target, doorward.address(), "socketio.mjs").await?;

    let mut contenders = vec![Contender::new("Doorward".to_owned(), &doorward)];
    if let Some((version, server)) = &node {
        contenders.push(Contender::new(format!("Node {version}"), server));
    }
    for contender in &mut contenders {
        report.section(format!("socketio: {} idle sockets, {}", crowd.number, contender.name));
        contender.idle = idle(contender.server, &logins[..crowd.number], report).await?;
    }
    for in_flight in ROUNDS {
        round(&mut contenders, &logins[..FEW], in_flight, Duration::from_secs(seconds), report).await?;
    }
    if let [doorward, node] = &contenders[..] {
        compare(doorward, node, report);
    }
    Ok(())
}

async fn open(server: &Server, logins: &[Login]) -> Result<Vec<SocketIo>> {
    let address = server.address();
    let tokens = logins.iter().map(|login| Rc::clone(&login.token)).collect();
    side_by_side(HANDSHAKES, tokens, async move |token: Rc<str>| SocketIo::open(address, &token).await).await
}

/// Sends one request on each socket.
async fn ask(sockets: Vec<SocketIo>) -> Result<Vec<SocketIo>> {
    side_by_side(HANDSHAKES, sockets, async |mut socket| {
        socket.ask().await?;
        Ok(socket)
    })
    .await
}

/// The growth of the server's memory per socket, in kB. Node.js is not forced to collect garbage first: at 10,000 sockets
/// that made no difference.
async fn idle(server: &Server, logins: &[Login], report: &mut Report) -> Result<Option<f64>> {
    let number = logins.len();
    drop(ask(open(server, &logins[..FEW.min(number)]).await?).await?);
    sleep(SETTLE).await;

    let (before, started) = (server.usage(), Instant::now());
    let sockets = open(server, logins).await?;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before.map(|usage| usage.cpu)));
    report.row("sign-ins by token", rate(number, elapsed), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, number),
        "us each",
    );
    sleep(SETTLE).await;
    let growth = before.zip(server.rss()).map(|(before, after)| after - before.rss);
    let each = growth.map(|growth| growth / number as f64);
    report
        .row_if_known("memory with no socket", before.map(|usage| usage.rss / 1024.0), "MB RSS")
        .row_if_known("memory with all, idle", server.rss().map(|rss| rss / 1024.0), "MB RSS")
        .row_if_known("  an idle socket", each, "kB RSS");
    // Checks that the sockets are still open.
    drop(ask(sockets).await?);
    sleep(SETTLE).await;
    Ok(each)
}

async fn round(
    contenders: &mut [Contender<'_>],
    logins: &[Login],
    in_flight: usize,
    duration: Duration,
    report: &mut Report,
) -> Result<()> {
    eprintln!("... {in_flight} in flight");
    let mut rounds: Vec<_> = contenders.iter().map(|_| Round::default()).collect();
    for _ in 0..TURNS {
        for (contender, round) in contenders.iter().zip(&mut rounds) {
            let sockets = open(contender.server, logins).await?;
            round.add(echo::round(contender.server, sockets, secret_request(), in_flight, duration).await?);
        }
    }
    for (contender, round) in contenders.iter_mut().zip(rounds) {
        let each = round.cpu_each();
        contender.requests.push(each);
        report.section(format!(
            "socketio: {} sockets, {in_flight} in flight on each, {}",
            logins.len(),
            contender.name
        ));
        round.show(report);
        report.row_if_known("  throughput", each.map(|each| 1e6 / each), "replies a CPU second");
    }
    Ok(())
}

fn compare(doorward: &Contender, node: &Contender, report: &mut Report) {
    let ratio = |ours: Option<f64>, theirs: Option<f64>| ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
    report.section(format!("socketio: {} : {}", doorward.name, node.name)).row_if_known(
        "memory of an idle socket",
        ratio(doorward.idle, node.idle),
        ": 1",
    );
    let rounds = doorward.requests.iter().zip(&node.requests);
    for (in_flight, (ours, theirs)) in ROUNDS.iter().zip(rounds) {
        // The ratio of throughput is the inverse of that of CPU time.
        let what = format!("throughput a core, {in_flight} in flight");
        report.row_if_known(&what, ratio(*theirs, *ours), ": 1");
    }
}
