//! Rights to rooms on several nodes: one that ends at one node has ended at all when that is answered. Without Redis a poll
//! finds it, and a node that cannot poll holds what it has.

use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::accounts::RoomRightChange;
use doorward_core::domain::UserId;
use doorward_core::rooms::{RoomName, Scope};
use redis::AsyncCommands;
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{Person, TestApp};
use crate::support::callers::operator;
use crate::support::cluster::{CHANNEL, Nodes, envelope};
use crate::support::redis::Redis;
use crate::support::revocations::execute;
use crate::support::rooms::{hears, hears_nothing, join, send, with_rooms};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// A change of what this user may do.
type Change = fn(UserId) -> RoomRightChange;

/// Rooms of members, in which one may send as fast as a test can.
const CLUB: [(&str, &str); 3] =
    [("rooms.club.join", "member"), ("rooms.club.send", "member"), ("rooms.club.rate", "off")];

fn id(person: &Person) -> UserId {
    person.id.parse().unwrap()
}

fn club() -> RoomName {
    RoomName::parse("club:a").unwrap()
}

async fn add(node: &TestApp, person: &Person) {
    let added = RoomRightChange::Add(club(), id(person), None);
    node.accounts.change_room_right(added, &operator()).await.unwrap();
}

/// Answers how many nodes have not said that they have applied the change.
async fn change(node: &TestApp, change: RoomRightChange) -> usize {
    node.accounts.change_room_right(change, &operator()).await.unwrap().len()
}

/// Sends numbers one after the other until it is told to stop; answers the next one.
async fn publish(client: &mut WebSocketClient, first: u64, stop: &tokio::sync::Notify) -> u64 {
    let mut number = first;
    let mut stopped = std::pin::pin!(stop.notified());
    loop {
        let sent = send(client, "club:a", json!(number)).await;
        assert_eq!(sent["type"], "sent", "{sent}");
        number += 1;
        if futures_util::FutureExt::now_or_never(&mut stopped).is_some() {
            return number;
        }
    }
}

#[actix_web::test]
async fn what_is_published_after_the_answer_reaches_no_session_that_lost_its_right() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &CLUB).await;
    let [one, two, ..] = &nodes.all[..] else { panic!("too few") };
    let (ann, bob, carl) = (one.register("ann").await, one.register("bob").await, one.register("carl").await);
    for person in [&ann, &bob, &carl] {
        add(one, person).await;
    }
    let mut here = WebSocketClient::live(one, &bob).await;
    let mut there = WebSocketClient::live(two, &carl).await;
    let mut live = WebSocketClient::live(two, &ann).await;
    nodes.all_see(&ann, 1).await;
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    until_relayed(&nodes, &mut here, &mut live).await;
    let scope = || Scope::Room(club());
    let changes: [(Change, &str); 4] = [
        (|user| RoomRightChange::Remove(club(), user), "removed"),
        (|user| RoomRightChange::Ban(Scope::Room(club()), user, None), "banned"),
        (|user| RoomRightChange::Kick(club(), user), "removed"),
        (|_| RoomRightChange::Close(club()), "closed"),
    ];
    let (mut first, mut second) = (1_000_000, 2_000_000);
    for round in 0..12 {
        let (make, code) = changes[round % changes.len()];
        let (stop_here, stop_there) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let end = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            if change(one, make(id(&ann))).await > 0 {
                // On a busy machine a node may need more than a second. Within three it has applied the change.
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            stop_here.notify_one();
            stop_there.notify_one();
        };
        let (from_here, from_there, ()) = futures_util::join!(
            publish(&mut here, first, &stop_here),
            publish(&mut there, second, &stop_there),
            end
        );
        (first, second) = (from_here, from_there);
        // Sent after the answer.
        for sender in [&mut here, &mut there] {
            assert_eq!(send(sender, "club:a", json!("after")).await["type"], "sent");
        }
        let left = loop {
            let message = live.next().await;
            assert_ne!(message["data"], "after", "round {round}");
            if message["type"] == "left" {
                break message;
            }
        };
        assert_eq!(left["code"], code, "round {round}");
        // Nothing of the room comes after it.
        hears_nothing(&mut live).await;
        change(two, RoomRightChange::Unban(scope(), id(&ann))).await;
        add(two, &ann).await;
        assert_eq!(join(&mut live, "club:a").await["type"], "joined", "round {round}");
        nodes.all.iter().for_each(|node| node.advance(Duration::from_millis(200)));
    }
}

