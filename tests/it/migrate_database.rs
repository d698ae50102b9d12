//! `doorward migrate-database`, with the real binary: from SQLite to PostgreSQL.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;
use doorward::schema::{audit_events, logins, outbox, users};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{Answer, PASSWORD, call};
use crate::support::config::Settings;
use crate::support::database;
use crate::support::import::{Outcome, sqlite_file};
use crate::support::process::Process;
use crate::support::smtp::{self, SmtpCatcher};
use crate::support::time::{PATIENCE, now, pause};

/// An empty database of PostgreSQL's. None in the binary of SQLite: once is enough.
fn target(dir: &Path) -> Option<String> {
    database::url(dir)
}

fn command(arguments: &[&str], target: Option<&str>) -> Command {
    let target: Vec<_> = target.map(|target| ("database.url", target)).into_iter().collect();
    let mut command = Settings::default().with(&target).command();
    command.current_dir(std::env::temp_dir()).arg("migrate-database").args(arguments);
    command
}

fn run(arguments: &[&str], target: Option<&str>) -> Outcome {
    let outcome: Outcome = command(arguments, target).output().unwrap().into();
    for secret in ["p@ss", "p%40ss", "s3cret", "$bcrypt"] {
        assert!(
            !outcome.stdout.contains(secret) && !outcome.stderr.contains(secret),
            "{}{}",
            outcome.stdout,
            outcome.stderr
        );
    }
    outcome
}

fn migrate(file: &Path, target: &str) -> Outcome {
    run(&["--from", &format!("sqlite:{}", file.display()), "--json"], Some(target))
}

/// By table: how many were moved, how many were there.
#[track_caller]
fn counts(outcome: &Outcome) -> BTreeMap<String, (u64, u64)> {
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["verified"], true);
    let tables = json["tables"].as_array().unwrap().iter();
    tables
        .map(|table| {
            let number = |key: &str| table[key].as_u64().unwrap();
            assert_eq!(table["sha256"].as_str().unwrap().len(), 64);
            (table["table"].as_str().unwrap().to_owned(), (number("moved"), number("already_there")))
        })
        .collect()
}

#[track_caller]
fn refused(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{}", outcome.stderr);
    for words in words {
        assert!(outcome.stderr.contains(words), "{words} in {}", outcome.stderr);
    }
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

/// A database with one account and the keys, as a server would have made it.
fn source(dir: &Path) -> PathBuf {
    let data = dir.join("source");
    let mut child = Settings::cheap()
        .command()
        .current_dir(dir)
        .args(["user", "add", "ann", "--data-dir"])
        .arg(&data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    data.join("doorward.db")
}

/// So many of what happened.
fn grow(file: &Path, rows: usize) {
    sqlite_file(
        file,
        &format!(
            "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
             INSERT INTO audit_events (id, at, action, detail)
             SELECT lower(hex(randomblob(16))), '2026-11-25 12:00:00.123', 'grown', 'a row ' || n FROM n"
        ),
    );
}

fn in_target(target: &str, sql: &str) {
    PgConnection::establish(target).unwrap().batch_execute(sql).unwrap();
}

#[track_caller]
fn count(target: &str, table: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let query = diesel::sql_query(format!("SELECT count(*) AS n FROM {table}"));
    query.get_result::<Count>(&mut PgConnection::establish(target).unwrap()).unwrap().n
}

/// Every file in the directory, byte by byte. What is in `-shm` is nothing but an index of `-wal`, which each that opens
/// it may make anew.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_index = |path: &Path| path.to_str().unwrap().ends_with("-shm");
    let read = |path: &Path| if is_index(path) { Vec::new() } else { std::fs::read(path).unwrap() };
    entries.map(|path| (path.clone(), read(&path))).collect()
}

/// A server of the real binary, and its mail.
async fn serve(url: &str, mail: &SmtpCatcher) -> Process {
    let mail = mail.url();
    let settings = [("database.url", url), ("mail.url", &mail), ("public_url", "http://doorward.example")];
    Process::start(&settings).await
}

async fn stop(mut server: Process) {
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.output());
}

