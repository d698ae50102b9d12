//! `doorward import`: the accounts of older systems, with the real binary, beside a running server.

use diesel::prelude::*;
use doorward::internals::schema::{audit_events, outbox, users};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{PASSWORD, spawn_app};
use crate::support::import::{USERDATA, USERS, data_dir, md5, sha1, sqlite_file, stored_hash};
use crate::support::import::{assert_nowhere, count_users, import, import_json, sha256, sign_in};

#[actix_web::test]
async fn accounts_of_the_first_system_sign_in_as_before() {
    let app = spawn_app().await;
    let people =
        [("alice", "swordfish"), ("Žofie", "pässwörd"), ("오도어", &"long ".repeat(30)), ("дверь", "дверь")];
    let weak: Vec<String> = people.iter().map(|(_, password)| sha256(password)).collect();
    let old = app.data.path().join("old.db");
    let rows: Vec<String> = people
        .iter()
        .zip(&weak)
        .enumerate()
        .map(|(n, ((name, _), hash))| {
            let hash = if n % 2 == 0 { hash.clone() } else { hash.to_uppercase() };
            format!("INSERT INTO userdata (username, password) VALUES ('{name}', '{hash}');")
        })
        .collect();
    sqlite_file(&old, &format!("{USERDATA}{}", rows.concat()));
    let before = std::fs::read(&old).unwrap();

    assert_eq!(import_json(&app, &old), (0, (4, 4, 0, 0)));
    assert_nowhere(&data_dir(&app), &weak);
    assert!(stored_hash(&app, "alice").starts_with("$doorward-wrapped$sha256$2b$04$"));
    assert_eq!(import_json(&app, &old), (0, (4, 0, 4, 0)));
    for (name, password) in people {
        sign_in(&app, name, password).await;
    }
    assert_eq!(import_json(&app, &old), (0, (4, 0, 4, 0)), "also when they were rehashed");
    assert_nowhere(&data_dir(&app), &weak);
    assert_eq!(std::fs::read(&old).unwrap(), before);
    let me = app.post("/api/login", json!({"login": "žofie", "password": "pässwörd"})).await.expect(200);
    assert_eq!(me.body["user"]["display_name"], "Žofie", "{}", me.text);
}

#[actix_web::test]
async fn accounts_of_the_second_system_sign_in_as_before() {
    let app = spawn_app().await;
    let (old, long) = (app.data.path().join("users.db"), "y".repeat(80));
    let hash = |text: &str| bcrypt::hash(text, 4).unwrap();
    let (blob, text, cut) = (hash("one"), hash("two").replace("$2b$", "$2a$"), hash(&long));
    let php = hash("four").replace("$2b$", "$2y$");
    let sql = format!(
        "{USERS} ALTER TABLE users ADD COLUMN note TEXT; CREATE TABLE sessions (id TEXT);
         INSERT INTO users (username, password) VALUES ('blob', CAST('{blob}' AS BLOB)), ('text', '{text}'),
         ('long', '{cut}'), ('php', '{php}');"
    );
    sqlite_file(&old, &sql);
    assert_eq!(import_json(&app, &old), (0, (4, 4, 0, 0)));
    assert_eq!(stored_hash(&app, "blob"), blob);
    // The old system compared 72 bytes of it; from the first sign-in on, all bytes count.
    app.post("/api/login", json!({"login": "long", "password": &long[..71]})).await.expect(401);
    app.post("/api/login", json!({"login": "long", "password": long})).await.expect(200);
    app.post("/api/login", json!({"login": "long", "password": &long[..79]})).await.expect(401);
    for (name, password) in [("blob", "one"), ("text", "two"), ("php", "four")] {
        sign_in(&app, name, password).await;
    }
    assert_eq!(import_json(&app, &old), (0, (4, 0, 4, 0)));
}

#[actix_web::test]
async fn csv_and_jsonl_are_imported_with_addresses_that_are_only_claimed() {
    let app = spawn_app().await;
    let (csv, jsonl) = (app.data.path().join("a.csv"), app.data.path().join("b.jsonl"));
    let weak = [sha256("one"), sha1("two"), md5("three"), md5("six")];
    let v1 = "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$dxdzZlEJklhw.YE7lK2ORyHpO1hSAna";
    let v2 = "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$FtTPYAYB7Unzu5SXyz9NjYdCcMd8ay.";
    let text = format!(
        "\u{feff}email,hash,username\r\nOne@Example.org,{},one\r\n,\"{}\",\"two\"\r\n,\"{v1}\",four\r\n",
        weak[0], weak[1]
    );
    std::fs::write(&csv, text).unwrap();
    let text = format!(
        "{}\n{}\n{}\n",
        json!({"username": "three", "email": "three@example.org", "hash": weak[2]}),
        json!({"username": "five", "password_hash": v2}),
        json!({"username": "six", "hash": weak[3].to_uppercase()}),
    );
    std::fs::write(&jsonl, text).unwrap();
    assert_eq!(import_json(&app, &csv), (0, (3, 3, 0, 0)));
    assert_eq!(import_json(&app, &jsonl), (0, (3, 3, 0, 0)));
    assert_nowhere(&data_dir(&app), &weak);

    let claimed: (Option<String>, bool) = app.query(|conn| {
        let one = users::table.filter(users::username.eq("one"));
        one.select((users::email, users::email_verified_at.is_null())).first(conn)
    });
    assert_eq!(claimed, (Some("one@example.org".to_owned()), true));
    assert_eq!(app.query(|conn| outbox::table.count().get_result::<i64>(conn)), 0);
    let staple = "correct horse battery staple";
    for (name, password) in [
        ("one", "one"),
        ("two", "two"),
        ("three", "three"),
        ("four", staple),
        ("five", staple),
        ("six", "six"),
    ] {
        sign_in(&app, name, password).await;
    }
    assert_eq!(import_json(&app, &csv), (0, (3, 0, 3, 0)));
    assert_eq!(import_json(&app, &jsonl), (0, (3, 0, 3, 0)));
}

