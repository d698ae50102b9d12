//! `doorward import` as a process of its own, and files as older systems made them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use doorward::internals::schema::users;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::config::Settings;
use crate::support::{database, postgres};

/// As the first system made it.
pub const USERDATA: &str = "CREATE TABLE userdata (id INTEGER PRIMARY KEY, username VARCHAR(255) NOT NULL, \
                        password VARCHAR(255) NOT NULL);";
/// And the second.
pub const USERS: &str = "CREATE TABLE users (username TEXT PRIMARY KEY, password TEXT NOT NULL);";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

pub fn sha256(text: &str) -> String {
    use aws_lc_rs::digest;
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

pub fn sha1(text: &str) -> String {
    use aws_lc_rs::digest;
    hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}

pub fn md5(text: &str) -> String {
    use md5::{Digest, Md5};
    hex(&Md5::digest(text))
}

pub fn sqlite_file(path: &Path, sql: &str) {
    SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(sql).unwrap();
}

pub fn command(data_dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Settings::on(data_dir).command();
    command
        .current_dir(data_dir.parent().unwrap())
        .arg("import")
        .args(arguments)
        .args(["--create", "--data-dir"])
        .arg(data_dir);
    command
}

pub fn data_dir(app: &TestApp) -> PathBuf {
    app.data.path().join("data")
}

pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Outcome {
    #[track_caller]
    pub fn counts(&self) -> (u64, u64, u64, usize) {
        let json: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}", self.stderr));
        let number = |key: &str| json[key].as_u64().unwrap();
        let refused = json["refused"].as_array().unwrap().len();
        (number("read"), number("imported"), number("already_there"), refused)
    }
}

pub fn import(data_dir: &Path, arguments: &[&str]) -> Outcome {
    command(data_dir, arguments).output().unwrap().into()
}

/// With `--json`: read, imported, already there, refused.
#[track_caller]
pub fn import_json(app: &TestApp, file: &Path) -> (i32, (u64, u64, u64, usize)) {
    let outcome = import(&data_dir(app), &[file.to_str().unwrap(), "--json"]);
    (outcome.code, outcome.counts())
}

pub fn stored_hash(app: &TestApp, username: &str) -> String {
    app.query(|conn| {
        users::table.filter(users::username.eq(username)).select(users::password_hash).first(conn)
    })
}

pub fn count_users(app: &TestApp) -> i64 {
    app.query(|conn| users::table.count().get_result(conn))
}

pub async fn sign_in(app: &TestApp, username: &str, password: &str) {
    app.post("/api/login", json!({"login": username, "password": format!("{password}x")})).await.expect(401);
    app.post("/api/login", json!({"login": username, "password": password})).await.expect(200);
    let stored = stored_hash(app, &username.to_lowercase());
    assert!(stored.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{stored}");
    app.post("/api/login", json!({"login": username, "password": password})).await.expect(200);
}

/// The bytes of the database, its write-ahead log and whatever else lies there.
#[track_caller]
pub fn assert_nowhere(dir: &Path, weak: &[String]) {
    let kept: Vec<Vec<u8>> = if let Some(url) = database::url(dir) {
        let Some(program) = postgres::client("pg_dump") else { return };
        let dump = Command::new(program).args(["--data-only", "--dbname"]).arg(url).output().unwrap();
        assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
        vec![dump.stdout]
    } else {
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        // Not by this process: to close the file would end the locks that the server has on it.
        let read = |path| Command::new("cat").arg(path).output().unwrap().stdout;
        files.filter(|path| path.is_file()).map(read).collect()
    };
    assert!(!kept.is_empty());
    for hash in weak.iter().flat_map(|hash| [hash.to_lowercase(), hash.to_uppercase()]) {
        let found = |bytes: &Vec<u8>| bytes.windows(hash.len()).any(|window| window == hash.as_bytes());
        assert!(!kept.iter().any(found), "{hash} is there");
    }
}
