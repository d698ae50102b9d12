//! Rooms that are joined by a token of the application's backend, at every transport: until it expires or is revoked, and by
//! nothing that is not such a token.

use std::time::Duration;

use actix_web::http::Method;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::DateTime;
use doorward::internals::accounts::RoomRightChange;
use doorward_core::rooms::{RevokedTokens, Scope};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::callers::operator;
use crate::support::revocations::execute;
use crate::support::room_tokens::{Backend, join_with, seconds, written};
use crate::support::rooms::{hears_nothing, join, send};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    a_token_lets_its_user_in_until_it_expires,
    nothing_is_delivered_after_the_end_before_the_session_is_told,
    what_is_no_token_for_the_room_is_refused,
    each_room_of_a_request_has_its_own_token,
    a_token_bounds_what_may_be_done,
    a_ban_comes_before_a_token,
    a_token_that_is_revoked_ends_its_rooms_alone,
    tokens_are_revoked_by_when_they_were_issued,
    rows_that_are_written_by_hand_revoke_as_well,
    a_token_is_good_again_after_a_reconnect_and_not_without_a_login,
);

async fn revoke(app: &TestApp, tokens: RevokedTokens) {
    assert_eq!(app.accounts.revoke_room_tokens(tokens, &operator()).await.unwrap(), []);
}

fn issued_before(seconds: i64, person: Option<&Person>) -> RevokedTokens {
    let moment = DateTime::from_timestamp(seconds, 0).unwrap().naive_utc();
    RevokedTokens::IssuedBefore(moment, person.map(|person| person.id.parse().unwrap()))
}

fn left(room: &str, code: &str, reason: &str) -> Value {
    json!({"type": "left", "room": room, "code": code, "reason": reason, "rejoin": "new_token"})
}

/// Has a right of its own to all rooms of the kind `order`.
async fn sender(app: &TestApp, backend: &Backend, person: &Person) -> WebSocketClient {
    let mut sender = WebSocketClient::live(app, person).await;
    let token = backend.token(app, person, "order:*", &json!({"exp": seconds(app) + 80_000}));
    assert_eq!(join_with(&mut sender, "order:7", &token).await["type"], "joined");
    sender
}

async fn a_token_lets_its_user_in_until_it_expires<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = sender(&app, &backend, &bob).await;
    assert_eq!(join(&mut live, "order:7").await["code"], "forbidden");
    let start = seconds(&app);
    let first = backend.token(&app, &ann, "order:7", &json!({"exp": start + 100}));
    let joined = join_with(&mut live, "order:7", &first).await;
    let until = written(start + 100);
    let expected =
        json!({"type": "joined", "id": "j", "room": "order:7", "can": ["send", "presence"], "until": until});
    assert_eq!(joined, expected);
    assert_eq!(send(&mut live, "order:7", json!("mine")).await["type"], "sent");
    assert_eq!(sender.next().await["data"], "mine");
    // Halfway, as it is valid for less than two minutes.
    app.advance(Duration::from_secs(50));
    assert_eq!(live.next().await, json!({"type": "expiring", "room": "order:7", "at": until}));

    // A newer one extends, is told of anew, and need not be brought again.
    let newer = backend.token(&app, &ann, "order:*", &json!({"exp": start + 200}));
    assert_eq!(join_with(&mut live, "order:7", &newer).await["until"], written(start + 200));
    assert_eq!(join(&mut live, "order:7").await["until"], written(start + 200));
    app.advance(Duration::from_secs(90));
    assert_eq!(live.next().await["type"], "expiring");
    assert_eq!(send(&mut sender, "order:7", json!("before")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "before");
    for _ in 0..3 {
        app.advance(Duration::from_secs(20));
        hears_nothing(&mut sender).await;
    }
    assert_eq!(live.next().await, left("order:7", "expired", "your token for this room has expired"));
    assert_eq!(send(&mut sender, "order:7", json!("after")).await["type"], "sent");
    hears_nothing(&mut live).await;
    assert_eq!(send(&mut live, "order:7", json!(1)).await["code"], "forbidden");
    assert_eq!(join(&mut live, "order:7").await["code"], "forbidden");
    for token in [&first, &newer] {
        assert_eq!(join_with(&mut live, "order:7", token).await["code"], "token_expired");
    }
    let again = backend.token(&app, &ann, "order:7", &json!({}));
    assert_eq!(join_with(&mut live, "order:7", &again).await["type"], "joined");
}

