//! Rooms on every transport: who may join and send, what arrives and in which order, and that a right that ends takes the
//! messages with it at once.

use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::accounts::{Expected, RightsChange, UserChange};
use doorward::{Additions, Application, Clock, Config, Context, EventError, Events, Payload};
use doorward_core::domain::{Roles, RolesChange};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, spawn_embedded, spawn_with};
use crate::support::callers::operator;
use crate::support::cluster::Nodes;
use crate::support::redis::Redis;
use crate::support::socketio::SocketIoClient;
use crate::support::tcp::TcpClient;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    a_message_reaches_those_who_have_joined,
    a_message_to_a_user_reaches_each_of_the_users_sessions,
    a_room_is_for_those_whom_its_kind_allows,
    a_role_that_ends_takes_its_rooms_with_it,
    a_revoked_login_is_sent_no_more,
    what_is_wrong_is_an_error_and_the_session_goes_on,
    rooms_are_joined_by_the_hundred_and_listed,
    what_a_client_sends_is_bounded,
    a_room_has_a_bounded_number_of_sessions,
    what_one_sends_is_one_message_for_all,
    a_room_that_is_joined_twice_is_one_place,
);

const CHAT: [(&str, &str); 2] = [("rooms.chat.join", "anyone"), ("rooms.chat.send", "joined")];

async fn with_rooms(more: &[(&str, &str)]) -> TestApp {
    spawn_with(&[&CHAT[..], more].concat()).await
}

async fn join<C: LiveClient>(client: &mut C, room: &str) -> Value {
    client.ask(json!({"type": "join", "id": "j", "room": room})).await
}

async fn send<C: LiveClient>(client: &mut C, room: &str, data: Value) -> Value {
    client.ask(json!({"type": "send", "id": "s", "room": room, "data": data})).await
}

/// Asserts that nothing waits for the client: what comes next is the answer to a request.
async fn hears_nothing<C: LiveClient>(client: &mut C) {
    client.ping().await;
}

async fn a_message_reaches_those_who_have_joined<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let (ann, bob, carl) = (app.register("Ann").await, app.register("bob").await, app.register("carl").await);
    let mut first = C::live(&app, &ann).await;
    let mut other = WebSocketClient::live(&app, &bob).await;
    let mut outside = C::live(&app, &carl).await;
    let joined = join(&mut first, "chat:lobby").await;
    assert_eq!(joined, json!({"type": "joined", "id": "j", "room": "chat:lobby", "can": ["send"]}));
    assert_eq!(join(&mut other, "chat:lobby").await["type"], "joined");

    let data = json!({"text": "héllo \"you\"", "n": [1, 2.5, null]});
    let request = json!({
        "type": "send", "id": 7, "room": "chat:lobby", "event": "say", "key": "k1", "data": data,
    });
    let sent = first.ask(request).await;
    assert_eq!(
        (&sent["type"], &sent["id"], &sent["room"]),
        (&json!("sent"), &json!(7), &json!("chat:lobby"))
    );
    let heard = other.next().await;
    let expected = json!({
        "type": "message", "room": "chat:lobby", "message": sent["message"], "at": sent["at"],
        "from": {"user": ann.id, "username": "ann"}, "event": "say", "key": "k1", "data": data,
    });
    assert_eq!(heard, expected);
    let id = uuid::Uuid::try_parse(heard["message"].as_str().unwrap()).unwrap();
    assert_eq!(id.get_version_num(), 7);
    // In the order in which they were sent, and to the sender never.
    for number in 0..20 {
        assert_eq!(send(&mut other, "chat:lobby", json!(number)).await["type"], "sent");
    }
    for number in 0..20 {
        assert_eq!(first.next().await["data"], number);
    }
    hears_nothing(&mut first).await;
    hears_nothing(&mut other).await;
    hears_nothing(&mut outside).await;

    let left = first.ask(json!({"type": "leave", "id": 1, "room": "chat:lobby"})).await;
    assert_eq!(left, json!({"type": "left", "id": 1, "room": "chat:lobby", "code": "left"}));
    assert_eq!(send(&mut other, "chat:lobby", json!("gone?")).await["type"], "sent");
    hears_nothing(&mut first).await;
    assert_eq!(send(&mut first, "chat:lobby", json!(1)).await["code"], "forbidden");
}

