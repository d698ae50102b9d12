//! What a user sees who starts the real server: one address that works, one server for each database, lines to read.

use std::process::{Command, Output, Stdio};

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, call, claims};
use crate::support::commands::on;
use crate::support::config::{BINARY, Settings};
use crate::support::database::is_postgres;
use crate::support::process::Process;
use crate::support::time::{PATIENCE, now, pause};

/// A server that is expected to end by itself.
fn serve(dir: &std::path::Path, settings: &[(&str, &str)]) -> Output {
    let mut command = Settings::server(&dir.join("data")).with(settings).command();
    command.current_dir(dir).stdin(Stdio::null()).output().unwrap()
}

#[actix_web::test]
async fn the_printed_address_is_the_one_of_tokens_links_and_pages() {
    let process = Process::start(&[("http.listen", "localhost:0")]).await;
    let url = format!("http://localhost:{}", process.address.port());
    let output = process.output();
    assert!(output.contains(&format!("\n  Open         {url}\n")), "{output}");
    assert!(output.contains(&format!("Read it at {url}/dev/mail\n")), "{output}");
    assert!(output.contains("none yet. Register in the browser"), "{output}");
    assert!(output.contains(" doorward user add NAME --role admin"), "{output}");
    assert!(!output.contains("Listens on") && output.matches("http://").count() == 2, "{output}");
    let greeting = output.lines().skip_while(|line| !line.starts_with("Doorward "));
    for line in greeting.filter(|line| !line.contains("Data  ") && !line.contains("Z WARN ")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let register = json!({"username": "ann", "password": PASSWORD, "email": "ann@example.org"});
    let ann = process.post("/api/register", register).await.expect(201);
    assert_eq!(claims(&ann.str("access_token"))["iss"], url);
    let deadline = now() + PATIENCE;
    loop {
        let kept = process.call(Method::GET, "/dev/mail", "", Value::Null).await.expect(200);
        if let Some(link) = kept.body[0]["links"][0].as_str() {
            assert!(link.starts_with(&format!("{url}/verify-email/")), "{link}");
            break;
        }
        assert!(now() < deadline, "{}", kept.text);
        pause().await;
    }
}

#[actix_web::test]
async fn programs_get_the_start_as_a_line_of_the_log_and_nothing_else() {
    let settings = [
        ("log.format", "json"),
        ("public_url", "https://id.example.org"),
        ("mail.url", "smtp://u:hunter2@localhost"),
    ];
    let mut process = Process::start(&settings).await;
    process.terminate();
    process.ended().await;
    let output = process.output();
    let lines: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let started = lines.iter().find(|line| line["message"] == "started").unwrap();
    assert_eq!((&started["url"], &started["level"]), (&json!("https://id.example.org"), &json!("INFO")));
    assert_eq!(started["email"], "sent through localhost:25", "{started}");
    assert_eq!(started["listens_on"], process.address.to_string());
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert!(!output.contains("hunter2"), "{output}");
}

#[actix_web::test]
async fn a_second_server_on_the_same_sqlite_database_is_refused_until_the_first_has_ended() {
    if is_postgres() {
        return;
    }
    let mut first = Process::start(&[]).await;
    let dir = first.dir.path().to_owned();
    let second = serve(&dir, &[]);
    let error = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{error}");
    let named = format!("at http://localhost:{}", first.address.port());
    for words in ["another server uses the database", "process ", &named, "--data-dir", "PostgreSQL"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(error.lines().count(), 1, "{error}");
    // By another name it is the same database.
    let link = dir.join("link.db");
    std::os::unix::fs::symlink(dir.join("data/doorward.db"), &link).unwrap();
    let url = format!("sqlite:{}", link.display());
    let other = dir.join("other");
    std::fs::create_dir(&other).unwrap();
    assert_eq!(serve(&other, &[("database.url", &url)]).status.code(), Some(1));
    // Commands work beside the server, which is not disturbed.
    on(&dir.join("data"), &["user", "add", "ann"], PASSWORD).await.ok();
    first.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(200);

    // Killed, it leaves nothing that keeps the next one from starting.
    first.signal(rustix::process::Signal::KILL);
    first.ended().await;
    let next = Process::start_in(first.into_dir(), &[]).await;
    next.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(200);
    assert!(!next.output().contains("none yet"), "{}", next.output());
}

#[actix_web::test]
async fn a_clean_stop_leaves_everything_in_the_one_file() {
    if is_postgres() {
        return;
    }
    let mut process = Process::start(&[]).await;
    process.post("/api/register", json!({"username": "ann", "password": PASSWORD})).await.expect(201);
    let data = process.dir.path().join("data");
    assert!(data.join("doorward.db-wal").metadata().unwrap().len() > 0, "nothing to fold");
    process.terminate();
    process.ended().await;
    let left = data.join("doorward.db-wal").metadata().map_or(0, |wal| wal.len());
    assert_eq!(left, 0, "{}", process.output());
    // The file alone is the database.
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(data.join("doorward.db"), copy.path().join("doorward.db")).unwrap();
    assert_eq!(on(copy.path(), &["user", "list", "--json"], "").await.ok().json()[0]["username"], "ann");
}

#[actix_web::test]
async fn a_database_of_a_newer_version_is_refused_and_its_migration_is_named() {
    let mut process = Process::start(&[]).await;
    let database = process.database();
    process.terminate();
    process.ended().await;
    let dir = process.into_dir();
    let sql = |sql: &str| database.connect().unwrap().batch_execute(sql).unwrap();
    // Of another program that keeps its tables in the same database.
    sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20200101000000')");
    let mut process = Process::start_in(dir, &[]).await;
    process.terminate();
    process.ended().await;
    let dir = process.into_dir();
    sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000000')");
    let refused = serve(dir.path(), &[]);
    let error = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    for words in ["a newer version of Doorward", "20990101000000", "restore the backup"] {
        assert!(error.contains(words), "{words}: {error}");
    }
    sql("DELETE FROM __diesel_schema_migrations WHERE version = '20990101000000'");
    Process::start_in(dir, &[]).await;
}

#[actix_web::test]
async fn a_site_without_accounts_says_what_is_next_and_tells_strangers_no_command() {
    let process = Process::start(&[]).await;
    let page = async |headers: &[(&str, &str)], path: &str| {
        call(process.address, Method::GET, path, headers, None).await.expect(200).text
    };
    let host = format!("localhost:{}", process.address.port());
    let local = [("accept", "text/html"), ("host", host.as_str())];
    let proxied = [local[0], local[1], ("x-forwarded-for", "192.0.2.7")];
    for (headers, tells) in [(&local[..], true), (&proxied[..], false)] {
        let home = page(headers, "/").await;
        assert!(home.contains("There are no accounts yet."), "{home}");
        assert_eq!(home.contains("doorward user add NAME --role admin"), tells && !is_postgres(), "{home}");
    }
    let body = json!({"username": "ann", "password": PASSWORD, "cookie": true});
    let ann = process.post("/api/register", body).await.expect(201);
    assert!(!page(&local, "/").await.contains("no accounts yet"));
    // Signed in, the account page says how to open a connection.
    let cookie = ann.header("set-cookie").split(';').next().unwrap().to_owned();
    let command = format!("doorward connect http://ann@{host}<");
    for (headers, tells) in [(&local[..], true), (&proxied[..], false)] {
        let dashboard = page(&[headers, &[("cookie", cookie.as_str())]].concat(), "/dashboard").await;
        assert!(dashboard.contains("No app connected yet"), "{dashboard}");
        assert_eq!(dashboard.contains(&command), tells, "{dashboard}");
    }
}

#[actix_web::test]
async fn a_port_in_use_is_named_before_a_database_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(BINARY)
        .env_clear()
        .current_dir(dir.path())
        .args(["--listen", &port, "--set", "tcp.listen=off"])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(&format!("127.0.0.1:{port} (http.listen)")), "{error}");
    assert!(error.contains("another program listens there"), "{error}");
    assert!(!dir.path().join("data/doorward.db").exists());
}

