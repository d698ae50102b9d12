//! The login of a TCP session, which lasts as long as its connection.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::callers::operator;
use crate::support::tcp::signed_in;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

async fn logins(app: &TestApp, token: &str) -> Vec<Value> {
    app.get("/api/logins", token).await.expect(200).body["logins"].as_array().unwrap().clone()
}

/// Waits until there are so many.
async fn logins_become(app: &TestApp, token: &str, count: usize) {
    let reached = async {
        while logins(app, token).await.len() != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, reached).await.expect("the list does not change");
}

#[actix_web::test]
async fn a_login_lasts_as_long_as_its_connection() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let (mut first, welcome) = signed_in(&app, "ann").await;
    let (second, _) = signed_in(&app, "ann").await;
    let listed = logins(&app, &ann.access).await;
    assert_eq!(listed.len(), 3, "{listed:?}");
    let login = listed.iter().find(|login| login["id"] == welcome["login"]).expect("it is listed");
    assert_eq!((&login["kind"], &login["device"]), (&json!("connection"), &json!("TCP")));
    second.leave().await;
    logins_become(&app, &ann.access, 2).await;
    first.ping().await;

    // It is revoked like any other login, and no other login is.
    let path = format!("/api/logins/{}", welcome["login"].as_str().unwrap());
    app.send(Method::DELETE, &path, &ann.access, Value::Null).await.expect(204);
    assert_eq!(first.ends(4441).await.goodbye["reconnect"], "never");
    app.get("/api/me", &ann.access).await.expect(200);
}

#[actix_web::test]
async fn a_thousand_connections_that_close_at_once_leave_no_login() {
    let app = spawn_with(&[
        ("sockets.max_waiting_per_address", "2000"),
        ("sockets.max_per_user", "2000"),
        ("password.workers", "64"),
    ])
    .await;
    let ann = app.register("ann").await;
    let mut lines = Vec::new();
    for _ in 0..1000 {
        lines.push(signed_in(&app, "ann").await.0);
    }
    drop(lines);
    // Others are served meanwhile.
    app.login("ann").await;
    logins_become(&app, &ann.access, 2).await;
}

#[actix_web::test]
async fn a_session_outlives_many_tokens_but_no_disabled_account() {
    let app = spawn_with(&[("tokens.access_ttl", "90s"), ("sockets.heartbeat", "10m")]).await;
    let ann = app.register("ann").await;
    let (mut line, welcome) = signed_in(&app, "ann").await;
    let mut until = welcome["expires_at"].clone();
    for _ in 0..6 {
        app.advance(Duration::from_secs(31));
        let renewed = line.next().await;
        assert_eq!(renewed["type"], "authenticated", "{renewed}");
        assert_ne!(renewed["expires_at"], until);
        until = renewed["expires_at"].clone();
    }
    line.ping().await;
    app.accounts.set_disabled(ann.id.parse().unwrap(), true, &operator()).await.unwrap();
    line.ends(4443).await;
}

#[actix_web::test]
async fn a_changed_password_ends_it() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let (mut line, _) = signed_in(&app, "ann").await;
    let change = json!({"current_password": PASSWORD, "new_password": "another fine sentence 77 teapots"});
    app.send(Method::POST, "/api/me/password", &ann.access, change).await.expect(204);
    line.ends(4442).await;
}
