//! Invitations, locked accounts and signing keys over the server API.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{audit_events, invitations, users};
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{Answer, PASSWORD, TestApp, claims, spawn_app, spawn_with};
use crate::support::commands::run;

const PATH: &str = "/api/admin/invitations";

async fn post(app: &TestApp, key: &str, path: &str, body: Value) -> Answer {
    app.send(Method::POST, path, key, body).await
}

async fn register(app: &TestApp, name: &str, link: &str) -> Answer {
    let (_, token) = link.rsplit_once('/').unwrap();
    app.post("/api/register", json!({"username": name, "password": PASSWORD, "invitation": token})).await
}

/// A user with the role `admin`, by the access token.
async fn admin(app: &TestApp, name: &str) -> String {
    app.register(name).await;
    run(app, &["user", "roles", name, "--add", "admin"], "").await.ok();
    app.login(name).await.access
}

#[actix_web::test]
async fn invitations_are_made_listed_and_revoked() {
    let app = spawn_with(&[("accounts.registration", "invite")]).await;
    let key = key(&app, &["--scope", "users:read", "--scope", "users:write", "--scope", "roles:write"]).await;
    let made = post(&app, &key, PATH, json!({"roles": ["editor"], "expires_in": 3600})).await.expect(201);
    let link = made.str("link");
    assert!(link.starts_with("http://doorward.example/invitation/"), "{link}");
    assert_eq!(made.header("location"), format!("{PATH}/{}", made.str("id")));
    app.advance(Duration::from_secs(1));
    let mailed = post(&app, &key, PATH, json!({"email": "Bob@Example.org"})).await.expect(201);
    assert_eq!((&mailed.body["email"], &mailed.body["link"]), (&json!("bob@example.org"), &Value::Null));
    let mail = app.passing(app.mail.wait_for(1)).await.remove(0);
    assert_eq!(mail.to, ["bob@example.org"]);

    let ids = |page: &Answer| -> Vec<String> {
        let entries = page.body["invitations"].as_array().unwrap();
        entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
    };
    let listed = app.get(PATH, &key).await.expect(200);
    assert_eq!(ids(&listed), [mailed.str("id"), made.str("id")]);
    assert!(!listed.text.contains(link.rsplit_once('/').unwrap().1));
    let first = app.get(&format!("{PATH}?limit=1"), &key).await.expect(200);
    let next = first.str("next");
    let second = app.get(&format!("{PATH}?limit=1&after={next}"), &key).await.expect(200);
    assert_eq!([ids(&first), ids(&second)].concat(), ids(&listed));
    assert_eq!(second.body["next"], Value::Null);

    let ann = register(&app, "ann", &link).await.expect(201);
    assert_eq!(claims(&ann.str("access_token"))["roles"], json!(["editor"]));
    let one = format!("{PATH}/{}", mailed.str("id"));
    app.send(Method::DELETE, &one, &key, Value::Null).await.expect(204);
    app.send(Method::DELETE, &one, &key, Value::Null).await.expect(404);
    register(&app, "bob", &format!("/{}", mail.token("invitation")))
        .await
        .assert_problem(400, "invalid_invitation");
    for (wrong, code) in [
        (json!({"email": "nothing"}), "invalid_email"),
        (json!({"roles": ["a b"]}), "invalid_roles"),
        (json!({"expires_in": 59}), "invalid_expires_in"),
        (json!({"expires_in": 31_622_401}), "invalid_expires_in"),
        (json!({"invited_by": "ann"}), "unknown_field"),
    ] {
        post(&app, &key, PATH, wrong).await.assert_problem(422, code);
    }
    let events: Vec<(String, Option<String>)> = app.query(|conn| {
        audit_events::table
            .filter(audit_events::action.eq_any(["invited", "invitation_revoked"]))
            .select((audit_events::action, audit_events::actor))
            .load(conn)
    });
    assert!(events.len() == 3 && events.iter().all(|(_, actor)| actor.as_deref() == Some("api_key")));
}

#[actix_web::test]
async fn an_invitation_grants_no_more_than_its_maker_may() {
    let app = spawn_with(&[("accounts.registration", "invite")]).await;
    let plain = key(&app, &["--scope", "users:write"]).await;
    post(&app, &plain, PATH, json!({"roles": ["editor"]})).await.assert_refused(403, "insufficient_scope");
    let roles = key(&app, &["--scope", "users:write", "--scope", "roles:write"]).await;
    post(&app, &roles, PATH, json!({"roles": ["admin"]})).await.assert_problem(403, "exceeds_own_rights");
    let left: i64 = app.query(|conn| invitations::table.count().get_result(conn));
    assert_eq!(left, 0);
    post(&app, &plain, PATH, json!({})).await.expect(201);
}

