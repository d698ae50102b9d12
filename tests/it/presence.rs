//! Who is in a room, on every transport: what clients are told, when, and who is not.

use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::accounts::{Expected, RightsChange, UserChange};
use doorward_core::domain::{Roles, RolesChange};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::callers::operator;
use crate::support::rooms::{hears_nothing, hears_type, join, join_watching, told, with_rooms};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

const USERS: (&str, &str) = ("rooms.chat.presence", "users");

on_every_transport!(
    those_who_watch_are_told_who_comes_changes_and_goes,
    a_list_has_pages_and_agrees_with_the_changes,
    a_client_that_comes_back_in_time_was_never_away,
    a_revoked_login_and_a_client_that_leaves_are_gone_at_once,
    only_those_who_may_are_told_and_no_longer_than_that,
    a_kind_may_tell_the_number_alone,
    a_kind_may_show_each_session,
    what_is_wrong_is_an_error_with_a_code,
    how_often_a_client_asks_and_sets_is_bounded,
);

/// A list, as the client is told it.
pub async fn list<C: LiveClient>(client: &mut C, room: &str) -> Value {
    client.ask(json!({"type": "presence", "id": "p", "room": room})).await
}

pub async fn set<C: LiveClient>(client: &mut C, room: &str, data: Value) -> Value {
    client.ask(json!({"type": "presence", "id": "p", "room": room, "set": data})).await
}

fn shown(person: &Person, name: &str) -> Value {
    json!({"user": person.id, "username": name})
}

fn shown_with(person: &Person, name: &str, data: &Value) -> Value {
    json!({"user": person.id, "username": name, "data": data})
}

