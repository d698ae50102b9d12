//! Several nodes: what ends on one ends on all, and each knows who is on the others.

use std::collections::HashSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use doorward::clock::ManualClock;
use doorward_core::domain::UserId;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, Person, TestApp, spawn_on};
use crate::support::database;
use crate::support::logs;
use crate::support::redis::Redis;
use crate::support::smtp::SmtpCatcher;
use crate::support::socketio::{PollingClient, SocketIoClient, open_polling, poll};
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

const NODES: usize = 3;

/// Nodes on one database, and its place.
struct Nodes {
    all: Vec<TestApp>,
    place: tempfile::TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Nodes {
    async fn start(redis: Option<&Redis>, more: &[(&'static str, &str)]) -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = format!("sqlite:{}", place.path().join("shared.db").display());
        let mut settings = vec![("database.url", database::url(place.path()).unwrap_or(file))];
        settings.extend(redis.map(|redis| ("cluster.redis_url", redis.url())));
        settings.extend(more.iter().map(|(key, value)| (*key, (*value).to_owned())));
        let mut nodes = Self { all: Vec::new(), place, settings };
        for _ in 0..NODES {
            nodes.add().await;
        }
        nodes
    }

    async fn add(&mut self) {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let data = tempfile::tempdir_in(self.place.path()).unwrap();
        self.all.push(spawn_on(&settings, data, SmtpCatcher::start(), ManualClock::default()).await);
    }

    /// Waits until every node knows that many sessions of the user.
    async fn all_see(&self, user: &Person, count: usize) {
        let user: UserId = user.id.parse().unwrap();
        let wait = async {
            for node in &self.all {
                while node.sessions.directory().of_user(user).len() != count {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        };
        let seen =
            || self.all.iter().map(|node| node.sessions.directory().of_user(user).len()).collect::<Vec<_>>();
        tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{count}, not {:?}", seen()));
    }
}

/// When a socket's end was seen, and why it was.
type Ending = Pin<Box<dyn Future<Output = (Instant, u16)>>>;

async fn open<C: LiveClient + 'static>(app: &TestApp, person: &Person) -> Ending {
    let mut live = C::live(app, person).await;
    Box::pin(async move {
        let ended = live.ended().await;
        (Instant::now(), ended.code)
    })
}

async fn open_at(door: usize, app: &TestApp, person: &Person) -> Ending {
    match door {
        0 => open::<WebSocketClient>(app, person).await,
        1 => open::<TcpClient>(app, person).await,
        2 => open::<PollingClient>(app, person).await,
        _ => open::<SocketIoClient>(app, person).await,
    }
}

/// 300 users with a socket at each door, spread over the nodes, lose their sign-ins on one node each. Answers how
/// long after the answer to that each socket closed.
async fn end_everybody(redis: Option<&Redis>) -> Vec<Duration> {
    const USERS: usize = 300;
    let nodes = Nodes::start(redis, &[]).await;
    let mut people = Vec::new();
    for number in 0..USERS {
        let (name, node) = (format!("user{number}"), &nodes.all[number % NODES]);
        let person = if number % 10 == 0 {
            node.register_with_email(&name, &format!("{name}@example.org")).await
        } else {
            node.register(&name).await
        };
        let mut endings = Vec::new();
        for door in 0..4 {
            endings.push(open_at(door, &nodes.all[(number + door) % NODES], &person).await);
        }
        people.push((person, endings));
    }
    // The links, before anything ends.
    let mut links = Vec::new();
    for number in (0..USERS).step_by(10) {
        let login = json!({"login": format!("user{number}")});
        nodes.all[number % NODES].post("/api/forgot-password", login).await.expect(202);
    }
    let mut seen = HashSet::new();
    while seen.len() < USERS / 10 {
        for node in &nodes.all {
            for mail in node.mail.caught() {
                let name = mail.to[0].split('@').next().unwrap().to_owned();
                if mail.subject.starts_with("Reset your password") && seen.insert(name.clone()) {
                    links.push((name, mail.token("reset-password")));
                }
            }
            // A mailer that lost a race for an email tries the next one a second later.
            node.advance(Duration::from_millis(50));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let mut delays = Vec::new();
    for (number, (person, endings)) in people.into_iter().enumerate() {
        let node = &nodes.all[(number + 1) % NODES];
        let code = if number % 10 == 0 {
            let (_, token) = links.iter().find(|(name, _)| *name == format!("user{number}")).unwrap();
            let body = json!({"token": token, "password": "a new and quite different sentence 7"});
            node.post("/api/reset-password", body).await.expect(204);
            4442
        } else if number % 2 == 0 {
            node.accounts.set_disabled(person.id.parse().unwrap(), true).await.unwrap();
            4443
        } else {
            node.send(Method::POST, "/api/logout", &person.access, Value::Null).await.expect(204);
            4441
        };
        let done = Instant::now();
        for (at, ended) in join_all(endings).await {
            assert_eq!(ended, code);
            delays.push(at.saturating_duration_since(done));
        }
        for node in &nodes.all {
            // Wherever it is shown from now on.
            assert_eq!(node.get("/api/sessions", &person.access).await.status.as_u16(), 401);
        }
    }
    delays.sort_unstable();
    delays
}

fn report(what: &str, delays: &[Duration]) {
    let at = |share: usize| delays[(delays.len() - 1) * share / 100];
    eprintln!("{what}: {} sockets, p50 {:?}, p99 {:?}, last {:?}", delays.len(), at(50), at(99), at(100));
}

#[actix_web::test]
async fn what_ends_on_one_node_ends_on_all() {
    let Some(redis) = Redis::start() else { return };
    let delays = end_everybody(Some(&redis)).await;
    report("from the answer to a revocation to the close, with Redis", &delays);
}

#[actix_web::test]
async fn without_redis_it_takes_a_look_at_the_rows() {
    let nodes = Nodes::start(None, &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let mut delays = Vec::new();
    for round in 0..6 {
        let device = nodes.all[round % NODES].login("ann").await;
        let mut endings = Vec::new();
        for door in 0..4 {
            for node in &nodes.all {
                endings.push(open_at(door, node, &device).await);
            }
        }
        nodes.all[0].send(Method::POST, "/api/logout", &device.access, Value::Null).await.expect(204);
        let done = Instant::now();
        for (at, code) in join_all(endings).await {
            assert_eq!(code, 4441);
            delays.push(at.saturating_duration_since(done));
        }
    }
    delays.sort_unstable();
    report("the same without Redis", &delays);
    nodes.all[1].get("/api/me", &ann.access).await.expect(200);
}

#[actix_web::test]
async fn each_node_knows_who_is_on_the_others() {
    let Some(redis) = Redis::start() else { return };
    let mut nodes = Nodes::start(Some(&redis), &[("sockets.max_per_user", "4")]).await;
    let ann = nodes.all[0].register("ann").await;
    let mut watcher = WebSocketClient::live(&nodes.all[0], &ann).await;
    watcher.send(json!({"type": "watch_sessions"})).await;
    assert_eq!(watcher.next().await["sessions"].as_array().unwrap().len(), 1);
    let line = TcpClient::live(&nodes.all[1], &ann).await;
    nodes.all[0].advance(Duration::from_secs(1));
    assert_eq!(watcher.next().await["sessions"].as_array().unwrap().len(), 2, "told of another node's");
    let frames = SocketIoClient::live(&nodes.all[2], &ann).await;
    nodes.all_see(&ann, 3).await;
    for node in &nodes.all {
        let listed = node.get("/api/sessions", &ann.access).await.expect(200);
        let listed = listed.body["sessions"].as_array().unwrap().clone();
        let mut transports: Vec<_> = listed.iter().map(|one| one["carrier"].as_str().unwrap()).collect();
        transports.sort_unstable();
        assert_eq!(transports, ["socketio", "tcp", "websocket"]);
        assert!(listed.is_sorted_by_key(|one| one["since"].as_str().unwrap().to_owned()));
    }

    // The bound of a user is one for all nodes.
    let _fourth = WebSocketClient::live(&nodes.all[1], &ann).await;
    nodes.all_see(&ann, 4).await;
    let mut fifth = WebSocketClient::with_token(&nodes.all[2], &ann.access).await;
    fifth.ends(4429).await;

    // Whoever goes is gone everywhere; a node that stops says so, one that comes is told.
    drop(line);
    nodes.all_see(&ann, 3).await;
    let mut last = nodes.all.pop().unwrap();
    last.stop().await;
    drop((frames, last));
    nodes.all_see(&ann, 2).await;
    nodes.add().await;
    nodes.all_see(&ann, 2).await;
}

#[actix_web::test]
async fn redis_may_be_gone_and_come_back() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let before = WebSocketClient::live(&nodes.all[0], &ann).await;
    nodes.all_see(&ann, 1).await;
    redis.kill();
    // Signed in and out as ever, only not as fast.
    for node in 0..NODES {
        let device = nodes.all[node].login("ann").await;
        let mut live = WebSocketClient::live(&nodes.all[(node + 1) % NODES], &device).await;
        nodes.all[(node + 2) % NODES]
            .send(Method::POST, "/api/logout", &device.access, Value::Null)
            .await
            .expect(204);
        live.ends(4441).await;
        nodes.all[node].call(Method::GET, "/readyz", &[], None).await.expect(200);
    }
    let meanwhile = TcpClient::live(&nodes.all[1], &ann).await;
    redis.run();
    // What came and went meanwhile is learned.
    drop(before);
    nodes.all_see(&ann, 1).await;
    drop(meanwhile);
    nodes.all_see(&ann, 0).await;
}

#[actix_web::test]
async fn nodes_that_start_at_the_same_time_have_the_same_keys() {
    let place = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", place.path().join("shared.db").display());
    let url = database::url(place.path()).unwrap_or(file);
    let settings = [("database.url", url.as_str())];
    let start = || {
        let data = tempfile::tempdir_in(place.path()).unwrap();
        spawn_on(&settings, data, SmtpCatcher::start(), ManualClock::default())
    };
    let nodes = join_all((0..NODES).map(|_| start())).await;
    let ann = nodes[0].register("ann").await;
    for node in &nodes {
        node.get("/api/me", &ann.access).await.expect(200);
    }
}

#[actix_web::test]
async fn a_refresh_token_and_a_link_are_used_once_on_all_nodes_together() {
    let nodes = Nodes::start(None, &[]).await;
    let ann = nodes.all[0].register_with_email("ann", "ann@example.org").await;
    // Racing refreshes get the same answer, wherever they go.
    let mut token = ann.refresh;
    for _ in 0..10 {
        let body = json!({"refresh_token": token});
        let racing = nodes.all.iter().flat_map(|node| [node, node]);
        let answers = join_all(racing.map(|node| node.post("/api/refresh", body.clone()))).await;
        let next: HashSet<String> =
            answers.into_iter().map(|answer| answer.expect(200).str("refresh_token")).collect();
        assert_eq!(next.len(), 1);
        token = next.into_iter().next().unwrap();
    }

    nodes.all[0].post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let link = loop {
        let mails = nodes.all.iter().flat_map(|node| node.mail.caught());
        let resets: Vec<_> = mails.filter(|mail| mail.subject.starts_with("Reset")).collect();
        if let [mail] = resets.as_slice() {
            break mail.token("reset-password");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let body = json!({"token": link, "password": "a new and quite different sentence 7"});
    let answers = join_all(nodes.all.iter().map(|node| node.post("/api/reset-password", body.clone()))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400, 400]);
    nodes.all[0].post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(401);
}

#[actix_web::test]
async fn a_poll_at_the_wrong_node_is_told_so() {
    logs::capture();
    let nodes = Nodes::start(None, &[]).await;
    let path = open_polling(nodes.all[0].address).await.unwrap();
    let answer = poll(nodes.all[1].address, &path).await;
    assert_eq!(answer.status, 400);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["code"], 1, "{body}");
    assert!(body["message"].as_str().unwrap().contains("another node's"), "{body}");
    let sid = path.split_once("&sid=").unwrap().1;
    assert!(logs::lines_with(&["sticky"]).len() == 1 && !logs::text().contains(sid));
    let unknown = poll(nodes.all[1].address, "/socket.io/?EIO=4&transport=polling&sid=x").await;
    assert!(unknown.body.contains("\"Session ID unknown\""), "{}", unknown.body);
}

#[actix_web::test]
async fn keys_that_are_changed_on_one_node_are_changed_on_all() {
    let nodes = Nodes::start(None, &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let kids = async |node: &TestApp| {
        let set = node.get("/.well-known/jwks.json", "").await.expect(200);
        set.body["keys"].as_array().unwrap().len()
    };
    nodes.all[0].accounts.rotate_keys(false).await.unwrap();
    for node in &nodes.all {
        while kids(node).await != 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        node.get("/api/me", &ann.access).await.expect(200);
    }
    // At once: what the old ones signed is refused everywhere, and any node signs for all.
    nodes.all[1].accounts.rotate_keys(true).await.unwrap();
    for node in &nodes.all {
        while node.get("/api/me", &ann.access).await.status.as_u16() != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    for node in &nodes.all {
        let again = node.login("ann").await;
        for other in &nodes.all {
            other.get("/api/me", &again.access).await.expect(200);
        }
    }
}
