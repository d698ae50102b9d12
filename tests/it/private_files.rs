//! Files of ours are their owner's alone, with the real binary, whatever the umask and the directory were.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use actix_web::http::Method;
use actix_web::rt::task::spawn_blocking;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{PASSWORD, call, spawn_with};
use crate::support::config::{BINARY, Settings};
use crate::support::database::is_postgres;
use crate::support::import::{Outcome, sha256};
use crate::support::process::Process;
use crate::support::raw_http;
use crate::support::time::{PATIENCE, now, pause};

fn set(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// A directory that all users may write to, with one for data in it.
fn shared() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    for path in [dir.path(), &data] {
        set(path, 0o777);
    }
    (dir, data)
}

/// `doorward` without a umask.
fn doorward(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 000; exec \"$0\" \"$@\"", BINARY, "--data-dir"])
        .arg(data)
        .args(arguments)
        .env_clear()
        .envs(Settings::on(data).variables())
        .current_dir(data.parent().unwrap())
        .stdin(Stdio::null());
    command
}

fn run(data: &Path, arguments: &[&str], code: i32) -> Outcome {
    let outcome: Outcome = doorward(data, arguments).output().unwrap().into();
    assert_eq!(outcome.code, code, "{arguments:?}: {}{}", outcome.stdout, outcome.stderr);
    outcome
}

