//! `doorward migrate-database` and databases that it refuses, or rows that it names.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use doorward::internals::schema::logins;
use tempfile::TempDir;

use crate::support::database;
use crate::support::import::sqlite_file;
use crate::support::migrate::{
    count, counts, grow, in_target, migrate, refused, run, serve, source, stop, target,
};
use crate::support::smtp::SmtpCatcher;

#[test]
fn rows_of_another_database_are_refused() {
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
            "of users differs in the source",
            "UPDATE users SET role = 'user'",
        ),
        (
            "INSERT INTO audit_events VALUES ('ffff', now(), NULL, 'x')",
            "\"ffff\" of audit_events is not in the source",
            "DELETE FROM audit_events WHERE id = 'ffff'",
        ),
        (
            "UPDATE signing_keys SET created_at = created_at + interval '1 microsecond' WHERE kid = 'refresh'",
            "\"refresh\" of signing_keys differs in the source",
            "UPDATE signing_keys SET created_at = created_at - interval '1 microsecond' WHERE kid = 'refresh'",
        ),
    ] {
        in_target(&target, sql);
        refused(&migrate(&file, &target), 1, &[table, "use an empty database"]);
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
    // Which of the rows is named first depends on ids that are random.
    let words = ["of signing_keys ", "use an empty database on which no server was started"];
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
             VALUES ({id}, 'unknown', 'token', '2026-11-25T10:00:00Z', '2026-11-25 10:00', '2026-11-25 10:00:00.123456789', {at});"
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
    let kept: Vec<doorward::internals::clock::Timestamp> = logins::table
        .select(logins::expires_at)
        .load(&mut PgConnection::establish(&target).unwrap())
        .unwrap();
    assert!(kept.iter().all(|at| at.to_string() == "2026-11-25 10:00:00.123456"), "{kept:?}");

    let token = "INSERT INTO one_time_tokens (hash, purpose, user_id, email, expires_at) \
                 VALUES ('cafe', 'verify_email', 'unknown', 'a@example.org', '2026-11-25 10:00:00')";
    let mail = "INSERT INTO outbox (id, kind, user_id, address, attempts, next_attempt_at, created_at) VALUES \
                ('cafe', 'verify_email', 'unknown', 'a@example.org', 1099511627776, '2026-11-25 10:00:00', \
                '2026-11-25 10:00:00')";
    for (index, (sql, row, why)) in [
        (login("'cafe'", "'yesterday'").as_str(), "\"cafe\" of logins", "Invalid datetime yesterday"),
        (&login("'cafe'", "unixepoch()"), "\"cafe\" of logins", "Invalid datetime"),
        (&login("'cafe'", "'-9000-01-01 00:00:00'"), "\"cafe\" of logins", "timestamp out of range"),
        (&login("x'cafe'", "NULL"), "of logins", "its key is not text"),
        (&login("'ca' || char(0) || 'fe'", "NULL"), "\"ca\\0fe\" of logins", "U+0000"),
        ("UPDATE users SET display_name = 'a' || char(0) || 'b'", "of users", "U+0000"),
        ("UPDATE users SET email = x'6162'", "of users", "'email': it is not text"),
        ("UPDATE users SET email = CAST(x'61ff' AS TEXT)", "of users", "'email': it is not UTF-8"),
        (token, "\"cafe\" of one_time_tokens", "violates foreign key constraint"),
        (mail, "\"cafe\" of outbox", "'attempts': the number is too large"),
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
        (shop, "is not a Doorward database"),
        (
            other("older.db", "DELETE FROM __diesel_schema_migrations"),
            "of an older version: start this version's server on it once",
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
    refused(&migrate(&file, &target), 1, &["postgres://doorward:***@", "a newer version of Doorward"]);

    let help = run(&["--help"], None);
    assert!(help.code == 0 && help.stdout.contains("Stop the server first"), "{}", help.stdout);
}
