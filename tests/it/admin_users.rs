//! Accounts, logins, sockets and the audit trail over the server API.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{Answer, NEW_PASSWORD, PASSWORD, TestApp, spawn_app};
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;

const UNKNOWN: &str = "0190f3c4-0000-7000-8000-000000000000";

const ALL: [&str; 14] = [
    "--scope",
    "users:read",
    "--scope",
    "users:write",
    "--scope",
    "users:end",
    "--scope",
    "sessions:read",
    "--scope",
    "audit:read",
    "--scope",
    "stats:read",
    "--scope",
    "keys:read",
];

async fn post(app: &TestApp, key: &str, path: &str, body: Value) -> Answer {
    app.send(Method::POST, path, key, body).await
}

async fn patch(app: &TestApp, key: &str, id: &str, body: Value) -> Answer {
    app.send(Method::PATCH, &format!("/api/admin/users/{id}"), key, body).await
}

/// The token of the link that was sent to this address last.
async fn link(app: &TestApp, address: &str, kind: &str) -> String {
    let deadline = now() + PATIENCE;
    loop {
        let mut mails = app.mail.caught().into_iter().rev();
        if let Some(mail) = mails.find(|mail| mail.to == [address] && mail.text.contains(kind)) {
            return mail.token(kind);
        }
        assert!(now() < deadline, "no {kind} to {address}");
        pause().await;
    }
}

#[actix_web::test]
async fn a_created_user_sets_a_password_that_nobody_else_knows() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let body = json!({"username": "Ann", "email": "ann@example.org", "email_verified": true});
    let made = post(&app, &key, "/api/admin/users", body).await.expect(201);
    assert_eq!((&made.body["username"], &made.body["email_verified"]), (&json!("ann"), &json!(true)));
    assert_eq!(made.header("location"), format!("/api/admin/users/{}", made.str("id")));
    let token = link(&app, "ann@example.org", "reset-password").await;
    app.post("/api/reset-password", json!({"token": token, "password": PASSWORD})).await.expect(204);
    app.login("ann").await;

    // An address that is only claimed gets a link to verify it, and with that one for a password.
    let body = json!({"username": "bob", "email": "bob@example.org"});
    let bob = post(&app, &key, "/api/admin/users", body).await.expect(201).str("id");
    let reset = format!("/api/admin/users/{bob}/reset-password");
    post(&app, &key, &reset, Value::Null).await.assert_refused(409, "no_verified_email");
    let token = link(&app, "bob@example.org", "verify-email").await;
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    post(&app, &key, &reset, Value::Null).await.expect(202);
    let token = link(&app, "bob@example.org", "reset-password").await;
    app.post("/api/reset-password", json!({"token": token, "password": PASSWORD})).await.expect(204);
    app.login("bob").await;

    for (body, status, code) in [
        (json!({"username": "ANN"}), 409, "username_taken"),
        (json!({"username": "a b"}), 422, "invalid_username"),
        (json!({"username": "Postmaster"}), 409, "username_reserved"),
        (json!({"username": "eve", "email": "nothing"}), 422, "invalid_email"),
        (json!({"username": "eve", "email_verified": true}), 422, "invalid_email"),
        (json!({"username": "eve", "email": "ann@example.org", "email_verified": true}), 409, "email_held"),
        (json!({"username": "eve", "password": PASSWORD}), 422, "unknown_field"),
        (json!({"username": "eve", "user_id": bob}), 422, "unknown_field"),
    ] {
        post(&app, &key, "/api/admin/users", body).await.assert_refused(status, code);
    }
    let found = app.get("/api/admin/users?search=eve", &key).await.expect(200);
    assert_eq!(found.body, json!({"users": [], "next": null}), "nothing of a refused request stays");
}

#[actix_web::test]
async fn users_are_listed_in_pages_and_found() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    for name in ["dora", "ann", "carl", "bob"] {
        let body = json!({"username": name, "email": format!("{name}@example.org")});
        post(&app, &key, "/api/admin/users", body).await.expect(201);
    }
    let names = |answer: &Answer| -> Vec<String> {
        let users = answer.body["users"].as_array().unwrap();
        users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    let first = app.get("/api/admin/users?limit=3", &key).await.expect(200);
    assert_eq!(
        (names(&first), &first.body["next"]),
        (vec!["ann".into(), "bob".into(), "carl".into()], &json!("carl"))
    );
    let last = app.get("/api/admin/users?limit=3&after=carl", &key).await.expect(200);
    assert_eq!((names(&last), &last.body["next"]), (vec!["dora".to_owned()], &Value::Null));
    let found = app.get("/api/admin/users?search=OB%40exam", &key).await.expect(200);
    assert_eq!(names(&found), ["bob"]);
    for query in ["limit=many", "user_id=1", "limit=-1"] {
        app.get(&format!("/api/admin/users?{query}"), &key).await.assert_refused(400, "bad_query");
    }
}

