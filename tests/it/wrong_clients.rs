//! Clients that put the token in the wrong place, speak another version or another protocol, or come through a proxy that
//! leaves something out: each is told so at once, in the answer and in the log.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};
use crate::support::socketio::{SocketIoClient, open_polling};
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::tls;
use crate::support::tls::Identity;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;
use crate::support::{logs, raw_http};

const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "sec-websocket-version: 13";
const UPGRADE: &str = "upgrade: websocket";
const CONNECTION: &str = "connection: Upgrade";

/// An application that believes what each test says about where it comes from, so that its lines in the log are known.
async fn spawn_logged() -> TestApp {
    logs::capture();
    spawn_with(&[("sockets.trusted_proxies", "127.0.0.1/32")]).await
}

fn logged(mistake: &str, client: &str) -> usize {
    let (mistake, client) = (format!("\"mistake\":\"{mistake}\""), format!("\"client\":\"{client}\""));
    logs::lines_with(&[&mistake, &client, "WARN"]).len()
}

/// A request with exactly these headers.
async fn ask(address: SocketAddr, first: &str, headers: &[&str]) -> raw_http::Raw {
    let mut request = format!("{first}\r\nhost: doorward.example\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_ascii_lowercase();
                let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                if length.is_none_or(|length| body.len() >= length.trim().parse::<usize>().unwrap()) {
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "no answer: {text}");
        }
    };
    let text = timeout(PATIENCE, whole).await.expect("it answers");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    raw_http::Raw {
        status,
        headers: head.lines().skip(1).map(str::to_owned).collect(),
        body: body.to_owned(),
    }
}

fn problem(answer: &raw_http::Raw) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no problem document: {answer:?}"))
}

