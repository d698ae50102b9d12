//! Backends ask whether a token is active (RFC 7662), and revoke the login of a token (RFC 7009).

use std::time::Duration;

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use doorward::internals::schema::audit_events;
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{Answer, TestApp, read, spawn_app};
use crate::support::cluster::Nodes;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

/// As the RFCs have it: a form.
async fn post(app: &TestApp, path: &str, key: &str, form: &str) -> Answer {
    let request = awc::Client::default()
        .post(app.url(path))
        .insert_header(("authorization", format!("Bearer {key}")))
        .insert_header(("content-type", "application/x-www-form-urlencoded"));
    read(request.send_body(form.to_owned()).await.unwrap()).await
}

async fn introspect(app: &TestApp, key: &str, token: &str) -> Answer {
    post(app, "/api/introspect", key, &format!("token={token}&token_type_hint=access_token")).await
}

#[track_caller]
fn assert_inactive(answer: Answer) {
    let answer = answer.expect(200);
    assert_eq!(answer.body, json!({"active": false}), "{}", answer.text);
}

#[actix_web::test]
async fn an_active_token_is_described_and_any_other_is_only_inactive() {
    let app = spawn_app().await;
    let asker = key(&app, &["--scope", "tokens:introspect"]).await;
    let ann = app.register("ann").await;
    let active = introspect(&app, &asker, &ann.access).await.expect(200);
    assert_eq!(active.header("cache-control"), "no-store");
    let said = active.body;
    let claims = crate::support::app::claims(&ann.access);
    for name in ["sub", "sid", "iss", "aud", "exp", "iat", "jti", "username"] {
        assert!(said[name] == claims[name] && !said[name].is_null(), "{name}: {said}");
    }
    assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &json!("Bearer")));
    let said = introspect(&app, &asker, &ann.refresh).await.expect(200).body;
    assert_eq!((&said["active"], &said["token_type"]), (&json!(true), &json!("refresh_token")));
    assert_eq!(
        (&said["sub"], &said["sid"], &said["username"]),
        (&json!(ann.id), &json!(ann.login), &json!("ann"))
    );
    // Asking does not use it up.
    let renewed = app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    let said =
        app.send(Method::POST, "/api/introspect", &asker, json!({"token": ann.access})).await.expect(200);
    assert_eq!(said.body["active"], true, "JSON is accepted too");

    let (last, forged) = (renewed.str("refresh_token"), ann.access.replace("eyJ", "eyK"));
    app.post("/api/refresh", json!({"refresh_token": last})).await.expect(200);
    for inactive in
        ["", "x", "dwr_x", &*asker, &forged, &ann.access[..40], &ann.refresh, &last.replace('_', "-")]
    {
        assert_inactive(introspect(&app, &asker, inactive).await);
    }
    for form in ["", "tokens=x", "token=a&token=b"] {
        post(&app, "/api/introspect", &asker, form).await.assert_refused(400, "invalid_request");
    }
    let other = key(&app, &["--scope", "users:read"]).await;
    introspect(&app, &other, &ann.access).await.assert_refused(403, "insufficient_scope");
    introspect(&app, &ann.access, &ann.access).await.assert_refused(403, "insufficient_scope");
    app.advance(Duration::from_mins(16));
    assert_inactive(introspect(&app, &asker, &ann.access).await);
}

#[actix_web::test]
async fn a_revocation_on_another_node_counts_at_once() {
    let nodes = Nodes::start(None, &[]).await;
    let asker = key(&nodes.all[0], &["--scope", "tokens:introspect"]).await;
    for change in ["logout", "disable", "row"] {
        let user = nodes.all[0].register(&format!("ann-{change}")).await;
        for node in &nodes.all {
            assert_eq!(introspect(node, &asker, &user.access).await.body["active"], true);
        }
        match change {
            "logout" => drop(
                nodes.all[0].send(Method::POST, "/api/logout", &user.access, Value::Null).await.expect(204),
            ),
            "disable" => {
                let id = user.id.parse().unwrap();
                let caller = crate::support::callers::operator();
                nodes.all[0].accounts.set_disabled(id, true, &caller).await.unwrap();
            }
            _ => nodes.all[0]
                .query(|conn| conn.batch_execute(&format!("DELETE FROM logins WHERE id = '{}'", user.login))),
        }
        for node in &nodes.all {
            assert_inactive(introspect(node, &asker, &user.access).await);
            assert_inactive(introspect(node, &asker, &user.refresh).await);
        }
    }
}

