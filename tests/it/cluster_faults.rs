//! Faults of nodes, PostgreSQL and Redis, with real processes of each. On PostgreSQL only: SQLite serves one machine,
//! where these faults do not happen to one process alone.

use crate::support::transports::LiveClient;
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::Method;
use doorward::Clock;
use doorward::internals::clock::ManualClock;
use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::{PASSWORD, call, spawn_on};
use crate::support::database::is_postgres;
use crate::support::postgres::Server;
use crate::support::process::Process;
use crate::support::redis::Redis;
use crate::support::smtp::SmtpCatcher;
use crate::support::socketio::{open_polling, poll, post};
use crate::support::time::PATIENCE;
use crate::support::websocket::{WebSocketClient, open_at};

pub struct Fleet {
    pub nodes: Vec<Process>,
    redis: Option<Redis>,
    postgres: Server,
}

impl Fleet {
    /// None if something is not installed.
    pub async fn start(nodes: usize, with_redis: bool, more: &[(&str, &str)]) -> Option<Self> {
        let postgres = Server::start()?;
        let redis = if with_redis { Some(Redis::start()?) } else { None };
        let mut fleet = Self { nodes: Vec::new(), redis, postgres };
        for _ in 0..nodes {
            let url = fleet.postgres.url("");
            let redis = fleet.redis.as_ref().map(Redis::url);
            // The issuer of tokens, which all nodes accept.
            let mut settings = vec![("database.url", url.as_str()), ("public_url", "http://localhost:8080")];
            settings.extend(redis.as_ref().map(|redis| ("cluster.redis_url", redis.as_str())));
            settings.extend_from_slice(more);
            fleet.nodes.push(Process::start(&settings).await);
        }
        Some(fleet)
    }
}

pub async fn register(node: &Process, name: &str) -> String {
    let body = json!({"username": name, "password": PASSWORD});
    node.post("/api/register", body).await.expect(201).str("access_token")
}

