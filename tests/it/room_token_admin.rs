//! Room tokens that are revoked over HTTP and at the command line, what is recorded of it, and keys that cannot be used.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::clock::ManualClock;
use doorward::internals::schema::{audit_events, room_token_revocations};
use doorward::{Application, Clock};
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{PASSWORD, TestApp, spawn_on};
use crate::support::commands::with_settings;
use crate::support::config::Settings;
use crate::support::import::data_dir;
use crate::support::room_tokens::{Backend, KINDS, join_with, seconds};
use crate::support::rooms::{CHAT, hears_nothing};
use crate::support::transports::LiveClient;
use crate::support::websocket::WebSocketClient;

const REVOKE: &str = "/api/admin/room-tokens/revoke";

fn audited(app: &TestApp) -> Vec<(String, Option<String>)> {
    let events = audit_events::table.filter(audit_events::action.eq("room_tokens_revoked"));
    let columns = (audit_events::detail.assume_not_null(), audit_events::subject);
    app.query(|conn| events.order(audit_events::at).select(columns).load(conn))
}

fn rows(app: &TestApp) -> i64 {
    app.query(|conn| room_token_revocations::table.count().get_result(conn))
}

#[actix_web::test]
async fn a_backend_revokes_tokens_with_a_key_that_may() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    let reader = key(&app, &["--scope", "rooms:read"]).await;
    let body = json!({"jti": "one"});
    for token in [&reader, &ann.access] {
        let refused = app.send(Method::POST, REVOKE, token, body.clone()).await;
        refused.assert_refused(403, "insufficient_scope");
    }
    let mut live = WebSocketClient::live(&app, &ann).await;
    let one = backend.token(&app, &ann, "order:7", &json!({"jti": "one"}));
    assert_eq!(join_with(&mut live, "order:7", &one).await["type"], "joined");
    for _ in 0..2 {
        let answer = app.send(Method::POST, REVOKE, &writer, body.clone()).await.expect(200);
        assert_eq!(answer.body, json!({"silent_nodes": []}));
    }
    assert_eq!(live.next().await["code"], "revoked");
    let two = backend.token(&app, &ann, "order:7", &json!({"jti": "two"}));
    assert_eq!(join_with(&mut live, "order:7", &two).await["type"], "joined");
    app.advance(Duration::from_secs(1));
    app.send(Method::POST, REVOKE, &writer, json!({"user": ann.id})).await.expect(200);
    assert_eq!(live.next().await["code"], "revoked");
    let moment = "2020-01-01T00:00:00.000Z";
    app.advance(Duration::from_secs(1));
    app.send(Method::POST, REVOKE, &writer, json!({"issued_before": moment})).await.expect(200);
    let audited = audited(&app);
    assert_eq!((&*audited[0].0, &audited[0].1), ("jti one", &None), "once: the second has changed nothing");
    assert_eq!(audited[1].1, Some(ann.id.clone()));
    assert_eq!(audited[2], (format!("issued before {moment}"), None));
    assert_eq!((audited.len(), rows(&app)), (3, 3));
}

#[actix_web::test]
async fn what_is_wrong_revokes_nothing() {
    let backend = Backend::new();
    let app = backend.server().await;
    let ann = app.register("ann").await;
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    let post = async |body: Value| app.send(Method::POST, REVOKE, &writer, body).await;
    for body in [
        json!({}),
        json!({"jti": ""}),
        json!({"jti": "x".repeat(129)}),
        json!({"jti": "a\u{0}b"}),
        json!({"jti": "x", "user": ann.id}),
        json!({"jti": "x", "issued_before": "2020-01-01T00:00:00Z"}),
    ] {
        post(body).await.assert_problem(422, "invalid_jti");
    }
    let future = json!({"issued_before": "2999-01-01T00:00:00Z"});
    post(future).await.assert_problem(422, "invalid_issued_before");
    post(json!({"user": uuid::Uuid::nil()})).await.assert_problem(404, "not_found");
    for body in [json!({"user": "ann"}), json!({"jti": 7}), json!({"token": "x"})] {
        assert_eq!(post(body.clone()).await.status.as_u16() / 100, 4, "{body}");
    }
    assert_eq!((rows(&app), audited(&app)), (0, vec![]));
}

