//! The emails that users get, and what their links do.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::Clock;
use doorward::internals::clock::Timestamp;
use doorward::internals::schema::{address_links, one_time_tokens, outbox};
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::raw_http;
use crate::support::smtp::{Caught, SmtpCatcher};
use crate::support::time::{PATIENCE, now, pause};

/// The emails with this subject, once there are `n`.
async fn with_subject(app: &TestApp, subject: &str, n: usize) -> Vec<Caught> {
    let deadline = now() + PATIENCE;
    loop {
        let mut mails = app.mail.caught();
        mails.retain(|mail| mail.subject == subject);
        if mails.len() >= n {
            for mail in &mails {
                let names = [&mail.text, &mail.html]
                    .map(|part| part.contains("account ann") || part.contains("<bdi>ann</bdi>"));
                // An address that is not verified is not told the name.
                assert_eq!(names, [!subject.starts_with("Confirm"); 2], "both parts: {mail:#?}");
                for link in mail.links() {
                    assert!(link.starts_with("http://doorward.example"), "{link}");
                    assert!(mail.html.contains(&link), "{link} in {}", mail.html);
                }
            }
            return mails;
        }
        assert!(now() < deadline, "{} of {n} {subject:?} came", mails.len());
        pause().await;
    }
}

async fn mail(app: &TestApp, subject: &str) -> Caught {
    with_subject(app, subject, 1).await.remove(0)
}

#[actix_web::test]
async fn each_email_goes_to_the_account_it_is_about() {
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    let verify = mail(&app, "Confirm your email for doorward.example").await;
    assert_eq!(verify.to, ["ann@example.org"]);
    let link = json!({"token": verify.token("verify-email")});
    app.post("/api/verify-email", link.clone()).await.expect(204);
    assert_eq!(app.get("/api/me", &ann.access).await.body["email_verified"], true);
    assert_eq!(app.post("/api/verify-email", link).await.expect(400).code(), "invalid_link");

    let change = json!({"email": "new@example.org", "current_password": PASSWORD});
    app.send(Method::POST, "/api/me/email", &ann.access, change).await.expect(202);
    let verify = with_subject(&app, "Confirm your email for doorward.example", 2).await.remove(1);
    assert_eq!(verify.to, ["new@example.org"]);
    app.post("/api/verify-email", json!({"token": verify.token("verify-email")})).await.expect(204);
    let changed = mail(&app, "Your doorward.example email was changed").await;
    assert_eq!(changed.to, ["ann@example.org"], "the one who loses it must hear of it");

    app.post("/api/forgot-password", json!({"login": "new@example.org"})).await.expect(202);
    let reset = mail(&app, "Reset your doorward.example password").await;
    assert_eq!(reset.to, ["new@example.org"]);
    let body = json!({"token": reset.token("reset-password"), "password": NEW_PASSWORD});
    app.post("/api/reset-password", body).await.expect(204);
    let notice = mail(&app, "Your doorward.example password was changed").await;
    assert_eq!(notice.to, ["new@example.org"]);
    app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(401);
    let back = app.post("/api/login", json!({"login": "ann", "password": NEW_PASSWORD})).await.expect(200);

    let change = json!({"current_password": NEW_PASSWORD, "new_password": PASSWORD});
    app.send(Method::POST, "/api/me/password", &back.str("access_token"), change).await.expect(204);
    let mails = app.mail.wait_for(6).await;
    let notices: Vec<&Caught> = mails.iter().filter(|mail| mail.subject == notice.subject).collect();
    assert_eq!((notices.len(), mails.len()), (2, 6));
    assert_eq!(notices[1].to, ["new@example.org"]);
}

#[actix_web::test]
async fn of_two_racing_uses_of_a_link_one_succeeds() {
    let app = spawn_app().await;
    app.register_holder("ann", "ann@example.org").await;
    for round in 0..5 {
        app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
        let mails = with_subject(&app, "Reset your doorward.example password", round + 1).await;
        let token = mails[round].token("reset-password");
        let body = |n: u32| json!({"token": token, "password": format!("{NEW_PASSWORD} {n}")});
        let (first, second) = futures_util::join!(
            app.post("/api/reset-password", body(1)),
            app.post("/api/reset-password", body(2)),
        );
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        let (won, lost) = if statuses[0] == 204 { (1, second) } else { (2, first) };
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 400]);
        assert_eq!(lost.code(), "invalid_link");
        for n in [1, 2] {
            let login = json!({"login": "ann", "password": format!("{NEW_PASSWORD} {n}")});
            app.post("/api/login", login).await.expect(if n == won { 200 } else { 401 });
        }
        // Past the pause between two emails of a kind.
        app.advance(Duration::from_mins(10));
    }
}

#[actix_web::test]
async fn a_hostile_host_header_never_reaches_an_email() {
    let app = spawn_app().await;
    let hostile = [
        "host: evil.example",
        "x-forwarded-host: evil.example",
        "x-forwarded-proto: evil",
        "x-forwarded-server: evil.example",
        "x-host: evil.example",
        "forwarded: for=1.2.3.4;host=evil.example;proto=evil",
        "origin: http://evil.example",
        "referer: http://evil.example/",
    ];
    let register = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    assert_eq!(raw_http::post_json(app.address, "/api/register", &hostile, &register).await.status, 201);
    let forgot = json!({"login": "ann"});
    assert_eq!(raw_http::post_json(app.address, "/api/forgot-password", &hostile, &forgot).await.status, 202);
    // The whole address in the request's first line, as proxies are asked.
    let body = json!({"username": "bob", "password": PASSWORD, "email": "bob@example.org"});
    let answer = raw_http::post_json(app.address, "http://evil.example/api/register", &hostile, &body).await;
    assert!(answer.status == 201 || answer.status >= 400, "{answer:?}");
    let expected = if answer.status == 201 { 3 } else { 2 };
    for mail in app.mail.wait_for(expected).await {
        assert!(!mail.raw.contains("evil"), "{}", mail.raw);
        assert!(mail.links().iter().all(|link| link.starts_with("http://doorward.example/")), "{mail:#?}");
    }
}

