//! Rooms of an embedding application: its handlers join, leave and publish, its rules decide, and it publishes from
//! anywhere. The application is `examples/rooms.rs`.

#[path = "../../examples/rooms.rs"]
mod shop;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta};
use diesel::prelude::*;
use doorward::internals::accounts::RoomRightChange;
use doorward::internals::schema::audit_events;
use doorward::{
    Additions, Application, Clock, Config, Context, EventError, Events, Namespace, Payload, Publisher, UserId,
};
use doorward_core::rooms::{RoomName, Scope};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, spawn_embedded};
use crate::support::callers::operator;
use crate::support::rooms::{hears_nothing, hears_type, join, send, set_roles};
use crate::support::socketio::{SocketIoClient, text};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    a_handler_joins_and_publishes,
    what_the_application_has_joined_outlives_a_role_and_not_the_login,
    a_ban_and_a_kick_end_what_the_application_has_joined,
    a_rule_decides_before_what_is_configured,
    what_a_handler_may_not_is_an_error,
    a_handler_changes_members_and_bans,
);

async fn shop() -> TestApp {
    spawn_embedded(&shop::SETTINGS, shop::additions()).await
}

async fn staff(app: &TestApp, name: &str) -> Person {
    let person = app.register(name).await;
    set_roles(app, &person, &["staff"]).await;
    app.login(name).await
}

async fn a_handler_joins_and_publishes<C: LiveClient>() {
    let app = shop().await;
    let (ann, bob) = (app.register("ann").await, staff(&app, "bob").await);
    let mut customer = C::live(&app, &ann).await;
    let mut clerk = WebSocketClient::live(&app, &bob).await;
    join(&mut clerk, "order:7").await;
    assert_eq!(join(&mut customer, "order:7").await["code"], "forbidden");

    customer.send(json!({"type": "order", "id": 1, "number": 7})).await;
    let joined = customer.next().await;
    assert_eq!(joined, json!({"type": "joined", "room": "order:7", "can": ["send"], "by": "app"}));
    // To everyone there, in the application's name. The room's message and the answer take different ways.
    let mut both = [customer.next().await, customer.next().await];
    both.sort_by_key(|message| message["type"] == "order");
    let [received, answer] = both;
    assert_eq!((&answer["type"], &answer["room"]), (&json!("order"), &json!("order:7")));
    assert_eq!((&received["type"], &received["from"]), (&json!("message"), &json!({"app": "shop"})));
    assert_eq!((&received["event"], &received["data"]), (&json!("received"), &json!({"number": 7})));
    assert_eq!(clerk.next().await, received);

    // In the user's name: the session itself is not sent it.
    let answer = customer.ask(json!({"type": "help", "id": 2, "number": 7})).await;
    let heard = clerk.next().await;
    assert_eq!(heard["message"], answer["message"]);
    assert_eq!(heard["from"], json!({"user": ann.id, "username": "ann"}));
    assert_eq!(heard["event"], "help");
    hears_nothing(&mut customer).await;
    // It may send, as it has joined.
    assert_eq!(send(&mut customer, "order:7", json!("thanks")).await["type"], "sent");
    assert_eq!(clerk.next().await["data"], "thanks");

    customer.send(json!({"type": "done", "id": 3, "number": 7})).await;
    let left = customer.next().await;
    let expected = json!({
        "type": "left", "room": "order:7", "code": "removed",
        "reason": "the application has ended this", "rejoin": "never",
    });
    assert_eq!(left, expected);
    assert_eq!(customer.next().await["type"], "done");
    send(&mut clerk, "order:7", json!("gone?")).await;
    hears_nothing(&mut customer).await;
}

