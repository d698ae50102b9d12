//! A live session on every transport: the ways to sign in, its requests, and every close reason except revocation.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{claims, spawn_app, spawn_with};
use crate::support::transports::{LiveClient, on_every_transport};

on_every_transport!(
    a_token_signs_in,
    a_bad_token_does_not_sign_in,
    every_request_of_a_session_is_answered,
    a_watcher_is_told_of_sessions_that_connect_and_disconnect,
    a_mistaken_request_is_an_error_and_does_not_close_the_session,
    anything_but_a_json_object_closes_the_session,
    a_token_is_renewed_in_band,
    a_token_of_another_user_does_not_renew_it,
    silence_closes_the_session,
    a_user_has_a_bounded_number_of_sessions,
    an_address_has_a_bounded_number_of_unauthenticated_sessions,
    the_server_has_a_bounded_number_of_sockets,
    a_message_has_a_bounded_size,
);

async fn a_token_signs_in<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("Ann").await;
    let mut pending = C::unauthenticated(&app).await;
    pending.present(&ann.access).await;
    for mut live in [C::with_token(&app, &ann.access).await, pending] {
        let welcome = live.next().await;
        assert_eq!(welcome["type"], "welcome");
        assert_eq!(welcome["user"], json!({"id": ann.id, "username": "ann"}));
        assert_eq!(welcome["login"], ann.login);
        assert_eq!(welcome["heartbeat_s"], 25);
        let expires = chrono::DateTime::parse_from_rfc3339(welcome["expires_at"].as_str().unwrap()).unwrap();
        assert_eq!(json!(expires.timestamp()), claims(&ann.access)["exp"]);
        live.ping().await;
    }
}

async fn a_bad_token_does_not_sign_in<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for token in [&ann.refresh, "nonsense", "a.b.c", ""] {
        let mut live = C::unauthenticated(&app).await;
        live.present(token).await;
        let ended = live.ends(4401).await;
        assert_eq!(ended.before[0]["code"], "invalid_token");
        assert_eq!(ended.goodbye["reconnect"], "never");
    }
    app.advance(Duration::from_mins(15));
    let mut late = C::unauthenticated(&app).await;
    late.present(&ann.access).await;
    let ended = late.ends(4440).await;
    assert_eq!(ended.before[0]["code"], "token_expired");
    assert_eq!(ended.goodbye["reconnect"], "new_token");
}

async fn every_request_of_a_session_is_answered<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let mut live = C::live(&app, &ann).await;
    let mut other = C::live(&app, &ann).await;
    let _bobs = C::live(&app, &bob).await;

    let secret = live.ask(json!({"type": "secret", "id": "s"})).await;
    assert_eq!((&secret["type"], &secret["id"]), (&json!("secret"), &json!("s")));
    assert!(secret["message"].as_str().unwrap().starts_with("ann, "), "{secret}");
    assert_eq!(secret["code"].as_str().unwrap().len(), 8);
    let again = other.ask(json!({"type": "secret"})).await;
    assert_ne!(secret["code"], again["code"]);
    assert!(again.get("id").is_none());

    let sessions = live.ask(json!({"type": "sessions", "id": 5})).await;
    let list = sessions["sessions"].as_array().unwrap();
    assert_eq!(list.len(), 2, "{sessions}");
    assert_eq!(list[0]["carrier"], C::TRANSPORT);
    assert_eq!(list[0]["login"], ann.login);
    assert_eq!(list[0]["address"], "127.0.0.1");
    let listed = app.get("/api/sessions", &ann.access).await.expect(200);
    assert_eq!(listed.body["sessions"], sessions["sessions"]);

    other.leave().await;
    while app.get("/api/sessions", &ann.access).await.body["sessions"].as_array().unwrap().len() != 1 {
        tokio::task::yield_now().await;
    }
}

async fn a_watcher_is_told_of_sessions_that_connect_and_disconnect<C: LiveClient>() {
    let app = spawn_app().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let mut watcher = C::live(&app, &ann).await;
    let listed = |message: &serde_json::Value| message["sessions"].as_array().unwrap().len();
    let first = watcher.ask(json!({"type": "watch_sessions", "id": 7})).await;
    assert_eq!((&first["type"], &first["id"], listed(&first)), (&json!("sessions"), &json!(7), 1));
    // Asking twice does not send the list twice.
    let again = watcher.ask(json!({"type": "watch_sessions"})).await;
    assert_eq!(listed(&again), 1);
    // No sooner than a second after the last list.
    let second = Duration::from_secs(1);
    let other = C::live(&app, &ann).await;
    app.advance(second);
    let two = watcher.next().await;
    assert_eq!((listed(&two), two.get("id")), (2, None));
    drop(C::live(&app, &bob).await);
    other.leave().await;
    app.advance(second);
    assert_eq!(listed(&watcher.next().await), 1);
    watcher.ping().await;
    // More than one change at a time: the last list is right.
    let others = [C::live(&app, &ann).await, C::live(&app, &ann).await, C::live(&app, &ann).await];
    app.advance(second);
    while listed(&watcher.next().await) != 4 {
        app.advance(second);
    }
    // Not dropped: that of a client between two polls would be noticed at its next heartbeat, and the time stands still.
    for other in others {
        other.leave().await;
    }
    app.advance(second);
    while listed(&watcher.next().await) != 1 {
        app.advance(second);
    }
    watcher.ping().await;
}

