//! Limits by client address: one budget for all routes that do the same, the answers of the refused, and whose
//! address it is.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, spawn_with};
use crate::support::limits::Carries::{Json, Nothing};
use crate::support::limits::{Call, PROXY, form, is_refused, shares};

#[actix_web::test]
async fn passwords_share_one_budget_wherever_they_are_tried() {
    let app = spawn_with(&[PROXY, ("limits.sign_in", "3/1m")]).await;
    let ann = app.register("ann").await;
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let cookie = app.post("/api/login", body).await.expect(200).header("set-cookie").to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let bearer = format!("Bearer {}", ann.access);
    let wrong = "not the password";
    // Most are refused for another reason before a password is checked, as an account and a login have limits as well.
    let (login, change) =
        (json!({"login": "ann"}), json!({"current_password": wrong, "new_password": "short"}));
    let email = json!({"email": "no address", "current_password": wrong});
    let delete = json!({"current_password": wrong});
    let twins = [
        Call::post("/api/login", Json(login)),
        Call::post("/login", form(&[("login", "ann"), ("password", wrong)])),
        Call::post("/api/me/password", Json(change)).with("authorization", &bearer),
        Call::post("/api/me/email", Json(email)).with("authorization", &bearer),
        Call::new(Method::DELETE, "/api/me", Json(delete)).with("authorization", &bearer),
        Call::post("/dashboard/password", form(&[("new_password", "short")])).with("cookie", cookie),
        Call::post("/dashboard/email", form(&[("email", "no address")])).with("cookie", cookie),
        Call::post("/dashboard/delete", form(&[("current_password", wrong)])).with("cookie", cookie),
    ];
    shares(&app, "sign-in", 3, 60, &twins).await;
}

#[actix_web::test]
async fn other_costly_routes_before_a_sign_in_have_a_budget_too() {
    let app = spawn_with(&[
        PROXY,
        ("limits.register", "2/1m"),
        ("limits.forgot_password", "2/3m"),
        ("limits.links", "4/1m"),
        ("limits.refresh", "3/1m"),
        ("limits.password_strength", "2/1m"),
    ])
    .await;
    let weak = [("username", "bob"), ("password", "password")];
    let json_of = |fields: &[(&str, &str)]| {
        Json(fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect())
    };
    let twins = [Call::post("/api/register", json_of(&weak)), Call::post("/register", form(&weak))];
    shares(&app, "register", 2, 60, &twins).await;

    let login = [("login", "nobody")];
    let twins =
        [Call::post("/api/forgot-password", json_of(&login)), Call::post("/forgot-password", form(&login))];
    shares(&app, "forgot-password", 2, 180, &twins).await;

    let (path, token) = ("no-such-link", ("token", "no-such-link"));
    let twins = [
        Call::post("/api/verify-email", json_of(&[token])),
        Call::post("/api/reset-password", json_of(&[token, ("password", PASSWORD)])),
        Call::get(&format!("/verify-email/{path}")).with("accept", "text/html"),
        Call::post(&format!("/verify-email/{path}"), form(&[])).with("accept", "text/html"),
        Call::get(&format!("/reset-password/{path}")),
        Call::post(&format!("/reset-password/{path}"), form(&[("password", PASSWORD)])),
    ];
    shares(&app, "links", 4, 60, &twins).await;
    let head = Call::new(Method::HEAD, &format!("/verify-email/{path}"), Nothing);
    let statuses = [400, 400, 400, 400, 429];
    for status in statuses {
        assert_eq!(head.from(&app, "192.0.2.1").await.status, status);
    }

    let twins = [
        Call::post("/api/refresh", json_of(&[("refresh_token", "none")])),
        Call::post("/api/token", Nothing).with("cookie", "doorward=none"),
    ];
    shares(&app, "refresh", 3, 60, &twins).await;

    let twins = [Call::post("/api/password-strength", json_of(&[("password", "password")]))];
    shares(&app, "password-strength", 2, 60, &twins).await;
}

