//! `ends`: takes a right to a room away, again and again, while two other nodes' clients send there as fast as agreed. What
//! they send after the answer must not arrive.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::figures::{Expected, Latencies, Report};
use crate::http::{Connection, Request};
use crate::people::{Login, People};
use crate::server::Server;
use crate::websocket::{Event, WebSocket, text};
use crate::{CHEAP, Result, Target};

#[derive(Args, Clone)]
pub struct Options {
    /// How often
    #[arg(long, default_value_t = 1_000)]
    rounds: usize,
    /// Messages a second, of each of the two senders
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=10_000))]
    rate: u32,
    /// The nodes' `database.url`, on PostgreSQL
    #[arg(long, value_name = "URL")]
    database: String,
    /// The nodes' `cluster.redis_url`
    #[arg(long, value_name = "URL")]
    redis: String,
}

const ROOM: &str = "club:a";

const PATIENCE: Duration = Duration::from_secs(10);

/// Pauses of a sender in a second.
const BATCHES: u32 = 100;

/// How a right ends: the request, and the code of the `left` that follows.
const ENDS: [(&str, &str, &str); 4] = [
    ("DELETE", "members", "removed"),
    ("PUT", "bans", "banned"),
    ("POST", "kick", "removed"),
    ("DELETE", "", "closed"),
];

/// What the session that loses its right is sent.
enum Received {
    /// Of the sender with this number, its message with that one.
    Message {
        sender: usize,
        number: u64,
    },
    Left {
        code: String,
        at: Instant,
    },
    Other(String),
}

/// A session whose messages are read as they come.
struct Reader {
    received: Rc<RefCell<VecDeque<Received>>>,
    arrived: Rc<Notify>,
    requests: tokio::sync::mpsc::UnboundedSender<String>,
}

impl Reader {
    fn start(mut socket: WebSocket) -> Self {
        let received = Rc::<RefCell<VecDeque<Received>>>::default();
        let arrived = Rc::new(Notify::new());
        let (requests, mut waiting) = tokio::sync::mpsc::unbounded_channel::<String>();
        let (into, notify) = (Rc::clone(&received), Rc::clone(&arrived));
        tokio::task::spawn_local(async move {
            loop {
                tokio::select! {
                    event = socket.next() => {
                        let received = match event {
                            Ok(Event::Text) => read(socket.text()),
                            ended => Received::Other(format!("the socket has ended: {ended:?}")),
                        };
                        into.borrow_mut().push_back(received);
                        notify.notify_one();
                    }
                    Some(request) = waiting.recv() => {
                        // If it cannot be sent, the socket has ended, and that is read.
                        let _ = socket.send(&text(&request)).await;
                    }
                }
            }
        });
        Self { received, arrived, requests }
    }

    async fn next(&self) -> Result<Received> {
        loop {
            if let Some(received) = self.received.borrow_mut().pop_front() {
                return Ok(received);
            }
            timeout(PATIENCE, self.arrived.notified()).await.map_err(|_| "nothing arrives")?;
        }
    }

    /// Sends a request; answers its reply's type and code, and how many messages came before it.
    async fn ask(&self, request: &str) -> Result<(String, usize)> {
        self.requests.send(request.to_owned())?;
        let mut messages = 0;
        loop {
            match self.next().await? {
                Received::Message { .. } => messages += 1,
                Received::Other(said) => return Ok((said, messages)),
                Received::Left { code, .. } => return Err(format!("left with {code}, unasked").into()),
            }
        }
    }

