//! Wrong passwords: what an account, a known device and a login put up with, over all addresses and transports.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::rt;
use diesel::prelude::*;
use doorward::internals::schema::failed_attempts;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::{Answer, NEW_PASSWORD, PASSWORD, TestApp, post_form, spawn_app, start_again};
use crate::support::callers::{confirm, operator};
use crate::support::database::WriteLock;
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;

async fn guess(app: &TestApp, login: &str, password: &str) -> Answer {
    app.post("/api/login", json!({"login": login, "password": password})).await
}

/// Wrong passwords until the next try has to wait.
async fn lock(app: &TestApp, login: &str) {
    for _ in 0..5 {
        assert_eq!(guess(app, login, "wrong").await.expect(401).code(), "invalid_credentials");
    }
}

#[actix_web::test]
async fn wrong_passwords_delay_the_next_try_more_and_more_on_every_transport() {
    let app = spawn_app().await;
    app.register("ann").await;
    lock(&app, "ann").await;
    for (wait, place) in [(1, "api"), (2, "page"), (4, "tcp"), (8, "api")] {
        // The right password is not checked either, from whatever client.
        let refused = guess(&app, "ann", PASSWORD).await.expect(429);
        assert_eq!(refused.code(), "too_many_attempts");
        assert_eq!(refused.header("retry-after"), wait.to_string(), "{}", refused.text);
        let page = post_form(app.address, "/login", "", &[("login", "ann"), ("password", PASSWORD)]).await;
        assert_eq!(page.expect(429).header("retry-after"), wait.to_string());
        let mut line = TcpClient::connect(app.tcp).await;
        line.sign_in("ann", PASSWORD, "\n").await;
        let told = line.rest().await;
        assert!(told.starts_with("Login failed\n") && told.contains("4429"), "{told}");

        app.advance(Duration::from_secs(wait));
        match place {
            "api" => drop(guess(&app, "ann", "wrong").await.expect(401)),
            "page" => {
                let form = [("login", "ann"), ("password", "wrong")];
                post_form(app.address, "/login", "", &form).await.expect(401);
            }
            _ => {
                let mut line = TcpClient::connect(app.tcp).await;
                line.sign_in("ann", "wrong", "\n").await;
                assert_eq!(line.rest().await, "Login failed\n");
            }
        }
    }
    app.advance(Duration::from_secs(16));
    guess(&app, "ann", PASSWORD).await.expect(200);
    lock(&app, "ann").await;
}

#[actix_web::test]
async fn the_delay_grows_to_a_quarter_of_an_hour_and_failures_are_forgotten_after_a_day() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut wait = 0;
    for _ in 0..20 {
        guess(&app, "ann", "wrong").await.expect(401);
        let locked = guess(&app, "ann", "wrong").await;
        wait = if locked.status == 429 { locked.header("retry-after").parse().unwrap() } else { 0 };
        app.advance(Duration::from_secs(wait));
    }
    assert_eq!(wait, 900);
    app.advance(Duration::from_hours(24));
    guess(&app, "ann", "wrong").await.expect(401);
    guess(&app, "ann", PASSWORD).await.expect(200);
}

#[actix_web::test]
async fn a_name_without_an_account_is_locked_alike() {
    let app = spawn_app().await;
    app.register_holder("ann", "ann@example.org").await;
    let ben = app.register("ben").await;
    app.accounts.set_disabled(ben.id.parse().unwrap(), true, &operator()).await.unwrap();
    let mut stories = Vec::new();
    for login in ["ann", "ann@example.org", "ben", "nobody", "nobody@example.org", "no such name", "", "a\0b"]
    {
        let mut story = Vec::new();
        for _ in 0..8 {
            let answer = guess(&app, login, "wrong").await;
            story.push((answer.status.as_u16(), answer.header("retry-after").to_owned(), answer.text));
        }
        stories.push(story);
    }
    for story in &stories {
        assert_eq!(story, &stories[0]);
    }
    assert_eq!(
        stories[0].iter().map(|(status, ..)| *status).collect::<Vec<_>>(),
        [401, 401, 401, 401, 401, 429, 429, 429]
    );
    let kept: Vec<(String, Option<String>, String)> = app.query(|conn| {
        let columns = (failed_attempts::slot, failed_attempts::user_id, failed_attempts::subject);
        failed_attempts::table.select(columns).load(conn)
    });
    for (slot, user, subject) in kept {
        assert_eq!(slot.starts_with("name:"), user.is_none(), "{slot}");
        assert!(user.is_some() || slot.len() == 9, "one of so many places, whatever the name: {slot}");
        assert!(!subject.contains("nobody") && !slot.contains("nobody"), "{subject}");
    }
}

