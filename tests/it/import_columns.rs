//! `doorward import` and the columns that other systems have: verified addresses, other names, separators and
//! encodings, and names that are addresses.

use std::path::PathBuf;

use diesel::prelude::*;
use doorward::internals::schema::users;
use serde_json::{Value, json};

use crate::support::app::{TestApp, spawn_app};
use crate::support::import::{Outcome, USERDATA, USERS, count_users, data_dir, import, sha256, sqlite_file};

fn file(app: &TestApp, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = app.data.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn run(app: &TestApp, path: &std::path::Path, more: &[&str]) -> Outcome {
    let arguments = [&[path.to_str().unwrap(), "--json"], more].concat();
    import(&data_dir(app), &arguments)
}

#[track_caller]
fn comes_in(app: &TestApp, path: &std::path::Path, more: &[&str], rows: u64) -> Outcome {
    let outcome = run(app, path, more);
    assert_eq!((outcome.code, outcome.counts()), (0, (rows, rows, 0, 0)), "{}", outcome.stderr);
    outcome
}

async fn sign_in(app: &TestApp, login: &str, password: &str, status: u16) {
    app.post("/api/login", json!({"login": login, "password": password})).await.expect(status);
}

#[actix_web::test]
async fn a_user_with_a_verified_address_still_signs_in_by_it() {
    let app = spawn_app().await;
    let hash = bcrypt::hash("swordfish", 4).unwrap();
    let csv = format!(
        "username,hash,email,email_verified\nkim,{hash},kim@example.org,true\nlee,{hash},lee@example.org,false\n\
         max,{hash},Max@Example.org,2024-05-01 10:00:00\nned,{hash},,true\noli,{hash},oli@example.org,\n"
    );
    comes_in(&app, &file(&app, "a.csv", csv), &[], 5);
    let line = |name: &str, verified: Value| {
        json!({"username": name, "hash": hash, "email": format!("{name}@example.org"), "email_verified": verified}).to_string()
    };
    let jsonl =
        [line("pam", json!(true)), line("quy", json!(0)), line("ray", json!("t")), line("sue", json!(null))];
    comes_in(&app, &file(&app, "b.jsonl", jsonl.join("\n")), &[], 4);
    let (old, older) = (app.data.path().join("users.db"), app.data.path().join("userdata.db"));
    sqlite_file(
        &old,
        &format!(
            "{USERS} ALTER TABLE users ADD COLUMN email TEXT; ALTER TABLE users ADD COLUMN email_confirmed BOOLEAN;
             INSERT INTO users VALUES ('tim', '{hash}', 'tim@example.org', 1), ('uma', '{hash}', 'uma@example.org', 0);"
        ),
    );
    comes_in(&app, &old, &[], 2);
    sqlite_file(
        &older,
        &format!(
            "{USERDATA} ALTER TABLE userdata ADD COLUMN email TEXT; ALTER TABLE userdata ADD COLUMN email_verified_at TEXT;
             INSERT INTO userdata VALUES (1, 'val', '{0}', 'val@example.org', '2024-05-01'),
             (2, 'wes', '{0}', 'wes@example.org', NULL);",
            sha256("swordfish")
        ),
    );
    comes_in(&app, &older, &[], 2);
    for (name, verified) in [
        ("kim", true),
        ("lee", false),
        ("max", true),
        ("oli", false),
        ("pam", true),
        ("quy", false),
        ("ray", true),
        ("sue", false),
        ("tim", true),
        ("uma", false),
        ("val", true),
        ("wes", false),
    ] {
        sign_in(&app, name, "swordfish", 200).await;
        sign_in(&app, &format!("{name}@example.org"), "swordfish", if verified { 200 } else { 401 }).await;
    }
    let verified = users::table.filter(users::email_verified_at.is_not_null()).count();
    assert_eq!(app.query(|conn| verified.get_result::<i64>(conn)), 6, "ned has no address to verify");
}

#[actix_web::test]
async fn an_address_has_one_holder_and_the_others_are_named() {
    let app = spawn_app().await;
    app.register_holder("ann", "ann@example.org").await;
    let hash = sha256("x");
    let csv = format!(
        "username,hash,email,email_verified\nkim,{hash},kim@example.org,1\nlee,{hash},KIM@example.org,yes\n\
         max,{hash},kim@example.org,0\nned,{hash},ann@example.org,t\noli,{hash},oli@example.org,perhaps\n"
    );
    let path = file(&app, "a.csv", csv);
    let dry = run(&app, &path, &["--dry-run"]);
    let outcome = run(&app, &path, &[]);
    for outcome in [&dry, &outcome] {
        assert_eq!((outcome.code, outcome.counts()), (1, (5, 2, 0, 3)), "{}", outcome.stderr);
        for line in [
            "line 3, \"lee\": The address is already verified by line 2.",
            "line 5, \"ned\": The address is verified by another account.",
            "line 6, \"oli\": It is unclear whether the address is verified",
        ] {
            assert!(
                outcome.stderr.lines().any(|found| found.starts_with(line)),
                "{line}: {}",
                outcome.stderr
            );
        }
        let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
        assert_eq!(json["refused_by_reason"], json!({"email_taken": 2, "invalid_email_verified": 1}));
    }
    // A second run says the same of each.
    let again = run(&app, &path, &[]);
    assert_eq!((again.code, again.counts()), (1, (5, 0, 2, 3)), "{}", again.stderr);
    sign_in(&app, "kim@example.org", "x", 200).await;
}

#[actix_web::test]
async fn every_address_counts_as_verified_where_the_old_system_verified_it() {
    let app = spawn_app().await;
    let csv = format!("username,hash,email\nkim,{0},kim@example.org\nlee,{0},\n", sha256("x"));
    comes_in(&app, &file(&app, "a.csv", csv), &["--verified"], 2);
    sign_in(&app, "kim@example.org", "x", 200).await;
}

#[actix_web::test]
async fn tables_of_spreadsheets_and_databases_are_imported() {
    let app = spawn_app().await;
    let hash = sha256("x");
    let utf16 = |text: &str| -> Vec<u8> {
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    for (name, content) in [
        ("semicolons.csv", format!("username;hash\r\nann;{hash}\r\n").into_bytes()),
        ("tabs.tsv", format!("username\thash\nbob\t{hash}\n").into_bytes()),
        ("bars.csv", format!("username|hash\ncy|{hash}\n").into_bytes()),
        ("sep.csv", format!("sep=;\r\nusername;hash\r\ndan;{hash}\r\n").into_bytes()),
        ("quoted.csv", format!("\u{feff}\"username\",\"hash\"\n\"eve\",\"{hash}\"\n").into_bytes()),
        ("mac.csv", format!("username,hash\rfay,{hash}\r").into_bytes()),
        ("utf16.csv", utf16(&format!("username\thash\r\nŽofie\t{hash}\r\n"))),
        ("login.csv", format!("login,password_hash\nhal,{hash}\n").into_bytes()),
        ("user.csv", format!("user,pass\nida,{hash}\n").into_bytes()),
        ("mac.jsonl", format!("{{\"username\":\"jim\",\"passwordHash\":\"{hash}\"}}\r").into_bytes()),
    ] {
        comes_in(&app, &file(&app, name, content), &[], 1);
    }
    for name in ["ann", "bob", "cy", "dan", "eve", "fay", "žofie", "hal", "ida", "jim"] {
        sign_in(&app, name, "x", 200).await;
    }
}

#[actix_web::test]
async fn columns_that_are_not_read_are_named() {
    let app = spawn_app().await;
    let csv = format!("login,hash,note,is_verified\nkim,{0},{0},1\n", sha256("x"));
    let outcome = comes_in(&app, &file(&app, "a.csv", csv), &[], 1);
    assert_eq!(
        outcome.stderr,
        "column login is read as username\nignored columns: note, is_verified; if is_verified is the \
         email_verified, say --column email_verified=is_verified\n"
    );
    let json: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["ignored_columns"], json!(["note", "is_verified"]));
    let jsonl = json!({"username": "lee", "hash": sha256("x"), "age": 3}).to_string();
    let outcome = comes_in(&app, &file(&app, "a.jsonl", jsonl), &[], 1);
    assert_eq!(outcome.stderr, "ignored columns: age\n");
    // What is ambiguous is asked for, and a line that is not a header is not repeated in the error.
    for (name, content, words) in [
        ("name.csv", "name,hash\nkim,x\n".to_owned(), "if name is the username, say --column username=name"),
        ("address.csv", format!("email,hash\nkim@example.org,{}\n", sha256("x")), "--username-from-email"),
        ("two.csv", "user,login,hash\na,b,c\n".to_owned(), "several columns for username (user, login)"),
        ("array.json", "[{\"username\":\"a\"}]".to_owned(), "jq -c '.[]'"),
        ("book.csv", "PK\u{3}\u{4}".to_owned(), "save the table as CSV"),
        ("dump.csv", "INSERT INTO users VALUES (1)".to_owned(), "is SQL"),
    ] {
        let outcome = run(&app, &file(&app, name, content), &[]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words) && outcome.stderr.lines().count() == 1, "{}", outcome.stderr);
    }
    let latin = [b"username,hash\nJos\xe9,".as_slice(), sha256("x").as_bytes(), b"\n"].concat();
    let outcome = run(&app, &file(&app, "latin.csv", latin), &[]);
    assert!(
        outcome.stderr.contains("line 2") && outcome.stderr.contains("iconv -f WINDOWS-1252"),
        "{}",
        outcome.stderr
    );
    assert_eq!(count_users(&app), 2);
}

