//! Codes with which a sign-in returns to an app on another origin: exchanged once, by the page that asked, in time.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, authorization_codes, logins};
use serde_json::{Value, json};

use crate::support::app::{Answer, PASSWORD, TestApp, claims, post_form, spawn_with};
use crate::support::app_return::{
    APPS, CALLBACK, VERIFIER, asking, exchange, query, returned, sign_in, spawn, token,
};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

/// Asserts a refusal as RFC 6749 section 5.2 has it.
#[track_caller]
fn assert_refused(answer: &Answer, error: &str) {
    answer.assert_problem(400, error);
    assert_eq!(answer.body["error"], error, "{}", answer.text);
    assert!(answer.body["error_description"].is_string());
}

fn revoked_reason(app: &TestApp, login: &str) -> Option<String> {
    app.query(|conn| logins::table.find(login).select(logins::revoked_reason).first(conn))
}

/// A socket that is signed in with this token.
async fn live(app: &TestApp, access: &str) -> WebSocketClient {
    let mut socket = WebSocketClient::with_token(app, access).await;
    assert_eq!(socket.next().await["type"], "welcome");
    socket
}

#[actix_web::test]
async fn an_app_gets_tokens_of_a_login_of_its_own() {
    let app = spawn().await;
    app.register("ann").await;
    let (cookie, code) = sign_in(&app).await;
    assert_eq!(code.len(), 43, "256 bits");
    let stored: Vec<(String, String)> = app.query(|conn| {
        authorization_codes::table.select((authorization_codes::hash, authorization_codes::client)).load(conn)
    });
    assert_eq!(stored.len(), 1);
    assert!(stored[0].0 != code && stored[0].1 == "https://app.example.org", "{stored:?}");

    let answer = token(&app, exchange(&code)).await.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
    assert_eq!((answer.str("token_type").as_str(), &answer.body["expires_in"]), ("Bearer", &json!(900)));
    assert_eq!(answer.body["user"]["username"], "ann");
    let access = answer.str("access_token");
    app.get("/api/me", &access).await.expect(200);
    let refreshed = app.post("/api/refresh", json!({"refresh_token": answer.str("refresh_token")})).await;
    assert_eq!(claims(&refreshed.expect(200).str("access_token"))["sid"], claims(&access)["sid"]);
    let mut socket = live(&app, &access).await;

    let login = claims(&access)["sid"].as_str().unwrap().to_owned();
    let kind: String = app.query(|conn| logins::table.find(&login).select(logins::kind).first(conn));
    assert_eq!(kind, "token");
    let detail: Option<String> = app.query(|conn| {
        audit_events::table
            .filter(audit_events::action.eq("signed_in"))
            .filter(audit_events::login_id.eq(&login))
            .select(audit_events::detail)
            .first(conn)
    });
    assert_eq!(detail.as_deref(), Some("https://app.example.org"));

    // The browser and the app are two devices: signing out of one does not end the other.
    post_form(app.address, "/logout", &cookie, &[]).await.expect(303);
    app.get("/api/me", &access).await.expect(200);
    app.send(Method::POST, "/api/logout", &access, Value::Null).await.expect(204);
    socket.ends(4441).await;
}

#[actix_web::test]
async fn a_new_user_returns_to_the_app_as_well() {
    let app = spawn().await;
    let form = [("username", "bea"), ("password", PASSWORD)];
    let answer =
        post_form(app.address, &format!("/register{}", asking(CALLBACK)), "", &form).await.expect(303);
    assert_eq!(returned(&answer, "state"), "a b&c");
    // As a form, as OAuth's libraries send it.
    let fields = exchange(&returned(&answer, "code"));
    let fields: Vec<_> = fields
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let granted = post_form(app.address, "/api/token", "", &fields).await.expect(200);
    assert_eq!(granted.body["user"]["username"], "bea");
}