async fn what_the_application_has_joined_outlives_a_role_and_not_the_login<C: LiveClient>() {
    let app = shop().await;
    let (ann, bob) = (staff(&app, "ann").await, staff(&app, "bob").await);
    let mut customer = C::live(&app, &ann).await;
    let mut clerk = WebSocketClient::live(&app, &bob).await;
    join(&mut clerk, "order:7").await;
    // Joined by the client, by right of the role; then by the application too.
    join(&mut customer, "order:7").await;
    join(&mut customer, "order:8").await;
    customer.send(json!({"type": "order", "id": 1, "number": 7})).await;
    for _ in 0..2 {
        assert_ne!(customer.next().await["type"], "joined", "it was told before");
    }
    clerk.next().await;
    set_roles(&app, &ann, &[]).await;
    send(&mut clerk, "order:7", json!("still there")).await;
    let mut rest = Vec::new();
    while rest.len() < 3 {
        rest.push(customer.next().await);
    }
    assert!(rest.iter().any(|message| message["data"] == "still there"), "{rest:?}");
    assert!(rest.iter().any(|message| message["type"] == "claims"), "{rest:?}");
    assert!(
        rest.iter().any(|message| message["code"] == "policy" && message["room"] == "order:8"),
        "{rest:?}"
    );

    app.send(actix_web::http::Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    send(&mut clerk, "order:7", json!("after")).await;
    let ended = customer.ends(4441).await;
    assert!(ended.before.is_empty(), "{:?}", ended.before);
}

/// Waits until so many users are in the order's room. Changes are collected for a moment.
async fn counts(app: &TestApp, clerk: &mut WebSocketClient, users: usize) {
    for _ in 0..100 {
        app.advance(Duration::from_millis(250));
        let there = clerk.ask(json!({"type": "presence", "room": "order:7"})).await;
        if there["count"] == users {
            return;
        }
    }
    panic!("never {users} there");
}

async fn a_ban_and_a_kick_end_what_the_application_has_joined<C: LiveClient>() {
    let settings: Vec<_> = shop::SETTINGS.into_iter().chain([("rooms.order.presence", "users")]).collect();
    let app = spawn_embedded(&settings, shop::additions()).await;
    let (ann, bob) = (app.register("ann").await, staff(&app, "bob").await);
    let mut customer = C::live(&app, &ann).await;
    let mut clerk = WebSocketClient::live(&app, &bob).await;
    assert_eq!(join(&mut clerk, "order:7").await["can"], json!(["send", "presence"]));
    let (room, id) = (RoomName::parse("order:7").unwrap(), ann.id.parse().unwrap());
    for (change, code) in [
        (RoomRightChange::Kick(room.clone(), id), "removed"),
        (RoomRightChange::Ban(Scope::Room(room), id, None), "banned"),
    ] {
        customer.send(json!({"type": "order", "id": 1, "number": 7})).await;
        assert_eq!(customer.next().await["by"], "app");
        for _ in 0..2 {
            customer.next().await;
        }
        assert_eq!(clerk.next().await["event"], "received");
        counts(&app, &mut clerk, 2).await;
        assert_eq!(app.accounts.change_room_right(change, &operator()).await.unwrap(), []);
        assert_eq!(send(&mut clerk, "order:7", json!("after")).await["type"], "sent");
        let left = customer.next().await;
        assert_eq!((&left["type"], &left["code"]), (&json!("left"), &json!(code)));
        hears_nothing(&mut customer).await;
        counts(&app, &mut clerk, 1).await;
    }
    assert_eq!(customer.ask(json!({"type": "order", "id": 2, "number": 7})).await["code"], "banned");
    // The first that a session has to do with rooms: its user's bans are read before.
    let mut other = C::live(&app, &ann).await;
    assert_eq!(other.ask(json!({"type": "order", "id": 3, "number": 7})).await["code"], "banned");
    assert_eq!(join(&mut other, "order:7").await["code"], "banned");
}

async fn a_rule_decides_before_what_is_configured<C: LiveClient>() {
    let app = shop().await;
    let (ann, bob) = (app.register("ann").await, staff(&app, "bob").await);
    let mut customer = C::live(&app, &ann).await;
    let mut clerk = C::live(&app, &bob).await;
    assert_eq!(join(&mut customer, "order:1").await["code"], "forbidden");
    assert_eq!(join(&mut clerk, "order:1").await["can"], json!(["send"]));
    assert_eq!(join(&mut clerk, "order:1:closed").await["can"], json!([]));
    assert_eq!(send(&mut clerk, "order:1:closed", json!(1)).await["code"], "forbidden");
    // The right that the rule has given ends with the role.
    set_roles(&app, &bob, &[]).await;
    assert_eq!(clerk.next().await["type"], "claims");
    for room in ["order:1", "order:1:closed"] {
        let left = clerk.next().await;
        assert_eq!((&left["room"], &left["code"]), (&json!(room), &json!("policy")));
    }
}

async fn what_a_handler_may_not_is_an_error<C: LiveClient>() {
    let enter = |context: Context, payload: Payload| async move {
        let fields: Value = payload.first()?;
        context.join(fields["room"].as_str().unwrap_or_default()).await?;
        Ok::<_, EventError>(())
    };
    let tell = |context: Context, payload: Payload| async move {
        let fields: Value = payload.first()?;
        let room = fields["room"].as_str().unwrap_or_default();
        let message = context.publish(room, fields["event"].as_str(), &fields["data"])?;
        Ok::<_, EventError>(json!({ "message": message }))
    };
    let depart = |context: Context, payload: Payload| async move {
        let fields: Value = payload.first()?;
        context.leave(fields["room"].as_str().unwrap_or_default()).await
    };
    let events = Events::default().on("enter", enter).on("tell", tell).on("depart", depart);
    let settings =
        [("rooms.order.max_joined", "1"), ("rooms.order.max_data", "16"), ("rooms.user.send", "app")];
    let app = spawn_embedded(&settings, Additions::new(events)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let mut other = C::live(&app, &ann).await;
    other.send(json!({"type": "enter", "id": 1, "room": "order:full"})).await;
    hears_type(&mut other, "joined").await;
    let own = format!("user:{}", ann.id);
    let long = "x".repeat(65);
    for (request, code) in [
        (json!({"type": "enter", "room": "order"}), "bad_room"),
        (json!({"type": "enter", "room": "chat:a"}), "unknown_room"),
        (json!({"type": "enter", "room": own}), "forbidden"),
        (json!({"type": "enter", "room": "order:full"}), "room_full"),
        (json!({"type": "depart", "room": "order:1"}), "not_joined"),
        (json!({"type": "tell", "room": "chat:a"}), "unknown_room"),
        (json!({"type": "tell", "room": "user:ann"}), "bad_room"),
        (json!({"type": "tell", "room": "order:1", "event": long}), "bad_request"),
        (json!({"type": "tell", "room": "order:1", "data": "x".repeat(15)}), "too_large"),
    ] {
        let reply = live.ask(request.clone()).await;
        assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!(code)), "{request}: {reply}");
    }
    // A user's room is the way to all of the user's sessions.
    live.ask(json!({"type": "tell", "id": 5, "room": own, "data": "psst"})).await;
    assert_eq!(hears_type(&mut other, "message").await["data"], "psst");
}

