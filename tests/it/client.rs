//! The client library against the real application, over both transports.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Duration;

use doorward_client::{Client, Credentials, Error, Event, Message, Reconnect, Session};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_on};
use crate::support::connect::logins_are;
use crate::support::time::PATIENCE;

/// The server's URL for each transport, and the transport's name in lists of sessions.
fn urls(app: &TestApp) -> [(String, &'static str); 2] {
    [(format!("ws://{}", app.address), "websocket"), (format!("tcp://{}", app.tcp), "tcp")]
}

async fn next(session: &mut Session) -> Event {
    timeout(PATIENCE, session.next()).await.expect("nothing happens").expect("the session is over")
}

/// The next message, which has this type.
async fn message(session: &mut Session, kind: &str) -> Message {
    match next(session).await {
        Event::Message(message) if message.kind() == kind => message,
        other => panic!("{other:?} instead of {kind}"),
    }
}

async fn ask(session: &mut Session, kind: &str, reply: &str) -> Message {
    session.send(&json!({"type": kind, "id": 7})).unwrap();
    let message = message(session, reply).await;
    assert_eq!(message.id(), Some(&json!(7)));
    message
}

async fn sign_in(url: &str) -> (Client, Session) {
    let client = Client::sign_in(url, "ann", PASSWORD).await.unwrap();
    let mut session = client.session();
    assert_eq!(message(&mut session, "welcome").await["user"]["username"], "ann");
    (client, session)
}

/// Lets so much time pass in steps that no heartbeat is missed; returns the messages other than `pong`.
async fn pass(app: &TestApp, session: &mut Session, seconds: u64) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in 0..seconds / 10 {
        app.advance(Duration::from_secs(10));
        session.send(&json!({"type": "ping"})).unwrap();
        loop {
            match next(session).await {
                Event::Message(message) if message.kind() == "pong" => break,
                event => events.push(event),
            }
        }
    }
    events
}

/// Until a minute before the access token expires: `expiring`, and what comes of it.
async fn pass_until_expiring(app: &TestApp, session: &mut Session) -> Vec<Event> {
    let mut events = pass(app, session, 14 * 60).await;
    // It may come after the answer to the last ping.
    while events.len() < 2 {
        events.push(next(session).await);
    }
    events
}

#[actix_web::test]
async fn a_client_signs_in_asks_and_signs_out() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for (url, transport) in urls(&app) {
        let (client, mut session) = sign_in(&url).await;
        assert!(
            ask(&mut session, "secret", "secret").await["message"].as_str().unwrap().starts_with("ann, ")
        );
        let sessions = ask(&mut session, "sessions", "sessions").await;
        assert_eq!(sessions["sessions"][0]["id"].as_str(), session.id());
        assert_eq!(sessions["sessions"][0]["carrier"], transport);
        session.close().await;
        client.sign_out().await.unwrap();
        logins_are(&app, &ann, 1).await;
    }
}

#[actix_web::test]
async fn a_wrong_password_is_refused() {
    let app = spawn_app().await;
    app.register("ann").await;
    let [(web, _), (tcp, _)] = urls(&app);
    assert!(matches!(Client::sign_in(&web, "ann", "wrong").await, Err(Error::Refused(_))));
    let mut session = Client::sign_in(&tcp, "ann", "wrong").await.unwrap().session();
    assert!(matches!(next(&mut session).await, Event::Ended(Error::Refused(_))));
    assert!(session.next().await.is_none());
}

#[actix_web::test]
async fn a_session_outlives_its_access_token() {
    let app = spawn_app().await;
    app.register("ann").await;
    let (client, mut session) = sign_in(&urls(&app)[0].0).await;
    let (first, id) = (client.access_token().await.unwrap(), session.id().map(str::to_owned));
    let events = pass_until_expiring(&app, &mut session).await;
    let kinds = events.iter().map(|event| match event {
        Event::Message(message) => message.kind(),
        other => panic!("{other:?}"),
    });
    assert_eq!(kinds.collect::<Vec<_>>(), ["expiring", "authenticated"]);
    pass(&app, &mut session, 2 * 60).await;
    assert_eq!(session.id(), id.as_deref());
    assert_ne!(client.access_token().await.unwrap(), first);
}

