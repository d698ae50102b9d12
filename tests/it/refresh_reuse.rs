//! A refresh token that is used again revokes its login, whatever load the server has; one that was never issued costs
//! nothing.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::accounts::Error;
use doorward::internals::actors::DbError;
use doorward::internals::schema::{audit_events, logins, signing_keys};
use futures_util::FutureExt;
use serde_json::json;

use crate::support::app::{Answer, PASSWORD, Person, TestApp, spawn_app, spawn_on, spawn_with};
use crate::support::callers::unauthenticated;
use crate::support::database::WriteLock;
use crate::support::time::PATIENCE;

/// The places of a database thread's queue.
const QUEUE: usize = 256;

/// Characters of a tag.
const TAG: usize = 22;

async fn refresh(app: &TestApp, token: &str) -> Answer {
    app.post("/api/refresh", json!({"refresh_token": token})).await
}

/// As the first versions issued it.
fn untagged(token: &str) -> String {
    token[..token.len() - TAG].to_owned()
}

fn flip(token: &str) -> String {
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    format!("{}{last}", &token[..token.len() - 1])
}

fn revoked(app: &TestApp, person: &Person) -> Option<String> {
    app.query(|conn| logins::table.find(&person.login).select(logins::revoked_reason).first(conn))
}

async fn until_revoked(app: &TestApp, person: &Person) {
    let revoked = async {
        while revoked(app, person).is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, revoked).await.expect("it is revoked");
    assert_eq!(self::revoked(app, person).as_deref(), Some("refresh_reuse"));
    let noted: i64 = app.query(|conn| {
        let rows = audit_events::table.filter(audit_events::action.eq("refresh_reused"));
        rows.count().get_result(conn)
    });
    assert_eq!(noted, 1);
}

/// The token that this one is changed for.
async fn successor(app: &TestApp, token: &str) -> String {
    refresh(app, token).await.expect(200).str("refresh_token")
}

/// A person whose first refresh token was used, and its successor as well.
async fn robbed(app: &TestApp) -> Person {
    let ann = app.register("ann").await;
    let second = successor(app, &ann.refresh).await;
    successor(app, &second).await;
    ann
}

#[actix_web::test]
async fn a_token_that_was_never_issued_is_refused_without_a_query() {
    let app = spawn_with(&[("database.executors", "1")]).await;
    let ann = app.register("ann").await;
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let signed_in = app.post("/api/login", body).await.expect(200);
    let cookie = signed_in.header("set-cookie").split(';').next().unwrap().to_owned();
    let lock = WriteLock::take(&app);
    for made_up in [
        flip(&ann.refresh),
        format!("dwr_{}_{}", ann.login, "A".repeat(43 + TAG)),
        format!("dwr_{}_{}", ann.login, "A".repeat(43)),
        untagged(&ann.refresh),
    ] {
        let refused = tokio::time::timeout(PATIENCE, refresh(&app, &made_up)).await.expect("it is refused");
        assert_eq!(refused.expect(401).code(), "invalid_refresh_token", "{made_up}");
    }
    for made_up in [flip(&cookie), untagged(&cookie)] {
        let headers = [("cookie", made_up.as_str())];
        let asked = app.call(Method::POST, "/api/token", &headers, None);
        let refused = tokio::time::timeout(PATIENCE, asked).await.expect("it is refused");
        assert_eq!(refused.expect(401).code(), "not_signed_in", "{made_up}");
    }
    lock.give_back();
    assert_eq!(app.accounts.workload().traces.started, 0);
    assert_eq!(revoked(&app, &ann), None);
    refresh(&app, &ann.refresh).await.expect(200);
}

#[actix_web::test]
async fn a_successor_that_was_never_presented_is_issued_again_however_late() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let first = ann.refresh.clone();
    // The answer is lost, and the client tries again after each of these.
    let second = successor(&app, &first).await;
    for seconds in [1, 31, 600, 24 * 3600] {
        app.advance(Duration::from_secs(seconds));
        let again = refresh(&app, &first).await.expect(200);
        assert_eq!(again.str("refresh_token"), second, "after {seconds} s");
        app.get("/api/me", &again.str("access_token")).await.expect(200);
    }
    // Further on in the chain it is the same.
    let third = successor(&app, &second).await;
    app.advance(Duration::from_hours(24));
    assert_eq!(successor(&app, &second).await, third);
    assert_eq!(revoked(&app, &ann), None);
    assert_eq!(refresh(&app, &first).await.expect(401).code(), "invalid_refresh_token");
    until_revoked(&app, &ann).await;
    for token in [&second, &third] {
        refresh(&app, token).await.expect(401);
    }
}

#[actix_web::test]
async fn a_token_that_is_used_again_after_its_successor_revokes_the_login_at_once() {
    let app = spawn_app().await;
    // Within the same second as well: there is no time in which it would be passed over.
    let ann = robbed(&app).await;
    refresh(&app, &ann.refresh).await.expect(401);
    until_revoked(&app, &ann).await;
    app.get("/api/me", &ann.access).await.expect(401);
}

#[actix_web::test]
async fn a_token_that_is_presented_again_and_again_does_not_keep_its_login_for_ever() {
    let app = spawn_with(&[("tokens.refresh_ttl", "10d")]).await;
    let ann = app.register("ann").await;
    let second = successor(&app, &ann.refresh).await;
    for _ in 0..9 {
        app.advance(Duration::from_hours(24));
        assert_eq!(successor(&app, &ann.refresh).await, second);
    }
    app.advance(Duration::from_hours(25));
    refresh(&app, &ann.refresh).await.expect(401);
    refresh(&app, &second).await.expect(401);
    assert_eq!(revoked(&app, &ann), None, "it has expired, and is no theft");

    // One that goes on lives on.
    let bob = app.register("bob").await;
    let second = successor(&app, &bob.refresh).await;
    app.advance(Duration::from_hours(9 * 24));
    assert_eq!(successor(&app, &bob.refresh).await, second);
    let third = successor(&app, &second).await;
    app.advance(Duration::from_hours(9 * 24));
    successor(&app, &third).await;
}