#[actix_web::test]
async fn a_handshake_whose_upgrade_got_lost_names_the_proxy() {
    let app = spawn_logged().await;
    let cases: [(&str, &[&str]); 8] = [
        ("HTTP/1.1", &[KEY, VERSION]),
        ("HTTP/1.1", &[KEY, VERSION, "connection: keep-alive"]),
        ("HTTP/1.1", &[KEY]),
        // What nginx does by itself.
        ("HTTP/1.0", &[KEY, VERSION, "connection: close"]),
        ("HTTP/1.1", &[KEY, VERSION, UPGRADE, "connection: keep-alive"]),
        ("HTTP/1.1", &[KEY, VERSION, UPGRADE]),
        ("HTTP/1.0", &[KEY, VERSION, UPGRADE, CONNECTION]),
        ("HTTP/1.1", &[KEY, VERSION, "upgrade: h2c", CONNECTION]),
    ];
    for path in ["/ws", "/socket.io/?EIO=4&transport=websocket"] {
        for (at, (version, headers)) in cases.into_iter().enumerate() {
            let client = format!("198.51.100.{}", at + 1 + 100 * usize::from(path == "/ws"));
            let forwarded = format!("x-forwarded-for: {client}");
            let headers = [headers, &[forwarded.as_str()]].concat();
            let answer = ask(app.address, &format!("GET {path} {version}"), &headers).await;
            assert_eq!(
                (answer.status, &problem(&answer)["code"]),
                (426, &json!("upgrade_lost")),
                "{headers:?}"
            );
            let detail = problem(&answer)["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("proxy in between") && detail.contains("nginx"), "{detail}");
            assert_eq!(answer.header("upgrade"), Some("websocket"));
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
            assert_eq!(logged("upgrade_lost", &client), 1, "{client}");
        }
    }
    // Of a browser or of Socket.IO, through a proxy that takes out all of it.
    for (path, header) in
        [("/ws", "sec-fetch-mode: websocket"), ("/socket.io/?EIO=4&transport=websocket", "a: b")]
    {
        let answer = ask(app.address, &format!("GET {path} HTTP/1.1"), &[header]).await;
        assert_eq!((answer.status, &problem(&answer)["code"]), (426, &json!("upgrade_lost")), "{path}");
    }
    // A person with a browser is told what this is.
    let answer = ask(app.address, "GET /ws HTTP/1.1", &["x-forwarded-for: 198.51.100.99"]).await;
    assert_eq!((answer.status, &problem(&answer)["code"]), (426, &json!("upgrade_required")));
    assert_eq!(logged("upgrade_lost", "198.51.100.99"), 0);
}

#[actix_web::test]
async fn the_log_has_one_line_a_minute_for_each_network() {
    let app = spawn_logged().await;
    let client = "203.0.113.77";
    let forwarded = format!("x-forwarded-for: {client}");
    let lost = || async {
        ask(app.address, "GET /ws HTTP/1.1", &[KEY, VERSION, &forwarded]).await;
    };
    for _ in 0..5 {
        lost().await;
    }
    assert_eq!(logged("upgrade_lost", client), 1);
    app.advance(Duration::from_secs(61));
    lost().await;
    assert_eq!(logged("upgrade_lost", client), 2);
}

#[actix_web::test]
async fn only_version_13_is_spoken() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let bearer = format!("authorization: Bearer {}", ann.access);
    for path in ["/ws", "/ws/", "/socket.io/?EIO=4&transport=websocket"] {
        let first = format!("GET {path} HTTP/1.1");
        for versions in
            [&["8"][..], &["7"], &["0"], &["25"], &["13,8"], &["8, 13"], &["13", "8"], &["x"], &[""], &[]]
        {
            let versions: Vec<_> =
                versions.iter().map(|text| format!("sec-websocket-version: {text}")).collect();
            let mut headers = vec![KEY, UPGRADE, CONNECTION, &bearer, "x-forwarded-for: 203.0.113.13"];
            headers.extend(versions.iter().map(String::as_str));
            let answer = ask(app.address, &first, &headers).await;
            assert_eq!(
                (answer.status, &problem(&answer)["code"]),
                (426, &json!("websocket_version")),
                "{headers:?}"
            );
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        }
        for connection in [CONNECTION, "connection: keep-alive, Upgrade", "connection: close, upgrade"] {
            let headers = [KEY, UPGRADE, connection, VERSION, &bearer];
            assert_eq!(ask(app.address, &first, &headers).await.status, 101, "{path} {connection}");
        }
    }
    assert_eq!(logged("websocket_version", "203.0.113.13"), 1);
    // After such a handshake messages go to and fro.
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: close, upgrade\r\n{KEY}\r\n{VERSION}\r\n{UPGRADE}\r\n{bearer}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
        .write_all(&crate::support::websocket::frame(r#"{"type":"ping","id":"to and fro"}"#))
        .await
        .unwrap();
    let mut got = Vec::new();
    let answered = async {
        while !String::from_utf8_lossy(&got).contains(r#"{"type":"pong","id":"to and fro"}"#) {
            assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0, "{}", String::from_utf8_lossy(&got));
        }
    };
    timeout(PATIENCE, answered).await.expect("an answer");
}

/// Opens a WebSocket at this path; an error is the status.
async fn open(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Result<WebSocketClient, u16> {
    crate::support::websocket::open_path(app.address, path, headers).await
}

#[actix_web::test]
async fn a_token_in_the_wrong_place_is_told_where_it_belongs() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    let protocols = format!("access_token, {token}");
    let cases: [(String, &str, &str); 8] = [
        (format!("/ws?token={token}"), "", ""),
        (format!("/ws?access_token={token}"), "", ""),
        (format!("/ws?jwt={token}&x=1"), "", ""),
        (format!("/ws/?auth=Bearer%20{token}"), "", ""),
        (format!("/ws?t={token}"), "", ""),
        ("/ws".to_owned(), "x-access-token", token),
        ("/ws".to_owned(), "sec-websocket-protocol", &protocols),
        ("/ws".to_owned(), "sec-websocket-protocol", token),
    ];
    for (at, (path, name, value)) in cases.into_iter().enumerate() {
        let client = format!("192.0.2.{}", at + 1);
        for origin in [None, Some(("origin", "http://doorward.example"))] {
            let mut headers = vec![("x-forwarded-for", client.as_str())];
            headers.extend(Some((name, value)).filter(|(name, _)| !name.is_empty()));
            headers.extend(origin);
            let mut live = open(&app, &path, &headers).await.unwrap();
            let ended = live.ends(4401).await;
            let reason = ended.goodbye["reason"].as_str().unwrap();
            assert!(
                ["Authorization", "bearer.TOKEN", "first message"].iter().all(|place| reason.contains(place))
            );
            assert_eq!(ended.goodbye["reconnect"], "never");
        }
        assert_eq!(logged("misplaced_token", &client), 1, "{client}");
    }
    // Who brings it to the right place as well is let in.
    let bearer = format!("Bearer {token}");
    let mut live = open(&app, "/ws?token=x", &[("authorization", &bearer)]).await.unwrap();
    assert_eq!(live.next().await["type"], "welcome");
    assert!(!logs::text().contains(token.as_str()), "a token is in the log");
}

#[actix_web::test]
async fn a_flood_of_misplaced_tokens_costs_no_upgrades() {
    let app = spawn_app().await;
    let mut explained = 0;
    for _ in 0..70 {
        match open(&app, "/ws?token=x", &[]).await {
            Ok(mut live) => {
                live.ends(4401).await;
                explained += 1;
            }
            Err(status) => assert_eq!(status, 401),
        }
    }
    assert_eq!(explained, 60);
    let refused = ask(app.address, "GET /ws?token=x HTTP/1.1", &[KEY, VERSION, UPGRADE, CONNECTION]).await;
    assert_eq!((refused.status, &problem(&refused)["code"]), (401, &json!("misplaced_token")));
}

#[actix_web::test]
async fn a_wrong_authorization_says_what_is_wrong_with_it() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    let handshake = [KEY, VERSION, UPGRADE, CONNECTION];
    for (value, code, word) in [
        (format!("Token {token}"), "unauthorized", "scheme"),
        (format!("JWT {token}"), "unauthorized", "scheme"),
        ("Basic YW5uOng=".to_owned(), "unauthorized", "scheme"),
        (token.clone(), "unauthorized", "scheme"),
        (format!("Bearer Bearer {token}"), "invalid_token", "Bearer"),
        (format!("Bearer \"{token}\""), "invalid_token", "quotation marks"),
        (format!("Bearer {}", ann.refresh), "invalid_token", "refresh token"),
        ("Bearer undefined".to_owned(), "invalid_token", "variable"),
        ("Bearer [object Object]".to_owned(), "invalid_token", "variable"),
        ("Bearer <token>".to_owned(), "invalid_token", "placeholder"),
        (format!("Bearer {token}x"), "invalid_token", "not valid"),
    ] {
        let header = format!("authorization: {value}");
        for (path, more) in [("/api/me", &[][..]), ("/ws", &handshake)] {
            let headers = [more, &[header.as_str()]].concat();
            let answer = ask(app.address, &format!("GET {path} HTTP/1.1"), &headers).await;
            let (body, detail) = (problem(&answer), problem(&answer)["detail"].as_str().unwrap().to_owned());
            assert_eq!((answer.status, &body["code"]), (401, &json!(code)), "{path} {value}");
            assert!(detail.contains(word) && !detail.contains("eyJ") && !detail.contains("dwr_"), "{detail}");
        }
    }
    for (path, header) in
        [("/api/me?access_token=x", "a: b".to_owned()), ("/api/me", format!("x-auth-token: {token}"))]
    {
        let answer = ask(app.address, &format!("GET {path} HTTP/1.1"), &[&header]).await;
        assert_eq!((answer.status, &problem(&answer)["code"]), (401, &json!("misplaced_token")), "{path}");
    }
    // These are good.
    for value in [format!("bearer {token}"), format!("BEARER {token}"), format!("Bearer  {token} ")] {
        let header = format!("authorization: {value}");
        assert_eq!(ask(app.address, "GET /api/me HTTP/1.1", &[&header]).await.status, 200, "{value}");
    }
}