fn warnings(outcome: &str, path: &Path) -> usize {
    let words = format!("chmod 700 {}", path.canonicalize().unwrap().display());
    outcome.lines().filter(|line| line.ends_with(&words)).count()
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[track_caller]
fn assert_private(directory: &Path) {
    for path in files(directory) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn every_command_makes_private_files_and_corrects_those_that_are_there() {
    let (dir, data) = shared();
    let (old, backup) = (dir.path().join("old.csv"), dir.path().join("copies"));
    fs::write(&old, format!("username,hash\nann,{}\n", sha256("a"))).unwrap();
    fs::create_dir(&backup).unwrap();
    set(&backup, 0o755);
    let copy = backup.join("copy.db");
    let commands: [(&[&str], i32); 9] = [
        (&["import", "old.csv", "--create"], 0),
        (&["import", "old.csv", "--dry-run"], 0),
        (&["user", "list"], 0),
        (&["keys", "rotate"], 0),
        (&["logins", "revoke", "--everybody", "--yes"], 0),
        (&["mail", "test", "you@example.org"], 0),
        (&["config"], 0),
        (&["backup", copy.to_str().unwrap()], i32::from(is_postgres())),
        // It has no password to read.
        (&["user", "add", "bob"], 2),
    ];
    for (arguments, code) in commands {
        let outcome = run(&data, arguments, code);
        assert_eq!(warnings(&outcome.stderr, &data), 1, "{arguments:?}: {}", outcome.stderr);
        assert_private(&data);
        // As a version before this one left them.
        for path in files(&data) {
            set(&path, 0o644);
        }
        run(&data, arguments, if arguments[0] == "backup" { 1 } else { code });
        assert_private(&data);
    }
    assert!(is_postgres() || files(&data).contains(&data.join("doorward.db")));
    assert!(data.join("mail").is_dir() && mode(&data.join("mail")) == 0o700);
    if !is_postgres() {
        assert_eq!(mode(&copy), 0o600);
        let said = run(&data, &["backup", backup.join("again.db").to_str().unwrap()], 0).stderr;
        assert_eq!((warnings(&said, &backup), warnings(&said, &data)), (1, 1), "{said}");
    }
    // A directory of the user's own needs no warning.
    set(&data, 0o700);
    assert_eq!(run(&data, &["user", "list"], 0).stderr, "");
    // Nor is any file made where none is needed.
    run(&data, &["config"], 0);
    assert_eq!(mode(&old), 0o644, "another system's file is not ours to change");
}

#[test]
fn a_database_that_is_moved_away_is_corrected_as_well() {
    let (dir, _) = shared();
    let own = dir.path().join("own");
    fs::create_dir(&own).unwrap();
    let file = own.join("grown.db");
    fs::write(&file, "").unwrap();
    set(&file, 0o644);
    set(&own, 0o755);
    let from = format!("sqlite:{}", file.display());
    let to = "postgres://nobody@127.0.0.1:1/none";
    let outcome = run(&dir.path().join("none"), &["migrate-database", "--from", &from, "--to", to], 1);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert_eq!(mode(&file), 0o600);
}

#[actix_web::test]
async fn a_server_keeps_its_files_private_and_warns_once() {
    let (_dir, data) = shared();
    let server = doorward(&data, &["serve", "--set", "http.listen=127.0.0.1:0", "--set", "tcp.listen=off"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = now() + PATIENCE;
    let done = || data.join("mail").is_dir() && (is_postgres() || data.join("doorward.db-wal").exists());
    while !done() {
        assert!(now() < deadline, "it does not start");
        pause().await;
    }
    assert_private(&data);
    rustix::process::kill_process(rustix::process::Pid::from_child(&server), rustix::process::Signal::TERM)
        .unwrap();
    let ended = spawn_blocking(move || server.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(warnings(&said, &data), 1, "{said}");
    assert!(said.contains("WARN"), "{said}");
}

#[actix_web::test]
async fn an_application_that_embeds_it_needs_no_umask() {
    // A test's process has an ordinary umask, which SQLite alone would follow.
    let app = spawn_with(&[]).await;
    app.register("ann").await;
    assert_private(&app.data.path().join("data"));
    assert_eq!(mode(&app.data.path().join("data")), 0o700);
}

#[test]
fn passwords_and_keys_that_all_users_can_read_are_reported() {
    let (dir, data) = shared();
    set(&data, 0o700);
    let file = dir.path().join("some.toml");
    fs::write(&file, "[mail]\nurl = 'smtp://u:hunter2@127.0.0.1'\n").unwrap();
    set(&file, 0o644);
    let arguments = ["config", "--config", "some.toml"];
    let said = run(&data, &arguments, 0).stderr;
    assert!(said.lines().count() == 1 && said.contains("some.toml") && !said.contains("hunter2"), "{said}");
    set(&file, 0o640);
    assert_eq!(run(&data, &arguments, 0).stderr, "");
}

#[test]
fn a_public_server_does_not_start_with_kept_emails() {
    let (_dir, data) = shared();
    let serve = ["serve", "--set", "http.listen=127.0.0.1:0", "--set", "public_url=https://id.example.org"];
    let outcome = run(&data, &serve, 2);
    assert!(outcome.stderr.starts_with("doorward: mail.url is preview"), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("mail.allow_preview = true"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
    assert_eq!(files(&data), Vec::<PathBuf>::new(), "nothing is made");
}

#[actix_web::test]
async fn kept_emails_are_shown_under_loopback_names_only() {
    let settings = [("public_url", "http://id.example.org"), ("mail.allow_preview", "true")];
    let process = Process::start(&settings).await;
    let port = process.address.port();
    let status = async |target: &str, hosts: &[&str]| {
        let headers: Vec<String> = hosts.iter().map(|host| format!("host: {host}")).collect();
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        raw_http::request(process.address, &format!("GET {target}"), &headers, b"").await.status
    };
    let own = format!("127.0.0.1:{port}");
    for host in [own.as_str(), "localhost", "LocalHost:8080", "127.1.2.3", "[::1]:80", "[::ffff:127.0.0.1]"] {
        assert_eq!(status("/dev/mail", &[host]).await, 200, "{host}");
    }
    for host in [
        "id.example.org",
        "evil.example",
        "localhost.evil.example",
        "0.0.0.0",
        "10.0.0.1",
        "[::]",
        "[fe80::1]",
    ] {
        assert_eq!(status("/dev/mail", &[host]).await, 404, "{host}");
    }
    // Of two names the one that another program goes by might be the other.
    assert_ne!(status("/dev/mail", &["localhost", "id.example.org"]).await, 200);
    assert_ne!(status("http://id.example.org/dev/mail", &["localhost"]).await, 200);
}

#[actix_web::test]
async fn https_only_is_announced_on_every_answer_under_https_alone() {
    for (public_url, wanted) in
        [("https://id.example.org", "max-age=31536000"), ("http://id.example.org", "")]
    {
        let app = spawn_with(&[("public_url", public_url)]).await;
        let ann = app.register("ann").await;
        let bearer = format!("Bearer {}", ann.access);
        for (method, path, status) in [
            (Method::GET, "/", 200),
            (Method::GET, "/login", 200),
            (Method::GET, "/dashboard", 303),
            (Method::GET, "/static/doorward.js", 200),
            (Method::GET, "/healthz", 200),
            (Method::GET, "/readyz", 200),
            (Method::GET, "/.well-known/jwks.json", 200),
            (Method::GET, "/nothing", 404),
            (Method::GET, "/reset-password/x", 400),
            (Method::PUT, "/api/login", 405),
            (Method::POST, "/api/login", 415),
            (Method::GET, "/api/me", 401),
            (Method::GET, "/socket.io/?EIO=4&transport=polling", 200),
        ] {
            let answer = call(app.address, method, path, &[], None).await.expect(status);
            assert_eq!(answer.header("strict-transport-security"), wanted, "{public_url} {path}");
        }
        let body = json!({"login": "ann", "password": PASSWORD});
        let answer = app.post("/api/login", body).await.expect(200);
        assert_eq!(answer.header("strict-transport-security"), wanted);
        let answer = app.send(Method::GET, "/api/me", &ann.access, Value::Null).await.expect(200);
        assert_eq!(answer.header("strict-transport-security"), wanted);
        let upgrade = [
            "host: id.example.org",
            &format!("authorization: {bearer}"),
            "connection: upgrade",
            "upgrade: websocket",
            "sec-websocket-version: 13",
            "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
        ];
        let head = upgraded(&app, &upgrade).await;
        assert_eq!(head.contains("strict-transport-security: max-age=31536000\r\n"), !wanted.is_empty());
    }
}

/// The head of the answer to a handshake.
async fn upgraded(app: &crate::support::app::TestApp, headers: &[&str]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let request = format!("GET /ws HTTP/1.1\r\n{}\r\n\r\n", headers.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    head
}
