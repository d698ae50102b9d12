//! Room tokens on several nodes: what is revoked at one is revoked at all when that is answered, without Redis a moment later,
//! and at a node that starts afterwards.

use std::time::Duration;

use doorward_core::rooms::RevokedTokens;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::callers::operator;
use crate::support::cluster::Nodes;
use crate::support::redis::Redis;
use crate::support::room_tokens::{Backend, KINDS, join_with};
use crate::support::rooms::{hears_nothing, send};
use crate::support::time::{PATIENCE, now};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

async fn nodes(redis: Option<&Redis>, backend: &Backend) -> Nodes {
    let file = backend.file();
    let settings = [&KINDS[..], &[("rooms.token_jwks", &*file), ("rooms.order.rate", "off")]].concat();
    Nodes::start(redis, &settings).await
}

/// Answers how many nodes have not said that they have applied it.
async fn revoke(node: &TestApp, jti: &str) -> usize {
    node.accounts.revoke_room_tokens(RevokedTokens::One(jti.into()), &operator()).await.unwrap().len()
}

#[actix_web::test]
async fn what_is_published_after_the_answer_reaches_no_session_with_the_token() {
    let Some(redis) = Redis::start() else { return };
    let backend = Backend::new();
    let nodes = nodes(Some(&redis), &backend).await;
    let [one, two, ..] = &nodes.all[..] else { panic!("too few") };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let all = backend.token(one, &bob, "order:*", &json!({}));
    let mut here = WebSocketClient::live(one, &bob).await;
    let mut there = WebSocketClient::live(two, &bob).await;
    let mut live = WebSocketClient::live(two, &ann).await;
    nodes.all_see(&ann, 1).await;
    for round in 0..10 {
        let jti = round.to_string();
        let room = format!("order:{round}");
        let token = backend.token(one, &ann, &room, &json!({"jti": jti}));
        for (client, token) in [(&mut live, &token), (&mut here, &all), (&mut there, &all)] {
            assert_eq!(join_with(client, &room, token).await["type"], "joined", "{round}");
        }
        if revoke(one, &jti).await > 0 {
            // On a busy machine a node may need more than a second. Within three it has applied the change.
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        for sender in [&mut here, &mut there] {
            sender.send(json!({"type": "send", "room": room, "data": "after"})).await;
        }
        let left = live.next().await;
        assert_eq!((&left["type"], &left["code"]), (&json!("left"), &json!("revoked")), "{round}: {left}");
        hears_nothing(&mut live).await;
        for node in [two, one] {
            let mut other = WebSocketClient::live(node, &node.login("ann").await).await;
            assert_eq!(join_with(&mut other, &room, &token).await["code"], "bad_token", "{round}");
        }
        // What the senders hear of each other is another test's.
        for sender in [&mut here, &mut there] {
            sender.send(json!({"type": "ping", "id": round})).await;
            while sender.next().await["type"] != "pong" {}
        }
    }
}

#[actix_web::test]
async fn without_redis_the_poll_finds_it_and_a_node_that_starts_reads_it() {
    let backend = Backend::new();
    let mut nodes = nodes(None, &backend).await;
    let (one, two) = (&nodes.all[0], &nodes.all[1]);
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let token = backend.token(one, &ann, "order:7", &json!({"jti": "one"}));
    let mut live = WebSocketClient::live(two, &ann).await;
    let mut sender = WebSocketClient::live(two, &bob).await;
    let all = backend.token(one, &bob, "order:*", &json!({}));
    assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined");
    assert_eq!(join_with(&mut sender, "order:7", &all).await["type"], "joined");
    assert_eq!(revoke(one, "one").await, 0);
    let answered = now();
    let mut heard_until = answered;
    loop {
        assert!(now() - answered < PATIENCE, "it is not revoked");
        assert_eq!(send(&mut sender, "order:7", json!(1)).await["type"], "sent");
        let message = live.next().await;
        if message["type"] == "left" {
            assert_eq!(message["code"], "revoked");
            break;
        }
        heard_until = now();
    }
    assert!(heard_until - answered < Duration::from_secs(3), "{:?}", heard_until - answered);
    hears_nothing(&mut live).await;
    nodes.add().await;
    let late = nodes.all.last().unwrap();
    let mut live = WebSocketClient::live(late, &late.login("ann").await).await;
    assert_eq!(join_with(&mut live, "order:7", &token).await["code"], "bad_token");
}
