//! Members, bans, and who is put out: what each row of "When a right ends" does at every transport. What is sent after the
//! answer to a change reaches no session that has lost its right.

use std::time::Duration;

use chrono::TimeDelta;
use doorward::internals::accounts::{Expected, RightsChange, RoomRightChange, UserChange};
use doorward_core::domain::{Roles, RolesChange, UserId};
use doorward_core::rooms::{RoomName, Scope};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::callers::operator;
use crate::support::revocations::{execute, poll};
use crate::support::rooms::{hears_nothing, join, send, with_rooms};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    a_member_joins_and_sends_until_removed,
    a_ban_comes_before_every_policy_and_can_be_lifted,
    who_is_banned_from_direct_messages_still_gets_them,
    who_is_kicked_may_come_back,
    a_room_that_is_closed_puts_all_out,
    a_membership_that_ends_by_itself_is_told_of_before,
    what_else_grants_the_room_outlives_the_membership,
    rows_that_are_changed_by_hand_count_as_well,
    requests_stay_in_their_order_while_rows_are_read,
    who_becomes_a_member_of_a_joined_room_may_send_at_once,
);

/// Rooms of members.
const CLUB: [(&str, &str); 2] = [("rooms.club.join", "member"), ("rooms.club.send", "member")];

fn room(name: &str) -> RoomName {
    RoomName::parse(name).unwrap()
}

fn id(person: &Person) -> UserId {
    person.id.parse().unwrap()
}

/// By the server's clock.
fn time(app: &TestApp) -> chrono::NaiveDateTime {
    doorward::Clock::Manual(app.clock.clone()).now()
}

async fn change(app: &TestApp, change: RoomRightChange) {
    assert_eq!(app.accounts.change_room_right(change, &operator()).await.unwrap(), []);
}

async fn add(app: &TestApp, name: &str, person: &Person) {
    change(app, RoomRightChange::Add(room(name), id(person), None)).await;
}

fn left(room: &str, code: &str, reason: &str, rejoin: &str) -> Value {
    json!({"type": "left", "room": room, "code": code, "reason": reason, "rejoin": rejoin})
}

async fn a_member_joins_and_sends_until_removed<C: LiveClient>() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    assert_eq!(join(&mut live, "club:a").await["code"], "forbidden");
    assert_eq!(send(&mut live, "club:a", json!(1)).await["code"], "forbidden");
    add(&app, "club:a", &ann).await;
    add(&app, "club:a", &bob).await;
    let joined = join(&mut live, "club:a").await;
    assert_eq!(joined, json!({"type": "joined", "id": "j", "room": "club:a", "can": ["send"]}));
    assert_eq!(join(&mut live, "club:b").await["code"], "forbidden", "another room");
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    // Who may send need not have joined.
    assert_eq!(send(&mut sender, "club:a", json!("before")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "before");
    assert_eq!(send(&mut live, "club:a", json!("mine")).await["type"], "sent");

    change(&app, RoomRightChange::Remove(room("club:a"), id(&ann))).await;
    assert_eq!(send(&mut sender, "club:a", json!("after")).await["type"], "sent");
    let expected = left("club:a", "removed", "you are not a member of this room any more", "never");
    assert_eq!(live.next().await, expected);
    hears_nothing(&mut live).await;
    assert_eq!(send(&mut live, "club:a", json!(1)).await["code"], "forbidden");
    assert_eq!(join(&mut live, "club:a").await["code"], "forbidden");
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["chat:lobby"]));
    // Other rooms and other users go on.
    assert_eq!(join(&mut sender, "chat:lobby").await["type"], "joined");
    assert_eq!(send(&mut sender, "chat:lobby", json!("still")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "still");
    add(&app, "club:a", &ann).await;
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
}

