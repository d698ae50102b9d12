//! `doorward migrate-database`, with the real binary: from SQLite to PostgreSQL.

use std::process::{Command, Stdio};

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use doorward::internals::schema::{access_changes, audit_events, outbox, room_changes, users};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{Answer, PASSWORD, call, post_form};
use crate::support::app_return::{CALLBACK, asking};
use crate::support::commands::on;
use crate::support::migrate::{
    command, counts, files, grow, in_target, migrate, refused, run, serve, source, stop, target,
};
use crate::support::process::Process;
use crate::support::smtp::{self, SmtpCatcher};
use crate::support::time::{PATIENCE, now, pause};

async fn login(server: &Process, name: &str) -> Answer {
    server.post("/api/login", json!({"login": name, "password": PASSWORD})).await.expect(200)
}

/// A member and a ban: their triggers number three changes.
fn add_room_rights(file: &std::path::Path) {
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute(
        "INSERT INTO room_members (room, user_id, until) VALUES ('club:a', 'x', '2999-01-01 00:00:00');
         INSERT INTO room_bans (room, user_id) VALUES ('club:*', 'x');
         INSERT INTO room_token_revocations (jti) VALUES ('one');
         UPDATE room_members SET until = NULL",
    )
    .unwrap();
}

/// PostgreSQL numbers the next change by its own trigger.
fn next_room_changes(target: &mut PgConnection) -> Vec<i64> {
    target.batch_execute("DELETE FROM room_members").unwrap();
    room_changes::table.select(room_changes::number).order(room_changes::number).load(target).unwrap()
}

#[actix_web::test]
async fn a_grown_database_moves_and_every_login_stays_active() {
    let dir = TempDir::new().unwrap();
    let Some(target) = target(dir.path()) else { return };
    let file = dir.path().join("source/doorward.db");
    std::fs::create_dir(dir.path().join("source")).unwrap();
    let url = format!("sqlite:{}", file.display());
    let mail = SmtpCatcher::start();
    let server = serve(&url, &mail).await;
    let body = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    let ann = server.post("/api/register", body).await.expect(201);
    let phone = login(&server, "ann").await;
    let gone = login(&server, "ann").await.str("access_token");
    server.call(Method::POST, "/api/logout", &gone, Value::Null).await.expect(204);
    let verify = mail.link_token("verify-email").await;
    server.post("/api/verify-email", json!({"token": verify})).await.expect(204);
    let body = json!({"login": "ann", "password": PASSWORD, "cookie": true});
    let origin = [("origin", "http://doorward.example"), ("sec-fetch-site", "same-origin")];
    let browser = call(server.address, Method::POST, "/api/login", &origin, Some(body)).await.expect(200);
    let jar = browser.header("set-cookie").split(';').next().unwrap().to_owned();
    let source = format!("database.url={url}");
    let scopes = ["--scope", "events:read", "--scope", "users:write"];
    let create = [&["--set", &source, "api-key", "create", "--name", "shop"][..], &scopes].concat();
    let key = on(file.parent().unwrap(), &create, "").await.ok().out;
    let unlock = format!("/api/admin/users/{}/unlock", ann.body["user"]["id"].as_str().unwrap());
    let bearer = format!("Bearer {}", key.trim_end());
    let once = [("authorization", bearer.as_str()), ("idempotency-key", "once")];
    call(server.address, Method::POST, &unlock, &once, None).await.expect(204);
    server.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let reset = mail.link_token("reset-password").await;
    on(file.parent().unwrap(), &["--set", &source, "user", "roles", "ann", "--add", "editor"], "").await.ok();
    on(file.parent().unwrap(), &["--set", &source, "invite"], "").await.ok();
    // A wrong password, and a link that belongs to an address.
    server.post("/api/login", json!({"login": "nobody", "password": PASSWORD})).await.expect(401);
    let body = json!({"username": "eve", "password": PASSWORD, "email": "eve@example.org"});
    server.post("/api/register", body).await.expect(201);
    server.post("/api/forgot-password", json!({"login": "eve"})).await.expect(202);
    let to_eve = |mails: Vec<smtp::Caught>| {
        mails.iter().any(|mail| mail.to == ["eve@example.org"] && mail.text.contains("/reset-password/"))
    };
    let deadline = now() + PATIENCE;
    while !to_eve(mail.caught()) {
        assert!(now() < deadline, "no link came");
        pause().await;
    }
    // A code for an app.
    let path = format!("/continue{}", asking(CALLBACK));
    post_form(server.address, &path, &jar, &[]).await.expect(303);
    // An email that is not sent before the move.
    mail.set_refusing(true);
    let attempts = mail.attempts();
    let body = json!({"username": "오도어", "password": PASSWORD, "email": "bob@example.org"});
    server.post("/api/register", body).await.expect(201);
    mail.wait_for_attempts(attempts + 1).await;
    refused(&migrate(&file, &target), 1, &["is in use: stop the server first"]);
    stop(server).await;
    add_room_rights(&file);
    mail.set_refusing(false);

    let before = files(file.parent().unwrap());
    let moved = counts(&migrate(&file, &target));
    assert!(moved.values().all(|(moved, there)| *moved > 0 && *there == 0), "{moved:?}");
    assert_eq!((moved["users"], moved["logins"], moved["signing_keys"]), ((3, 0), (6, 0), (3, 0)));
    let again = counts(&migrate(&file, &target));
    assert!(moved.iter().all(|(table, (moved, _))| again[table] == (0, *moved)), "{again:?}");
    let said = run(&["--from", &url], Some(&target));
    assert_eq!(said.code, 0);
    assert!(said.stdout.contains("one_time_tokens") && said.stdout.contains("verified"), "{}", said.stdout);
    assert_eq!(files(file.parent().unwrap()), before);
    let tables: i64 = diesel::select(sql::<BigInt>(
        "(SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%')",
    ))
    .get_result::<i64>(&mut SqliteConnection::establish(file.to_str().unwrap()).unwrap())
    .unwrap();
    assert_eq!(usize::try_from(tables).unwrap(), moved.len() + 1, "every table but Diesel's: {moved:?}");

    let server = serve(&target, &mail).await;
    let me = async |token: String| server.call(Method::GET, "/api/me", &token, Value::Null).await;
    // Her roles have changed since: the old token says so, and nothing else.
    assert_eq!(me(ann.str("access_token")).await.expect(401).code(), "token_stale");
    assert_eq!(me(gone).await.expect(401).code(), "token_revoked");
    for person in [&ann, &phone] {
        let body = json!({"refresh_token": person.str("refresh_token")});
        me(server.post("/api/refresh", body).await.expect(200).str("access_token")).await.expect(200);
    }
    let with_jar = [("cookie", jar.as_str()), origin[0], origin[1]];
    call(server.address, Method::POST, "/api/token", &with_jar, None).await.expect(200);
    login(&server, "오도어").await;
    // By the address that she has verified.
    login(&server, "ann@example.org").await;
    let feed =
        server.call(Method::GET, "/api/admin/events?after=1", key.trim_end(), Value::Null).await.expect(200);
    assert_eq!(feed.body["events"][0]["seq"], 2, "{}", feed.text);
    let deadline = now() + PATIENCE;
    while !mail.caught().iter().any(|mail| mail.to == ["bob@example.org"]) {
        assert!(now() < deadline, "the mail that waited does not come");
        pause().await;
    }
    let body = json!({"token": reset, "password": "another fine sentence 77 teapots"});
    server.post("/api/reset-password", body).await.expect(204);
    // The numbers of changes go on after the one that was moved.
    let mut conn = PgConnection::establish(&target).unwrap();
    conn.batch_execute(
        "INSERT INTO access_changes (user_id, claims_version, roles, claims, at) \
         VALUES ('x', 1, '[]', '{}', now())",
    )
    .unwrap();
    let numbers: Vec<i32> = access_changes::table
        .select(access_changes::number)
        .order(access_changes::number)
        .load(&mut conn)
        .unwrap();
    assert_eq!((numbers, next_room_changes(&mut conn)), (vec![1, 2], vec![1, 2, 3, 4, 5]));
    // Rows that changed since are not overwritten.
    refused(&migrate(&file, &target), 1, &["differs in the source"]);
    stop(server).await;
}