#[actix_web::test]
async fn a_first_message_of_another_shape_is_told_the_right_one() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    for (at, first) in [
        json!({"token": token}).to_string(),
        json!({"type": "auth", "access_token": token}).to_string(),
        json!({"type": "authenticate", "token": token}).to_string(),
        json!({"event": "auth", "data": {"token": token}}).to_string(),
        token.clone(),
        format!("Bearer {token}"),
        json!(token).to_string(),
    ]
    .into_iter()
    .enumerate()
    {
        let client = format!("192.0.2.{}", at + 101);
        let mut live = app.open(&[("x-forwarded-for", &client)]).await.unwrap();
        live.write(&first).await;
        let ended = live.ends(4401).await;
        assert_eq!(ended.goodbye["reason"], r#"the first message has to be {"type":"auth","token":"TOKEN"}"#);
        assert_eq!(logged("misplaced_token", &client), 1);
    }
    for (token, word) in [
        (format!("Bearer {token}"), "Bearer"),
        (ann.refresh.clone(), "refresh token"),
        ("undefined".to_owned(), "variable"),
    ] {
        let mut live = app.open(&[]).await.unwrap();
        live.present(&token).await;
        let error = live.ends(4401).await.before[0].clone();
        assert_eq!(error["code"], "invalid_token");
        assert!(error["detail"].as_str().unwrap().contains(word), "{error}");
    }
}