async fn a_ban_comes_before_every_policy_and_can_be_lifted<C: LiveClient>() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    assert_eq!(join(&mut sender, "chat:lobby").await["type"], "joined");
    for scope in ["chat:lobby", "chat:*"] {
        let scope = Scope::parse(scope).unwrap();
        assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined", "{scope}");
        assert_eq!(send(&mut sender, "chat:lobby", json!("before")).await["type"], "sent");
        assert_eq!(live.next().await["data"], "before");
        change(&app, RoomRightChange::Ban(scope.clone(), id(&ann), None)).await;
        assert_eq!(send(&mut sender, "chat:lobby", json!("after")).await["type"], "sent");
        let expected = left("chat:lobby", "banned", "you are banned from this room", "never");
        assert_eq!(live.next().await, expected, "{scope}");
        hears_nothing(&mut live).await;
        assert_eq!(send(&mut live, "chat:lobby", json!(1)).await["code"], "banned", "{scope}");
        assert_eq!(join(&mut live, "chat:lobby").await["code"], "banned", "{scope}");
        let other = join(&mut live, "chat:other").await;
        let expected = if scope.to_string() == "chat:*" { "banned" } else { "" };
        assert_eq!(other["code"].as_str().unwrap_or_default(), expected, "{scope}");
        live.ask(json!({"type": "leave", "room": "chat:other"})).await;
        // Another session of the user is not let in either.
        let mut second = WebSocketClient::live(&app, &app.login("ann").await).await;
        assert_eq!(join(&mut second, "chat:lobby").await["code"], "banned", "{scope}");
        change(&app, RoomRightChange::Unban(scope, id(&ann))).await;
    }
    // A ban that ends by itself.
    let until = time(&app) + TimeDelta::seconds(20);
    change(&app, RoomRightChange::Ban(Scope::Room(room("chat:lobby")), id(&ann), Some(until))).await;
    assert_eq!(join(&mut live, "chat:lobby").await["code"], "banned");
    app.advance(Duration::from_secs(20));
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
}

async fn who_is_banned_from_direct_messages_still_gets_them<C: LiveClient>() {
    let app = with_rooms(&[("rooms.user.send", "anyone")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut other = WebSocketClient::live(&app, &bob).await;
    let to = |person: &Person| json!({"type": "send", "id": "s", "user": person.id, "data": "psst"});
    assert_eq!(live.ask(to(&bob)).await["type"], "sent");
    assert_eq!(other.next().await["data"], "psst");
    change(&app, RoomRightChange::Ban(Scope::parse("user:*").unwrap(), id(&ann), None)).await;
    assert_eq!(live.ask(to(&bob)).await["code"], "banned");
    assert_eq!(live.ask(to(&ann)).await["code"], "banned");
    hears_nothing(&mut other).await;
    assert_eq!(other.ask(to(&ann)).await["type"], "sent");
    assert_eq!(live.next().await["data"], "psst");
    change(&app, RoomRightChange::Unban(Scope::parse("user:*").unwrap(), id(&ann))).await;
    // From the messages to one user.
    let scope = Scope::Room(RoomName::of_user(id(&bob)));
    change(&app, RoomRightChange::Ban(scope, id(&ann), None)).await;
    assert_eq!(live.ask(to(&bob)).await["code"], "banned");
    assert_eq!(live.ask(to(&ann)).await["type"], "sent");
}

async fn who_is_kicked_may_come_back<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut second = WebSocketClient::live(&app, &app.login("ann").await).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    for client in [&mut second, &mut sender] {
        join(client, "chat:lobby").await;
    }
    for name in ["chat:lobby", "chat:other"] {
        join(&mut live, name).await;
    }
    change(&app, RoomRightChange::Kick(room("chat:lobby"), id(&ann))).await;
    assert_eq!(send(&mut sender, "chat:lobby", json!("after")).await["type"], "sent");
    let expected = left("chat:lobby", "removed", "you were removed from this room", "backoff");
    assert_eq!(live.next().await, expected);
    assert_eq!(second.next().await, expected);
    hears_nothing(&mut live).await;
    hears_nothing(&mut second).await;
    hears_nothing(&mut sender).await;
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["chat:other"]));
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    assert_eq!(send(&mut sender, "chat:lobby", json!("again")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "again");
    // Polls read the change once more, and put nobody out twice.
    app.register("poller").await;
    poll(&app).await;
    hears_nothing(&mut live).await;
}

