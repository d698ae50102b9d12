//! The configurations of `deploy/` for nginx and haproxy, as they are shipped, in front of two nodes on one database.

use std::net::SocketAddr;

use actix_web::http::Method;
use actix_web::rt;
use doorward::internals::clock::ManualClock;
use doorward_core::domain::UserId;
use futures_util::future::join_all;
use serde_json::json;

use crate::support::app::{PASSWORD, Person, TestApp, call, claims, spawn_on};
use crate::support::balancer::{Balancer, home};
use crate::support::smtp::SmtpCatcher;
use crate::support::socketio::{PollingClient, SocketIoClient};
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::{WebSocketClient, open_at};
use crate::support::{database, raw_http};

/// So many that all on one node cannot be chance.
const CLIENTS: u8 = 24;

const TRUSTED: [(&str, &str); 2] =
    [("sockets.trusted_proxies", "127.0.0.1"), ("sockets.max_waiting_per_address", "200")];

/// Two nodes on one database.
async fn nodes() -> [TestApp; 2] {
    let (data, mail) = (tempfile::tempdir().unwrap(), SmtpCatcher::start());
    let first = spawn_on(&TRUSTED, data, mail, ManualClock::default()).await;
    let dir = first.data.path().join("data");
    let url = database::url(&dir);
    let dir = dir.display().to_string();
    let mut settings = TRUSTED.to_vec();
    settings.push(("data_dir", &dir));
    if let Some(url) = &url {
        settings.push(("database.url", url));
    }
    let (data, mail) = (tempfile::tempdir().unwrap(), SmtpCatcher::start());
    let second = spawn_on(&settings, data, mail, ManualClock::default()).await;
    [first, second]
}

/// How many sessions of this person each node has.
fn spread(nodes: &[TestApp; 2], person: &Person) -> [usize; 2] {
    let user: UserId = person.id.parse().unwrap();
    [0, 1].map(|node| nodes[node].sessions.directory().of_user(user).len())
}

async fn register(address: SocketAddr, name: &str) -> Person {
    let body = json!({"username": name, "password": PASSWORD});
    let answer = call(address, Method::POST, "/api/register", &[], Some(body)).await.expect(201);
    let access = answer.str("access_token");
    let (id, login) = (claims(&access)["sub"].clone(), claims(&access)["sid"].clone());
    Person {
        id: id.as_str().unwrap().to_owned(),
        login: login.as_str().unwrap().to_owned(),
        refresh: answer.str("refresh_token"),
        access,
    }
}

async fn welcome<C: LiveClient>(mut client: C) -> C {
    assert_eq!(client.next().await["type"], "welcome");
    client
}

async fn polling(address: SocketAddr, person: &Person) -> PollingClient {
    let mut client = PollingClient::open(address).await.unwrap();
    client.present(&person.access).await;
    welcome(client).await
}

async fn websocket(address: SocketAddr, person: &Person) -> WebSocketClient {
    let bearer = format!("Bearer {}", person.access);
    welcome(open_at(address, &[("authorization", &bearer)]).await.unwrap()).await
}

/// What must hold behind either balancer.
async fn serves(mut nodes: [TestApp; 2], balancer: Balancer, polls_spread_from_one_address: bool) {
    let ann = register(balancer.http, "ann").await;
    let polls_of = register(balancer.http, "polls").await;
    let frames_of = register(balancer.http, "frames").await;
    let lines_of = register(balancer.http, "lines").await;

    // Plain HTTP: whichever node answers, both know the user.
    let bearer = format!("Bearer {}", ann.access);
    for _ in 0..CLIENTS {
        let headers = [("authorization", bearer.as_str())];
        call(balancer.http, Method::GET, "/api/me", &headers, None).await.expect(200);
    }

    // Every kind of live socket, each from an address of its own.
    let streets = join_all((1..=CLIENTS).map(|number| balancer.from(home(number)))).await;
    let mut sockets = join_all(streets.iter().map(|street| websocket(*street, &ann))).await;
    let mut polls = join_all(streets.iter().map(|street| polling(*street, &polls_of))).await;
    let mut frames = join_all(streets.iter().map(|street| async {
        let mut client = SocketIoClient::open(*street, "").await.unwrap();
        client.present(&frames_of.access).await;
        welcome(client).await
    }))
    .await;
    let mut lines = join_all((0..4).map(|_| async {
        let mut line = TcpClient::connect(balancer.tcp).await;
        line.expect("Username: ").await;
        line.present(&lines_of.access).await;
        welcome(line).await
    }))
    .await;
    for (sockets, count) in [(&ann, CLIENTS), (&polls_of, CLIENTS), (&frames_of, CLIENTS), (&lines_of, 4)] {
        let [first, second] = spread(&nodes, sockets);
        assert_eq!(first + second, usize::from(count));
        assert!(first > 0 && second > 0, "all at one node: {first}, {second}");
    }
    // Each further request reaches the right node.
    for _ in 0..4 {
        join_all(polls.iter_mut().map(PollingClient::ping)).await;
        join_all(frames.iter_mut().map(SocketIoClient::ping)).await;
        join_all(sockets.iter_mut().map(WebSocketClient::ping)).await;
        join_all(lines.iter_mut().map(TcpClient::ping)).await;
    }

    // Each has its own address, except on TCP.
    let mut homes: Vec<String> = (1..=CLIENTS).map(|number| home(number).to_string()).collect();
    homes.sort();
    for person in [&ann, &polls_of, &frames_of] {
        assert_eq!(addresses(&nodes, person).await, homes);
    }
    let listed = lines[0].ask(json!({"type": "sessions"})).await;
    assert_eq!(listed["sessions"][0]["address"], "127.0.0.1");

    a_forged_address_is_not_believed(&balancer, &nodes).await;

    // From one address: for a balancer that knows better than by that.
    let crowd = register(balancer.http, "crowd").await;
    let mut together = join_all((0..8).map(|_| polling(streets[0], &crowd))).await;
    join_all(together.iter_mut().map(PollingClient::ping)).await;
    let [first, second] = spread(&nodes, &crowd);
    assert_eq!((first + second, first > 0 && second > 0), (8, polls_spread_from_one_address));
    drop(together);

    // A session begins over polling and goes on over a WebSocket, at the same node.
    let path = crate::support::socketio::open_polling(streets[1]).await.unwrap();
    let sid = path.split("sid=").nth(1).unwrap();
    let mut upgraded = SocketIoClient::open(streets[1], &format!("&sid={sid}")).await.unwrap();
    upgraded.text("2probe").await;
    assert_eq!(upgraded.item().await.to_string(), "3probe");

    newcomers_are_let_in_while_a_node_stops(&balancer, &mut nodes, &streets).await;
    its_logs_hold_no_secrets(&balancer, &mut nodes).await;
}

