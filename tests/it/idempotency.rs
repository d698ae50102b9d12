//! `Idempotency-Key`: a request that is sent again is done once, and answered the same.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{api_keys, idempotency_keys, users};
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{Answer, TestApp, spawn_app};
use crate::support::cluster::Nodes;

const ALL: [&str; 8] =
    ["--scope", "users:read", "--scope", "users:write", "--scope", "users:end", "--scope", "keys:write"];

async fn post(app: &TestApp, key: &str, name: &str, path: &str, body: Value) -> Answer {
    let bearer = format!("Bearer {key}");
    app.call(Method::POST, path, &[("authorization", &bearer), ("idempotency-key", name)], Some(body)).await
}

fn count(app: &TestApp) -> i64 {
    app.query(|conn| users::table.count().get_result(conn))
}

#[actix_web::test]
async fn a_request_that_is_sent_again_is_done_once_and_answered_the_same() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let body = json!({"username": "ann"});
    let first = post(&app, &key, "a key", "/api/admin/users", body.clone()).await.expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    for _ in 0..2 {
        let again = post(&app, &key, "a key", "/api/admin/users", body.clone()).await.expect(201);
        assert_eq!((&again.text, again.header("etag")), (&first.text, first.header("etag")));
        assert_eq!(again.header("location"), first.header("location"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_eq!(again.header("idempotency-replayed"), "true");
    }
    assert_eq!(count(&app), 1);
    // Another key is another request.
    post(&app, &key, "another key", "/api/admin/users", body.clone())
        .await
        .assert_problem(409, "username_taken");
    // The same key for something else is a mistake.
    let other = post(&app, &key, "a key", "/api/admin/users", json!({"username": "bob"})).await;
    other.assert_problem(422, "idempotency_key_reused");
    let path = format!("/api/admin/users/{}/disable", first.str("id"));
    post(&app, &key, "a key", &path, Value::Null).await.assert_problem(422, "idempotency_key_reused");
    assert_eq!(count(&app), 1);
}

#[actix_web::test]
async fn what_was_refused_may_be_sent_again_and_another_client_has_keys_of_its_own() {
    let app = spawn_app().await;
    let (one, two) = (key(&app, &ALL).await, key(&app, &ALL).await);
    let ann = post(&app, &one, "x", "/api/admin/users", json!({"username": "ann"})).await.expect(201);
    let taken = post(&app, &two, "x", "/api/admin/users", json!({"username": "ann"})).await;
    taken.assert_problem(409, "username_taken");
    let path = format!("/api/admin/users/{}", ann.str("id"));
    app.send(Method::DELETE, &path, &one, Value::Null).await.expect(204);
    let mine = post(&app, &two, "x", "/api/admin/users", json!({"username": "ann"})).await.expect(201);
    assert_ne!(mine.str("id"), ann.str("id"));
}

#[actix_web::test]
async fn of_many_at_the_same_time_one_is_done() {
    let nodes = Nodes::start(None, &[]).await;
    let key = key(&nodes.all[0], &ALL).await;
    for round in 0..3 {
        let name = format!("round {round}");
        let body = json!({"name": name, "scopes": ["users:read"]});
        let all = (0..8).map(|number| {
            let node = &nodes.all[number % nodes.all.len()];
            post(node, &key, &name, "/api/admin/keys", body.clone())
        });
        let answers = futures_util::future::join_all(all).await;
        for answer in &answers {
            assert!(
                answer.status == 201 || answer.code() == "idempotency_in_progress",
                "{} {}",
                answer.status,
                answer.text
            );
        }
        // The new key is shown again, to the client that has the name of its request.
        let again = post(&nodes.all[0], &key, &name, "/api/admin/keys", body.clone()).await.expect(201);
        for done in answers.iter().filter(|answer| answer.status == 201) {
            assert_eq!(done.text, again.text);
        }
        let made: i64 = nodes.all[0]
            .query(|conn| api_keys::table.filter(api_keys::name.eq(&name)).count().get_result(conn));
        assert_eq!(made, 1);
        let stored: Vec<Option<String>> =
            nodes.all[0].query(|conn| idempotency_keys::table.select(idempotency_keys::answer).load(conn));
        let secret = again.str("key");
        assert!(stored.iter().flatten().all(|answer| !answer.contains(&secret)));
    }
}

#[actix_web::test]
async fn an_answer_that_was_never_given_is_not_guessed() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let body = json!({"username": "ann"});
    post(&app, &key, "x", "/api/admin/users", body.clone()).await.expect(201);
    // As if the server had stopped before it answered.
    app.query(|conn| {
        diesel::update(idempotency_keys::table).set(idempotency_keys::answer.eq(None::<String>)).execute(conn)
    });
    let send = || post(&app, &key, "x", "/api/admin/users", body.clone());
    send().await.assert_problem(409, "idempotency_in_progress");
    app.advance(Duration::from_secs(61));
    send().await.assert_problem(409, "idempotency_outcome_unknown");
    // After a day it is forgotten.
    app.advance(Duration::from_hours(24));
    app.accounts.purge().await.unwrap();
    send().await.assert_problem(409, "username_taken");
}

#[actix_web::test]
async fn a_question_about_a_token_is_answered_anew_each_time() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let key = key(&app, &["--scope", "tokens:introspect", "--scope", "tokens:revoke"]).await;
    let ask = || post(&app, &key, "x", "/api/introspect", json!({"token": ann.access}));
    assert_eq!(ask().await.expect(200).body["active"], true);
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    assert_eq!(ask().await.expect(200).body, json!({"active": false}));
}

#[actix_web::test]
async fn a_key_is_one_line_of_ascii_and_counts_for_changes_alone() {
    let app = spawn_app().await;
    let key = key(&app, &ALL).await;
    let body = json!({"username": "ann"});
    for wrong in [String::new(), "x".repeat(256), "k\u{e9}y".to_owned()] {
        let answer = post(&app, &key, &wrong, "/api/admin/users", body.clone()).await;
        answer.assert_problem(400, "invalid_idempotency_key");
    }
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", "a"), ("idempotency-key", "b")];
    let answer = app.call(Method::POST, "/api/admin/users", &headers, Some(body)).await;
    answer.assert_problem(400, "invalid_idempotency_key");
    assert_eq!(count(&app), 0);
    let read = [("authorization", bearer.as_str()), ("idempotency-key", "a")];
    for _ in 0..2 {
        app.call(Method::GET, "/api/admin/users", &read, None).await.expect(200);
    }
    let rows: i64 = app.query(|conn| idempotency_keys::table.count().get_result(conn));
    assert_eq!(rows, 0);
}
