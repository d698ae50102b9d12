//! API keys: made at the command line and over HTTP, bound by their scopes, their end and their addresses, and refused
//! once they are revoked, on every node.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::config::DatabaseUrl;
use doorward::internals::schema::{api_keys, audit_events};
use serde_json::{Value, json};

use crate::support::app::{Answer, TestApp, spawn_app, spawn_with};
use crate::support::cluster::Nodes;
use crate::support::commands::run;
use crate::support::mistakes::spawn_logged;
use crate::support::time::{PATIENCE, now, pause};
use crate::support::transports::LiveClient;
use crate::support::websocket::open_path;

/// A key made at the command line.
pub async fn key(app: &TestApp, arguments: &[&str]) -> String {
    // Nodes share a database, which is not in their data directories.
    let database = match &app.database {
        DatabaseUrl::Sqlite(path) => format!("database.url=sqlite:{path}"),
        DatabaseUrl::Postgres(url) => format!("database.url={url}"),
    };
    let create = ["--set", &database, "api-key", "create", "--name", "test"];
    let said = run(app, &[&create, arguments].concat(), "").await.ok();
    let key = said.out.strip_suffix('\n').unwrap().to_owned();
    assert!(key.starts_with("dwk_") && !key.contains(char::is_whitespace), "the key alone: {key:?}");
    key
}

fn id(key: &str) -> String {
    key.split('_').nth(1).unwrap().to_owned()
}

async fn list(app: &TestApp, key: &str) -> Answer {
    app.get("/api/admin/keys", key).await
}

async fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.send(Method::POST, "/api/admin/keys", key, body).await
}

#[actix_web::test]
async fn a_key_of_the_command_line_opens_what_its_scopes_say() {
    let app = spawn_app().await;
    let reader = key(&app, &["--scope", "keys:read", "--expires", "90d", "--address", "127.0.0.0/8"]).await;
    let listed = list(&app, &reader).await.expect(200);
    let shown = &listed.body["keys"][0];
    assert_eq!(
        (&shown["id"], &shown["name"], &shown["state"]),
        (&json!(id(&reader)), &json!("test"), &json!("active"))
    );
    assert_eq!((&shown["scopes"], &shown["addresses"]), (&json!(["keys:read"]), &json!(["127.0.0.0/8"])));
    assert!(shown["created_by"].as_str().unwrap().starts_with("operator"), "{shown}");
    assert_eq!(listed.body["next"], Value::Null);
    let refused = create(&app, &reader, json!({"name": "x", "scopes": ["keys:read"]})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "insufficient_scope"));
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer error=\"insufficient_scope\", scope=\"keys:write\""
    );

    // What is stored is not the secret, and nothing shows it again.
    let stored: Vec<String> = app.query(|conn| api_keys::table.select(api_keys::hash).load(conn));
    assert!(!reader.contains(&stored[0]) && !listed.text.contains(&stored[0]));
    let said = run(&app, &["api-key", "list"], "").await.ok();
    assert!(said.out.contains(&id(&reader)) && !said.out.contains("dwk_"), "{}", said.out);

    // The first use is recorded, beside the request.
    let deadline = now() + PATIENCE;
    while app
        .query(|conn| api_keys::table.select(api_keys::last_used_ip).first::<Option<String>>(conn))
        .is_none()
    {
        assert!(now() < deadline, "the use is not recorded");
        pause().await;
    }
    for wrong in [
        &["--scope", "users:reed"][..],
        &["--scope", "keys:read", "--address", "nowhere"],
        &["--scope", "keys:read", "--expires", "soon"],
        &[],
    ] {
        let said = run(&app, &[&["api-key", "create", "--name", "x"], wrong].concat(), "").await;
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{wrong:?}");
    }
    let endless = ["api-key", "create", "--name", "x", "--scope", "keys:read", "--expires", "9000y"];
    assert_eq!(run(&app, &endless, "").await.code, Some(1), "no year after 9999 can be written");
}

/// What the key of this id did is in the audit trail, under its name.
fn assert_trail(app: &TestApp, id: &str) {
    let events: Vec<(String, Option<String>, Option<String>)> = app.query(|conn| {
        audit_events::table
            .filter(audit_events::action.like("api_key_%"))
            .order(audit_events::id)
            .select((audit_events::action, audit_events::actor, audit_events::actor_id))
            .load(conn)
    });
    let by_key: Vec<_> = events.iter().filter(|event| event.2.as_deref() == Some(id)).collect();
    // Those of one millisecond are in no order.
    let mut actions: Vec<_> = by_key.iter().map(|event| &*event.0).collect();
    actions.sort_unstable();
    assert_eq!(actions, ["api_key_created", "api_key_revoked", "api_key_rotated"], "{events:?}");
    assert!(by_key.iter().all(|event| event.1.as_deref() == Some("api_key")));
}

