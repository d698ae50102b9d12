//! Messages to rooms between nodes.

use std::time::Duration;

use actix_web::http::Method;
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::support::cluster::Nodes;
use crate::support::redis::Redis;
use crate::support::rooms::{CHAT, hears, hears_nothing, join, send};
use crate::support::time::pause;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// Whether a message with this data has arrived.
async fn has_heard(client: &mut WebSocketClient, data: &Value) -> bool {
    client.send(json!({"type": "ping"})).await;
    let mut heard = false;
    loop {
        let message = client.next().await;
        heard |= message["data"] == *data;
        if message["type"] == "pong" {
            return heard;
        }
    }
}

/// Nodes that have just started may still be connecting.
async fn until_connected(nodes: &Nodes, sender: &mut WebSocketClient, [one, two]: [&mut WebSocketClient; 2]) {
    for number in 0..300 {
        send(sender, "chat:lobby", json!(number)).await;
        pause().await;
        if has_heard(one, &json!(number)).await & has_heard(two, &json!(number)).await {
            return;
        }
        nodes.all.iter().for_each(|node| node.advance(Duration::from_millis(200)));
    }
    panic!("no message arrives");
}

/// Publishes what no node has written, what is too large for its kind, and what is in no room that there is.
async fn forge(redis: &Redis) {
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let content = |room: &str, data: Value| {
        json!({
            "room": room, "message": uuid::Uuid::nil(), "at": "2026-11-28T09:31:02.123Z",
            "from": {"user": uuid::Uuid::nil(), "username": "ann"}, "data": data,
        })
    };
    for (room, content) in [
        ("chat:lobby", json!({"room": "chat:lobby", "data": "forged"})),
        ("chat:lobby", content("chat:other", json!("forged"))),
        ("chat:lobby", content("chat:lobby", json!("forged".repeat(10_000)))),
        ("nokind:x", content("nokind:x", json!("forged"))),
    ] {
        let envelope = json!({"node": uuid::Uuid::nil(), "room": room, "content": content}).to_string();
        let () = connection.publish("doorward:rooms", envelope).await.unwrap();
    }
    let () = connection.publish("doorward:rooms", "{").await.unwrap();
}

#[actix_web::test]
async fn messages_reach_the_sessions_of_all_nodes_and_no_revoked_one() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[CHAT[0], CHAT[1], ("rooms.user.send", "anyone")]).await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let mut first = WebSocketClient::live(one, &ann).await;
    let mut second = WebSocketClient::live(two, &bob).await;
    let mut third = WebSocketClient::live(three, &bob).await;
    for client in [&mut first, &mut second, &mut third] {
        join(client, "chat:lobby").await;
    }
    until_connected(&nodes, &mut first, [&mut second, &mut third]).await;
    send(&mut first, "chat:lobby", json!("all")).await;
    let heard = hears(&mut second, json!("all")).await;
    assert_eq!((&heard["from"]["username"], &heard["room"]), (&json!("ann"), &json!("chat:lobby")));
    hears(&mut third, json!("all")).await;
    hears_nothing(&mut first).await;
    first.ask(json!({"type": "send", "user": bob.id, "data": "psst"})).await;
    hears(&mut second, json!("psst")).await;
    hears(&mut third, json!("psst")).await;

    forge(&redis).await;
    send(&mut first, "chat:lobby", json!("next")).await;
    assert_eq!(second.next().await["data"], "next");

    one.send(Method::DELETE, "/api/logins", &bob.access, Value::Null).await;
    one.send(Method::POST, "/api/logout", &bob.access, Value::Null).await;
    let ended = second.ends(4441).await;
    assert!(ended.before.is_empty(), "{:?}", ended.before);
    send(&mut first, "chat:lobby", json!("after")).await;
    let ended = third.ends(4441).await;
    assert!(ended.before.iter().all(|message| message["data"] != "after"), "{:?}", ended.before);
}
