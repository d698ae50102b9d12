//! Messages to rooms between nodes.

use actix_web::http::Method;
use doorward::internals::cluster::{Body, Frame, NodeId};
use redis::AsyncCommands;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::cluster::Nodes;
use crate::support::metrics::{METRICS, becomes, scrape, value};
use crate::support::redis::Redis;
use crate::support::rooms::{CHAT, hears, hears_nothing, join, send};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// Anyone joins and sends, as often as they like; users are sent messages as well.
const OPEN: [(&str, &str); 5] = [
    CHAT[0],
    ("rooms.chat.send", "anyone"),
    ("rooms.chat.rate", "off"),
    ("rooms.user.send", "anyone"),
    ("rooms.user.rate", "off"),
];

/// Waits until this is how far each node says that rooms reach.
pub async fn reach(nodes: &[TestApp], expected: &str) {
    for node in nodes {
        let deadline = now() + PATIENCE;
        while node.get("/readyz", "").await.expect(200).body["rooms"] != expected {
            assert!(now() < deadline, "rooms do not reach {expected}");
            pause().await;
        }
    }
}

/// How many messages of other nodes this one was sent.
async fn received(node: &TestApp) -> String {
    value(&scrape(node).await, "doorward_rooms_relayed_total", &[("outcome", "received")]).to_string()
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
    let node = NodeId(uuid::Uuid::nil());
    for content in [
        json!({"room": "chat:lobby", "data": "forged"}),
        content("chat:other", json!("forged")),
        content("chat:lobby", json!("forged".repeat(10_000))),
        json!("forged"),
    ] {
        let frame = Frame { node, body: Body::Message(&content.to_string()) }.write();
        let () = connection.publish("doorward:rooms/chat:lobby", frame).await.unwrap();
    }
    let beat = Frame { node, body: Body::Beat }.write();
    for broken in [b"{".to_vec(), Vec::new(), vec![1; 17], vec![9; 40], beat] {
        let () = connection.publish("doorward:rooms/chat:lobby", broken).await.unwrap();
    }
}

#[actix_web::test]
async fn messages_reach_the_sessions_of_all_nodes_and_no_revoked_one() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[CHAT[0], CHAT[1], ("rooms.user.send", "anyone")]).await;
    reach(&nodes.all, "all_nodes").await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let mut first = WebSocketClient::live(one, &ann).await;
    let mut second = WebSocketClient::live(two, &bob).await;
    let mut third = WebSocketClient::live(three, &bob).await;
    for client in [&mut first, &mut second, &mut third] {
        join(client, "chat:lobby").await;
    }
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

#[actix_web::test]
async fn what_is_published_once_a_session_has_joined_reaches_it_on_every_node() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &OPEN).await;
    reach(&nodes.all, "all_nodes").await;
    let [one, two, _] = &nodes.all[..] else { panic!() };
    let ann = one.register("ann").await;
    let mut sender = WebSocketClient::live(two, &ann).await;
    let mut reader = WebSocketClient::live(one, &ann).await;
    // No session of the sender's node has joined any of these rooms.
    for number in 0..60 {
        let room = format!("chat:{number}");
        join(&mut reader, &room).await;
        send(&mut sender, &room, json!(number)).await;
        assert_eq!(reader.next().await["data"], number);
    }
    let rooms: Vec<_> = (100..120).map(|number| json!({"room": format!("chat:{number}")})).collect();
    assert_eq!(reader.ask(json!({"type": "join", "id": 1, "rooms": rooms})).await["type"], "joined");
    for number in 100..120 {
        send(&mut sender, &format!("chat:{number}"), json!(number)).await;
        assert_eq!(reader.next().await["data"], number);
    }
    // The same for the user's own room and `welcome`.
    for number in 0..10 {
        let user = one.register(&format!("user{number}")).await;
        let mut session = WebSocketClient::live(one, &user).await;
        sender.ask(json!({"type": "send", "id": "s", "user": user.id, "data": number})).await;
        assert_eq!(session.next().await["data"], number);
    }
}

