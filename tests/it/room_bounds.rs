//! What a client may join and send of rooms, how many may be in one, and what becomes of those who do not read.

use std::time::Duration;

use serde_json::json;

use crate::support::rooms::{hears_nothing, join, send, with_rooms};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    rooms_are_joined_by_the_hundred_and_listed,
    what_a_client_sends_is_bounded,
    a_room_has_a_bounded_number_of_sessions,
    a_room_that_is_joined_twice_is_one_place,
);

async fn rooms_are_joined_by_the_hundred_and_listed<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let mut live = C::live(&app, &app.register("ann").await).await;
    let rooms: Vec<_> = (100..199).map(|number| json!({"room": format!("chat:{number}")})).collect();
    let all = [&rooms[..], &[json!({"room": "order:1"})]].concat();
    let joined = live.ask(json!({"type": "join", "id": 1, "rooms": all})).await;
    assert_eq!(joined["type"], "joined");
    let outcomes = joined["rooms"].as_array().unwrap();
    assert_eq!(outcomes.len(), 100);
    assert_eq!(outcomes[0], json!({"room": "chat:100", "can": ["send"]}));
    assert_eq!(outcomes[99]["error"]["code"], "unknown_room");
    // All at once is the burst of joins; then one in 50 ms.
    let refused = join(&mut live, "chat:more").await;
    assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!("too_many_requests"), &json!(50)));
    app.advance(Duration::from_millis(100));
    assert_eq!(join(&mut live, "chat:more").await["type"], "joined");
    assert_eq!(join(&mut live, "chat:evenmore").await["code"], "too_many_rooms");
    let listed = live.ask(json!({"type": "rooms", "id": 2})).await;
    assert_eq!(listed["rooms"].as_array().unwrap().len(), 100);
}

async fn what_a_client_sends_is_bounded<C: LiveClient>() {
    let app = with_rooms(&[
        ("rooms.chat.max_data", "100B"),
        ("rooms.chat.rate", "2/1s"),
        ("rooms.chat.burst", "3"),
    ])
    .await;
    let mut live = C::live(&app, &app.register("ann").await).await;
    join(&mut live, "chat:a").await;
    assert_eq!(send(&mut live, "chat:a", json!("x".repeat(98))).await["type"], "sent");
    assert_eq!(send(&mut live, "chat:a", json!("x".repeat(99))).await["code"], "too_large");
    send(&mut live, "chat:a", json!(1)).await;
    send(&mut live, "chat:a", json!(2)).await;
    let refused = send(&mut live, "chat:a", json!(3)).await;
    assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!("too_many_requests"), &json!(500)));
    app.advance(Duration::from_millis(500));
    assert_eq!(send(&mut live, "chat:a", json!(3)).await["type"], "sent");
}

async fn a_room_has_a_bounded_number_of_sessions<C: LiveClient>() {
    let app = with_rooms(&[("rooms.chat.max_joined", "2")]).await;
    let ann = app.register("ann").await;
    let mut all = [C::live(&app, &ann).await, C::live(&app, &ann).await, C::live(&app, &ann).await];
    assert_eq!(join(&mut all[0], "chat:a").await["type"], "joined");
    assert_eq!(join(&mut all[1], "chat:a").await["type"], "joined");
    assert_eq!(join(&mut all[1], "chat:a").await["type"], "joined", "once more is no second place");
    assert_eq!(join(&mut all[2], "chat:a").await["code"], "room_full");
    assert_eq!(join(&mut all[2], "chat:b").await["type"], "joined");
    all[0].ask(json!({"type": "leave", "room": "chat:a"})).await;
    assert_eq!(join(&mut all[2], "chat:a").await["type"], "joined");
    // A session that ends gives its place back.
    let [first, second, _third] = all;
    second.leave().await;
    let mut first = first;
    let deadline = now() + PATIENCE;
    while join(&mut first, "chat:a").await["type"] != "joined" {
        assert!(now() < deadline);
        app.advance(Duration::from_millis(50));
        pause().await;
    }
}

