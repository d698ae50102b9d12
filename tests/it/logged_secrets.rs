//! No secret leaves the process by its logs, whatever they are set to.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{logins, one_time_tokens, signing_keys, users};
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, call, post_form};
use crate::support::process::Process;
use crate::support::raw_http;
use crate::support::room_tokens::Backend;
use crate::support::smtp::SmtpCatcher;
use crate::support::tcp::TcpClient;
use crate::support::time::{now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::{WebSocketClient, open_at};

const WRONG_PASSWORD: &str = "hunter2-was-never-right";
const MISPLACED: &str = "misplaced-sesame-street";
const MAIL_PASSWORD: &str = "smtp-p4ssw0rd";

/// What must not be seen, and what it is.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, text: impl Into<String>) -> String {
        let text = text.into();
        assert!(text.len() >= 10, "{what} could be anything: {text}");
        self.0.push((what, text.clone()));
        // A part of it counts as well, unless it is an id.
        for part in text.split(['.', '_']).filter(|part| part.len() >= 40) {
            self.0.push((what, part.to_owned()));
        }
        text
    }

    fn assert_unseen(&self, output: &str) {
        for (what, text) in &self.0 {
            let line = output.lines().find(|line| line.contains(text.as_str()));
            assert!(line.is_none(), "{what} in: {}", line.unwrap_or_default());
        }
    }
}

async fn open(process: &Process, headers: &[(&str, &str)]) -> WebSocketClient {
    open_at(process.address, headers).await.unwrap()
}

/// Every secret that rows hold.
fn stored(process: &Process, secrets: &mut Secrets) {
    let conn = &mut process.database().connect().unwrap();
    let hashes: Vec<String> = users::table.select(users::password_hash).load(conn).unwrap();
    let refresh: Vec<Option<String>> = logins::table.select(logins::refresh_hash).load(conn).unwrap();
    let links: Vec<String> = one_time_tokens::table.select(one_time_tokens::hash).load(conn).unwrap();
    let keys: Vec<String> = signing_keys::table.select(signing_keys::key).load(conn).unwrap();
    assert!(!hashes.is_empty() && !refresh.is_empty() && !links.is_empty() && keys.len() == 3);
    for (what, texts) in [
        ("a password hash", hashes),
        ("a refresh token's hash", refresh.into_iter().flatten().collect()),
        ("a link's hash", links),
        ("a key", keys),
    ] {
        for text in texts {
            secrets.add(what, text);
        }
    }
}

/// Uses every feature as users do, mistakes included.
async fn tour(process: &Process, mail: &SmtpCatcher, backend: &Backend) -> Secrets {
    let mut secrets = Secrets::default();
    for (what, text) in [
        ("a password", PASSWORD),
        ("a new password", NEW_PASSWORD),
        ("a wrong password", WRONG_PASSWORD),
        ("a misplaced password", MISPLACED),
    ] {
        secrets.add(what, text);
    }
    let register = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    let registered = process.post("/api/register", register.clone()).await.expect(201);
    let access = secrets.add("an access token", registered.str("access_token"));
    let refresh = secrets.add("a refresh token", registered.str("refresh_token"));
    process.post("/api/register", register).await.expect(409);

    mistakes(process, &access).await;

    // Tokens, fresh and used, in right places and wrong ones.
    let refreshed = process.post("/api/refresh", json!({"refresh_token": refresh})).await.expect(200);
    let access = {
        secrets.add("a refresh token", refreshed.str("refresh_token"));
        secrets.add("an access token", refreshed.str("access_token"))
    };
    process.post("/api/refresh", json!({"refresh_token": access})).await.expect(401);
    process.call(Method::GET, "/api/me", &access, Value::Null).await.expect(200);
    process.call(Method::GET, &format!("/api/logins/{access}"), &access, Value::Null).await;
    process.call(Method::DELETE, &format!("/api/logins/{access}"), &access, Value::Null).await.expect(404);
    process
        .call(Method::DELETE, &format!("/api/logins?except={access}"), &access, Value::Null)
        .await
        .expect(400);
    process.call(Method::GET, "/api/me", &format!("{access}x"), Value::Null).await.expect(401);

    browser(process, &mut secrets).await;
    pages(process, &mut secrets).await;
    live(process, &access).await;
    rooms(process, &access, backend, &mut secrets).await;
    prompts(process, "ann", PASSWORD, &access).await;

    links(process, mail, &mut secrets).await;
    process.call(Method::GET, "/api/me", &access, Value::Null).await.expect(401);

    // And the end: an old refresh token comes back.
    let login = json!({"login": "ann", "password": NEW_PASSWORD});
    let last = process.post("/api/login", login).await.expect(200);
    let access = secrets.add("an access token", last.str("access_token"));
    let mut used = secrets.add("a refresh token", last.str("refresh_token"));
    for _ in 0..2 {
        let next = process.post("/api/refresh", json!({"refresh_token": used})).await.expect(200);
        used = secrets.add("a refresh token", next.str("refresh_token"));
    }
    process.post("/api/refresh", json!({"refresh_token": last.str("refresh_token")})).await.expect(401);
    process.call(Method::GET, "/api/me", &access, Value::Null).await.expect(401);
    mail.wait_for(3).await;
    stored(process, &mut secrets);
    secrets
}