#[actix_web::test]
async fn a_code_that_is_used_twice_ends_what_it_gave() {
    let app = spawn().await;
    app.register("ann").await;
    let (cookie, code) = sign_in(&app).await;
    let granted = token(&app, exchange(&code)).await.expect(200);
    let access = granted.str("access_token");
    let login = claims(&access)["sid"].as_str().unwrap().to_owned();
    let mut socket = live(&app, &access).await;
    // A thief, who does not even know the verifier.
    let mut theft = exchange(&code);
    theft["code_verifier"] = "x".repeat(43).into();
    assert_refused(&token(&app, theft).await, "invalid_grant");
    socket.ends(4441).await;
    assert_eq!(app.get("/api/me", &access).await.expect(401).code(), "token_revoked");
    let refresh = json!({"refresh_token": granted.str("refresh_token")});
    app.post("/api/refresh", refresh).await.expect(401);
    assert_eq!(revoked_reason(&app, &login).as_deref(), Some("code_reuse"));
    // What it ended is recorded once, however often the code arrives.
    assert_refused(&token(&app, exchange(&code)).await, "invalid_grant");
    let events: i64 = app.query(|conn| {
        audit_events::table.filter(audit_events::action.eq("code_reused")).count().get_result(conn)
    });
    assert_eq!(events, 1);
    // The browser stays signed in.
    app.call(Method::GET, "/dashboard", &[("cookie", &cookie)], None).await.expect(200);
}

#[actix_web::test]
async fn of_many_requests_with_one_code_at_most_one_is_granted() {
    let app = spawn().await;
    app.register("ann").await;
    for _ in 0..5 {
        let (_, code) = sign_in(&app).await;
        let answers = futures_util::future::join_all((0..8).map(|_| token(&app, exchange(&code)))).await;
        let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((granted.len(), refused.len()), (1, 7));
        for answer in refused {
            assert_refused(answer, "invalid_grant");
        }
        let login = claims(&granted[0].str("access_token"))["sid"].as_str().unwrap().to_owned();
        assert_eq!(revoked_reason(&app, &login).as_deref(), Some("code_reuse"));
    }
}

#[actix_web::test]
async fn another_page_gets_nothing_and_spends_the_code() {
    let app = spawn().await;
    app.register("ann").await;
    for (field, value) in [
        ("code_verifier", VERIFIER.replace('d', "e")),
        ("redirect_uri", "https://app.example.org/callback".to_owned()),
        ("redirect_uri", "https://app.example.org/callback?tab=1#".to_owned()),
        ("redirect_uri", "https://APP.example.org/callback?tab=1".to_owned()),
        ("redirect_uri", "http://localhost:5173/".to_owned()),
        ("client_id", "http://localhost:5173".to_owned()),
        ("client_id", "https://app.example.org/".to_owned()),
    ] {
        let (_, code) = sign_in(&app).await;
        let mut other = exchange(&code);
        other[field] = value.clone().into();
        assert_refused(&token(&app, other).await, "invalid_grant");
        assert_refused(&token(&app, exchange(&code)).await, "invalid_grant");
        let made: i64 =
            app.query(|conn| logins::table.filter(logins::kind.eq("token")).count().get_result(conn));
        assert_eq!(made, 1, "only that of the registration: {field}={value}");
    }
}

#[actix_web::test]
async fn made_up_codes_lock_no_backend_out() {
    let app = spawn_with(&[("web.allowed_origins", APPS), ("limits.bad_tokens", "5/1m")]).await;
    app.register("ann").await;
    for number in 0..20 {
        assert_refused(&token(&app, exchange(&format!("made-up-{number}"))).await, "invalid_grant");
    }
    let (_, code) = sign_in(&app).await;
    let access = token(&app, exchange(&code)).await.expect(200).str("access_token");
    app.get("/api/me", &access).await.expect(200);
}

#[actix_web::test]
async fn a_code_is_good_for_a_minute_and_forgotten_after_an_hour() {
    let app = spawn().await;
    app.register("ann").await;
    let (_, code) = sign_in(&app).await;
    app.advance(Duration::from_secs(59));
    token(&app, exchange(&code)).await.expect(200);
    let (_, code) = sign_in(&app).await;
    app.advance(Duration::from_mins(1));
    assert_refused(&token(&app, exchange(&code)).await, "invalid_grant");
    let codes = || app.query(|conn| authorization_codes::table.count().get_result::<i64>(conn));
    app.accounts.purge().await.unwrap();
    assert_eq!(codes(), 2);
    app.advance(Duration::from_secs(3_700));
    app.accounts.purge().await.unwrap();
    assert_eq!(codes(), 0);
}

