//! A login that is revoked on one node closes its sockets on every node: at once by a message over Redis, and in any
//! case by the next poll.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::logins;
use doorward_core::domain::RevokeReason;
use futures_util::StreamExt;
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{NEW_PASSWORD, Person, TestApp};
use crate::support::callers::operator;
use crate::support::cluster::{CHANNEL, NODES, Nodes, envelope};
use crate::support::redis::Redis;
use crate::support::socketio::{PollingClient, SocketIoClient};
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// How soon the sockets of a revoked login close, with and without Redis.
const PROMISE: Duration = Duration::from_secs(2);

/// What a machine that runs a hundred tests at the same time may add to the slowest of many sockets. The median gets
/// none: a pause of the machine does not reach half of the sockets.
const ROOM: Duration = Duration::from_secs(8);

const TRANSPORTS: usize = 4;

/// Resolves when a socket closes, to the time and the close code.
type Closing = Pin<Box<dyn Future<Output = (Instant, u16)>>>;

async fn open<C: LiveClient + 'static>(app: &TestApp, person: &Person) -> Closing {
    let mut live = C::live(app, person).await;
    Box::pin(async move {
        let ended = live.ended().await;
        (Instant::now(), ended.code)
    })
}

async fn open_by(transport: usize, app: &TestApp, person: &Person) -> Closing {
    match transport {
        0 => open::<WebSocketClient>(app, person).await,
        1 => open::<TcpClient>(app, person).await,
        2 => open::<PollingClient>(app, person).await,
        _ => open::<SocketIoClient>(app, person).await,
    }
}

/// Waits for all of these sockets and returns how long each took to close.
async fn delays(sockets: Vec<Closing>, code: u16) -> Vec<Duration> {
    let revoked = Instant::now();
    let closed = join_all(sockets).await;
    assert!(closed.iter().all(|(_, found)| *found == code), "not all closed with {code}: {closed:?}");
    closed.into_iter().map(|(at, _)| at.saturating_duration_since(revoked)).collect()
}

#[track_caller]
fn assert_promise_is_kept(mut delays: Vec<Duration>) {
    delays.sort_unstable();
    let (median, last) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    assert!(median <= PROMISE, "half of the sockets took longer than {median:?}");
    assert!(last <= PROMISE + ROOM, "a socket took {last:?}");
}

/// The tokens of the links that these users were sent to reset their passwords.
async fn reset_links(nodes: &Nodes, users: &[usize]) -> HashMap<usize, String> {
    for number in users {
        let login = json!({"login": format!("user{number}")});
        nodes.all[number % NODES].post("/api/forgot-password", login).await.expect(202);
    }
    let mut links = HashMap::new();
    while links.len() < users.len() {
        for node in &nodes.all {
            for mail in node.mail.caught() {
                if mail.subject.starts_with("Reset your") {
                    let name = mail.to[0].split('@').next().unwrap();
                    let number = name.trim_start_matches("user").parse().unwrap();
                    links.entry(number).or_insert_with(|| mail.token("reset-password"));
                }
            }
            // A mailer that lost a race for an email tries the next one a second later.
            node.advance(Duration::from_millis(50));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    links
}

#[actix_web::test]
async fn a_login_that_is_revoked_on_one_node_is_revoked_on_all_in_time() {
    const USERS: usize = 300;
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[]).await;
    let mut people = Vec::new();
    for number in 0..USERS {
        let (name, node) = (format!("user{number}"), &nodes.all[number % NODES]);
        let person = if number % 10 == 0 {
            node.register_with_email(&name, &format!("{name}@example.org")).await
        } else {
            node.register(&name).await
        };
        let mut sockets = Vec::new();
        for transport in 0..TRANSPORTS {
            sockets.push(open_by(transport, &nodes.all[(number + transport) % NODES], &person).await);
        }
        people.push((person, sockets));
    }
    let with_links: Vec<usize> = (0..USERS).step_by(10).collect();
    let links = reset_links(&nodes, &with_links).await;

    let mut all = Vec::new();
    for (number, (person, sockets)) in people.into_iter().enumerate() {
        let node = &nodes.all[(number + 1) % NODES];
        let code = if let Some(token) = links.get(&number) {
            let body = json!({"token": token, "password": NEW_PASSWORD});
            node.post("/api/reset-password", body).await.expect(204);
            4442
        } else if number % 2 == 0 {
            node.accounts.set_disabled(person.id.parse().unwrap(), true, &operator()).await.unwrap();
            4443
        } else {
            node.send(Method::POST, "/api/logout", &person.access, Value::Null).await.expect(204);
            4441
        };
        all.extend(delays(sockets, code).await);
        // From now on every node refuses the token.
        for node in &nodes.all {
            assert_eq!(node.get("/api/sessions", &person.access).await.status.as_u16(), 401);
        }
    }
    assert_promise_is_kept(all);
}

#[actix_web::test]
async fn without_redis_the_poll_closes_the_sockets_on_every_node_in_time() {
    let nodes = Nodes::start(None, &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let mut all = Vec::new();
    for round in 0..6 {
        let device = nodes.all[round % NODES].login("ann").await;
        let mut sockets = Vec::new();
        for transport in 0..TRANSPORTS {
            for node in &nodes.all {
                sockets.push(open_by(transport, node, &device).await);
            }
        }
        nodes.all[0].send(Method::POST, "/api/logout", &device.access, Value::Null).await.expect(204);
        all.extend(delays(sockets, 4441).await);
    }
    assert_promise_is_kept(all);
    nodes.all[1].get("/api/me", &ann.access).await.expect(200);
}

// The two halves of the fast path are tested apart, each without a poll that could stand in for it. This is the
// sender's: the message is on the channel, whatever the others do.
#[actix_web::test]
async fn a_node_that_revokes_a_login_tells_the_others() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut channel = client.get_async_pubsub().await.unwrap();
    channel.subscribe(CHANNEL).await.unwrap();
    let mut messages = channel.into_on_message();
    nodes.all[1].send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    let logins = async {
        loop {
            let message = messages.next().await.expect("Redis runs");
            let message: Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
            if message["news"]["type"] == "ended" {
                return message["news"]["logins"].clone();
            }
        }
    };
    let logins = tokio::time::timeout(PATIENCE, logins).await.expect("no node was told");
    assert_eq!(logins, json!([{"id": ann.login, "reason": RevokeReason::SignedOut.as_str()}]));
}

// The receiver's half: no row says that the login is revoked, so that a poll finds nothing and only the message can
// have closed the sockets.
#[actix_web::test]
async fn a_message_of_another_node_closes_sockets_without_a_poll() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[]).await;
    let ann = nodes.all[0].register("ann").await;
    let mut sockets = Vec::new();
    for transport in 0..TRANSPORTS {
        for node in &nodes.all {
            sockets.push(open_by(transport, node, &ann).await);
        }
    }
    let client = redis::Client::open(redis.url()).unwrap();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let logins = json!([{"id": ann.login, "reason": RevokeReason::SignedOut.as_str()}]);
    let message = envelope(Uuid::now_v7(), 1, &json!({"type": "ended", "logins": logins}));
    let _: () = redis::AsyncCommands::publish(&mut publisher, CHANNEL, message).await.unwrap();
    assert_promise_is_kept(delays(sockets, 4441).await);
    for node in &nodes.all {
        assert_eq!(node.get("/api/me", &ann.access).await.status.as_u16(), 401);
    }
    let revoked: Option<String> =
        nodes.all[0].query(|conn| logins::table.find(&ann.login).select(logins::revoked_reason).first(conn));
    assert_eq!(revoked, None, "a poll could have found it");
}