#[actix_web::test]
async fn an_operator_names_the_columns() {
    let app = spawn_app().await;
    let csv = format!("name,secret,contact,active\nkim,{},kim@example.org,y\n", sha256("x"));
    let path = file(&app, "a.csv", csv);
    let columns = ["username=name", "hash=secret", "email=contact", "email_verified=active"];
    let more = columns.iter().flat_map(|column| ["--column", column]).collect::<Vec<_>>();
    comes_in(&app, &path, &more, 1);
    sign_in(&app, "kim@example.org", "x", 200).await;
    let outcome = run(&app, &path, &["--column", "username=nickname"]);
    assert!(outcome.code == 1 && outcome.stderr.contains("no column nickname"), "{}", outcome.stderr);
    for wrong in ["name", "user=name", "username="] {
        assert_eq!(run(&app, &path, &["--column", wrong]).code, 2, "{wrong}");
    }
    let outcome = run(&app, &path, &["--table", "people"]);
    assert!(outcome.stderr.contains("--table is for those"), "{}", outcome.stderr);
}

#[actix_web::test]
async fn users_who_are_named_by_their_address_are_imported() {
    let app = spawn_app().await;
    let old = app.data.path().join("app.db");
    let hash = bcrypt::hash("swordfish", 4).unwrap();
    sqlite_file(
        &old,
        &format!(
            "CREATE TABLE \"user\" (id INTEGER PRIMARY KEY, email TEXT, password_hash TEXT, created TEXT);
             CREATE TABLE post (id INTEGER, text TEXT);
             INSERT INTO user VALUES (1, 'kim@example.org', '{hash}', ''), (2, 'Kim+x@other.org', '{hash}', ''),
             (3, 'o''neil@example.org', '{hash}', '');"
        ),
    );
    // Without a word it says what to do.
    let outcome = run(&app, &old, &[]);
    for words in [
        "has the tables post, user; expected is a table userdata",
        "--table user --username-from-email",
        "sqlite3 -header -csv app.db \"SELECT password_hash AS hash, email, created FROM user\" > people.csv",
    ] {
        assert!(outcome.code == 1 && outcome.stderr.contains(words), "{words}: {}", outcome.stderr);
    }
    let outcome = run(&app, &old, &["--table", "user"]);
    assert!(outcome.stderr.contains("--username-from-email"), "{}", outcome.stderr);
    let outcome = run(&app, &old, &["--table", "people"]);
    assert!(outcome.stderr.contains("has no table people; has the tables post, user"), "{}", outcome.stderr);
    let outcome = run(&app, &old, &["--table", "user", "--username-from-email", "--verified"]);
    assert_eq!((outcome.code, outcome.counts()), (1, (3, 2, 0, 1)), "{}", outcome.stderr);
    let refused = "row 2, \"Kim+x@other.org\": The name Kim, made from the address, is already that of row 1";
    let refused = refused.replace("name Kim", "name kim");
    assert!(outcome.stderr.contains(&refused), "{}", outcome.stderr);
    for login in ["kim@example.org", "kim", "o'neil@example.org", "o-neil"] {
        sign_in(&app, login, "swordfish", 200).await;
    }
    let again = run(&app, &old, &["--table", "user", "--username-from-email", "--verified"]);
    assert_eq!((again.code, again.counts()), (1, (3, 0, 2, 1)), "{}", again.stderr);

    // The same in a column of names, of which some are none.
    let csv = format!("username,hash\nlee@example.org,{0}\nmax,{0}\nkim@third.org,{0}\n", sha256("x"));
    let path = file(&app, "a.csv", csv);
    let outcome = run(&app, &path, &["--dry-run"]);
    assert!(
        outcome.stderr.contains("line 2, \"lee@example.org\": A username can only have"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("--username-from-email makes a name"), "{}", outcome.stderr);
    let outcome = run(&app, &path, &["--username-from-email"]);
    assert_eq!((outcome.code, outcome.counts()), (1, (3, 2, 0, 1)), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("The name kim, made from the address, is taken by another account"),
        "{}",
        outcome.stderr
    );
    sign_in(&app, "lee", "x", 200).await;
    sign_in(&app, "lee@example.org", "x", 401).await;
}

#[actix_web::test]
async fn a_table_of_any_name_is_read_and_only_read() {
    let app = spawn_app().await;
    let old = app.data.path().join("app.db");
    let hash = sha256("x");
    sqlite_file(
        &old,
        &format!(
            "CREATE TABLE \"my \"\"people's\" (\"log in\" TEXT, pw TEXT); CREATE VIEW v AS SELECT * FROM \"my \"\"people's\";
             INSERT INTO \"my \"\"people's\" VALUES ('kim', '{hash}');"
        ),
    );
    let before = std::fs::read(&old).unwrap();
    let table = "my \"people's";
    let more = ["--table", table, "--column", "username=log in", "--column", "hash=pw"];
    comes_in(&app, &old, &more, 1);
    assert_eq!(std::fs::read(&old).unwrap(), before);
    sign_in(&app, "kim", "x", 200).await;
    for (table, words) in [
        ("v", "has a view v, and only tables are read"),
        ("x'); DROP TABLE y; --", "has no table x'); DROP TABLE y; --"),
        ("x\" UNION SELECT 1", "has no table"),
    ] {
        let outcome = run(&app, &old, &["--table", table]);
        assert!(outcome.code == 1 && outcome.stderr.contains(words), "{table}: {}", outcome.stderr);
    }
}