#[actix_web::test]
async fn a_client_that_does_not_read_is_cut_and_holds_up_no_other() {
    let app = with_rooms(&[
        ("sockets.max_outbox", "16KiB"),
        ("rooms.chat.rate", "off"),
        ("rooms.news.join", "anyone"),
        ("rooms.news.send", "anyone"),
        ("rooms.news.rate", "off"),
        ("rooms.news.lossy", "true"),
    ])
    .await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut sender = WebSocketClient::live(&app, &ann).await;
    let mut reader = WebSocketClient::live(&app, &bob).await;
    let mut sleeper = WebSocketClient::live(&app, &bob).await;
    let mut lossy = WebSocketClient::live(&app, &bob).await;
    for client in [&mut sender, &mut reader, &mut sleeper] {
        join(client, "chat:a").await;
    }
    join(&mut lossy, "news:a").await;
    let data = json!("x".repeat(10_000));
    let all = app.sessions.count();
    let mut sent = 0;
    // Until the kernel's buffers and the outbox are full.
    while app.sessions.count() == all {
        sent += 1;
        assert!(sent < 5000, "it is not cut");
        assert_eq!(send(&mut sender, "chat:a", data.clone()).await["type"], "sent");
        assert_eq!(send(&mut sender, "news:a", data.clone()).await["type"], "sent");
        assert_eq!(reader.next().await["type"], "message", "{sent}");
    }
    let mut heard = 0;
    lossy.send(json!({"type": "ping"})).await;
    while lossy.next().await["type"] != "pong" {
        heard += 1;
    }
    assert!((1..sent).contains(&heard), "it missed some: {heard} of {sent}");
    // It has read, and is sent messages again.
    let mut again = false;
    for _ in 0..1000 {
        send(&mut sender, "news:a", json!("again")).await;
        lossy.send(json!({"type": "ping"})).await;
        while let message = lossy.next().await
            && message["type"] != "pong"
        {
            again |= message["data"] == "again";
        }
        if again {
            break;
        }
    }
    assert!(again);
    hears_nothing(&mut reader).await;
}

/// However often a client joins, it has one place and leaves none behind.
async fn a_room_that_is_joined_twice_is_one_place<C: LiveClient>() {
    let app = with_rooms(&[("rooms.chat.max_joined", "2")]).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let twice = vec![json!({"room": "chat:a"}); 50];
    let joined = live.ask(json!({"type": "join", "rooms": twice})).await;
    assert!(joined["rooms"].as_array().unwrap().iter().all(|room| room["error"].is_null()), "{joined}");
    let mut other = WebSocketClient::live(&app, &ann).await;
    assert_eq!(join(&mut other, "chat:a").await["type"], "joined");
    live.ask(json!({"type": "leave", "room": "chat:a"})).await;
    let mut third = WebSocketClient::live(&app, &ann).await;
    assert_eq!(join(&mut third, "chat:a").await["type"], "joined");
    assert_eq!(join(&mut live, "chat:a").await["code"], "room_full");
    send(&mut third, "chat:a", json!(1)).await;
    hears_nothing(&mut live).await;
}

/// All of a user's sessions share what the user may send.
#[actix_web::test]
async fn another_session_is_no_way_to_send_more() {
    let app = with_rooms(&[("rooms.chat.rate", "1/1s"), ("rooms.chat.burst", "3")]).await;
    let ann = app.register("ann").await;
    for expected in ["sent", "sent", "sent", "error", "error"] {
        let mut live = WebSocketClient::live(&app, &ann).await;
        join(&mut live, "chat:a").await;
        assert_eq!(send(&mut live, "chat:a", json!(1)).await["type"], expected);
    }
    let mut bob = WebSocketClient::live(&app, &app.register("bob").await).await;
    join(&mut bob, "chat:a").await;
    assert_eq!(send(&mut bob, "chat:a", json!(1)).await["type"], "sent");
}
