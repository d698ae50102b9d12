//! What fails is recorded: with its reason, bounded, and without what was typed.

use std::time::Duration;

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::schema::audit_events;
use serde_json::json;

use super::api_keys::key;
use crate::support::app::{PASSWORD, TestApp, post_form, spawn_app, spawn_with};
use crate::support::audit::{failures, written};
use crate::support::callers::{confirm, operator};
use crate::support::commands::run;
use crate::support::limits::PROXY;
use crate::support::logs;
use crate::support::tcp::TcpClient;

/// What people type into the wrong field.
const TYPED: &str = "my-password-not-my-name";

async fn guess(app: &TestApp, login: &str, password: &str) -> u16 {
    app.post("/api/login", json!({"login": login, "password": password})).await.status.as_u16()
}

#[actix_web::test]
async fn a_wrong_password_is_recorded_wherever_it_is_typed() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    assert_eq!(guess(&app, "ann", "wrong").await, 401);
    post_form(app.address, "/login", "", &[("login", "ann"), ("password", "wrong")]).await.expect(401);
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in("ann", "wrong", "\n").await;
    assert_eq!(line.rest().await, "Login failed\n");
    let [failure] = &written(&app, 3).await[..] else { panic!("one row: {:#?}", failures(&app)) };
    assert_eq!(
        (&*failure.action, &*failure.outcome, failure.reason(), failure.count),
        ("sign_in_failed", "failed", "wrong_password", 3)
    );
    assert_eq!(failure.subject.as_deref(), Some(&*ann.id));
    assert_eq!((failure.ip.as_deref(), &failure.actor, &failure.actor_id), (Some("127.0.0.1"), &None, &None));
    assert!(failure.request.is_some() && failure.login.is_none(), "{failure:?}");

    // A minute later there is a row of its own for it.
    app.advance(Duration::from_mins(1));
    assert_eq!(guess(&app, "ann", "wrong").await, 401);
    assert_eq!(written(&app, 4).await.len(), 2);
}

#[actix_web::test]
async fn a_failure_says_why_and_not_what_was_typed() {
    logs::capture();
    let app = spawn_app().await;
    let (ann, ben) = (app.register("ann").await, app.register("ben").await);
    app.accounts.set_disabled(ben.id.parse().unwrap(), true, &operator()).await.unwrap();
    for login in [TYPED, "unknown@example.org"] {
        assert_eq!(guess(&app, login, "wrong").await, 401);
    }
    assert_eq!(guess(&app, "ben", PASSWORD).await, 401);
    for _ in 0..5 {
        assert_eq!(guess(&app, "ann", "wrong").await, 401);
    }
    // No password is checked now, for names without an account either.
    assert_eq!(guess(&app, "ann", PASSWORD).await, 429);
    for _ in 0..5 {
        guess(&app, TYPED, "wrong").await;
    }
    let failures = written(&app, 14).await;
    // Names without an account have rows of their own, as accounts do.
    let mut told: Vec<_> = failures
        .iter()
        .map(|failure| (&*failure.outcome, failure.reason(), failure.subject.as_deref(), failure.count))
        .collect();
    told.sort_by_key(|(_, reason, subject, count)| (*reason, subject.is_none(), *count));
    assert_eq!(
        told,
        [
            ("refused", "disabled", Some(&*ben.id), 1),
            ("refused", "locked", Some(&*ann.id), 1),
            ("refused", "locked", None, 1),
            ("failed", "unknown_user", None, 1),
            ("failed", "unknown_user", None, 5),
            ("failed", "wrong_password", Some(&*ann.id), 5),
        ]
    );
    let kept = format!("{failures:?}");
    assert!(failures.iter().all(|failure| failure.action == "sign_in_failed"), "{kept}");
    assert!(!kept.contains(TYPED) && !kept.contains("unknown@"), "{kept}");
    let lines = logs::lines_with(&["doorward::audit", &ann.id, "\"reason\":\"wrong_password\""]);
    assert_eq!(lines.len(), 5, "a line each: {lines:#?}");
    assert!(logs::lines_with(&[TYPED]).is_empty());
}

#[actix_web::test]
async fn a_sign_in_before_the_address_is_verified_is_recorded() {
    let app = spawn_with(&[("accounts.require_verified_email", "true")]).await;
    let body = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    app.post("/api/register", body).await.expect(201);
    assert_eq!(guess(&app, "ann", PASSWORD).await, 403);
    let failures = written(&app, 1).await;
    assert_eq!((&*failures[0].outcome, failures[0].reason()), ("refused", "email_not_verified"));
    assert!(failures[0].subject.is_some());
}

