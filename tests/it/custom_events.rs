//! Custom events of an application, on every transport.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_web::http::Method;
use doorward::{Additions, Context, EventError as Error, Events, Namespace, Payload, Reply};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;

use crate::support::app::{TestApp, spawn_embedded};
use crate::support::socketio::SocketIoClient;
use crate::support::time::PATIENCE;
use crate::support::transports::{LiveClient, on_every_transport};

on_every_transport!(
    an_event_is_answered,
    a_mistake_in_it_is_told,
    a_handler_that_waits_delays_no_other,
    messages_of_a_handler_come_before_its_answer,
    a_context_outlives_its_handler,
    handlers_are_dropped_with_their_session,
    nothing_that_is_sent_is_lost,
    a_namespace_greets_each_session_that_connects,
);

async fn spawn(events: Events) -> TestApp {
    spawn_embedded(&[], Additions::new(events)).await
}

async fn an_event_is_answered<C: LiveClient>() {
    let shout = |context: Context, payload: Payload| async move {
        let fields: Value = payload.first()?;
        let text = fields["text"].as_str().unwrap_or_default().to_uppercase();
        let who = context.access().map(|access| access.username.clone());
        let here = (context.transport(), context.sessions().len(), context.namespace().to_owned());
        Ok::<_, Error>(json!({"text": text, "who": who, "here": here}))
    };
    let app = spawn(Events::default().on("shout", shout).on("ignore", |_, _| async {})).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let reply = live.ask(json!({"type": "shout", "id": "s", "text": "hello"})).await;
    let here = json!([C::TRANSPORT, 1, "/"]);
    assert_eq!(
        reply,
        json!({"type": "shout", "id": "s", "text": "HELLO", "who": "ann", "here": here}),
        "{reply}"
    );
    // A message without an id is not answered.
    live.send(json!({"type": "ignore"})).await;
    live.ping().await;
    // The built-in requests still work.
    assert_eq!(live.ask(json!({"type": "secret"})).await["type"], "secret");
}

async fn a_mistake_in_it_is_told<C: LiveClient>() {
    let strict = |_: Context, payload: Payload| async move {
        let (number,): (u8,) = payload.read()?;
        if number > 10 { Err(Error::new("too_many", "at most 10")) } else { Ok(json!({"number": number})) }
    };
    let app = spawn(Events::default().on("strict", strict)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    let reply = live.ask(json!({"type": "strict", "id": 1, "number": 5})).await;
    assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!("bad_payload")), "{reply}");
    assert_eq!(reply["id"], 1);
    live.ping().await;
}

async fn a_handler_that_waits_delays_no_other<C: LiveClient>() {
    let gate = Arc::new(Notify::new());
    let slow = {
        let gate = Arc::clone(&gate);
        move |_: Context, _| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                json!({"waited": true})
            }
        }
    };
    let app = spawn(Events::default().on("slow", slow)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    for number in 0..65 {
        live.send(json!({"type": "slow", "id": number})).await;
    }
    // One too many.
    let reply = live.next().await;
    assert_eq!((&reply["code"], &reply["id"]), (&json!("too_many_requests"), &json!(64)));
    live.ping().await;
    for _ in 0..64 {
        gate.notify_one();
        assert_eq!(live.next().await["waited"], true);
    }
    live.ping().await;
}

