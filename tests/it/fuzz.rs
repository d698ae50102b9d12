//! Ten thousand requests and as many frames, random and mutated, against the running server: each ends in an
//! answer under 500 or a documented close, and nothing stays behind.

use std::net::SocketAddr;

use proptest::test_runner::{RngAlgorithm, TestRng};
use rand::RngExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::{PASSWORD, Person, post_form, spawn_app};
use crate::support::fuzz::{mutate, nothing_stays_behind};
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

const REQUESTS: usize = 10_000;
const FRAMES: usize = 10_000;
const LINES: usize = 10_000;
const FRAMES_A_SOCKET: usize = 10;
const AT_ONCE: u8 = 8;

/// The close codes of docs/PROTOCOL.md that bad input can lead to.
const DOCUMENTED: [u16; 6] = [1002, 1007, 1009, 4400, 4401, 4441];

fn value(rng: &mut TestRng, person: &Person) -> serde_json::Value {
    match rng.random_range(0..12) {
        0 => json!(null),
        1 => json!(rng.random::<i64>()),
        2 => json!([]),
        3 => json!({"a": [1, {}]}),
        4 => json!("x".repeat(rng.random_range(0..600))),
        5 => json!("ann"),
        6 => json!(person.refresh),
        7 => json!(person.access),
        8 => json!("ann@example.org"),
        9 => json!(true),
        10 => {
            let mut bytes = vec![0; rng.random_range(0..40)];
            rng.fill(bytes.as_mut_slice());
            json!(String::from_utf8_lossy(&bytes))
        }
        _ => json!(PASSWORD),
    }
}

fn request(rng: &mut TestRng, person: &Person, cookie: &str) -> Vec<u8> {
    const ROUTES: [(&str, &str, &[&str]); 39] = [
        ("POST", "/api/register", &["username", "password", "email", "cookie"]),
        ("POST", "/api/login", &["login", "password", "cookie"]),
        ("POST", "/api/refresh", &["refresh_token"]),
        ("POST", "/api/token", &[]),
        ("POST", "/api/logout", &[]),
        ("GET", "/api/logins", &[]),
        ("DELETE", "/api/logins/00000000-0000-0000-0000-000000000000", &[]),
        ("DELETE", "/api/logins?except=current", &[]),
        ("POST", "/api/forgot-password", &["login"]),
        ("POST", "/api/reset-password", &["token", "password"]),
        ("POST", "/api/verify-email", &["token"]),
        ("GET", "/api/me", &[]),
        ("PATCH", "/api/me", &["display_name"]),
        ("DELETE", "/api/me", &["current_password"]),
        ("POST", "/api/me/password", &["current_password", "new_password"]),
        ("POST", "/api/me/email", &["email", "current_password"]),
        ("GET", "/api/sessions", &[]),
        ("GET", "/.well-known/jwks.json", &[]),
        ("GET", "/healthz", &[]),
        ("GET", "/reset-password/x", &[]),
        ("POST", "/reset-password/x", &["password"]),
        ("POST", "/verify-email/x", &[]),
        ("POST", "/register", &["username", "email", "password"]),
        ("POST", "/login", &["login", "password"]),
        ("POST", "/logout", &[]),
        ("POST", "/forgot-password", &["login"]),
        ("GET", "/dashboard?done=x", &[]),
        ("POST", "/dashboard/profile", &["display_name"]),
        ("POST", "/dashboard/password", &["current_password", "new_password"]),
        ("POST", "/dashboard/email", &["email", "current_password"]),
        ("POST", "/dashboard/email/resend", &[]),
        ("POST", "/dashboard/email/cancel", &[]),
        ("POST", "/dashboard/delete", &["current_password"]),
        ("POST", "/dashboard/sign-out", &["login"]),
        ("POST", "/api/password-strength", &["password", "username", "email"]),
        ("GET", "/static/x/doorward.js", &[]),
        ("GET", "/static/%2e%2e", &[]),
        ("GET", "/dev/mail/x", &[]),
        ("GET", "/ws", &[]),
    ];
    let (method, path, fields) = ROUTES[rng.random_range(0..ROUTES.len())];
    let body = if fields.is_empty() {
        String::new()
    } else {
        let mut object = serde_json::Map::new();
        for field in fields {
            if rng.random_range(0..8) > 0 {
                object.insert((*field).to_owned(), value(rng, person));
            }
        }
        serde_json::Value::Object(object).to_string()
    };
    // A page's form, by the same names.
    let is_form = !path.starts_with("/api/");
    let body = if is_form { to_form(&body) } else { body };
    let kind = if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
    let mut body = body.into_bytes();
    if !body.is_empty() && rng.random_bool(0.3) {
        mutate(rng, &mut body);
    }
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n\
         Accept: text/html\r\nAuthorization: Bearer {}\r\nCookie: {}\r\nX-Forwarded-For: 1.2.3.4, x\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: doorward.v1, bearer.x\r\n\
         Content-Length: {}\r\n\r\n",
        person.access,
        if rng.random_bool(0.8) { cookie.to_owned() } else { format!("doorward=dwb_{}_x", person.login) },
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body);
    if rng.random_bool(0.5) {
        mutate(rng, &mut bytes);
    }
    bytes
}