#[actix_web::test]
async fn a_wrong_current_password_is_recorded_with_its_login() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    for number in 1..=10 {
        confirm(&app, &ann, number, "wrong").await;
    }
    let failures = written(&app, 11).await;
    let told: Vec<_> =
        failures.iter().map(|failure| (&*failure.action, &*failure.outcome, failure.count)).collect();
    assert_eq!(told, [("confirmation_failed", "failed", 10), ("password_guessed", "refused", 1)]);
    for failure in &failures {
        assert_eq!(failure.reason(), "wrong_password");
        assert_eq!(failure.login.as_deref(), Some(&*ann.login), "{failure:?}");
        assert_eq!(failure.actor_id.as_deref(), Some(&*ann.id), "{failure:?}");
    }
}

#[actix_web::test]
async fn a_refresh_token_that_is_used_again_is_recorded_as_refused() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let refresh = async |token: &str| app.post("/api/refresh", json!({"refresh_token": token})).await;
    let second = refresh(&ann.refresh).await.expect(200).str("refresh_token");
    refresh(&second).await.expect(200);
    refresh(&ann.refresh).await.expect(401);
    let failures = failures(&app);
    assert_eq!(failures.len(), 1, "at once: {failures:?}");
    assert_eq!(
        (&*failures[0].action, &*failures[0].outcome, failures[0].reason()),
        ("refresh_reused", "refused", "reused")
    );
}

#[actix_web::test]
async fn a_refused_api_key_is_recorded_by_its_id_if_it_was_issued_here() {
    let app = spawn_app().await;
    let (good, bound) = (
        key(&app, &["--scope", "users:read"]).await,
        key(&app, &["--scope", "users:read", "--address", "10.0.0.0/8"]).await,
    );
    let id = |key: &str| key.split('_').nth(1).unwrap().to_owned();
    run(&app, &["api-key", "revoke", &id(&good)], "").await.ok();
    let made_up = good.replace(|c: char| c.is_ascii_digit(), "7");
    for key in [&good, &bound, &made_up] {
        assert!(app.get("/api/admin/users", key).await.status.is_client_error());
    }
    let failures = written(&app, 3).await;
    let told: Vec<_> = failures
        .iter()
        .map(|failure| (&*failure.outcome, failure.reason(), failure.actor_id.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("refused", "other_address", Some(&*id(&bound))),
            ("refused", "revoked", Some(&*id(&good))),
            ("failed", "unknown_key", None),
        ]
    );
    for failure in &failures {
        assert_eq!((&*failure.action, failure.actor.as_deref()), ("api_key_refused", Some("api_key")));
    }
}

#[actix_web::test]
async fn a_used_up_limit_costs_a_row_a_minute_and_a_line_a_second_however_often_it_refuses() {
    logs::capture();
    let app = spawn_with(&[PROXY, ("limits.sign_in", "5/1m")]).await;
    let client = "198.51.100.77";
    let body = json!({"login": TYPED, "password": "wrong"});
    for number in 0..205 {
        let headers = [("x-forwarded-for", client)];
        let answer = app.call(Method::POST, "/api/login", &headers, Some(body.clone())).await;
        assert_eq!(answer.status == 429, number >= 5, "{number}");
    }
    // Of the first five, nothing but that the name is unknown is told.
    let failures = written(&app, 205).await;
    let of_limit: Vec<_> = failures.iter().filter(|failure| failure.action == "limit_reached").collect();
    assert_eq!(of_limit.len(), 1, "{failures:#?}");
    assert_eq!((&*of_limit[0].outcome, of_limit[0].reason(), of_limit[0].count), ("refused", "sign-in", 200));
    assert_eq!(of_limit[0].ip.as_deref(), Some(client));
    let lines = logs::lines_with(&["doorward::audit", "limit_reached", client]);
    assert!(lines.len() == 1 && lines[0].contains("\"count\":200"), "{lines:#?}");
}