    async fn join(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (said, _) = self.ask(&format!(r#"{{"type":"join","room":"{ROOM}"}}"#)).await?;
            if said == "joined" {
                return Ok(());
            }
            if said != "error too_many_requests" || Instant::now() > deadline {
                return Err(format!("could not join: {said}").into());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn read(message: &[u8]) -> Received {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let word = |name: &str| message[name].as_str().unwrap_or_default();
    match word("type") {
        "message" => {
            let at = |index: usize| message["data"][index].as_u64().unwrap_or_default();
            Received::Message { sender: usize::try_from(at(0)).unwrap_or_default(), number: at(1) }
        }
        "left" => Received::Left { code: word("code").to_owned(), at: Instant::now() },
        "error" => Received::Other(format!("error {}", word("code"))),
        other => Received::Other(other.to_owned()),
    }
}

/// Sends numbered messages at a steady pace, for ever. `next` is the number of the next one.
async fn publish(mut socket: WebSocket, sender: usize, rate: u32, next: Rc<Cell<u64>>) -> Result<()> {
    let mut pace = interval(Duration::from_secs(1) / BATCHES);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        pace.tick().await;
        let mut frames = Vec::new();
        for _ in 0..rate / BATCHES {
            let number = next.replace(next.get() + 1);
            let data = json!([sender, number]);
            frames.extend(text(&json!({"type": "send", "room": ROOM, "data": data}).to_string()));
        }
        socket.send(&frames).await?;
        while let Ok(replies) = timeout(Duration::ZERO, socket.texts(br#"{"type":"error""#)).await {
            if replies? > 0 {
                return Err("a message was refused".into());
            }
        }
    }
}

#[derive(Default)]
struct Tally {
    /// From the request to its answer, and to `left`.
    answers: Latencies,
    lefts: Latencies,
    received: usize,
    unconfirmed: usize,
    /// Messages that were sent after the answer.
    late: usize,
    /// Messages of the room after its `left`.
    after_left: usize,
    otherwise: usize,
}

pub async fn run(target: &Target, options: &Options, report: &mut Report) -> Result<()> {
    let prefix = format!("doorward-load-{}", std::process::id());
    let mut settings = CHEAP.to_vec();
    settings.extend([
        ("database.url", &*options.database),
        ("cluster.redis_url", &options.redis),
        // Another run may use the same Redis server.
        ("cluster.prefix", &prefix),
        ("tokens.access_ttl", "24h"),
        ("rooms.club.join", "member"),
        ("rooms.club.send", "anyone"),
        ("rooms.club.rate", "off"),
    ]);
    let nodes = [
        Server::start(target, &settings).await?,
        Server::start(target, &settings).await?,
        Server::start(target, &settings).await?,
    ];
    let mut people = People::new(nodes[0].address());
    let logins = people.sign_in(3, 3).await?;
    let (mut api, user) = api(&nodes[0], target, &settings, &logins[0]).await?;
    let open = async |node: usize, login: usize| {
        WebSocket::open(nodes[node].address(), Some(&logins[login].token), None).await
    };
    let reader = Reader::start(open(1, 0).await?);
    let nexts = [Rc::new(Cell::new(0)), Rc::new(Cell::new(0))];
    let mut senders = Vec::new();
    for (sender, node) in [0, 2].into_iter().enumerate() {
        let socket = open(node, sender + 1).await?;
        senders.push(tokio::task::spawn_local(publish(
            socket,
            sender,
            options.rate,
            Rc::clone(&nexts[sender]),
        )));
    }
    // The nodes may not have found each other yet.
    sleep(Duration::from_secs(3)).await;
    let mut tally = Tally::default();
    for round in 0..options.rounds {
        let end = ENDS[round % ENDS.len()];
        run_round(&mut api, &user, &reader, &nexts, end, &mut tally).await?;
        if let Some(ended) = senders.iter().position(tokio::task::JoinHandle::is_finished) {
            senders.swap_remove(ended).await??;
        }
    }
    show(options, tally, report);
    Ok(())
}

/// The server API at a node, with a key, and the id of the user who will lose the right.
async fn api(
    node: &Server,
    target: &Target,
    settings: &[(&str, &str)],
    login: &Login,
) -> Result<(Api, String)> {
    let key =
        node.operate(target, settings, &["api-key", "create", "--name", "load", "--scope", "rooms:write"])?;
    let mut connection = Connection::open(node.address()).await?;
    let me = connection.send(&Request::get("/api/me", Some(&login.token))).await?.expect(200)?.json()?;
    let user = me["id"].as_str().ok_or("no id")?.to_owned();
    Ok((Api { connection, key: key.trim().to_owned() }, user))
}

struct Api {
    connection: Connection,
    key: String,
}

impl Api {
    async fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<u16> {
        let path = format!("/api/admin/rooms/{ROOM}{path}");
        let reply = self.connection.send(&Request::new(method, &path, Some(&self.key), body)).await?;
        match reply.status {
            200..300 => Ok(reply.status),
            _ => Err(format!("{method} {path}: {}", String::from_utf8_lossy(&reply.body)).into()),
        }
    }
}

async fn run_round(
    api: &mut Api,
    user: &str,
    reader: &Reader,
    nexts: &[Rc<Cell<u64>>; 2],
    (method, what, code): (&str, &str, &str),
    tally: &mut Tally,
) -> Result<()> {
    let none = json!({});
    api.ask("DELETE", &format!("/bans/{user}"), None).await?;
    api.ask("PUT", &format!("/members/{user}"), Some(&none)).await?;
    reader.join().await?;
    while !matches!(reader.next().await?, Received::Message { .. }) {}
    let (path, body) = match what {
        "" => (String::new(), None),
        "kick" => ("/kick".to_owned(), Some(json!({ "user": user }))),
        _ => (format!("/{what}/{user}"), (method == "PUT").then_some(none)),
    };
    let asked = Instant::now();
    let status = api.ask(method, &path, body.as_ref()).await?;
    tally.answers.push(asked.elapsed());
    let marks = [nexts[0].get(), nexts[1].get()];
    tally.unconfirmed += usize::from(status != 200);
    loop {
        match reader.next().await? {
            Received::Message { sender, number } => {
                tally.received += 1;
                // A node that was named may deliver for three seconds.
                tally.late += usize::from(status == 200 && number >= marks[sender.min(1)]);
            }
            Received::Left { code: said, at } => {
                tally.lefts.push(at.saturating_duration_since(asked));
                tally.otherwise += usize::from(said != code);
                break;
            }
            Received::Other(said) => return Err(format!("{said} instead of left").into()),
        }
    }
    tally.after_left += reader.ask(r#"{"type":"ping"}"#).await?.1;
    Ok(())
}

fn show(options: &Options, tally: Tally, report: &mut Report) {
    let (answers, lefts) = (tally.answers.sorted(), tally.lefts.sorted());
    report
        .section(format!(
            "ends: {} rights to a room ended on one node, two others sent {} messages a second each",
            options.rounds, options.rate
        ))
        .row("messages received before the right had ended", tally.received as f64, "")
        .promise(
            "messages received that were sent after the answer",
            tally.late as f64,
            "",
            Expected::AtMost(0.0),
        )
        .promise("messages received after `left`", tally.after_left as f64, "", Expected::AtMost(0.0))
        .promise("rights that ended with another code", tally.otherwise as f64, "", Expected::AtMost(0.0))
        .row("answers that not all nodes had confirmed (202)", tally.unconfirmed as f64, "")
        .row("request sent to answer, p50", answers.percentile(500), "ms")
        .row("  p99", answers.percentile(990), "ms")
        .row("  max", answers.max(), "ms")
        .row("request sent to `left`, p50", lefts.percentile(500), "ms")
        .row("  p99", lefts.percentile(990), "ms")
        .row("  max", lefts.max(), "ms");
}
