//! When a password was last set: on the account page, to operators and administrators.

use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::schema::users;
use serde_json::{Value, json};

use diesel::prelude::*;

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_app};
use crate::support::commands::run;
use crate::support::import::{USERDATA, import_json, sha256, sign_in, sqlite_file};

const THIRD: &str = "yet another sentence of some length 5";

/// What the command line says, as JSON.
async fn shown(app: &TestApp, name: &str) -> Value {
    run(app, &["user", "show", name, "--json"], "").await.ok().json()["account"]["password_changed_at"]
        .clone()
}

#[actix_web::test]
async fn each_way_to_set_a_password_says_when() {
    let app = spawn_app().await;
    let ann = app.register_holder("ann", "ann@example.org").await;
    let registered = shown(&app, "ann").await;
    assert_eq!(registered.as_str().map(str::len), Some("2026-11-27T12:00:00.000Z".len()), "{registered}");

    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    app.advance(Duration::from_mins(1));
    app.send(Method::POST, "/api/me/password", &ann.access, body).await.expect(204);
    let changed = shown(&app, "ann").await;
    assert!(changed.as_str() > registered.as_str(), "{changed}");

    // The command line has a clock of its own.
    run(&app, &["user", "password", "ann"], PASSWORD).await.ok();
    let set = shown(&app, "ann").await;
    assert_ne!(set, changed);

    app.advance(Duration::from_hours(24));
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let token = app.passing(app.mail.link_token("reset-password")).await;
    assert_eq!(shown(&app, "ann").await, set, "a link that was asked for changes nothing");
    app.post("/api/reset-password", json!({"token": token, "password": THIRD})).await.expect(204);
    let reset = shown(&app, "ann").await;
    assert!(reset.as_str() > changed.as_str() && reset != set, "{reset}");

    // The account page and the server API say the same.
    let at = reset;
    let form = [("login", "ann"), ("password", THIRD)];
    let jar = post_form(app.address, "/login", "", &form).await.expect(303).cookie("doorward");
    let page = app.call(Method::GET, "/dashboard", &[("cookie", &jar)], None).await.expect(200);
    let time = format!("Last set <time data-slot=\"changed\" datetime={at}>");
    assert!(page.text.contains(&time), "{time}: {}", page.text);
    let key = run(
        &app,
        &["api-key", "create", "--name", "shop", "--scope", "users:read", "--scope", "users:write"],
        "",
    )
    .await
    .ok();
    let key = key.out.trim();
    let found = app.get(&format!("/api/admin/users/{}", ann.id), key).await.expect(200);
    assert_eq!(found.body["password_changed_at"], at);
    // An account without a password.
    let bob = json!({"username": "bob", "email": "bob@example.org"});
    let bob = app.send(Method::POST, "/api/admin/users", key, bob).await.expect(201);
    assert_eq!(bob.body["password_changed_at"], Value::Null);
}

#[actix_web::test]
async fn an_imported_password_has_no_time_and_a_better_hash_is_no_new_password() {
    let app = spawn_app().await;
    let old = app.data.path().join("old.db");
    let row = format!("INSERT INTO userdata (username, password) VALUES ('ann', '{}');", sha256(PASSWORD));
    sqlite_file(&old, &format!("{USERDATA}{row}"));
    assert_eq!(import_json(&app, &old).1.1, 1);
    assert_eq!(shown(&app, "ann").await, Value::Null);
    let stored =
        |app: &TestApp| -> String { app.query(|conn| users::table.select(users::password_hash).first(conn)) };
    let imported = stored(&app);
    sign_in(&app, "ann", PASSWORD).await;
    assert_ne!(stored(&app), imported, "it is hashed anew");
    assert_eq!(shown(&app, "ann").await, Value::Null);
    let jar =
        post_form(app.address, "/login", "", &[("login", "ann"), ("password", PASSWORD)]).await.expect(303);
    let page =
        app.call(Method::GET, "/dashboard", &[("cookie", &jar.cookie("doorward"))], None).await.expect(200);
    assert!(!page.text.contains("Last set"), "{}", page.text);
    assert!(run(&app, &["user", "show", "ann"], "").await.ok().out.contains("\npassword set  unknown\n"));
}
