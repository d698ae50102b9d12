//! `doorward export`, and `doorward import` of what it wrote: the way of all accounts from one server to another.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use diesel::prelude::*;
use doorward::internals::schema::{audit_events, users};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{PASSWORD, TestApp, spawn_app, spawn_with};
use crate::support::config::Settings;
use crate::support::import::{Outcome, data_dir, import, sha256, stored_hash};

fn export(data_dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Settings::on(data_dir).command();
    command.arg("export").args(arguments).arg("--data-dir").arg(data_dir).output().unwrap()
}

/// What a command that must succeed wrote on standard output.
#[track_caller]
fn exported(data_dir: &Path) -> String {
    let output = export(data_dir, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `doorward import` that reads `text` from its standard input.
fn import_from_input(data_dir: &Path, arguments: &[&str], text: &[u8]) -> Outcome {
    let mut command = Settings::on(data_dir).command();
    command.arg("import").args(arguments).arg("--data-dir").arg(data_dir).arg("--json");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that refuses its input may end first.
    let _ = child.stdin.take().unwrap().write_all(text);
    child.wait_with_output().unwrap().into()
}

/// Accounts with all that an account can have.
async fn fill(app: &TestApp) {
    for name in ["ann", "bob"] {
        app.register(name).await;
    }
    let hash = bcrypt::hash("swordfish", 4).unwrap();
    let rows = [
        json!({"username": "Kim", "display_name": "Kim 🦀 \"K\"", "hash": sha256("swordfish"), "roles": ["editor", "admin"],
               "claims": {"plan": "gold", "limits": {"seats": 3, "since": 1.5}}, "email": "kim@example.org",
               "email_verified": "2025-01-31T12:00:00.000001Z", "created": "2024-01-31T12:00:00.123456Z"}),
        json!({"username": "дверь", "hash": hash, "disabled": "2026-01-31T12:00:00Z", "email": "d@example.org"}),
        json!({"username": "xim", "hash": "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "enabled": false}),
    ];
    let text = rows.map(|row| format!("{row}\n")).concat();
    let outcome = import_from_input(&data_dir(app), &["--from", "-"], text.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (3, 3, 0, 0)), "{}", outcome.stderr);
}

#[actix_web::test]
async fn all_accounts_move_to_another_server_and_are_the_same_there() {
    let app = spawn_app().await;
    fill(&app).await;
    let first = exported(&data_dir(&app));
    assert_eq!(first.lines().count(), 5);
    let other = spawn_app().await;
    let outcome = import_from_input(&data_dir(&other), &["-"], first.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (5, 5, 0, 0)), "{}", outcome.stderr);
    assert_eq!(outcome.stderr, "", "every member is read under its own name");
    // Ids, hashes and times included.
    assert_eq!(exported(&data_dir(&other)), first);

    app.post("/api/login", json!({"login": "kim@example.org", "password": "swordfish"})).await.expect(200);
    let moved = other
        .post("/api/login", json!({"login": "kim@example.org", "password": "swordfish"}))
        .await
        .expect(200);
    assert_eq!(moved.body["user"]["display_name"], "Kim 🦀 \"K\"");
    other.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(200);
    // Disabled there as well.
    other.post("/api/login", json!({"login": "дверь", "password": "swordfish"})).await.expect(401);
    assert!(stored_hash(&other, "xim").starts_with("$scrypt$ln=4,"));

    // Once more changes nothing, and from a file it is the same.
    let again = import_from_input(&data_dir(&other), &["--from", "-"], first.as_bytes());
    assert_eq!((again.code, again.counts()), (0, (5, 0, 5, 0)), "{}", again.stderr);
    let file = other.data.path().join("accounts.jsonl");
    std::fs::write(&file, &first).unwrap();
    let third = spawn_app().await;
    let outcome = import(&data_dir(&third), &["--from", file.to_str().unwrap(), "--json"]);
    assert_eq!((outcome.code, outcome.counts()), (0, (5, 5, 0, 0)), "{}", outcome.stderr);
    assert_eq!(exported(&data_dir(&third)), first);
}

#[actix_web::test]
async fn an_exported_account_is_a_line_of_json_with_its_hash() {
    let app = spawn_app().await;
    fill(&app).await;
    let lines: Vec<Value> =
        exported(&data_dir(&app)).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| lines.iter().find(|line| line["username"] == name).unwrap();
    let mut kim = of("kim").clone();
    let id = kim["id"].take();
    assert_eq!(id.as_str().unwrap().len(), 36);
    assert!(kim["hash"].take().as_str().unwrap().starts_with("$doorward-wrapped$sha256$2b$04$"));
    assert_eq!(
        kim,
        json!({"id": null, "username": "kim", "display_name": "Kim 🦀 \"K\"", "email": "kim@example.org",
               "email_verified": "2025-01-31T12:00:00.000001Z", "hash": null, "roles": ["admin", "editor"],
               "claims": {"plan": "gold", "limits": {"seats": 3, "since": 1.5}}, "disabled": false,
               "created": "2024-01-31T12:00:00.123456Z"})
    );
    assert_eq!(of("дверь")["disabled"], "2026-01-31T12:00:00.000000Z");
    assert_eq!(of("дверь")["email_verified"], false);
    assert!(of("xim")["disabled"].is_string());
    assert_eq!(of("ann")["hash"], stored_hash(&app, "ann"));
    // The trail says who took them, and nothing of what they are.
    let (actor, detail): (Option<String>, Option<String>) = app.query(|conn| {
        let events = audit_events::table.filter(audit_events::action.eq("exported"));
        events.select((audit_events::actor, audit_events::detail)).first(conn)
    });
    assert_eq!((actor.as_deref(), detail), (Some("operator"), None));
}

#[actix_web::test]
async fn a_file_is_private_and_never_overwritten() {
    let app = spawn_app().await;
    app.register("ann").await;
    let file = app.data.path().join("accounts.jsonl");
    let to = ["--to", file.to_str().unwrap()];
    let output = export(&data_dir(&app), &to);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{} holds 1 accounts\n", file.display()));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written, exported(&data_dir(&app)));

    app.register("bob").await;
    let output = export(&data_dir(&app), &to);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("it exists already"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    let left = std::fs::read_dir(app.data.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".accounts")));

    // Without a database, none is made.
    let fresh = TempDir::new().unwrap();
    let output = export(&fresh.path().join("data"), &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(!fresh.path().join("data").exists());
}

#[actix_web::test]
async fn an_id_is_kept_unless_another_account_has_it() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let id: String = app.query(|conn| users::table.select(users::id).first(conn));
    drop(ann);
    let hash = bcrypt::hash("swordfish", 4).unwrap();
    let other = "01a21c91-9c8b-7000-8000-00000000000a";
    let rows = [
        json!({"id": id, "username": "bob", "hash": hash}),
        json!({"id": other, "username": "carol", "hash": hash}),
        json!({"id": other, "username": "dan", "hash": hash}),
        // Ids of other systems.
        json!({"id": 7, "username": "eve", "hash": hash}),
        json!({"id": "eve-7", "username": "fay", "hash": hash}),
    ];
    let text = rows.map(|row| format!("{row}\n")).concat();
    let outcome = import_from_input(&data_dir(&app), &["-"], text.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (1, (5, 3, 0, 2)), "{}", outcome.stderr);
    let report: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(report["refused_by_reason"], json!({"id_taken": 2}));
    let carol: String =
        app.query(|conn| users::table.filter(users::username.eq("carol")).select(users::id).first(conn));
    assert_eq!(carol, other);
}

#[actix_web::test]
async fn standard_input_is_csv_or_json_lines_and_within_the_bounds() {
    let app = spawn_with(&[]).await;
    let data = data_dir(&app);
    let csv = format!("username,hash,display_name\nann,{},Ann A\n", sha256("x"));
    let outcome = import_from_input(&data, &["-"], csv.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 1, 0, 0)), "{}", outcome.stderr);
    let shown: String = app.query(|conn| users::table.select(users::display_name).first(conn));
    assert_eq!(shown, "Ann A");
    let lines = format!("\u{feff}{{\"username\":\"bob\",\"hash\":\"{}\"}}\n", sha256("x"));
    let outcome = import_from_input(&data, &["-", "--dry-run"], lines.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 1, 0, 0)), "{}", outcome.stderr);
    let outcome = import_from_input(&data, &["-"], "{}\n".repeat(4).as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (1, (4, 0, 0, 4)), "{}", outcome.stderr);
    for (arguments, text, words) in [
        (vec!["-", "--max-rows", "3"], "{}\n".repeat(4), "- has more than 3 rows"),
        (vec!["-"], "SQLite format 3\0".to_owned(), "read from a file alone"),
        (vec!["-", "--table", "user"], lines, "--table is for those"),
        (vec!["-"], String::new(), "needs a first line that names its columns"),
        (vec!["-", "--max-rows", "1"], "x".repeat(70_000), "more than the 65536 that 1 rows may have"),
    ] {
        let outcome = import_from_input(&data, &arguments, text.as_bytes());
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    let neither = import(&data, &["--json"]);
    assert_eq!(neither.code, 2, "{}", neither.stderr);
}