/// The addresses of a user's sessions.
async fn addresses(nodes: &[TestApp; 2], person: &Person) -> Vec<String> {
    let mut addresses = Vec::new();
    for node in nodes {
        let listed = node.get("/api/sessions", &person.access).await.expect(200);
        let listed = listed.body["sessions"].as_array().unwrap().clone();
        addresses.extend(listed.iter().map(|one| one["address"].as_str().unwrap().to_owned()));
    }
    addresses.sort();
    addresses
}

async fn newcomers_are_let_in_while_a_node_stops(
    balancer: &Balancer,
    nodes: &mut [TestApp; 2],
    streets: &[SocketAddr],
) {
    nodes[0].readiness.drain();
    let draining = nodes[0].sessions.clone();
    let drain = rt::spawn(async move { draining.drain().await });
    while !nodes[0].sessions.is_draining() {
        tokio::task::yield_now().await;
    }
    let late = register(balancer.http, "late").await;
    for street in streets {
        websocket(*street, &late).await.ping().await;
        polling(*street, &late).await.ping().await;
    }
    assert_eq!(spread(nodes, &late)[0], 0);
    stop(&mut nodes[0]).await;
    drop(drain);
    for street in streets {
        polling(*street, &late).await.ping().await;
        let bearer = format!("Bearer {}", late.access);
        let headers = [("authorization", bearer.as_str())];
        call(*street, Method::GET, "/api/me", &headers, None).await.expect(200);
        let body = json!({"login": "late", "password": PASSWORD});
        call(*street, Method::POST, "/api/login", &[], Some(body)).await.expect(200);
    }
}

/// Neither the ids of sessions nor the tokens of links, also when no node answers.
async fn its_logs_hold_no_secrets(balancer: &Balancer, nodes: &mut [TestApp; 2]) {
    stop(&mut nodes[1]).await;
    for path in ["/socket.io/?EIO=4&transport=polling&sid=hunter2", "/reset-password/hunter2"] {
        let answer = call(balancer.http, Method::GET, path, &[], None).await;
        assert!(matches!(answer.status.as_u16(), 502 | 503), "{}", answer.status);
    }
    let written = async {
        while !balancer.log().contains("/reset-password/... ") {
            pause().await;
        }
    };
    tokio::time::timeout(PATIENCE, written).await.expect("it writes no log");
    let log = balancer.log();
    assert!(log.contains("GET /socket.io/ 200"), "{log}");
    assert!(!log.contains("sid=") && !log.contains("hunter2"), "{log}");
}

/// The clock of a node stands still, and with it the grace of clients that do not read their goodbye.
async fn stop(node: &mut TestApp) {
    node.begin_stop();
    let stopped = async {
        while !node.has_stopped() {
            node.advance(std::time::Duration::from_secs(1));
            pause().await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.expect("it does not stop");
}

async fn a_forged_address_is_not_believed(balancer: &Balancer, nodes: &[TestApp; 2]) {
    let eve = register(balancer.http, "eve").await;
    let street = balancer.from(home(200)).await;
    let bearer = format!("Bearer {}", eve.access);
    let headers = [("authorization", bearer.as_str()), ("x-forwarded-for", "203.0.113.7, 127.0.0.1")];
    let socket = welcome(open_at(street, &headers).await.unwrap()).await;
    let forged = ["host: doorward.example", "x-forwarded-for: 203.0.113.7", "x-forwarded-for: 127.0.0.1"];
    let opening = raw_http::request(street, "GET /socket.io/?EIO=4&transport=polling", &forged, b"").await;
    assert_eq!(opening.status, 200);
    assert_eq!(addresses(nodes, &eve).await, [home(200).to_string()]);
    drop(socket);
}

#[actix_web::test]
async fn nginx_serves_two_nodes() {
    let nodes = nodes().await;
    let Some(balancer) = Balancer::nginx(&nodes).await else { return };
    serves(nodes, balancer, false).await;
}

#[actix_web::test]
async fn haproxy_serves_two_nodes() {
    let nodes = nodes().await;
    let Some(balancer) = Balancer::haproxy(&nodes).await else { return };
    serves(nodes, balancer, true).await;
}
