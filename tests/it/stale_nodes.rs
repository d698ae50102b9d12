//! A node that cannot poll the database has stale revocation data: what it would send waits. Also users whose rows are
//! changed by hand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use doorward::internals::clock::ManualClock;
use doorward::internals::schema::logins;
use doorward::{Additions, Context, EventError, Events, Payload};
use doorward_core::domain::{LoginId, UserId};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::app::{Person, TestApp, spawn_app, spawn_embedded, spawn_on};
use crate::support::database::{self, is_postgres};
use crate::support::postgres::Server;
use crate::support::smtp::SmtpCatcher;
use crate::support::socketio::SocketIoClient;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(
    requests_wait_and_those_of_a_revoked_login_are_not_answered,
    outgoing_messages_wait_and_a_revoked_login_gets_none_of_them,
    after_a_while_sockets_are_closed_for_another_node,
    a_user_whose_row_is_deleted_or_disabled_by_hand_is_signed_out,
);

fn execute(app: &TestApp, sql: &str) {
    app.query(|conn| conn.batch_execute(sql));
}

/// From now on no poll reads anything.
async fn cut_off(app: &TestApp) {
    execute(app, "ALTER TABLE login_revocations RENAME COLUMN number TO number_away");
    let stale = async {
        while app.accounts.is_fresh() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stale).await.expect("its revocation data is not stale");
}

/// Revokes the login as another node would.
fn revoke(app: &TestApp, person: &Person) {
    let login = &person.login;
    execute(app, &format!("UPDATE logins SET revoked_at = '2020-01-01 00:00:00' WHERE id = '{login}'"));
}

fn reconnect(app: &TestApp) {
    execute(app, "ALTER TABLE login_revocations RENAME COLUMN number_away TO number");
}

async fn requests_wait_and_those_of_a_revoked_login_are_not_answered<C: LiveClient>() {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = {
        let runs = Arc::clone(&runs);
        move |_: Context, _| {
            let run = runs.fetch_add(1, Ordering::AcqRel);
            async move { json!({ "run": run }) }
        }
    };
    let app = spawn_embedded(&[], Additions::new(Events::default().on("count", count))).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut anns = C::live(&app, &ann).await;
    let mut bobs = C::live(&app, &bob).await;
    cut_off(&app).await;
    // What holds for tokens holds for messages.
    assert_eq!(app.get("/api/me", &ann.access).await.status.as_u16(), 503);
    for live in [&mut bobs, &mut anns] {
        live.send(json!({"type": "count", "id": 0})).await;
    }
    // Their pongs are behind what waits: no heartbeat is missed.
    for _ in 0..4 {
        app.advance(Duration::from_secs(25));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(runs.load(Ordering::Acquire), 0, "a handler has run");
    revoke(&app, &bob);
    reconnect(&app);
    assert_eq!(anns.next().await, json!({"type": "count", "id": 0, "run": 0}));
    let ended = bobs.ends(4441).await;
    assert!(ended.before.is_empty(), "it was answered: {ended:?}");
    for number in 1..20 {
        anns.send(json!({"type": "count", "id": number})).await;
        assert_eq!(anns.next().await, json!({"type": "count", "id": number, "run": number}));
    }
}

#[actix_web::test]
async fn many_requests_wait_in_their_order() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = app.live(&ann).await;
    let mut frames = SocketIoClient::live(&app, &ann).await;
    cut_off(&app).await;
    for number in 0..3000 {
        live.send(json!({"type": "ping", "id": number})).await;
        frames.send(json!({"type": "ping", "id": number})).await;
    }
    reconnect(&app);
    for number in 0..3000 {
        assert_eq!(live.next().await, json!({"type": "pong", "id": number}));
        assert_eq!(frames.next().await, json!({"type": "pong", "id": number}));
    }
    live.ping().await;
    frames.ping().await;
}