/// Nodes that have just started may still be connecting.
async fn until_relayed(nodes: &Nodes, sender: &mut WebSocketClient, reader: &mut WebSocketClient) {
    for number in 0..300 {
        send(sender, "club:a", json!(number)).await;
        pause().await;
        reader.send(json!({"type": "ping"})).await;
        let mut heard = false;
        loop {
            let message = reader.next().await;
            heard |= message["type"] == "message";
            if message["type"] == "pong" {
                break;
            }
        }
        if heard {
            return;
        }
        nodes.all.iter().for_each(|node| node.advance(Duration::from_millis(200)));
    }
    panic!("no message arrives");
}

#[actix_web::test]
async fn without_redis_another_node_finds_the_end_of_a_right_by_its_poll() {
    let nodes = Nodes::start(None, &CLUB).await;
    let [one, two, ..] = &nodes.all[..] else { panic!("too few") };
    let (ann, bob) = (one.register("ann").await, one.register("bob").await);
    add(one, &ann).await;
    add(one, &bob).await;
    let mut live = WebSocketClient::live(two, &ann).await;
    let mut sender = WebSocketClient::live(two, &bob).await;
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    assert_eq!(change(one, RoomRightChange::Remove(club(), id(&ann))).await, 0);
    let answered = now();
    // What is sent three seconds later reaches it no more, whatever is down.
    let mut heard_until = answered;
    loop {
        assert_eq!(send(&mut sender, "club:a", json!(1)).await["type"], "sent");
        let message = live.next().await;
        if message["type"] == "left" {
            assert_eq!(message["code"], "removed");
            break;
        }
        heard_until = now();
    }
    assert!(heard_until - answered < Duration::from_secs(3), "{:?}", heard_until - answered);
    hears_nothing(&mut live).await;
}

#[actix_web::test]
async fn a_node_that_cannot_poll_holds_messages_and_drops_those_whose_right_has_ended() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob, carl) = (app.register("ann").await, app.register("bob").await, app.register("carl").await);
    for person in [&ann, &bob, &carl] {
        add(&app, person).await;
    }
    let mut removed = WebSocketClient::live(&app, &ann).await;
    let mut stays = WebSocketClient::live(&app, &bob).await;
    for client in [&mut removed, &mut stays] {
        assert_eq!(join(client, "club:a").await["type"], "joined");
    }
    execute(&app, "ALTER TABLE room_changes RENAME COLUMN number TO number_away");
    let deadline = now() + PATIENCE;
    while app.accounts.is_fresh() {
        assert!(now() < deadline, "its data is not stale");
        pause().await;
    }
    // Another node's message arrives, and waits.
    let content = json!({
        "room": "club:a", "message": uuid::Uuid::nil(), "at": "2026-11-28T09:31:02.123Z",
        "from": {"user": carl.id, "username": "carl"}, "data": "held",
    });
    let rooms = app.sessions.rooms();
    rooms.receive(&club(), rooms.kinds().of(&club()).unwrap(), &content.to_string().into());
    execute(&app, &format!("DELETE FROM room_members WHERE user_id = '{}'", ann.id));
    execute(&app, "ALTER TABLE room_changes RENAME COLUMN number_away TO number");
    assert_eq!(hears(&mut stays, json!("held")).await["type"], "message");
    assert_eq!(removed.next().await["code"], "removed");
    hears_nothing(&mut removed).await;
}

#[actix_web::test]
async fn a_node_that_does_not_answer_is_named() {
    let Some(redis) = Redis::start() else { return };
    let nodes = Nodes::start(Some(&redis), &CLUB).await;
    let one = &nodes.all[0];
    let ann = one.register("ann").await;
    let key = key(one, &["--scope", "rooms:write"]).await;
    // An older node: it beats, and knows no such message.
    let old = uuid::Uuid::from_u128(77);
    let beat = envelope(old, 1, &json!({"type": "beat"}));
    let client = redis::Client::open(redis.url()).unwrap();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = publisher.publish(CHANNEL, &beat).await.unwrap();
    let path = format!("/api/admin/rooms/club:a/bans/{}", ann.id);
    let deadline = now() + PATIENCE;
    loop {
        let answer = one.send(Method::PUT, &path, &key, json!({})).await;
        let silent = answer.body["silent_nodes"].clone();
        if answer.status.as_u16() == 202 && silent == json!([old]) {
            break;
        }
        assert!(now() < deadline, "{} {}", answer.status, answer.text);
        one.send(Method::DELETE, &path, &key, Value::Null).await;
    }
}