#[actix_web::test]
async fn a_token_without_a_refresh_token_ends_the_session_when_it_expires() {
    let app = spawn_app().await;
    app.register("ann").await;
    for (url, transport) in urls(&app) {
        let access = app.login("ann").await.access;
        let mut session = Client::with_token(&url, access).unwrap().session();
        message(&mut session, "welcome").await;
        let events = pass_until_expiring(&app, &mut session).await;
        assert!(
            matches!(events[..], [Event::Message(_), Event::NotRenewed(Error::InvalidToken)]),
            "{events:?}"
        );
        app.advance(Duration::from_mins(1));
        loop {
            match next(&mut session).await {
                Event::Message(message) => assert_eq!(message.kind(), "goodbye"),
                Event::Disconnected { error: Error::Closed(reason), retry_in } => {
                    assert_eq!((reason.code, reason.reconnect), (4440, Reconnect::NewToken));
                    assert_eq!(retry_in, Duration::ZERO);
                }
                Event::Ended(error) => {
                    assert_eq!(error, Error::InvalidToken, "{transport}");
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[actix_web::test]
async fn a_session_comes_back_after_a_restart() {
    let mut app = spawn_app().await;
    app.register("ann").await;
    for transport in 0..2 {
        let (_client, mut session) = sign_in(&urls(&app)[transport].0).await;
        let (address, tcp) = (app.address.to_string(), app.tcp.to_string());
        app.stop().await;
        assert_eq!(message(&mut session, "goodbye").await["code"], 1012);
        let Event::Disconnected { error: Error::Closed(reason), retry_in } = next(&mut session).await else {
            panic!("it was not disconnected");
        };
        assert_eq!((reason.code, reason.reconnect), (1012, Reconnect::Backoff));
        assert!(retry_in > Duration::ZERO && session.id().is_none());
        assert_eq!(session.send(&json!({"type": "ping"})), Err(Error::NotConnected));
        let TestApp { data, mail, clock, .. } = app;
        app = spawn_on(&[("http.listen", &address), ("tcp.listen", &tcp)], data, mail, clock).await;
        message(&mut session, "welcome").await;
        ask(&mut session, "ping", "pong").await;
    }
}

#[actix_web::test]
async fn a_revoked_login_ends_the_session_for_good() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for (url, _) in urls(&app) {
        let (client, mut session) = sign_in(&url).await;
        let others = "/api/logins?except=current";
        app.send(actix_web::http::Method::DELETE, others, &ann.access, Value::Null).await.expect(204);
        message(&mut session, "goodbye").await;
        let Event::Ended(Error::Closed(reason)) = next(&mut session).await else { panic!("it goes on") };
        assert_eq!((reason.code, reason.reconnect), (4441, Reconnect::Never));
        assert!(session.next().await.is_none());
        // There is no login left to revoke.
        client.sign_out().await.unwrap();
    }
}

#[actix_web::test]
async fn a_refresh_token_is_used_once_whoever_waits_for_the_answer() {
    let app = spawn_app().await;
    app.register("ann").await;
    let (client, mut session) = sign_in(&urls(&app)[0].0).await;
    let other = client.clone();
    let (one, two) = futures_util::join!(client.refresh(), other.refresh());
    assert_eq!((one, two), (Ok(()), Ok(())));
    // Given up while the server answers: the new tokens are kept all the same.
    assert!(client.refresh().now_or_never().is_none());
    client.refresh().await.unwrap();
    ask(&mut session, "ping", "pong").await;
}

#[actix_web::test]
async fn a_proxys_401_ends_no_login() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", proxy.local_addr().unwrap());
    // One for the refresh, and two for the sign-out, which refreshes in between.
    std::thread::spawn(move || {
        for stream in proxy.incoming().take(3) {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(stream.try_clone().unwrap()).lines();
            assert!(head.any(|line| line.unwrap().is_empty()));
            let answer = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let tokens = Credentials::Tokens { access: "access".to_owned(), refresh: "refresh".to_owned() };
    let client = Client::new(url.parse().unwrap(), tokens).unwrap();
    for outcome in [client.refresh().await, client.sign_out().await] {
        assert!(matches!(outcome, Err(Error::WrongProtocol(_))), "{outcome:?}");
    }
}