#[actix_web::test]
async fn a_server_that_others_reach_in_the_clear_warns() {
    let mut process = Process::start(&[("http.listen", ":0")]).await;
    assert_eq!(process.address.ip().to_string(), "0.0.0.0");
    process.terminate();
    process.ended().await;
    let output = process.output();
    let warnings: Vec<&str> = output.lines().filter(|line| line.contains("Z WARN ")).collect();
    for words in ["passwords and tokens are sent in the clear", "mail.url is preview"] {
        assert_eq!(warnings.iter().filter(|line| line.contains(words)).count(), 1, "{output}");
    }
    assert!(output.contains("(all IPv4 addresses)"), "{output}");
}

/// The line of a request to this route, once it is logged.
async fn line(process: &Process, words: &[&str]) -> String {
    let deadline = now() + PATIENCE;
    loop {
        let output = process.output();
        let found = output.lines().find(|line| words.iter().all(|word| line.contains(word)));
        if let Some(line) = found {
            return line.to_owned();
        }
        assert!(now() < deadline, "{words:?}: {output}");
        pause().await;
    }
}

#[actix_web::test]
async fn a_request_is_a_line_that_people_read() {
    let process = Process::start(&[("sockets.trusted_proxies", "127.0.0.1")]).await;
    let long = "a-username-of-thirty-two-letters";
    let from = |address| [("x-forwarded-for", address)];
    let v6 = "2001:db8:85a3:18d3:1319:8a2e:1370:7348";
    let body = json!({"username": long, "password": PASSWORD});
    let answer = call(process.address, Method::POST, "/api/register", &from("192.0.2.7"), Some(body)).await;
    let access = format!("Bearer {}", answer.expect(201).str("access_token"));
    let registered = line(&process, &["/api/register"]).await;
    assert!(registered.contains(" INFO  POST ") && registered.contains(" 201 "), "{registered}");
    // It may lack its last letters: a request that takes long takes columns too.
    assert!(registered.contains(" ms  a-username-of-thirty-two-le"), "{registered}");
    assert!(registered.ends_with("  192.0.2.7"), "{registered}");

    let headers = [("authorization", access.as_str()), from(v6)[0]];
    call(process.address, Method::GET, "/api/me", &headers, None).await.expect(200);
    let me = line(&process, &["/api/me"]).await;
    assert!(me.contains("GET /api/me 200 ") && me.contains(" a-username-of-"), "{me}");

    // A name that was only typed is in no line, nor a path that matches no route.
    let body = json!({"login": "hunter2-hunter2", "password": "hunter2-hunter2"});
    call(process.address, Method::POST, "/api/login", &from(v6), Some(body)).await.expect(401);
    call(process.address, Method::GET, "/verify-email/hunter2", &from(v6), None).await;
    call(process.address, Method::GET, "/hunter2", &from(v6), None).await.expect(404);
    let refused = line(&process, &["/api/login"]).await;
    assert!(refused.ends_with(&format!(" ms  -  {v6}")) && refused.contains(" 401 "), "{refused}");
    line(&process, &["/verify-email/{token}"]).await;
    line(&process, &["unmatched", " 404 "]).await;
    let output = process.output();
    assert!(!output.contains("hunter2") && !output.contains('\u{1b}'), "{output}");
    for line in output.lines().filter(|line| line.contains(" ms  ")) {
        assert!(line.chars().count() <= 100, "{} {line}", line.chars().count());
    }
}

#[actix_web::test]
async fn a_browsers_user_and_a_backends_key_are_in_the_line() {
    let process = Process::start(&[]).await;
    let data = process.dir.path().join("data");
    let login = json!({"username": "ann", "password": PASSWORD, "cookie": true});
    let ann = process.post("/api/register", login).await.expect(201);
    let cookie = ann.header("set-cookie").split(';').next().unwrap().to_owned();
    call(process.address, Method::GET, "/dashboard", &[("cookie", &cookie)], None).await.expect(200);
    assert!(line(&process, &["/dashboard"]).await.ends_with("  ann  127.0.0.1"));
    let key = on(&data, &["api-key", "create", "--name", "shop", "--scope", "users:read"], "").await.ok();
    process.call(Method::GET, "/api/admin/users", key.out.trim(), Value::Null).await.expect(200);
    let asked = line(&process, &["/api/admin/users"]).await;
    assert!(asked.contains("  key ") && !asked.contains("dwk_"), "{asked}");
}
