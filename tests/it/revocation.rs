//! When a login is revoked, every socket that it opened closes, and no other.

use std::process::Command;

use actix_web::http::Method;
use doorward_core::domain::UserId;
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, spawn_app, spawn_on};
use crate::support::callers::operator;
use crate::support::database::{self, is_postgres};
use crate::support::postgres;
use crate::support::programs::{self, Needs};
use crate::support::smtp::SmtpCatcher;
use crate::support::time::PATIENCE;
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    logout_closes_its_own_sockets_only,
    devices_are_signed_out_one_by_one_or_all_but_this,
    a_changed_password_signs_out_the_other_devices,
    a_reset_signs_out_every_device,
    a_deleted_or_disabled_account_signs_out_every_device,
    a_refresh_token_used_twice_signs_out_its_device,
);

/// After its login was revoked, a token is refused everywhere, although its signature is good.
async fn assert_refused<C: LiveClient>(app: &TestApp, token: &str) {
    assert_eq!(app.get("/api/me", token).await.status.as_u16(), 401);
    let bearer = format!("Bearer {token}");
    assert_eq!(app.open(&[("authorization", &bearer)]).await.err(), Some(401));
    let mut live = C::unauthenticated(app).await;
    live.present(token).await;
    live.ends(4401).await;
}

async fn logout_closes_its_own_sockets_only<C: LiveClient>() {
    let app = spawn_app().await;
    let laptop = app.register("ann").await;
    let phone = app.login("ann").await;
    let mut first = C::live(&app, &laptop).await;
    let mut second = C::unauthenticated(&app).await;
    second.present(&laptop.access).await;
    assert_eq!(second.next().await["type"], "welcome");
    let mut other = C::live(&app, &phone).await;

    app.send(Method::POST, "/api/logout", &laptop.access, Value::Null).await.expect(204);
    assert_eq!(first.ends(4441).await.goodbye["reconnect"], "never");
    second.ends(4441).await;
    other.ping().await;
    assert_refused::<C>(&app, &laptop.access).await;
    app.get("/api/me", &phone.access).await.expect(200);
    let refresh = json!({"refresh_token": laptop.refresh});
    app.post("/api/refresh", refresh).await.expect(401);
}

async fn devices_are_signed_out_one_by_one_or_all_but_this<C: LiveClient>() {
    let app = spawn_app().await;
    let laptop = app.register("ann").await;
    let phone = app.login("ann").await;
    let tablet = app.login("ann").await;
    let bob = app.register("bob").await;
    let (mut on_laptop, mut on_phone, mut on_tablet, mut bobs) = (
        C::live(&app, &laptop).await,
        C::live(&app, &phone).await,
        C::live(&app, &tablet).await,
        C::live(&app, &bob).await,
    );
    let path = format!("/api/logins/{}", phone.login);
    app.send(Method::DELETE, &path, &bob.access, Value::Null).await.expect(404);
    app.send(Method::DELETE, &path, &laptop.access, Value::Null).await.expect(204);
    on_phone.ends(4441).await;
    on_tablet.ping().await;
    app.send(Method::DELETE, "/api/logins?except=current", &laptop.access, Value::Null).await.expect(204);
    on_tablet.ends(4441).await;
    on_laptop.ping().await;
    app.send(Method::DELETE, "/api/logins", &laptop.access, Value::Null).await.expect(204);
    on_laptop.ends(4441).await;
    bobs.ping().await;
    for person in [&laptop, &phone, &tablet] {
        assert_refused::<C>(&app, &person.access).await;
    }
}

async fn a_changed_password_signs_out_the_other_devices<C: LiveClient>() {
    let app = spawn_app().await;
    let laptop = app.register("ann").await;
    let phone = app.login("ann").await;
    let (mut on_laptop, mut on_phone) = (C::live(&app, &laptop).await, C::live(&app, &phone).await);
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.send(Method::POST, "/api/me/password", &laptop.access, change).await.expect(204);
    assert_eq!(on_phone.ends(4442).await.goodbye["reconnect"], "never");
    on_laptop.ping().await;
    assert_refused::<C>(&app, &phone.access).await;
}

async fn a_reset_signs_out_every_device<C: LiveClient>() {
    let app = spawn_app().await;
    let laptop = app.register_with_email("ann", "ann@example.org").await;
    let phone = app.login("ann").await;
    let (mut on_laptop, mut on_phone) = (C::live(&app, &laptop).await, C::live(&app, &phone).await);
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let token = app.mail.link_token("reset-password").await;
    app.post("/api/reset-password", json!({"token": token, "password": NEW_PASSWORD})).await.expect(204);
    on_laptop.ends(4442).await;
    on_phone.ends(4442).await;
    assert_refused::<C>(&app, &laptop.access).await;
}

