//! What is `/ws` alone: its handshake, its frames, who may open it from a browser.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::support::app::{spawn_app, spawn_with};
use crate::support::raw_http;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

#[actix_web::test]
async fn the_scheme_of_the_header_is_read_in_any_case() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = app.open(&[("authorization", &format!("bearer {}", ann.access))]).await.unwrap();
    assert_eq!(live.next().await["type"], "welcome");
}

#[actix_web::test]
async fn a_browser_brings_it_as_a_subprotocol_that_is_never_sent_back() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let offer = format!("doorward.v1, bearer.{}", ann.access);
    let mut live = app.open(&[("sec-websocket-protocol", &offer)]).await.unwrap();
    assert_eq!(live.protocol.as_deref(), Some("doorward.v1"));
    assert_eq!(live.next().await["type"], "welcome");

    let mut live = app.open(&[("sec-websocket-protocol", "doorward.v1, bearer.no")]).await.unwrap();
    let ended = live.ends(4401).await;
    assert_eq!(ended.before[0]["type"], "error");
    assert_eq!(ended.before[0]["code"], "invalid_token");
    assert_eq!(ended.goodbye["reconnect"], "never");
}

#[actix_web::test]
async fn or_sends_it_in_the_first_message() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = app.open(&[]).await.unwrap();
    let welcome = live.ask(json!({"type": "auth", "token": ann.access, "id": 1})).await;
    assert_eq!((&welcome["type"], &welcome["id"]), (&json!("welcome"), &json!(1)));

    for first in [json!({"type": "auth", "token": ann.refresh}), json!({"type": "auth", "token": ""})] {
        let mut live = app.open(&[]).await.unwrap();
        live.send(first).await;
        assert_eq!(live.ends(4401).await.before[0]["code"], "invalid_token");
    }
    for first in [json!({"type": "secret"}), json!({"type": "auth"}), json!({})] {
        let mut live = app.open(&[]).await.unwrap();
        live.send(first).await;
        assert_eq!(live.ends(4401).await.before.len(), 0, "an unauthenticated session is told nothing");
    }
}

#[actix_web::test]
async fn no_other_way_signs_in() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for token in ["nonsense", "", &ann.refresh] {
        assert_eq!(app.open(&[("authorization", &format!("Bearer {token}"))]).await.err(), Some(401));
    }
    assert_eq!(app.open(&[("authorization", "Basic YW5uOng=")]).await.err(), Some(401));
    // A cookie or a query string does not sign in: the socket is pending like any other.
    let mut live = app.open(&[("cookie", &format!("doorward={}", ann.access))]).await.unwrap();
    app.advance(Duration::from_secs(5));
    live.ends(4408).await;
    let path = format!("/ws?token={0}&access_token={0}", ann.access);
    let answer = app.get(&path, "").await;
    assert_eq!(answer.status.as_u16(), 426, "no handshake: {}", answer.text);
    assert_eq!(answer.header("upgrade"), "websocket");
}

#[actix_web::test]
async fn an_empty_message_is_not_json_either() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for message in [Message::Text("".into()), Message::Binary(br#"{"type":"ping"}"#.to_vec().into())] {
        let mut live = app.live(&ann).await;
        live.send_raw(message).await;
        live.ends(4400).await;
    }
}

