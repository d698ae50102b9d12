//! Accounts over HTTP, as a client sees them.

use std::collections::BTreeSet;

use actix_web::http::Method;
use actix_web::rt;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};

use crate::support::app::{Answer, PASSWORD, TestApp, claims, spawn_app, spawn_with};
use crate::support::callers::operator;
use crate::support::raw_http;
use crate::support::transports::LiveClient;

/// The names of an object's fields.
fn fields(object: &Value) -> Vec<&str> {
    let names: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.into_iter().collect()
}

#[track_caller]
fn assert_tokens(answer: &Answer) {
    answer.assert_guarded();
    let mut fields_of_sign_in = fields(&answer.body);
    fields_of_sign_in.retain(|field| *field != "device_token");
    assert_eq!(fields_of_sign_in, ["access_token", "expires_in", "refresh_token", "token_type", "user"]);
    let profile = ["claims", "display_name", "email", "email_verified", "id", "roles", "username"];
    assert_eq!(fields(&answer.body["user"]), profile);
    assert_eq!((&answer.body["token_type"], &answer.body["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(answer.header("pragma"), "no-cache");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[actix_web::test]
async fn a_user_registers_signs_in_refreshes_and_deletes_the_account() {
    let app = spawn_app().await;
    let body = json!({"username": "Ann", "password": PASSWORD, "email": "Ann@Example.org"});
    let registered = app.post("/api/register", body.clone()).await.expect(201);
    assert_tokens(&registered);
    let user = registered.body["user"].clone();
    assert_eq!((&user["username"], &user["display_name"]), (&json!("ann"), &json!("Ann")));
    assert_eq!(user["email_verified"], false);
    let said = claims(&registered.str("access_token"));
    assert_eq!(fields(&said), ["aud", "client_id", "exp", "iat", "iss", "jti", "sid", "sub", "username"]);
    assert_eq!((&said["iss"], &said["aud"]), (&json!("http://doorward.example"), &json!("doorward")));
    assert_eq!((&said["sub"], &said["username"]), (&user["id"], &json!("ann")));

    let login = json!({"login": "ANN", "password": PASSWORD});
    let signed_in = app.post("/api/login", login).await.expect(200);
    assert_tokens(&signed_in);
    assert_eq!(signed_in.body["user"], user);
    let refresh = json!({"refresh_token": signed_in.str("refresh_token")});
    let refreshed = app.post("/api/refresh", refresh.clone()).await.expect(200);
    assert_tokens(&refreshed);
    assert_ne!(refreshed.body["refresh_token"], refresh["refresh_token"]);
    let access = refreshed.str("access_token");
    assert_eq!(claims(&access)["sid"], claims(&signed_in.str("access_token"))["sid"]);

    let me = app.get("/api/me", &access).await.expect(200);
    me.assert_guarded();
    assert_eq!(me.body, user);
    let renamed = json!({"display_name": "Ann B."});
    let renamed = app.send(Method::PATCH, "/api/me", &access, renamed).await.expect(200);
    assert_eq!(renamed.body["display_name"], "Ann B.");

    let logins = app.get("/api/logins", &access).await.expect(200);
    logins.assert_guarded();
    let rows = logins.body["logins"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        let names = [
            "created_at",
            "current",
            "device",
            "device_client",
            "device_kind",
            "device_system",
            "expires_at",
            "id",
            "ip",
            "kind",
            "last_seen_at",
            "user_agent",
        ];
        assert_eq!(fields(row), names);
        assert_eq!((&row["ip"], &row["kind"]), (&json!("127.0.0.1"), &json!("token")));
        assert_eq!(row["current"], row["id"] == claims(&access)["sid"]);
    }
    let sessions = app.get("/api/sessions", &access).await.expect(200);
    sessions.assert_guarded();
    assert_eq!(sessions.body, json!({"sessions": [], "next": null}));

    let gone = app.send(Method::POST, "/api/logout", &access, Value::Null).await.expect(204);
    gone.assert_guarded();
    assert_eq!(gone.text, "");
    app.get("/api/me", &access).await.assert_problem(401, "token_revoked");
    app.get("/api/me", "").await.assert_problem(401, "unauthorized");
    let newest = json!({"refresh_token": refreshed.str("refresh_token")});
    app.post("/api/refresh", newest).await.assert_problem(401, "invalid_refresh_token");
    app.get("/api/me", &registered.str("access_token")).await.expect(200);
}

#[actix_web::test]
async fn only_a_username_can_be_taken() {
    let app = spawn_app().await;
    app.register_with_email("ann", "one@example.org").await;
    let token = app.mail.link_token("verify-email").await;
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    // The answer reveals neither a claimed address nor a verified one.
    for (name, email) in [("bob", "one@example.org"), ("eve", "ONE@example.org"), ("joe", "two@example.org")]
    {
        let person = app.register_with_email(name, email).await;
        let me = app.get("/api/me", &person.access).await;
        assert_eq!(me.body["email_verified"], false);
    }
    for name in ["ann", "ANN", "Bob"] {
        let body = json!({"username": name, "password": PASSWORD, "email": "new@example.org"});
        app.post("/api/register", body).await.assert_problem(409, "username_taken");
    }
}

/// A failed sign-in, byte by byte.
async fn failed_sign_in(app: &TestApp, login: &str, password: &str) -> raw_http::Raw {
    let body = json!({"login": login, "password": password});
    let answer = raw_http::post_json(app.address, "/api/login", &[], &body).await;
    assert_eq!(answer.status, 401, "{login}: {answer:?}");
    assert!(answer.header("x-request-id").is_some());
    answer.without_date_and_id()
}

#[actix_web::test]
async fn every_failed_sign_in_is_the_same_answer_to_the_byte() {
    let app = spawn_app().await;
    app.register_with_email("ann", "ann@example.org").await;
    let token = app.mail.link_token("verify-email").await;
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    app.register_with_email("claimer", "claimed@example.org").await;
    let disabled = app.register("gone").await;
    app.accounts.set_disabled(disabled.id.parse().unwrap(), true, &operator()).await.unwrap();

    let wrong = failed_sign_in(&app, "ann", "wrong").await;
    assert!(wrong.body.contains("invalid_credentials"));
    assert_eq!(wrong.header("content-type"), Some("application/problem+json"));
    assert_eq!(wrong.header("cache-control"), Some("no-store"));
    let long = "x".repeat(10_000);
    for (login, password) in [
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("gone", PASSWORD),
        ("claimed@example.org", PASSWORD),
        ("ann@example.org", "wrong"),
        ("ann", long.as_str()),
        (long.as_str(), PASSWORD),
        ("ann", ""),
        ("", PASSWORD),
        ("", ""),
        ("ann\0", PASSWORD),
        ("ann", "a\0b"),
    ] {
        assert_eq!(failed_sign_in(&app, login, password).await, wrong, "{login:.20} {password:.20}");
    }
    for login in ["ann", "ann@example.org"] {
        app.post("/api/login", json!({"login": login, "password": PASSWORD})).await.expect(200);
    }
}

#[actix_web::test]
async fn a_browser_signs_in_with_a_cookie() {
    for (public_url, name, secure) in
        [("http://doorward.example", "doorward", false), ("https://id.example", "__Host-doorward", true)]
    {
        let app = spawn_with(&[("public_url", public_url)]).await;
        app.register("ann").await;
        let login = json!({"login": "ann", "password": PASSWORD, "cookie": true});
        let headers = [("origin", public_url), ("sec-fetch-site", "same-origin")];
        let signed_in = app.call(Method::POST, "/api/login", &headers, Some(login)).await.expect(200);
        assert_eq!(fields(&signed_in.body), ["access_token", "expires_in", "token_type", "user"]);
        signed_in.assert_guarded();
        let set = signed_in.header("set-cookie");
        assert!(set.starts_with(&format!("{name}=")), "{set}");
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"] {
            assert!(set.contains(attribute), "{set}");
        }
        assert_eq!(set.contains("Secure"), secure, "{set}");
        assert!(!set.contains("Domain"), "{set}");

        let jar = signed_in.cookie(name);
        let headers = [("cookie", jar.as_str()), headers[0], headers[1]];
        let token = app.call(Method::POST, "/api/token", &headers, None).await.expect(200);
        token.assert_guarded();
        assert!(token.body.get("refresh_token").is_none());
        let access = token.str("access_token");
        app.get("/api/me", &access).await.expect(200);
        // The cookie alone opens nothing else.
        let me = app.call(Method::GET, "/api/me", &headers, None).await;
        me.assert_problem(401, "unauthorized");
        let out = app.call(Method::POST, "/api/logout", &headers, None).await.expect(204);
        assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
        app.get("/api/me", &access).await.assert_problem(401, "token_revoked");
        let again = app.call(Method::POST, "/api/token", &headers, None).await;
        again.assert_problem(401, "not_signed_in");
        assert!(again.header("set-cookie").contains("Max-Age=0"), "{again:?}");
    }
}

#[actix_web::test]
async fn another_sites_page_can_do_nothing_with_the_cookie() {
    let app = spawn_app().await;
    app.register("ann").await;
    let login = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let jar = app.post("/api/login", login.clone()).await.expect(200).cookie("doorward");
    let elsewhere = [
        ("origin", "https://evil.example"),
        ("origin", "http://doorward.example.evil.example"),
        ("origin", "https://doorward.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for header in elsewhere {
        let headers = [("cookie", jar.as_str()), header];
        for path in ["/api/token", "/api/logout"] {
            let refused = app.call(Method::POST, path, &headers, None).await;
            refused.assert_problem(403, "cross_site");
            assert!(!refused.headers.contains_key("set-cookie"), "{header:?}");
            assert!(!refused.headers.contains_key("access-control-allow-origin"), "{header:?}");
        }
        let refused = app.call(Method::POST, "/api/login", &[header], Some(login.clone())).await;
        refused.assert_problem(403, "cross_site");
        let register = json!({"username": "eve", "password": PASSWORD, "cookie": true});
        let refused = app.call(Method::POST, "/api/register", &[header], Some(register)).await;
        refused.assert_problem(403, "cross_site");
    }
    // A form of another site cannot say that it is JSON.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let body = login.to_string();
        let (kind, length) = (format!("content-type: {kind}"), format!("content-length: {}", body.len()));
        let headers = ["host: doorward.example", kind.as_str(), length.as_str()];
        let refused = raw_http::request(app.address, "POST /api/login", &headers, body.as_bytes()).await;
        assert_eq!(refused.status, 415);
    }
    app.call(Method::POST, "/api/token", &[("cookie", jar.as_str())], None).await.expect(200);
}

#[actix_web::test]
async fn full_hashing_threads_refuse_sign_ins_and_nothing_else() {
    // One thread at a real cost: each sign-in takes long, sixteen may wait.
    let app = spawn_with(&[("password.cost", "11"), ("password.workers", "1")]).await;
    let ann = app.register("ann").await;
    let address = app.address;
    let mut attempts: FuturesUnordered<_> = (0..48)
        .map(|number| {
            rt::spawn(async move {
                // Each at another name: one alone would be locked.
                let body = json!({"login": format!("name{number}"), "password": "wrong"});
                raw_http::post_json(address, "/api/login", &[], &body).await
            })
        })
        .collect();
    let mut wrong = 0;
    let refused = loop {
        let answer = attempts.next().await.expect("one is turned away").unwrap();
        if answer.status == 503 {
            break answer;
        }
        wrong += 1;
    };
    let retry = |answer: &raw_http::Raw| answer.header("retry-after").map(str::to_owned);
    assert_eq!(retry(&refused).as_deref(), Some("2"));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert!(refused.body.contains("\"code\":\"overloaded\""), "{refused:?}");

    // Meanwhile the probes, and clients that are signed in, are served.
    app.get("/healthz", "").await.expect(200);
    app.get("/readyz", "").await.expect(200);
    app.get("/api/me", &ann.access).await.expect(200);
    app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    app.live(&ann).await.ping().await;
    assert!(attempts.iter().any(|attempt| !attempt.is_finished()), "the storm lasts");

    while let Some(answer) = attempts.next().await {
        let answer = answer.unwrap();
        match answer.status {
            401 => wrong += 1,
            503 => assert_eq!(retry(&answer).as_deref(), Some("2")),
            other => panic!("{other}"),
        }
    }
    assert!((16..48).contains(&wrong), "who may wait is answered: {wrong}");
    // Afterwards sign-ins work again.
    app.login("ann").await;
}
