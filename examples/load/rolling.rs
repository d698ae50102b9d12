//! `rolling`: restarts the nodes of a cluster one after the other, as an operator does for a new version. Every client
//! has to reconnect.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use doorward_client::{Backoff, Message, Reconnect, STEADY};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::figures::{Expected, Latencies, Report, ms};
use crate::http::{Connection, Request};
use crate::people::{HANDSHAKES, Login, People, side_by_side};
use crate::server::Server;
use crate::websocket::{Event, Refused, WebSocket, ping_request};
use crate::{CHEAP, Result, Rolling, Target};

/// Sockets per user, few enough for short lists of sessions.
const OF_A_USER: usize = 10;

const HANDSHAKE: Duration = Duration::from_secs(15);

/// Twice the longest delay: a client that is not connected then is left out.
const PATIENCE: Duration = Duration::from_mins(1);

/// Users whose lists of sessions are compared at each node.
const ASKED: usize = 50;

pub async fn run(target: &Target, rolling: &Rolling, report: &mut Report) -> Result<()> {
    if target.url.is_some() {
        return Err("`rolling` starts nodes of its own".into());
    }
    let prefix = format!("doorward-load-{}", std::process::id());
    let settings = [
        CHEAP[0],
        CHEAP[1],
        ("database.url", &*rolling.database),
        ("cluster.redis_url", &*rolling.redis),
        // Another run may use the same Redis server.
        ("cluster.prefix", &*prefix),
        // No token expires during the run.
        ("tokens.access_ttl", "24h"),
    ];
    let mut nodes = Vec::new();
    for _ in 0..rolling.nodes {
        nodes.push(Server::start(target, &settings).await?);
    }
    let addresses: Rc<[SocketAddr]> = nodes.iter().map(Server::address).collect();
    let mut people = People::new(addresses[0]);
    let number = rolling.number;
    let logins = people.sign_in(number, number.div_ceil(OF_A_USER)).await?;

    let count = addresses.len();
    report.section(format!("rolling: {number} WebSockets, {count} nodes restarted one after the other"));
    let shared = Rc::<Shared>::default();
    let (finish, finished) = watch::channel(false);
    let mut clients = JoinSet::new();
    for (index, login) in logins.iter().enumerate() {
        let client = Client {
            token: Rc::clone(&login.token),
            nodes: Rc::clone(&addresses),
            node: index % count,
            elsewhere: rolling.elsewhere,
            dice: Dice(index as u64),
            shared: Rc::clone(&shared),
        };
        clients.spawn_local(client.run(finished.clone()));
    }
    shared.wait_for(number).await?;

    let begun = Instant::now();
    for (index, address) in addresses.iter().enumerate() {
        let node = nodes.remove(0);
        let held = shared.on(index);
        let drain = node.stop().await?;
        let stopped = Instant::now();
        nodes.push(Server::start_at(target, &settings, *address).await?);
        report
            .row(format!("node {}: clients that it had", index + 1), held as f64, "")
            .row("  SIGTERM to its exit", ms(drain), "ms")
            .row("  its start to /readyz 200", ms(stopped.elapsed()), "ms");
        sleep(Duration::from_secs(rolling.pause)).await;
    }
    let restarted = begun.elapsed();
    // Clients that are still missing are reported below.
    let _ = shared.wait_for(number).await;
    let all_back = begun.elapsed();
    // Nodes take a moment to exchange their sessions.
    sleep(Duration::from_secs(2)).await;
    // If this fails, the clients are reported all the same.
    let wrong = count_wrong(&addresses, logins).await;

    finish.send_replace(true);
    let mut answered = 0;
    while let Some(client) = clients.join_next().await {
        answered += usize::from(client?);
    }
    shared.show(report);
    for index in 0..count {
        report.row(format!("clients at node {} at the end", index + 1), shared.on(index) as f64, "");
    }
    let left_out = number - answered;
    report
        .row("all nodes restarted after", ms(restarted), "ms")
        .row("  all clients connected after", ms(all_back), "ms")
        .promise("clients left out", left_out as f64, "", Expected::AtMost(0.0));
    let wrong = wrong?;
    report.promise("sessions wrong in a node's list", wrong as f64, "", Expected::AtMost(0.0));
    if left_out > 0 || wrong > 0 {
        return Err(format!("{left_out} clients left out, {wrong} sessions wrong in lists").into());
    }
    Ok(())
}

/// By how many sessions the nodes' lists for the first users differ from the sockets that are open: missing ones, and
/// ones that ended with a node.
async fn count_wrong(nodes: &[SocketAddr], logins: &[Login]) -> Result<usize> {
    let mut theirs = BTreeMap::<usize, (usize, Rc<str>)>::new();
    for login in logins.iter().filter(|login| login.user < ASKED) {
        theirs.entry(login.user).or_insert_with(|| (0, Rc::clone(&login.token))).0 += 1;
    }
    let questions: Vec<_> = nodes
        .iter()
        .flat_map(|node| theirs.values().map(|(number, token)| (*node, *number, Rc::clone(token))))
        .collect();
    let wrong = side_by_side(HANDSHAKES, questions, async |(node, number, token): (_, usize, Rc<str>)| {
        let request = Request::get("/api/sessions", Some(&token));
        let reply = Connection::open(node).await?.send(&request).await?.expect(200)?.json()?;
        let listed = reply["sessions"].as_array().ok_or("no list of sessions")?.len();
        Ok(number.abs_diff(listed))
    });
    Ok(wrong.await?.into_iter().sum())
}