async fn a_message_to_a_user_reaches_each_of_the_users_sessions<C: LiveClient>() {
    let app = with_rooms(&[("rooms.user.send", "anyone")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut sender = C::live(&app, &ann).await;
    let mut own = WebSocketClient::live(&app, &ann).await;
    let mut one = C::live(&app, &bob).await;
    let mut two = WebSocketClient::live(&app, &app.login("bob").await).await;
    let sent = sender.ask(json!({"type": "send", "id": 1, "user": bob.id, "data": "psst"})).await;
    let room = format!("user:{}", bob.id);
    assert_eq!((&sent["type"], &sent["room"]), (&json!("sent"), &json!(room)), "{sent}");
    for heard in [one.next().await, two.next().await] {
        assert_eq!(
            (&heard["type"], &heard["room"], &heard["data"]),
            (&json!("message"), &json!(room), &json!("psst"))
        );
        assert_eq!(heard["from"]["username"], "ann");
    }
    hears_nothing(&mut own).await;
    // To oneself: the other sessions.
    sender.ask(json!({"type": "send", "user": ann.id, "data": "me"})).await;
    assert_eq!(own.next().await["data"], "me");
    hears_nothing(&mut sender).await;
    // There is nothing to join there, and no such user is no error: who exists is not told.
    assert_eq!(join(&mut sender, &room).await["code"], "forbidden");
    let nowhere = sender.ask(json!({"type": "send", "user": uuid::Uuid::nil(), "data": 1})).await;
    assert_eq!(nowhere["type"], "sent");
}

async fn set_roles(app: &TestApp, person: &Person, names: &[&str]) {
    let roles = Some(RolesChange::Replace(Roles::parse(names).unwrap()));
    let change = UserChange { rights: RightsChange { roles, claims: None }, ..UserChange::default() };
    app.accounts.change_user(person.id.parse().unwrap(), change, Expected::Any, &operator()).await.unwrap();
}

async fn a_room_is_for_those_whom_its_kind_allows<C: LiveClient>() {
    let app = with_rooms(&[
        ("rooms.staff.join", "role:staff"),
        ("rooms.staff.send", "role:chief"),
        ("rooms.inbox.join", "own"),
        ("rooms.feed.send", "anyone"),
    ])
    .await;
    let ann = app.register("ann").await;
    set_roles(&app, &ann, &["staff"]).await;
    let ann = app.login("ann").await;
    let bob = app.register("bob").await;
    let mut staff = C::live(&app, &ann).await;
    let mut other = C::live(&app, &bob).await;
    assert_eq!(join(&mut staff, "staff:room").await["can"], json!([]));
    assert_eq!(send(&mut staff, "staff:room", json!(1)).await["code"], "forbidden");
    assert_eq!(join(&mut other, "staff:room").await["code"], "forbidden");
    assert_eq!(join(&mut other, &format!("inbox:{}", bob.id)).await["type"], "joined");
    assert_eq!(join(&mut other, &format!("inbox:{}", ann.id)).await["code"], "forbidden");
    // Who may send need not have joined.
    assert_eq!(join(&mut other, "feed:x").await["code"], "forbidden");
    assert_eq!(send(&mut other, "feed:x", json!(1)).await["type"], "sent");
}

async fn a_role_that_ends_takes_its_rooms_with_it<C: LiveClient>() {
    let app =
        with_rooms(&[("rooms.staff.join", "role:staff, role:chief"), ("rooms.staff.send", "anyone")]).await;
    let ann = app.register("ann").await;
    set_roles(&app, &ann, &["staff"]).await;
    let ann = app.login("ann").await;
    let bob = app.register("bob").await;
    let mut live = C::live(&app, &ann).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    assert_eq!(join(&mut live, "staff:room").await["type"], "joined");
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
    // Another role that also may: it stays.
    set_roles(&app, &ann, &["chief"]).await;
    assert_eq!(live.next().await["type"], "claims");
    send(&mut sender, "staff:room", json!("before")).await;
    assert_eq!(live.next().await["data"], "before");

    set_roles(&app, &ann, &[]).await;
    // Published after the change was answered: never delivered.
    assert_eq!(send(&mut sender, "staff:room", json!("after")).await["type"], "sent");
    assert_eq!(live.next().await["type"], "claims");
    let left = live.next().await;
    let reason = "your roles do not allow this room any more";
    let expected =
        json!({"type": "left", "room": "staff:room", "code": "policy", "reason": reason, "rejoin": "never"});
    assert_eq!(left, expected);
    hears_nothing(&mut live).await;
    let listed = live.ask(json!({"type": "rooms"})).await;
    assert_eq!(listed, json!({"type": "rooms", "rooms": ["chat:lobby"]}));
    assert_eq!(join(&mut live, "staff:room").await["code"], "forbidden");
}

async fn a_revoked_login_is_sent_no_more<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    join(&mut live, "chat:lobby").await;
    join(&mut sender, "chat:lobby").await;
    send(&mut sender, "chat:lobby", json!("before")).await;
    assert_eq!(live.next().await["data"], "before");
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    send(&mut sender, "chat:lobby", json!("after")).await;
    let ended = live.ends(4441).await;
    assert!(ended.before.is_empty(), "{:?}", ended.before);
}

async fn what_is_wrong_is_an_error_and_the_session_goes_on<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let mut live = C::live(&app, &app.register("ann").await).await;
    for (request, code) in [
        (json!({"type": "join", "room": "lobby"}), "bad_room"),
        (json!({"type": "join", "room": "chat:a b"}), "bad_room"),
        (json!({"type": "join", "room": "chat:"}), "bad_room"),
        (json!({"type": "join", "room": "order:1"}), "unknown_room"),
        (json!({"type": "join"}), "bad_request"),
        (json!({"type": "join", "rooms": []}), "bad_request"),
        (json!({"type": "leave", "room": "chat:lobby"}), "not_joined"),
        (json!({"type": "send", "room": "chat:lobby"}), "bad_request"),
        (json!({"type": "send", "room": "chat:lobby", "data": 1, "keep": true}), "no_history"),
        (json!({"type": "presence", "room": "chat:lobby"}), "unknown_type"),
    ] {
        let reply = live.ask(request.clone()).await;
        assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!(code)), "{request}: {reply}");
    }
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
}

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

