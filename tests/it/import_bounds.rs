//! Files that `doorward import` must not believe: what runs code, what never ends, what is too large.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use tempfile::TempDir;

use crate::support::config::BINARY;
use crate::support::import::{Outcome, USERDATA, USERS, command, import, sha256, sqlite_file};
use crate::support::time::{PATIENCE, now};

/// Waits for the end, or fails the test.
fn bounded(data: &Path, arguments: &[&str]) -> Outcome {
    let mut command = command(data, arguments);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    let deadline = now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if now() > deadline {
            child.kill().unwrap();
            panic!("{arguments:?} does not end");
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    let output: Output = child.wait_with_output().unwrap();
    output.into()
}

#[track_caller]
fn refused(data: &Path, arguments: &[&str], words: &str) {
    let outcome = bounded(data, arguments);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{arguments:?}: {}", outcome.stderr);
    assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert!(!data.exists(), "nothing is made before the file was read");
}

#[test]
fn an_error_about_a_file_sends_no_control_characters_to_the_terminal() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let (database, csv) = (dir.path().join("old.db"), dir.path().join("old.csv"));
    // The escape sequence resets a terminal.
    sqlite_file(&database, "CREATE TABLE \"\u{1b}cpeople\" (name TEXT)");
    std::fs::write(&csv, "\u{1b}credential,email\n").unwrap();
    for (file, words) in [(database, "has the tables \\u{1b}cpeople"), (csv, "needs a first line")] {
        let outcome = bounded(&data, &[file.to_str().unwrap()]);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr.escape_debug());
    }
}

#[test]
fn of_a_database_only_tables_are_read() {
    const ENDLESS: &str = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r)";
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let hash = sha256("a");
    for (name, sql, words) in [
        (
            "view",
            format!("CREATE VIEW users AS {ENDLESS} SELECT n AS username, n AS password FROM r"),
            "has a view users, and only tables are read",
        ),
        (
            "userdata",
            format!("CREATE VIEW UserData AS {ENDLESS} SELECT n AS id, n AS username, n AS password FROM r"),
            "has a view userdata",
        ),
        (
            "never",
            format!("CREATE VIEW users AS {ENDLESS} SELECT n AS username, n AS password FROM r WHERE n < 0"),
            "has a view users",
        ),
        (
            "virtual",
            "CREATE VIRTUAL TABLE users USING fts5(username, password)".to_owned(),
            "has a virtual users",
        ),
        (
            "computed",
            format!("CREATE TABLE users (username TEXT, password TEXT AS ('{hash}'))"),
            "computes the column password of users",
        ),
        (
            "stored",
            "CREATE TABLE userdata (id INTEGER PRIMARY KEY, password TEXT, \
             username TEXT AS (hex(zeroblob(1000000))) STORED)"
                .to_owned(),
            "computes the column username of userdata",
        ),
    ] {
        let file = format!("{name}.db");
        sqlite_file(&dir.path().join(&file), &sql);
        refused(&data, &[&file], words);
    }
    // The text of the schema does not prove what a name is: here it says table, and SQLite makes a view of it.
    let path = dir.path().join("lie.db");
    sqlite_file(
        &path,
        &format!(
            "{USERS} CREATE VIEW other AS {ENDLESS} SELECT n AS username, n AS password FROM r; \
             PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = replace(sql, 'users', 'another') WHERE name = 'users'; \
             DELETE FROM sqlite_schema WHERE type = 'index'; \
             UPDATE sqlite_schema SET type = 'table', name = 'users', tbl_name = 'users', \
             sql = replace(sql, 'other', 'users') WHERE name = 'other'"
        ),
    );
    let outcome = bounded(&data, &["lie.db"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);

    // A view beside the table does not matter, nor does a trigger, nor a computed column that is not ours.
    let path = dir.path().join("fine.db");
    sqlite_file(
        &path,
        &format!(
            "{USERDATA} CREATE VIEW users AS {ENDLESS} SELECT n AS username, n AS password FROM r; \
             ALTER TABLE userdata ADD COLUMN extra TEXT AS (hex(zeroblob(100000000))); \
             INSERT INTO userdata (id, username, password) VALUES (2, 'bob', '{hash}'), (1, 'ann', '{hash}'); \
             CREATE TRIGGER t AFTER INSERT ON userdata BEGIN DELETE FROM userdata; END;"
        ),
    );
    assert_eq!(import(&data, &["fine.db", "--json"]).counts(), (2, 2, 0, 0));
}