#[actix_web::test]
async fn a_code_dies_with_the_sign_in_that_it_came_from() {
    let app = spawn().await;
    let ann = app.register("ann").await;
    let (cookie, code) = sign_in(&app).await;
    post_form(app.address, "/logout", &cookie, &[]).await.expect(303);
    assert_refused(&token(&app, exchange(&code)).await, "invalid_grant");

    let (_, code) = sign_in(&app).await;
    app.send(Method::DELETE, "/api/logins", &ann.access, Value::Null).await;
    assert_refused(&token(&app, exchange(&code)).await, "invalid_grant");

    let (_, code) = sign_in(&app).await;
    let id = ann.id.parse().unwrap();
    app.accounts.set_disabled(id, true, &crate::support::callers::operator()).await.unwrap();
    assert_refused(&token(&app, exchange(&code)).await, "invalid_grant");
    app.accounts.set_disabled(id, false, &crate::support::callers::operator()).await.unwrap();

    sign_in(&app).await;
    let access = app.login("ann").await.access;
    app.send(Method::DELETE, "/api/me", &access, json!({"current_password": PASSWORD})).await.expect(204);
    let left: i64 = app.query(|conn| authorization_codes::table.count().get_result(conn));
    assert_eq!(left, 0, "deleted with the account");
}

#[actix_web::test]
async fn a_request_for_tokens_says_what_it_lacks() {
    let app = spawn().await;
    app.register("ann").await;
    let (_, code) = sign_in(&app).await;
    for (field, value, error) in [
        ("grant_type", Value::Null, "invalid_request"),
        ("grant_type", json!("password"), "unsupported_grant_type"),
        ("grant_type", json!("client_credentials"), "unsupported_grant_type"),
        ("grant_type", json!(7), "invalid_request"),
        ("code", Value::Null, "invalid_request"),
        ("code", json!(""), "invalid_request"),
        ("code", json!("never-issued"), "invalid_grant"),
        ("code_verifier", Value::Null, "invalid_request"),
        ("code_verifier", json!("short"), "invalid_request"),
        ("code_verifier", json!("ä".repeat(43)), "invalid_request"),
        ("code_verifier", json!("a".repeat(129)), "invalid_request"),
        ("redirect_uri", Value::Null, "invalid_request"),
    ] {
        let mut body = exchange(&code);
        body[field] = value.clone();
        let answer = token(&app, body).await;
        assert_refused(&answer, error);
        assert!(error != "invalid_request" || answer.text.contains(field) || value == 7, "{}", answer.text);
    }
    let twice = query(&[("grant_type", "authorization_code"), ("code", &code), ("code", &code)]);
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let raw = awc::Client::default().post(app.url("/api/token")).insert_header(form[0]);
    let answer = crate::support::app::read(raw.send_body(twice[1..].to_owned()).await.unwrap()).await;
    assert_refused(&answer, "invalid_request");
    // Nothing of this has spent the code.
    token(&app, exchange(&code)).await.expect(200);
}

#[actix_web::test]
async fn the_cookie_and_the_code_do_not_mix() {
    let app = spawn().await;
    app.register("ann").await;
    let (cookie, code) = sign_in(&app).await;
    let foreign = [
        ("cookie", cookie.as_str()),
        ("origin", "https://app.example.org"),
        ("sec-fetch-site", "cross-site"),
    ];
    for body in [None, Some(json!({}))] {
        let answer = app.call(Method::POST, "/api/token", &foreign, body).await;
        answer.assert_problem(403, "cross_site");
    }
    // A grant is its own authority: the cookie neither helps nor is given.
    let mut wrong = exchange(&code);
    wrong["code"] = "wrong".into();
    assert_refused(&app.call(Method::POST, "/api/token", &foreign, Some(wrong)).await, "invalid_grant");
    let answer = app.call(Method::POST, "/api/token", &foreign, Some(exchange(&code))).await.expect(200);
    assert!(!answer.headers.contains_key("set-cookie") && answer.body["refresh_token"].is_string());
    // Our own page goes on as before, with and without an empty body.
    let own = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    for body in [None, Some(json!({}))] {
        let answer = app.call(Method::POST, "/api/token", &own, body).await.expect(200);
        assert!(answer.body["refresh_token"].is_null() && answer.headers.contains_key("set-cookie"));
    }
}

#[actix_web::test]
async fn a_user_keeps_no_more_logins_than_the_setting_allows() {
    let settings = [("web.allowed_origins", crate::support::app_return::APPS), ("accounts.max_logins", "3")];
    let app = crate::support::app::spawn_with(&settings).await;
    app.register("ann").await;
    for _ in 0..4 {
        let (_, code) = sign_in(&app).await;
        app.advance(Duration::from_secs(1));
        token(&app, exchange(&code)).await.expect(200);
    }
    let active: i64 =
        app.query(|conn| logins::table.filter(logins::revoked_at.is_null()).count().get_result(conn));
    assert_eq!(active, 3);
}
