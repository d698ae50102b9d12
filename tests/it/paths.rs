//! Paths that browsers, crawlers and email programs ask for.

use actix_web::http::Method;
use serde_json::json;

use crate::support::app::{NEW_PASSWORD, PASSWORD, spawn_app, spawn_with};
use crate::support::browser::{ANN, Jar, get, post};
use crate::support::raw_http;

#[actix_web::test]
async fn what_browsers_and_crawlers_ask_for_by_themselves_is_there() {
    let app = spawn_with(&[("public_url", "http://example.org/id")]).await;
    for method in [Method::GET, Method::HEAD] {
        let change = app.call(method.clone(), "/.well-known/change-password", &[], None).await.expect(303);
        assert_eq!(change.header("location"), "/id/dashboard?change=password#security");
        let icon = app.call(method.clone(), "/favicon.ico", &[], None).await.expect(200);
        assert_eq!(icon.header("content-type"), "image/x-icon");
        let robots = app.call(method, "/robots.txt", &[], None).await.expect(200);
        assert_eq!(robots.header("content-type"), "text/plain; charset=utf-8");
    }
    let robots = app.get("/robots.txt", "").await.text;
    assert_eq!(robots, "User-agent: *\nAllow: /id/$\nDisallow: /id/\n");
    // A status code that is not 200, by which a password manager finds out whether the other one means anything.
    app.get("/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200", "")
        .await
        .expect(404);
    app.post("/favicon.ico", json!({})).await.expect(405);

    app.register("ann").await;
    let mut jar = Jar::default();
    post(app.address, ("example.org", "http://example.org"), "/login", &ANN, &mut jar).await;
    let page = get(app.address, "example.org", "/dashboard?change=password", &mut jar).await;
    let open = page.body.split(" name=\"setting\" open>").nth(1).expect("a form is open");
    assert!(open.contains("action=\"/id/dashboard/password\""), "{open}");
    assert_eq!(page.body.matches(" name=\"setting\" open>").count(), 1);
    let page = get(app.address, "example.org", "/dashboard?change=everything", &mut jar).await;
    assert!(!page.body.contains(" name=\"setting\" open>"));
}

#[actix_web::test]
async fn a_slash_too_many_leads_to_the_address_without() {
    let app = spawn_with(&[("public_url", "http://example.org/id")]).await;
    for (path, there) in [
        ("/login/", "/id/login"),
        ("/login//", "/id/login"),
        ("/dashboard/?devices=2&x=%2F", "/id/dashboard?devices=2&x=%2F"),
        ("/verify-email/abc/", "/id/verify-email/abc"),
        ("/api/me/", "/id/api/me"),
        ("/api/login/", "/id/api/login"),
        ("/api/logins/x/", "/id/api/logins/x"),
        ("/.well-known/jwks.json/", "/id/.well-known/jwks.json"),
        ("/healthz/", "/id/healthz"),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let host = ["host: example.org", "content-length: 0"];
            let answer = raw_http::request(app.address, &format!("{method} {path}"), &host, b"").await;
            assert_eq!((answer.status, answer.header("location")), (308, Some(there)), "{method} {path}");
        }
        for method in ["DELETE", "PATCH", "PUT"] {
            let host = ["host: example.org", "content-length: 0"];
            let answer = raw_http::request(app.address, &format!("{method} {path}"), &host, b"").await;
            assert_eq!((answer.status, answer.header("location")), (404, None), "{method} {path}");
        }
    }
    for path in [
        "//evil.example/",
        "//evil.example/login/",
        "/\\evil.example/",
        "///",
        "//login/",
        "/login//x/",
        "/nothing/",
        "/static/",
        "/login/%2f",
        "/%2f%2fevil.example/",
    ] {
        let answer =
            raw_http::request(app.address, &format!("GET {path}"), &["host: example.org"], b"").await;
        assert!(matches!(answer.status, 400 | 404), "{path} {answer:?}");
        assert_eq!(answer.header("location"), None, "{path}");
    }
    // Clients of a WebSocket follow no redirect.
    let handshake = [
        "host: example.org",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let answer = raw_http::request(app.address, "GET /ws/", &handshake, b"").await;
    assert_eq!(answer.header("location"), None, "{answer:?}");
    assert_ne!(answer.status, 404);
}

#[actix_web::test]
async fn a_link_with_something_behind_it_still_works() {
    const BEHIND: [&str; 14] =
        [".", ")", "%3E", ",", "=", "=3D", "%20", "%22", "%E2%80%9D", "%0D%0A", "%5D(", "*", "&quot;", "_"];
    let app = spawn_app().await;
    let ann = app.register_with_email("ann", "ann@example.org").await;
    let verify = app.mail.link_token("verify-email").await;
    app.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let reset = app.mail.link_token("reset-password").await;
    for behind in BEHIND {
        for link in [format!("/verify-email/{verify}{behind}"), format!("/reset-password/{reset}{behind}")] {
            let page =
                raw_http::request(app.address, &format!("GET {link}"), &["host: doorward.example"], b"")
                    .await;
            assert_eq!(page.status, 200, "{link}");
            assert!(page.body.contains("<form method=\"post\""), "{link}");
        }
    }
    let from = ("doorward.example", "http://doorward.example");
    let confirmed =
        post(app.address, from, &format!("/verify-email/{verify}%3E."), &[], &mut Jar::default()).await;
    assert_eq!(confirmed.status, 200);
    assert_eq!(app.get("/api/me", &ann.access).await.body["email_verified"], true);
    let token = format!("<{reset}>\r\n");
    app.post("/api/reset-password", json!({"token": token, "password": NEW_PASSWORD})).await.expect(204);
    for wrong in ["", ".", "<>", &reset[1..], &reset[..42], &format!("{reset}{reset}")[1..44]] {
        let body = json!({"token": wrong, "password": PASSWORD});
        assert_eq!(app.post("/api/reset-password", body).await.expect(400).code(), "invalid_link");
    }
}
