//! Lists of a user's sessions grow with their number, so how often one is sent is bounded.

use std::time::Duration;

use doorward_core::domain::UserId;
use serde_json::{Value, json};

use crate::support::app::{TestApp, spawn_app};
use crate::support::transports::{LiveClient, on_every_transport};

on_every_transport!(changes_within_a_second_come_as_one_list, lists_that_are_requested_too_often_are_refused,);

const SECOND: Duration = Duration::from_secs(1);

fn listed(message: &Value) -> usize {
    message["sessions"].as_array().unwrap_or_else(|| panic!("no list: {message}")).len()
}

async fn until_there_are(app: &TestApp, user: &str, count: usize) {
    let user: UserId = user.parse().unwrap();
    while app.sessions.directory().of_user(user).len() != count {
        tokio::task::yield_now().await;
    }
}

async fn changes_within_a_second_come_as_one_list<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut watcher = C::live(&app, &ann).await;
    assert_eq!(listed(&watcher.ask(json!({"type": "watch_sessions"})).await), 1);
    let mut others = Vec::new();
    for _ in 0..6 {
        others.push(C::live(&app, &ann).await);
        drop(C::live(&app, &ann).await);
        watcher.ping().await;
    }
    others.truncate(3);
    until_there_are(&app, &ann.id, 4).await;
    watcher.ping().await;
    for _ in 0..2 {
        app.advance(SECOND);
        assert_eq!(listed(&watcher.next().await), 4, "the last list is right");
        // Exactly one list.
        watcher.ping().await;
        others.push(C::live(&app, &ann).await);
        watcher.ping().await;
        drop(others.pop());
        until_there_are(&app, &ann.id, 4).await;
    }
    drop(others);
    until_there_are(&app, &ann.id, 1).await;
    app.advance(SECOND);
    assert_eq!(listed(&watcher.next().await), 1);
    // After a pause a change is sent at once.
    app.advance(SECOND);
    let _other = C::live(&app, &ann).await;
    assert_eq!(listed(&watcher.next().await), 2);
}

async fn lists_that_are_requested_too_often_are_refused<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    for name in ["sessions", "watch_sessions"] {
        let mut answered = 0;
        for number in 0..30 {
            let reply = live.ask(json!({"type": name, "id": number})).await;
            assert_eq!(reply["id"], number, "{reply}");
            match reply["code"].as_str() {
                None => answered += listed(&reply),
                Some(code) => assert_eq!(code, "too_many_requests"),
            }
        }
        assert_eq!(answered, 8);
        app.advance(SECOND);
        assert_eq!(listed(&live.ask(json!({"type": name})).await), 1);
        app.advance(SECOND * 20);
    }
    live.ping().await;
}
