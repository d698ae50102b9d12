//! Limits on live connections: handshakes and prompts of every transport, and polls.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{PASSWORD, spawn_with};
use crate::support::limits::{Call, is_refused};
use crate::support::socketio::{SocketIoClient, open_polling, poll, post};
use crate::support::tcp::TcpClient;
use crate::support::transports::LiveClient;
use crate::support::websocket::{self, WebSocketClient};

#[actix_web::test]
async fn prompts_share_the_budget_of_passwords() {
    let app = spawn_with(&[("limits.sign_in", "2/1m")]).await;
    app.register("ann").await;
    app.post("/api/login", json!({"login": "ann", "password": "wrong"})).await.expect(401);
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", "not the password", "\n").await;
    assert_eq!(line.rest().await, "Login failed\n");
    // Not even the right password: it is not checked.
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", PASSWORD, "\n").await;
    line.expect("Login failed\n").await;
    let ended = line.ended().await;
    assert_eq!((ended.code, &ended.goodbye["reconnect"]), (4429, &json!("backoff")));
    app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(429);
    app.advance(Duration::from_secs(30));
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", PASSWORD, "\n").await;
    line.expect("Login successful!\n").await;
}

#[actix_web::test]
async fn every_transport_shares_the_budget_of_handshakes() {
    let app = spawn_with(&[("limits.handshakes", "5/1m")]).await;
    let ann = app.register("ann").await;
    let bearer = format!("Bearer {}", ann.access);
    let mut live = WebSocketClient::live(&app, &ann).await;
    let line = TcpClient::live(&app, &ann).await;
    let path = open_polling(app.address).await.unwrap();
    let pending = WebSocketClient::unauthenticated(&app).await;
    let frames = SocketIoClient::open(app.address, "").await.unwrap();

    assert_eq!(app.open(&[("authorization", &bearer)]).await.err(), Some(429));
    assert_eq!(app.open(&[]).await.err(), Some(429));
    assert_eq!(TcpClient::refused_unauthenticated(&app).await, 4429);
    assert_eq!(
        TcpClient::connect(app.tcp).await.ended().await.goodbye["reason"],
        "too many attempts from this network"
    );
    assert_eq!(open_polling(app.address).await.err(), Some(429));
    assert_eq!(SocketIoClient::open(app.address, "").await.err(), Some(429));
    let sid = path.split_once("&sid=").unwrap().1;
    assert_eq!(
        SocketIoClient::open(app.address, &format!("&sid={sid}")).await.err(),
        Some(429),
        "an upgrade"
    );
    let answer = poll(app.address, "/socket.io/?EIO=4&transport=polling").await;
    assert_eq!(answer.header("retry-after"), Some("12"));
    assert_eq!(answer.header("ratelimit"), Some("\"handshakes\";r=0;t=12"));
    assert_eq!(answer.header("ratelimit-policy"), Some("\"handshakes\";q=5;w=60"));

    // Sessions that are open are not affected.
    live.ping().await;
    app.advance(Duration::from_secs(12));
    app.open(&[("authorization", &bearer)]).await.unwrap();
    drop((line, pending, frames));
}

#[actix_web::test]
async fn a_browser_is_told_by_a_close_code_as_long_as_that_is_not_abused() {
    let app = spawn_with(&[("limits.handshakes", "1/1h")]).await;
    let ann = app.register("ann").await;
    app.open(&[]).await.unwrap();
    let protocols = format!("doorward.v1, bearer.{}", ann.access);
    let browsers: [&[(&str, &str)]; 2] =
        [&[("origin", "http://doorward.example")], &[("sec-websocket-protocol", &protocols)]];
    for headers in browsers {
        let mut live = app.open(headers).await.unwrap();
        let ended = live.ends(4429).await;
        assert_eq!(ended.goodbye["reconnect"], "backoff");
    }
    let mut explained = browsers.len();
    let status = loop {
        match app.open(browsers[0]).await {
            Ok(mut live) => drop(live.ends(4429).await),
            Err(status) => break status,
        }
        explained += 1;
    };
    assert_eq!((status, explained), (429, 60));
}

#[actix_web::test]
async fn polls_are_counted_and_a_session_outlives_a_refusal() {
    let app = spawn_with(&[("limits.polls", "4/1m"), ("limits.handshakes", "100/1m")]).await;
    let ann = app.register("ann").await;
    let path = open_polling(app.address).await.unwrap();
    let token = format!("40{}", json!({"token": ann.access}));
    let joined = post(app.address, &path, token.as_bytes()).await;
    assert_eq!((joined.status, joined.header("ratelimit")), (200, Some("\"polls\";r=3;t=15")));
    assert_eq!(poll(app.address, &path).await.status, 200);
    // One of no session counts as well.
    let foreign = poll(app.address, "/socket.io/?EIO=4&transport=polling&sid=none").await;
    assert_eq!(foreign.status, 400);
    let ping = br#"42["ping"]"#;
    assert_eq!(post(app.address, &path, ping).await.status, 200);
    for answer in [post(app.address, &path, ping).await, poll(app.address, &path).await] {
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("15")), "{answer:?}");
        assert!(answer.body.contains("too_many_requests"));
    }
    // A balancer's probe rests on what is known without a query.
    for _ in 0..10 {
        app.get("/readyz", "").await.expect(200);
    }
    app.advance(Duration::from_secs(15));
    assert_eq!(poll(app.address, &path).await.status, 200);
}

#[actix_web::test]
async fn a_page_of_another_origin_can_read_why_its_poll_was_refused() {
    let app =
        spawn_with(&[("limits.handshakes", "1/1m"), ("sockets.allowed_origins", "https://app.example")])
            .await;
    let path = "/socket.io/?EIO=4&transport=polling";
    let open = Call::get(path).with("origin", "https://app.example");
    open.send(&app).await.expect(200);
    let refused = open.send(&app).await;
    is_refused(&refused, "handshakes");
    assert_eq!(refused.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(websocket::as_close_code(Some(refused.status.as_u16())), 4429);
}