#[actix_web::test]
async fn a_token_and_its_successor_that_race_leave_one_chain_or_no_login() {
    let app = spawn_app().await;
    let (mut ended, mut went_on) = (0, 0);
    for number in 0..20 {
        let ann = app.register(&format!("ann{number}")).await;
        let second = successor(&app, &ann.refresh).await;
        let (old, new) = if number % 2 == 0 {
            futures_util::future::join(refresh(&app, &ann.refresh), refresh(&app, &second)).await
        } else {
            let (new, old) =
                futures_util::future::join(refresh(&app, &second), refresh(&app, &ann.refresh)).await;
            (old, new)
        };
        let third = new.expect(200).str("refresh_token");
        if old.status == 200 {
            assert_eq!(old.str("refresh_token"), second, "there is one successor");
            successor(&app, &third).await;
            went_on += 1;
        } else {
            assert_eq!(revoked(&app, &ann).as_deref(), Some("refresh_reuse"));
            refresh(&app, &third).await.expect(401);
            ended += 1;
        }
    }
    assert_eq!(ended + went_on, 20);
}

#[actix_web::test]
async fn reuse_is_detected_while_no_hash_can_be_queued() {
    let app = spawn_with(&[("password.workers", "1"), ("password.cost", "11")]).await;
    let ann = robbed(&app).await;
    // Each at another name: one alone would be locked.
    let guess = |number: u32| json!({"login": format!("name{number}"), "password": "a wrong guess"});
    let mut guesses: Vec<_> = (0..30).map(|number| Box::pin(app.post("/api/login", guess(number)))).collect();
    let full = async {
        while app.accounts.workload().hashes.queued < 14 {
            for guess in &mut guesses {
                drop(guess.now_or_never());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.expect("it fills");
    let before = app.accounts.workload();
    refresh(&app, &ann.refresh).await.expect(401);
    until_revoked(&app, &ann).await;
    assert_eq!(app.accounts.workload().traces, before.traces, "nothing was computed for it");
}

#[actix_web::test]
async fn reuse_is_detected_although_the_client_disconnects_and_the_database_is_busy() {
    let app = spawn_with(&[("database.executors", "1")]).await;
    let ann = robbed(&app).await;
    let lock = WriteLock::take(&app);
    // So many that none has a place in the database's queue any more.
    let client = unauthenticated();
    let mut crowd = Vec::new();
    let refused = loop {
        let mut request = Box::pin(app.accounts.verify_email("made up", &client));
        if let Some(refused) = (&mut request).now_or_never() {
            break refused;
        }
        crowd.push(request);
        assert!(crowd.len() <= QUEUE, "it has no end");
    };
    assert!(matches!(refused, Err(Error::Db(DbError::Full))), "{refused:?}");
    // The thief's request is accepted, and the thief disconnects.
    assert!(Box::pin(app.accounts.refresh(&ann.refresh, &client)).now_or_never().is_none());
    lock.give_back();
    until_revoked(&app, &ann).await;
    drop(crowd);
}

#[actix_web::test]
async fn a_token_of_an_earlier_version_works_is_changed_for_one_of_today_and_ends_its_login_when_it_comes_back()
 {
    let mut first = spawn_app().await;
    let ann = first.register("ann").await;
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let signed_in = first.post("/api/login", body).await.expect(200);
    let cookie = untagged(signed_in.header("set-cookie").split(';').next().unwrap());
    let bob = first.register("bob").await;
    // As the earlier version left it.
    first.query(|conn| diesel::delete(signing_keys::table.find("tags")).execute(conn));
    first.stop().await;
    let TestApp { data, mail, clock, .. } = first;
    clock.advance(Duration::from_mins(1));
    let app = spawn_on(&[], data, mail, clock).await;

    let old = untagged(&ann.refresh);
    let next = successor(&app, &old).await;
    assert_eq!(next.len(), old.len() + TAG);
    app.advance(Duration::from_hours(24));
    assert_eq!(successor(&app, &old).await, next, "it was never presented");
    let token = app.call(Method::POST, "/api/token", &[("cookie", &cookie)], None).await.expect(200);
    let given = token.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!(given.len(), cookie.len() + TAG, "the same with its tag");
    assert!(given.starts_with(&cookie));

    // Something made up ends nothing.
    refresh(&app, &format!("dwr_{}_{}", ann.login, "A".repeat(43))).await.expect(401);
    assert_eq!(revoked(&app, &ann), None);
    refresh(&app, &next).await.expect(200);
    refresh(&app, &old).await.expect(401);
    until_revoked(&app, &ann).await;

    // When all logins of that time have expired, no such token can exist any more.
    let bobs = refresh(&app, &untagged(&bob.refresh)).await.expect(200).str("refresh_token");
    app.query(|conn| {
        let far = chrono::DateTime::from_timestamp(4_000_000_000, 0).unwrap().naive_utc();
        diesel::update(logins::table.find(&bob.login)).set(logins::expires_at.eq(far)).execute(conn)
    });
    app.advance(Duration::from_hours(24 * 500));
    refresh(&app, &untagged(&bobs)).await.expect(401);
    refresh(&app, &bobs).await.expect(200);
}
