//! Every revocation, by the server, a command or SQL, leaves a numbered row. Every node reads each row once.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use doorward::Additions;
use doorward::internals::app::TestAdditions;
use doorward::internals::clock::ManualClock;
use doorward::internals::db::Conn;
use doorward::internals::schema::{login_revocations, logins};
use doorward_core::domain::RevokeReason;
use serde_json::Value;

use crate::support::app::{TestApp, spawn_app, spawn_node, spawn_on};
use crate::support::cluster::Nodes;
use crate::support::database::is_postgres;
use crate::support::logs;
use crate::support::postgres::Server;
use crate::support::process::Process;
use crate::support::revocations::{add_logins, execute, is_known, login_of, numbered, poll};
use crate::support::smtp::SmtpCatcher;
use crate::support::time::{PATIENCE, now, pause};

fn rows(app: &TestApp) -> i64 {
    app.query(|conn| login_revocations::table.count().get_result(conn))
}

async fn has_rows(app: &TestApp, count: i64) {
    let deadline = now() + PATIENCE;
    while rows(app) != count {
        assert!(now() < deadline, "{} rows", rows(app));
        pause().await;
    }
}

#[actix_web::test]
async fn a_revocation_in_any_spelling_is_a_row() {
    let app = spawn_app().await;
    app.register("ann").await;
    let mut spelled = vec![
        ("UPDATE logins SET revoked_at = CURRENT_TIMESTAMP, revoked_reason = 'password_reset' WHERE id = '{login}'",
            RevokeReason::PasswordReset),
        ("DELETE FROM logins WHERE id = '{login}'", RevokeReason::AccountDeleted),
        ("UPDATE logins SET id = 'renamed-{login}' WHERE id = '{login}'", RevokeReason::AccountDeleted),
        ("CREATE TABLE copied AS SELECT * FROM logins WHERE id = '{login}'; DELETE FROM logins WHERE id = '{login}';
          UPDATE copied SET revoked_at = '2020-01-01', revoked_reason = 'because';
          INSERT INTO logins SELECT * FROM copied; DROP TABLE copied", RevokeReason::AccountDeleted),
        ("UPDATE logins SET user_id = 'x' WHERE id = '{login}'; INSERT INTO logins (id, user_id, kind, created_at,
            last_seen_at, expires_at, revoked_at) SELECT '{new}', user_id, kind, created_at, last_seen_at,
            expires_at, '2020-01-01' FROM logins WHERE id = '{login}'", RevokeReason::SignedOut),
    ];
    if is_postgres() {
        // Without the schema on the path, and by a role that may do no more.
        spelled.push(("CREATE ROLE \"{login}\"; GRANT UPDATE, SELECT ON logins TO \"{login}\";
            DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO \"{login}\"', current_schema()); END $$;
            DO $$ DECLARE place text := current_schema(); BEGIN
                SET LOCAL search_path = ''; SET LOCAL ROLE \"{login}\";
                EXECUTE format('UPDATE %I.logins SET revoked_at = ''infinity'' WHERE id = ''{login}''', place);
            END $$", RevokeReason::SignedOut));
        spelled.push(("TRUNCATE logins", RevokeReason::AccountDeleted));
    } else {
        spelled.push((
            "REPLACE INTO logins (id, user_id, kind, created_at, last_seen_at, expires_at, revoked_at)
             SELECT id, user_id, kind, created_at, last_seen_at, expires_at, 5 FROM logins WHERE id = '{login}'",
            RevokeReason::SignedOut,
        ));
    }
    for (sql, reason) in spelled {
        let new = uuid::Uuid::now_v7().to_string();
        let login = app.login("ann").await;
        execute(&app, &sql.replace("{login}", &login.login).replace("{new}", &new));
        let revoked = if sql.contains("{new}") { new.parse().unwrap() } else { login_of(&login) };
        assert_eq!(is_known(&app, revoked).await, reason, "{sql}");
    }
    // Of a user, those that are active, however long they have been away.
    for (name, sql, reason) in [
        (
            "bob",
            "UPDATE users SET disabled_at = '2020-01-01' WHERE id = '{user}'",
            RevokeReason::AccountDisabled,
        ),
        ("eve", "UPDATE users SET id = 'renamed' WHERE id = '{user}'", RevokeReason::AccountDeleted),
        ("kim", "DELETE FROM users WHERE id = '{user}'", RevokeReason::AccountDeleted),
    ] {
        let (first, second) = (app.register(name).await, app.login(name).await);
        let old = format!("UPDATE logins SET last_seen_at = '2020-01-01' WHERE id = '{}'", second.login);
        execute(&app, &old);
        execute(&app, &sql.replace("{user}", &first.id));
        for login in [&first, &second] {
            assert_eq!(is_known(&app, login_of(login)).await, reason, "{sql}");
        }
    }
}

#[actix_web::test]
async fn what_changes_nothing_leaves_no_row() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let gone = app.login("ann").await;
    app.send(actix_web::http::Method::POST, "/api/logout", &gone.access, Value::Null).await.expect(204);
    let before = rows(&app);
    execute(&app, "UPDATE logins SET last_seen_at = CURRENT_TIMESTAMP, expires_at = '2999-01-01', ip = NULL");
    execute(&app, &format!("UPDATE logins SET revoked_at = '2020-01-01' WHERE id = '{}'", gone.login));
    execute(&app, &format!("UPDATE logins SET revoked_at = NULL WHERE id = '{}'", gone.login));
    execute(&app, &format!("UPDATE logins SET revoked_at = NULL WHERE id = '{}'", ann.login));
    execute(&app, "UPDATE users SET display_name = 'Ann', disabled_at = NULL");
    assert_eq!(rows(&app), before);
    app.get("/api/me", &ann.access).await.expect(200);
}

#[actix_web::test]
async fn ten_thousand_revocations_in_one_transaction_reach_every_node() {
    let nodes = Nodes::start(None, &[]).await;
    let first = &nodes.all[0];
    // More than two pages, and a page to the full.
    add_logins(first, 1..=10_001);
    let last = "'00000000-0000-4000-8000-100000010001'";
    execute(
        first,
        &format!("UPDATE logins SET revoked_at = CURRENT_TIMESTAMP WHERE user_id = 'many' AND id <> {last}"),
    );
    for node in &nodes.all {
        is_known(node, numbered(10_000)).await;
        assert!((1..=10_000).all(|number| node.revocations.get(numbered(number)).is_some()));
        assert!(node.revocations.get(numbered(10_001)).is_none());
    }
    execute(first, &format!("UPDATE logins SET revoked_at = CURRENT_TIMESTAMP WHERE id = {last}"));
    let late = nodes.start_one().await;
    for node in nodes.all.iter().chain([&late]) {
        is_known(node, numbered(10_001)).await;
        assert!((1..=10_000).all(|number| node.revocations.get(numbered(number)).is_some()));
    }
}

#[actix_web::test]
async fn a_transaction_that_commits_late_is_read_however_late() {
    if !is_postgres() {
        // It has one writer at a time.
        return;
    }
    let app = spawn_app().await;
    app.register("poller").await;
    add_logins(&app, 1..=3);
    let revoke = |number| format!("UPDATE logins SET revoked_at = now() WHERE id = '{}'", numbered(number));
    let mut slow = app.database.connect().unwrap();
    slow.batch_execute("SET idle_in_transaction_session_timeout = 0; BEGIN").unwrap();
    slow.batch_execute(&revoke(1)).unwrap();
    execute(&app, &revoke(2));
    is_known(&app, numbered(2)).await;
    // A node that starts in between knows of the gap as well.
    let data = tempfile::tempdir().unwrap();
    let url = app.database.clone();
    let Conn::Postgres(_) = url.connect().unwrap() else { panic!("another database") };
    for _ in 0..3 {
        app.advance(Duration::from_mins(10));
        poll(&app).await;
    }
    assert!(app.revocations.get(numbered(1)).is_none());
    let late = {
        let url = crate::support::database::url(&app.data.path().join("data")).unwrap();
        spawn_on(&[("database.url", &url)], data, SmtpCatcher::start(), ManualClock::default()).await
    };
    late.advance(Duration::from_mins(10));
    slow.batch_execute("COMMIT").unwrap();
    is_known(&app, numbered(1)).await;
    is_known(&late, numbered(1)).await;
    // One that rolls back leaves a gap that is given up.
    slow.batch_execute("BEGIN").unwrap();
    slow.batch_execute(&revoke(3)).unwrap();
    slow.batch_execute("ROLLBACK").unwrap();
    poll(&app).await;
    app.advance(Duration::from_mins(1));
    poll(&app).await;
    assert!(app.revocations.get(numbered(3)).is_none());
}

#[actix_web::test]
async fn a_purge_leaves_what_nodes_have_to_read() {
    let nodes = Nodes::start(None, &[]).await;
    let [one, other, ..] = &nodes.all[..] else { panic!("too few") };
    execute(
        one,
        "INSERT INTO login_revocations (login_id, at)
        WITH RECURSIVE numbers(number) AS (
            SELECT CAST(1 AS BIGINT) UNION ALL SELECT number + 1 FROM numbers WHERE number < 3500)
        SELECT 'old', '2020-01-01' FROM numbers",
    );
    add_logins(one, 1..=7000);
    // Revoked long ago, long before it is deleted.
    execute(
        one,
        "UPDATE logins SET revoked_at = '2020-01-01' WHERE id > '00000000-0000-4000-8000-100000006500'",
    );
    // Expired long ago: no node has to know that they go.
    execute(
        one,
        "UPDATE logins SET expires_at = '2020-01-01' WHERE id > '00000000-0000-4000-8000-100000005000'",
    );
    let revoke = async {
        for start in (1..=5000).step_by(500) {
            let (first, last) = (numbered(start), numbered(start + 499));
            execute(
                one,
                &format!(
                    "UPDATE logins SET revoked_at = CURRENT_TIMESTAMP WHERE id BETWEEN '{first}' AND '{last}'"
                ),
            );
            pause().await;
        }
    };
    let (purged, ()) = futures_util::join!(one.accounts.purge(), revoke);
    purged.unwrap();
    // The nodes purge by themselves too, and what one is about to delete the others leave to it.
    has_rows(one, 5500).await;
    let many = logins::table.filter(logins::user_id.eq("many"));
    assert_eq!(one.query(|conn| many.count().get_result::<i64>(conn)), 5000);
    let late = nodes.start_one().await;
    for node in [one, other, &late] {
        is_known(node, numbered(5000)).await;
        assert!((1..=5000).all(|number| node.revocations.get(numbered(number)).is_some()));
        assert!((5001..=6500).all(|number| node.revocations.get(numbered(number)).is_none()));
    }
    // When the tokens of their logins have expired, these go as well.
    one.advance(Duration::from_hours(3));
    one.accounts.purge().await.unwrap();
    has_rows(one, 0).await;
    // The numbers go on.
    add_logins(one, 8000..=8000);
    execute(
        one,
        "UPDATE logins SET revoked_at = CURRENT_TIMESTAMP WHERE id = '00000000-0000-4000-8000-100000008000'",
    );
    for node in [one, other, &late] {
        is_known(node, numbered(8000)).await;
    }
}

#[actix_web::test]
async fn a_start_with_many_revoked_logins_logs_one_line() {
    let app = spawn_app().await;
    add_logins(&app, 1..=2000);
    execute(&app, "UPDATE logins SET revoked_at = CURRENT_TIMESTAMP WHERE user_id = 'many'");
    let data = app.data.path().join("data");
    let url = crate::support::database::url(&data)
        .unwrap_or_else(|| format!("sqlite:{}", data.join("doorward.db").display()));
    let mut app = app;
    app.stop().await;
    let process = Process::start(&[("database.url", &url), ("log.level", "info")]).await;
    let output = process.output();
    let lines: Vec<_> = output.lines().filter(|line| line.contains("revoked")).collect();
    assert!(matches!(lines[..], [line] if line.contains("2000")), "{output}");
}

#[actix_web::test]
async fn a_server_that_counts_on_from_a_smaller_number_is_read_from_the_start() {
    if !is_postgres() {
        return;
    }
    let Some(server) = Server::start() else { return };
    let url = server.url("");
    let data = tempfile::tempdir().unwrap();
    let app = spawn_on(&[("database.url", &url)], data, SmtpCatcher::start(), ManualClock::default()).await;
    add_logins(&app, 1..=3);
    execute(&app, &format!("UPDATE logins SET revoked_at = now() WHERE id = '{}'", numbered(1)));
    is_known(&app, numbered(1)).await;
    // As after a failover to a replica that lacks the last transactions.
    server.stop();
    server.run();
    execute(&app, "DELETE FROM login_revocations; ALTER TABLE login_revocations ALTER COLUMN number RESTART");
    execute(&app, &format!("UPDATE logins SET revoked_at = now() WHERE id = '{}'", numbered(2)));
    is_known(&app, numbered(2)).await;
    execute(&app, &format!("UPDATE logins SET revoked_at = now() WHERE id = '{}'", numbered(3)));
    is_known(&app, numbered(3)).await;
}

/// A node that polls once an hour only.
async fn listening(server: &Server) -> TestApp {
    let data = tempfile::tempdir().unwrap();
    let additions = Additions::default().polling_every(Duration::from_hours(1));
    spawn_node(&[("database.url", &server.url(""))], data, SmtpCatcher::start(), additions).await
}

/// The connections that listen, of those that did not before.
async fn listeners(app: &TestApp, count: usize, without: &[i32]) -> Vec<i32> {
    diesel::table! {
        pg_stat_activity (pid) {
            pid -> Integer,
            query -> Text,
        }
    }
    let deadline = now() + PATIENCE;
    loop {
        let found: Vec<i32> = app.query(|conn| {
            let listening =
                pg_stat_activity::table.filter(pg_stat_activity::query.eq("LISTEN doorward_changes"));
            listening.select(pg_stat_activity::pid).load(conn)
        });
        let found: Vec<i32> = found.into_iter().filter(|pid| !without.contains(pid)).collect();
        if found.len() == count {
            return found;
        }
        assert!(now() < deadline, "{found:?} listen");
        pause().await;
    }
}

#[actix_web::test]
async fn postgresql_tells_of_revocations_without_redis_and_without_a_poll() {
    if !is_postgres() {
        return;
    }
    let Some(server) = Server::start() else { return };
    logs::capture();
    let (one, other) = (listening(&server).await, listening(&server).await);
    listeners(&one, 2, &[]).await;
    add_logins(&one, 1..=4);
    let revoke = |number| format!("UPDATE logins SET revoked_at = now() WHERE id = '{}'", numbered(number));
    for number in 1..=2 {
        execute(&one, &revoke(number));
        is_known(&one, numbered(number)).await;
        is_known(&other, numbered(number)).await;
    }
    // A node that polls as usual misses nothing while its connection is gone.
    let data = tempfile::tempdir().unwrap();
    let url = server.url("");
    let polling =
        spawn_on(&[("database.url", &url)], data, SmtpCatcher::start(), ManualClock::default()).await;
    let before = listeners(&one, 3, &[]).await;
    let all: Vec<_> = before.iter().map(|pid| format!("pg_terminate_backend({pid})")).collect();
    execute(&one, &format!("SELECT {}; {}", all.join(", "), revoke(3)));
    is_known(&polling, numbered(3)).await;
    // Each listens again, and reads what it missed.
    listeners(&one, 3, &before).await;
    is_known(&one, numbered(3)).await;
    is_known(&other, numbered(3)).await;
    assert!(!logs::lines_with(&["not listening for changes"]).is_empty());
    execute(&one, &revoke(4));
    is_known(&other, numbered(4)).await;
    // The threads end with their servers.
    let (mut one, mut other) = (one, other);
    one.stop().await;
    other.stop().await;
    listeners(&polling, 1, &[]).await;
}
