//! What Socket.IO has beside the session: transports and the way from one to the other, namespaces,
//! acknowledgements, attachments, and other sites' pages.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Answer, TestApp, spawn_app, spawn_with};
use crate::support::socketio::{SocketIoClient, open_polling, poll, post};
use crate::support::transports::LiveClient;
use crate::support::{logs, raw_http};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

async fn from(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    app.call(method, path, headers, None).await
}

/// The sid of a session's requests.
fn sid(path: &str) -> &str {
    path.split_once("&sid=").unwrap().1
}

/// The next packets of a poll.
async fn polled(app: &TestApp, path: &str) -> Vec<String> {
    let answer = poll(app.address, path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.split('\u{1e}').map(str::to_owned).collect()
}

/// Posts packets, which are taken.
async fn posted(app: &TestApp, path: &str, body: &str) {
    let answer = post(app.address, path, body.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{answer:?}");
}

/// Somebody over polling: the path of the requests, after all that a new session is told.
async fn signed_in(app: &TestApp, token: &str) -> String {
    let path = open_polling(app.address).await.unwrap();
    posted(app, &path, &format!("40{}", json!({"token": token}))).await;
    let mut packets = Vec::new();
    while packets.len() < 3 {
        packets.extend(polled(app, &path).await);
    }
    path
}

async fn text(frames: &mut SocketIoClient) -> String {
    match frames.item().await {
        Message::Text(text) => text.to_string(),
        other => panic!("expected text, got {other:?}"),
    }
}

/// Until the server closes: with which code.
async fn closed(frames: &mut SocketIoClient) -> Option<u16> {
    loop {
        if let Message::Close(frame) = frames.item().await {
            return frame.map(|frame| frame.code.into());
        }
    }
}

#[actix_web::test]
async fn a_session_begins_as_the_protocol_has_it() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let opening = poll(app.address, POLLING).await;
    assert_eq!(opening.header("content-type"), Some("text/plain; charset=UTF-8"));
    assert_eq!(opening.header("cache-control"), Some("no-store"));
    let fields: Value = serde_json::from_str(opening.body.strip_prefix('0').unwrap()).unwrap();
    assert_eq!(fields["upgrades"], json!(["websocket"]));
    assert_eq!((&fields["pingInterval"], &fields["pingTimeout"]), (&json!(25_000), &json!(20_000)));
    assert_eq!(fields["maxPayload"], 65_536);

    let mut frames = SocketIoClient::open(app.address, "").await.unwrap();
    assert!(text(&mut frames).await.contains(r#""upgrades":[]"#));
    frames.present(&ann.access).await;
    let connected = text(&mut frames).await;
    let connected: Value = serde_json::from_str(connected.strip_prefix("40").unwrap()).unwrap();
    let welcome = text(&mut frames).await;
    let welcome: Value = serde_json::from_str(welcome.strip_prefix("42").unwrap()).unwrap();
    assert_eq!((&welcome[0], &welcome[1]["session"]), (&json!("welcome"), &connected["sid"]));
    assert_eq!(text(&mut frames).await, r#"42["server_response",{"message":"Connected as ann"}]"#);
}

#[actix_web::test]
async fn what_is_no_request_of_the_protocol_is_refused_with_its_code() {
    let app = spawn_app().await;
    let path = open_polling(app.address).await.unwrap();
    let websocket = path.replace("polling", "websocket");
    for (method, path, status, code) in [
        ("GET", "/socket.io/?EIO=3&transport=polling", 400, 5),
        ("GET", "/socket.io/", 400, 5),
        ("GET", "/socket.io/?EIO=4&transport=smoke", 400, 0),
        ("POST", POLLING, 400, 2),
        ("PUT", POLLING, 400, 2),
        ("GET", "/socket.io/?EIO=4&transport=polling&sid=nobody", 400, 1),
        ("POST", "/socket.io/?EIO=4&transport=polling&sid=", 400, 1),
        ("DELETE", &path, 400, 3),
        ("POST", &websocket, 400, 3),
    ] {
        let first = format!("{method} {path}");
        let answer = raw_http::request(app.address, &first, &["host: x", "content-length: 0"], b"").await;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        assert_eq!((answer.status, &body["code"]), (status, &json!(code)), "{first}: {answer:?}");
    }
    // No handshake of a WebSocket, though the query says that it is one.
    let answer = raw_http::request(app.address, &format!("GET {WEBSOCKET}"), &["host: x"], b"").await;
    assert_eq!(answer.status, 426);
    let off = spawn_with(&[("socketio.path", "off")]).await;
    assert_eq!(poll(off.address, POLLING).await.status, 404);
    let elsewhere = spawn_with(&[("socketio.path", "/live")]).await;
    for path in ["/live/?EIO=4&transport=polling", "/live?EIO=4&transport=polling"] {
        assert_eq!(poll(elsewhere.address, path).await.status, 200);
    }
}

#[actix_web::test]
async fn only_pages_of_allowed_origins_come_in() {
    let app = spawn_with(&[("sockets.allowed_origins", "https://app.example.org")]).await;
    let good = [("origin", "https://app.example.org")];
    let answer = from(&app, Method::GET, POLLING, &good).await.expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example.org");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!(answer.header("vary"), "Origin");
    // Errors too: a page could not read them otherwise.
    let unknown = from(&app, Method::GET, &format!("{POLLING}&sid=x"), &good).await.expect(400);
    assert_eq!(unknown.header("access-control-allow-origin"), "https://app.example.org");

    let asks =
        [good[0], ("access-control-request-method", "POST"), ("access-control-request-headers", "x-a")];
    let preflight = from(&app, Method::OPTIONS, POLLING, &asks).await.expect(204);
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, POST");
    assert_eq!(preflight.header("access-control-allow-headers"), "x-a");

    for origin in ["https://evil.example", "null", "https://app.example.org.evil.example"] {
        for (method, path) in [(Method::GET, POLLING), (Method::GET, WEBSOCKET), (Method::OPTIONS, POLLING)] {
            let answer = from(&app, method, path, &[("origin", origin)]).await.expect(403);
            assert_eq!(answer.body, json!({"code": 4, "message": "Forbidden"}));
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
    // No page at all.
    let answer = from(&app, Method::GET, POLLING, &[]).await.expect(200);
    assert_eq!((answer.header("vary"), answer.header("access-control-allow-origin")), ("Origin", ""));
}

#[actix_web::test]
async fn a_session_goes_on_over_a_websocket_and_nothing_is_lost() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    let mut frames = SocketIoClient::open(app.address, &format!("&sid={}", sid(&path))).await.unwrap();
    // A poll that waits is ended as soon as the client has asked.
    let waiting = polled(&app, &path);
    let probe = async {
        frames.text("2probe").await;
        assert_eq!(text(&mut frames).await, "3probe");
    };
    assert_eq!(futures_util::join!(waiting, probe).0, ["6"]);
    // What is asked now is answered over whichever transport the client asks next.
    posted(&app, &path, "421[\"ping\"]\u{1e}422[\"ping\"]").await;
    assert_eq!(polled(&app, &path).await, ["431[{}]", "432[{}]"]);
    assert_eq!(polled(&app, &path).await, ["6"]);
    posted(&app, &path, "423[\"ping\"]").await;
    frames.text("5").await;
    frames.text("424[\"ping\"]").await;
    assert_eq!(text(&mut frames).await, "433[{}]");
    assert_eq!(text(&mut frames).await, "434[{}]");
    assert_eq!(poll(app.address, &path).await.status, 400);
    assert_eq!(post(app.address, &path, b"3").await.status, 400);

    // Another one for the same session is let in only to be shown out.
    let mut second = SocketIoClient::open(app.address, &format!("&sid={}", sid(&path))).await.unwrap();
    closed(&mut second).await;
    frames.ping().await;
    // The same session as ever: revoked, it is closed.
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    frames.ends(4441).await;
}

#[actix_web::test]
async fn an_upgrade_that_comes_to_nothing_leaves_the_session_where_it_is() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    for first in [None, Some("2probe"), Some("5"), Some("42[\"ping\"]"), Some("2other")] {
        let mut frames = SocketIoClient::open(app.address, &format!("&sid={}", sid(&path))).await.unwrap();
        if let Some(first) = first {
            frames.text(first).await;
        }
        match first {
            None => drop(frames),
            Some("2probe") => {
                assert_eq!(text(&mut frames).await, "3probe");
                drop(frames);
            }
            Some(_) => drop(closed(&mut frames).await),
        }
        posted(&app, &path, "421[\"ping\"]").await;
        let mut packets = polled(&app, &path).await;
        while packets == ["6"] {
            packets = polled(&app, &path).await;
        }
        assert_eq!(packets, ["431[{}]"], "after {first:?}");
    }
    assert_eq!(app.sessions.directory().of_user(ann.id.parse().unwrap()).len(), 1);
}

#[actix_web::test]
async fn a_client_that_changes_the_transport_is_not_waited_for_while_it_waits() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    let mut frames = SocketIoClient::open(app.address, &format!("&sid={}", sid(&path))).await.unwrap();
    frames.text("2probe").await;
    assert_eq!(text(&mut frames).await, "3probe");
    // It polls no more, and does not go on until its POSTs are answered. What they ask is more than may wait.
    let secrets = vec!["42[\"get_secret\"]"; 3500].join("\u{1e}");
    posted(&app, &path, &secrets).await;
    posted(&app, &path, "421[\"ping\"]").await;
    frames.text("5").await;
    let mut secrets = 0;
    loop {
        match text(&mut frames).await {
            packet if packet.starts_with("42[\"secret_message\"") => secrets += 1,
            packet => break assert_eq!((packet.as_str(), secrets), ("431[{}]", 3500)),
        }
    }
    frames.ping().await;
}

#[actix_web::test]
async fn whoever_posts_and_polls_by_turns_is_answered() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    let secrets = vec!["42[\"get_secret\"]"; 3500].join("\u{1e}");
    for _ in 0..3 {
        posted(&app, &path, &secrets).await;
        let mut packets = 0;
        while packets < 3500 {
            packets += polled(&app, &path).await.len();
        }
        assert_eq!(packets, 3500);
    }
}

#[actix_web::test]
async fn an_answer_that_is_not_read_is_waited_for() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    let secrets = vec!["42[\"get_secret\"]"; 3500].join("\u{1e}");
    posted(&app, &path, &secrets).await;
    let unread = raw_http::deaf(app.address, &format!("GET {path}")).await;
    // The next poll is one too many, whichever of the two came first: as many answers as a client does not read would
    // be kept otherwise.
    loop {
        let answer = poll(app.address, &path).await;
        if answer.status == 400 || answer.body == "1" {
            break;
        }
        post(app.address, &path, secrets.as_bytes()).await;
    }
    while !app.sessions.directory().of_user(ann.id.parse().unwrap()).is_empty() {
        tokio::task::yield_now().await;
    }
    drop(unread);
}

#[actix_web::test]
async fn a_stranger_has_little_room_for_answers() {
    let app = spawn_app().await;
    let path = open_polling(app.address).await.unwrap();
    let refusals = vec!["40/nowhere,"; 300].join("\u{1e}");
    let mut bytes = 0;
    loop {
        let answer = post(app.address, &path, refusals.as_bytes()).await;
        if answer.status != 200 {
            break;
        }
        bytes += refusals.len();
        assert!(bytes < 200_000, "it takes whatever comes");
    }
}

#[actix_web::test]
async fn a_session_that_ends_while_it_changes_the_transport_gives_its_place_back() {
    let app = spawn_with(&[("sockets.max_open", "2")]).await;
    let clock = app.clock.clone();
    let time = actix_web::rt::spawn(async move {
        loop {
            clock.advance(Duration::from_millis(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    for late in [false, true, false, true, false, true] {
        let path = loop {
            // The one before has a moment to go.
            if let Ok(path) = open_polling(app.address).await {
                break path;
            }
        };
        let mut frames = SocketIoClient::open(app.address, &format!("&sid={}", sid(&path))).await.unwrap();
        frames.text("2probe").await;
        assert_eq!(text(&mut frames).await, "3probe");
        posted(&app, &path, "40{\"token\":\"x\"}").await;
        if late {
            frames.text("5").await;
        }
        // The socket that it tried is closed, with the last words if it went on over it.
        let code = closed(&mut frames).await;
        assert_eq!(code, late.then_some(4401));
    }
    time.abort();
}

#[actix_web::test]
async fn two_polls_or_two_posts_at_a_time_end_the_session() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let user = ann.id.parse().unwrap();
    let path = signed_in(&app, &ann.access).await;
    let first = poll(app.address, &path);
    let second = async {
        // The first one waits once a second one is refused.
        loop {
            let answer = poll(app.address, &path).await;
            if answer.status == 400 {
                return answer;
            }
        }
    };
    let (first, second) = futures_util::join!(first, second);
    assert!([200, 400].contains(&first.status));
    assert_eq!(second.status, 400);
    while !app.sessions.directory().of_user(user).is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(poll(app.address, &path).await.status, 400);
}

#[actix_web::test]
async fn whoever_polls_is_told_the_end_by_the_next_poll() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    let goodbye = r#"42["goodbye",{"code":4441,"reason":"signed out","reconnect":"never"}]"#;
    assert_eq!(polled(&app, &path).await, [goodbye, "41"]);
    assert_eq!(polled(&app, &path).await, ["1"]);
    while poll(app.address, &path).await.status != 400 {}

    // Nobody fetches it: the session is forgotten all the same.
    let ann = app.login("ann").await;
    let path = signed_in(&app, &ann.access).await;
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    while !app.sessions.directory().of_user(ann.id.parse().unwrap()).is_empty() {
        tokio::task::yield_now().await;
    }
    while post(app.address, &path, b"3").await.status != 400 {
        app.advance(Duration::from_secs(1));
    }
}

#[actix_web::test]
async fn a_disconnect_follows_only_where_the_client_must_not_come_back_by_itself() {
    let mut app = spawn_app().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let (mut anns, mut bobs) =
        (SocketIoClient::live(&app, &ann).await, SocketIoClient::live(&app, &bob).await);
    let until_closed = async |frames: &mut SocketIoClient| {
        let mut packets = Vec::new();
        loop {
            match frames.item().await {
                Message::Text(text) => packets.push(text.to_string()),
                Message::Close(frame) => return (packets, frame.map(|frame| u16::from(frame.code))),
                _ => {}
            }
        }
    };
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    let (packets, code) = until_closed(&mut anns).await;
    assert_eq!((packets.last().map(String::as_str), code), (Some("41"), Some(4441)));
    app.begin_stop();
    let (packets, code) = until_closed(&mut bobs).await;
    assert!(packets.last().unwrap().starts_with("42[\"goodbye\""), "{packets:?}");
    assert_eq!(code, Some(1012));
}

#[actix_web::test]
async fn the_older_events_and_acknowledgements_are_answered() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut frames = SocketIoClient::live(&app, &ann).await;
    assert_eq!(text(&mut frames).await, r#"42["server_response",{"message":"Connected as ann"}]"#);
    let parse = |packet: &str, head: &str| -> Value {
        serde_json::from_str(packet.strip_prefix(head).unwrap_or_else(|| panic!("{packet}"))).unwrap()
    };

    frames.text(r#"42["get_secret"]"#).await;
    let secret = parse(&text(&mut frames).await, "42");
    assert_eq!(secret[0], "secret_message");
    let message = secret[1]["message"].as_str().unwrap();
    let code = message.split_once("[Secret Code: ").unwrap().1.strip_suffix(']').unwrap();
    assert!(message.starts_with("ann, ") && code.len() == 8, "{message}");

    frames.text(r#"4217["get_secret",{"any":[1,2]}]"#).await;
    let (event, ack) = (text(&mut frames).await, text(&mut frames).await);
    assert_eq!(parse(&event, "42")[1], parse(&ack, "4317")[0]);

    frames.text(r#"420["secret"]"#).await;
    let ack = parse(&text(&mut frames).await, "430");
    assert_eq!(ack[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "message"]);
    frames.text(r#"421["dance"]"#).await;
    let ack = parse(&text(&mut frames).await, "431");
    assert_eq!((&ack[0]["type"], &ack[0]["code"]), (&json!("error"), &json!("unknown_type")));
    frames.text(r#"422["sessions"]"#).await;
    assert_eq!(parse(&text(&mut frames).await, "432")[0]["sessions"].as_array().unwrap().len(), 1);
    // An acknowledgement of nothing that was asked is passed over.
    frames.text("435[]").await;
    frames.ping().await;
}

#[actix_web::test]
async fn a_namespace_that_is_not_there_is_no_end() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut frames = SocketIoClient::open(app.address, "").await.unwrap();
    text(&mut frames).await;
    frames.text("40/nowhere,{}").await;
    assert_eq!(text(&mut frames).await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
    frames.present(&ann.access).await;
    assert_eq!(frames.next().await["type"], "welcome");
    // Without a token nobody is let in.
    let mut stranger = SocketIoClient::open(app.address, "").await.unwrap();
    stranger.text("40").await;
    assert_eq!(stranger.ends(4401).await.before[0]["code"], "invalid_token");
    // What is left is left: no event is heard there any more.
    frames.text("41").await;
    frames.text(r#"42["ping"]"#).await;
    assert_eq!(closed(&mut frames).await, Some(4401));
}

#[actix_web::test]
async fn attachments_are_bounded_and_follow_their_packet() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let binary = |size: usize| Message::Binary(vec![7; size].into());
    let mut live = SocketIoClient::live(&app, &ann).await;
    live.text(r#"451-["ping",{"_placeholder":true,"num":0}]"#).await;
    live.socket_send(binary(60_000)).await;
    assert_eq!(live.next().await["type"], "pong");

    for (texts, sizes, code) in [
        // More than a packet may have.
        (&[r#"4511-["ping"]"#][..], &[][..], 4400),
        // Together they are one message.
        (&[r#"452-["ping",{"_placeholder":true,"num":0}]"#], &[40_000, 40_000], 1009),
        // Something else in between.
        (&[r#"452-["ping"]"#, r#"42["ping"]"#], &[], 4400),
        // Before any packet.
        (&[], &[4], 4400),
    ] {
        let mut live = SocketIoClient::live(&app, &ann).await;
        for text in texts {
            live.text(*text).await;
        }
        for size in sizes {
            live.socket_send(binary(*size)).await;
        }
        live.ends(code).await;
    }
}

#[actix_web::test]
async fn the_id_of_a_polling_session_is_in_no_log() {
    logs::capture();
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    posted(&app, &path, "421[\"ping\"]").await;
    assert_eq!(polled(&app, &path).await, ["431[{}]"]);
    assert_eq!(poll(app.address, &format!("{path}x")).await.status, 400);
    posted(&app, &path, "1").await;
    assert_eq!(logs::lines_with(&[sid(&path)]), Vec::<String>::new());
    assert!(!logs::lines_with(&["/socket.io/", "request"]).is_empty());
}