pub async fn live(node: &Process, token: &str) -> WebSocketClient {
    let bearer = format!("Bearer {token}");
    let mut live = open_at(node.address, &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(live.next().await["type"], "welcome");
    live
}

/// Sends a request to a node that is stopped, and returns what the node says once it goes on.
async fn on_its_way(address: SocketAddr, token: &str) -> impl Future<Output = String> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /api/sessions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    async move {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[actix_web::test]
async fn a_node_that_was_paused_refuses_a_login_that_was_revoked_meanwhile() {
    if !is_postgres() {
        return;
    }
    for with_redis in [true, false] {
        let Some(fleet) = Fleet::start(2, with_redis, &[]).await else { return };
        let [awake, asleep] = fleet.nodes.as_slice() else { unreachable!("two were started") };
        let revoked = register(awake, "ann").await;
        let good = register(awake, "bob").await;
        let mut socket = live(asleep, &revoked).await;
        let mut other = live(asleep, &good).await;
        let path = open_polling(asleep.address).await.unwrap();
        let joins = format!("40{}", json!({"token": revoked}));
        assert_eq!(post(asleep.address, &path, joins.as_bytes()).await.status, 200);

        asleep.signal(Signal::STOP);
        awake.call(Method::POST, "/api/logout", &revoked, Value::Null).await.expect(204);
        // Longer than a poll may be old.
        tokio::time::sleep(Duration::from_secs(4)).await;
        let mut requests = Vec::new();
        for _ in 0..20 {
            requests.push(on_its_way(asleep.address, &revoked).await);
        }
        let wanted = on_its_way(asleep.address, &good).await;
        socket.send(json!({"type": "secret", "id": 1})).await;
        other.send(json!({"type": "ping", "id": 1})).await;
        asleep.signal(Signal::CONT);

        for answer in join_all(requests).await {
            assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        }
        let ended = socket.ends(4441).await;
        assert!(ended.before.is_empty(), "it was answered: {ended:?}");
        // A login that was not revoked is served as before.
        assert!(wanted.await.starts_with("HTTP/1.1 200"));
        assert_eq!(other.next().await["type"], "pong");
        let mut told = poll(asleep.address, &path).await;
        let is_refused = |body: &str| ["4441", "4401"].iter().any(|code| body.contains(code));
        if told.status == 200 && !is_refused(&told.body) {
            // What was queued before the pause comes first, if this poll overtakes the close.
            told = poll(asleep.address, &path).await;
        }
        // On a busy machine its CONNECT may still have waited for fresh revocation data: then it never joined.
        let refused = is_refused(&told.body);
        assert!(refused || told.status == 400, "{told:?}");
    }
}

#[actix_web::test]
async fn a_node_that_was_killed_leaves_nothing_behind() {
    if !is_postgres() {
        return;
    }
    let stalled = SmtpCatcher::start();
    stalled.set_stalled(true);
    let mail = stalled.url();
    let more = [("mail.url", mail.as_str()), ("sockets.max_per_user", "2")];
    let Some(mut fleet) = Fleet::start(2, true, &more).await else { return };
    let body = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    let token = fleet.nodes[0].post("/api/register", body).await.expect(201).str("access_token");
    // The email of the registration is being sent by either node when one is killed.
    stalled.wait_for_attempts(1).await;
    let _first = live(&fleet.nodes[0], &token).await;
    let _second = live(&fleet.nodes[1], &token).await;
    let sessions = async |node: &Process| {
        let listed = node.call(Method::GET, "/api/sessions", &token, Value::Null).await.expect(200);
        listed.body["sessions"].as_array().unwrap().len()
    };
    while sessions(&fleet.nodes[0]).await != 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut killed = fleet.nodes.pop().unwrap();
    killed.signal(Signal::KILL);
    killed.ended().await;
    let survivor = fleet.nodes.pop().unwrap();
    // The other node notices its silence and frees its places.
    let gone = async {
        while sessions(&survivor).await != 1 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), gone).await.expect("it is still listed");
    drop(live(&survivor, &token).await);

    // Whichever node had the email, its lease expires, and another node sends it once.
    drop(survivor);
    let clock = ManualClock::default();
    let real = Clock::System.now();
    let until = real - Clock::Manual(clock.clone()).now();
    clock.advance(until.to_std().unwrap_or_default() + Duration::from_mins(5));
    let url = fleet.postgres.url("");
    let data = tempfile::tempdir().unwrap();
    let heir = spawn_on(&[("database.url", &url)], data, SmtpCatcher::start(), clock).await;
    heir.mail.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let sent = heir.mail.caught();
    assert_eq!(sent.len(), 1);
    let link = json!({"token": sent[0].token("verify-email")});
    heir.post("/api/verify-email", link).await.expect(204);
}

#[actix_web::test]
async fn postgres_is_restarted_under_load_and_nothing_acknowledged_is_lost() {
    if !is_postgres() {
        return;
    }
    let Some(fleet) = Fleet::start(2, true, &[]).await else { return };
    let token = register(&fleet.nodes[0], "watcher").await;
    let bearer = format!("Bearer {token}");
    let mut socket = live(&fleet.nodes[1], &token).await;
    let (registered, ended) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let (refused, stop) = (Cell::new(0), Cell::new(false));
    let addresses: Vec<SocketAddr> = fleet.nodes.iter().map(|node| node.address).collect();
    let client = async |client: usize| {
        let mut number = 0;
        while !stop.get() {
            let (name, node) = (format!("user{client}x{number}"), addresses[(client + number) % 2]);
            number += 1;
            let body = json!({"username": name, "password": PASSWORD});
            let answer = call(node, Method::POST, "/api/register", &[], Some(body)).await;
            match answer.status.as_u16() {
                201 => registered.borrow_mut().push(name),
                503 => {
                    assert!(!answer.header("retry-after").is_empty(), "{}", answer.text);
                    refused.set(refused.get() + 1);
                    continue;
                }
                status => panic!("{status}: {}", answer.text),
            }
            let token = answer.str("access_token");
            let bearer = format!("Bearer {token}");
            let other = addresses[(client + number) % 2];
            let answer = call(other, Method::POST, "/api/logout", &[("authorization", &bearer)], None).await;
            match answer.status.as_u16() {
                204 => ended.borrow_mut().push(token),
                503 => refused.set(refused.get() + 1),
                status => panic!("{status}: {}", answer.text),
            }
        }
    };
    let fault = async {
        let ready = async |wanted: u16| {
            for address in &addresses {
                while call(*address, Method::GET, "/readyz", &[], None).await.status.as_u16() != wanted {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        };
        while registered.borrow().len() < 30 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..2 {
            fleet.postgres.stop();
            tokio::time::timeout(PATIENCE, ready(503)).await.expect("it is ready without a database");
            // The revocation data is stale now, so no token is accepted and no message is answered.
            socket.send(json!({"type": "ping", "id": "waits"})).await;
            let refused = async {
                while open_at(addresses[0], &[("authorization", &bearer)]).await.err() != Some(503) {}
            };
            tokio::time::timeout(PATIENCE, refused).await.expect("it accepts tokens");
            fleet.postgres.run();
            tokio::time::timeout(PATIENCE, ready(200)).await.expect("it does not recover");
            let waited = socket.next().await;
            if waited["type"] == "goodbye" {
                // On a busy machine the database was unreachable for too long.
                assert_eq!(waited["code"], 1013);
                socket = live(&fleet.nodes[1], &token).await;
            } else {
                assert_eq!(waited["id"], "waits", "{waited}");
            }
        }
        let before = registered.borrow().len();
        while registered.borrow().len() < before + 30 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.set(true);
    };
    futures_util::join!(fault, join_all((0..6).map(client)));
    assert!(refused.get() > 0, "no request was refused");

    socket.ping().await;
    for name in registered.take() {
        let body = json!({"login": name, "password": PASSWORD});
        call(addresses[0], Method::POST, "/api/login", &[], Some(body)).await.expect(200);
    }
    for token in ended.take() {
        for address in &addresses {
            let bearer = format!("Bearer {token}");
            call(*address, Method::GET, "/api/sessions", &[("authorization", &bearer)], None)
                .await
                .expect(401);
        }
    }
    let said = fleet.nodes.iter().map(Process::output).collect::<String>();
    assert!(!said.contains("p%40ss") && !said.contains("p@ss") && !said.contains("r3dis"), "{said}");
}
