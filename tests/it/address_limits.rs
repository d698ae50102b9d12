//! One address cannot use up what is for all clients: neither connections, nor handshakes, nor live sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::support::app::{TestApp, spawn_with};
use crate::support::raw_http;
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::tls;
use crate::support::tls::Identity;
use crate::support::transports::LiveClient;
use crate::support::websocket::open_at;

const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: doorward.example\r\n\r\n";

/// 127.0.0.LAST
async fn connect(last: u8, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)), 0))?;
    timeout(PATIENCE, socket.connect(to)).await.expect("nothing is accepted any more")
}

/// One that was served and stays open, or none if it was closed instead.
async fn idle(last: u8, to: SocketAddr) -> Option<TcpStream> {
    let mut stream = connect(last, to).await.ok()?;
    stream.write_all(GET).await.ok()?;
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("neither served nor closed").ok()?;
    assert_eq!(&answer, b"HTTP/1.1 200");
    Some(stream)
}

/// How many of these the server has not closed.
fn open(streams: &[TcpStream]) -> usize {
    let mut chunk = [0; 4096];
    let is_open = |stream: &&TcpStream| loop {
        match stream.try_read(&mut chunk) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::WouldBlock,
        }
    };
    streams.iter().filter(is_open).count()
}

async fn others_are_served(app: &TestApp) {
    for last in 101..=105 {
        idle(last, app.address).await.expect("another address is served");
        app.get("/readyz", "").await.expect(200);
    }
}

#[actix_web::test]
async fn one_address_that_hoards_idle_connections_leaves_others_their_room() {
    // 148 connections altogether, of which it may have all that no other address needs.
    let app = spawn_with(&[("sockets.max_open", "20")]).await;
    let mut hoard = Vec::new();
    for _ in 0..250 {
        hoard.extend(idle(2, app.address).await);
    }
    others_are_served(&app).await;
    assert!(open(&hoard) > 50, "only as many go as have to");
    // Connections that have not sent a whole request have no priority.
    let mut silent = Vec::new();
    for _ in 0..250 {
        silent.extend(connect(3, app.address).await);
    }
    others_are_served(&app).await;
}

#[actix_web::test]
async fn an_address_has_a_bound_of_connections_of_any_kind() {
    let app = spawn_with(&[("connections.max_per_address", "10")]).await;
    let mut hoard = Vec::new();
    for _ in 0..30 {
        hoard.push(idle(2, app.address).await.expect("an older one goes instead"));
    }
    // Closes may still be in flight.
    let bounded = async {
        while open(&hoard) > 10 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, bounded).await.expect("it has more than its bound");
    assert_eq!(open(&hoard), 10);
    drop(hoard);
    // No prompt is idle, so the next connection is refused.
    let mut lines = Vec::new();
    let let_in = async {
        while lines.len() < 10 {
            let mut line = TcpClient::over(connect(3, app.tcp).await.unwrap());
            line.expect("Username: ").await;
            lines.push(line);
        }
    };
    let_in.await;
    assert!(idle(3, app.address).await.is_none());
    assert_eq!(TcpClient::over(connect(3, app.tcp).await.unwrap()).rest_lossy().await, "");
    idle(4, app.address).await.expect("another address is served");
    let mut line = TcpClient::over(connect(4, app.tcp).await.unwrap());
    line.expect("Username: ").await;
}

#[actix_web::test]
async fn several_addresses_that_hoard_leave_others_their_room() {
    let app = spawn_with(&[("sockets.max_open", "20"), ("connections.max_per_address", "30")]).await;
    let mut hoard = Vec::new();
    for last in 2..12 {
        for _ in 0..25 {
            hoard.extend(idle(last, app.address).await);
        }
    }
    others_are_served(&app).await;
    drop(hoard);
}

#[actix_web::test]
async fn one_address_that_fills_the_tcp_endpoint_leaves_other_clients_a_prompt() {
    let app = spawn_with(&[("sockets.max_open", "20"), ("sockets.max_waiting_per_address", "1000")]).await;
    let mut pending = Vec::new();
    for _ in 0..150 {
        pending.extend(connect(2, app.tcp).await);
    }
    for last in 101..=105 {
        let mut line = TcpClient::over(connect(last, app.tcp).await.unwrap());
        line.expect("Username: ").await;
    }
    others_are_served(&app).await;
}

