//! A client cannot make the server hold more memory than its bounds allow.

use std::time::Duration;

use doorward::{Additions, Context, Events, Payload};
use serde_json::json;

use crate::support::app::{TestApp, spawn_app, spawn_embedded, spawn_with};
use crate::support::raw_http;
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::transports::{LiveClient, on_every_transport};

on_every_transport!(
    a_client_that_does_not_read_is_slowed_down_then_disconnected,
    a_stalled_client_is_revoked_like_any_other,
    a_burst_of_requests_is_answered_in_full,
);

async fn a_client_that_does_not_read_is_slowed_down_then_disconnected<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let mut bobs = C::live(&app, &bob).await;
    let mut stalled = C::live(&app, &ann).await;
    // What it may send is bounded by the kernel's buffers, its answers by the outbox.
    stalled.flood(r#"{"type":"secret"}"#).await;
    bobs.ping().await;

    let id = ann.id.parse().unwrap();
    assert_eq!(app.sessions.directory().of_user(id).len(), 1, "slow is not dead yet");
    tokio::time::timeout(PATIENCE, async {
        while !app.sessions.directory().of_user(id).is_empty() {
            app.advance(Duration::from_secs(5));
            bobs.ping().await;
        }
    })
    .await
    .expect("it was not cut");
    // The connection is gone, not only its session.
    assert_cut(&app, &mut stalled).await;
}

/// Waits until the client's writes fail. They block first, as the server does not read them.
async fn assert_cut(app: &TestApp, client: &mut impl LiveClient) {
    let cut = async {
        while !client.is_cut().await {
            app.advance(Duration::from_secs(1));
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("the connection is still there");
}

async fn a_stalled_client_is_revoked_like_any_other<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut stalled = C::live(&app, &ann).await;
    stalled.flood(r#"{"type":"secret"}"#).await;
    app.send(actix_web::http::Method::POST, "/api/logout", &ann.access, serde_json::Value::Null)
        .await
        .expect(204);
    let id = ann.id.parse().unwrap();
    while !app.sessions.directory().of_user(id).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_cut(&app, &mut stalled).await;
}

async fn a_burst_of_requests_is_answered_in_full<C: LiveClient>() {
    // Large answers: the outbox is full many times over, and a client that reads is never disconnected for it.
    let large = |_: Context, _: Payload| async { json!({"text": "x".repeat(9000)}) };
    let events = Additions::new(Events::default().on("large", large));
    let app = spawn_embedded(&[("sockets.max_outbox", "64KiB")], events).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    for number in 0..1000 {
        live.send(json!({"type": "large", "id": number})).await;
    }
    for number in 0..1000 {
        let reply = live.next().await;
        assert_eq!(reply["id"], number);
        assert_eq!(reply["text"].as_str().unwrap().len(), 9000);
    }
}

#[actix_web::test]
async fn a_full_tcp_endpoint_leaves_http_some_room() {
    let app = spawn_with(&[("sockets.max_open", "1"), ("sockets.max_waiting_per_address", "1000")]).await;
    // One, and half of what is set aside for requests.
    let mut pending = Vec::new();
    for _ in 0..65 {
        pending.push(TcpClient::unauthenticated(&app).await);
    }
    assert_eq!(TcpClient::connect(app.tcp).await.rest_lossy().await, "");
    app.get("/healthz", "").await.expect(200);
    drop(pending);
    let let_in = async { while TcpClient::connect(app.tcp).await.line_or_prompt().await.is_empty() {} };
    tokio::time::timeout(PATIENCE, let_in).await.expect("places are not given back");
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = spawn_app().await;
    let request = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{";
    let answer = raw_http::exchange(app.address, request).await;
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.body.contains("body_timeout"));
}

#[actix_web::test]
async fn a_body_of_unknown_length_that_does_not_end_holds_no_connection() {
    let app = spawn_app().await;
    for path in ["/api/logout", "/nowhere", "/socket.io/?EIO=4&transport=polling&sid=x"] {
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: doorward.example\r\ntransfer-encoding: chunked\r\n\r\n");
        // Answered, told that the connection ends, and it does: the exchange waits for that.
        let answer = raw_http::exchange(app.address, format!("{head}1\r\nx\r\n").as_bytes()).await;
        assert_eq!(answer.header("connection"), Some("close"), "{path}: {answer:?}");
    }
}