#[actix_web::test]
async fn an_operator_makes_and_revokes_tokens_beside_the_server() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (private, public) = (dir.path().join("backend.pem"), dir.path().join("backend.pub.pem"));
    std::fs::write(&private, pair.serialize_pem()).unwrap();
    std::fs::write(&public, pair.public_key_pem()).unwrap();
    let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
    let more = [("rooms.token_key", public), ("sockets.heartbeat", "10m")];
    let settings = [&CHAT[..], &KINDS[..], &more].concat();
    let app = crate::support::app::spawn_with(&settings).await;
    let ann = app.register("ann").await;
    let data = data_dir(&app);
    let run = async |arguments: &[&str]| with_settings(&data, &settings, arguments, "").await;
    let make = async |more: &[&str]| {
        let made = run(&[&["room", "token", "order:*", "ann", "--key", private], more].concat()).await.ok();
        assert_eq!(made.out.matches('.').count(), 2, "only the token: {}", made.out);
        // The command has the real time.
        let behind = Clock::System.now().and_utc().timestamp() - seconds(&app);
        app.advance(Duration::from_secs(u64::try_from(behind).unwrap_or_default()));
        made.out.trim_end().to_owned()
    };
    let mut live = WebSocketClient::live(&app, &ann).await;
    let token = make(&["--jti", "one", "--ops", "send", "--for", "1h"]).await;
    let joined = join_with(&mut live, "order:7", &token).await;
    assert_eq!(joined["can"], json!(["send"]), "{joined}");
    let said = run(&["room", "revoke-tokens", "--jti", "one"]).await.ok();
    assert_eq!(said.out, "The token one is revoked\n");
    assert_eq!(live.next().await["code"], "revoked");
    assert_eq!(join_with(&mut live, "order:7", &token).await["code"], "bad_token");
    let token = make(&[]).await;
    assert_eq!(join_with(&mut live, "order:7", &token).await["can"], json!(["send", "presence"]));
    run(&["room", "revoke-tokens", "--user", "ann", "--issued-before", "1h"]).await.ok();
    hears_nothing(&mut live).await;
    let said = run(&["room", "revoke-tokens", "--everybody", "--yes"]).await.ok();
    assert_eq!(said.out, "The tokens of all users are revoked\n");

    for (arguments, code, why) in [
        (&["room", "revoke-tokens"][..], 2, "required"),
        (&["room", "revoke-tokens", "--jti", "x", "--user", "ann"], 2, "cannot be used"),
        (&["room", "revoke-tokens", "--jti", "x", "--issued-before", "1h"], 2, "cannot be used"),
        (&["room", "revoke-tokens", "--user", "unknown"], 1, "there is no account"),
        (&["room", "token", "order", "ann", "--key", private], 2, "kind:rest"),
        (&["room", "token", "order:7", "ann", "--key", public], 1, "holds a public key"),
        (&["room", "token", "order:7", "ann", "--key", "/nowhere"], 1, "No such file"),
        (&["room", "token", "order:7", "ann", "--key", private, "--for", "25h"], 2, "from 1s to 24h"),
        (&["room", "token", "order:7", "ann", "--key", private, "--ops", "join"], 2, "possible values"),
    ] {
        let wrong = run(arguments).await;
        assert_eq!(wrong.code, Some(code), "{arguments:?} {}", wrong.err);
        assert!(wrong.err.contains(why), "{arguments:?}: {}", wrong.err);
    }
}

#[actix_web::test]
async fn what_was_revoked_stays_revoked_over_a_restart_and_is_forgotten_once_it_has_expired() {
    let backend = Backend::new();
    let mut app = backend.server().await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let writer = key(&app, &["--scope", "rooms:write"]).await;
    let token = backend.token(&app, &ann, "order:7", &json!({"jti": "one", "exp": seconds(&app) + 86_400}));
    app.send(Method::POST, REVOKE, &writer, json!({"jti": "one"})).await.expect(200);
    app.send(Method::POST, REVOKE, &writer, json!({"user": bob.id})).await.expect(200);
    let file = backend.file();
    let settings = [&CHAT[..], &KINDS[..], &[("rooms.token_jwks", &*file)]].concat();
    app.stop().await;
    let app = spawn_on(&settings, app.data, app.mail, app.clock).await;
    let mut live = WebSocketClient::live(&app, &app.login("ann").await).await;
    assert_eq!(join_with(&mut live, "order:7", &token).await["code"], "bad_token");
    let of_bob = json!({"current_password": PASSWORD});
    app.send(Method::DELETE, "/api/me", &app.login("bob").await.access, of_bob).await.expect(204);
    assert_eq!(rows(&app), 1, "an account that is deleted leaves nothing");
    app.advance(Duration::from_hours(25) - Duration::from_secs(1));
    app.accounts.purge().await.unwrap();
    assert_eq!(rows(&app), 1);
    app.advance(Duration::from_secs(2));
    app.accounts.purge().await.unwrap();
    assert_eq!(rows(&app), 0);
}

#[actix_web::test]
async fn keys_that_cannot_be_used_stop_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let private = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem();
    let missing = dir.path().join("missing.pem");
    for (key, path, why) in [
        ("rooms.token_key", file("private.pem", &private), "private key"),
        ("rooms.token_jwks", file("private.json", &private), "not a JWK set"),
        ("rooms.token_jwks", file("empty.json", r#"{"keys":[]}"#), "0 keys"),
        ("rooms.token_jwks", file("large.json", &" ".repeat(70_000)), "more than 65536 bytes"),
        ("rooms.token_key", missing.to_str().unwrap().to_owned(), "No such file"),
        ("rooms.token_key", dir.path().to_str().unwrap().to_owned(), "directory"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let config = Settings::server(data.path()).with(&[(key, &*path)]).config();
        let built = Application::build(config, Clock::Manual(ManualClock::default())).await;
        let Err(error) = built else { panic!("{path}") };
        assert!(error.starts_with(&format!("{key}: cannot use {path}")) && error.contains(why), "{error}");
        assert!(!error.contains("-----BEGIN"), "{error}");
    }
}
