//! pgbouncer between the server and PostgreSQL: in session mode all works, in the others the start is refused.

use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::app::PASSWORD;
use crate::support::config::Settings;
use crate::support::pgbouncer::Pooler;
use crate::support::process::Process;
use crate::support::time::now;

const SENTENCE: &str = "a pooler in transaction mode (or statement mode) is in front of the database";

/// What every command says of it.
fn is_refused(mode: &str, settings: &str) {
    let Some(pooler) = Pooler::start(mode, settings) else { return };
    let dir = tempfile::tempdir().unwrap();
    let old = format!("sqlite:{}", dir.path().join("old/doorward.db").display());
    std::fs::write(dir.path().join("people.csv"), "username,hash\n").unwrap();
    // A database to move.
    let imported = Settings::cheap()
        .command()
        .args(["import", "people.csv", "--create", "--data-dir", "old"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    for arguments in [
        &["serve"][..],
        &["user", "list"],
        &["import", "people.csv"],
        &["import", "people.csv", "--dry-run"],
        &["migrate-database", "--from", &old],
    ] {
        let output = pooler.run(dir.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = error.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{mode} {settings} {arguments:?}: {error}");
        assert!(last.contains(SENTENCE) && last.contains("docs/NODES.md"), "{arguments:?}: {error}");
        assert!(!error.contains(crate::support::postgres::PASSWORD), "{error}");
    }
    // Nothing was set on connections that other clients get next, and nothing made.
    let mut conn = <diesel::PgConnection as diesel::Connection>::establish(&pooler.url()).unwrap();
    let set = "DO $$ BEGIN ASSERT current_setting('default_transaction_read_only') = 'off'; \
               ASSERT current_setting('statement_timeout') = '0'; ASSERT to_regclass('users') IS NULL; END $$";
    for _ in 0..20 {
        diesel::connection::SimpleConnection::batch_execute(&mut conn, set).unwrap();
    }
}

#[test]
fn transaction_mode_is_refused_at_the_start() {
    is_refused("transaction", "");
}

#[test]
fn transaction_mode_that_takes_turns_is_refused_at_the_start() {
    is_refused("transaction", "server_round_robin = 1\nmin_pool_size = 5");
}

#[test]
fn transaction_mode_with_connections_to_spare_is_refused_at_the_start() {
    is_refused("transaction", "min_pool_size = 10");
}

#[test]
fn transaction_mode_with_one_connection_is_refused_at_the_start() {
    is_refused("transaction", "default_pool_size = 1");
}

#[test]
fn statement_mode_is_refused_at_the_start() {
    is_refused("statement", "");
}

/// Registers a user and sends so many requests that each connection of the pool has its turn.
async fn works(process: &Process, name: &str) -> usize {
    let body = json!({"username": name, "password": PASSWORD});
    let mut failed = 0;
    let answer = process.post("/api/register", body.clone()).await;
    failed += usize::from(answer.status.as_u16() != 201);
    let token = answer.body["access_token"].as_str().unwrap_or_default().to_owned();
    let requests = (0..40).map(|_| process.call(Method::GET, "/api/logins", &token, Value::Null));
    let answers = futures_util::future::join_all(requests).await;
    failed + answers.iter().filter(|answer| answer.status.as_u16() != 200).count()
}

#[actix_web::test]
async fn session_mode_works() {
    let Some(pooler) = Pooler::start("session", "") else { return };
    let process = pooler.serve().await;
    assert_eq!(works(&process, "ann").await, 0, "{}", process.output());
    assert!(!process.output().contains(SENTENCE), "{}", process.output());
    let dir = tempfile::tempdir().unwrap();
    let listed = pooler.run(dir.path(), &["user", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("ann"));
}

#[test]
fn session_mode_with_one_connection_is_enough_for_a_command() {
    let Some(pooler) = Pooler::start("session", "default_pool_size = 1") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("people.csv"), "username,hash\n").unwrap();
    let output = pooler.run(dir.path(), &["import", "people.csv", "--create"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[actix_web::test]
async fn a_mode_that_is_changed_while_the_server_runs_is_named_in_the_log() {
    let Some(pooler) = Pooler::start("session", "") else { return };
    let process = pooler.serve().await;
    assert_eq!(works(&process, "ann").await, 0);
    // Connections to the server are few, so that they change hands.
    pooler.reconfigure("transaction", "default_pool_size = 3");
    let deadline = now() + Duration::from_mins(1);
    let mut turn = 0;
    while !process.output().contains(SENTENCE) {
        assert!(now() < deadline, "{}", process.output());
        turn += 1;
        works(&process, &format!("user{turn}")).await;
    }
    let log = process.output();
    let line = log.lines().find(|line| line.contains(SENTENCE)).unwrap();
    assert!(line.contains("ERROR") && line.contains("docs/NODES.md"), "{line}");
    assert!(!log.contains(crate::support::postgres::PASSWORD));
}