#[actix_web::test]
async fn a_connect_without_a_token_in_auth_is_told_where_it_belongs() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for connect in [
        "40",
        "40{}",
        &format!(r#"40{{"access_token":"{}"}}"#, ann.access),
        &format!(r#"40"{}""#, ann.access),
    ] {
        let mut frames = SocketIoClient::open(app.address, &format!("&token={}", ann.access)).await.unwrap();
        frames.text(connect).await;
        let ended = frames.ends(4401).await;
        let reason = ended.goodbye["reason"].as_str().unwrap();
        assert_eq!(
            reason, r#"the access token is missing: it belongs in auth, as {"token":"TOKEN"}"#,
            "{connect}"
        );
    }
    let mut frames = SocketIoClient::open(app.address, "").await.unwrap();
    frames.present(&ann.access).await;
    assert_eq!(frames.next().await["type"], "welcome");
}

#[actix_web::test]
async fn the_wrong_endpoint_names_the_right_one() {
    let app = spawn_logged().await;
    let handshake = [KEY, VERSION, UPGRADE, CONNECTION];
    let at = |path: &str, client: &str, more: &[&str]| {
        let forwarded = format!("x-forwarded-for: {client}");
        let (first, more): (_, Vec<String>) =
            (format!("GET {path} HTTP/1.1"), more.iter().map(|header| (*header).to_owned()).collect());
        let address = app.address;
        async move {
            let mut headers: Vec<&str> = more.iter().map(String::as_str).collect();
            headers.push(&forwarded);
            let answer = ask(address, &first, &headers).await;
            (answer.status, problem(&answer))
        }
    };
    // Socket.IO at the plain WebSocket, however its client comes in.
    for path in
        ["/ws/?EIO=4&transport=polling", "/ws?EIO=4&transport=websocket", "/ws/?EIO=3&transport=polling"]
    {
        let (status, body) = at(path, "203.0.113.1", &[]).await;
        assert_eq!((status, &body["code"]), (400, &json!("wrong_endpoint")), "{path}");
        assert!(body["detail"].as_str().unwrap().contains("/socket.io/"), "{body}");
        assert_eq!(at(path, "203.0.113.1", &handshake).await.0, 400);
    }
    // The reverse.
    for path in ["/socket.io/", "/socket.io", "/socket.io/?token=x"] {
        let (status, body) = at(path, "203.0.113.2", &handshake).await;
        assert_eq!((status, &body["code"]), (400, &json!(5)), "{path}");
        assert!(body["message"].as_str().unwrap().ends_with("the plain WebSocket is at /ws"), "{body}");
    }
    // A client of before 2021, word for word as the reference server answers it.
    for path in
        ["/socket.io/?EIO=3&transport=polling", "/socket.io/?EIO=3&transport=websocket", "/socket.io/?EIO=2"]
    {
        for more in [&[][..], &handshake] {
            let (status, body) = at(path, "203.0.113.3", more).await;
            assert_eq!(
                (status, body),
                (400, json!({"code": 5, "message": "Unsupported protocol version"})),
                "{path}"
            );
        }
    }
    // Anywhere else.
    for path in ["/", "/websocket", "/live", "/cable", "/ws/ws"] {
        let (status, body) = at(path, "203.0.113.4", &handshake).await;
        assert_eq!((status, &body["code"]), (404, &json!("not_found")), "{path}");
        assert!(body["detail"].as_str().unwrap().contains("/ws"), "{body}");
    }
    for (client, mistake) in
        [(1, "wrong_endpoint"), (2, "wrong_endpoint"), (3, "engine_io_version"), (4, "wrong_endpoint")]
    {
        assert_eq!(logged(mistake, &format!("203.0.113.{client}")), 1, "{client}");
    }
    // The page at / is a page.
    assert_eq!(app.get("/", "").await.status, 200);
}

#[actix_web::test]
async fn the_client_of_socket_io_is_not_here_and_the_answer_says_where() {
    let app = spawn_logged().await;
    for file in [
        "socket.io.js",
        "socket.io.min.js",
        "socket.io.esm.min.js",
        "socket.io.msgpack.min.js",
        "socket.io.js.map",
    ] {
        for method in [Method::GET, Method::HEAD] {
            let headers = [("x-forwarded-for", "203.0.113.65")];
            let answer =
                app.call(method.clone(), &format!("/socket.io/{file}"), &headers, None).await.expect(404);
            if method == Method::GET {
                assert_eq!(answer.header("content-type"), "application/problem+json");
                assert!(answer.str("detail").contains("npm install socket.io-client"), "{}", answer.text);
            }
        }
    }
    assert_eq!(logged("client_file", "203.0.113.65"), 1);
    let elsewhere = spawn_with(&[("socketio.path", "/live")]).await;
    assert!(elsewhere.get("/live/socket.io.js", "").await.expect(404).text.contains("npm install"));
    assert!(!elsewhere.get("/socket.io/socket.io.js", "").await.expect(404).text.contains("npm install"));
}

#[actix_web::test]
async fn a_token_alone_among_the_subprotocols_is_answered() {
    let app = spawn_logged().await;
    let ann = app.register("ann").await;
    let token = &ann.access;
    for (offer, answered) in [
        (format!("bearer.{token}"), Some(format!("bearer.{token}"))),
        (format!("Bearer.{token}"), Some(format!("Bearer.{token}"))),
        (format!("mqtt, bearer.{token}"), Some(format!("bearer.{token}"))),
        (format!("doorward.v1, bearer.{token}"), Some("doorward.v1".to_owned())),
        (format!("bearer.{token},doorward.v1"), Some("doorward.v1".to_owned())),
    ] {
        let mut live = app.open(&[("sec-websocket-protocol", &offer)]).await.unwrap();
        assert_eq!(live.protocol, answered, "{offer}");
        assert_eq!(live.next().await["type"], "welcome");
    }
    // One that is refused as well: a browser would not see the close code otherwise.
    let mut live = app.open(&[("sec-websocket-protocol", "bearer.nonsense")]).await.unwrap();
    assert_eq!(live.protocol.as_deref(), Some("bearer.nonsense"));
    live.ends(4401).await;
    // None of ours: that is for the log.
    let headers = [
        KEY,
        VERSION,
        UPGRADE,
        CONNECTION,
        "sec-websocket-protocol: graphql-ws",
        "x-forwarded-for: 203.0.113.20",
    ];
    let answer = ask(app.address, "GET /ws HTTP/1.1", &headers).await;
    assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None));
    assert_eq!(logged("subprotocols", "203.0.113.20"), 1);
    assert!(!logs::text().contains(token.as_str()), "a token is in the log");
}