#[actix_web::test]
async fn an_interrupted_run_goes_on_where_it_was() {
    const ROWS: usize = 30_000;
    let dir = TempDir::new().unwrap();
    let Some(target) = target(dir.path()) else { return };
    let file = source(dir.path());
    grow(&file, ROWS);
    let before = files(file.parent().unwrap());
    assert_eq!(before.len(), 1, "the last connection has removed its log");
    let mut child = command(&["--from", &format!("sqlite:{}", file.display())], Some(&target))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut conn = PgConnection::establish(&target).unwrap();
    let moved = |conn: &mut PgConnection| audit_events::table.count().get_result::<i64>(conn).unwrap_or(0);
    let deadline = now() + PATIENCE;
    while moved(&mut conn) == 0 {
        assert!(now() < deadline);
        pause().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let first = u64::try_from(moved(&mut conn)).unwrap();
    let all = ROWS as u64 + 1;
    // Whole batches. On a machine that stood still meanwhile it has come to the end.
    assert!(first > 0 && (first.is_multiple_of(1000) || first == all), "{first}");
    // Its last batch may be written though it is dead.
    let report = counts(&migrate(&file, &target))["audit_events"];
    assert_eq!(report.0 + report.1, all);
    assert!(report.1 >= first && (report.1.is_multiple_of(1000) || report.1 == all), "{report:?}");
    // From the middle, too.
    in_target(&target, "DELETE FROM audit_events WHERE id LIKE '7%'");
    let left = u64::try_from(moved(&mut conn)).unwrap();
    assert!(left < all);
    assert_eq!(counts(&migrate(&file, &target))["audit_events"], (all - left, left));
    assert_eq!(files(file.parent().unwrap()), before);
}

/// What a server that was killed left: its last writes are in the log beside the database only.
#[test]
fn the_log_of_a_server_that_was_killed_is_read_as_well() {
    let dir = TempDir::new().unwrap();
    let Some(target) = target(dir.path()) else { return };
    let file = source(dir.path());
    let killed = dir.path().join("killed");
    std::fs::create_dir(&killed).unwrap();
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute("UPDATE users SET display_name = 'Annie'").unwrap();
    for ending in ["", "-wal"] {
        let name = format!("doorward.db{ending}");
        // Not by this process: to close the file would end the locks of the connection.
        let copy =
            Command::new("cp").arg(file.with_file_name(&name)).arg(killed.join(name)).status().unwrap();
        assert!(copy.success());
    }
    drop(conn);
    let before = files(&killed);
    let file = killed.join("doorward.db");
    assert_eq!(counts(&migrate(&file, &target))["users"], (1, 0));
    let mut conn = PgConnection::establish(&target).unwrap();
    assert_eq!(users::table.select(users::display_name).load::<String>(&mut conn).unwrap(), ["Annie"]);
    assert_eq!(outbox::table.count().get_result::<i64>(&mut conn).unwrap(), 0);
    let after = files(&killed);
    assert!(before.iter().all(|(path, bytes)| after.get(path) == Some(bytes)));
}
