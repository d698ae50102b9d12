//! `web.allowed_origins`: pages of other origins use the JSON API with tokens, and no page uses another's cookie.

use std::collections::BTreeSet;

use actix_web::http::Method;
use serde_json::json;

use crate::support::app::{Answer, PASSWORD, TestApp, spawn_with};
use crate::support::config::Settings;
use crate::support::raw_http;
use crate::support::transports::LiveClient;

const APP: &str = "https://app.example.org";

/// What no page of the origin [`APP`] has, however similar it looks.
const OTHERS: [&str; 18] = [
    "null",
    "file://",
    "*",
    "http://app.example.org",
    "https://app.example.org:8443",
    "https://app.example.org:443",
    "https://app.example.org.",
    "https://app.example.org/",
    "https://APP.example.org",
    "HTTPS://app.example.org",
    "https://app.example.org.evil.test",
    "https://evil.test/https://app.example.org",
    "https://evilapp.example.org",
    "https://a.app.example.org",
    "https://example.org",
    "https://user@app.example.org",
    "https://app.example.org, https://evil.test",
    "app.example.org",
];

const BEARER_ROUTES: [(&str, &str); 12] = [
    ("POST", "/api/register"),
    ("POST", "/api/login"),
    ("POST", "/api/refresh"),
    ("POST", "/api/logout"),
    ("POST", "/api/forgot-password"),
    ("GET", "/api/me"),
    ("PATCH", "/api/me"),
    ("DELETE", "/api/me"),
    ("POST", "/api/me/password"),
    ("GET", "/api/logins"),
    ("DELETE", "/api/logins/01a21c91-9c8b-7000-8000-000000000000"),
    ("GET", "/api/sessions"),
];

async fn server() -> TestApp {
    spawn_with(&[("web.allowed_origins", "https://App.example.org:443/, http://localhost:5173")]).await
}

async fn preflight(app: &TestApp, path: &str, origin: &str, method: &str, headers: &str) -> Answer {
    let mut sent = vec![("origin", origin), ("access-control-request-method", method)];
    if !headers.is_empty() {
        sent.push(("access-control-request-headers", headers));
    }
    app.call(Method::OPTIONS, path, &sent, None).await
}

fn list(answer: &Answer, name: &str) -> BTreeSet<String> {
    answer.header(name).split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
}

/// Asserts that a page of this origin may read the answer, and that a cache keeps it from other pages.
#[track_caller]
fn assert_readable(answer: &Answer, origin: &str) {
    assert_eq!(answer.headers.get_all("access-control-allow-origin").count(), 1, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{answer:?}");
    let exposed = list(answer, "access-control-expose-headers");
    for name in ["retry-after", "ratelimit", "ratelimit-policy", "x-request-id", "etag"] {
        assert!(exposed.contains(name), "{name}: {answer:?}");
    }
    assert_varied(answer);
}

#[track_caller]
fn assert_varied(answer: &Answer) {
    assert!(list(answer, "vary").contains("origin"), "{answer:?}");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{answer:?}");
}

#[track_caller]
fn assert_unreadable(answer: &Answer) {
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "{answer:?}");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{answer:?}");
}

#[actix_web::test]
async fn a_preflight_of_an_allowed_page_is_answered_on_every_bearer_route() {
    let app = server().await;
    for (method, path) in BEARER_ROUTES {
        for origin in [APP, "http://localhost:5173"] {
            let answer =
                preflight(&app, path, origin, method, "authorization,content-type").await.expect(200);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert!(list(&answer, "access-control-allow-methods").contains(&method.to_ascii_lowercase()));
            let headers = list(&answer, "access-control-allow-headers");
            for name in ["authorization", "content-type", "if-match", "idempotency-key"] {
                assert!(headers.contains(name), "{name}: {answer:?}");
            }
            assert_eq!(answer.header("access-control-max-age"), "7200");
            assert_varied(&answer);
            assert_eq!(answer.text, "");
        }
    }
    for name in ["If-Match, Idempotency-Key", "AUTHORIZATION", ""] {
        preflight(&app, "/api/me", APP, "PATCH", name).await.expect(200);
    }
}