async fn messages_of_a_handler_come_before_its_answer<C: LiveClient>() {
    let count = |context: Context, _| async move {
        for number in 0..3 {
            context.emit("number", Payload::new(&json!({"number": number}))?)?;
            // Whether it waits in between or not.
            tokio::task::yield_now().await;
        }
        Ok::<_, Error>(json!({"done": true}))
    };
    let app = spawn(Events::default().on("count", count)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    live.send(json!({"type": "count"})).await;
    for number in 0..3 {
        assert_eq!(live.next().await, json!({"type": "number", "number": number}));
    }
    assert_eq!(live.next().await, json!({"type": "count", "done": true}));
}

async fn a_context_outlives_its_handler<C: LiveClient>() {
    let refused = Arc::new(AtomicBool::new(false));
    let later = {
        let refused = Arc::clone(&refused);
        move |context: Context, _| {
            let refused = Arc::clone(&refused);
            async move {
                std::thread::spawn(move || {
                    while context.emit("tick", Payload::empty()).is_ok() {
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                    refused.store(true, Ordering::Release);
                });
            }
        }
    };
    let app = spawn(Events::default().on("later", later)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    live.send(json!({"type": "later"})).await;
    for _ in 0..5 {
        assert_eq!(live.next().await["type"], "tick");
    }
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    live.ends(4441).await;
    let told = async {
        while !refused.load(Ordering::Acquire) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the handler is not told that the session is gone");
}

async fn handlers_are_dropped_with_their_session<C: LiveClient>() {
    struct Running(Arc<AtomicUsize>);

    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::AcqRel);
        }
    }

    let running = Arc::new(AtomicUsize::new(0));
    let endless = {
        let running = Arc::clone(&running);
        move |_: Context, _| {
            running.fetch_add(1, Ordering::AcqRel);
            let running = Running(Arc::clone(&running));
            async move {
                std::future::pending::<()>().await;
                drop(running);
            }
        }
    };
    let app = spawn(Events::default().on("endless", endless)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    live.send(json!({"type": "endless"})).await;
    live.ping().await;
    assert_eq!(running.load(Ordering::Acquire), 1);
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    // Before its client has disconnected.
    let ended = async {
        while running.load(Ordering::Acquire) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it runs on");
    live.ends(4441).await;
}

async fn nothing_that_is_sent_is_lost<C: LiveClient>() {
    let later = |context: Context, payload: Payload| async move {
        let fields: Value = payload.first()?;
        let news = Payload::new(&json!({"number": fields["number"]}))?;
        // At any moment: while the handler runs, as it ends, and after it.
        std::thread::spawn(move || context.emit("came", news));
        Ok::<_, Error>(())
    };
    let app = spawn(Events::default().on("later", later)).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    for number in 0..200 {
        live.send(json!({"type": "later", "number": number})).await;
        let came = live.next().await;
        assert_eq!((&came["type"], &came["number"]), (&json!("came"), &json!(number)), "{came}");
    }
}

async fn a_namespace_greets_each_session_that_connects<C: LiveClient>() {
    let greet = |context: Context, _| async move {
        context
            .emit("hello", Payload::new(&json!({"to": context.access().map(|access| &access.username)}))?)?;
        Ok::<_, Error>(())
    };
    let app = spawn(Events::default().main(|main| main.on_connect(greet))).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    assert_eq!(live.next().await, json!({"type": "hello", "to": "ann"}));
    live.ping().await;
}

fn echo(namespace: Namespace) -> Namespace {
    namespace
        .on("echo", |_, payload: Payload| async { payload })
        .on("back", |_, payload: Payload| async { Reply::Acknowledge(payload) })
        .on_connect(|context: Context, auth: Payload| async move { context.emit("entered", auth) })
}

async fn text(frames: &mut SocketIoClient) -> String {
    match frames.item().await {
        Message::Text(text) => text.to_string(),
        other => panic!("expected text, got {other:?}"),
    }
}

#[actix_web::test]
async fn further_namespaces_share_the_session() {
    let app = spawn(Events::default().namespace(echo(Namespace::new("/admin")))).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut live = SocketIoClient::live(&app, &ann).await;
    text(&mut live).await;
    // No token is needed there, and what comes with it is the application's.
    live.text(r#"40/admin,{"room":5}"#).await;
    assert!(text(&mut live).await.starts_with(r#"40/admin,{"sid":""#));
    assert_eq!(text(&mut live).await, r#"42/admin,["entered",{"room":5}]"#);
    // A second CONNECT has no effect.
    live.text("40/admin,").await;
    live.text(r#"42/admin,["echo",1,"2",{"3":[true]}]"#).await;
    assert_eq!(text(&mut live).await, r#"42/admin,["echo",1,"2",{"3":[true]}]"#);
    live.text(r#"42/admin,7["echo",{"id":4,"a":1}]"#).await;
    assert_eq!(text(&mut live).await, r#"43/admin,7[{"id":4,"a":1}]"#);
    // An event of one is unknown in the other.
    live.text(r#"42["echo"]"#).await;
    assert!(text(&mut live).await.starts_with(r#"42["error",{"code":"unknown_type""#));
    assert_eq!(app.sessions.directory().of_user(ann.id.parse().unwrap()).len(), 1);

    // A newer token is accepted there too; a token of another user closes the session.
    let renewed = app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    live.text("41/admin").await;
    live.text(format!("40/admin,{}", json!({"token": renewed.str("access_token")}))).await;
    assert!(text(&mut live).await.starts_with(r#"40/admin,{"sid":""#));
    assert!(text(&mut live).await.starts_with(r#"42/admin,["authenticated",{"expires_at":""#));
    live.text("41/admin").await;
    live.text(format!("40/admin,{}", json!({"token": bob.access}))).await;
    live.ends(4401).await;

    // The goodbye is sent in each namespace.
    let ann = app.login("ann").await;
    let mut live = SocketIoClient::live(&app, &ann).await;
    live.text("40/admin").await;
    for _ in 0..3 {
        text(&mut live).await;
    }
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    let said: Vec<String> = [text(&mut live).await, text(&mut live).await, text(&mut live).await].into();
    assert!(
        said[0].starts_with(r#"42["goodbye""#) && said[2].starts_with(r#"42/admin,["goodbye""#),
        "{said:?}"
    );
    assert_eq!((said[1].as_str(), text(&mut live).await.as_str()), ("41", "41/admin,"));
}

#[actix_web::test]
async fn an_answer_that_is_too_late_is_sent_to_no_other_session() {
    let gate = Arc::new(Notify::new());
    let slow = {
        let gate = Arc::clone(&gate);
        move |context: Context, payload: Payload| {
            let gate = Arc::clone(&gate);
            async move {
                gate.notified().await;
                context.emit("late", Payload::empty())?;
                Ok::<_, Error>(payload)
            }
        }
    };
    let app = spawn(Events::default().namespace(Namespace::new("/admin").on("slow", slow))).await;
    let ann = app.register("ann").await;
    let mut live = SocketIoClient::live(&app, &ann).await;
    text(&mut live).await;
    live.text("40/admin").await;
    text(&mut live).await;
    live.text(r#"42/admin,5["slow"]"#).await;
    live.text("41/admin").await;
    live.ping().await;
    gate.notify_one();
    live.ping().await;
    live.ping().await;
}

#[actix_web::test]
async fn bytes_are_returned_as_attachments_and_as_base64_where_only_text_is_possible() {
    let app = spawn(Events::default().main(echo).on("bytes", |_, _| async {
        let payload = Payload::new(&json!({"file": {"_placeholder": true, "num": 0}}))?;
        Ok::<_, Error>(payload.with_attachments(vec![vec![1, 2, 3].into()]))
    }))
    .await;
    let ann = app.register("ann").await;
    let mut live = SocketIoClient::live(&app, &ann).await;
    text(&mut live).await;
    text(&mut live).await;
    live.text(r#"452-9["back",{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#).await;
    live.socket_send(Message::Binary(vec![1, 2].into())).await;
    live.socket_send(Message::Binary(vec![3].into())).await;
    let head = r#"462-9[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]"#;
    assert_eq!(text(&mut live).await, head);
    assert_eq!(live.item().await, Message::Binary(vec![1, 2].into()));
    assert_eq!(live.item().await, Message::Binary(vec![3].into()));
    live.text(r#"42["bytes",{"id":5}]"#).await;
    assert_eq!(text(&mut live).await, r#"451-["bytes",{"id":5,"file":{"_placeholder":true,"num":0}}]"#);

    let mut other = app.live(&ann).await;
    assert_eq!(other.next().await["type"], "entered");
    let reply = other.ask(json!({"type": "bytes", "id": 5})).await;
    assert_eq!(reply, json!({"type": "bytes", "id": 5, "file": "AQID"}));
}

#[actix_web::test]
async fn a_json_client_names_a_namespace_and_may_send_a_list() {
    let app = spawn(Events::default().namespace(echo(Namespace::new("/admin")))).await;
    let ann = app.register("ann").await;
    let mut live = app.live(&ann).await;
    live.send(json!({"type": "echo", "namespace": "/admin", "id": 1, "args": [1, "2"]})).await;
    assert_eq!(live.next().await, json!({"type": "entered", "namespace": "/admin"}));
    assert_eq!(live.next().await, json!({"type": "echo", "id": 1, "namespace": "/admin", "args": [1, "2"]}));
    live.send(json!({"type": "back", "namespace": "/admin"})).await;
    live.ping().await;
    let reply = live.ask(json!({"type": "echo", "namespace": "/nowhere"})).await;
    assert_eq!(reply["code"], "unknown_namespace");
}

#[actix_web::test]
async fn a_guest_of_an_open_namespace_can_sign_in_later() {
    let hall = echo(Namespace::new("/hall")).open();
    let events = Events::default().namespace(hall).namespace(
        Namespace::new("/who").open().on("who", |context: Context, _| async move {
            json!({"who": context.access().map(|access| &access.username)})
        }),
    );
    let settings = [("sockets.max_waiting_per_address", "2")];
    let app = spawn_embedded(&settings, Additions::new(events)).await;
    let ann = app.register("ann").await;
    let mut guest = SocketIoClient::unauthenticated(&app).await;
    text(&mut guest).await;
    guest.text(r#"40/hall,{"token":"the application's own"}"#).await;
    assert!(text(&mut guest).await.starts_with(r#"40/hall,{"sid":""#));
    assert_eq!(text(&mut guest).await, r#"42/hall,["entered",{"token":"the application's own"}]"#);
    // Longer than an unauthenticated session may, and pinged like any other.
    app.advance(std::time::Duration::from_secs(25));
    assert_eq!(text(&mut guest).await, "2");
    guest.text("3").await;
    guest.text(r#"42/hall,1["echo",5]"#).await;
    assert_eq!(text(&mut guest).await, "43/hall,1[5]");
    guest.text(r#"42/hall,2["sessions"]"#).await;
    assert!(text(&mut guest).await.contains("unauthorized"));
    guest.text("40/who").await;
    text(&mut guest).await;
    guest.text(r#"42/who,3["who"]"#).await;
    assert_eq!(text(&mut guest).await, r#"43/who,3[{"who":null}]"#);

    // Guests count as sessions that have not signed in.
    let other = SocketIoClient::unauthenticated(&app).await;
    assert_eq!(SocketIoClient::refused_unauthenticated(&app).await, 4429);
    drop(other);

    guest.text(format!("42/hall,{}", json!(["auth", {"token": ann.access}]))).await;
    assert!(text(&mut guest).await.starts_with(r#"42/hall,["welcome",{"session":""#));
    guest.text(r#"42/who,4["who"]"#).await;
    assert_eq!(text(&mut guest).await, r#"43/who,4[{"who":"ann"}]"#);
    guest.text("40").await;
    assert!(text(&mut guest).await.starts_with(r#"40{"sid":""#));
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    guest.ends(4441).await;

    // Where guests are not allowed, a guest is refused.
    let mut guest = SocketIoClient::unauthenticated(&app).await;
    guest.text("40/hall").await;
    guest.text("40").await;
    guest.ends(4401).await;
}