#[derive(serde::Deserialize)]
struct Moderation {
    what: String,
    room: String,
    user: UserId,
    seconds: Option<u64>,
}

async fn moderate(context: Context, payload: Payload) -> Result<Value, EventError> {
    let Moderation { what, room, user, seconds } = payload.first()?;
    let (rights, lasts) = (context.room_rights(), seconds.map(Duration::from_secs));
    match &*what {
        "add" => rights.add_member(&room, user, lasts).await,
        "remove" => rights.remove_member(&room, user).await,
        "ban" => rights.ban(&room, user, lasts).await,
        "unban" => rights.unban(&room, user).await,
        "kick" => rights.kick(&room, user).await,
        _ => rights.close(&room).await,
    }?;
    Ok(json!({}))
}

async fn a_handler_changes_members_and_bans<C: LiveClient>() {
    let settings = [("rooms.club.join", "member"), ("rooms.user.send", "app")];
    let app = spawn_embedded(&settings, Additions::new(Events::default().on("moderate", moderate))).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut moderator = C::live(&app, &ann).await;
    let mut live = C::live(&app, &bob).await;
    let mut ask = async |what: &str, room: &str, user: &str, seconds: Option<u64>| {
        let request =
            json!({"type": "moderate", "what": what, "room": room, "user": user, "seconds": seconds});
        moderator.ask(request).await
    };
    assert_eq!(join(&mut live, "club:a").await["code"], "forbidden");
    for (what, room, seconds, code) in [
        ("add", "club:a", None, None),
        ("kick", "club:a", None, Some("removed")),
        ("close", "club:a", None, Some("closed")),
        ("ban", "club:*", Some(60), Some("banned")),
        ("unban", "club:*", None, None),
        ("remove", "club:a", None, None),
    ] {
        assert_eq!(ask(what, room, &bob.id, seconds).await["type"], "moderate", "{what}");
        if let Some(code) = code {
            assert_eq!(live.next().await["code"], code, "{what}");
        }
        let allowed = !matches!(what, "ban" | "remove");
        let answer = if allowed { "joined" } else { "error" };
        if what == "remove" {
            assert_eq!(live.next().await["code"], "removed");
        }
        assert_eq!(join(&mut live, "club:a").await["type"], answer, "{what}");
    }
    // For how long is by the server's clock.
    ask("add", "club:a", &bob.id, Some(60)).await;
    let until = join(&mut live, "club:a").await["until"].clone();
    let expected = Clock::Manual(app.clock.clone()).now() + TimeDelta::seconds(60);
    assert_eq!(until, expected.and_utc().to_rfc3339_opts(SecondsFormat::Millis, true));
    for (what, room, user, seconds, code) in [
        ("ban", "club", &bob.id, None, "bad_room"),
        ("kick", "club:*", &bob.id, None, "bad_room"),
        ("ban", "none:a", &bob.id, None, "unknown_room"),
        ("ban", "club:a", &uuid::Uuid::nil().to_string(), None, "not_found"),
        ("ban", "club:a", &bob.id, Some(u64::MAX), "bad_request"),
        ("ban", "club:a", &bob.id, Some(1 << 40), "bad_request"),
        ("ban", "club:a", &bob.id, Some(0), "bad_request"),
        ("kick", &format!("user:{}", bob.id), &bob.id, None, "bad_request"),
    ] {
        assert_eq!(ask(what, room, user, seconds).await["code"], code, "{what} {room}");
    }
    // The trail names the moderator.
    let audited = audit_events::table.filter(audit_events::action.like("room_%"));
    let actors: Vec<(Option<String>, Option<String>)> =
        app.query(|conn| audited.select((audit_events::actor, audit_events::actor_id)).load(conn));
    assert_eq!(actors, vec![(None, Some(ann.id)); 7]);
}