#[actix_web::test]
async fn many_guesses_at_once_are_counted_as_many() {
    let app = spawn_app().await;
    app.register("ann").await;
    let address = app.address;
    let guesses: Vec<_> = (0..40)
        .map(|number| {
            let body = json!({"login": "ann", "password": format!("wrong {number}")});
            rt::spawn(async move {
                crate::support::app::call(address, Method::POST, "/api/login", &[], Some(body)).await
            })
        })
        .collect();
    let mut checked = 0;
    for guess in guesses {
        let answer = guess.await.unwrap();
        checked += usize::from(answer.status == 401);
        assert!(answer.status == 401 || answer.status == 429, "{}", answer.text);
    }
    assert_eq!(checked, 5);
}

#[actix_web::test]
async fn guesses_at_two_nodes_are_counted_together() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let other = start_again(&app, &[]).await;
    let guesses = (0..40).map(|number| {
        let node = if number % 2 == 0 { &app } else { &other };
        async move { guess(node, "ann", &format!("wrong {number}")).await.status.as_u16() }
    });
    let answers = futures_util::future::join_all(guesses).await;
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    let checked = answers.iter().filter(|status| **status == 401).count();
    // The clock of the other one, which started later, may have passed the first delays.
    assert!((5..=7).contains(&checked), "{checked}");
    // Current passwords likewise; the tenth revokes the login, at both.
    for number in 0..10 {
        let node = if number % 2 == 0 { &app } else { &other };
        confirm(node, &ann, number, "wrong").await;
    }
    for node in [&app, &other] {
        let revoked = async {
            while node.get("/api/me", &ann.access).await.status != 401 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, revoked).await.expect("a node does not know");
    }
}

#[actix_web::test]
async fn guesses_at_a_locked_account_wait_for_no_writer() {
    let app = spawn_app().await;
    app.register("ann").await;
    for login in ["ann", "nobody"] {
        lock(&app, login).await;
        let writing = WriteLock::take(&app);
        for _ in 0..3 {
            let refused = timeout(PATIENCE, guess(&app, login, "wrong")).await.expect("it is refused");
            assert_eq!(refused.expect(429).header("retry-after"), "1", "{login}");
        }
        writing.give_back();
    }
}

#[actix_web::test]
async fn an_unknown_client_cannot_lock_out_a_known_device() {
    let app = spawn_app().await;
    let registered =
        app.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await.expect(201);
    let token = registered.str("device_token");
    let form = [("login", "ann"), ("password", PASSWORD)];
    let page = post_form(app.address, "/login", "", &form).await.expect(303);
    let browser = page.cookie("doorward-device");
    let other = app.post("/api/register", json!({"username": "eve", "password": PASSWORD})).await.expect(201);
    lock(&app, "ann").await;

    let with = |token: &str| json!({"login": "ann", "password": PASSWORD, "device_token": token});
    guess(&app, "ann", PASSWORD).await.expect(429);
    let again = app.post("/api/login", with(&token)).await.expect(200);
    assert_eq!(again.str("device_token"), token, "it is the same device");
    post_form(app.address, "/login", &browser, &form).await.expect(303);
    // By cookie at the API, too.
    let login = json!({"login": "ann", "password": PASSWORD});
    app.call(Method::POST, "/api/login", &[("cookie", &browser)], Some(login)).await.expect(200);
    // Another user's, a changed one, none at all.
    let forged = token.replace('A', "B").replace('a', "b");
    for wrong in [other.str("device_token").as_str(), forged.as_str(), "", "dwd_", &"x".repeat(5000)] {
        assert_eq!(app.post("/api/login", with(wrong)).await.status, 429, "{wrong}");
    }
    // The device's attempts have not unlocked unknown clients.
    guess(&app, "ann", PASSWORD).await.expect(429);
}