async fn outgoing_messages_wait_and_a_revoked_login_gets_none_of_them<C: LiveClient>() {
    let (gate, contexts) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
    let slow = {
        let (gate, contexts) = (Arc::clone(&gate), Arc::clone(&contexts));
        move |context: Context, _| {
            let gate = Arc::clone(&gate);
            contexts.lock().unwrap().push(context);
            async move {
                gate.notified().await;
                Ok::<_, EventError>(json!({"done": true}))
            }
        }
    };
    let settings = [("tokens.access_ttl", "90s"), ("sockets.heartbeat", "2m")];
    let app = spawn_embedded(&settings, Additions::new(Events::default().on("slow", slow))).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut lives = Vec::new();
    let mut others = Vec::new();
    for person in [&ann, &bob] {
        let mut live = C::live(&app, person).await;
        others.push(C::live(&app, person).await);
        assert_eq!(live.ask(json!({"type": "watch_sessions"})).await["type"], "sessions");
        live.send(json!({"type": "slow"})).await;
        live.ping().await;
        lives.push(live);
    }
    let (mut bobs, mut anns) = (lives.pop().unwrap(), lives.pop().unwrap());
    cut_off(&app).await;
    // An answer, an application's event, a list, and `expiring`.
    gate.notify_waiters();
    for context in contexts.lock().unwrap().drain(..) {
        context.emit("news", Payload::empty()).unwrap();
    }
    for other in others {
        other.leave().await;
    }
    app.advance(Duration::from_secs(45));
    // Long enough for all of it to arrive, were it sent.
    tokio::time::sleep(Duration::from_millis(500)).await;
    revoke(&app, &bob);
    reconnect(&app);
    let ended = bobs.ends(4441).await;
    assert!(ended.before.is_empty(), "it was sent something: {ended:?}");
    let mut came = Vec::new();
    for _ in 0..4 {
        came.push(anns.next().await["type"].as_str().unwrap().to_owned());
    }
    came.sort_unstable();
    assert_eq!(came, ["expiring", "news", "sessions", "slow"]);
    anns.ping().await;
}

async fn after_a_while_sockets_are_closed_for_another_node<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let user: UserId = ann.id.parse().unwrap();
    let mut asks = C::live(&app, &ann).await;
    let mut idle = C::live(&app, &ann).await;
    cut_off(&app).await;
    asks.send(json!({"type": "ping", "id": 1})).await;
    assert_eq!(app.sessions.directory().of_user(user).len(), 2);
    let closed = async {
        while !app.sessions.directory().of_user(user).is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE * 3, closed).await.expect("they are still open");
    for live in [&mut asks, &mut idle] {
        let ended = live.ends(1013).await;
        assert!(ended.before.is_empty(), "{ended:?}");
        assert_eq!(ended.goodbye["reconnect"], "backoff");
    }
    reconnect(&app);
    let sure = async {
        while !app.accounts.is_fresh() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, sure).await.expect("it does not recover");
    C::live(&app, &ann).await.ping().await;
}