#[actix_web::test]
async fn open_invitations_end_with_the_right_to_make_them() {
    let app = spawn_app().await;
    admin(&app, "boss").await;
    for (name, end) in [
        ("demoted", &["user", "roles", "demoted", "--remove", "admin"][..]),
        ("disabled", &["user", "disable", "disabled"]),
        ("deleted", &["user", "delete", "deleted", "--yes"]),
    ] {
        let access = admin(&app, name).await;
        let link = post(&app, &access, PATH, json!({"roles": ["admin"]})).await.expect(201).str("link");
        run(&app, end, "").await.ok();
        register(&app, &format!("new-{name}"), &link).await.assert_problem(400, "invalid_invitation");
    }
    let made = key(&app, &["--scope", "users:write", "--scope", "roles:write"]).await;
    let link = post(&app, &made, PATH, json!({"roles": ["editor"]})).await.expect(201).str("link");
    let other = run(&app, &["invite"], "").await.ok().out;
    run(&app, &["api-key", "revoke", made.split('_').nth(1).unwrap()], "").await.ok();
    register(&app, "eve", &link).await.assert_problem(400, "invalid_invitation");
    // That of the operator stays.
    register(&app, "eve", other.trim_end()).await.expect(201);
}

#[actix_web::test]
async fn a_locked_account_is_unlocked() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let weak = key(&app, &["--scope", "users:write", "--scope", "users:end"]).await;
    let sign_in =
        |password: &'static str| app.post("/api/login", json!({"login": "ann", "password": password}));
    for _ in 0..20 {
        sign_in("wrong").await;
    }
    sign_in(PASSWORD).await.assert_problem(429, "too_many_attempts");
    let path = format!("/api/admin/users/{}/unlock", claims(&ann.access)["sub"].as_str().unwrap());
    post(&app, &weak, &path, Value::Null).await.expect(204);
    sign_in(PASSWORD).await.expect(200);
    // An administrator's are not for a key that gives no roles: it could guess without end.
    run(&app, &["user", "roles", "ann", "--add", "admin"], "").await.ok();
    post(&app, &weak, &path, Value::Null).await.assert_refused(403, "insufficient_scope");
    let logout = path.replace("/unlock", "/logout");
    post(&app, &weak, &logout, Value::Null).await.assert_refused(403, "insufficient_scope");
    let strong = key(&app, &["--scope", "users:write", "--scope", "roles:write"]).await;
    post(&app, &strong, &path, Value::Null).await.expect(204);
}

#[actix_web::test]
async fn signing_keys_are_listed_and_rotated() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let key = key(&app, &["--scope", "signing-keys:read", "--scope", "signing-keys:write"]).await;
    let list = app.get("/api/admin/signing-keys", &key).await.expect(200);
    assert_eq!(list.body["keys"][0]["state"], "signing");
    let rotated = post(&app, &key, "/api/admin/signing-keys/rotate", json!({})).await.expect(200);
    let states: Vec<_> = rotated.body["keys"].as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["next", "signing"]);
    app.get("/api/me", &ann.access).await.expect(200);
    let now = post(&app, &key, "/api/admin/signing-keys/rotate", json!({"now": true})).await.expect(200);
    assert_eq!(now.body["keys"].as_array().unwrap().len(), 1);
    app.get("/api/me", &ann.access).await.expect(401);
    assert!(!now.text.contains("PRIVATE") && now.body["keys"][0].get("key").is_none());
}

#[actix_web::test]
async fn a_user_is_created_with_roles_and_claims() {
    let app = spawn_app().await;
    let plain = key(&app, &["--scope", "users:write"]).await;
    let body = json!({"username": "ann", "roles": ["editor"], "claims": {"plan": "gold"}});
    post(&app, &plain, "/api/admin/users", body.clone()).await.assert_refused(403, "insufficient_scope");
    let key = key(&app, &["--scope", "users:write", "--scope", "roles:write"]).await;
    let ann = post(&app, &key, "/api/admin/users", body).await.expect(201);
    assert_eq!((&ann.body["roles"], &ann.body["claims"]), (&json!(["editor"]), &json!({"plan": "gold"})));
    let boss = json!({"username": "boss", "roles": ["admin"]});
    post(&app, &key, "/api/admin/users", boss).await.assert_problem(403, "exceeds_own_rights");
    let wrong = json!({"username": "bob", "claims": {"sub": "x"}});
    post(&app, &key, "/api/admin/users", wrong).await.assert_problem(422, "invalid_claims");
    let users: i64 = app.query(|conn| users::table.count().get_result(conn));
    assert_eq!(users, 1, "what was refused left nothing");
}

#[actix_web::test]
async fn a_backend_hands_a_person_their_data_with_every_scope_that_it_needs() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let path = format!("/api/admin/users/{}/export", claims(&ann.access)["sub"].as_str().unwrap());
    for scopes in [&["users:read"][..], &["users:read", "sessions:read"], &["users:read", "audit:read"]] {
        let arguments: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope]).collect();
        app.get(&path, &key(&app, &arguments).await).await.assert_refused(403, "insufficient_scope");
    }
    let all = ["--scope", "users:read", "--scope", "sessions:read", "--scope", "audit:read"];
    let data = app.get(&path, &key(&app, &all).await).await.expect(200);
    assert_eq!(
        (&data.body["account"]["username"], data.body["logins"].as_array().unwrap().len()),
        (&json!("ann"), 1)
    );
    assert!(!data.text.contains(&ann.refresh));
}