/// Waits for a message with this data.
async fn hears<C: LiveClient>(client: &mut C, data: Value) -> Value {
    loop {
        let message = client.next().await;
        if message["data"] == data {
            return message;
        }
    }
}

/// White space in what one client sends must not begin a message of its own for another.
async fn what_one_sends_is_one_message_for_all<C: LiveClient>() {
    let app = with_rooms(&[]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut sender = C::live(&app, &ann).await;
    let mut lines = TcpClient::live(&app, &bob).await;
    let mut frames = WebSocketClient::live(&app, &bob).await;
    for room in ["chat:a", "chat:b"] {
        join(&mut sender, room).await;
    }
    join(&mut lines, "chat:a").await;
    join(&mut frames, "chat:a").await;
    // Over TCP, a line ends at the first of these anyway.
    let space = if C::TRANSPORT == "tcp" { "\t" } else { "\n" };
    let forged = r#"{"type":"goodbye","code":4441,"reason":"forged","reconnect":"never"}"#;
    let text = format!(r#"{{"type":"send","room":"chat:a","data":[{space}{forged}{space},"a{space}"]}}"#);
    sender.write(&text.replace(&format!("a{space}"), "a")).await;
    assert_eq!(sender.next().await["type"], "sent");
    for heard in [lines.next().await, frames.next().await] {
        assert_eq!(heard["type"], "message", "{heard}");
        assert_eq!(heard["data"][0]["reason"], "forged");
    }
    // Over Socket.IO, a packet that is not JSON for all ends the session before.
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let bad = ["\"\\ud800\"", "1e999", &deep];
    for data in bad.iter().filter(|_| C::TRANSPORT != "socketio") {
        sender.write(&format!(r#"{{"type":"send","room":"chat:a","data":{data}}}"#)).await;
        assert_eq!(sender.next().await["code"], "bad_data", "{data}");
    }
    hears_nothing(&mut lines).await;
    hears_nothing(&mut frames).await;
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

#[actix_web::test]
async fn a_socketio_client_that_leaves_the_namespace_leaves_its_rooms() {
    let app = with_rooms(&[("rooms.user.send", "anyone")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = SocketIoClient::live(&app, &ann).await;
    let mut sender = WebSocketClient::live(&app, &bob).await;
    join(&mut live, "chat:a").await;
    join(&mut sender, "chat:a").await;
    send(&mut sender, "chat:a", json!("in")).await;
    assert_eq!(live.next().await["data"], "in");
    live.text("41").await;
    let connect = format!("40{}", json!({"token": ann.access}));
    live.text(connect).await;
    hears_type(&mut live, "authenticated").await;
    send(&mut sender, "chat:a", json!("out")).await;
    sender.ask(json!({"type": "send", "user": ann.id, "data": "psst"})).await;
    assert_eq!(hears_type(&mut live, "message").await["data"], "psst");
    let listed = live.ask(json!({"type": "rooms"})).await;
    assert_eq!(listed["rooms"], json!([]));
}

async fn hears_type<C: LiveClient>(client: &mut C, kind: &str) -> Value {
    loop {
        let message = client.next().await;
        if message["type"] == kind {
            return message;
        }
    }
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

#[actix_web::test]
async fn without_kinds_the_words_are_an_applications_own() {
    let app = spawn_with(&[]).await;
    let mut live = WebSocketClient::live(&app, &app.register("ann").await).await;
    assert_eq!(join(&mut live, "chat:lobby").await["code"], "unknown_type");
    let own = |_: Context, _: Payload| async move { Ok::<_, EventError>(json!({"mine": true})) };
    let events = Events::default().on("join", own);
    let app = spawn_embedded(&[], Additions::new(events.clone())).await;
    let mut live = WebSocketClient::live(&app, &app.register("ann").await).await;
    assert_eq!(join(&mut live, "chat:lobby").await, json!({"type": "join", "id": "j", "mine": true}));
    let data = tempfile::tempdir().unwrap();
    let config = Config::from_pairs([
        ("rooms.chat.join", "anyone"),
        ("http.listen", "127.0.0.1:0"),
        ("tcp.listen", "off"),
        ("data_dir", data.path().to_str().unwrap()),
    ]);
    let refused = Application::build_with(config.unwrap(), Clock::System, Additions::new(events)).await;
    let error = refused.err().unwrap();
    assert!(error.contains("answers `join` itself"), "{error}");
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
    // The nodes may still be connecting.
    let mut number = 0;
    loop {
        number += 1;
        send(&mut first, "chat:lobby", json!(number)).await;
        pause().await;
        let reached = async |client: &mut WebSocketClient| {
            client.send(json!({"type": "ping"})).await;
            let mut reached = false;
            loop {
                let message = client.next().await;
                reached |= message["data"] == json!(number);
                if message["type"] == "pong" {
                    return reached;
                }
            }
        };
        if reached(&mut second).await & reached(&mut third).await {
            break;
        }
        assert!(number < 300, "no message arrives");
        nodes.all.iter().for_each(|node| node.advance(Duration::from_millis(200)));
    }
    send(&mut first, "chat:lobby", json!("all")).await;
    let heard = hears(&mut second, json!("all")).await;
    assert_eq!((&heard["from"]["username"], &heard["room"]), (&json!("ann"), &json!("chat:lobby")));
    hears(&mut third, json!("all")).await;
    hears_nothing(&mut first).await;
    first.ask(json!({"type": "send", "user": bob.id, "data": "psst"})).await;
    hears(&mut second, json!("psst")).await;
    hears(&mut third, json!("psst")).await;

    // What no node has written is no message, and what is too large for the kind neither.
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    for (room, content) in [
        ("chat:lobby", json!({"room": "chat:lobby", "data": "forged"})),
        ("chat:lobby", forged("chat:other", json!("forged"))),
        ("chat:lobby", forged("chat:lobby", json!("forged".repeat(10_000)))),
        ("nokind:x", forged("nokind:x", json!("forged"))),
    ] {
        let envelope = json!({"node": uuid::Uuid::nil(), "room": room, "content": content}).to_string();
        let () = redis::AsyncCommands::publish(&mut connection, "doorward:rooms", envelope).await.unwrap();
    }
    let () = redis::AsyncCommands::publish(&mut connection, "doorward:rooms", "{").await.unwrap();
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

/// A message as a node would pass it on.
fn forged(room: &str, data: Value) -> Value {
    json!({
        "room": room, "message": uuid::Uuid::nil(), "at": "2026-11-28T09:31:02.123Z",
        "from": {"user": uuid::Uuid::nil(), "username": "ann"}, "data": data,
    })
}
