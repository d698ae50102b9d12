//! `doorward backup check`: what it says about good and bad backups. SQLite only, as `doorward backup` is.

use std::fs;
use std::path::{Path, PathBuf};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use crate::support::app::{TestApp, spawn_app};
use crate::support::commands::{Said, on, run};
use crate::support::database::is_postgres;

/// A server with two accounts, one of them disabled, and a backup of it.
async fn backed_up() -> Option<(TestApp, PathBuf)> {
    if is_postgres() {
        return None;
    }
    let app = spawn_app().await;
    app.register("ann").await;
    app.register("bob").await;
    run(&app, &["user", "disable", "bob"], "").await.ok();
    app.login("ann").await;
    let file = app.data.path().join("copy.db");
    run(&app, &["backup", file.to_str().unwrap()], "").await.ok();
    Some((app, file))
}

async fn check(file: &Path) -> Said {
    on(&file.with_file_name("no-data"), &["backup", "check", file.to_str().unwrap()], "").await
}

/// The row of the printed table, with single spaces.
fn row(said: &Said, name: &str) -> String {
    let row = said.out.lines().find_map(|line| line.strip_prefix(name));
    let row = row.unwrap_or_else(|| panic!("{name}: {}{}", said.out, said.err));
    row.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A copy of the backup that was changed by SQL.
fn changed(file: &Path, sql: &str) -> PathBuf {
    let copy = file.with_file_name("changed.db");
    fs::copy(file, &copy).unwrap();
    let mut conn = SqliteConnection::establish(copy.to_str().unwrap()).unwrap();
    conn.batch_execute(sql).unwrap();
    copy
}

#[actix_web::test]
async fn a_good_backup_can_be_restored_and_is_left_as_it_is() {
    let Some((_app, file)) = backed_up().await else { return };
    let names = || fs::read_dir(file.parent().unwrap()).unwrap().count();
    let (before, files) = (fs::read(&file).unwrap(), names());
    let said = check(&file).await.ok();
    assert!(said.out.ends_with("copy.db can be restored\n"), "{}", said.out);
    assert_eq!(row(&said, "file"), "ok");
    assert_eq!(row(&said, "references"), "ok");
    assert!(row(&said, "schema").starts_with("current ("), "{}", said.out);
    assert_eq!(row(&said, "users"), "2, 1 of them disabled");
    // Two registrations that sign in, one of them disabled since, and a sign-in.
    assert!(row(&said, "logins").ends_with("of them active"), "{}", said.out);
    assert_eq!(row(&said, "signing keys"), "1");
    assert!(!said.out.contains("note"), "{}", said.out);
    assert_eq!((fs::read(&file).unwrap(), names()), (before, files));

    let json = on(&file.with_file_name("no-data"), &["backup", "check", "--json", "copy.db"], "").await.ok();
    let json = json.json();
    assert_eq!((&json["can_be_restored"], &json["found"]["users"]), (&true.into(), &2.into()), "{json}");
    assert_eq!(json["found"]["migrations"]["missing"], 0, "{json}");
}

#[actix_web::test]
async fn a_backup_of_another_version_says_what_will_happen_to_it() {
    let Some((_app, file)) = backed_up().await else { return };
    let newest = "(SELECT MAX(version) FROM __diesel_schema_migrations)";
    let older = changed(&file, &format!("DELETE FROM __diesel_schema_migrations WHERE version = {newest}"));
    let said = check(&older).await.ok();
    assert_eq!(row(&said, "schema"), "older: the server applies 1 migration when it starts");

    let newer = changed(&file, "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')");
    let said = check(&newer).await;
    assert_eq!(said.code, Some(1));
    assert_eq!(row(&said, "schema"), "newer: this version does not know 20990101000000");
    assert!(said.err.contains("install that version") && said.err.lines().count() == 1, "{}", said.err);
}

#[actix_web::test]
async fn a_backup_that_would_not_work_is_refused_with_the_reason() {
    let Some((app, file)) = backed_up().await else { return };
    for (sql, words) in [
        (
            "PRAGMA foreign_keys = OFF; INSERT INTO one_time_tokens (hash, purpose, user_id, email, expires_at) \
             VALUES ('x', 'reset', 'none', 'a@example.org', '2027-01-01 00:00:00')",
            "rows are missing that others refer to",
        ),
        ("DELETE FROM signing_keys WHERE algorithm = 'EdDSA'", "it has no signing key"),
        ("DROP TABLE __diesel_schema_migrations", "it is not a Doorward database"),
    ] {
        let said = check(&changed(&file, sql)).await;
        assert!(said.code == Some(1) && said.err.contains(words), "{words}: {}{}", said.out, said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }

    let whole = fs::read(&file).unwrap();
    let mut overwritten = whole.clone();
    let middle = overwritten.len() / 2;
    overwritten[middle..].fill(0xff);
    let none = Vec::new();
    for (bytes, words) in [
        (&overwritten[..], "is damaged, use another backup"),
        (&whole[..whole.len() / 2], "is damaged, use another backup"),
        (b"SQLite format 3\0", "is damaged, use another backup"),
        (b"username,hash\nann,x\n", "it is not an SQLite database"),
        (&none[..], "it is empty"),
    ] {
        let bad = file.with_file_name("bad.db");
        fs::write(&bad, bytes).unwrap();
        let said = check(&bad).await;
        assert!(said.code == Some(1) && said.err.contains(words), "{words}: {}{}", said.out, said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    assert!(check(app.data.path()).await.err.contains("it is not a regular file"));
    let data = file.with_file_name("no-data");
    let missing = on(&data, &["backup", "check", "/nowhere/copy.db"], "").await;
    assert!(missing.code == Some(1) && missing.err.contains("No such file"), "{}", missing.err);
    let without = on(&data, &["backup", "check"], "").await;
    assert!(without.code == Some(2) && without.err.contains("<FILE>"), "{}", without.err);
}

#[actix_web::test]
async fn a_plain_copy_of_the_database_is_named_as_such() {
    let Some((_app, file)) = backed_up().await else { return };
    // As the database's own file is.
    let plain = changed(&file, "PRAGMA journal_mode = WAL");
    let said = check(&plain).await.ok();
    assert!(
        row(&said, "note").contains("lacks the newest changes unless the server had been stopped"),
        "{}",
        said.out
    );
    assert_eq!(row(&said, "users"), "2, 1 of them disabled");
}
