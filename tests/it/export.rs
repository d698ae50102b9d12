//! `doorward export`, and `doorward import` of what it wrote: the way of all accounts from one server to another.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use actix_web::http::Method;
use diesel::prelude::*;
use doorward::internals::accounts::RightsChange;
use doorward::internals::schema::{audit_events, users};
use doorward_core::domain::{Roles, RolesChange, UserId};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{PASSWORD, TestApp, claims, spawn_app, spawn_with};
use crate::support::callers::operator;
use crate::support::config::Settings;
use crate::support::import::{Outcome, count_users, data_dir, import, sha256, sign_in, stored_hash};

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
        json!({"username": "Kim", "display_name": "Kim 🦀 \"K\"", "language": "pt_BR", "hash": sha256("swordfish"), "roles": ["editor", "admin"],
               "claims": {"plan": "gold", "limits": {"seats": 3, "since": 1.5}}, "email": "kim@example.org",
               "email_verified": "2025-01-31T12:00:00.000001Z", "created": "2024-01-31T12:00:00.123456Z"}),
        json!({"username": "дверь", "hash": hash, "disabled": "2026-01-31T12:00:00Z", "email": "d@example.org"}),
        json!({"username": "xim", "hash": "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "enabled": false}),
    ];
    let text = rows.map(|row| format!("{row}\n")).concat();
    let outcome = import_from_input(&data_dir(app), &["--from", "-", "--allow-admins"], text.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (3, 3, 0, 0)), "{}", outcome.stderr);
}

#[actix_web::test]
async fn all_accounts_move_to_another_server_and_are_the_same_there() {
    let app = spawn_app().await;
    fill(&app).await;
    let first = exported(&data_dir(&app));
    assert_eq!(first.lines().count(), 5);
    let other = spawn_app().await;
    let outcome = import_from_input(&data_dir(&other), &["-", "--allow-admins"], first.as_bytes());
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
    let arguments = ["--from", file.to_str().unwrap(), "--json", "--allow-admins"];
    let outcome = import(&data_dir(&third), &arguments);
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
        json!({"id": null, "username": "kim", "display_name": "Kim 🦀 \"K\"", "language": "pt-BR", "email": "kim@example.org",
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

/// Deletes the account, as its owner does.
async fn delete(app: &TestApp, login: &str, password: &str) {
    let access = app
        .post("/api/login", json!({"login": login, "password": password}))
        .await
        .expect(200)
        .str("access_token");
    let body = json!({"current_password": password});
    app.send(Method::DELETE, "/api/me", &access, body).await.expect(204);
}

#[actix_web::test]
async fn rows_of_one_name_from_two_systems_are_told_apart_on_standard_input() {
    let app = spawn_app().await;
    let data = data_dir(&app);
    let csv = |password: &str, more: &str| format!("username,hash\nann,{}\n{more}", sha256(password));
    let (one, two) = (csv("swordfish", ""), csv("halibut", ""));
    let outcome = import_from_input(&data, &["-"], one.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 1, 0, 0)), "{}", outcome.stderr);
    // Her sign-in replaces the hash, by which the row was recognized.
    sign_in(&app, "ann", "swordfish").await;
    let outcome = import_from_input(&data, &["-"], two.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (1, (1, 0, 0, 1)), "{}", outcome.stderr);
    // The same input again is the same system's, also after she has left.
    let outcome = import_from_input(&data, &["-"], one.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 0, 1, 0)), "{}", outcome.stderr);
    delete(&app, "ann", "swordfish").await;
    let outcome = import_from_input(&data, &["-"], one.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 0, 1, 0)), "{}", outcome.stderr);
    // The other system's ann never was imported.
    let outcome = import_from_input(&data, &["-"], two.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 1, 0, 0)), "{}", outcome.stderr);
    sign_in(&app, "ann", "halibut").await;
}

#[actix_web::test]
async fn an_exported_account_that_was_deleted_is_not_restored_by_a_later_export() {
    let app = spawn_app().await;
    app.register("ann").await;
    let first = exported(&data_dir(&app));
    let other = spawn_app().await;
    let outcome = import_from_input(&data_dir(&other), &["-"], first.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 1, 0, 0)), "{}", outcome.stderr);
    delete(&other, "ann", PASSWORD).await;
    app.register("bob").await;
    let second = exported(&data_dir(&app));
    let outcome = import_from_input(&data_dir(&other), &["-"], second.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (2, 1, 1, 0)), "{}", outcome.stderr);
    assert_eq!(count_users(&other), 1);
}