/// A password in every wrong place.
async fn mistakes(process: &Process, access: &str) {
    for body in [
        json!({"login": "ann", "password": WRONG_PASSWORD}),
        json!({"login": MISPLACED, "password": WRONG_PASSWORD}),
        json!({"login": MISPLACED, "password": [MISPLACED]}),
        json!({"login": {"password": MISPLACED}, "password": MISPLACED}),
        json!({"login": "ann", "password": WRONG_PASSWORD, "cookie": MISPLACED}),
        json!({MISPLACED: MISPLACED}),
        json!([MISPLACED]),
        json!(MISPLACED),
    ] {
        let answer = process.post("/api/login", body).await;
        assert!(answer.status.is_client_error());
    }
    for body in [
        json!({"username": MISPLACED, "password": "ann"}),
        json!({"username": format!("{MISPLACED} "), "email": MISPLACED, "password": PASSWORD}),
        json!({"username": "bob", "email": MISPLACED, "password": PASSWORD}),
    ] {
        assert!(process.post("/api/register", body).await.status.is_client_error());
    }
    let malformed = format!("{{\"login\": \"ann\", \"password\": \"{MISPLACED}\", }} {MISPLACED}");
    let length = format!("content-length: {}", malformed.len());
    let headers = ["host: localhost", "content-type: application/json", length.as_str()];
    for path in ["/api/login", "/api/register", "/api/reset-password", "/api/me"] {
        let line = format!("POST {path}");
        let answer = raw_http::request(process.address, &line, &headers, malformed.as_bytes()).await;
        assert!((400..500).contains(&answer.status));
    }
    let headers =
        ["host: localhost", "content-length: nonsense", "authorization: Basic misplaced-sesame-street"];
    raw_http::request(process.address, "POST /api/login", &headers, b"").await;
    let line = format!("GET /{MISPLACED}?password={MISPLACED}&token={access}");
    assert_eq!(raw_http::request(process.address, &line, &["host: localhost"], b"").await.status, 404);
    let line = format!("{} /healthz", MISPLACED.to_uppercase());
    raw_http::request(process.address, &line, &["host: localhost"], b"").await;
}

async fn browser(process: &Process, secrets: &mut Secrets) {
    let login = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let signed_in = process.post("/api/login", login).await.expect(200);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    secrets.add("a cookie", cookie.split_once('=').unwrap().1);
    for (headers, status) in [
        (vec![("cookie", cookie.as_str())], 200),
        (vec![("cookie", cookie.as_str()), ("origin", "http://evil.example")], 403),
        (vec![("cookie", "doorward=misplaced-sesame-street")], 401),
    ] {
        let token = call(process.address, Method::POST, "/api/token", &headers, None).await.expect(status);
        if status == 200 {
            secrets.add("a browser's access token", token.str("access_token"));
        }
    }
}

/// What people type into the forms of pages, right and wrong.
async fn pages(process: &Process, secrets: &mut Secrets) {
    let post = async |path: &str, cookie: &str, fields: &[(&str, &str)]| {
        post_form(process.address, path, cookie, fields).await
    };
    let entered = post("/register", "", &[("username", "eve"), ("password", PASSWORD)]).await.expect(303);
    let cookie = entered.header("set-cookie").split(';').next().unwrap().to_owned();
    secrets.add("a cookie", cookie.split_once('=').unwrap().1);
    for (path, fields, status) in [
        ("/register", [("username", MISPLACED), ("password", "eve")], 422),
        ("/register", [("username", "eve"), ("password", NEW_PASSWORD)], 409),
        ("/register", [("username", "eve"), ("password", PASSWORD)], 303),
        ("/login", [("login", "eve"), ("password", WRONG_PASSWORD)], 401),
        ("/login", [("login", MISPLACED), (MISPLACED, MISPLACED)], 401),
        ("/forgot-password", [("login", MISPLACED), ("password", MISPLACED)], 200),
    ] {
        post(path, "", &fields).await.expect(status);
    }
    for (form, status) in [("password", 403), ("email", 422), ("delete", 403)] {
        let fields =
            [("current_password", WRONG_PASSWORD), ("new_password", NEW_PASSWORD), ("email", MISPLACED)];
        post(&format!("/dashboard/{form}"), &cookie, &fields).await.expect(status);
    }
    post("/dashboard/sign-out", &cookie, &[("login", MISPLACED)]).await.expect(404);
    let right = [("current_password", PASSWORD), ("new_password", NEW_PASSWORD)];
    post("/dashboard/password", &cookie, &right).await.expect(303);
    process
        .post("/api/password-strength", json!({"password": MISPLACED, "username": "eve"}))
        .await
        .expect(200);
    call(process.address, Method::GET, "/dashboard", &[("cookie", &cookie)], None).await.expect(200);
    post("/logout", &cookie, &[]).await.expect(303);
}