/// A connection from an address of its own, so that its lines in the log are known.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    socket.connect(to).await.unwrap()
}

async fn exchange(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("it closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[actix_web::test]
async fn plain_text_at_a_port_that_speaks_tls_is_told_so() {
    logs::capture();
    let identity = Identity::new();
    let app = identity.app().await;
    let get = "GET /login HTTP/1.1\r\nhost: localhost\r\nuser-agent: x\r\n\r\n";
    let post =
        format!("POST /api/login HTTP/1.1\r\nhost: x\r\ncontent-length: 9000\r\n\r\n{}", "x".repeat(9000));
    for request in [get, &post, "OPTIONS * HTTP/1.1\r\n\r\n", "nonsense\r\n"] {
        let answer = exchange(connect_from([127, 8, 0, 1], app.address).await, request.as_bytes()).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {answer:?}"));
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "https_only");
        assert_eq!(body["detail"], "This port speaks HTTPS, not HTTP: https://localhost/");
    }
    assert_eq!(logged("plain_text", "127.8.0.1"), 1);

    let answer = exchange(connect_from([127, 8, 0, 2], app.tcp).await, b"alice\n").await;
    assert!(answer.starts_with("This port speaks TLS: "), "{answer}");
    assert_eq!(logged("plain_text", "127.8.0.2"), 1);
    // Who waits for the prompt is told as well. It has done nothing wrong yet.
    let answer = exchange(connect_from([127, 8, 0, 3], app.tcp).await, b"").await;
    assert!(answer.starts_with("This port speaks TLS: "), "{answer}");
    assert_eq!(logged("plain_text", "127.8.0.3"), 0);
    let answer = exchange(connect_from([127, 8, 0, 4], app.tcp).await, get.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // A check whether the port is open is no mistake.
    drop(connect_from([127, 8, 0, 5], app.tcp).await);
    drop(connect_from([127, 8, 0, 5], app.address).await);

    for listener in [app.address, app.tcp] {
        for (from, header) in [
            ([127, 8, 0, 6], &b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\n"[..]),
            (
                [127, 8, 0, 7],
                b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x05\x00\x06",
            ),
        ] {
            assert_eq!(exchange(connect_from(from, listener).await, header).await, "");
        }
    }
    assert_eq!((logged("proxy_header", "127.8.0.6"), logged("proxy_header", "127.8.0.7")), (1, 1));
    assert_eq!(logged("plain_text", "127.8.0.5"), 0);

    // Those who speak TLS are served as before.
    let body = json!({"username": "ann", "password": PASSWORD});
    assert_eq!(tls::post(&app, &tls::client(&identity.cert), "/api/register", body).await.0, 201);
}

#[actix_web::test]
async fn what_else_comes_to_a_plain_port_is_named_in_the_log() {
    logs::capture();
    let app = spawn_app().await;
    let hello = [&[0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3][..], &[7; 40]].concat();
    let proxy = b"PROXY TCP4 192.0.2.1 192.0.2.2 5 6\r\nGET / HTTP/1.1\r\n\r\n";
    let proxy2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x05\x00\x06";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let get = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    for (at, (mistake, bytes)) in
        [("tls", &hello[..]), ("proxy_header", proxy), ("proxy_header", proxy2), ("http2", http2)]
            .into_iter()
            .enumerate()
    {
        for (door, listener) in [(1, app.address), (2, app.tcp)] {
            let from = [127, 9, door, u8::try_from(at + 1).unwrap()];
            let mut stream = connect_from(from, listener).await;
            stream.write_all(bytes).await.unwrap();
            let client = std::net::Ipv4Addr::from(from).to_string();
            let named = async {
                while logged(mistake, &client) == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            timeout(PATIENCE, named)
                .await
                .unwrap_or_else(|_| panic!("{mistake} at {listener} is not in the log"));
            // At the prompts it is neither a name nor a password.
            if door == 2 {
                let mut said = Vec::new();
                let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("it closes");
                assert!(!String::from_utf8_lossy(&said).contains("Password"), "{mistake}");
            }
        }
    }
    for pieces in [vec![&get[..]], get.chunks(1).collect()] {
        let mut stream = connect_from([127, 9, 3, 1], app.tcp).await;
        stream.set_nodelay(true).unwrap();
        for piece in pieces {
            stream.write_all(piece).await.unwrap();
        }
        let said = exchange(stream, b"").await;
        assert!(said.starts_with("Username: HTTP/1.1 400 Bad Request\r\n"), "{said}");
        assert!(!said.contains("Password"), "{said}");
    }
    assert_eq!(logged("http_at_prompts", "127.9.3.1"), 1);
}

#[actix_web::test]
async fn a_token_at_the_prompt_is_told_its_word() {
    logs::capture();
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for answer in [
        ann.access.clone(),
        format!("Authorization: Bearer {}", ann.access),
        json!({"type": "auth", "token": ann.access}).to_string(),
    ] {
        let mut line = TcpClient::unauthenticated(&app).await;
        line.say(format!("{answer}\n")).await;
        let said = line.rest().await;
        assert!(said.starts_with("Login failed\n{"), "{said}");
        assert!(said.contains("\"code\":4401") && said.contains("Bearer TOKEN"), "{said}");
    }
    for word in ["Bearer", "bearer", "BEARER "] {
        let mut line = TcpClient::unauthenticated(&app).await;
        line.say(format!("{word} {}\r\n", ann.access)).await;
        assert_eq!(line.next().await["type"], "welcome");
    }
    assert!(!logs::text().contains(ann.access.as_str()), "a token is in the log");
}

/// A socket that is in; its `welcome` was read.
async fn raw_live(app: &TestApp, token: &str) -> TcpStream {
    let mut socket = raw_http::handshake(app.address, token).await;
    let mut got = Vec::new();
    let welcomed = async {
        while !String::from_utf8_lossy(&got).contains("heartbeat_s\":25}") {
            assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0);
        }
    };
    timeout(PATIENCE, welcomed).await.expect("a welcome");
    socket
}

/// Reads until this close code has come.
async fn until_closed(socket: &mut TcpStream, code: u16) {
    let mut got = Vec::new();
    let told = async {
        let is_whole = |got: &[u8]| {
            let at = got.windows(4).position(|bytes| bytes[0] == 0x88 && bytes[2..] == code.to_be_bytes());
            at.is_some_and(|at| got.len() >= at + 2 + usize::from(got[at + 1]))
        };
        while !is_whole(&got) {
            assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0, "closed without a word");
        }
    };
    timeout(PATIENCE, told).await.expect("a close frame");
}

/// Frames that break the protocol, and what they are closed with.
const BROKEN: [(&[u8], u16); 4] = [
    // A reserved opcode; reserved bits.
    (&[0x83, 0x80, 0, 0, 0, 0], 1002),
    (&[0xf1, 0x81, 0, 0, 0, 0, b'x'], 1002),
    // Not UTF-8.
    (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    // 65,537 bytes, none of which comes.
    (&[0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009),
];

#[actix_web::test]
async fn after_a_broken_frame_the_server_closes_when_the_client_has() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for (broken, code) in BROKEN {
        let mut socket = raw_live(&app, &ann.access).await;
        socket.write_all(broken).await.unwrap();
        until_closed(&mut socket, code).await;
        if code == 1009 {
            // The frame that was announced has to come to its end first.
            socket.write_all(&vec![0; 65_537]).await.unwrap();
        }
        // The clock stands still: the server waits for nothing else.
        let [high, low] = code.to_be_bytes();
        socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, high, low]).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
    // Together with the broken frame, in one piece.
    let mut socket = raw_live(&app, &ann.access).await;
    socket.write_all(&[0x83, 0x80, 0, 0, 0, 0, 0x88, 0x82, 0, 0, 0, 0, 3, 0xea]).await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
}

#[actix_web::test]
async fn after_a_broken_frame_the_server_closes_within_a_second() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for (broken, code) in BROKEN {
        let mut socket = raw_live(&app, &ann.access).await;
        socket.write_all(broken).await.unwrap();
        until_closed(&mut socket, code).await;
        let mut rest = [0; 16];
        let early = timeout(Duration::from_millis(50), socket.read(&mut rest)).await;
        assert!(early.is_err(), "it has closed before the client could");
        app.advance(Duration::from_secs(1));
        let end = timeout(PATIENCE, socket.read(&mut rest)).await.expect("it is still open");
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
}

#[actix_web::test]
async fn a_socket_of_socket_io_ends_after_a_broken_frame_as_well() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    // One that polled first is carried by another task.
    let polling = open_polling(app.address).await.unwrap();
    for path in ["/socket.io/?EIO=4&transport=websocket".to_owned(), polling.replace("polling", "websocket")]
    {
        let mut socket = TcpStream::connect(app.address).await.unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\n{CONNECTION}\r\n{KEY}\r\n{VERSION}\r\n{UPGRADE}\r\n\r\n"
        );
        socket.write_all(request.as_bytes()).await.unwrap();
        if path.contains("sid=") {
            socket.write_all(&crate::support::websocket::frame("2probe")).await.unwrap();
            let mut got = Vec::new();
            while !String::from_utf8_lossy(&got).contains("3probe") {
                assert_ne!(socket.read_buf(&mut got).await.unwrap(), 0);
            }
            socket.write_all(&crate::support::websocket::frame("5")).await.unwrap();
            let connect = format!(r#"40{{"token":"{}"}}"#, ann.access);
            socket.write_all(&long_frame(&connect)).await.unwrap();
        }
        socket.write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.unwrap();
        until_closed(&mut socket, 1002).await;
        socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xea]).await.unwrap();
        let mut rest = Vec::new();
        timeout(PATIENCE, socket.read_to_end(&mut rest)).await.expect("it is still open").unwrap();
    }
}

/// A text frame of 126 bytes or more.
fn long_frame(text: &str) -> Vec<u8> {
    let [high, low] = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0xfe, high, low, 0, 0, 0, 0], text.as_bytes()].concat()
}

#[actix_web::test]
async fn a_browser_sees_why() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/sockets.mjs", "playwright-core") else { return };
    let mut stage = Stage::open(&[]).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", "http://doorward.example");
    stage.play(script).await;
}

#[actix_web::test]
async fn other_clients_see_why() {
    let Some(script) = scenario::node("sockets.mjs", "socket.io-client") else { return };
    if !programs::node_module("ws") {
        return;
    }
    Stage::open(&[]).await.play(script).await;
}