/// The clock moves and the message is delivered in one go: whatever timer runs when, it does not arrive.
async fn nothing_is_delivered_after_the_end_before_the_session_is_told<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = sender(&app, &backend, &bob).await;
    for number in 0..10 {
        let token = backend.token(&app, &ann, "order:7", &json!({"exp": seconds(&app) + 61}));
        assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined");
        sender.send(json!({"type": "send", "id": 1, "room": "order:7", "data": "before"})).await;
        assert_eq!(live.next().await["data"], "before");
        app.advance(Duration::from_secs(61));
        sender.send(json!({"type": "send", "id": 2, "room": "order:7", "data": "after"})).await;
        assert_eq!(live.next().await["code"], "expired", "{number}");
        hears_nothing(&mut live).await;
        for id in [1, 2] {
            assert_eq!(sender.next().await["id"], id);
        }
    }
}

async fn what_is_no_token_for_the_room_is_refused<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let now = seconds(&app);
    let with = |room: &str, more: Value| backend.token(&app, &ann, room, &more);
    let good = with("order:7", json!({}));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let payload = message.split_once('.').unwrap().1;
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"room+jwt"}"#);
    let refused = [
        ("", "bad_token"),
        ("no token", "bad_token"),
        (&*format!("{none}.{payload}."), "bad_token"),
        (&*format!("{none}.{payload}.{signature}"), "bad_token"),
        (&*format!("{message}."), "bad_token"),
        (&*Backend::new().token(&app, &ann, "order:7", &json!({})), "bad_token"),
        (&*backend.token(&app, &bob, "order:7", &json!({})), "bad_token"),
        (&*with("order:8", json!({})), "bad_token"),
        (&*with("order:8*", json!({})), "bad_token"),
        (&*with("*", json!({})), "bad_token"),
        (&*with("order*", json!({})), "bad_token"),
        (&*with("order:7**", json!({})), "bad_token"),
        (&*with("open:*", json!({})), "bad_token"),
        (&*with("order:7", json!({"exp": now})), "token_expired"),
        (&*with("order:7", json!({"iat": now - 700, "exp": now - 100})), "token_expired"),
        (&*with("order:7", json!({"nbf": now + 60})), "bad_token"),
        (&*with("order:7", json!({"iat": now + 60})), "bad_token"),
        (&*with("order:7", json!({"exp": now + 86_401})), "bad_token"),
        (&*with("order:7", json!({"aud": "http://elsewhere.example"})), "bad_token"),
        (&*with("order:7", json!({"filler": "x".repeat(4096)})), "bad_token"),
        (&*with("order:7", json!({"ops": ["admin"]})), "bad_token"),
        // An access token of the server itself.
        (&*ann.access, "bad_token"),
    ];
    for (token, code) in refused {
        assert_eq!(join_with(&mut live, "order:7", token).await["code"], code, "{token}");
        app.advance(Duration::from_millis(50));
    }
    // Also where anyone may be without one.
    assert_eq!(join_with(&mut live, "open:a", "x").await["code"], "bad_token");
    assert_eq!(join(&mut live, "open:a").await["type"], "joined");
    let expired = with("open:a", json!({"exp": now}));
    assert_eq!(join_with(&mut live, "open:a", &expired).await["code"], "token_expired");
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["open:a"]), "it stays");
    let chat = with("chat:a", json!({}));
    assert_eq!(join_with(&mut live, "chat:a", &chat).await["code"], "bad_token", "takes none");
    for wrong in [json!(7), json!(["x"]), json!({})] {
        let request = json!({"type": "join", "id": "j", "room": "order:7", "token": wrong});
        assert_eq!(live.ask(request).await["code"], "bad_request");
    }
    for token in [good.clone(), with("order:7*", json!({})), with("order:*", json!({}))] {
        assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined", "{token}");
    }
    let for_this = with("order:7", json!({"aud": ["x", "http://doorward.example/"]}));
    assert_eq!(join_with(&mut live, "order:7", &for_this).await["type"], "joined");
    // A room token is no access token.
    app.get("/api/me", &good).await.assert_refused(401, "invalid_token");
}