#[actix_web::test]
async fn a_failure_that_is_written_after_its_account_was_deleted_has_no_address() {
    let app = spawn_app().await;
    app.register("ben").await;
    app.register("ann").await;
    let access = app.login("ann").await.access;
    assert_eq!(guess(&app, "ann", "wrong").await, 401);
    assert_eq!(guess(&app, "ben", "wrong").await, 401);
    let body = json!({"current_password": PASSWORD});
    app.send(Method::DELETE, "/api/me", &access, body).await.expect(204);
    assert!(failures(&app).is_empty(), "the clock stands still");
    let mut addresses: Vec<_> = written(&app, 2).await.into_iter().map(|failure| failure.ip).collect();
    addresses.sort();
    assert_eq!(addresses, [None, Some("127.0.0.1".to_owned())]);
}

#[actix_web::test]
async fn failures_of_the_last_second_are_written_at_the_end() {
    let mut app = spawn_app().await;
    app.register("ann").await;
    assert_eq!(guess(&app, "ann", "wrong").await, 401);
    assert!(failures(&app).is_empty(), "the clock stands still");
    app.stop().await;
    assert_eq!(failures(&app).len(), 1);
}

#[actix_web::test]
async fn what_was_rolled_back_has_no_line_and_what_was_done_has_one() {
    logs::capture();
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    app.login("ann").await;
    let lines = logs::lines_with(&["doorward::audit", "\"action\":\"signed_in\"", &ann.id]);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in ["\"outcome\":\"succeeded\"", "\"address\":\"127.0.0.1\"", "\"login\":", "\"request\":"] {
        assert!(lines[0].contains(part), "no {part} in {}", lines[0]);
    }
    // The name is taken: the transaction that would have registered it is rolled back.
    app.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await;
    assert_eq!(logs::lines_with(&["doorward::audit", "\"registered\"", &ann.id]).len(), 1);
}

/// Adds `count` rows of a minute each, the oldest first.
fn add_rows(app: &TestApp, action: &str, actor: Option<&str>, count: usize) {
    let start = chrono::Utc::now().naive_utc() - chrono::TimeDelta::hours(48);
    let rows: Vec<_> = (0..count)
        .map(|number| {
            (
                audit_events::id.eq(uuid::Uuid::now_v7().to_string()),
                audit_events::at.eq(start + chrono::TimeDelta::seconds(i64::try_from(number).unwrap())),
                audit_events::action.eq(action),
                audit_events::actor.eq(actor),
            )
        })
        .collect();
    app.query(|conn| {
        doorward::internals::db::write(conn, |conn| {
            rows.iter().try_for_each(|row| {
                diesel::insert_into(audit_events::table).values(row.clone()).execute(conn).map(drop)
            })
        })
    });
}

#[actix_web::test]
async fn the_trail_is_kept_as_long_as_the_configuration_says() {
    let app = spawn_with(&[("audit.keep", "10d"), ("accounts.unused_ttl", "off")]).await;
    app.register("ann").await;
    run(&app, &["user", "disable", "ann"], "").await.ok();
    let count = || app.query(|conn| audit_events::table.count().get_result::<i64>(conn));
    assert_eq!(count(), 2);
    // The server purges by itself, too, once the clock moves.
    let left_after = async |hours| {
        app.advance(Duration::from_hours(hours));
        app.accounts.purge().await.unwrap();
        count()
    };
    assert_eq!(left_after(24 * 10 - 1).await, 2);
    assert_eq!(left_after(2).await, 0);

    // An import must not restore an account that was deleted since.
    add_rows(&app, "imported", Some("operator"), 1);
    assert_eq!(left_after(24 * 300).await, 1);
    assert_eq!(left_after(24 * 80).await, 0);
}

#[actix_web::test]
async fn what_clients_repeat_is_bounded_and_pushes_nothing_else_out() {
    let app = spawn_with(&[("audit.max_rows", "1000")]).await;
    add_rows(&app, "disabled", Some("operator"), 20);
    add_rows(&app, "signed_in", None, 520);
    add_rows(&app, "sign_in_failed", None, 530);
    add_rows(&app, "api_key_refused", Some("api_key"), 10);
    app.accounts.purge().await.unwrap();
    let left = |action: &str| -> i64 {
        let rows = audit_events::table.filter(audit_events::action.eq(action.to_owned()));
        app.query(|conn| rows.count().get_result(conn))
    };
    assert_eq!((left("disabled"), left("signed_in")), (20, 500));
    assert_eq!(left("sign_in_failed") + left("api_key_refused"), 500);
}