#[actix_web::test]
async fn a_token_with_roles_of_before_a_change_is_inactive_from_its_commit_on() {
    let app = spawn_app().await;
    let asker = key(&app, &["--scope", "tokens:introspect"]).await;
    let ann = app.register("ann").await;
    assert_eq!(introspect(&app, &asker, &ann.access).await.body["active"], true);
    // As another process does, before this one has polled for it.
    let change =
        format!(r#"UPDATE users SET roles = '["editor"]', claims_version = 1 WHERE id = '{}'"#, ann.id);
    app.query(|conn| conn.batch_execute(&change));
    assert_inactive(introspect(&app, &asker, &ann.access).await);
    let renewed = app.post("/api/refresh", json!({"refresh_token": ann.refresh})).await.expect(200);
    let said = introspect(&app, &asker, &renewed.str("access_token")).await.expect(200).body;
    assert_eq!((&said["active"], &said["roles"]), (&json!(true), &json!(["editor"])));
}

#[actix_web::test]
async fn a_node_with_stale_data_does_not_guess() {
    let app = spawn_app().await;
    let asker = key(&app, &["--scope", "tokens:introspect"]).await;
    let ann = app.register("ann").await;
    app.query(|conn| conn.batch_execute("ALTER TABLE login_revocations RENAME TO revocations_away"));
    let stale = async {
        while app.accounts.is_fresh() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stale).await.expect("its revocation data is not stale");
    introspect(&app, &asker, &ann.access).await.assert_refused(503, "overloaded");
    // A key whose row cannot be read is not accepted either.
    app.query(|conn| conn.batch_execute("ALTER TABLE api_keys RENAME TO keys_away"));
    tokio::time::sleep(Duration::from_millis(1600)).await;
    let refused = app.get("/api/admin/keys", &asker).await;
    assert!(refused.status.is_server_error(), "{}", refused.text);
}

#[actix_web::test]
async fn a_revoked_token_ends_its_login_and_sockets() {
    let app = spawn_app().await;
    let ender = key(&app, &["--scope", "tokens:revoke"]).await;
    for by in ["access", "refresh", "used"] {
        let user = app.register(&format!("ann-{by}")).await;
        let mut live = app.live(&user).await;
        let token = match by {
            "access" => user.access.clone(),
            "refresh" => user.refresh.clone(),
            _ => {
                let renewed =
                    app.post("/api/refresh", json!({"refresh_token": user.refresh})).await.expect(200);
                app.post("/api/refresh", json!({"refresh_token": renewed.str("refresh_token")}))
                    .await
                    .expect(200);
                user.refresh.clone()
            }
        };
        post(&app, "/api/revoke", &ender, &format!("token={token}&token_type_hint=unknown"))
            .await
            .expect(200);
        live.ends(4441).await;
        app.get("/api/me", &user.access).await.assert_problem(401, "token_revoked");
        // Again, it is no error.
        post(&app, "/api/revoke", &ender, &format!("token={token}")).await.expect(200);
    }
    for unknown in ["x", "dwr_x", "dwk_x", "eyJ.a.b"] {
        post(&app, "/api/revoke", &ender, &format!("token={unknown}")).await.expect(200);
    }
    let actors: Vec<Option<String>> = app.query(|conn| {
        let revoked = audit_events::table.filter(audit_events::action.eq("logins_revoked"));
        revoked.select(audit_events::actor).load(conn)
    });
    assert_eq!(actors, vec![Some("api_key".to_owned()); 3]);
    let other = key(&app, &["--scope", "tokens:introspect"]).await;
    let ann = app.register("ann").await;
    post(&app, "/api/revoke", &other, &format!("token={}", ann.access))
        .await
        .assert_refused(403, "insufficient_scope");
    app.get("/api/me", &ann.access).await.expect(200);
}
