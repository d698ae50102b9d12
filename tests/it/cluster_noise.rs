//! Anything may be published on the nodes' channel. It stalls no node.

use std::time::Duration;

use actix_web::http::Method;
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
    let mut noise: Vec<Vec<u8>> = vec![
        b"\xff\xfe\0".to_vec(),
        vec![b'x'; 2 << 20],
        deep.clone().into_bytes(),
        envelope(intruder, 1, &json!({"type": "beat", "x": deep})).into_bytes(),
        // What nodes of earlier versions say of their sessions.
        envelope(intruder, 2, &json!({"type": "list", "part": 0, "last": true, "sessions": []})).into_bytes(),
        envelope(intruder, 3, &json!({"type": "sessions", "came": [], "went": []})).into_bytes(),
    ];
    noise.extend(
        (0..2000)
            .map(|number| envelope(intruder, number * 7, &json!({"type": "ask", "of": node})).into_bytes()),
    );
    noise.extend((0..500).map(|_| envelope(Uuid::now_v7(), 1, &json!({"type": "hello"})).into_bytes()));
    for noise in noise {
        let _: () = publisher.publish(CHANNEL, noise).await.unwrap();
    }

    // The message about a revocation still arrives.
    here.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    live.ends(4441).await;

    // However often the node was greeted, it answered a few times a second.
    let mut beats = 0;
    let quiet = async {
        while let Some(message) = messages.next().await {
            let Ok(message) = serde_json::from_slice::<Value>(message.get_payload_bytes()) else { continue };
            let is_nodes = message["node"] == node.to_string();
            beats += usize::from(is_nodes && message["news"]["type"] == "beat");
            assert!(!(is_nodes && ["list", "ask"].iter().any(|old| message["news"]["type"] == *old)));
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), quiet).await;
    assert!(beats <= 40, "{beats} signs of life");
    sees(&here, &ann, 0).await;
    sees(&here, &bob, 1).await;
}