#[actix_web::test]
async fn a_key_makes_no_key_that_can_do_more() {
    let app = spawn_app().await;
    let maker = key(
        &app,
        &["--scope", "keys:write", "--scope", "users:read", "--expires", "10d", "--address", "127.0.0.0/8"],
    )
    .await;
    let strong = key(&app, &["--scope", "users:end"]).await;
    let end = |days: i64| {
        let end = chrono::Utc::now() + chrono::TimeDelta::days(days);
        end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    let good =
        json!({"name": "a", "scopes": ["users:read"], "expires_at": end(9), "addresses": ["127.0.0.1"]});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for body in [
        with("scopes", json!(["users:read", "users:write"])),
        with("scopes", json!(["roles:write"])),
        with("expires_at", json!(end(11))),
        with("expires_at", Value::Null),
        with("addresses", json!([])),
        with("addresses", json!(["127.0.0.1", "10.0.0.1"])),
        with("addresses", json!(["0.0.0.0/0"])),
        with("addresses", json!(["::ffff:0:0/96"])),
    ] {
        create(&app, &maker, body).await.assert_refused(403, "exceeds_own_rights");
    }
    // Neither the new secret of a stronger key, nor its end.
    let of_strong = format!("/api/admin/keys/{}", id(&strong));
    let rotate = app.send(Method::POST, &format!("{of_strong}/rotate"), &maker, json!({})).await;
    rotate.assert_refused(403, "exceeds_own_rights");
    app.send(Method::DELETE, &of_strong, &maker, Value::Null).await.assert_refused(403, "exceeds_own_rights");
    for (field, value, code) in [
        ("user_id", json!("0190f3c4-0000-7000-8000-000000000000"), "unknown_field"),
        ("actor", json!("admin"), "unknown_field"),
        ("scopes", json!([]), "invalid_scopes"),
        ("scopes", json!(["everything"]), "invalid_scopes"),
        ("name", json!(" "), "invalid_name"),
        ("addresses", json!(["10.0.0.0/99"]), "invalid_addresses"),
        ("expires_at", json!("2020-01-01T00:00:00Z"), "invalid_expires_at"),
        ("expires_at", json!("+10000-01-01T00:00:00Z"), "invalid_expires_at"),
    ] {
        create(&app, &maker, with(field, value)).await.assert_refused(422, code);
    }
    let made = create(&app, &maker, good).await.expect(201);
    assert_eq!(made.body["created_by"], json!(format!("api_key:{}", id(&maker))));
    assert_eq!(made.header("location"), format!("/api/admin/keys/{}", made.str("id")));
    let path = format!("/api/admin/keys/{}", made.str("id"));
    let rotated = app.send(Method::POST, &format!("{path}/rotate"), &maker, json!({})).await.expect(200);
    assert_ne!(rotated.str("key"), made.str("key"));
    app.send(Method::DELETE, &path, &maker, Value::Null).await.expect(204);
    assert_trail(&app, &id(&maker));
}

#[actix_web::test]
async fn revoked_expired_and_replaced_keys_are_refused() {
    let app = spawn_app().await;
    let first = key(&app, &["--scope", "keys:read"]).await;
    list(&app, &first).await.expect(200);
    let rotate = async |overlap: &str| {
        let said = run(&app, &["api-key", "rotate", &id(&first), "--overlap", overlap], "").await.ok();
        said.out.trim_end().to_owned()
    };
    let second = rotate("1h").await;
    assert_eq!(id(&second), id(&first));
    // The server may take a second to see what another process has changed.
    until(async || list(&app, &second).await.status == 200).await;
    list(&app, &first).await.expect(200);
    // The command line does not have the clock of the test.
    app.advance(Duration::from_mins(61));
    list(&app, &first).await.assert_problem(401, "invalid_api_key");
    let third = rotate("0s").await;
    until(async || list(&app, &third).await.status == 200).await;
    list(&app, &second).await.assert_problem(401, "invalid_api_key");
    assert_eq!(run(&app, &["api-key", "rotate", &id(&third), "--overlap", "8d"], "").await.code, Some(1));

    let short = key(&app, &["--scope", "keys:read", "--expires", "5h"]).await;
    list(&app, &short).await.expect(200);
    app.advance(Duration::from_hours(5));
    list(&app, &short).await.assert_problem(401, "api_key_expired");

    run(&app, &["api-key", "revoke", &id(&third)], "").await.ok();
    until(async || list(&app, &third).await.status == 401).await;
    list(&app, &third).await.assert_problem(401, "api_key_revoked");
    let said = run(&app, &["api-key", "rotate", &id(&third)], "").await;
    assert_eq!((said.code, &*said.err), (Some(1), "doorward: there is no active API key with this id\n"));
    let said = run(&app, &["api-key", "list", "--json"], "").await.ok().json();
    assert_eq!(said[0]["state"], "revoked");
    for made_up in
        [first.replace("dwk_", "dwk_x"), format!("{first}A"), "dwk_".to_owned(), "dwk_a_b".to_owned()]
    {
        list(&app, &made_up).await.assert_problem(401, "invalid_api_key");
    }
}

/// Waits for what another process has changed: at most two seconds, and what a busy machine adds.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds().await {
        assert!(now() < deadline, "it does not become true");
        pause().await;
    }
}