async fn links(process: &Process, mail: &SmtpCatcher, secrets: &mut Secrets) {
    let verify = secrets.add("a link", mail.link_token("verify-email").await);
    process.post("/api/forgot-password", json!({"login": MISPLACED})).await.expect(202);
    process.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let reset = secrets.add("a link", mail.link_token("reset-password").await);
    for (page, token) in [("verify-email", &verify), ("reset-password", &reset)] {
        for method in [Method::GET, Method::HEAD] {
            process.call(method, &format!("/{page}/{token}"), "", Value::Null).await.expect(200);
        }
        process.call(Method::POST, &format!("/{page}/{token}"), "", Value::Null).await.expect(415);
        let weak = [("password", MISPLACED), ("token", token.as_str())];
        let answer = post_form(process.address, &format!("/{page}/{token}x"), "", &weak).await;
        assert_eq!(answer.status, 400);
        process.call(Method::GET, &format!("/{page}/{token}/more"), "", Value::Null).await.expect(404);
    }
    process.post("/api/verify-email", json!({"token": reset})).await.expect(400);
    process.post("/api/verify-email", json!({"token": verify})).await.expect(204);
    let weak = json!({"token": reset, "password": "ann@example.org"});
    process.post("/api/reset-password", weak).await.expect(422);
    stored(process, secrets);
    let body = json!({"token": reset, "password": NEW_PASSWORD});
    process.post("/api/reset-password", body.clone()).await.expect(204);
    process.post("/api/reset-password", body).await.expect(400);
}

