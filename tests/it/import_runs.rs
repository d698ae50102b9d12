//! `doorward import` over time: files that are something else, interruptions, and running it again.

use std::process::Stdio;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use doorward::internals::schema::audit_events;
use serde_json::json;
use tempfile::TempDir;

use crate::support::app::spawn_app;
use crate::support::database::is_postgres;
use crate::support::import::{
    USERDATA, USERS, assert_nowhere, count_users, data_dir, import, import_json, sha256, sqlite_file,
};
use crate::support::import::{command, sign_in};
use crate::support::time::{now, pause};

#[test]
fn a_file_that_is_something_else_is_refused_in_one_line() {
    let dir = TempDir::new().unwrap();
    let (data, path) = (dir.path().join("data"), |name: &str| dir.path().join(name));
    std::fs::write(path("text.db"), "hello").unwrap();
    std::fs::write(path("headless.csv"), format!("alice,{}\n", sha256("a"))).unwrap();
    sqlite_file(&path("shop.db"), "CREATE TABLE orders (id INTEGER); CREATE TABLE users (username TEXT);");
    sqlite_file(&path("both.db"), &format!("{USERDATA}{USERS}"));
    sqlite_file(&path("good.db"), USERDATA);
    let mut cases = vec![
        ("nothing.db", 1, "cannot read nothing.db: No such file"),
        ("text.db", 2, "name it with --format"),
        ("headless.csv", 1, "needs a first line that names its columns"),
        ("shop.db", 1, "has the tables orders, users; expected is a table userdata (id, username, password)"),
        ("both.db", 1, "has both"),
    ];
    assert_eq!(import(&data, &["good.db"]).code, 0);
    if !is_postgres() {
        cases.push(("data/doorward.db", 1, "is a database of Doorward itself"));
    }
    for (file, code, words) in cases {
        let outcome = import(&data, &[file]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{file}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{file}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains(&sha256("a")));
    }
    assert!(!path("nothing.db").exists());
    assert_eq!(import(&data, &[]).code, 2);
    let outcome = import(&data, &["text.db", "--format", "sqlite"]);
    assert!(outcome.stderr.contains("is not an SQLite database"), "{}", outcome.stderr);
}

#[actix_web::test]
async fn an_interrupted_run_goes_on_where_it_was() {
    const ROWS: usize = 350;
    let app = spawn_app().await;
    let csv = app.data.path().join("many.csv");
    let lines: Vec<String> = (0..ROWS).map(|n| format!("user{n},{}\n", sha256(&format!("pw{n}")))).collect();
    std::fs::write(&csv, format!("username,hash\n{}", lines.concat())).unwrap();
    let mut child = command(&data_dir(&app), &[csv.to_str().unwrap(), "--set", "password.cost=8"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = now() + crate::support::time::PATIENCE;
    while count_users(&app) == 0 {
        assert!(now() < deadline);
        pause().await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let weak: Vec<_> = (0..ROWS).step_by(25).map(|n| sha256(&format!("pw{n}"))).collect();
    assert_nowhere(&data_dir(&app), &weak);
    // Whole batches, each of them once.
    let first = count_users(&app);
    assert!(first > 0 && first % 100 == 0 || first == 350, "{first}");
    let first = u64::try_from(first).unwrap();
    let total = ROWS as u64;
    assert_eq!(import_json(&app, &csv), (0, (total, total - first, first, 0)));
    assert_eq!(import_json(&app, &csv), (0, (total, 0, total, 0)));
    assert_eq!(count_users(&app), 350);
    sign_in(&app, "user0", "pw0").await;
    sign_in(&app, "user349", "pw349").await;
}

#[actix_web::test]
async fn an_account_of_the_same_name_with_another_password_is_not_already_there() {
    let app = spawn_app().await;
    let (one, two, moved) =
        (app.data.path().join("one.csv"), app.data.path().join("two.csv"), app.data.path().join("moved.csv"));
    let bcrypt = bcrypt::hash("b", 4).unwrap();
    std::fs::write(&one, format!("username,hash\nalice,{}\nbob,{bcrypt}\n", sha256("a"))).unwrap();
    std::fs::write(&two, format!("username,hash\nalice,{}\nbob,{}\n", sha256("z"), sha256("b"))).unwrap();
    assert_eq!(import_json(&app, &one), (0, (2, 2, 0, 0)));
    // Another system's alice has another password; the same row in a file that was moved is hers.
    assert_eq!(import_json(&app, &two), (1, (2, 0, 0, 2)));
    std::fs::rename(&one, &moved).unwrap();
    assert_eq!(import_json(&app, &moved), (0, (2, 0, 2, 0)));
}

#[actix_web::test]
async fn an_account_that_its_owner_deleted_is_not_imported_again() {
    let app = spawn_app().await;
    let csv = app.data.path().join("a.csv");
    std::fs::write(&csv, format!("username,hash\nalice,{}\n", sha256("swordfish"))).unwrap();
    assert_eq!(import_json(&app, &csv), (0, (1, 1, 0, 0)));
    let login = json!({"login": "alice", "password": "swordfish"});
    let access = app.post("/api/login", login).await.expect(200).str("access_token");
    let body = json!({"current_password": "swordfish"});
    app.send(actix_web::http::Method::DELETE, "/api/me", &access, body).await.expect(204);
    assert_eq!(import_json(&app, &csv), (0, (1, 0, 1, 0)));
    assert_eq!(count_users(&app), 0);
    let details: Vec<Option<String>> =
        app.query(|conn| audit_events::table.select(audit_events::detail).load(conn));
    assert!(details.iter().flatten().all(|detail| !detail.contains("alice")), "{details:?}");
}

#[test]
fn a_database_with_a_write_ahead_log_is_read_whole_and_left_as_it_was() {
    let dir = TempDir::new().unwrap();
    let (old, data) = (dir.path().join("old.db"), dir.path().join("data"));
    let file = old.to_str().unwrap();
    let insert = |id, name| format!("INSERT INTO userdata VALUES ({id}, '{name}', '{}');", sha256(name));
    sqlite_file(&old, &format!("PRAGMA journal_mode = WAL; {USERDATA} {}", insert(1, "alice")));
    let files = || std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(import(&data, &[file, "--dry-run"]).code, 0);
    assert_eq!(files(), 1);
    // The other system goes on meanwhile; what it has written last is only in the log.
    let mut running = SqliteConnection::establish(file).unwrap();
    running.batch_execute(&insert(2, "bob")).unwrap();
    assert_eq!(import(&data, &[file, "--json"]).counts(), (2, 2, 0, 0));
    running.batch_execute(&insert(3, "cy")).unwrap();
    assert_eq!(import(&data, &[file, "--json"]).counts(), (3, 1, 2, 0));
    // A dry run reads our own database so, too.
    let before = std::fs::read_dir(&data).unwrap().count();
    assert_eq!(import(&data, &[file, "--dry-run", "--json"]).counts(), (3, 0, 3, 0));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), before);
}

#[test]
fn help_has_examples() {
    let dir = TempDir::new().unwrap();
    let help = import(&dir.path().join("data"), &["--help"]);
    assert!(help.code == 0 && help.stdout.contains("doorward import old.db --dry-run"), "{}", help.stdout);
}