#[actix_web::test]
async fn looking_at_a_link_changes_nothing() {
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let verify = app.mail.link_token("verify-email").await;
    let reset = app.mail.link_token("reset-password").await;
    let rows = |app: &TestApp| -> Vec<(String, Option<Timestamp>)> {
        app.query(|conn| {
            let columns = (one_time_tokens::hash, one_time_tokens::used_at);
            let mut rows: Vec<(String, Option<Timestamp>)> =
                one_time_tokens::table.order(one_time_tokens::hash).select(columns).load(conn)?;
            rows.extend(address_links::table.select((address_links::hash, address_links::used_at)).load::<(
                String,
                Option<Timestamp>,
            )>(
                conn
            )?);
            Ok(rows)
        })
    };
    let before = rows(&app);
    assert_eq!(before.len(), 2);
    assert!(before.iter().all(|(hash, used)| *hash != verify && *hash != reset && used.is_none()));
    for path in [format!("/verify-email/{verify}"), format!("/reset-password/{reset}")] {
        for method in [Method::GET, Method::HEAD, Method::GET] {
            let answer = app.call(method, &path, &[], None).await.expect(200);
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.header("referrer-policy"), "no-referrer");
            assert!(!answer.text.contains(&verify) && !answer.text.contains(&reset));
        }
        app.call(Method::POST, &path, &[], None).await.expect(415);
    }
    assert_eq!(rows(&app), before);
    assert_eq!(app.get("/api/me", &ann.access).await.body["email_verified"], false);
    app.post("/api/verify-email", json!({"token": verify})).await.expect(204);
    app.post("/api/reset-password", json!({"token": reset, "password": NEW_PASSWORD})).await.expect(204);
}

#[actix_web::test]
async fn an_unreachable_mail_server_fails_no_request_and_gets_its_emails_later() {
    let away = SmtpCatcher::reserve();
    let app = spawn_with(&[("mail.url", away.url().as_str())]).await;
    app.register_with_email("ann", "ann@example.org").await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    // Both were tried, in vain, and wait for their next attempt.
    let next = Clock::Manual(app.clock.clone()).now() + chrono::TimeDelta::seconds(5);
    let deadline = now() + PATIENCE;
    loop {
        let columns = (outbox::attempts, outbox::next_attempt_at, outbox::sent_at);
        let rows: Vec<(i32, Timestamp, Option<Timestamp>)> =
            app.query(|conn| outbox::table.select(columns).load(conn));
        if rows == [(1, next, None); 2] {
            break;
        }
        assert!(now() < deadline, "{rows:?}");
        pause().await;
    }
    let back = away.start();
    app.advance(Duration::from_secs(5));
    back.wait_for(2).await;
    let token = back.link_token("reset-password").await;
    let reset = json!({"token": token, "password": NEW_PASSWORD});
    app.post("/api/reset-password", reset).await.expect(204);
}

#[actix_web::test]
async fn a_mail_server_that_does_not_answer_delays_no_request() {
    let app = spawn_app().await;
    app.mail.set_stalled(true);
    // More than there are conversations at a time.
    for i in 0..8 {
        app.register_with_email(&format!("ann{i}"), &format!("ann{i}@example.org")).await;
        app.post("/api/forgot-password", json!({"login": format!("ann{i}")})).await.expect(202);
    }
    app.mail.wait_for_attempts(4).await;
    app.get("/readyz", "").await.expect(200);
    assert_eq!(app.mail.caught().len(), 0);
    app.mail.set_stalled(false);
    app.mail.wait_for(16).await;
}

#[actix_web::test]
async fn kept_emails_are_private_and_shown_on_this_machine_only() {
    let app = spawn_with(&[("mail.url", "preview"), ("mail.allow_preview", "true")]).await;
    app.register_with_email("ann", "ann@example.org").await;
    let deadline = now() + PATIENCE;
    let listed = loop {
        let listed = app.get("/dev/mail", "").await.expect(200);
        assert_eq!(listed.header("cache-control"), "no-store");
        if listed.body.as_array().is_some_and(|mails| !mails.is_empty()) {
            break listed.body;
        }
        assert!(now() < deadline, "no mail was kept");
        pause().await;
    };
    assert_eq!((&listed[0]["to"], listed.as_array().unwrap().len()), (&json!("ann@example.org"), 1));
    let link = listed[0]["links"][0].as_str().unwrap();
    let token = link.strip_prefix("http://doorward.example/verify-email/").unwrap();
    let one = format!("/dev/mail/{}", listed[0]["id"].as_str().unwrap());
    assert!(app.get(&one, "").await.expect(200).text.contains("To: "));

    let directory = app.data.path().join("data/mail");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&directory), mode(&app.data.path().join("data"))), (0o700, 0o700));
    let files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(mode(&files[0]), 0o600);

    for path in ["/dev/mail", one.as_str()] {
        for header in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("via", "1.1 proxy"),
        ] {
            let refused = app.call(Method::GET, path, &[header], None).await.expect(404);
            assert!(!refused.text.contains(token));
        }
        let refused =
            raw_http::request(app.address, &format!("GET {path}"), &["host: evil.example"], b"").await;
        assert_eq!(refused.status, 404);
    }
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    // With a mail server there is no such page.
    let app = spawn_app().await;
    assert_eq!(app.get("/dev/mail", "").await.expect(404).body["code"], Value::from("not_found"));
}
