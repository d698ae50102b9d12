//! Anything may be said on the nodes' channel. It stalls no node.

use std::time::Duration;

use actix_web::http::Method;
use doorward::clock::ManualClock;
use doorward_core::domain::UserId;
use futures_util::StreamExt;
use redis::AsyncCommands;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{Person, TestApp, spawn_on};
use crate::support::database;
use crate::support::redis::Redis;
use crate::support::smtp::SmtpCatcher;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

const CHANNEL: &str = "doorward:nodes";

async fn start(place: &tempfile::TempDir, redis: &Redis) -> TestApp {
    let file = format!("sqlite:{}", place.path().join("shared.db").display());
    let url = database::url(place.path()).unwrap_or(file);
    let redis = redis.url();
    let settings = [("database.url", url.as_str()), ("cluster.redis_url", redis.as_str())];
    let data = tempfile::tempdir_in(place.path()).unwrap();
    spawn_on(&settings, data, SmtpCatcher::start(), ManualClock::default()).await
}

async fn sees(app: &TestApp, person: &Person, count: usize) {
    let user: UserId = person.id.parse().unwrap();
    let seen = async {
        while app.sessions.directory().of_user(user).len() != count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("not {count}"));
}

fn said(node: Uuid, number: u64, news: &Value) -> String {
    json!({"node": node, "number": number, "news": news}).to_string()
}

#[actix_web::test]
async fn what_is_malformed_or_too_much_stalls_no_node() {
    let Some(redis) = Redis::start() else { return };
    let place = tempfile::tempdir().unwrap();
    let (here, there) = (start(&place, &redis).await, start(&place, &redis).await);
    let (ann, bob) = (here.register("ann").await, here.register("bob").await);
    let mut live = WebSocketClient::live(&there, &ann).await;
    let _other = WebSocketClient::live(&here, &bob).await;
    sees(&here, &ann, 1).await;
    sees(&there, &bob, 1).await;

    let client = redis::Client::open(redis.url()).unwrap();
    let mut channel = client.get_async_pubsub().await.unwrap();
    channel.subscribe(CHANNEL).await.unwrap();
    let mut heard = channel.into_on_message();
    let mut speaker = client.get_multiplexed_async_connection().await.unwrap();
    let message = tokio::time::timeout(PATIENCE, heard.next()).await.unwrap().unwrap();
    let message: Value = serde_json::from_slice(message.get_payload_bytes()).unwrap();
    let node: Uuid = message["node"].as_str().unwrap().parse().unwrap();

    let stranger = Uuid::now_v7();
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
        said(stranger, 1, &json!({"type": "beat", "x": deep})).into_bytes(),
        said(stranger, 2, &json!({"type": "list", "part": 0, "last": true, "sessions": flood})).into_bytes(),
        said(stranger, 3, &json!({"type": "sessions", "came": flood, "went": flood})).into_bytes(),
    ];
    noise.extend(
        (0..2000).map(|number| said(stranger, number * 7, &json!({"type": "ask", "of": node})).into_bytes()),
    );
    noise.extend((0..500).map(|_| said(Uuid::now_v7(), 1, &json!({"type": "hello"})).into_bytes()));
    for noise in noise {
        let _: () = speaker.publish(CHANNEL, noise).await.unwrap();
    }

    // Who is listed stays in bounds, though a node that believes others believes this one.
    let user: UserId = ann.id.parse().unwrap();
    assert!(here.sessions.directory().of_user(user).len() <= 201);
    // What is said of a revocation still arrives.
    here.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    live.ends(4441).await;

    // However often it was asked for its list, it was said a few times.
    let (mut lists, mut asks) = (0, 0);
    let quiet = async {
        while let Some(message) = heard.next().await {
            let Ok(message) = serde_json::from_slice::<Value>(message.get_payload_bytes()) else { continue };
            let is_nodes = message["node"] == node.to_string();
            lists += usize::from(is_nodes && message["news"]["type"] == "list");
            asks += usize::from(is_nodes && message["news"]["type"] == "ask");
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(2), quiet).await;
    assert!(lists <= 4 && asks <= 200, "{lists} lists, {asks} questions");
    // The noise ends, and what it brought goes with it.
    let _: () = speaker.publish(CHANNEL, said(stranger, 9, &json!({"type": "bye"}))).await.unwrap();
    sees(&here, &ann, 0).await;
    sees(&here, &bob, 1).await;
}
