//! `tokens.algorithm`: which keys are made, and how a running installation changes from one to another.

use std::time::Duration;

use diesel::prelude::*;
use doorward::internals::schema::audit_events;
use serde_json::Value;

use crate::support::app::{TestApp, spawn_app, spawn_with, start_again};
use crate::support::commands::{run, with_settings};
use crate::support::config::Settings;
use crate::support::import::data_dir;
use crate::support::time::pause;

/// The algorithms in the key set, that of the signing key first.
async fn published(app: &TestApp) -> Vec<String> {
    let set = app.get("/.well-known/jwks.json", "").await.expect(200).body;
    set["keys"].as_array().unwrap().iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect()
}

/// Waits until this server publishes these algorithms.
async fn until(app: &TestApp, algorithms: &[&str]) {
    app.passing(async {
        while published(app).await != algorithms {
            pause().await;
        }
    })
    .await;
}

fn algorithm(token: &str) -> String {
    format!("{:?}", jsonwebtoken::decode_header(token).unwrap().alg)
}

fn rotations(app: &TestApp) -> i64 {
    app.query(|conn| {
        audit_events::table.filter(audit_events::action.eq("keys_rotated")).count().get_result(conn)
    })
}

#[actix_web::test]
async fn a_restart_with_another_algorithm_rotates_the_key_and_every_token_stays_valid() {
    let old = spawn_app().await;
    let ann = old.register("ann").await;
    let new = start_again(&old, &[("tokens.algorithm", "ES256")]).await;
    // It is published first, so that every verifier knows it when it signs.
    assert_eq!(published(&new).await, ["EdDSA", "ES256"]);
    assert_eq!(rotations(&new), 1);
    new.get("/api/me", &ann.access).await.expect(200);
    let early = new.login("ann").await;
    assert_eq!(algorithm(&early.access), "EdDSA");

    new.advance(Duration::from_mins(6));
    until(&new, &["ES256", "EdDSA"]).await;
    let late = new.login("ann").await;
    assert_eq!(algorithm(&late.access), "ES256");
    for token in [&ann.access, &early.access, &late.access] {
        new.get("/api/me", token).await.expect(200);
    }
    // The other node, still with its old setting, follows the keys and not the setting.
    old.advance(Duration::from_mins(6));
    until(&old, &["ES256", "EdDSA"]).await;
    old.get("/api/me", &late.access).await.expect(200);
    assert_eq!(algorithm(&old.login("ann").await.access), "ES256");

    new.advance(Duration::from_mins(15));
    until(&new, &["ES256"]).await;
    new.get("/api/me", &ann.access).await.expect(401);
    new.post("/api/refresh", serde_json::json!({"refresh_token": ann.refresh})).await.expect(200);

    // Another start with the same setting changes nothing.
    let again = start_again(&old, &[("tokens.algorithm", "ES256")]).await;
    assert_eq!((published(&again).await.len(), rotations(&again)), (2, 1));
}

#[actix_web::test]
async fn the_first_start_makes_a_key_of_the_algorithm_that_is_set() {
    for name in ["EdDSA", "ES256", "RS256"] {
        let app = spawn_with(&[("tokens.algorithm", name)]).await;
        assert_eq!((published(&app).await, rotations(&app)), (vec![name.to_owned()], 0));
        assert_eq!(algorithm(&app.register("ann").await.access), name);
    }
}

#[actix_web::test]
async fn a_command_makes_keys_of_the_algorithm_only_when_it_is_to_rotate_them() {
    let app = spawn_app().await;
    let settings = [("tokens.algorithm", "RS256")];
    let listed = with_settings(&data_dir(&app), &settings, &["keys", "list", "--json"], "").await.ok().json();
    let algorithms = |keys: &Value| -> Vec<(String, String)> {
        let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
        keys.as_array().unwrap().iter().map(|key| (text(key, "algorithm"), text(key, "state"))).collect()
    };
    let pair = |algorithm: &str, state: &str| (algorithm.to_owned(), state.to_owned());
    assert_eq!(algorithms(&listed), [pair("EdDSA", "signing")]);
    let rotate = ["keys", "rotate", "--json"];
    let rotated = with_settings(&data_dir(&app), &settings, &rotate, "").await.ok().json();
    assert_eq!(algorithms(&rotated), [pair("RS256", "next"), pair("EdDSA", "signing")]);
    let table = run(&app, &["keys", "list"], "").await.ok().out;
    assert!(table.lines().nth(1).unwrap().contains("RS256      next: signs soon"), "{table}");
    until(&app, &["EdDSA", "RS256"]).await;
}

#[test]
fn another_algorithm_is_refused_at_the_start() {
    for written in ["HS256", "none", "es256", "ES384", "PS256", "RS256,ES256"] {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::default().with(&[("tokens.algorithm", written)]);
        let output = settings.command().current_dir(dir.path()).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{written}: {error}");
        assert!(error.contains("tokens.algorithm") && error.contains("EdDSA, ES256 or RS256"), "{error}");
    }
}