/// The same fields as a form has them.
fn to_form(json: &str) -> String {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in &fields {
        form.append_pair(name, value.as_str().unwrap_or(&value.to_string()));
    }
    form.finish()
}

/// Sends bytes and reads to the end.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    let exchange = async {
        // The server may answer and close before it has read everything.
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let _ = socket.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .unwrap_or_else(|_| panic!("hangs: {}", bytes.escape_ascii()));
    answer
}

#[actix_web::test]
async fn any_request_has_an_answer() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut people = Vec::new();
    for _ in 0..16 {
        people.push(app.login("ann").await);
    }
    let mut cookies = Vec::new();
    for _ in 0..32 {
        let fields = [("login", "ann"), ("password", PASSWORD)];
        let entered = post_form(app.address, "/login", "", &fields).await.expect(303);
        cookies.push(entered.header("set-cookie").split(';').next().unwrap().to_owned());
    }
    let run = async |seed: u8| {
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        for _ in 0..REQUESTS / usize::from(AT_ONCE) {
            let person = &people[rng.random_range(0..people.len())];
            let cookie = &cookies[rng.random_range(0..cookies.len())];
            let bytes = request(&mut rng, person, cookie);
            let answer = String::from_utf8_lossy(&exchange(app.address, &bytes).await).into_owned();
            for line in answer.lines().filter(|line| line.starts_with("HTTP/1.")) {
                let status: u16 = line[9..12].parse().unwrap();
                assert!(status < 500, "{status} to {}\n{answer}", String::from_utf8_lossy(&bytes));
            }
        }
    };
    futures_util::future::join_all((0..AT_ONCE).map(run)).await;
    // Ann may be gone by now: one of them knew the password.
    app.register("zoe").await;
    app.get("/readyz", "").await.expect(200);
}

/// What a client may say on a live session, or nearly.
fn message(rng: &mut TestRng) -> Vec<u8> {
    let texts = [
        r#"{"type":"ping","id":1}"#,
        r#"{"type":"secret","id":"x"}"#,
        r#"{"type":"sessions"}"#,
        r#"{"type":"watch_sessions"}"#,
        r#"{"type":"auth","token":"x"}"#,
        r#"{"type":"join","room":"r"}"#,
        "",
    ];
    let mut payload = texts[rng.random_range(0..texts.len())].as_bytes().to_vec();
    if rng.random_bool(0.4) {
        mutate(rng, &mut payload);
    }
    payload
}

