//! Socket.IO over polling, and the upgrade from polling to a WebSocket.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::Value;

use crate::support::app::{spawn_app, spawn_with};
use crate::support::raw_http;
use crate::support::socketio::{
    SocketIoClient, closed, open_polling, poll, polled, post, posted, sid, signed_in, text,
};
use crate::support::transports::LiveClient;

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

    // A second WebSocket for the same session is accepted and closed at once.
    let mut second = SocketIoClient::open(app.address, &format!("&sid={}", sid(&path))).await.unwrap();
    closed(&mut second).await;
    frames.ping().await;
    // It is still the same session: a revocation closes it.
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    frames.ends(4441).await;
}

#[actix_web::test]
async fn a_failed_upgrade_leaves_the_session_on_polling() {
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
async fn a_client_that_posts_and_polls_by_turns_is_answered() {
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
async fn an_answer_that_is_not_read_ends_the_session_at_the_next_poll() {
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
async fn an_unauthenticated_session_has_little_room_for_answers() {
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
async fn a_session_that_closes_during_an_upgrade_frees_its_place() {
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
async fn a_polling_client_learns_of_the_close_by_its_next_poll() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = signed_in(&app, &ann.access).await;
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    let goodbye = r#"42["goodbye",{"code":4441,"reason":"signed out","reconnect":"never"}]"#;
    assert_eq!(polled(&app, &path).await, [goodbye, "41"]);
    assert_eq!(polled(&app, &path).await, ["1"]);
    while poll(app.address, &path).await.status != 400 {}

    // No client fetches it: the session is removed all the same.
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