#[actix_web::test]
async fn an_allowed_page_reads_every_answer_errors_included() {
    let settings = [("web.allowed_origins", APP), ("limits.forgot_password", "1/1m")];
    let app = spawn_with(&settings).await;
    let origin = ("origin", APP);
    let ann = json!({"username": "ann", "password": PASSWORD});
    let registered = app.call(Method::POST, "/api/register", &[origin], Some(ann)).await.expect(201);
    assert_readable(&registered, APP);
    let bearer = format!("Bearer {}", registered.str("access_token"));
    let headers = [origin, ("authorization", bearer.as_str())];
    let large = json!({"login": "x".repeat(20_000)});
    for (method, path, headers, body, status) in [
        (Method::GET, "/api/me", &headers[..], None, 200),
        (Method::HEAD, "/api/me", &headers[..], None, 200),
        (Method::POST, "/api/logout", &headers[..1], None, 401),
        (Method::GET, "/api/me", &headers[..1], None, 401),
        (Method::GET, "/api/nothing", &headers[..], None, 404),
        (Method::DELETE, "/api/logins/nothing", &headers[..], None, 404),
        (Method::GET, "/api/login", &headers[..], None, 405),
        (Method::POST, "/api/login", &headers[..], Some(large), 413),
        (Method::POST, "/api/login", &headers[..], None, 415),
        (Method::POST, "/api/login", &headers[..], Some(json!({})), 422),
        (Method::POST, "/api/login/", &headers[..], Some(json!({})), 308),
        (Method::POST, "/api/forgot-password", &headers[..], Some(json!({"login": "ann"})), 202),
        (Method::POST, "/api/forgot-password", &headers[..], Some(json!({"login": "ann"})), 429),
    ] {
        let answer = app.call(method.clone(), path, headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {}", answer.text);
        assert_readable(&answer, APP);
        assert_eq!(answer.headers.contains_key("retry-after"), status == 429);
    }
}

#[actix_web::test]
async fn an_allowed_page_reads_that_the_server_is_busy() {
    // One thread at a real cost, for which sixteen may wait.
    let settings = [("web.allowed_origins", APP), ("password.cost", "11"), ("password.workers", "1")];
    let app = spawn_with(&settings).await;
    let attempts = (0..48).map(|number| {
        let body = json!({"login": format!("name{number}"), "password": "wrong"});
        app.call(Method::POST, "/api/login", &[("origin", APP)], Some(body))
    });
    let answers = futures_util::future::join_all(attempts).await;
    for answer in &answers {
        assert!(matches!(answer.status.as_u16(), 401 | 503), "{answer:?}");
        assert_readable(answer, APP);
    }
    let busy = answers.iter().filter(|answer| answer.code() == "overloaded");
    assert!(busy.filter(|answer| answer.header("retry-after") == "2").count() > 0);
}

#[actix_web::test]
async fn the_answer_varies_by_origin_without_one_too() {
    let app = server().await;
    for (method, path) in BEARER_ROUTES {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let answer = app.call(method, path, &[], None).await;
        assert_varied(&answer);
        assert_unreadable(&answer);
    }
}

#[actix_web::test]
async fn no_other_origin_reads_anything() {
    let app = server().await;
    let ann = app.register("ann").await;
    let bearer = format!("Bearer {}", ann.access);
    for origin in OTHERS {
        let answer = preflight(&app, "/api/me", origin, "GET", "authorization").await;
        answer.assert_problem(403, "origin_not_allowed");
        assert_unreadable(&answer);
        assert_varied(&answer);
        let headers = [("origin", origin), ("authorization", bearer.as_str())];
        let answer = app.call(Method::GET, "/api/me", &headers, None).await;
        assert_unreadable(&answer);
        assert_varied(&answer);
    }
    // Two at once, which no browser sends.
    for origins in [[APP, "https://evil.test"], ["https://evil.test", APP], [APP, APP]] {
        let lines = origins.map(|origin| format!("origin: {origin}"));
        let headers = ["host: doorward.example", &lines[0], &lines[1], &format!("authorization: {bearer}")];
        let answer = raw_http::request(app.address, "GET /api/me", &headers, b"").await;
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    }
}

#[actix_web::test]
async fn a_preflight_for_odd_methods_and_headers_is_refused() {
    let app = server().await;
    for method in ["PUT", "TRACE", "CONNECT", "OPTIONS", "get", "POST, GET", "*", "PROPFIND"] {
        let answer = preflight(&app, "/api/me", APP, method, "").await;
        if method == "POST, GET" {
            // Not the name of a method: no preflight at all.
            answer.assert_problem(405, "method_not_allowed");
            continue;
        }
        answer.assert_problem(403, "cross_origin_method");
        assert_unreadable(&answer);
        assert_varied(&answer);
    }
    for headers in ["cookie", "x-forwarded-for", "authorization, x-odd", "*", "a b", ","] {
        let answer = preflight(&app, "/api/me", APP, "GET", headers).await;
        answer.assert_problem(403, "cross_origin_header");
        assert_unreadable(&answer);
    }
    // An OPTIONS that asks for nothing.
    app.call(Method::OPTIONS, "/api/me", &[("origin", APP)], None)
        .await
        .assert_problem(405, "method_not_allowed");
}

#[actix_web::test]
async fn cookie_routes_and_pages_are_for_this_origin_alone() {
    let app = server().await;
    app.register("ann").await;
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let jar = app.post("/api/login", body.clone()).await.expect(200).cookie("doorward");

    for path in ["/api/token", "/api/%74oken"] {
        // As a browser without `Sec-Fetch-Site` would send it.
        let headers = [("origin", APP), ("cookie", jar.as_str())];
        let answer = app.call(Method::POST, path, &headers, None).await;
        // Readable, and without the token: the page may exchange an app's code here, without the cookie.
        answer.assert_problem(403, "cross_site");
        assert!(!answer.headers.contains_key("set-cookie"), "{answer:?}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{answer:?}");
    }
    // Neither does an allowed page get a cookie, nor sign a cookie's user out.
    let signed_in = app.call(Method::POST, "/api/login", &[("origin", APP)], Some(body)).await;
    assert_eq!((signed_in.status.as_u16(), signed_in.code()), (403, "cross_site"));
    assert!(!signed_in.headers.contains_key("set-cookie"));
    let headers = [("origin", APP), ("cookie", jar.as_str())];
    app.call(Method::POST, "/api/logout", &headers, None).await.assert_problem(403, "cross_site");
    app.call(Method::POST, "/api/token", &[("cookie", jar.as_str())], None).await.expect(200);

    for path in
        ["/", "/login", "/dashboard", "/logout", "/.well-known/change-password", "/healthz", "/dev/mail"]
    {
        for method in [Method::GET, Method::OPTIONS] {
            let headers =
                [("origin", APP), ("cookie", jar.as_str()), ("access-control-request-method", "GET")];
            assert_unreadable(&app.call(method, path, &headers, None).await);
        }
    }
}

#[actix_web::test]
async fn every_page_reads_the_public_keys() {
    for settings in [&[][..], &[("web.allowed_origins", APP)]] {
        let app = spawn_with(settings).await;
        let path = "/.well-known/jwks.json";
        for headers in [&[][..], &[("origin", "https://anyone.test")], &[("origin", "null")]] {
            for (method, status) in [(Method::GET, 200), (Method::HEAD, 200), (Method::POST, 405)] {
                let answer = app.call(method, path, headers, None).await.expect(status);
                assert_eq!(answer.header("access-control-allow-origin"), "*");
                assert!(!answer.headers.contains_key("access-control-allow-credentials"));
                assert!(!answer.headers.contains_key("vary"), "one answer for all pages");
            }
        }
        let answer = preflight(&app, path, "https://anyone.test", "GET", "x-anything").await.expect(204);
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert_eq!(answer.header("access-control-allow-headers"), "*");
        assert_eq!(answer.header("access-control-allow-methods"), "GET, HEAD");
    }
}

#[actix_web::test]
async fn without_allowed_origins_there_is_no_cors() {
    let app = spawn_with(&[]).await;
    for (method, path) in BEARER_ROUTES {
        let answer = preflight(&app, path, "http://doorward.example", method, "content-type").await;
        answer.assert_problem(405, "method_not_allowed");
        assert_unreadable(&answer);
        assert!(!answer.headers.contains_key("vary"));
    }
}

#[actix_web::test]
async fn sockets_are_for_the_same_origins_unless_they_have_a_list_of_their_own() {
    let opens = async |settings: &[(&str, &str)], origin: &str| {
        let app = spawn_with(settings).await;
        let ann = app.register("ann").await;
        let bearer = format!("Bearer {}", ann.access);
        let polling = "/socket.io/?EIO=4&transport=polling";
        let polled = app.call(Method::GET, polling, &[("origin", origin)], None).await;
        let mut live = app.open(&[("origin", origin), ("authorization", &bearer)]).await.unwrap();
        let open = live.next().await["type"] == "welcome";
        assert_eq!(polled.status == 200, open, "{origin}");
        open
    };
    let web = ("web.allowed_origins", APP);
    assert!(opens(&[web], APP).await);
    assert!(!opens(&[web], "https://evil.test").await);
    assert!(!opens(&[web], "http://app.example.org").await);
    let own = [web, ("sockets.allowed_origins", "https://*.sockets.example")];
    assert!(!opens(&own, APP).await);
    assert!(opens(&own, "https://a.sockets.example").await);
    assert!(!opens(&[web, ("sockets.allowed_origins", "")], APP).await);
}

#[test]
fn anything_but_exact_origins_is_refused_at_the_start() {
    for (written, hint) in [
        ("*", "name each origin"),
        ("https://*.example.org", "a star is for sockets only"),
        ("null", "any page can have the origin null"),
        ("file://", "any local file"),
        ("https://good.example,null", "null: any page"),
        ("app.example.org", "https://app.example.org"),
        ("https://app.example.org/app", "ends with its host or port: https://app.example.org"),
        ("wss://app.example.org", "https://app.example.org"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default().with(&[("web.allowed_origins", written)]);
        let output = settings.command().current_dir(dir.path()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{written}: {error}");
        assert!(error.starts_with("doorward: web.allowed_origins cannot be "), "{error}");
        assert!(error.contains(hint) && error.lines().count() == 1, "{written}: {error}");
    }
}