#[actix_web::test]
async fn a_parameter_that_no_database_can_read_is_refused() {
    let app = spawn_app().await;
    let scopes = [&ALL[..], &["--scope", "events:read"]].concat();
    let key = key(&app, &scopes).await;
    let ann = app.register("ann").await;
    for query in [
        "users?search=a%00b",
        "users?after=%00",
        "audit?action=%00",
        "audit?actor=%00",
        "audit?actor_id=a%00",
        "audit?since=%2B10000-01-01T00:00:00Z",
        "audit?until=%2B10000-01-01T00:00:00Z",
        "audit?since=0000-12-31T23:59:59Z",
        "audit?until=-0001-01-01T00:00:00Z",
        "audit?after=%00",
        "events?wait=%00",
        "sessions?user=%00",
        "keys?after=%00",
    ] {
        app.get(&format!("/api/admin/{query}"), &key).await.assert_refused(400, "bad_query");
    }
    let logins = format!("/api/admin/users/{}/logins?after=%00", ann.id);
    app.get(&logins, &key).await.assert_refused(400, "bad_query");
    for query in ["since=0001-01-01T00:00:00Z", "until=9999-12-31T23:59:59.999999Z"] {
        app.get(&format!("/api/admin/audit?{query}"), &key).await.expect(200);
    }
}

#[actix_web::test]
async fn a_change_of_nothing_is_refused() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let ann = app.register("ann").await;
    for nothing in [json!({}), json!({"display_name": null})] {
        patch(&app, &key, &ann.id, nothing).await.assert_refused(422, "invalid_body");
    }
}

#[actix_web::test]
async fn a_claim_may_have_any_name() {
    let app = spawn_app().await;
    let key = key(&app, &["--scope", "roles:write", "--scope", "audit:read"]).await;
    let ann = app.register("ann").await;
    patch(&app, &key, &ann.id, json!({"claims": {"a\u{0}b": 1}})).await.expect(200);
    let trail = app.get("/api/admin/audit?action=claims_changed", &key).await.expect(200);
    assert_eq!(trail.body["events"][0]["detail"], "a\\u{0}b");
}

#[actix_web::test]
async fn an_account_is_changed_as_a_whole_and_only_as_it_was_seen() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let ann = app.register("ann").await;
    let bob = app.register_holder("bob", "bob@example.org").await;
    let path = format!("/api/admin/users/{}", ann.id);
    let seen = app.get(&path, &key).await.expect(200);
    let tag = seen.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    let bearer = format!("Bearer {key}");
    let change = async |tag: &str, body: Value| {
        let headers = [("authorization", &*bearer), ("if-match", tag)];
        app.call(Method::PATCH, &path, &headers, Some(body)).await
    };
    let changed = change(&tag, json!({"display_name": "Ann B."})).await.expect(200);
    assert_eq!(changed.str("display_name"), "Ann B.");
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(app.get(&path, &key).await.header("etag"), changed.header("etag"));
    for stale in [&*tag, "\"\"", "W/\"x\"", "nonsense"] {
        change(stale, json!({"display_name": "C"})).await.assert_refused(412, "precondition_failed");
        let headers = [("authorization", &*bearer), ("if-match", stale)];
        for (method, path) in [(Method::DELETE, path.clone()), (Method::POST, format!("{path}/disable"))] {
            app.call(method, &path, &headers, None).await.assert_refused(412, "precondition_failed");
        }
    }
    let both = format!("{tag}, {}", changed.header("etag"));
    change(&both, json!({"display_name": "Ann"})).await.expect(200);
    change("*", json!({"display_name": "Anne"})).await.expect(200);

    // All or nothing: another user holds the address.
    let body = json!({"display_name": "D", "email": "bob@example.org", "email_verified": true});
    patch(&app, &key, &ann.id, body).await.assert_refused(409, "email_held");
    assert_eq!(app.get(&path, &key).await.str("display_name"), "Anne");
    patch(&app, &key, &ann.id, json!({"email_verified": true}))
        .await
        .assert_refused(422, "invalid_email_verified");
    let body = json!({"email": "ann@example.org", "email_verified": true});
    let verified = patch(&app, &key, &ann.id, body).await.expect(200);
    assert_eq!(
        (verified.str("email").as_str(), &verified.body["email_verified"]),
        ("ann@example.org", &json!(true))
    );
    let again = patch(&app, &key, &ann.id, json!({"email_verified": false})).await.expect(200);
    assert_eq!(again.body["email_verified"], false);
    // A new address is the user's once its link is followed.
    let sent = patch(&app, &key, &bob.id, json!({"email": "rob@example.org"})).await.expect(200);
    assert_eq!(sent.str("email"), "bob@example.org");
    let token = link(&app, "rob@example.org", "verify-email").await;
    app.post("/api/verify-email", json!({"token": token})).await.expect(204);
    let user = app.get(&format!("/api/admin/users/{}", bob.id), &key).await;
    assert_eq!(user.str("email"), "rob@example.org");
    for (body, code) in [
        (json!({"username": "x"}), "unknown_field"),
        (json!({"password": NEW_PASSWORD}), "unknown_field"),
        (json!({"display_name": "\u{202e}"}), "invalid_display_name"),
    ] {
        patch(&app, &key, &ann.id, body).await.assert_refused(422, code);
    }
    patch(&app, &key, UNKNOWN, json!({"display_name": "x"})).await.assert_refused(404, "not_found");
}