fn frame(rng: &mut TestRng) -> Vec<u8> {
    let payload = message(rng);
    // Mostly whole texts; sometimes any opcode, with any flags.
    let first = if rng.random_bool(0.7) { 0x81 } else { rng.random() };
    let mut bytes = vec![first];
    if payload.len() < 126 {
        bytes.push(0x80 | u8::try_from(payload.len()).unwrap());
    } else {
        bytes.push(0x80 | 0x7e);
        bytes.extend_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&payload);
    if rng.random_bool(0.1) {
        mutate(rng, &mut bytes);
    }
    bytes
}

/// The goodbyes in what a server sent on a WebSocket.
fn goodbyes(mut bytes: &[u8]) -> Vec<u16> {
    let mut codes = Vec::new();
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP head");
    bytes = &bytes[head + 4..];
    while bytes.len() >= 2 {
        let (length, skip) = match bytes[1] {
            126 if bytes.len() >= 4 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            short if short < 126 => (usize::from(short), 2),
            other => panic!("a server frame of length byte {other}"),
        };
        let Some(payload) = bytes.get(skip..skip + length) else { break };
        if bytes[0] == 0x81 {
            let message: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
            if message["type"] == "goodbye" {
                codes.push(u16::try_from(message["code"].as_u64().unwrap()).unwrap());
            }
        }
        bytes = &bytes[skip + length..];
    }
    codes
}

#[actix_web::test]
async fn any_frame_is_answered_or_closed_on() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let run = async |seed: u8| {
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        for _ in 0..FRAMES / FRAMES_A_SOCKET / usize::from(AT_ONCE) {
            let authorization = if rng.random_bool(0.8) {
                format!("Authorization: Bearer {}\r\n", ann.access)
            } else {
                String::new()
            };
            let mut bytes = format!(
                "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                 {authorization}\r\n"
            )
            .into_bytes();
            for _ in 0..FRAMES_A_SOCKET {
                bytes.extend_from_slice(&frame(&mut rng));
            }
            let answer = exchange(app.address, &bytes).await;
            let codes = goodbyes(&answer);
            assert!(codes.len() <= 1, "one goodbye: {codes:?}");
            for code in codes {
                assert!(DOCUMENTED.contains(&code), "closed with {code}");
            }
        }
    };
    futures_util::future::join_all((100..100 + AT_ONCE).map(run)).await;
    nothing_stays_behind(&app, &ann).await;
    app.live(&ann).await.ping().await;
}

#[actix_web::test]
async fn any_line_is_answered_or_closed_on() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let run = async |seed: u8| {
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        for _ in 0..LINES / FRAMES_A_SOCKET / usize::from(AT_ONCE) {
            let mut bytes = match rng.random_range(0..10) {
                0 => format!("ann\n{PASSWORD}\r\n"),
                1 => "ann\r\nwrong\n".to_owned(),
                _ => format!("Bearer {}\n", ann.access),
            }
            .into_bytes();
            if rng.random_bool(0.2) {
                mutate(&mut rng, &mut bytes);
            }
            for _ in 0..FRAMES_A_SOCKET {
                bytes.extend(message(&mut rng));
                bytes.extend_from_slice(if rng.random_bool(0.9) { b"\n" } else { b"\r\n" });
            }
            let answer = String::from_utf8(exchange(app.tcp, &bytes).await).expect("text");
            assert!(answer.starts_with("Username: "), "{answer}");
            let goodbyes: Vec<&str> = answer.lines().filter(|line| line.contains("\"goodbye\"")).collect();
            assert!(goodbyes.len() <= 1, "one goodbye: {answer}");
            for goodbye in goodbyes {
                let code = serde_json::from_str::<serde_json::Value>(goodbye).expect("JSON")["code"].clone();
                // So many wrong passwords are too many.
                assert!(DOCUMENTED.iter().chain(&[4429]).any(|documented| code == *documented), "{answer}");
            }
        }
    };
    futures_util::future::join_all((200..200 + AT_ONCE).map(run)).await;
    nothing_stays_behind(&app, &ann).await;
    TcpClient::live(&app, &ann).await.ping().await;
}