/// What the clients record.
#[derive(Default)]
struct Shared {
    connected: RefCell<BTreeMap<usize, usize>>,
    /// From the loss of a connection to the `welcome` on the next.
    away: RefCell<Latencies>,
    attempts: Cell<usize>,
    most_attempts: Cell<u32>,
    /// Failed attempts, by cause.
    refused: RefCell<BTreeMap<String, usize>>,
    /// Ended connections, by cause.
    closes: RefCell<BTreeMap<String, usize>>,
}

impl Shared {
    fn on(&self, node: usize) -> usize {
        self.connected.borrow().get(&node).copied().unwrap_or_default()
    }

    /// Waits until all are connected.
    async fn wait_for(&self, number: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.connected.borrow().values().sum::<usize>() < number {
            if Instant::now() > deadline {
                return Err(format!("not all clients are connected: {:?}", self.refused.borrow()).into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn show(&self, report: &mut Report) {
        for (what, count) in self.closes.borrow().iter() {
            report.row(format!("connections ended: {what}"), *count as f64, "");
        }
        report.row("attempts to connect", self.attempts.get() as f64, "");
        let refused = self.refused.borrow();
        report.row("  refused", refused.values().sum::<usize>() as f64, "");
        for (what, count) in refused.iter() {
            report.row(format!("    {what}"), *count as f64, "");
        }
        report.row("  of one client in a row, at most", f64::from(self.most_attempts.get()), "");
        let away = self.away.take().sorted();
        report
            .row("times that a client came back", away.len() as f64, "")
            .row("  it was away, p50", away.percentile(500), "ms")
            .row("    p99", away.percentile(990), "ms")
            .row("    max", away.max(), "ms");
    }
}

struct Client {
    token: Rc<str>,
    nodes: Rc<[SocketAddr]>,
    /// The node that it is or will be connected to.
    node: usize,
    elsewhere: bool,
    dice: Dice,
    shared: Rc<Shared>,
}

impl Client {
    /// Stays connected until `finish`; returns whether it is answered then.
    async fn run(mut self, mut finish: watch::Receiver<bool>) -> bool {
        let shared = Rc::clone(&self.shared);
        let (mut backoff, mut in_a_row, mut lost) = (Backoff::default(), 0, None::<Instant>);
        loop {
            shared.attempts.set(shared.attempts.get() + 1);
            in_a_row += 1;
            shared.most_attempts.set(shared.most_attempts.get().max(in_a_row));
            let open = WebSocket::open(self.nodes[self.node], Some(&self.token), None);
            match timeout(HANDSHAKE, open).await {
                Ok(Ok(mut socket)) => {
                    let opened = Instant::now();
                    if let Some(lost) = lost {
                        shared.away.borrow_mut().push(lost.elapsed());
                    }
                    *shared.connected.borrow_mut().entry(self.node).or_default() += 1;
                    let end = tokio::select! {
                        end = stay(&mut socket) => end,
                        // No frame is sent partially: the socket's buffer always has room for a pong.
                        _ = finish.wait_for(|finish| *finish) => return answers(socket).await,
                    };
                    *shared.connected.borrow_mut().entry(self.node).or_default() -= 1;
                    *shared.closes.borrow_mut().entry(end.what).or_default() += 1;
                    if end.for_good {
                        return false;
                    }
                    (lost, in_a_row) = (Some(Instant::now()), 0);
                    if opened.elapsed() >= STEADY {
                        backoff.reset();
                    }
                }
                failed => {
                    let what = failed.map_or_else(|_| "no answer".to_owned(), |failed| why(failed.err()));
                    *shared.refused.borrow_mut().entry(what).or_default() += 1;
                }
            }
            let Some(delay) = backoff.delay(self.dice.fraction()) else { return false };
            tokio::select! {
                () = sleep(delay) => {}
                _ = finish.wait_for(|finish| *finish) => return false,
            }
            self.node = self.next_node();
        }
    }

    /// A random node; without `elsewhere` it may be the one that was just lost.
    fn next_node(&mut self) -> usize {
        let count = self.nodes.len();
        let choices = count - usize::from(self.elsewhere);
        (self.node + 1 + self.dice.roll(choices)) % count
    }
}

/// How a connection ended.
struct End {
    what: String,
    /// The server told the client not to reconnect, or to bring a new token, which this one does not have.
    for_good: bool,
}

async fn stay(socket: &mut WebSocket) -> End {
    let mut reconnect = None;
    loop {
        match socket.next().await {
            Ok(Event::Text) => {
                let message = Message::from(String::from_utf8_lossy(socket.text()).into_owned());
                if let Some(reason) = message.close_reason() {
                    reconnect = Some(reason.reconnect);
                }
            }
            Ok(Event::Closed(code)) => {
                let code = code.map_or_else(|| "no close frame".to_owned(), |code| code.to_string());
                let reconnect_word = reconnect.map_or("no goodbye", Reconnect::as_str);
                let what = format!("{code}, {reconnect_word}");
                let for_good = reconnect.is_some_and(|reconnect| reconnect != Reconnect::Backoff);
                return End { what, for_good };
            }
            Err(error) => return End { what: error.to_string(), for_good: false },
        }
    }
}

async fn answers(mut socket: WebSocket) -> bool {
    timeout(PATIENCE, socket.ask(&ping_request())).await.is_ok_and(|latency| latency.is_ok())
}

fn why(error: Option<crate::Error>) -> String {
    let Some(error) = error else { return String::new() };
    if let Some(Refused { status: Some(status), .. }) = error.downcast_ref() {
        return status.to_string();
    }
    match error.downcast_ref::<io::Error>() {
        Some(error) => format!("{:?}", error.kind()),
        None => error.to_string(),
    }
}
