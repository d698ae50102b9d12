//! What Socket.IO has beside the session: transports and the way from one to the other, namespaces,
//! acknowledgements, attachments, and other sites' pages.

use actix_web::http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{Answer, TestApp, spawn_app, spawn_with};
use crate::support::socketio::{
    SocketIoClient, closed, open_polling, poll, polled, posted, sid, signed_in, text,
};
use crate::support::transports::LiveClient;
use crate::support::{logs, raw_http};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
const WEBSOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

async fn from(app: &TestApp, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    app.call(method, path, headers, None).await
}

#[actix_web::test]
async fn a_session_opens_as_the_protocol_specifies() {
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
async fn a_malformed_request_is_refused_with_the_code_of_the_protocol() {
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
async fn only_pages_of_allowed_origins_connect() {
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
async fn a_disconnect_follows_only_where_the_client_must_not_reconnect_by_itself() {
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
async fn an_unknown_namespace_does_not_close_the_session() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut frames = SocketIoClient::open(app.address, "").await.unwrap();
    text(&mut frames).await;
    frames.text("40/nowhere,{}").await;
    assert_eq!(text(&mut frames).await, r#"44/nowhere,{"message":"Invalid namespace"}"#);
    frames.present(&ann.access).await;
    assert_eq!(frames.next().await["type"], "welcome");
    // Without a token no client is admitted.
    let mut pending = SocketIoClient::open(app.address, "").await.unwrap();
    pending.text("40").await;
    assert_eq!(pending.ends(4401).await.before[0]["code"], "invalid_token");
    // After a DISCONNECT, events in that namespace are refused.
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