#[actix_web::test]
async fn a_key_is_refused_from_other_addresses_and_in_other_places() {
    let app = spawn_logged().await;
    let near = key(&app, &["--scope", "keys:read", "--address", "192.0.2.0/24"]).await;
    let bearer = format!("Bearer {near}");
    let from = async |address: &str, path: &str| {
        app.call(Method::GET, path, &[("authorization", &bearer), ("x-forwarded-for", address)], None).await
    };
    from("192.0.2.7", "/api/admin/keys").await.expect(200);
    from("198.51.100.7", "/api/admin/keys").await.assert_refused(403, "address_not_allowed");

    // As a user's token it is none.
    for path in ["/api/me", "/api/logins", "/api/sessions"] {
        from("192.0.2.8", path).await.assert_problem(401, "api_key_not_accepted");
    }
    let mut live = open_path(app.address, "/ws", &[("x-forwarded-for", "192.0.2.9")]).await.unwrap();
    live.send(json!({"type": "auth", "token": near})).await;
    let error = live.next().await;
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("api_key_not_accepted")));
    live.ends(4401).await;
    assert_eq!(
        open_path(app.address, "/ws", &[("authorization", &bearer), ("x-forwarded-for", "192.0.2.10")])
            .await
            .err(),
        Some(401)
    );
    // In the URL it ends up in logs: it is not read there.
    let in_url = format!("/api/admin/keys?api_key={near}");
    let found = app.call(Method::GET, &in_url, &[("x-forwarded-for", "192.0.2.11")], None).await;
    found.assert_problem(401, "misplaced_token");
    let headers = [("x-api-key", &*near), ("x-forwarded-for", "192.0.2.12")];
    app.call(Method::GET, "/api/admin/keys", &headers, None).await.assert_problem(401, "misplaced_token");
    assert!(
        !crate::support::logs::text().contains(near.splitn(3, '_').nth(2).unwrap()),
        "a key is in the log"
    );
}

#[actix_web::test]
async fn made_up_keys_are_counted_and_do_not_lock_out_good_ones() {
    let app = spawn_with(&[("limits.bad_tokens", "5/1m")]).await;
    let good = key(&app, &["--scope", "keys:read"]).await;
    let mut limited = false;
    for at in 0..20 {
        let made_up = format!("dwk_0190f3c4-0000-7000-8000-0000000000{at:02}_{}", "x".repeat(65));
        limited |= list(&app, &made_up).await.status == 429;
    }
    assert!(limited);
    list(&app, &good).await.expect(200);
}

#[actix_web::test]
async fn a_key_that_is_revoked_on_one_node_is_refused_on_the_others_within_two_seconds() {
    let nodes = Nodes::start(None, &[]).await;
    let writer = key(&nodes.all[0], &["--scope", "keys:read", "--scope", "keys:write"]).await;
    for _ in 0..3 {
        let made =
            create(&nodes.all[0], &writer, json!({"name": "a", "scopes": ["keys:read"]})).await.expect(201);
        let key = made.str("key");
        for node in &nodes.all {
            list(node, &key).await.expect(200);
        }
        let path = format!("/api/admin/keys/{}", made.str("id"));
        nodes.all[0].send(Method::DELETE, &path, &writer, Value::Null).await.expect(204);
        list(&nodes.all[0], &key).await.assert_problem(401, "api_key_revoked");
        tokio::time::sleep(Duration::from_secs(2)).await;
        for node in &nodes.all {
            list(node, &key).await.assert_problem(401, "api_key_revoked");
        }
    }
}