async fn a_deleted_or_disabled_account_signs_out_every_device<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let (mut anns, mut bobs) = (C::live(&app, &ann).await, C::live(&app, &bob).await);
    app.send(Method::DELETE, "/api/me", &ann.access, json!({"current_password": PASSWORD})).await.expect(204);
    assert_eq!(anns.ends(4443).await.goodbye["reconnect"], "never");
    assert_refused::<C>(&app, &ann.access).await;

    let id: UserId = bob.id.parse().unwrap();
    app.accounts.set_disabled(id, true, &operator()).await.unwrap();
    bobs.ends(4443).await;
    assert_refused::<C>(&app, &bob.access).await;
    let login = json!({"login": "bob", "password": PASSWORD});
    app.post("/api/login", login.clone()).await.expect(401);
    app.accounts.set_disabled(id, false, &operator()).await.unwrap();
    app.post("/api/login", login).await.expect(200);
}

async fn a_refresh_token_used_twice_signs_out_its_device<C: LiveClient>() {
    let app = spawn_app().await;
    let laptop = app.register("ann").await;
    let phone = app.login("ann").await;
    let (mut on_laptop, mut on_phone) = (C::live(&app, &laptop).await, C::live(&app, &phone).await);
    let first = json!({"refresh_token": laptop.refresh});
    let second = app.post("/api/refresh", first.clone()).await.expect(200).str("refresh_token");
    app.post("/api/refresh", json!({"refresh_token": second})).await.expect(200);
    assert_eq!(app.post("/api/refresh", first).await.expect(401).code(), "invalid_refresh_token");
    on_laptop.ends(4441).await;
    on_phone.ping().await;
    assert_refused::<C>(&app, &laptop.access).await;
}

#[actix_web::test]
async fn a_row_that_another_process_changed_closes_its_sockets() {
    let app = spawn_app().await;
    let data = app.data.path().join("data");
    let (name, package, arguments) = match database::url(&data) {
        Some(url) => ("psql", "postgresql-client", vec![url.into(), "-c".into()]),
        None => ("sqlite3", "sqlite3", vec!["-cmd".into(), ".timeout 5000".into(), data.join("doorward.db")]),
    };
    let found =
        if is_postgres() { postgres::client(name) } else { programs::command(name, Needs::Apt(package)) };
    let Some(program) = found else { return };
    let by_hand = |statement: String| {
        let run = Command::new(&program).args(&arguments).arg(statement).output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    let moments: &[&str] = if is_postgres() {
        &["now()", "CURRENT_TIMESTAMP", "'infinity'", "'1970-01-01'"]
    } else {
        &["datetime('now')", "CURRENT_TIMESTAMP", "strftime('%Y-%m-%dT%H:%M:%fZ')", "5"]
    };
    let ann = app.register("ann").await;
    let phone = app.login("ann").await;
    // However the moment is written; a deleted row; a reason that means something, or none.
    for (change, code) in [
        (format!("UPDATE logins SET revoked_at = {}", moments[0]), 4441),
        (format!("UPDATE logins SET revoked_at = {}, revoked_reason = 'account_disabled'", moments[1]), 4443),
        (format!("UPDATE logins SET revoked_at = {}, revoked_reason = 'password_reset'", moments[2]), 4442),
        (format!("UPDATE logins SET revoked_at = {}, revoked_reason = 'because'", moments[3]), 4441),
        ("DELETE FROM logins".to_owned(), 4443),
    ] {
        let device = app.login("ann").await;
        let mut live = app.live(&device).await;
        let mut other = app.live(&phone).await;
        by_hand(format!("{change} WHERE id = '{}'", device.login));
        live.ends(code).await;
        other.ping().await;
        assert_refused::<WebSocketClient>(&app, &device.access).await;
    }
    // Without a live socket the token is refused all the same.
    by_hand(format!("UPDATE logins SET revoked_at = '2020-01-01 00:00:00' WHERE id = '{}'", ann.login));
    tokio::time::timeout(PATIENCE, async {
        while app.get("/api/logins", &ann.access).await.status.as_u16() != 401 {}
    })
    .await
    .unwrap();
}

#[actix_web::test]
async fn a_revocation_that_races_a_handshake_leaves_no_socket() {
    let app = spawn_app().await;
    app.register("ann").await;
    for round in 0..60 {
        let device = app.login("ann").await;
        let bearer = format!("Bearer {}", device.access);
        let headers = [("authorization", bearer.as_str())];
        let logout = async {
            // At every point of the handshakes.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            app.send(Method::POST, "/api/logout", &device.access, Value::Null).await
        };
        let (first, second, answer) = futures_util::join!(app.open(&headers), app.open(&headers), logout);
        answer.expect(204);
        for opened in [first, second] {
            match opened {
                Ok(mut live) => drop(live.ends(4441).await),
                Err(status) => assert_eq!(status, 401),
            }
        }
    }
}

#[actix_web::test]
async fn a_restart_forgets_no_revocation() {
    let mut app = spawn_app().await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let carol = app.register("carol").await;
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    app.send(Method::DELETE, "/api/me", &bob.access, json!({"current_password": PASSWORD})).await.expect(204);
    app.stop().await;
    let data = std::mem::replace(&mut app.data, tempfile::tempdir().unwrap());
    let app = spawn_on(&[], data, SmtpCatcher::start(), app.clock.clone()).await;
    assert_refused::<WebSocketClient>(&app, &ann.access).await;
    assert_refused::<WebSocketClient>(&app, &bob.access).await;
    app.live(&carol).await.ping().await;
}