#[actix_web::test]
async fn rows_that_cannot_be_imported_are_named_and_the_rest_is_imported() {
    let app = spawn_app().await;
    app.register("carol").await;
    let old = app.data.path().join("old.db");
    let (good, other) = (sha256("swordfish"), sha256("other"));
    let absurd = bcrypt::hash("x", 4).unwrap().replace("$04$", "$31$");
    let rows = format!(
        "(1, 'alice', '{good}'), (2, 'bob smith', '{good}'), (3, 'ALICE', '{other}'), (4, 'carol', '{good}'),
         (5, 'dan', 'plaintext'), (6, 'eve', '{absurd}'), (7, CAST(X'ff' AS TEXT), '{good}'), (8, 'fay', ''),
         (12, '{other}', '{good}')"
    );
    sqlite_file(&old, &format!("{USERDATA} INSERT INTO userdata VALUES {rows}"));
    let outcome = import(&data_dir(&app), &[old.to_str().unwrap()]);
    assert_eq!(outcome.code, 1);
    for line in [
        "row 2, \"bob smith\": A username can only have letters",
        "row 3, \"ALICE\": The name, folded, is already that of row 1.",
        "row 4, \"carol\": The name is taken by another account.",
        "row 5, \"dan\": The hash is of no known kind",
        "row 6, \"eve\": The hash has the absurd bcrypt cost 31;",
        "row 7, \"\u{fffd}\": The username is not UTF-8.",
        "row 8, \"fay\": There is no hash",
        "row 12, \"(a hash)\": A username can have at most",
        "doorward: 8 of 9 rows were not imported",
    ] {
        assert!(outcome.stderr.lines().any(|found| found.starts_with(line)), "{line}: {}", outcome.stderr);
    }
    assert_eq!(outcome.stderr.lines().count(), 9, "{}", outcome.stderr);
    let table: Vec<_> =
        outcome.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in ["read 9", "imported 1", "already there 0", "refused 8", "username_taken 2", "absurd_cost 1"] {
        assert!(table.iter().any(|found| found == row), "{row}: {}", outcome.stdout);
    }
    for secret in [&good, &other, &absurd, "plaintext"] {
        assert!(!outcome.stderr.contains(secret) && !outcome.stdout.contains(secret));
    }
    sign_in(&app, "alice", "swordfish").await;
    app.login("carol").await;
    // A second run says the same of each.
    let again = import(&data_dir(&app), &[old.to_str().unwrap(), "--json"]);
    assert_eq!((again.code, again.counts()), (1, (9, 0, 1, 8)));
    let json: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(json["refused"][1]["row"], 3);
    assert_eq!(json["refused"][1]["code"], "username_taken");
    assert_eq!(json["refused_by_reason"]["invalid_username"], 2);
    assert_eq!(again.stderr.lines().next(), outcome.stderr.lines().next());
}

#[actix_web::test]
async fn a_dry_run_writes_nothing() {
    let app = spawn_app().await;
    app.register("carol").await;
    let csv = app.data.path().join("a.csv");
    let text = format!("username,hash\nalice,{}\ncarol,{}\na b,x\n", sha256("a"), sha256(PASSWORD));
    std::fs::write(&csv, text).unwrap();
    let outcome = import(&data_dir(&app), &[csv.to_str().unwrap(), "--dry-run", "--json"]);
    assert_eq!((outcome.code, outcome.counts()), (1, (3, 1, 0, 2)));
    assert!(outcome.stderr.contains("line 3, \"carol\": The name is taken"), "{}", outcome.stderr);
    assert_eq!(count_users(&app), 1);
    let imported = audit_events::table.filter(audit_events::action.eq("imported")).count();
    assert_eq!(app.query(|conn| imported.get_result::<i64>(conn)), 0);

    // Before the first start it does not even make the directory.
    let fresh = TempDir::new().unwrap();
    let outcome = import(&fresh.path().join("data"), &[csv.to_str().unwrap(), "--dry-run"]);
    assert!(outcome.stdout.contains("would be imported"), "{}", outcome.stdout);
    assert!(!fresh.path().join("data").exists());
}

#[test]
fn before_the_first_start_it_makes_what_is_needed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let (old, data) = (dir.path().join("old #1?.db"), dir.path().join("data"));
    sqlite_file(&old, &format!("{USERDATA} INSERT INTO userdata VALUES (1, 'alice', '{}')", sha256("a")));
    let outcome = import(&data, &[old.to_str().unwrap()]);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    assert_nowhere(&data, &[sha256("a")]);
    let left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}
