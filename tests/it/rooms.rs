//! Rooms on every transport: who may join and send, what arrives and in which order, and that a right that ends takes the
//! messages with it at once.

use actix_web::http::Method;
use doorward::{Additions, Application, Clock, Config, Context, EventError, Events, Payload};
use serde_json::{Value, json};

use crate::support::app::{spawn_embedded, spawn_with};
use crate::support::rooms::{hears_nothing, hears_type, join, send, set_roles, with_rooms};
use crate::support::socketio::SocketIoClient;
use crate::support::tcp::TcpClient;
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    a_message_reaches_those_who_have_joined,
    a_message_to_a_user_reaches_each_of_the_users_sessions,
    a_room_is_for_those_whom_its_kind_allows,
    a_role_that_ends_takes_its_rooms_with_it,
    a_revoked_login_is_sent_no_more,
    what_is_wrong_is_an_error_and_the_session_goes_on,
    what_one_sends_is_one_message_for_all,
);

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
        (json!({"type": "presence", "room": "chat:lobby"}), "not_joined"),
    ] {
        let reply = live.ask(request.clone()).await;
        assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!(code)), "{request}: {reply}");
    }
    assert_eq!(join(&mut live, "chat:lobby").await["type"], "joined");
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
    // It is signed in already, and may do without the token.
    live.text("41").await;
    live.text("40").await;
    live.ask(json!({"type": "rooms"})).await;
    sender.ask(json!({"type": "send", "user": ann.id, "data": "again"})).await;
    assert_eq!(hears_type(&mut live, "message").await["data"], "again");
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