#[test]
fn a_database_is_read_within_bounds_too() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let (path, hash) = (dir.path().join("large.db"), sha256("a"));
    let table = USERDATA.replace("NOT NULL", "");
    sqlite_file(
        &path,
        &format!(
            "{table} INSERT INTO userdata VALUES (1, 'ann', '{hash}'), (2, 'bob', zeroblob(500000000)), \
             (3, CAST(zeroblob(5000) AS TEXT), '{hash}'), (4, NULL, '{hash}')"
        ),
    );
    refused(&data, &["large.db", "--max-rows", "3"], "has more than 3 rows: allow more with --max-rows");
    // A value of half a gigabyte is not even loaded.
    let outcome = Command::new("sh")
        .args(["-c", "ulimit -v 2000000; exec \"$@\"", "sh"])
        .arg(BINARY)
        .args(["import", "large.db", "--dry-run", "--max-rows", "4"])
        .env_clear()
        .current_dir(dir.path())
        .output()
        .unwrap();
    let outcome: Outcome = outcome.into();
    for line in
        ["row 2, \"bob\": The hash has more than 4096 bytes.", "row 3: The username has more than 4096"]
    {
        assert!(outcome.stderr.lines().any(|found| found.starts_with(line)), "{line}: {}", outcome.stderr);
    }
    assert!(outcome.stdout.contains("would be imported"), "{}", outcome.stdout);
}

/// A page of 512 bytes in the middle of a table's tree: `cells` times the next page, and once more.
fn interior(next: u32, cells: u16) -> Vec<u8> {
    let mut page = vec![0; 512];
    page[0] = 5;
    page[3..5].copy_from_slice(&cells.to_be_bytes());
    let start = 512 - 5 * cells;
    page[5..7].copy_from_slice(&start.to_be_bytes());
    page[8..12].copy_from_slice(&next.to_be_bytes());
    for cell in 0..cells {
        let at = start + 5 * cell;
        let pointer = usize::from(12 + 2 * cell);
        page[pointer..pointer + 2].copy_from_slice(&at.to_be_bytes());
        let at = usize::from(at);
        page[at..at + 4].copy_from_slice(&next.to_be_bytes());
        page[at + 4] = 1;
    }
    page
}

#[test]
fn a_table_that_points_back_to_itself_is_read_up_to_the_bound() {
    const LEVELS: u32 = 15;
    let dir = TempDir::new().unwrap();
    let (path, data) = (dir.path().join("old.db"), dir.path().join("data"));
    sqlite_file(
        &path,
        "PRAGMA page_size = 512; CREATE TABLE users (username TEXT, password TEXT); \
                     INSERT INTO users VALUES ('ann', 'x');",
    );
    // The root is page 2. Its row moves below a tree in which each page has one child, seventy times.
    let mut bytes = std::fs::read(&path).unwrap();
    let leaf = bytes[512..1024].to_vec();
    bytes.truncate(512);
    for level in 0..LEVELS {
        bytes.extend(interior(level + 3, 69));
    }
    bytes.extend(leaf);
    bytes[28..32].copy_from_slice(&(LEVELS + 2).to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    // A file of nine kilobytes that has more rows than there are grains of sand.
    let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    conn.batch_execute("SELECT count(*) FROM (SELECT 1 FROM users LIMIT 100000)").unwrap();
    refused(&data, &["old.db", "--max-rows", "100000"], "has more than 100000 rows");
}

#[test]
fn anything_but_a_regular_file_that_stays_the_same_is_refused() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let made = Command::new("mkfifo").arg(dir.path().join("pipe.csv")).status().unwrap();
    assert!(made.success());
    symlink("/dev/zero", dir.path().join("zero.csv")).unwrap();
    std::fs::create_dir(dir.path().join("directory.csv")).unwrap();
    for file in ["pipe.csv", "zero.csv", "directory.csv"] {
        for format in ["csv", "jsonl", "sqlite"] {
            refused(&data, &[file, "--format", format], "is not a regular file");
        }
    }
    // A file of the kernel's says that it is empty and is not.
    symlink("/proc/self/maps", dir.path().join("maps.jsonl")).unwrap();
    refused(&data, &["maps.jsonl", "--format", "jsonl"], "is being written to");
    // Holes cost nothing to make.
    let sparse = std::fs::File::create(dir.path().join("sparse.jsonl")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    refused(&data, &["sparse.jsonl"], "allow more with --max-rows, or split it");
    assert_eq!(bounded(&data, &["zero.csv", "--max-rows", "0"]).code, 2);
}