#[actix_web::test]
async fn a_user_who_returns_with_the_same_id_gets_tokens_that_are_newer_than_all_before() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let id: UserId = ann.id.parse().unwrap();
    for role in ["author", "editor", "author"] {
        let roles = Some(RolesChange::Replace(Roles::parse([role]).unwrap()));
        let change = RightsChange { roles, claims: None };
        app.accounts.set_access(id, change, &operator()).await.unwrap();
    }
    let before = app.login("ann").await;
    let text = exported(&data_dir(&app));
    delete(&app, "ann", PASSWORD).await;
    let outcome = import_from_input(&data_dir(&app), &["-"], text.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (1, 1, 0, 0)), "{}", outcome.stderr);
    let after = app.login("ann").await;
    assert_eq!(after.id, ann.id);
    app.get("/api/me", &after.access).await.expect(200);
    app.get("/api/me", &before.access).await.assert_problem(401, "token_revoked");
    let version = |token: &str| claims(token)["claims_version"].as_i64().unwrap();
    assert_eq!(version(&before.access), 3);
    // And so is the next change.
    assert!(version(&after.access) > 1_000_000, "{}", version(&after.access));
    let roles = Some(RolesChange::Replace(Roles::default()));
    let change = RightsChange { roles, claims: None };
    app.accounts.set_access(id, change, &operator()).await.unwrap();
    app.get("/api/me", &after.access).await.assert_problem(401, "token_stale");
    let next = app.login("ann").await;
    assert_eq!(version(&next.access), version(&after.access) + 1);
}

#[actix_web::test]
async fn a_row_that_makes_an_administrator_needs_allow_admins() {
    let app = spawn_app().await;
    let data = data_dir(&app);
    let hash = bcrypt::hash("swordfish", 4).unwrap();
    let csv = format!("username;hash;roles\nann;{hash};editor,admin\nbob;{hash};administrator\n");
    let report = |outcome: &Outcome| serde_json::from_str::<Value>(&outcome.stdout).unwrap();
    for arguments in [vec!["-", "--dry-run"], vec!["-"]] {
        let outcome = import_from_input(&data, &arguments, csv.as_bytes());
        assert_eq!((outcome.code, outcome.counts()), (1, (2, 1, 0, 1)), "{}", outcome.stderr);
        assert_eq!(report(&outcome)["refused_by_reason"], json!({"admin_not_allowed": 1}));
        assert_eq!(report(&outcome)["admins"], 0);
        assert!(
            outcome.stderr.contains("\"ann\": The row has the role admin: --allow-admins"),
            "{}",
            outcome.stderr
        );
    }
    assert_eq!(count_users(&app), 1);
    for arguments in [vec!["-", "--allow-admins", "--dry-run"], vec!["-", "--allow-admins"]] {
        let outcome = import_from_input(&data, &arguments, csv.as_bytes());
        assert_eq!((outcome.code, outcome.counts()), (0, (2, 1, 1, 0)), "{}", outcome.stderr);
        assert_eq!(report(&outcome)["admins"], 1);
    }
    let roles: String =
        app.query(|conn| users::table.filter(users::username.eq("ann")).select(users::roles).first(conn));
    assert_eq!(roles, r#"["admin","editor"]"#);
    // Who is one already is not made one.
    let outcome = import_from_input(&data, &["-"], csv.as_bytes());
    assert_eq!((outcome.code, outcome.counts()), (0, (2, 0, 2, 0)), "{}", outcome.stderr);
    // For people it is a line of the table.
    let file = app.data.path().join("more.csv");
    std::fs::write(&file, format!("username;hash;roles\ncarol;{hash};admin\n")).unwrap();
    let outcome = import(&data, &[file.to_str().unwrap(), "--allow-admins"]);
    let shown: Vec<_> = outcome.stdout.split_whitespace().collect();
    assert_eq!(
        shown,
        ["read", "1", "imported", "1", "administrators", "1", "already", "there", "0", "refused", "0"]
    );
}
