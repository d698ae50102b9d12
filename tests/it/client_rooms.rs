//! The client library in rooms, against the real application and over both transports.

use doorward_client::{Client, Event, Post, Reconnect, RoomMessage, Sender, Session};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::app::{PASSWORD, TestApp, spawn_on};
use crate::support::commands::run;
use crate::support::rooms::{CHAT, join, send, set_roles, with_rooms};
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

fn urls(app: &TestApp) -> [String; 2] {
    [format!("ws://{}", app.address), format!("tcp://{}", app.tcp)]
}

async fn next(session: &mut Session) -> Event {
    timeout(PATIENCE, session.next()).await.expect("nothing happens").expect("the session is over")
}

async fn welcomed(url: &str) -> Session {
    let mut session = Client::sign_in(url, "ann", PASSWORD).await.unwrap().session();
    reply(&mut session, "welcome").await;
    session
}

/// The next event, which is a message of this type.
async fn reply(session: &mut Session, kind: &str) -> Value {
    match next(session).await {
        Event::Message(message) if message.kind() == kind => message.as_value().clone(),
        other => panic!("{other:?} instead of {kind}"),
    }
}

/// The next event, which is a message of a room.
async fn hears(session: &mut Session) -> RoomMessage {
    match next(session).await {
        Event::RoomMessage(message) => message,
        other => panic!("{other:?} instead of a room's message"),
    }
}

#[actix_web::test]
async fn a_client_joins_sends_lists_and_leaves() {
    let app = with_rooms(&[("rooms.user.send", "anyone")]).await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    for url in urls(&app) {
        let mut other = WebSocketClient::live(&app, &bob).await;
        join(&mut other, "chat:lobby").await;
        let mut session = welcomed(&url).await;
        let id = session.join("chat:lobby").unwrap();
        let Event::Message(joined) = next(&mut session).await else { panic!() };
        assert!(joined.answers(&id) && joined["room"] == "chat:lobby" && joined["can"] == json!(["send"]));
        session.join_all(["chat:b", "staff:all"]).unwrap();
        let several = reply(&mut session, "joined").await;
        assert_eq!(several["rooms"][1]["error"]["code"], "unknown_room");
        assert_eq!(session.joined_rooms().collect::<Vec<_>>(), ["chat:b", "chat:lobby"]);

        let data = json!({"text": "hello"});
        let id = session.post(&Post::to_room("chat:lobby", &data).event("say").key("k1")).unwrap();
        let sent = reply(&mut session, "sent").await;
        assert_eq!(sent["id"], id.as_str());
        let heard = other.next().await;
        assert_eq!((&heard["data"], &heard["event"], &heard["key"]), (&data, &json!("say"), &json!("k1")));
        assert_eq!(heard["message"], sent["message"]);

        send(&mut other, "chat:lobby", json!([1, 2])).await;
        let message = hears(&mut session).await;
        assert_eq!((message.room(), message.data()), ("chat:lobby", &json!([1, 2])));
        assert_eq!(message.sender(), Sender::User { id: &bob.id, username: "bob" });
        other.ask(json!({"type": "send", "user": ann.id, "data": "psst"})).await;
        assert_eq!(hears(&mut session).await.room(), format!("user:{}", ann.id));
        session.post(&Post::to_user(&bob.id, "you too")).unwrap();
        reply(&mut session, "sent").await;
        assert_eq!(other.next().await["data"], "you too");

        session.leave("chat:lobby").unwrap();
        assert_eq!(reply(&mut session, "left").await["code"], "left");
        session.list_rooms().unwrap();
        assert_eq!(reply(&mut session, "rooms").await["rooms"], json!(["chat:b"]));
        session.post(&Post::to_room("chat:lobby", &1)).unwrap();
        assert_eq!(reply(&mut session, "error").await["code"], "forbidden");
    }
}

#[actix_web::test]
async fn a_role_that_ends_takes_the_room_with_it() {
    let app = with_rooms(&[("rooms.staff.join", "role:staff")]).await;
    let ann = app.register("ann").await;
    for url in urls(&app) {
        set_roles(&app, &ann, &["staff"]).await;
        let mut session = welcomed(&url).await;
        session.join("staff:all").unwrap();
        reply(&mut session, "joined").await;
        set_roles(&app, &ann, &[]).await;
        reply(&mut session, "claims").await;
        let Event::RoomLeft(left) = next(&mut session).await else { panic!("it has not left") };
        assert_eq!((&*left.room, &*left.code, left.rejoin), ("staff:all", "policy", Reconnect::Never));
        assert_eq!(session.joined_rooms().count(), 0);
    }
}

#[actix_web::test]
async fn after_a_restart_it_joins_what_it_still_may() {
    let staff = ("rooms.staff.join", "role:staff");
    let mut app = with_rooms(&[staff]).await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    for transport in 0..2 {
        set_roles(&app, &ann, &["staff"]).await;
        let mut session = welcomed(&urls(&app)[transport]).await;
        session.join_all(["chat:lobby", "staff:all"]).unwrap();
        reply(&mut session, "joined").await;
        session.join("chat:left").unwrap();
        reply(&mut session, "joined").await;

        let (address, tcp) = (app.address.to_string(), app.tcp.to_string());
        app.stop().await;
        // By the command line, while no server runs.
        run(&app, &["user", "roles", "ann", "--replace", ""], "").await.ok();
        reply(&mut session, "goodbye").await;
        let Event::Disconnected { .. } = next(&mut session).await else { panic!("it is connected") };
        // Given up while there is no connection: it is not joined again.
        assert!(session.leave("chat:left").is_err());
        let TestApp { data, mail, clock, .. } = app;
        let settings = [&CHAT[..], &[staff, ("http.listen", &address), ("tcp.listen", &tcp)]].concat();
        app = spawn_on(&settings, data, mail, clock).await;

        let joined = loop {
            match next(&mut session).await {
                // The access token is from before the change, and another one is fetched.
                Event::Disconnected { .. } => {}
                Event::Message(message) if message.kind() == "joined" => break message,
                Event::Message(message) => assert_ne!(message.kind(), "error", "{message:?}"),
                other => panic!("{other:?}"),
            }
        };
        let rooms: Vec<_> =
            joined["rooms"].as_array().unwrap().iter().map(|outcome| &outcome["room"]).collect();
        assert_eq!(rooms, [&json!("chat:lobby"), &json!("staff:all")]);
        let Event::RoomLeft(left) = next(&mut session).await else { panic!("it has not left") };
        assert_eq!((&*left.room, &*left.code, left.rejoin), ("staff:all", "forbidden", Reconnect::Never));
        let mut other = WebSocketClient::live(&app, &app.login("bob").await).await;
        join(&mut other, "chat:lobby").await;
        send(&mut other, "chat:lobby", json!("again")).await;
        let heard = hears(&mut session).await;
        assert_eq!(heard.data(), "again");
        assert_eq!(heard.sender(), Sender::User { id: &bob.id, username: "bob" });
    }
}