async fn a_mistaken_request_is_an_error_and_does_not_close_the_session<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    for (message, code) in [
        (json!({"type": "dance", "id": 1}), "unknown_type"),
        (json!({"id": 1}), "missing_type"),
        (json!({"type": ["ping"], "id": 1}), "missing_type"),
        (json!({"type": "auth", "id": 1}), "missing_token"),
    ] {
        let reply = live.ask(message).await;
        assert_eq!((&reply["type"], &reply["code"]), (&json!("error"), &json!(code)));
        assert_eq!(reply["id"], 1);
    }
    assert_eq!(live.ask(json!({"type": "ping", "id": {}})).await["code"], "bad_id");
    live.ping().await;
}

async fn anything_but_a_json_object_closes_the_session<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for text in ["hello", "[1]", "\0", "{\"type\":\"ping\"", "{} {}"] {
        let mut live = C::live(&app, &ann).await;
        live.write(text).await;
        assert_eq!(live.ends(4400).await.goodbye["reconnect"], "never");
    }
    let mut live = C::live(&app, &ann).await;
    live.write_garbage().await;
    live.ends(4400).await;
}

async fn a_token_is_renewed_in_band<C: LiveClient>() {
    let app = spawn_with(&[("tokens.access_ttl", "90s"), ("sockets.heartbeat", "2m")]).await;
    let ann = app.register("ann").await;
    let mut live = C::live(&app, &ann).await;
    // Halfway, as a minute before the end would be too soon for so short a token.
    app.advance(Duration::from_secs(45));
    let expiring = live.next().await;
    assert_eq!(expiring["type"], "expiring");

    let renewed = app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    let reply = live.ask(json!({"type": "auth", "token": renewed.str("access_token"), "id": 2})).await;
    assert_eq!((&reply["type"], &reply["id"]), (&json!("authenticated"), &json!(2)));
    assert_ne!(reply["expires_at"], expiring["expires_at"]);

    // The old token's end passes unnoticed, the new one's does not.
    app.advance(Duration::from_secs(61));
    live.next().await;
    live.ping().await;
    app.advance(Duration::from_secs(30));
    let ended = live.ends(4440).await;
    assert_eq!(ended.goodbye["reconnect"], "new_token");
}

async fn a_token_of_another_user_does_not_renew_it<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let phone = app.login("ann").await;
    for other in [&bob, &phone] {
        let mut live = C::live(&app, &ann).await;
        live.send(json!({"type": "auth", "token": other.access})).await;
        live.ends(4401).await;
    }
    let mut live = C::live(&app, &ann).await;
    live.send(json!({"type": "auth", "token": "x"})).await;
    assert_eq!(live.ends(4401).await.before[0]["code"], "invalid_token");
}

async fn silence_closes_the_session<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let mut pending = C::unauthenticated(&app).await;
    app.advance(Duration::from_secs(5));
    assert_eq!(pending.ends(4408).await.goodbye["reconnect"], "backoff");

    let mut live = C::live(&app, &ann).await;
    app.advance(Duration::from_secs(50));
    live.ends(4408).await;

    // A session that answers pings stays open.
    let mut live = C::live(&app, &ann).await;
    for _ in 0..4 {
        app.advance(Duration::from_secs(25));
        live.ping().await;
    }
}

async fn a_user_has_a_bounded_number_of_sessions<C: LiveClient>() {
    let app = spawn_with(&[("sockets.max_per_user", "2")]).await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let first = C::live(&app, &ann).await;
    let _second = C::live(&app, &ann).await;
    let mut third = C::with_token(&app, &ann.access).await;
    assert_eq!(third.ends(4429).await.goodbye["reconnect"], "backoff");
    C::live(&app, &bob).await;
    // A place that is given back can be taken.
    first.leave().await;
    while app.sessions.directory().of_user(ann.id.parse().unwrap()).len() == 2 {
        tokio::task::yield_now().await;
    }
    C::live(&app, &ann).await;
}

async fn an_address_has_a_bounded_number_of_unauthenticated_sessions<C: LiveClient>() {
    let app = spawn_with(&[("sockets.max_waiting_per_address", "3")]).await;
    let ann = app.register("ann").await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(C::unauthenticated(&app).await);
    }
    assert_eq!(C::refused_unauthenticated(&app).await, 4429);
    // A session that signs in makes room.
    waiting[0].present(&ann.access).await;
    assert_eq!(waiting[0].next().await["type"], "welcome");
    let _fourth = C::unauthenticated(&app).await;
    assert_eq!(C::refused_unauthenticated(&app).await, 4429);
}

async fn the_server_has_a_bounded_number_of_sockets<C: LiveClient>() {
    let app = spawn_with(&[("sockets.max_open", "2")]).await;
    let ann = app.register("ann").await;
    let bob = app.register("bob").await;
    let mut anns = [C::live(&app, &ann).await, C::live(&app, &ann).await];
    // An answer comes after the registration, which shares the session's thread.
    for live in &mut anns {
        live.ping().await;
    }
    assert_eq!(C::refused_unauthenticated(&app).await, 1013);
    app.get("/api/me", &bob.access).await.expect(200);
    for live in &mut anns {
        live.ping().await;
    }
}

async fn a_message_has_a_bounded_size<C: LiveClient>() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let padded = |size: usize| {
        let text = json!({"type": "ping", "x": ""}).to_string();
        text.replace(r#""x":"""#, &format!(r#""x":"{}""#, "y".repeat(size - text.len())))
    };
    let mut live = C::live(&app, &ann).await;
    live.write(&padded(65_536)).await;
    assert_eq!(live.next().await["type"], "pong");
    live.write(&padded(65_537)).await;
    assert_eq!(live.ends(1009).await.goodbye["reconnect"], "never");

    // An unauthenticated session may send less.
    let mut pending = C::unauthenticated(&app).await;
    pending.write(&padded(8193)).await;
    pending.ends(1009).await;
}