#[actix_web::test]
async fn tokens_and_cookies_count_when_they_are_refused() {
    let app = spawn_with(&[PROXY, ("limits.bad_tokens", "3/1m")]).await;
    let bad = "Bearer eyJhbGciOiJFZERTQSJ9.e30.AAAA";
    let cookie = "doorward=none";
    let twins = [
        Call::get("/api/me").with("authorization", bad),
        Call::get("/api/sessions").with("authorization", bad),
        Call::new(Method::DELETE, "/api/logins", Nothing).with("authorization", bad),
        Call::post("/api/logout", Nothing).with("authorization", bad),
        Call::post("/api/logout", Nothing).with("cookie", cookie),
        Call::get("/").with("cookie", cookie),
        Call::get("/login").with("cookie", cookie),
        Call::get("/register").with("cookie", cookie),
        Call::get("/logout").with("cookie", cookie),
        Call::post("/logout", form(&[])).with("cookie", cookie),
        Call::get("/dashboard").with("cookie", cookie),
        Call::post("/dashboard/sign-out-others", form(&[])).with("cookie", cookie),
        Call::post("/api/refresh", Json(json!({"refresh_token": "none"}))),
        Call::post("/api/token", Nothing).with("cookie", cookie),
    ];
    shares(&app, "bad-tokens", 3, 60, &twins).await;

    // Good ones are not counted, and go on where others of the network bring bad ones.
    let ann = app.register("ann").await;
    let good = Call::get("/api/me").with("authorization", &format!("Bearer {}", ann.access));
    for _ in 0..5 {
        let answer = good.from(&app, "192.0.2.9").await.expect(200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
    for _ in 0..5 {
        twins[0].from(&app, "192.0.2.9").await;
    }
    is_refused(&twins[0].from(&app, "192.0.2.9").await, "bad-tokens");
    good.from(&app, "192.0.2.9").await.expect(200);
    // A token that this server has issued costs no check, whether it was presented before or not.
    let fresh =
        Call::get("/api/me").with("authorization", &format!("Bearer {}", app.login("ann").await.access));
    fresh.from(&app, "192.0.2.9").await.expect(200);
    // A balancer asks as often as it likes.
    for _ in 0..5 {
        Call::get("/readyz").from(&app, "192.0.2.9").await.expect(200);
    }
}

#[actix_web::test]
async fn a_page_comes_back_with_what_was_typed_and_how_long_to_wait() {
    let app = spawn_with(&[
        ("limits.sign_in", "1/1m"),
        ("limits.register", "1/1m"),
        ("limits.forgot_password", "1/1m"),
    ])
    .await;
    let pages = [
        ("/login", vec![("login", "typed-name"), ("password", "typed-secret")], "sign-in"),
        (
            "/register",
            vec![
                ("username", "typed-name"),
                ("email", "typed-name@example.org"),
                ("password", "typed-secret"),
            ],
            "register",
        ),
        ("/forgot-password", vec![("login", "typed-name")], "forgot-password"),
    ];
    for (path, fields, policy) in pages {
        let call = Call::post(path, form(&fields));
        assert_ne!(call.send(&app).await.status, 429);
        let answer = call.send(&app).await;
        assert_eq!(is_refused(&answer, policy), 60);
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
        assert!(
            answer.text.contains("value=\"typed-name\"") && answer.text.contains("<form"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("typed-secret"));
        // The page itself is no attempt.
        Call::get(path).send(&app).await.expect(200);
    }
}

#[actix_web::test]
async fn a_request_is_refused_before_its_body_is_read() {
    let app = spawn_with(&[("limits.sign_in", "1/1m")]).await;
    app.post("/api/login", json!({})).await.expect(422);
    let head = ["host: x", "content-type: application/json", "content-length: 1000"];
    // The body never comes.
    let answer = crate::support::raw_http::request(app.address, "POST /api/login", &head, b"").await;
    assert_eq!(answer.status, 429, "{answer:?}");
}

#[actix_web::test]
async fn bad_tokens_of_others_prevent_no_refresh_no_page_and_no_sign_out() {
    let app = spawn_with(&[PROXY, ("limits.bad_tokens", "3/1m"), ("limits.refresh", "6/1m")]).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let (first, second) = (browser_cookie(&app, "ann").await, browser_cookie(&app, "ann").await);
    app.send(Method::POST, "/api/logout", &bob.access, Value::Null).await.expect(204);
    let office = "192.0.2.9";

    let page = |cookie: &str| Call::get("/dashboard").with("cookie", cookie);
    let token = |cookie: &str| Call::post("/api/token", Nothing).with("cookie", cookie);
    let refresh = |token: &str| Call::post("/api/refresh", Json(json!({"refresh_token": token})));
    let logout = |cookie: &str| Call::post("/api/logout", Nothing).with("cookie", cookie);
    let leave = |cookie: &str| Call::post("/logout", form(&[])).with("cookie", cookie);
    for _ in 0..3 {
        page("doorward=none").from(&app, office).await.expect(303);
    }
    let (untagged, forged) =
        (&first[..first.len() - 22], format!("{}{}", &first[..first.len() - 22], "A".repeat(22)));
    for made_up in ["doorward=none", untagged, &forged] {
        for call in [page, token, logout, leave] {
            is_refused(&call(made_up).from(&app, office).await, "bad-tokens");
        }
    }
    is_refused(&refresh(&format!("{}A", ann.refresh)).from(&app, office).await, "bad-tokens");

    page(&first).from(&app, office).await.expect(200);
    token(&first).from(&app, office).await.expect(200);
    refresh(&ann.refresh).from(&app, office).await.expect(200);
    logout(&first).from(&app, office).await.expect(204);
    leave(&second).from(&app, office).await.expect(303);
    for gone in [&first, &second] {
        token(gone).from(&app, "198.51.100.1").await.expect(401);
        // They are checked and refused.
        page(gone).from(&app, office).await.expect(303);
        logout(gone).from(&app, office).await.expect(204);
    }
    token(&first).from(&app, office).await.expect(401);
    // Those that cost more than a read do so within a limit.
    for _ in 0..2 {
        refresh(&bob.refresh).from(&app, office).await.expect(401);
    }
    is_refused(&refresh(&bob.refresh).from(&app, office).await, "refresh");
}

async fn browser_cookie(app: &TestApp, login: &str) -> String {
    let body = json!({"login": login, "password": PASSWORD, "cookie": true});
    let answer = app.post("/api/login", body).await.expect(200);
    let mut cookies = answer.headers.get_all("set-cookie").map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.find(|cookie| cookie.starts_with("doorward=")).unwrap();
    cookie.split(';').next().unwrap().to_owned()
}
