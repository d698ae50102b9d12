//! `sockets.allowed_origins`: what people write there, and what browsers send.

use crate::support::transports::LiveClient;
use std::time::Duration;

use actix_web::http::Method;

use crate::support::app::{TestApp, spawn_with};
use crate::support::config::Settings;
use crate::support::{logs, raw_http};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

const HANDSHAKE: [&str; 4] = [
    "host: doorward.example",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// Asserts how every transport that has origins answers a page of this one.
async fn check(app: &TestApp, origin: &str, allowed: bool) {
    let headers = [("origin", origin)];
    match app.open(&headers).await {
        Ok(live) if allowed => drop(live),
        Ok(mut live) => drop(live.ends(4403).await),
        Err(status) => panic!("{origin}: {status}"),
    }
    let expected = if allowed { 200 } else { 403 };
    let polling = app.call(Method::GET, POLLING, &headers, None).await.expect(expected);
    // As it was sent: a browser compares the two byte by byte.
    assert_eq!(polling.header("access-control-allow-origin"), if allowed { origin } else { "" });
    let preflight = app.call(Method::OPTIONS, POLLING, &headers, None).await;
    assert_eq!(preflight.status == 204, allowed, "{origin}");
    let websocket = format!("GET {}", POLLING.replace("polling", "websocket"));
    if !allowed {
        let origin = format!("origin: {origin}");
        let headers = [&HANDSHAKE[..], &[origin.as_str()]].concat();
        assert_eq!(raw_http::request(app.address, &websocket, &headers, b"").await.status, 403);
    }
}

async fn server(allowed: &str) -> TestApp {
    spawn_with(&[("sockets.allowed_origins", allowed), ("sockets.max_waiting_per_address", "1000")]).await
}

#[actix_web::test]
async fn an_origin_is_allowed_however_it_is_written() {
    for written in ["https://app.example.org", "https://App.Example.org:443/", "HTTPS://app.example.org."] {
        let app = server(written).await;
        for sent in [
            "https://app.example.org",
            "https://app.example.org/",
            "https://app.example.org:443",
            "https://APP.example.ORG",
            "https://app.example.org.",
        ] {
            check(&app, sent, true).await;
        }
        for sent in [
            "http://app.example.org",
            "https://app.example.org:8443",
            "https://example.org",
            "https://a.app.example.org",
            "https://app.example.org.evil.example",
            "https://app.example.org/path",
            "app.example.org",
            "null",
            "file://",
        ] {
            check(&app, sent, false).await;
        }
        check(&app, "HTTP://Doorward.Example:80/", true).await;
    }
    let app = server("https://bücher.example, capacitor://LOCALHOST").await;
    check(&app, "https://xn--bcher-kva.example", true).await;
    check(&app, "capacitor://localhost", true).await;
    check(&app, "ionic://localhost", false).await;
}

#[actix_web::test]
async fn null_and_files_are_allowed_if_they_are_named() {
    let app = server("null").await;
    check(&app, "null", true).await;
    check(&app, "file://", false).await;
    let app = server("file://").await;
    check(&app, "file://", true).await;
    check(&app, "null", false).await;
    let app = server("file:///, null, https://app.example.org").await;
    for origin in ["file://", "null", "https://app.example.org"] {
        check(&app, origin, true).await;
    }
    // Any sandboxed frame has this origin as well: it opens sockets, for which it needs a token, but its posts do not
    // count as the cookie's user.
    let headers = [("origin", "null"), ("cookie", "doorward=x")];
    app.call(Method::POST, "/api/token", &headers, None).await.expect(403);
}

#[actix_web::test]
async fn a_star_stands_for_one_label() {
    let app = server("https://*.example.org,http://*.localhost:5173").await;
    for origin in ["https://a.example.org", "https://B.example.org:443", "http://tenant.localhost:5173"] {
        check(&app, origin, true).await;
    }
    for origin in [
        "https://example.org",
        "https://a.b.example.org",
        "https://aexample.org",
        "https://.example.org",
        "http://a.example.org",
        "https://a.example.org.evil.example",
        "http://tenant.localhost",
    ] {
        check(&app, origin, false).await;
    }
}

#[test]
fn an_invalid_origin_is_refused_at_the_start_with_what_to_write() {
    for (written, hint) in [
        ("*", "name each origin"),
        ("app.example.org", "https://app.example.org"),
        ("https://app.example.org/app", "ends with its host or port: https://app.example.org"),
        ("https://app.example.org?x", "ends with its host or port"),
        ("https://app.example.org:*", "port"),
        ("https://*", "first label"),
        ("https://*.*.example.org", "first label"),
        ("https://*.com", "name more of the host"),
        ("wss://app.example.org", "https://app.example.org"),
        ("'https://app.example.org'", "quotes"),
        ("https://a.example https://b.example", "commas"),
        ("https://good.example,https://bad.example/x", "https://bad.example"),
        ("file:///home/ada/app.html", "file://"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = Settings::default()
            .with(&[("sockets.allowed_origins", written)])
            .command()
            .current_dir(dir.path())
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{written}: {error}");
        assert!(error.starts_with("doorward: sockets.allowed_origins cannot be "), "{error}");
        assert!(error.contains(hint) && error.lines().count() == 1, "{written}: {error}");
    }
}

#[actix_web::test]
async fn a_refused_origin_is_logged_once_a_minute_with_the_settings_name() {
    logs::capture();
    let app = server("https://app.example.org").await;
    let lines = || {
        logs::lines_with(&["https://logged-once.example", "sockets.allowed_origins", "public_url", "WARN"])
    };
    for _ in 0..3 {
        check(&app, "https://logged-once.example", false).await;
    }
    assert_eq!(lines().len(), 1, "{:?}", lines());
    app.advance(Duration::from_secs(59));
    check(&app, "https://logged-once.example", false).await;
    assert_eq!(lines().len(), 1);
    app.advance(Duration::from_secs(1));
    check(&app, "https://logged-once.example", false).await;
    assert_eq!(lines().len(), 2);
    check(&app, "https://app.example.org", true).await;

    // What a client makes up stays one line.
    let odd = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nhost: doorward.example\r\nconnection: close\r\n\
        origin: https://odd-one\t\x9b31m\xff.example\r\n\r\n";
    assert_eq!(raw_http::exchange(app.address, odd).await.status, 403);
    let odd = logs::lines_with(&["https://odd-one"]);
    assert_eq!(odd.len(), 1, "{odd:?}");
    assert!(odd[0].contains("\\\\t") && odd[0].is_ascii(), "{odd:?}");
}
