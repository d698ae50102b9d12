//! Rooms as tests use them.

use std::time::Duration;

use doorward::internals::accounts::{Expected, RightsChange, UserChange};
use doorward_core::domain::{Roles, RolesChange};
use serde_json::{Value, json};

use crate::support::app::{Person, TestApp, spawn_with};
use crate::support::callers::operator;
use crate::support::transports::LiveClient;

/// Anyone joins, and sends to what was joined.
pub const CHAT: [(&str, &str); 2] = [("rooms.chat.join", "anyone"), ("rooms.chat.send", "joined")];

pub async fn with_rooms(more: &[(&str, &str)]) -> TestApp {
    spawn_with(&[&CHAT[..], more].concat()).await
}

pub async fn join<C: LiveClient>(client: &mut C, room: &str) -> Value {
    client.ask(json!({"type": "join", "id": "j", "room": room})).await
}

pub async fn send<C: LiveClient>(client: &mut C, room: &str, data: Value) -> Value {
    client.ask(json!({"type": "send", "id": "s", "room": room, "data": data})).await
}

/// Asserts that nothing waits for the client: what comes next is the answer to a request.
pub async fn hears_nothing<C: LiveClient>(client: &mut C) {
    client.ping().await;
}

/// Waits for a message with this data.
pub async fn hears<C: LiveClient>(client: &mut C, data: Value) -> Value {
    loop {
        let message = client.next().await;
        if message["data"] == data {
            return message;
        }
    }
}

/// Waits for a message of this type.
pub async fn hears_type<C: LiveClient>(client: &mut C, kind: &str) -> Value {
    loop {
        let message = client.next().await;
        if message["type"] == kind {
            return message;
        }
    }
}

/// Joins, to be told who is there: `count` or `full`.
pub async fn join_watching<C: LiveClient>(client: &mut C, room: &str, wish: &str) -> Value {
    client.ask(json!({"type": "join", "id": "j", "room": room, "presence": wish})).await
}

/// The next change of who is in a room.
pub async fn told<C: LiveClient>(app: &TestApp, client: &mut C) -> Value {
    // What was asked before is done once this is answered.
    client.ping().await;
    app.advance(Duration::from_millis(250));
    let change = client.next().await;
    assert_eq!(change["type"], "presence_changed", "{change}");
    change
}

/// Replaces a user's roles, as the operator does.
pub async fn set_roles(app: &TestApp, person: &Person, names: &[&str]) {
    let roles = Some(RolesChange::Replace(Roles::parse(names).unwrap()));
    let change = UserChange { rights: RightsChange { roles, claims: None }, ..UserChange::default() };
    app.accounts.change_user(person.id.parse().unwrap(), change, Expected::Any, &operator()).await.unwrap();
}