#[actix_web::test]
async fn a_known_device_has_a_counter_of_its_own() {
    let app = spawn_app().await;
    let registered =
        app.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await.expect(201);
    let token = registered.str("device_token");
    let with = |password: &str| json!({"login": "ann", "password": password, "device_token": token});
    for _ in 0..5 {
        app.post("/api/login", with("wrong")).await.expect(401);
    }
    app.post("/api/login", with(PASSWORD)).await.expect(429);
    // A thief of the device's token keeps no other device out.
    guess(&app, "ann", PASSWORD).await.expect(200);
}

#[actix_web::test]
async fn a_reset_link_always_works_and_unlocks() {
    let app = spawn_app().await;
    app.register_holder("ann", "ann@example.org").await;
    lock(&app, "ann").await;
    lock(&app, "ann@example.org").await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let token = app.mail.link_token("reset-password").await;
    app.post("/api/reset-password", json!({"token": token, "password": NEW_PASSWORD})).await.expect(204);
    guess(&app, "ann", NEW_PASSWORD).await.expect(200);
    guess(&app, "ann@example.org", NEW_PASSWORD).await.expect(200);
}

#[actix_web::test]
async fn a_sign_in_that_could_not_be_checked_is_no_failure() {
    let app = spawn_app().await;
    app.register("ann").await;
    for _ in 0..3 {
        guess(&app, "ann", "wrong").await.expect(401);
    }
    guess(&app, "ann", PASSWORD).await.expect(200);
    for _ in 0..4 {
        guess(&app, "ann", "wrong").await.expect(401);
    }
    // The right password in time resets the count.
    guess(&app, "ann", PASSWORD).await.expect(200);
    lock(&app, "ann").await;
}

#[actix_web::test]
async fn an_operator_sees_and_forgets_what_was_counted() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    lock(&app, "ann").await;
    let id = ann.id.parse().unwrap();
    let failures = app.accounts.failures_of(id).await.unwrap();
    assert_eq!(failures.len(), 1);
    assert_eq!((failures[0].counted_at.as_str(), failures[0].failures), ("account by name", 5));
    assert!(failures[0].blocked_until.is_some());
    assert!(app.accounts.unlock(id, &operator()).await.unwrap());
    assert!(!app.accounts.unlock(id, &operator()).await.unwrap());
    guess(&app, "ann", PASSWORD).await.expect(200);
    assert_eq!(app.accounts.failures_of(id).await.unwrap(), []);
    let _: Value = app.get("/api/me", &ann.access).await.expect(200).body;
}

#[actix_web::test]
async fn a_new_password_makes_every_device_unknown() {
    let app = spawn_app().await;
    let body = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    let thief = app.post("/api/register", body).await.expect(201).str("device_token");
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let token = app.mail.link_token("reset-password").await;
    app.post("/api/reset-password", json!({"token": token, "password": NEW_PASSWORD})).await.expect(204);
    lock(&app, "ann").await;
    let with = |token: &str| json!({"login": "ann", "password": NEW_PASSWORD, "device_token": token});
    app.post("/api/login", with(&thief)).await.expect(429);
    app.advance(Duration::from_secs(1));
    let owner = app.post("/api/login", with("")).await.expect(200).str("device_token");
    lock(&app, "ann").await;
    app.post("/api/login", with(&owner)).await.expect(200);
}

#[actix_web::test]
async fn many_known_devices_allow_no_more_guesses() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut checked = 0;
    for _ in 0..20 {
        let body = json!({"login": "ann", "password": PASSWORD});
        let token = app.post("/api/login", body).await.expect(200).str("device_token");
        for _ in 0..3 {
            let body = json!({"login": "ann", "password": "wrong", "device_token": token});
            checked += usize::from(app.post("/api/login", body).await.status == 401);
        }
    }
    assert_eq!(checked, 25, "over all devices");
}

#[actix_web::test]
async fn a_user_has_so_many_logins_and_the_oldest_is_revoked() {
    let app = spawn_app().await;
    let first = app.register("ann").await;
    app.advance(Duration::from_secs(1));
    for _ in 0..200 {
        app.login("ann").await;
    }
    app.get("/api/me", &first.access).await.expect(401);
    let newest = app.login("ann").await;
    let logins = app.get("/api/logins?limit=500", &newest.access).await.expect(200);
    assert_eq!(logins.body["logins"].as_array().unwrap().len(), 200);
}