async fn login(server: &Process, name: &str) -> Answer {
    server.post("/api/login", json!({"login": name, "password": PASSWORD})).await.expect(200)
}

#[actix_web::test]
async fn a_grown_database_moves_and_everybody_stays_signed_in() {
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
    server.post("/api/forgot-password", json!({"login": "ann"})).await.expect(202);
    let reset = mail.link_token("reset-password").await;
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
    // A mail that does not leave before the move.
    mail.set_refusing(true);
    let attempts = mail.attempts();
    let body = json!({"username": "오도어", "password": PASSWORD, "email": "bob@example.org"});
    server.post("/api/register", body).await.expect(201);
    mail.wait_for_attempts(attempts + 1).await;
    refused(&migrate(&file, &target), 1, &["is in use: stop the server first"]);
    stop(server).await;
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
    let tables: i64 =
        diesel::select(sql::<BigInt>("(SELECT count(*) FROM sqlite_master WHERE type = 'table')"))
            .get_result::<i64>(&mut SqliteConnection::establish(file.to_str().unwrap()).unwrap())
            .unwrap();
    assert_eq!(usize::try_from(tables).unwrap(), moved.len() + 1, "every table but Diesel's: {moved:?}");

    let server = serve(&target, &mail).await;
    let me = async |token: String| server.call(Method::GET, "/api/me", &token, Value::Null).await;
    me(ann.str("access_token")).await.expect(200);
    assert_eq!(me(gone).await.expect(401).code(), "token_revoked");
    for person in [&ann, &phone] {
        let body = json!({"refresh_token": person.str("refresh_token")});
        me(server.post("/api/refresh", body).await.expect(200).str("access_token")).await.expect(200);
    }
    let with_jar = [("cookie", jar.as_str()), origin[0], origin[1]];
    call(server.address, Method::POST, "/api/token", &with_jar, None).await.expect(200);
    login(&server, "오도어").await;
    // By the address that she has proved.
    login(&server, "ann@example.org").await;
    let deadline = now() + PATIENCE;
    while !mail.caught().iter().any(|mail| mail.to == ["bob@example.org"]) {
        assert!(now() < deadline, "the mail that waited does not come");
        pause().await;
    }
    let body = json!({"token": reset, "password": "another fine sentence 77 teapots"});
    server.post("/api/reset-password", body).await.expect(204);
    // What has lived on is not written over.
    refused(&migrate(&file, &target), 1, &["is another in the source"]);
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
    assert_eq!(before.len(), 1, "whoever had it open last has put its log away");
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

#[test]
fn rows_of_somebody_else_are_refused() {
    let dir = TempDir::new().unwrap();
    let Some(target) = target(dir.path()) else { return };
    let file = source(dir.path());
    grow(&file, 2500);

    assert_eq!(counts(&migrate(&file, &target))["audit_events"], (2501, 0));
    let unchanged: Vec<i64> = ["users", "audit_events"].map(|table| count(&target, table)).into();
    for (sql, table, undo) in [
        (
            "INSERT INTO users VALUES ('x', 'eve', 'Eve', NULL, NULL, '', 'user', NULL, now(), now())",
            "\"x\" of users is not in the source",
            "DELETE FROM users WHERE id = 'x'",
        ),
        (
            "UPDATE users SET role = 'admin'",
            "of users is another in the source",
            "UPDATE users SET role = 'user'",
        ),
        (
            "INSERT INTO audit_events VALUES ('ffff', now(), NULL, 'x')",
            "\"ffff\" of audit_events is not in the source",
            "DELETE FROM audit_events WHERE id = 'ffff'",
        ),
        (
            "UPDATE signing_keys SET created_at = created_at + interval '1 microsecond' WHERE kid = 'refresh'",
            "\"refresh\" of signing_keys is another in the source",
            "UPDATE signing_keys SET created_at = created_at - interval '1 microsecond' WHERE kid = 'refresh'",
        ),
    ] {
        in_target(&target, sql);
        refused(&migrate(&file, &target), 1, &[table, "take an empty database"]);
        in_target(&target, undo);
        let report = counts(&migrate(&file, &target));
        assert!(report.values().all(|(moved, _)| *moved == 0), "{report:?}");
    }
    assert_eq!(unchanged, ["users", "audit_events"].map(|table| count(&target, table)));
}

#[actix_web::test]
async fn a_target_on_which_a_server_was_started_is_refused() {
    let dir = TempDir::new().unwrap();
    let Some(target) = target(dir.path()) else { return };
    let file = source(dir.path());
    stop(serve(&target, &SmtpCatcher::start()).await).await;
    let words = ["of signing_keys is", "take an empty database, on which no server was started"];
    refused(&migrate(&file, &target), 1, &words);
    assert_eq!(count(&target, "users"), 0);
    assert_eq!(count(&target, "signing_keys"), 3);
}

#[test]
fn odd_rows_are_moved_as_they_are_or_named() {
    let dir = TempDir::new().unwrap();
    let Some(_) = target(dir.path()) else { return };
    let file = source(dir.path());
    let login = |id: &str, at: &str| {
        format!(
            "INSERT INTO logins (id, user_id, kind, created_at, last_seen_at, expires_at, revoked_at) \
             VALUES ({id}, 'nobody', 'token', '2026-11-25T10:00:00Z', '2026-11-25 10:00', '2026-11-25 10:00:00.123456789', {at});"
        )
    };
    // What a hand may have written, and the server can read.
    let mut good: String =
        ["1", "'2026-11-25 23:59:60'", "'2026-11-25 10:00:00.9999999'", "2461370.25", "NULL"]
            .iter()
            .zip(["'B'", "'a'", "'_'", "'é'", "''"])
            .map(|(at, id)| login(id, at))
            .collect();
    // More than a batch, in an order that is another one in most languages.
    good.push_str(
        "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 3000)
         INSERT INTO audit_events (id, at, action)
         SELECT char(65 + n % 26, 97 + n % 25, 45 + n % 50) || n, '2026-11-25 12:00:00', '''\\' FROM n;",
    );
    sqlite_file(&file, &good);
    let target_of = |name: &str| database::url(&dir.path().join(name)).unwrap();
    let target = target_of("good");
    let moved = counts(&migrate(&file, &target));
    assert_eq!((moved["logins"], moved["audit_events"]), ((5, 0), (3001, 0)));
    assert_eq!(counts(&migrate(&file, &target))["audit_events"], (0, 3001));
    let kept: Vec<doorward::clock::Timestamp> = logins::table
        .select(logins::expires_at)
        .load(&mut PgConnection::establish(&target).unwrap())
        .unwrap();
    assert!(kept.iter().all(|at| at.to_string() == "2026-11-25 10:00:00.123456"), "{kept:?}");

    let token = "INSERT INTO one_time_tokens VALUES ('cafe', 'verify_email', 'nobody', 'a@example.org', \
                 '2026-11-25 10:00:00', NULL)";
    let mail = "INSERT INTO outbox (id, kind, user_id, address, attempts, next_attempt_at, created_at) VALUES \
                ('cafe', 'verify_email', 'nobody', 'a@example.org', 1099511627776, '2026-11-25 10:00:00', \
                '2026-11-25 10:00:00')";
    for (index, (sql, row, why)) in [
        (login("'cafe'", "'yesterday'").as_str(), "\"cafe\" of logins", "Invalid datetime yesterday"),
        (&login("'cafe'", "unixepoch()"), "\"cafe\" of logins", "Invalid datetime"),
        (&login("'cafe'", "'-9000-01-01 00:00:00'"), "\"cafe\" of logins", "timestamp out of range"),
        (&login("x'cafe'", "NULL"), "of logins", "its key is no text"),
        (&login("'ca' || char(0) || 'fe'", "NULL"), "\"ca\\0fe\" of logins", "U+0000"),
        ("UPDATE users SET display_name = 'a' || char(0) || 'b'", "of users", "U+0000"),
        ("UPDATE users SET email = x'6162'", "of users", "'email': it is no text"),
        ("UPDATE users SET email = CAST(x'61ff' AS TEXT)", "of users", "'email': it is no UTF-8"),
        (token, "\"cafe\" of one_time_tokens", "violates foreign key constraint"),
        (mail, "\"cafe\" of outbox", "'attempts': it is too large a number"),
    ]
    .into_iter()
    .enumerate()
    {
        let odd = dir.path().join(format!("{index}.db"));
        std::fs::copy(&file, &odd).unwrap();
        sqlite_file(&odd, &format!("PRAGMA foreign_keys = OFF; {sql}"));
        let target = target_of(&index.to_string());
        refused(&migrate(&odd, &target), 1, &["cannot move the row", row, why, "run this again"]);
        let table = row.rsplit(' ').next().unwrap();
        assert_eq!(count(&target, table), 0, "{row}");
    }
}

#[test]
fn what_is_not_a_source_or_not_a_target_is_said_in_one_line() {
    let dir = TempDir::new().unwrap();
    let Some(target) = target(dir.path()) else { return };
    let file = source(dir.path());
    let from = format!("sqlite:{}", file.display());
    let secret = "postgres://ann:s3cret@127.0.0.1:1/d";
    for (arguments, words) in [
        (&["--from", secret][..], "--from cannot be postgres://ann:***@127.0.0.1:1/d; expected sqlite:PATH"),
        (&["--from", &from, "--to", "sqlite:x.db"], "--to cannot be sqlite:x.db; expected postgres://..."),
        (&["--from", &from], "without --to, database.url cannot be sqlite:./data/doorward.db"),
        (&["--from", "x.db", "--to", secret], "--from cannot be read"),
        (&["--from", &from, "--to", "postgres://ann:s3%cret@db/d"], "--to cannot be read"),
        (&["--from", &from, "--to", "postgres://ann:s3/cret@db/d"], "--to cannot be read"),
        (&["--from", &from, secret], "URLs are given with --from and --to"),
    ] {
        refused(&run(arguments, None), 2, &[words]);
    }
    assert_eq!(run(&[], None).code, 2);
    refused(
        &run(&["--from", &from, "--to", secret], None),
        1,
        &["cannot open the database postgres://ann:***@"],
    );

    let other = |name: &str, sql: &str| {
        let path = dir.path().join(name);
        std::fs::copy(&file, &path).unwrap();
        sqlite_file(&path, sql);
        path
    };
    std::fs::write(dir.path().join("text.db"), "hello, this is no database at all").unwrap();
    let shop = dir.path().join("shop.db");
    sqlite_file(&shop, "CREATE TABLE orders (id INTEGER)");
    for (path, words) in [
        (dir.path().join("nothing.db"), "No such file"),
        (dir.path().join("text.db"), "file is not a database"),
        (shop, "is no database of Doorward"),
        (
            other("older.db", "DELETE FROM __diesel_schema_migrations"),
            "of an older version: start the server of this version once on it",
        ),
        (
            other("newer.db", "INSERT INTO __diesel_schema_migrations (version) VALUES ('30000101000000')"),
            "of a newer version",
        ),
    ] {
        refused(&migrate(&path, &target), 1, &[words]);
    }
    assert!(!dir.path().join("nothing.db").exists());
    assert_eq!(counts(&migrate(&file, &target))["users"], (1, 0), "nothing was made of those");
    in_target(&target, "INSERT INTO __diesel_schema_migrations (version) VALUES ('30000101000000')");
    refused(&migrate(&file, &target), 1, &["postgres://doorward:***@", "of a newer version"]);

    let help = run(&["--help"], None);
    assert!(help.code == 0 && help.stdout.contains("Stop the server first"), "{}", help.stdout);
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