async fn each_room_of_a_request_has_its_own_token<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let token = |room: &str| backend.token(&app, &ann, room, &json!({"ops": []}));
    let request = json!({"type": "join", "id": 1, "rooms": [
        {"room": "order:7", "token": token("order:7")}, {"room": "order:8", "token": token("order:7")},
        {"room": "order:9"}, {"room": "open:a"},
    ]});
    let joined = live.ask(request).await;
    let of = |at: usize| &joined["rooms"][at];
    assert_eq!((&of(0)["can"], of(0)["until"].is_string()), (&json!([]), true));
    assert_eq!(
        (&of(1)["error"]["code"], &of(2)["error"]["code"]),
        (&json!("bad_token"), &json!("forbidden"))
    );
    assert_eq!(of(3)["room"], "open:a");
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["open:a", "order:7"]));
}

async fn a_token_bounds_what_may_be_done<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let ask = json!({"type": "presence", "id": "p", "room": "order:7"});
    for (ops, sends, sees) in
        [(json!([]), false, false), (json!(["send"]), true, false), (json!(["presence"]), false, true)]
    {
        let token = backend.token(&app, &ann, "order:7", &json!({"ops": ops}));
        assert_eq!(join_with(&mut live, "order:7", &token).await["can"], ops);
        let sent = send(&mut live, "order:7", json!(1)).await;
        assert_eq!(sent["type"] == "sent", sends, "{ops} {sent}");
        let seen = live.ask(ask.clone()).await;
        assert_eq!(seen["type"] == "presence", sees, "{ops} {seen}");
    }
    // What a token adds to a room ends with it, and the room goes on.
    assert_eq!(join(&mut live, "open:a").await["can"], json!([]));
    let start = seconds(&app);
    let token = backend.token(&app, &ann, "open:a", &json!({"exp": start + 70}));
    let joined = join_with(&mut live, "open:a", &token).await;
    assert_eq!((&joined["can"], &joined["until"]), (&json!(["send"]), &json!(written(start + 70))));
    app.advance(Duration::from_secs(35));
    assert_eq!(live.next().await, json!({"type": "expiring", "room": "open:a", "at": written(start + 70)}));
    assert_eq!(send(&mut live, "open:a", json!(1)).await["type"], "sent");
    app.advance(Duration::from_secs(35));
    assert_eq!(send(&mut live, "open:a", json!(1)).await["code"], "forbidden");
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["open:a", "order:7"]));
}

async fn a_ban_comes_before_a_token<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let token = backend.token(&app, &ann, "order:7", &json!({}));
    assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined");
    let ban = RoomRightChange::Ban(Scope::parse("order:*").unwrap(), ann.id.parse().unwrap(), None);
    app.accounts.change_room_right(ban, &operator()).await.unwrap();
    assert_eq!(live.next().await["code"], "banned");
    for token in [&*token, "x"] {
        assert_eq!(join_with(&mut live, "order:7", token).await["code"], "banned");
    }
}

