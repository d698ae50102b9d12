//! `doorward migrate-database` as a process of its own, with databases to move.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use serde_json::Value;

use crate::support::app::PASSWORD;
use crate::support::app_return::APPS;
use crate::support::config::Settings;
use crate::support::database;
use crate::support::import::{Outcome, sqlite_file};
use crate::support::process::Process;
use crate::support::smtp::SmtpCatcher;

/// An empty database of PostgreSQL's. None in the binary of SQLite: once is enough.
pub fn target(dir: &Path) -> Option<String> {
    database::url(dir)
}

pub fn command(arguments: &[&str], target: Option<&str>) -> Command {
    let target: Vec<_> = target.map(|target| ("database.url", target)).into_iter().collect();
    let mut command = Settings::default().with(&target).command();
    command.current_dir(std::env::temp_dir()).arg("migrate-database").args(arguments);
    command
}

pub fn run(arguments: &[&str], target: Option<&str>) -> Outcome {
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

pub fn migrate(file: &Path, target: &str) -> Outcome {
    run(&["--from", &format!("sqlite:{}", file.display()), "--json"], Some(target))
}

/// By table: how many were moved, how many were there.
#[track_caller]
pub fn counts(outcome: &Outcome) -> BTreeMap<String, (u64, u64)> {
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
pub fn refused(outcome: &Outcome, code: i32, words: &[&str]) {
    assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{}", outcome.stderr);
    for words in words {
        assert!(outcome.stderr.contains(words), "{words} in {}", outcome.stderr);
    }
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

/// A database with one account and the keys, as a server would have made it.
pub fn source(dir: &Path) -> PathBuf {
    let data = dir.join("source");
    let mut child = Settings::cheap()
        .command()
        .current_dir(dir)
        .args(["user", "add", "ann", "--create", "--data-dir"])
        .arg(&data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    data.join("doorward.db")
}

/// Adds this many rows to the audit trail.
pub fn grow(file: &Path, rows: usize) {
    sqlite_file(
        file,
        &format!(
            "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {rows})
             INSERT INTO audit_events (id, at, action, detail)
             SELECT lower(hex(randomblob(16))), '2026-11-25 12:00:00.123', 'grown', 'a row ' || n FROM n"
        ),
    );
}

pub fn in_target(target: &str, sql: &str) {
    PgConnection::establish(target).unwrap().batch_execute(sql).unwrap();
}

#[track_caller]
pub fn count(target: &str, table: &str) -> i64 {
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
pub fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let is_index = |path: &Path| path.to_str().unwrap().ends_with("-shm");
    let read = |path: &Path| if is_index(path) { Vec::new() } else { std::fs::read(path).unwrap() };
    entries.map(|path| (path.clone(), read(&path))).collect()
}

/// A server of the real binary, and its mail.
pub async fn serve(url: &str, mail: &SmtpCatcher) -> Process {
    let mail = mail.url();
    let settings = [
        ("database.url", url),
        ("mail.url", &mail),
        ("public_url", "http://doorward.example"),
        ("web.allowed_origins", APPS),
    ];
    Process::start(&settings).await
}

pub async fn stop(mut server: Process) {
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.output());
}
