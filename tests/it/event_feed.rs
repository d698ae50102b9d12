//! The feed of changes that a backend follows: in order, complete, and over every node.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::{api_keys, events};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::api_keys::key;
use crate::support::app::{Answer, NEW_PASSWORD, PASSWORD, TestApp, spawn_app};
use crate::support::cluster::Nodes;
use crate::support::time::{PATIENCE, pause};

async fn follow(app: &TestApp, key: &str, query: &str) -> Answer {
    app.get(&format!("/api/admin/events?{query}"), key).await
}

/// Everything from `after` on, and the number to go on from.
async fn all(app: &TestApp, key: &str, mut after: i64) -> (Vec<Value>, i64) {
    let mut events = Vec::new();
    loop {
        let page = follow(app, key, &format!("after={after}&limit=3")).await.expect(200);
        let new = page.body["events"].as_array().unwrap();
        if new.is_empty() {
            return (events, after);
        }
        events.extend(new.iter().cloned());
        after = page.body["next"].as_i64().unwrap();
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn changes_of_users_and_logins_are_told_in_order() {
    let app = spawn_app().await;
    let key = key(&app, &["--scope", "events:read", "--scope", "users:write", "--scope", "users:end"]).await;
    let start = follow(&app, &key, "").await.expect(200);
    assert_eq!(start.body, json!({"events": [], "next": 0}));
    let ann = app.register_holder("ann", "ann@example.org").await;
    app.send(Method::PATCH, "/api/me", &ann.access, json!({"display_name": "Ann B."})).await.expect(200);
    let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let phone = app.login("ann").await;
    app.send(Method::POST, "/api/me/password", &ann.access, body).await.expect(204);
    for (method, path) in [(Method::POST, "/disable"), (Method::POST, "/enable"), (Method::DELETE, "")] {
        let path = format!("/api/admin/users/{}{path}", ann.id);
        assert!(app.send(method, &path, &key, Value::Null).await.status.is_success());
    }
    let (events, next) = all(&app, &key, 0).await;
    assert_eq!(
        kinds(&events),
        [
            "user.created",
            "login.created",
            "user.updated",
            "user.updated",
            "login.created",
            "login.ended",
            "user.disabled",
            "login.ended",
            "user.enabled",
            "user.deleted",
        ],
        "{events:#?}"
    );
    assert!(events.iter().all(|event| event["user"] == *ann.id));
    let ended = &events[5];
    assert_eq!((&ended["login"], &ended["reason"]), (&json!(phone.login), &json!("password_changed")));
    let numbers: Vec<i64> = events.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!((numbers, next), ((1..=10).collect(), 10), "without a gap");
}

#[actix_web::test]
async fn a_request_that_waits_is_answered_by_another_nodes_change_within_a_second() {
    let nodes = Nodes::start(None, &[]).await;
    let key = key(&nodes.all[0], &["--scope", "events:read"]).await;
    let ann = nodes.all[1].register("ann").await;
    let (_, next) = all(&nodes.all[2], &key, 0).await;
    assert_eq!(next, 2);
    let began = Instant::now();
    let empty = follow(&nodes.all[0], &key, &format!("after={next}&wait=1s")).await.expect(200);
    assert_eq!((&empty.body["events"], &empty.body["next"]), (&json!([]), &json!(next)));
    assert!(began.elapsed() >= Duration::from_secs(1));
    let query = format!("after={next}&wait=30s");
    let wait = follow(&nodes.all[0], &key, &query);
    let change = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        nodes.all[1].send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
        Instant::now()
    };
    let (told, changed) = futures_util::join!(wait, change);
    assert!(changed.elapsed() < Duration::from_secs(5), "it is told soon");
    assert_eq!(kinds(told.expect(200).body["events"].as_array().unwrap()), ["login.ended"]);
}

#[actix_web::test]
async fn many_writers_on_several_nodes_leave_no_gap_and_nothing_out() {
    let nodes = Nodes::start(None, &[]).await;
    let key = key(&nodes.all[0], &["--scope", "events:read"]).await;
    let follower = async {
        // On every node in turn, while they write.
        let (mut seen, mut after, mut at) = (Vec::new(), 0, 0);
        let deadline = Instant::now() + PATIENCE;
        while seen.len() < 72 {
            assert!(Instant::now() < deadline, "{} only", seen.len());
            let page = follow(&nodes.all[at % 3], &key, &format!("after={after}&wait=1s")).await.expect(200);
            seen.extend(page.body["events"].as_array().unwrap().clone());
            (after, at) = (page.body["next"].as_i64().unwrap(), at + 1);
        }
        seen
    };
    let write = async |number: usize| {
        let node = &nodes.all[number % 3];
        let user = node.register(&format!("user{number}")).await;
        node.send(Method::POST, "/api/logout", &user.access, Value::Null).await.expect(204);
    };
    let (seen, _) = futures_util::join!(follower, join_all((0..24).map(write)));
    let numbers: Vec<i64> = seen.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, (1..=72).collect::<Vec<_>>());
    let mut created = HashSet::new();
    for event in &seen {
        let login = event["login"].as_str();
        match event["type"].as_str().unwrap() {
            "login.created" => assert!(created.insert(login)),
            "login.ended" => assert!(created.contains(&login), "it ends before it begins: {event}"),
            _ => {}
        }
    }
}