async fn those_who_watch_are_told_who_comes_changes_and_goes<C: LiveClient>() {
    let app = with_rooms(&[USERS]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    let joined = join_watching(&mut live, "chat:a", "full").await;
    assert_eq!(joined, json!({"type": "joined", "id": "j", "room": "chat:a", "can": ["send", "presence"]}));
    let expected = json!({
        "type": "presence_changed", "room": "chat:a", "v": 1, "count": 1,
        "came": [shown(&ann, "ann")], "went": [], "changed": [],
    });
    assert_eq!(told(&app, &mut live).await, expected);

    let mut other = C::live(&app, &bob).await;
    let mut counting = WebSocketClient::live(&app, &app.login("bob").await).await;
    join(&mut other, "chat:a").await;
    join_watching(&mut counting, "chat:a", "count").await;
    let change = told(&app, &mut live).await;
    assert_eq!((&change["v"], &change["came"]), (&json!(2), &json!([shown(&bob, "bob")])));
    assert_eq!(
        counting.next().await,
        json!({"type": "presence_changed", "room": "chat:a", "v": 2, "count": 2})
    );
    // `set` is a change, whatever it is; and of several, the last one counts.
    for data in [json!({"at": [1, "é"]}), json!("away")] {
        assert_eq!(
            set(&mut other, "chat:a", json!(0)).await,
            json!({"type": "presence", "id": "p", "room": "chat:a"})
        );
        set(&mut other, "chat:a", data.clone()).await;
        let change = told(&app, &mut live).await;
        assert_eq!(change["changed"], json!([shown_with(&bob, "bob", &data)]));
        assert_eq!((&change["came"], &change["went"], &change["count"]), (&json!([]), &json!([]), &json!(2)));
    }
    set(&mut counting, "chat:a", json!("here")).await;
    assert_eq!(told(&app, &mut live).await["changed"], json!([shown_with(&bob, "bob", &json!("here"))]));
    counting.ask(json!({"type": "leave", "room": "chat:a"})).await;
    assert_eq!(told(&app, &mut live).await["changed"], json!([shown_with(&bob, "bob", &json!("away"))]));
    other.ask(json!({"type": "leave", "room": "chat:a"})).await;
    let change = told(&app, &mut live).await;
    assert_eq!((&change["went"], &change["count"], &change["v"]), (&json!([bob.id]), &json!(1), &json!(7)));
    // Who did not ask is told nothing, nor who counts of what does not change the number.
    hears_nothing(&mut other).await;
    hears_nothing(&mut counting).await;
    // To join again changes what one is told.
    join_watching(&mut live, "chat:a", "none").await;
    join(&mut other, "chat:a").await;
    app.advance(Duration::from_secs(1));
    hears_nothing(&mut live).await;
}

async fn a_list_has_pages_and_agrees_with_the_changes<C: LiveClient>() {
    let app = with_rooms(&[USERS]).await;
    let mut people = Vec::new();
    for name in ["ann", "bob", "carl"] {
        people.push((app.register(name).await, name));
    }
    people.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
    let mut clients = Vec::new();
    for (person, name) in &people {
        let mut live = C::live(&app, person).await;
        join(&mut live, "chat:a").await;
        set(&mut live, "chat:a", json!(name)).await;
        clients.push(live);
    }
    let live = &mut clients[0];
    app.advance(Duration::from_secs(1));
    let listed = list(live, "chat:a").await;
    let users: Vec<_> = people.iter().map(|(who, name)| shown_with(who, name, &json!(name))).collect();
    assert_eq!((&listed["users"], &listed["count"]), (&json!(users), &json!(3)));
    let ask = json!({"type": "presence", "room": "chat:a", "limit": 2});
    let first = live.ask(ask.clone()).await;
    assert_eq!((&first["users"], &first["next"]), (&json!(users[..2]), &json!(people[1].0.id)));
    let mut ask = ask;
    ask["after"] = first["next"].clone();
    let second = live.ask(ask).await;
    assert_eq!((&second["users"], &second["next"]), (&json!(users[2..]), &Value::Null));
    assert_eq!((&second["v"], &second["count"]), (&listed["v"], &json!(3)));
}

/// Waits until so many sessions are left: what follows from the end of one has happened.
async fn until_sessions(app: &TestApp, count: usize) {
    let deadline = now() + PATIENCE;
    while app.sessions.count() != count {
        assert!(now() < deadline, "{} sessions", app.sessions.count());
        pause().await;
    }
}

async fn a_client_that_comes_back_in_time_was_never_away<C: LiveClient>() {
    let app = with_rooms(&[USERS, ("rooms.chat.grace", "10s")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = WebSocketClient::live(&app, &ann).await;
    join_watching(&mut live, "chat:a", "full").await;
    let mut other = C::live(&app, &bob).await;
    join(&mut other, "chat:a").await;
    assert_eq!(told(&app, &mut live).await["count"], 2);
    for _ in 0..3 {
        other.leave().await;
        until_sessions(&app, 1).await;
        app.advance(Duration::from_secs(8));
        other = C::live(&app, &bob).await;
        join(&mut other, "chat:a").await;
        app.advance(Duration::from_secs(3));
        hears_nothing(&mut live).await;
    }
    other.leave().await;
    until_sessions(&app, 1).await;
    app.advance(Duration::from_secs(9));
    hears_nothing(&mut live).await;
    app.advance(Duration::from_secs(1));
    assert_eq!(told(&app, &mut live).await["went"], json!([bob.id]));
}

async fn a_revoked_login_and_a_client_that_leaves_are_gone_at_once<C: LiveClient>() {
    let app = with_rooms(&[USERS, ("rooms.chat.grace", "5m")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = WebSocketClient::live(&app, &ann).await;
    join_watching(&mut live, "chat:a", "full").await;
    let mut other = C::live(&app, &bob).await;
    join(&mut other, "chat:a").await;
    assert_eq!(told(&app, &mut live).await["count"], 2);
    other.ask(json!({"type": "leave", "room": "chat:a"})).await;
    assert_eq!(told(&app, &mut live).await["went"], json!([bob.id]));
    join(&mut other, "chat:a").await;
    assert_eq!(told(&app, &mut live).await["came"], json!([shown(&bob, "bob")]));
    app.send(Method::POST, "/api/logout", &bob.access, Value::Null).await.expect(204);
    other.ends(4441).await;
    until_sessions(&app, 1).await;
    assert_eq!(told(&app, &mut live).await["went"], json!([bob.id]));
}

async fn set_roles(app: &TestApp, person: &Person, names: &[&str]) {
    let roles = Some(RolesChange::Replace(Roles::parse(names).unwrap()));
    let change = UserChange { rights: RightsChange { roles, claims: None }, ..UserChange::default() };
    app.accounts.change_user(person.id.parse().unwrap(), change, Expected::Any, &operator()).await.unwrap();
}

async fn only_those_who_may_are_told_and_no_longer_than_that<C: LiveClient>() {
    let app = with_rooms(&[USERS, ("rooms.chat.see_presence", "role:staff")]).await;
    let ann = app.register("ann").await;
    set_roles(&app, &ann, &["staff"]).await;
    let ann = app.login("ann").await;
    let bob = app.register("bob").await;
    let mut staff = C::live(&app, &ann).await;
    let mut other = C::live(&app, &bob).await;
    assert_eq!(join_watching(&mut staff, "chat:a", "full").await["can"], json!(["send", "presence"]));
    assert_eq!(join_watching(&mut other, "chat:a", "full").await["can"], json!(["send"]));
    assert_eq!(told(&app, &mut staff).await["count"], 2);
    hears_nothing(&mut other).await;
    assert_eq!(list(&mut other, "chat:a").await["code"], "forbidden");
    // To show something is another matter.
    assert_eq!(set(&mut other, "chat:a", json!(1)).await["type"], "presence");
    assert_eq!(told(&app, &mut staff).await["changed"], json!([shown_with(&bob, "bob", &json!(1))]));

    set_roles(&app, &ann, &[]).await;
    set(&mut other, "chat:a", json!(2)).await;
    app.advance(Duration::from_secs(1));
    assert_eq!(hears_type(&mut staff, "claims").await["roles"], json!([]));
    hears_nothing(&mut staff).await;
    assert_eq!(list(&mut staff, "chat:a").await["code"], "forbidden");
}

async fn a_kind_may_tell_the_number_alone<C: LiveClient>() {
    let app = with_rooms(&[("rooms.chat.presence", "count")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = C::live(&app, &ann).await;
    join_watching(&mut live, "chat:a", "full").await;
    let mut other = C::live(&app, &bob).await;
    join(&mut other, "chat:a").await;
    let expected = json!({"type": "presence_changed", "room": "chat:a", "v": 1, "count": 2});
    assert_eq!(told(&app, &mut live).await, expected);
    let listed = list(&mut live, "chat:a").await;
    assert_eq!(listed, json!({"type": "presence", "id": "p", "room": "chat:a", "v": 1, "count": 2}));
    assert_eq!(set(&mut live, "chat:a", json!(1)).await["code"], "no_presence");
}

async fn a_kind_may_show_each_session<C: LiveClient>() {
    let app = with_rooms(&[("rooms.chat.presence", "sessions")]).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let mut other = C::live(&app, &ann).await;
    join_watching(&mut live, "chat:a", "full").await;
    assert_eq!(told(&app, &mut live).await["came"][0]["sessions"].as_array().unwrap().len(), 1);
    join(&mut other, "chat:a").await;
    set(&mut other, "chat:a", json!("x")).await;
    set(&mut live, "chat:a", json!("y")).await;
    let change = told(&app, &mut live).await;
    assert_eq!((&change["came"], &change["count"]), (&json!([]), &json!(1)));
    let user = &change["changed"][0];
    assert_eq!((&user["user"], &user["data"]), (&json!(ann.id), &Value::Null));
    let mut data: Vec<_> = user["sessions"].as_array().unwrap().iter().map(|one| &one["data"]).collect();
    data.sort_by_key(ToString::to_string);
    assert_eq!(data, [&json!("x"), &json!("y")]);
}

async fn what_is_wrong_is_an_error_with_a_code<C: LiveClient>() {
    let app = with_rooms(&[USERS, ("rooms.quiet.join", "anyone")]).await;
    let mut live = C::live(&app, &app.register("ann").await).await;
    join(&mut live, "chat:a").await;
    join(&mut live, "quiet:a").await;
    for (request, code) in [
        (json!({"room": "chat:b"}), "not_joined"),
        (json!({"room": "chat"}), "bad_room"),
        (json!({"room": "quiet:a"}), "no_presence"),
        (json!({"room": "quiet:a", "set": 1}), "no_presence"),
        (json!({"room": "chat:b", "set": 1}), "not_joined"),
        (json!({"room": "chat:a", "set": "x".repeat(1023)}), "too_large"),
        (json!({"room": "chat:a", "limit": 501}), "bad_request"),
        (json!({"room": "chat:a", "after": "ann"}), "bad_request"),
        (json!({"set": 1}), "bad_request"),
    ] {
        let mut asked = request.clone();
        asked["type"] = json!("presence");
        let reply = live.ask(asked).await;
        assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!(code)), "{request}: {reply}");
    }
    assert_eq!(join_watching(&mut live, "chat:c", "everything").await["code"], "bad_request");
    assert_eq!(set(&mut live, "chat:a", json!("x".repeat(1022))).await["type"], "presence");
}

async fn how_often_a_client_asks_and_sets_is_bounded<C: LiveClient>() {
    let app = with_rooms(&[USERS]).await;
    let mut live = C::live(&app, &app.register("ann").await).await;
    join(&mut live, "chat:a").await;
    for _ in 0..20 {
        assert_eq!(set(&mut live, "chat:a", json!(1)).await["type"], "presence");
    }
    let refused = set(&mut live, "chat:a", json!(1)).await;
    assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!("too_many_requests"), &json!(200)));
    for _ in 0..100 {
        assert_eq!(list(&mut live, "chat:a").await["type"], "presence");
    }
    let refused = list(&mut live, "chat:a").await;
    assert_eq!((&refused["code"], &refused["retry_after_ms"]), (&json!("too_many_requests"), &json!(100)));
    app.advance(Duration::from_millis(200));
    assert_eq!(set(&mut live, "chat:a", json!(1)).await["type"], "presence");
    assert_eq!(list(&mut live, "chat:a").await["type"], "presence");
}