async fn a_room_that_is_closed_puts_all_out<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut other = WebSocketClient::live(&app, &bob).await;
    for name in ["chat:lobby", "chat:other"] {
        join(&mut live, name).await;
        join(&mut other, name).await;
    }
    change(&app, RoomRightChange::Close(room("chat:lobby"))).await;
    let expected = left("chat:lobby", "closed", "this room was closed", "never");
    assert_eq!(live.next().await, expected);
    assert_eq!(other.next().await, expected);
    assert_eq!(send(&mut other, "chat:lobby", json!(1)).await["code"], "forbidden", "not joined");
    assert_eq!(send(&mut other, "chat:other", json!("other")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "other");
    assert_eq!(join(&mut other, "chat:lobby").await["type"], "joined");
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    assert_eq!(send(&mut other, "chat:lobby", json!("anew")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "anew");
}

async fn a_membership_that_ends_by_itself_is_told_of_before<C: LiveClient>() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    add(&app, "club:a", &bob).await;
    let until = |seconds| Some(time(&app) + TimeDelta::seconds(seconds));
    let first = until(70);
    change(&app, RoomRightChange::Add(room("club:a"), id(&ann), first)).await;
    let at =
        |until: Option<chrono::NaiveDateTime>| format!("{}Z", until.unwrap().format("%Y-%m-%dT%H:%M:%S%.3f"));
    assert_eq!(join(&mut live, "club:a").await["until"], at(first));
    app.advance(Duration::from_secs(10));
    assert_eq!(live.next().await, json!({"type": "expiring", "room": "club:a", "at": at(first)}));
    // It is made longer.
    let longer = until(75);
    change(&app, RoomRightChange::Add(room("club:a"), id(&ann), longer)).await;
    app.advance(Duration::from_secs(15));
    assert_eq!(live.next().await, json!({"type": "expiring", "room": "club:a", "at": at(longer)}));
    for _ in 0..5 {
        app.advance(Duration::from_secs(10));
        hears_nothing(&mut live).await;
        hears_nothing(&mut sender).await;
    }
    assert_eq!(send(&mut sender, "club:a", json!("before")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "before");
    app.advance(Duration::from_secs(10));
    assert_eq!(send(&mut sender, "club:a", json!("after")).await["type"], "sent");
    let expected = left("club:a", "expired", "your membership of this room has ended", "never");
    assert_eq!(live.next().await, expected);
    hears_nothing(&mut live).await;
    assert_eq!(join(&mut live, "club:a").await["code"], "forbidden");
    assert_eq!(send(&mut live, "club:a", json!(1)).await["code"], "forbidden");
}

async fn what_else_grants_the_room_outlives_the_membership<C: LiveClient>() {
    let app = with_rooms(&[("rooms.club.join", "member, role:staff"), ("rooms.club.send", "anyone")]).await;
    let ann = app.register("ann").await;
    let set_roles = async |names: &[&str]| {
        let roles = Some(RolesChange::Replace(Roles::parse(names).unwrap()));
        let change = UserChange { rights: RightsChange { roles, claims: None }, ..UserChange::default() };
        app.accounts.change_user(id(&ann), change, Expected::Any, &operator()).await.unwrap();
    };
    set_roles(&["staff"]).await;
    let mut live = C::live(&app, &app.login("ann").await).await;
    add(&app, "club:a", &ann).await;
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    change(&app, RoomRightChange::Remove(room("club:a"), id(&ann))).await;
    hears_nothing(&mut live).await;
    set_roles(&[]).await;
    assert_eq!(live.next().await["type"], "claims");
    assert_eq!(live.next().await["code"], "policy");
    add(&app, "club:a", &ann).await;
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    change(&app, RoomRightChange::Remove(room("club:a"), id(&ann))).await;
    assert_eq!(live.next().await["code"], "removed");
}

async fn rows_that_are_changed_by_hand_count_as_well<C: LiveClient>() {
    let app = with_rooms(&CLUB).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let by_hand = |sql: &str| execute(&app, &sql.replace("ANN", &format!("'{}'", ann.id)));
    for (sql, code) in [
        ("DELETE FROM room_members WHERE user_id = ANN", "removed"),
        ("UPDATE room_members SET until = '2020-01-01' WHERE user_id = ANN", "removed"),
        ("UPDATE room_members SET room = 'club:elsewhere' WHERE user_id = ANN", "removed"),
        ("INSERT INTO room_bans (room, user_id) VALUES ('club:*', ANN)", "banned"),
        ("INSERT INTO room_bans (room, user_id, until) VALUES ('club:a', ANN, '2999-01-01')", "banned"),
        (
            "INSERT INTO room_changes (change, room, user_id, at) VALUES ('kick', 'club:a', ANN, CURRENT_TIMESTAMP)",
            "removed",
        ),
        (
            "INSERT INTO room_changes (change, room, at) VALUES ('close', 'club:a', CURRENT_TIMESTAMP)",
            "closed",
        ),
    ] {
        by_hand("INSERT INTO room_members (room, user_id) VALUES ('club:a', ANN)");
        assert_eq!(join(&mut live, "club:a").await["type"], "joined", "{sql}");
        by_hand(sql);
        assert_eq!(live.next().await["code"], code, "{sql}");
        by_hand("DELETE FROM room_bans");
        by_hand("DELETE FROM room_members");
        until_refused(&mut live, "club:a").await;
    }
    // What cannot be read stops no poll and grants nothing.
    by_hand("INSERT INTO room_changes (change, room, at) VALUES ('?', '', CURRENT_TIMESTAMP)");
    by_hand("INSERT INTO room_members (room, user_id, until) VALUES ('club:a', ANN, '2999-01-01')");
    assert_eq!(join(&mut live, "club:a").await["type"], "joined");
    by_hand("DELETE FROM room_members");
    assert_eq!(live.next().await["code"], "removed");
}

/// Waits until it is known that a ban was lifted and a membership has ended. The session may leave the room meanwhile.
async fn until_refused<C: LiveClient>(live: &mut C, name: &str) {
    let mut code = Value::Null;
    while code != "forbidden" {
        tokio::time::sleep(Duration::from_millis(60)).await;
        live.send(json!({"type": "join", "id": "until", "room": name})).await;
        let mut reply = live.next().await;
        while reply["id"] != "until" {
            assert_eq!(reply["type"], "left", "{reply}");
            reply = live.next().await;
        }
        code = reply["code"].clone();
    }
}

async fn requests_stay_in_their_order_while_rows_are_read<C: LiveClient>() {
    let app = with_rooms(&CLUB).await;
    let ann = app.register("ann").await;
    for number in 0..20 {
        add(&app, &format!("club:{number}"), &ann).await;
    }
    let mut live = C::live(&app, &ann).await;
    for number in 0..20 {
        let name = format!("club:{number}");
        live.send(json!({"type": "join", "id": 1, "room": name})).await;
        live.send(json!({"type": "send", "id": 2, "room": name, "data": 1})).await;
        live.send(json!({"type": "ping", "id": 3})).await;
        live.send(json!({"type": "leave", "id": 4, "room": name})).await;
        live.send(json!({"type": "leave", "id": 5, "room": name})).await;
        let mut kinds = Vec::new();
        for _ in 0..5 {
            let reply = live.next().await;
            kinds.push((reply["id"].as_u64().unwrap(), reply["type"].as_str().unwrap().to_owned()));
        }
        let expected = ["joined", "sent", "pong", "left", "error"];
        let expected: Vec<_> = (1..).zip(expected.map(str::to_owned)).collect();
        assert_eq!(kinds, expected);
        // No faster than a session may join, and a user send.
        app.advance(Duration::from_millis(200));
    }
}

async fn who_becomes_a_member_of_a_joined_room_may_send_at_once<C: LiveClient>() {
    let app = with_rooms(&[("rooms.club.join", "anyone"), ("rooms.club.send", "member")]).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    assert_eq!(join(&mut live, "club:a").await["can"], json!([]));
    assert_eq!(send(&mut live, "club:a", json!(1)).await["code"], "forbidden");
    add(&app, "club:a", &ann).await;
    assert_eq!(send(&mut live, "club:a", json!(1)).await["type"], "sent");
    change(&app, RoomRightChange::Remove(room("club:a"), id(&ann))).await;
    assert_eq!(send(&mut live, "club:a", json!(1)).await["code"], "forbidden");
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["club:a"]));
}

/// A join whose query overlaps the removal does not slip through.
#[actix_web::test]
async fn a_join_at_the_moment_of_the_removal_does_not_outlive_it() {
    let app = with_rooms(&CLUB).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    add(&app, "club:a", &bob).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    for number in 0..60 {
        add(&app, "club:a", &ann).await;
        // Nothing of the user is held before the first session is there.
        let mut live = WebSocketClient::live(&app, &ann).await;
        let removal = async {
            tokio::time::sleep(Duration::from_micros(number % 20 * 100)).await;
            change(&app, RoomRightChange::Remove(room("club:a"), id(&ann))).await;
        };
        let ask = live.send(json!({"type": "join", "id": "j", "room": "club:a"}));
        futures_util::join!(removal, ask);
        assert_eq!(send(&mut sender, "club:a", json!("after")).await["type"], "sent");
        let reply = live.next().await;
        if reply["type"] == "joined" {
            assert_eq!(live.next().await["code"], "removed");
        } else {
            assert_eq!(reply["code"], "forbidden", "{reply}");
        }
        hears_nothing(&mut live).await;
        app.advance(Duration::from_millis(100));
    }
}