async fn live(process: &Process, access: &str) {
    let bearer = format!("Bearer {access}");
    let mut header = open(process, &[("authorization", &bearer)]).await;
    assert_eq!(header.next().await["type"], "welcome");
    let told = header.ask(json!({"type": "secret"})).await;
    assert_eq!(told["type"], "secret");
    header.ask(json!({"type": "auth", "token": access})).await;
    assert_eq!(header.ask(json!({"type": MISPLACED, "password": MISPLACED})).await["type"], "error");
    header.send(json!({"type": "auth", "token": format!("{access}x")})).await;
    header.ended().await;
    let offer = format!("doorward.v1, bearer.{access}");
    assert_eq!(open(process, &[("sec-websocket-protocol", &offer)]).await.next().await["type"], "welcome");
    let offer = format!("doorward.v1, bearer.{access}x");
    open(process, &[("sec-websocket-protocol", &offer)]).await.ends(4401).await;
    assert_eq!(open_at(process.address, &[("authorization", &format!("{bearer}x"))]).await.err(), Some(401));
    let mut first = open(process, &[]).await;
    assert_eq!(first.ask(json!({"type": "auth", "token": access})).await["type"], "welcome");
    for message in [json!({"type": "auth", "token": format!("{access}x")}), json!({"password": MISPLACED})] {
        let mut pending = open(process, &[]).await;
        pending.send(message).await;
        pending.ends(4401).await;
    }
    let mut broken = open(process, &[("authorization", &bearer)]).await;
    assert_eq!(broken.next().await["type"], "welcome");
    let text = format!("{{\"type\": \"auth\", \"token\": \"{access}\", {MISPLACED}");
    broken.send_raw(tokio_tungstenite::tungstenite::Message::Text(text.into())).await;
    broken.ended().await;
    for path in [format!("/ws?token={access}"), format!("/ws?access_token={access}&{MISPLACED}")] {
        process.call(Method::GET, &path, "", Value::Null).await.expect(426);
        let line = format!("GET {path}");
        let headers = [
            "host: localhost",
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 99",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        assert_eq!(raw_http::request(process.address, &line, &headers, b"").await.status, 426);
    }
}

/// At the TCP prompts, with every mistake that types a secret in the wrong place.
/// Room tokens that are good, that are not, and that are where they do not belong.
async fn rooms(process: &Process, access: &str, backend: &Backend, secrets: &mut Secrets) {
    let me = process.call(Method::GET, "/api/me", access, Value::Null).await.expect(200);
    let now = doorward::Clock::System.now().and_utc().timestamp();
    let claims = json!({"sub": me.str("id"), "room": "order:7", "iat": now, "exp": now + 600});
    let token = secrets.add("a room token", backend.sign(&claims));
    let mut live = open(process, &[("authorization", &format!("Bearer {access}"))]).await;
    assert_eq!(live.next().await["type"], "welcome");
    for (token, kind) in [(token.clone(), "joined"), (format!("{token}x"), "error")] {
        let reply = live.ask(json!({"type": "join", "room": "order:7", "token": token})).await;
        assert_eq!(reply["type"], kind, "{reply}");
    }
    assert_eq!(live.ask(json!({"type": "join", "room": token})).await["type"], "error");
    process.call(Method::GET, "/api/me", &token, Value::Null).await.expect(401);
}

async fn prompts(process: &Process, username: &str, password: &str, access: &str) {
    for (name, word) in [(username, WRONG_PASSWORD), (MISPLACED, WRONG_PASSWORD), (password, password)] {
        let mut line = TcpClient::connect(process.tcp).await;
        line.sign_in(name, word, "\n").await;
        assert_eq!(line.rest().await, "Login failed\n");
    }
    for token in [format!("{access}x"), MISPLACED.to_owned()] {
        let mut line = TcpClient::connect(process.tcp).await;
        line.expect("Username: ").await;
        line.present(&token).await;
        line.ends(4401).await;
    }
    let mut by_token = TcpClient::connect(process.tcp).await;
    by_token.expect("Username: ").await;
    by_token.present(access).await;
    let mut by_password = TcpClient::connect(process.tcp).await;
    by_password.sign_in(username, password, "").await;
    for mut line in [by_token, by_password] {
        assert_eq!(line.next().await["type"], "welcome");
        assert_eq!(line.ask(json!({"type": MISPLACED, "password": MISPLACED})).await["type"], "error");
        line.say(format!("Bearer {access}\n")).await;
        line.ends(4400).await;
    }
}

async fn assert_silent(format: &str) {
    let mail = SmtpCatcher::start();
    let mail_url = mail.url();
    let backend = Backend::new();
    let keys = backend.file();
    let settings = [
        ("log.level", "trace"),
        ("RUST_LOG", "trace"),
        ("log.format", format),
        ("mail.url", mail_url.as_str()),
        ("rooms.order.join", "token"),
        ("rooms.token_jwks", keys.as_str()),
    ];
    let mut process = Process::start(&settings).await;
    let secrets = tour(&process, &mail, &backend).await;
    process.terminate();
    let status = tokio::time::timeout(Duration::from_secs(20), process.ended()).await.unwrap();
    let output = process.output();
    assert_eq!(status.code(), Some(0), "{output}");
    // The log is not empty: it has requests, sessions, and the reuse.
    for words in [
        "/api/login",
        "/reset-password/{token}",
        "/dashboard/password",
        "/ws",
        "a refresh token was reused",
        "stopped",
    ] {
        assert!(output.contains(words), "no {words} in {output}");
    }
    if format == "json" {
        let lines = output.lines().skip_while(|line| !line.starts_with('{'));
        assert!(
            lines
                .filter(|line| line.starts_with('{'))
                .all(|line| serde_json::from_str::<Value>(line).is_ok())
        );
    }
    secrets.assert_unseen(&output);
}

#[actix_web::test]
async fn text_logs_hold_no_secret() {
    assert_silent("text").await;
}

#[actix_web::test]
async fn json_logs_hold_no_secret() {
    assert_silent("json").await;
}

#[actix_web::test]
async fn the_password_of_a_mail_server_is_in_no_log() {
    // It offers no way to sign in, so that each attempt fails and says so.
    let mail = SmtpCatcher::start();
    let url = mail.url().replace("smtp://", &format!("smtp://doorward:{MAIL_PASSWORD}@"));
    let settings = [("log.level", "trace"), ("RUST_LOG", "trace"), ("mail.url", url.as_str())];
    let mut process = Process::start(&settings).await;
    let register = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    process.post("/api/register", register).await.expect(201);
    let deadline = now() + crate::support::time::PATIENCE;
    while !process.output().contains("email not sent") {
        assert!(now() < deadline, "{}", process.output());
        pause().await;
    }
    process.terminate();
    process.ended().await;
    assert!(!process.output().contains(MAIL_PASSWORD), "{}", process.output());
}