#[actix_web::test]
async fn an_account_gets_a_language_and_loses_it() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let ann = app.register("ann").await;
    let german = patch(&app, &key, &ann.id, json!({"language": "de"})).await.expect(200);
    assert_eq!(german.str("language"), "de");
    patch(&app, &key, &ann.id, json!({"language": "German"})).await.assert_refused(422, "invalid_language");
    let browser = patch(&app, &key, &ann.id, json!({"language": ""})).await.expect(200);
    assert_eq!(browser.body["language"], Value::Null);
    let trail = app.get("/api/admin/audit?action=language_changed", &key).await.expect(200);
    assert_eq!(trail.body["events"].as_array().unwrap().len(), 2);
}

/// What was done to the user is in the audit trail, under the key's name.
async fn assert_trail(app: &TestApp, key: &str, user: &str) {
    let id = key.split('_').nth(1).unwrap();
    let trail = app.get(&format!("/api/admin/audit?user={user}&actor=api_key"), key).await.expect(200);
    let events = trail.body["events"].as_array().unwrap();
    let actions: Vec<_> = events.iter().rev().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["logins_revoked", "logins_revoked", "disabled", "enabled", "deleted"]);
    assert!(
        events.iter().all(|event| event["actor_id"] == *id && event["request"].is_string()),
        "{}",
        trail.text
    );
    let newest = app.get(&format!("/api/admin/audit?user={user}&limit=1"), key).await.expect(200);
    assert_eq!(newest.body["events"][0]["action"], "deleted");
    let older = app.get(&format!("/api/admin/audit?action=disabled&after={}", newest.str("next")), key).await;
    assert_eq!(older.expect(200).body["events"].as_array().unwrap().len(), 1);
    let users = app.get("/api/admin/audit?actor=user&action=signed_in", key).await.expect(200);
    assert_eq!(users.body["events"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn users_are_signed_out_disabled_and_deleted() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let (ann, bob) = (app.register("ann").await, app.register("bob").await);
    let phone = app.login("ann").await;
    let (mut first, mut second, mut bobs) =
        (app.live(&ann).await, app.live(&phone).await, app.live(&bob).await);
    let of = |what: &str| format!("/api/admin/users/{}{what}", ann.id);

    let page = app.get(&of("/logins?limit=1"), &key).await.expect(200);
    let next = page.str("next");
    let rest = app.get(&of(&format!("/logins?limit=1&after={next}")), &key).await.expect(200);
    let ids = [&page.body["logins"][0]["id"], &rest.body["logins"][0]["id"]];
    assert!(ids.contains(&&json!(ann.login)) && ids.contains(&&json!(phone.login)), "{ids:?}");
    assert_eq!(rest.body["next"], Value::Null);
    let all = app.get("/api/admin/sessions?limit=2", &key).await.expect(200);
    let rest = app.get(&format!("/api/admin/sessions?after={}", all.str("next")), &key).await.expect(200);
    assert_eq!(
        (all.body["sessions"].as_array().unwrap().len(), rest.body["sessions"].as_array().unwrap().len()),
        (2, 1)
    );
    let hers = app.get(&format!("/api/admin/sessions?user={}", ann.id), &key).await.expect(200);
    let hers = hers.body["sessions"].as_array().unwrap();
    assert!(hers.len() == 2 && hers.iter().all(|session| session["user"] == *ann.id), "{hers:?}");
    let stats = app.get("/api/admin/stats", &key).await.expect(200).body;
    assert_eq!(stats, json!({"users": 2, "disabled_users": 0, "logins": 3, "sessions": 3, "api_keys": 1}));

    app.send(Method::DELETE, &of(&format!("/logins/{}", bob.login)), &key, Value::Null)
        .await
        .assert_refused(404, "not_found");
    app.send(Method::DELETE, &of(&format!("/logins/{}", phone.login)), &key, Value::Null).await.expect(204);
    second.ends(4441).await;
    first.ping().await;
    app.advance(Duration::from_millis(10));
    let revoked = post(&app, &key, &of("/logout"), Value::Null).await.expect(200);
    assert_eq!(revoked.body, json!({"revoked": 1}));
    first.ends(4441).await;

    let mut live = app.live(&app.login("ann").await).await;
    app.advance(Duration::from_millis(10));
    let disabled = post(&app, &key, &of("/disable"), Value::Null).await.expect(200);
    assert!(disabled.body["disabled_at"].is_string(), "{}", disabled.text);
    live.ends(4443).await;
    let login = json!({"login": "ann", "password": PASSWORD});
    app.post("/api/login", login.clone()).await.expect(401);
    app.advance(Duration::from_millis(10));
    post(&app, &key, &of("/enable"), Value::Null).await.expect(200);
    app.post("/api/login", login).await.expect(200);
    app.advance(Duration::from_millis(10));
    app.send(Method::DELETE, &of(""), &key, Value::Null).await.expect(204);
    app.get(&of(""), &key).await.assert_refused(404, "not_found");
    bobs.ping().await;

    assert_trail(&app, &key, &ann.id).await;
}
