//! Handshakes that a proxy cut short, of another version, or at the wrong endpoint: the client learns why from the
//! answer, and the operator from one line in the log.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::app::spawn_with;
use crate::support::mistakes::{CONNECTION, KEY, UPGRADE, VERSION, ask, logged, problem, spawn_logged};
use crate::support::programs::{self, Needs};
use crate::support::scenario::{self, Stage};
use crate::support::time::PATIENCE;

#[actix_web::test]
async fn a_handshake_that_lost_its_upgrade_header_names_the_proxy() {
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
async fn only_version_13_is_supported() {
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
    // The opposite mistake.
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
    // The page at `/` is unaffected.
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
async fn a_browser_learns_the_reason() {
    let Some(chromium) = programs::command("chromium", Needs::Apt("chromium")) else { return };
    let Some(mut script) = scenario::node("browser/sockets.mjs", "playwright-core") else { return };
    let mut stage = Stage::open(&[]).await;
    script.env("CHROMIUM", chromium).env("DOORWARD_URL", "http://doorward.example");
    stage.play(script).await;
}

#[actix_web::test]
async fn other_clients_learn_the_reason() {
    let Some(script) = scenario::node("sockets.mjs", "socket.io-client") else { return };
    if !programs::node_module("ws") {
        return;
    }
    Stage::open(&[]).await.play(script).await;
}