#[actix_web::test]
async fn a_fragmented_message_is_put_together() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = app.live(&ann).await;
    let part = |text: &str, code, last| {
        Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(code), last))
    };
    live.send_raw(part(r#"{"type":"#, Data::Text, false)).await;
    live.send_raw(Message::Ping(vec![1].into())).await;
    live.send_raw(part(r#""ping""#, Data::Continue, false)).await;
    live.send_raw(part("}", Data::Continue, true)).await;
    assert_eq!(live.next().await, json!({"type": "pong"}));

    // Many small ones count as one message.
    live.send_raw(part("x", Data::Text, false)).await;
    for _ in 0..3 {
        live.send_raw(part(&"x".repeat(30_000), Data::Continue, false)).await;
    }
    live.ends(1009).await;
}

#[actix_web::test]
async fn only_allowed_origins_connect() {
    let app = spawn_with(&[("sockets.allowed_origins", "https://app.example")]).await;
    let ann = app.register("ann").await;
    let bearer = format!("Bearer {}", ann.access);
    for origin in
        ["https://evil.example", "null", "http://doorward.example:81", "http://doorward.example.evil.com"]
    {
        let mut live = app.open(&[("origin", origin), ("authorization", &bearer)]).await.unwrap();
        assert_eq!(live.ends(4403).await.goodbye["reconnect"], "never");
    }
    for origin in ["http://doorward.example", "https://app.example"] {
        let mut live = app.open(&[("origin", origin), ("authorization", &bearer)]).await.unwrap();
        assert_eq!(live.next().await["type"], "welcome");
    }
    // Our own page by a loopback name; not another server's of this machine, nor a name made to resolve here.
    let (own, other) = (format!("http://{}", app.address), "http://127.0.0.1:1".to_owned());
    let mut live = app.open(&[("origin", &own), ("authorization", &bearer)]).await.unwrap();
    assert_eq!(live.next().await["type"], "welcome");
    let headers = [("origin", other.as_str()), ("authorization", &bearer)];
    app.open(&headers).await.unwrap().ends(4403).await;
    let headers = [("origin", "http://evil.example"), ("host", "evil.example"), ("authorization", &bearer)];
    app.open(&headers).await.unwrap().ends(4403).await;
}

#[actix_web::test]
async fn a_client_with_a_token_needs_no_pending_place_and_a_full_server_says_so() {
    let app = spawn_with(&[("sockets.max_waiting_per_address", "1"), ("sockets.max_open", "2")]).await;
    let ann = app.register("ann").await;
    let _waiting = app.open(&[]).await.unwrap();
    let mut live = app.live(&ann).await;
    live.ping().await;
    let bearer = format!("Bearer {}", ann.access);
    let mut third = app.open(&[("authorization", &bearer)]).await.unwrap();
    assert_eq!(third.ends(1013).await.goodbye["reconnect"], "backoff");
}

#[actix_web::test]
async fn a_handshake_beyond_the_bound_of_pending_sockets_is_refused_with_its_code() {
    let app = spawn_with(&[("sockets.max_waiting_per_address", "1")]).await;
    let _waiting = app.open(&[]).await.unwrap();
    let handshake = [
        "host: x",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let answer = raw_http::request(app.address, "GET /ws", &handshake, b"").await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.body.contains(r#""code":"too_many_waiting""#), "{}", answer.body);
}

#[actix_web::test]
async fn half_a_gibibyte_is_refused_when_it_is_announced() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut socket = raw_http::handshake(app.address, &ann.access).await;
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(512_u64 << 20).to_be_bytes());
    header.extend_from_slice(&[1, 2, 3, 4]);
    socket.write_all(&header).await.unwrap();
    // The goodbye comes though none of the payload was sent.
    let mut got = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        while !got.windows(2).any(|pair| pair == 1009_u16.to_be_bytes()) {
            assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0, "closed without a word");
        }
    })
    .await
    .unwrap();
    assert!(String::from_utf8_lossy(&got).contains(r#""type":"goodbye""#));
}

#[actix_web::test]
async fn a_bad_handshake_is_a_clear_answer() {
    let app = spawn_app().await;
    let upgrade = ["connection: upgrade", "upgrade: websocket"];
    for (more, status) in [
        (&[][..], 426),
        (&upgrade, 426),
        (&[upgrade[0], upgrade[1], "sec-websocket-version: 99"], 426),
        (&[upgrade[0], upgrade[1], "sec-websocket-version: 13"], 400),
        (&[upgrade[0], upgrade[1], "sec-websocket-version: 13", "sec-websocket-key: short"], 400),
    ] {
        let answer = raw_http::request(app.address, "GET /ws", &[more, &["host: x"]].concat(), b"").await;
        assert_eq!(answer.status, status, "{more:?} {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(app.call(Method::POST, "/ws", &[], None).await.status.as_u16(), 405);
}