#[actix_web::test]
async fn the_application_publishes_from_any_thread() {
    let data = tempfile::tempdir().unwrap();
    let config = Config::from_pairs(shop::SETTINGS.into_iter().chain([
        ("http.listen", "127.0.0.1:0"),
        ("tcp.listen", "off"),
        ("data_dir", data.path().to_str().unwrap()),
    ]));
    let app = Application::build_with(config.unwrap(), Clock::System, shop::additions()).await.unwrap();
    let publisher: Publisher = app.publisher("shop");
    let other = publisher.clone();
    // Nobody is there, and nothing runs yet: that is no error.
    let told = std::thread::spawn(move || other.publish("news:shop", None, &json!([1])));
    let id = told.join().unwrap().unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert_eq!(publisher.publish("shop:news", None, &1).unwrap_err().code, "unknown_room");
    let keys = std::collections::HashMap::from([((1, 2), 3)]);
    assert_eq!(publisher.publish("news:shop", None, &keys).unwrap_err().code, "bad_data");
    assert!(std::panic::catch_unwind(AssertUnwindSafe(|| app.publisher(""))).is_err());
    let rights = app.room_rights();
    rights.close("news:shop").await.unwrap();
    let unknown = UserId(uuid::Uuid::nil());
    assert_eq!(rights.ban("news:*", unknown, None).await.unwrap_err().code, "not_found");
}

#[actix_web::test]
async fn a_guest_joins_no_room() {
    let enter = |context: Context, _: Payload| async move {
        let published = context.publish("order:1", None, &1).unwrap_err();
        let joined = context.join("order:1").await.unwrap_err();
        json!([published.code, joined.code])
    };
    let hall = Namespace::new("/hall").open().on("enter", enter);
    let app = spawn_embedded(&shop::SETTINGS, Additions::new(Events::default().namespace(hall))).await;
    let mut guest = SocketIoClient::unauthenticated(&app).await;
    text(&mut guest).await;
    guest.text("40/hall,{}").await;
    assert!(text(&mut guest).await.starts_with(r#"40/hall,{"sid":""#));
    guest.text(r#"42/hall,1["enter"]"#).await;
    assert_eq!(text(&mut guest).await, r#"43/hall,1[["unauthorized","unauthorized"]]"#);
}

#[actix_web::test]
async fn a_rule_for_a_kind_that_is_not_configured_is_refused_at_the_start() {
    let data = tempfile::tempdir().unwrap();
    let config = Config::from_pairs([
        ("http.listen", "127.0.0.1:0"),
        ("tcp.listen", "off"),
        ("data_dir", data.path().to_str().unwrap()),
    ]);
    let refused = Application::build_with(config.unwrap(), Clock::System, shop::additions()).await;
    let error = refused.err().unwrap();
    assert!(error.contains("set one of the options of rooms.order"), "{error}");
}