async fn is_refused(app: &TestApp, token: &str) {
    let refused = async {
        while app.get("/api/me", token).await.status.as_u16() != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it is still admitted");
}

async fn a_user_whose_row_is_deleted_or_disabled_by_hand_is_signed_out<C: LiveClient>() {
    let app = spawn_app().await;
    let carol = app.register("carol").await;
    let mut bystander = C::live(&app, &carol).await;
    for (name, change) in [
        ("ann", "UPDATE users SET disabled_at = '2020-01-01 00:00:00'"),
        ("bob", "UPDATE users SET disabled_at = CURRENT_TIMESTAMP"),
        ("dave", "DELETE FROM users"),
    ] {
        let person = app.register(name).await;
        let phone = app.login(name).await;
        let mut live = C::live(&app, &person).await;
        live.ping().await;
        execute(&app, &format!("{change} WHERE id = '{}'", person.id));
        live.ends(4443).await;
        // The login without a socket never presented its token here.
        let phones: LoginId = phone.login.parse().unwrap();
        let noticed = async {
            while app.revocations.get(phones).is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, noticed).await.expect("it is not noticed");
        for token in [&person.access, &phone.access] {
            app.get("/api/me", token).await.expect(401);
            let mut live = C::unauthenticated(&app).await;
            live.present(token).await;
            live.ends(4401).await;
        }
    }
    bystander.ping().await;
}

#[actix_web::test]
async fn a_user_row_changed_by_hand_revokes_the_logins_on_every_node() {
    let place = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", place.path().join("shared.db").display());
    let url = database::url(place.path()).unwrap_or(file);
    let settings = [("database.url", url.as_str())];
    let start = || {
        let data = tempfile::tempdir_in(place.path()).unwrap();
        spawn_on(&settings, data, SmtpCatcher::start(), ManualClock::default())
    };
    let (here, there) = (start().await, start().await);
    let (ann, bob) = (here.register("ann").await, here.register("bob").await);
    execute(&here, &format!("UPDATE users SET disabled_at = '2020-01-01 00:00:00' WHERE id = '{}'", ann.id));
    // A node that has never seen the token learns it from the row of the login.
    let login: LoginId = ann.login.parse().unwrap();
    let noticed = async {
        while there.revocations.get(login).is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("it is not noticed");
    there.get("/api/me", &ann.access).await.expect(401);
    // Its row is marked a moment later: until then the token is refused all the same.
    let reason = || -> Option<String> {
        here.query(|conn| logins::table.find(&ann.login).select(logins::revoked_reason).first(conn))
    };
    let deadline = now() + PATIENCE;
    while reason().as_deref() != Some("account_disabled") {
        assert!(now() < deadline, "{:?}", reason());
        pause().await;
    }
    for node in [&here, &there] {
        node.get("/api/me", &bob.access).await.expect(200);
    }

    // A node that started after the row had changed closes what it admits.
    let carol = here.register("carol").await;
    drop((here, there));
    let conn = &mut url.parse::<doorward::internals::config::DatabaseUrl>().unwrap().connect().unwrap();
    conn.batch_execute(&format!("DELETE FROM users WHERE id = '{}'", carol.id)).unwrap();
    let late = start().await;
    let bearer = format!("Bearer {}", carol.access);
    match late.open(&[("authorization", &bearer)]).await {
        Ok(mut live) => drop(live.ends(4443).await),
        Err(status) => assert_eq!(status, 401),
    }
    is_refused(&late, &carol.access).await;
}

/// A way to PostgreSQL that may be cut, so that nothing is answered and nothing is refused. On threads of its own: a
/// server that starts waits for its first connection on the thread of the test.
struct Wire {
    port: u16,
    cut: Arc<AtomicBool>,
}

impl Wire {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let wire = Self { port: listener.local_addr().unwrap().port(), cut: Arc::default() };
        let cut = Arc::clone(&wire.cut);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else {
                    return;
                };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, cut) =
                        (from.try_clone().unwrap(), to.try_clone().unwrap(), Arc::clone(&cut));
                    thread::spawn(move || carry(from, to, &cut));
                }
            }
        });
        wire
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, cut: &AtomicBool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        while cut.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(5));
        }
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[actix_web::test]
async fn a_database_that_does_not_answer_counts_as_unreachable() {
    if !is_postgres() {
        return;
    }
    let Some(server) = Server::start() else { return };
    let direct = server.url("");
    let port = direct.rsplit_once(':').unwrap().1.split('/').next().unwrap().to_owned();
    let wire = Wire::to(port.parse().unwrap());
    let url = direct.replace(&format!(":{port}/"), &format!(":{}/", wire.port));
    let data = tempfile::tempdir().unwrap();
    let settings = [("database.url", url.as_str())];
    let app = spawn_on(&settings, data, SmtpCatcher::start(), ManualClock::default()).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let (mut anns, mut bobs) = (app.live(&ann).await, app.live(&bob).await);
    wire.cut.store(true, Ordering::Release);
    let stale = async {
        while app.accounts.is_fresh() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stale).await.expect("its revocation data is not stale");
    for live in [&mut anns, &mut bobs] {
        live.send(json!({"type": "secret", "id": 1})).await;
    }
    let mut conn = PgConnection::establish(&direct).unwrap();
    diesel::update(logins::table.find(&bob.login))
        .set(logins::revoked_at.eq(diesel::dsl::now))
        .execute(&mut conn)
        .unwrap();
    app.call(Method::GET, "/readyz", &[], None::<Value>).await.expect(503);
    wire.cut.store(false, Ordering::Release);
    assert_eq!(anns.next().await["type"], "secret");
    assert!(bobs.ends(4441).await.before.is_empty());
    WebSocketClient::live(&app, &ann).await.ping().await;
}