#[actix_web::test]
async fn live_sockets_of_several_accounts_at_one_address_are_bounded_together() {
    let settings = [
        ("sockets.max_open", "40"),
        ("sockets.max_per_address", "6"),
        ("sockets.trusted_proxies", "127.0.0.1"),
    ];
    let app = spawn_with(&settings).await;
    let mut people = Vec::new();
    for name in ["ann", "bob", "cid"] {
        people.push(app.register(name).await);
    }
    // Behind a proxy, on two transports: signed in by a header, by a first message, and not at all.
    let from = async |address: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("x-forwarded-for", address), ("authorization", bearer.as_str())];
        open_at(app.address, if token.is_empty() { &headers[..1] } else { &headers }).await
    };
    let mut live = Vec::new();
    for person in people.iter().cycle().take(4) {
        let mut socket = from("192.0.2.7", &person.access).await.unwrap();
        assert_eq!(socket.next().await["type"], "welcome");
        live.push(socket);
    }
    let mut first = from("192.0.2.7", "").await.unwrap();
    let _waiting = from("192.0.2.7", "").await.unwrap();
    from("192.0.2.7", &people[0].access).await.unwrap().ends(4429).await;
    assert_eq!(from("192.0.2.7", "").await.err(), Some(429));
    first.send(serde_json::json!({"type": "auth", "token": people[1].access})).await;
    assert_eq!(first.next().await["type"], "welcome", "it had its place before");
    let mut other = from("192.0.2.8", &people[0].access).await.unwrap();
    assert_eq!(other.next().await["type"], "welcome");
    live.pop().unwrap().leave().await;
    let let_in = async {
        loop {
            let mut next = from("192.0.2.7", &people[0].access).await.unwrap();
            if next.next().await["type"] == "welcome" {
                return;
            }
        }
    };
    timeout(PATIENCE, let_in).await.expect("places are not given back");
}

#[actix_web::test]
async fn silent_handshakes_of_one_address_delay_no_other_and_are_soon_closed() {
    let identity = Identity::new();
    let app = identity.app().await;
    let config = tls::client(&identity.cert);
    for listener in [app.address, app.tcp] {
        let silent = join_all((0..300).map(|_| connect(2, listener))).await;
        let silent: Vec<TcpStream> = silent.into_iter().map(Result::unwrap).collect();
        for last in 101..=105 {
            let stream = connect(last, app.address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connector = TlsConnector::from(std::sync::Arc::clone(&config));
            let asked = async {
                let mut stream = connector.connect(name, stream).await.unwrap();
                stream.write_all(GET).await.unwrap();
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200");
            };
            timeout(PATIENCE, asked).await.expect("it is not served");
        }
        let gone = async {
            while open(&silent) > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, gone).await.expect("they are still there");
    }
    // One that begins and does not go on has its deadline too.
    let mut slow = connect(2, app.address).await.unwrap();
    slow.write_all(&[22, 3, 1]).await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, slow.read_to_end(&mut rest)).await.expect("it is still there");
}

#[actix_web::test]
async fn an_office_of_five_hundred_behind_one_address_is_served() {
    let app = spawn_with(&[
        ("sockets.max_open", "2000"),
        ("sockets.max_per_address", "1000"),
        ("connections.max_per_address", "2000"),
        ("sockets.max_per_user", "1000"),
    ])
    .await;
    let ann = app.register("ann").await;
    let mut office = Vec::new();
    for _ in 0..500 {
        office.push(raw_http::handshake(app.address, &ann.access).await);
        office.push(idle(1, app.address).await.expect("its requests are served"));
    }
    for stream in &mut office {
        let mut answer = [0; 12];
        if stream.peek(&mut answer).await.is_ok() && answer.starts_with(b"HTTP/1.1 1") {
            assert_eq!(&answer, b"HTTP/1.1 101");
        }
    }
    let id = ann.id.parse().unwrap();
    let all = async {
        while app.sessions.directory().of_user(id).len() < 500 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, all).await.expect("not all are signed in");
    assert_eq!(open(&office), 1000);
}