async fn a_token_that_is_revoked_ends_its_rooms_alone<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut sender = sender(&app, &backend, &bob).await;
    let token = |room: &str, jti: &str| backend.token(&app, &ann, room, &json!({"jti": jti}));
    let (first, other) = (token("order:*", "one"), token("order:9", "two"));
    for (room, token) in [("order:7", &first), ("order:8", &first), ("order:9", &other)] {
        assert_eq!(join_with(&mut live, room, token).await["type"], "joined");
    }
    assert_eq!(join(&mut live, "open:a").await["type"], "joined");
    revoke(&app, RevokedTokens::One("one".into())).await;
    // In any order: the message of the other session is on its way through another thread.
    assert_eq!(send(&mut sender, "order:7", json!("after")).await["type"], "sent");
    for room in ["order:7", "order:8"] {
        assert_eq!(live.next().await, left(room, "revoked", "your token for this room was revoked"));
    }
    hears_nothing(&mut live).await;
    assert_eq!(send(&mut live, "order:7", json!(1)).await["code"], "forbidden");
    assert_eq!(join_with(&mut live, "order:7", &first).await["code"], "bad_token");
    assert_eq!(live.ask(json!({"type": "rooms"})).await["rooms"], json!(["open:a", "order:9"]));
    let new = token("order:7", "three");
    assert_eq!(join_with(&mut live, "order:7", &new).await["type"], "joined");
    assert_eq!(send(&mut sender, "order:7", json!("again")).await["type"], "sent");
    assert_eq!(live.next().await["data"], "again");
}

async fn tokens_are_revoked_by_when_they_were_issued<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let mut other = WebSocketClient::live(&app, &bob).await;
    let old = backend.token(&app, &ann, "order:7", &json!({}));
    let of_bob = backend.token(&app, &bob, "order:7", &json!({}));
    app.advance(Duration::from_secs(10));
    let newer = backend.token(&app, &ann, "order:8", &json!({}));
    assert_eq!(join_with(&mut live, "order:7", &old).await["type"], "joined");
    assert_eq!(join_with(&mut live, "order:8", &newer).await["type"], "joined");
    assert_eq!(join_with(&mut other, "order:7", &of_bob).await["type"], "joined");
    let now = seconds(&app);
    revoke(&app, issued_before(now - 5, Some(&ann))).await;
    assert_eq!(live.next().await, left("order:7", "revoked", "your token for this room was revoked"));
    hears_nothing(&mut live).await;
    assert_eq!(join_with(&mut live, "order:7", &old).await["code"], "bad_token");
    // An earlier moment takes nothing back.
    revoke(&app, issued_before(now - 500, Some(&ann))).await;
    assert_eq!(join_with(&mut live, "order:7", &old).await["code"], "bad_token");
    hears_nothing(&mut other).await;
    // Of all users.
    app.advance(Duration::from_secs(1));
    revoke(&app, app.accounts.room_tokens_until_now(None)).await;
    assert_eq!(live.next().await["code"], "revoked");
    assert_eq!(other.next().await["code"], "revoked");
    app.advance(Duration::from_secs(1));
    let new = backend.token(&app, &ann, "order:7", &json!({}));
    assert_eq!(join_with(&mut live, "order:7", &new).await["type"], "joined");
}

async fn rows_that_are_written_by_hand_revoke_as_well<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    for (number, sql) in [
        "INSERT INTO room_token_revocations (jti) VALUES ('0')".to_owned(),
        "UPDATE room_token_revocations SET jti = '1'".to_owned(),
        format!(
            "INSERT INTO room_token_revocations (user_id, issued_before) VALUES ('{}', '2999-01-01')",
            ann.id
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let token = backend.token(&app, &ann, "order:7", &json!({"jti": number.to_string()}));
        assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined", "{sql}");
        execute(&app, "INSERT INTO room_token_revocations (user_id) VALUES ('no id')");
        execute(&app, &sql);
        assert_eq!(live.next().await["code"], "revoked", "{sql}");
        assert_eq!(join_with(&mut live, "order:7", &token).await["code"], "bad_token", "{sql}");
        execute(&app, "DELETE FROM room_token_revocations WHERE jti IS NULL");
    }
}

async fn a_token_is_good_again_after_a_reconnect_and_not_without_a_login<C: LiveClient>() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let token = backend.token(&app, &ann, "order:7", &json!({}));
    let mut live = C::live(&app, &ann).await;
    assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined");
    live.leave().await;
    let mut live = C::live(&app, &ann).await;
    assert_eq!(join(&mut live, "order:7").await["code"], "forbidden", "another session has brought nothing");
    assert_eq!(join_with(&mut live, "order:7", &token).await["type"], "joined");
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await;
    live.ends(4441).await;
}
