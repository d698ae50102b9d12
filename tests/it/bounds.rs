//! Nobody can make the server hold more than it wants to.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::app::{Person, TestApp, spawn_app, spawn_with};
use crate::live::PATIENCE;
use crate::raw;

/// A text frame of a client, masked with zeros.
fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    let mut bytes = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

async fn raw_socket(app: &TestApp, person: &Person) -> TcpStream {
    let socket = raw::handshake(app.address, &person.access).await;
    while app.sessions.of_user(person.id.parse().unwrap()).is_empty() {
        tokio::task::yield_now().await;
    }
    socket
}

/// Sends requests and reads no answer, until the server stops reading as well. Answers the bytes it took.
async fn flood(socket: &mut TcpStream) -> usize {
    let requests = frame(r#"{"type":"secret"}"#).repeat(1000);
    let mut taken = 0;
    loop {
        match tokio::time::timeout(Duration::from_secs(1), socket.write(&requests)).await {
            Ok(Ok(bytes)) => taken += bytes,
            // Blocked, or cut.
            Err(_) | Ok(Err(_)) => return taken,
        }
        assert!(taken < 256 << 20, "it swallows everything");
    }
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_slowed_down_then_cut() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let mut bobs = app.live(&bob).await;
    let mut stalled = raw_socket(&app, &ann).await;
    // What it may send is bounded by the kernel's buffers, its answers by the outbox.
    flood(&mut stalled).await;
    bobs.ping().await;

    let id = ann.id.parse().unwrap();
    assert_eq!(app.sessions.of_user(id).len(), 1, "slow is not dead yet");
    tokio::time::timeout(PATIENCE, async {
        while !app.sessions.of_user(id).is_empty() {
            app.advance(Duration::from_secs(5));
            bobs.ping().await;
        }
    })
    .await
    .expect("it was not cut");
    // The connection is gone, not only its session.
    assert_cut(&app, &mut stalled).await;
}

/// The client's writes fail at last. They block before: nobody reads them.
async fn assert_cut(app: &TestApp, socket: &mut TcpStream) {
    let cut = async {
        while !matches!(tokio::time::timeout(Duration::from_millis(10), socket.write(b"x")).await, Ok(Err(_)))
        {
            app.advance(Duration::from_secs(1));
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("the connection is still there");
}

#[actix_web::test]
async fn a_stalled_client_is_revoked_like_any_other() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut stalled = raw_socket(&app, &ann).await;
    flood(&mut stalled).await;
    app.send(actix_web::http::Method::POST, "/api/logout", &ann.access, serde_json::Value::Null)
        .await
        .expect(204);
    let id = ann.id.parse().unwrap();
    while !app.sessions.of_user(id).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_cut(&app, &mut stalled).await;
}

#[actix_web::test]
async fn a_burst_of_requests_is_answered_in_full() {
    // Large answers: the outbox is full many times over, and a client that reads is never cut for it.
    let app = spawn_with(&[("sockets.max_outbox", "64KiB")]).await;
    let ann = app.register("ann").await;
    let _others = futures_util::future::join_all((0..50).map(|_| app.live(&ann))).await;
    let mut live = app.live(&ann).await;
    for number in 0..1000 {
        use futures_util::SinkExt;
        let text = json!({"type": "sessions", "id": number}).to_string();
        live.socket.feed(tokio_tungstenite::tungstenite::Message::Text(text.into())).await.unwrap();
    }
    futures_util::SinkExt::flush(&mut live.socket).await.unwrap();
    for number in 0..1000 {
        let reply = live.next().await;
        assert_eq!(reply["id"], number);
        assert_eq!(reply["sessions"].as_array().unwrap().len(), 51);
    }
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app = spawn_app().await;
    let request = b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Content-Length: 100\r\n\r\n{";
    let answer = raw::exchange(app.address, request).await;
    assert_eq!(answer.status, 408, "{answer:?}");
    assert!(answer.body.contains("body_timeout"));
}
