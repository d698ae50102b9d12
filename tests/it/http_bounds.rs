//! Bounds of HTTP requests, and the method HEAD.

use std::io::Write;

use actix_web::http::Method;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::app::{spawn_app, spawn_with};
use crate::support::raw_http;

#[actix_web::test]
async fn no_body_exceeds_its_bound() {
    let app = spawn_app().await;
    let json = ["host: doorward.example", "content-type: application/json"];
    let too_large = |answer: raw_http::Raw| {
        assert_eq!((answer.status, answer.header("content-type")), (413, Some("application/problem+json")));
        assert!(answer.body.contains("\"code\":\"too_large\""), "{answer:?}");
    };

    // 4 MiB in 4 kB.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..4 {
        gzip.write_all(&spaces).unwrap();
    }
    let bomb = gzip.finish().unwrap();
    assert!(bomb.len() < 16 * 1024, "the bound on what comes is no help: {}", bomb.len());
    let length = format!("content-length: {}", bomb.len());
    let headers = [json[0], json[1], "content-encoding: gzip", &length];
    too_large(raw_http::request(app.address, "POST /api/login", &headers, &bomb).await);
    // A body that is small after decompression is read.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(br#"{"login": "ann", "password": "wrong"}"#).unwrap();
    let small = gzip.finish().unwrap();
    let length = format!("content-length: {}", small.len());
    let headers = [json[0], json[1], "content-encoding: gzip", &length];
    assert_eq!(raw_http::request(app.address, "POST /api/login", &headers, &small).await.status, 401);

    // In pieces, so that no length was announced.
    let mut chunked = Vec::new();
    for _ in 0..17 {
        chunked.extend_from_slice(b"400\r\n");
        chunked.extend_from_slice(&[b' '; 1024]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let headers = [json[0], json[1], "transfer-encoding: chunked"];
    too_large(raw_http::request(app.address, "POST /api/login", &headers, &chunked).await);

    // Announced, and refused before it arrives.
    let headers = [json[0], json[1], "content-length: 16385"];
    too_large(raw_http::request(app.address, "POST /api/login", &headers, b"").await);
    app.get("/healthz", "").await.expect(200);
}

#[actix_web::test]
async fn no_head_exceeds_its_bound() {
    let app = spawn_app().await;
    let many: Vec<String> = (0..200).map(|i| format!("x-{i}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = raw_http::request(app.address, "GET /healthz", &many, b"").await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    // As long as the server's buffer, and no end in sight.
    let mut long = b"GET /healthz HTTP/1.1\r\nhost: doorward.example\r\nx: ".to_vec();
    long.resize(128 * 1024, b'x');
    let answer = raw_http::exchange(app.address, &long).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    app.get("/healthz", "").await.expect(200);
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let app = spawn_with(&[("mail.url", "preview"), ("public_url", "http://localhost")]).await;
    let ann = app.register("ann").await;
    let bearer = format!("authorization: Bearer {}", ann.access);
    let host = format!("host: {}", app.address);
    for path in [
        "/",
        "/healthz",
        "/readyz",
        "/.well-known/jwks.json",
        "/api/me",
        "/api/logins",
        "/api/sessions",
        "/login",
        "/dashboard",
        "/static/doorward.js",
        "/reset-password/x",
        "/verify-email/x",
        "/dev/mail",
        "/dev/mail/x",
        "/ws",
        "/nothing",
    ] {
        let headers = [host.as_str(), bearer.as_str()];
        let get = raw_http::request(app.address, &format!("GET {path}"), &headers, b"").await;
        let head = raw_http::request(app.address, &format!("HEAD {path}"), &headers, b"").await;
        assert_eq!(head.body, "", "{path}");
        let without_body = raw_http::Raw { body: String::new(), ..get.without_date_and_id() };
        assert_eq!(head.without_date_and_id(), without_body, "{path}");
    }
    for (path, allow) in [
        ("/healthz", "GET, HEAD"),
        ("/api/me", "GET, HEAD, PATCH, DELETE"),
        ("/api/logins", "GET, HEAD, DELETE"),
        ("/api/login", "POST"),
        ("/dev/mail", "GET, HEAD"),
        ("/ws", "GET, HEAD"),
        ("/login", "GET, HEAD, POST"),
        ("/static/doorward.js", "GET, HEAD"),
    ] {
        let answer = app.call(Method::PUT, path, &[], None).await;
        answer.assert_problem(405, "method_not_allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
}