#[actix_web::test]
async fn a_follower_that_was_away_too_long_is_told_so() {
    let app = spawn_app().await;
    let key = key(&app, &["--scope", "events:read"]).await;
    app.register("ann").await;
    assert_eq!(all(&app, &key, 0).await.1, 2);
    app.register("bob").await;
    app.advance(Duration::from_hours(24 * 7 + 1));
    app.accounts.purge().await.unwrap();
    app.register("carl").await;
    // The newest number is remembered for a moment.
    tokio::time::sleep(Duration::from_millis(200)).await;
    for after in ["0", "2", "7", "99"] {
        follow(&app, &key, &format!("after={after}")).await.assert_refused(410, "events_gone");
    }
    let (events, next) = all(&app, &key, 4).await;
    assert_eq!((events.len(), next), (2, 6), "the numbers go on");
    for query in ["after=x", "wait=soon", "user_id=1"] {
        follow(&app, &key, query).await.assert_refused(400, "bad_query");
    }
}

#[actix_web::test]
async fn no_event_is_missing_between_two_that_are_kept() {
    let app = spawn_app().await;
    let key = key(&app, &["--scope", "events:read"]).await;
    for name in ["ann", "bob", "carl"] {
        app.register(name).await;
    }
    assert_eq!(all(&app, &key, 0).await.1, 6);
    // Nodes' clocks differ, so times are not in the order of the numbers.
    let set_time = |seqs: &[i64], at: chrono::NaiveDateTime| {
        app.query(|conn| {
            diesel::update(events::table.filter(events::seq.eq_any(seqs)))
                .set(events::at.eq(at))
                .execute(conn)
        });
    };
    let now = app.query(|conn| events::table.select(events::at).first::<chrono::NaiveDateTime>(conn));
    set_time(&[1, 2, 4, 5], now - chrono::TimeDelta::days(8));
    app.accounts.purge().await.unwrap();
    let (kept, _) = all(&app, &key, 2).await;
    let numbers: Vec<_> = kept.iter().map(|event| event["seq"].as_i64().unwrap()).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
    for after in ["0", "1"] {
        follow(&app, &key, &format!("after={after}")).await.assert_refused(410, "events_gone");
    }
    // Whatever has removed a row: nothing is told as if it were whole.
    app.query(|conn| diesel::delete(events::table.filter(events::seq.eq(5))).execute(conn));
    follow(&app, &key, "after=2").await.assert_refused(410, "events_gone");
    assert_eq!(all(&app, &key, 5).await.0.len(), 1);
}

#[actix_web::test]
async fn a_waiting_request_ends_when_the_secret_of_its_key_is_replaced() {
    let app = spawn_app().await;
    let reader = key(&app, &["--scope", "events:read"]).await;
    let id = reader.split('_').nth(1).unwrap();
    let writer = key(&app, &["--scope", "keys:write", "--scope", "events:read"]).await;
    let wait = follow(&app, &reader, "after=0&wait=60s");
    let rotate = async {
        let last_used = || {
            app.query(|conn| {
                let used = api_keys::table.find(id).select(api_keys::last_used_ip);
                used.first::<Option<String>>(conn)
            })
        };
        let deadline = Instant::now() + PATIENCE;
        while last_used().is_none() {
            assert!(Instant::now() < deadline, "the request has not arrived");
            pause().await;
        }
        let path = format!("/api/admin/keys/{id}/rotate");
        app.send(Method::POST, &path, &writer, json!({})).await.expect(200);
    };
    let (answer, ()) = futures_util::join!(wait, rotate);
    answer.assert_problem(401, "invalid_api_key");
}

#[actix_web::test]
async fn waiting_requests_are_bounded_and_end_with_their_key() {
    let app = spawn_app().await;
    let first = key(&app, &["--scope", "events:read"]).await;
    let writer = key(&app, &["--scope", "keys:write", "--scope", "events:read"]).await;
    let waits = join_all((0..70).map(|_| follow(&app, &first, "after=0&wait=60s")));
    let revoke = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let path = format!("/api/admin/keys/{}", first.split('_').nth(1).unwrap());
        app.send(Method::DELETE, &path, &writer, Value::Null).await.expect(204);
    };
    let began = Instant::now();
    let (answers, ()) = futures_util::join!(waits, revoke);
    assert!(began.elapsed() < Duration::from_secs(20));
    let codes = |code: &str| answers.iter().filter(|answer| answer.code() == code).count();
    assert_eq!((codes("too_many_waiting"), codes("api_key_revoked")), (6, 64));
}