#[actix_web::test]
async fn a_node_is_sent_nothing_of_rooms_that_its_sessions_have_not_joined() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[&OPEN[..], &[METRICS]].concat()).await;
    reach(&nodes.all, "all_nodes").await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let mut first = WebSocketClient::live(one, &ann).await;
    let mut second = WebSocketClient::live(two, &bob).await;
    let mut third = WebSocketClient::live(three, &bob).await;
    join(&mut first, "chat:lobby").await;
    join(&mut third, "chat:other").await;
    for number in 0..40 {
        for room in ["chat:lobby", "chat:other", "chat:empty"] {
            send(&mut second, room, json!(number)).await;
        }
    }
    hears(&mut first, json!(39)).await;
    hears(&mut third, json!(39)).await;
    becomes(two, "doorward_rooms_relayed_total", &[("outcome", "sent")], 120.0).await;
    assert_eq!([received(one).await, received(two).await, received(three).await], ["40", "0", "40"]);
    for node in &nodes.all {
        let text = scrape(node).await;
        assert!(value(&text, "doorward_rooms_relayed_total", &[("outcome", "unreadable")]).abs() < 1e-9);
        // The room of its user is one.
        assert!(value(&text, "doorward_rooms_subscribed", &[]) <= 2.0);
    }

    // A room that all have left is kept for a while, and then given up.
    assert_eq!(first.ask(json!({"type": "leave", "id": 1, "room": "chat:lobby"})).await["type"], "left");
    becomes(one, "doorward_rooms", &[], 1.0).await;
    becomes(one, "doorward_rooms_subscribed", &[], 1.0).await;
    for room in ["chat:lobby", "chat:other"] {
        send(&mut second, room, json!("late")).await;
    }
    hears(&mut third, json!("late")).await;
    join(&mut first, "chat:other").await;
    send(&mut second, "chat:other", json!("later")).await;
    assert_eq!(first.next().await["data"], "later");
    assert_eq!([received(one).await, received(three).await], ["41", "42"]);
}

#[actix_web::test]
async fn rooms_reach_one_node_while_redis_is_away_and_all_nodes_once_it_is_back() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &[&OPEN[..], &[METRICS]].concat()).await;
    reach(&nodes.all, "all_nodes").await;
    let [one, two, three] = &nodes.all[..] else { panic!() };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    let mut first = WebSocketClient::live(one, &ann).await;
    let mut beside = WebSocketClient::live(one, &bob).await;
    let mut second = WebSocketClient::live(two, &bob).await;
    for client in [&mut first, &mut beside, &mut second] {
        join(client, "chat:lobby").await;
    }
    redis.kill();
    reach(&nodes.all, "this_node").await;
    becomes(one, "doorward_rooms_connected", &[], 0.0).await;
    // A room that is joined meanwhile is not waited for.
    for client in [&mut first, &mut beside, &mut second] {
        assert_eq!(join(client, "chat:meanwhile").await["type"], "joined");
    }
    let lost = [("outcome", "not_relayed")];
    let before = value(&scrape(one).await, "doorward_room_messages_total", &lost);
    for room in ["chat:lobby", "chat:meanwhile"] {
        send(&mut first, room, json!("near")).await;
        assert_eq!(beside.next().await["data"], "near");
    }
    becomes(one, "doorward_room_messages_total", &lost, before + 2.0).await;

    redis.run();
    reach(&nodes.all, "all_nodes").await;
    becomes(one, "doorward_rooms_connected", &[], 1.0).await;
    for room in ["chat:lobby", "chat:meanwhile"] {
        send(&mut first, room, json!(room)).await;
        // What was published while it was away is not made up for.
        assert_eq!(second.next().await["data"], room);
        hears(&mut beside, json!(room)).await;
    }
    let mut late = WebSocketClient::live(three, &ann).await;
    join(&mut late, "chat:lobby").await;
    send(&mut second, "chat:lobby", json!("three")).await;
    assert_eq!(late.next().await["data"], "three");
    first.ask(json!({"type": "send", "id": 1, "user": bob.id, "data": "psst"})).await;
    hears(&mut second, json!("psst")).await;
}

#[actix_web::test]
async fn a_redis_that_does_not_answer_holds_up_a_join_for_a_moment_and_changes_no_order() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &OPEN).await;
    reach(&nodes.all, "all_nodes").await;
    let [one, ..] = &nodes.all[..] else { panic!() };
    let ann = one.register("ann").await;
    let (mut first, mut second) =
        (WebSocketClient::live(one, &ann).await, WebSocketClient::live(one, &ann).await);
    redis.signal(Signal::STOP);
    let began = now();
    first.send(json!({"type": "join", "id": 1, "room": "chat:lobby"})).await;
    first.send(json!({"type": "rooms", "id": 2})).await;
    first.send(json!({"type": "leave", "id": 3, "room": "chat:lobby"})).await;
    first.send(json!({"type": "join", "id": 4, "room": "chat:lobby"})).await;
    send(&mut second, "chat:lobby", json!("early")).await;
    let mut has_joined = false;
    for (id, kind) in [(1, "joined"), (2, "rooms"), (3, "left"), (4, "joined")] {
        let mut answer = first.next().await;
        if has_joined && answer["type"] == "message" {
            answer = first.next().await;
        }
        has_joined = true;
        assert_eq!((&answer["id"], &answer["type"]), (&json!(id), &json!(kind)), "{answer}");
    }
    assert!(now() - began < PATIENCE / 2, "{:?}", now() - began);
    send(&mut second, "chat:lobby", json!("now")).await;
    assert_eq!(first.next().await["data"], "now");
    redis.signal(Signal::CONT);
    reach(&nodes.all, "all_nodes").await;
}
