//! Anything may be published on the nodes' channel. It stalls no node.

use std::time::Duration;

use actix_web::http::Method;
use doorward_core::domain::UserId;
use futures_util::StreamExt;
use redis::AsyncCommands;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::cluster::{CHANNEL, Nodes, envelope, sees};
use crate::support::redis::Redis;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

#[actix_web::test]
async fn malformed_and_excessive_messages_stall_no_node() {
    let Some(redis) = Redis::start() else { return };
    let empty = Nodes::none(Some(&redis), &[]);
    let (here, there) = (empty.start_one().await, empty.start_one().await);
    let (ann, bob) = (here.register("ann").await, here.register("bob").await);
    let mut live = WebSocketClient::live(&there, &ann).await;
    let _other = WebSocketClient::live(&here, &bob).await;
    sees(&here, &ann, 1).await;
    sees(&there, &bob, 1).await;

    let client = redis::Client::open(redis.url()).unwrap();
    let mut channel = client.get_async_pubsub().await.unwrap();
    channel.subscribe(CHANNEL).await.unwrap();
    let mut messages = channel.into_on_message();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let message = tokio::time::timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
    let message: Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
    let node: Uuid = message["node"].as_str().unwrap().parse().unwrap();

    let intruder = Uuid::now_v7();
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let session = |number: u128| {
        json!({
            "id": Uuid::from_u128(number), "user": ann.id, "login": ann.login, "carrier": "x".repeat(100),
            "address": "127.0.0.1", "since": "2026-01-01T00:00:00"
        })
    };
    let flood: Vec<Value> = (0..900).map(session).collect();
    let mut noise: Vec<Vec<u8>> = vec![
        b"\xff\xfe\0".to_vec(),
        vec![b'x'; 2 << 20],
        deep.clone().into_bytes(),
        envelope(intruder, 1, &json!({"type": "beat", "x": deep})).into_bytes(),
        envelope(intruder, 2, &json!({"type": "list", "part": 0, "last": true, "sessions": flood}))
            .into_bytes(),
        envelope(intruder, 3, &json!({"type": "sessions", "came": flood, "went": flood})).into_bytes(),
    ];
    noise.extend(
        (0..2000)
            .map(|number| envelope(intruder, number * 7, &json!({"type": "ask", "of": node})).into_bytes()),
    );
    noise.extend((0..500).map(|_| envelope(Uuid::now_v7(), 1, &json!({"type": "hello"})).into_bytes()));
    for noise in noise {
        let _: () = publisher.publish(CHANNEL, noise).await.unwrap();
    }

    // What a node lists stays bounded, although it believes whatever claims to be a node.
    let user: UserId = ann.id.parse().unwrap();
    assert!(here.sessions.directory().of_user(user).len() <= 201);
    // The message about a revocation still arrives.
    here.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    live.ends(4441).await;

    // However often the node was asked for its list, it sent it a few times.
    let (mut lists, mut asks) = (0, 0);
    let quiet = async {
        while let Some(message) = messages.next().await {
            let Ok(message) = serde_json::from_slice::<Value>(message.get_payload_bytes()) else { continue };
            let is_nodes = message["node"] == node.to_string();
            lists += usize::from(is_nodes && message["news"]["type"] == "list");
            asks += usize::from(is_nodes && message["news"]["type"] == "ask");
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), quiet).await;
    assert!(lists <= 4 && asks <= 200, "{lists} lists, {asks} requests for lists");
    // The noise ends, and the sessions that it listed go with it.
    let _: () = publisher.publish(CHANNEL, envelope(intruder, 9, &json!({"type": "bye"}))).await.unwrap();
    sees(&here, &ann, 0).await;
    sees(&here, &bob, 1).await;
}
