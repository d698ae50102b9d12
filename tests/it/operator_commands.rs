//! The commands for operators, with the real binary, beside a running server.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::Method;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use doorward::internals::clock::ManualClock;
use doorward::internals::schema::{outbox, users};
use serde_json::{Value, json};

use crate::support::app::{NEW_PASSWORD, PASSWORD, TestApp, call, spawn_app, spawn_on};
use crate::support::commands::{Said, on, run};
use crate::support::config::BINARY;
use crate::support::database::is_postgres;
use crate::support::process::Process;
use crate::support::programs::{self, Needs};
use crate::support::smtp::SmtpCatcher;
use crate::support::tcp::TcpClient;
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::open_at;

async fn login(app: &TestApp, name: &str, password: &str) -> u16 {
    app.post("/api/login", json!({"login": name, "password": password})).await.status.as_u16()
}

#[actix_web::test]
async fn accounts_are_added_found_and_shown() {
    let app = spawn_app().await;
    let line = format!("{PASSWORD}\r\n");
    let added = run(&app, &["user", "add", "Ann", "--email", "Ann@Example.org", "--json"], &line).await.ok();
    let ann = &added.json()[0];
    assert_eq!((&ann["username"], &ann["email_verified"]), (&json!("ann"), &json!(false)));
    let held = ["user", "add", "bob", "--email", "bob@example.org", "--verified"];
    run(&app, &held, PASSWORD).await.ok();
    assert_eq!(login(&app, "ann", PASSWORD).await, 200);
    assert_eq!(login(&app, "bob@example.org", PASSWORD).await, 200, "he holds the address");
    assert_eq!(login(&app, "ann@example.org", PASSWORD).await, 401, "she only claims hers");
    let mails: Vec<(String, String)> = app
        .query(|conn| outbox::table.select((outbox::kind, outbox::address)).order(outbox::kind).load(conn));
    let told = |kind: &str, address: &str| (kind.to_owned(), address.to_owned());
    // A link for the one that is not verified, and his first sign-in for the one that is.
    assert_eq!(mails, [told("new_device", "bob@example.org"), told("verify_email", "ann@example.org")]);

    for (arguments, words) in [
        (&["user", "add", "ANN"][..], "taken"),
        (&["user", "add", "a b"], "only have letters"),
        (&["user", "add", "eve", "--email", "nothing"], "address"),
        (&["user", "add", "eve", "--email", "bob@example.org", "--verified"], "belongs to another"),
    ] {
        let said = run(&app, arguments, PASSWORD).await;
        assert!(said.code == Some(1) && said.err.contains(words), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    let said = run(&app, &["user", "add", "eve"], "password1\n").await;
    assert!(said.code == Some(1) && said.err.contains("common"), "{}", said.err);
    assert_eq!(run(&app, &["user", "add", "eve"], "").await.code, Some(2), "no password");

    let listed = run(&app, &["user", "list"], "").await.ok();
    assert!(listed.out.contains("ann@example.org (not verified)"), "{}", listed.out);
    let names = |said: &Said| -> Vec<String> {
        let list = said.json();
        list.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    for (more, found) in [
        (&["--json"][..], &["ann", "bob"][..]),
        (&["--json", "--search", "ANN@"], &["ann"]),
        (&["--json", "--search", "%"], &[]),
        (&["--json", "--search", "_"], &[]),
        (&["--json", "--after", "Ann"], &["bob"]),
        (&["--json", "--limit", "1"], &["ann"]),
    ] {
        let said = run(&app, &[&["user", "list"], more].concat(), "").await.ok();
        assert_eq!(names(&said), found, "{more:?}");
    }
    let said = run(&app, &["user", "list", "--limit", "1"], "").await.ok();
    assert!(said.err.contains("--after ann"), "{}", said.err);
    let id = ann["id"].as_str().unwrap();
    for name in ["ANN", id] {
        let shown = run(&app, &["user", "show", name, "--json"], "").await.ok().json();
        assert_eq!((&shown["account"]["id"], shown["logins"].as_array().unwrap().len()), (&json!(id), 1));
    }
    let said = run(&app, &["user", "show", "zoe"], "").await;
    assert_eq!((said.code, &*said.err), (Some(1), "doorward: there is no account \"zoe\"\n"));
}

#[actix_web::test]
async fn sockets_of_logins_they_revoke_close_on_the_running_server() {
    let app = spawn_app().await;
    let ann = app.register("ann").await;
    let phone = app.login("ann").await;
    let bob = app.register("bob").await;
    let (mut bobs, mut line) = (app.live(&bob).await, TcpClient::live(&app, &bob).await);
    let (mut first, mut second) = (app.live(&ann).await, app.live(&phone).await);

    let listed = run(&app, &["logins", "list", "ann", "--json"], "").await.ok().json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let said = run(&app, &["logins", "revoke", &ann.login], "").await.ok();
    assert_eq!(said.out, "logins revoked: 1\n");
    first.ends(4441).await;
    second.ping().await;
    let said = run(&app, &["logins", "revoke", &ann.login], "").await;
    assert_eq!((said.code, &*said.err), (Some(1), "doorward: there is no active login with this id\n"));
    run(&app, &["logins", "revoke", "--user", "ann"], "").await.ok();
    second.ends(4441).await;

    let mut anns = app.live(&app.login("ann").await).await;
    run(&app, &["user", "password", "ann"], NEW_PASSWORD).await.ok();
    anns.ends(4442).await;
    assert_eq!((login(&app, "ann", PASSWORD).await, login(&app, "ann", NEW_PASSWORD).await), (401, 200));
    run(&app, &["user", "password", "ann"], PASSWORD).await.ok();

    let mut anns = TcpClient::live(&app, &app.login("ann").await).await;
    run(&app, &["user", "disable", "ann"], "").await.ok();
    anns.ends(4443).await;
    assert_eq!(login(&app, "ann", PASSWORD).await, 401);
    run(&app, &["user", "enable", "ann"], "").await.ok();
    let mut anns = app.live(&app.login("ann").await).await;
    assert_eq!(run(&app, &["user", "delete", "ann"], "").await.code, Some(2), "it asks first");
    anns.ping().await;
    run(&app, &["user", "delete", "ann", "--yes"], "").await.ok();
    anns.ends(4443).await;

    bobs.ping().await;
    line.ping().await;
    assert_eq!(run(&app, &["logins", "revoke", "--everybody"], "").await.code, Some(2), "it asks first");
    run(&app, &["logins", "revoke", "--everybody", "--yes"], "").await.ok();
    bobs.ends(4441).await;
    line.ends(4441).await;
    assert_eq!(app.query(|conn| users::table.count().get_result::<i64>(conn)), 1);
}

#[actix_web::test]
async fn keys_are_rotated_under_a_running_server() {
    let process = Process::start(&[]).await;
    let data = process.dir.path().join("data");
    let body = json!({"username": "ann", "password": PASSWORD});
    let grant = process.post("/api/register", body).await.expect(201);
    let (access, refresh) = (grant.str("access_token"), grant.str("refresh_token"));
    let jwks = async || -> Vec<String> {
        let set = call(process.address, Method::GET, "/.well-known/jwks.json", &[], None).await.body;
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let before = jwks().await;
    let bearer = format!("Bearer {access}");
    let mut live = open_at(process.address, &[("authorization", &bearer)]).await.unwrap();
    live.next().await;

    let keys = on(&data, &["keys", "rotate", "--json"], "").await.ok().json();
    assert_eq!((&keys[0]["state"], &keys[1]["state"]), (&json!("next"), &json!("signing")));
    let until = async |count: usize| {
        let seen = async {
            while jwks().await.len() != count {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the server does not see it");
    };
    until(2).await;
    process.call(Method::GET, "/api/me", &access, Value::Null).await.expect(200);

    assert_eq!(on(&data, &["keys", "rotate", "--now"], "").await.code, Some(2), "it asks first");
    on(&data, &["keys", "rotate", "--now", "--yes"], "").await.ok();
    until(1).await;
    assert!(!before.contains(&jwks().await[0]));
    process.call(Method::GET, "/api/me", &access, Value::Null).await.expect(401);
    // The login and its socket stay active; the session gets a token of the new key.
    live.ping().await;
    let renewed = process.post("/api/refresh", json!({"refresh_token": refresh})).await.expect(200);
    let reply = live.ask(json!({"type": "auth", "token": renewed.str("access_token")})).await;
    assert_eq!(reply["type"], "authenticated");
}

#[actix_web::test]
async fn a_test_email_says_whether_emails_are_sent() {
    let app = spawn_app().await;
    let smtp = format!("mail.url={}", app.mail.url());
    let said = run(&app, &["mail", "test", "you@example.org", "--set", &smtp], "").await.ok();
    assert!(said.out.contains("accepted an email for you@example.org"), "{}", said.out);
    let caught = app.mail.wait_for(1).await.remove(0);
    assert_eq!(
        (&*caught.subject, &*caught.to),
        ("Test email from Doorward", &["you@example.org".to_owned()][..])
    );

    app.mail.refuse_with(550);
    let said = run(&app, &["mail", "test", "you@example.org", "--set", &smtp], "").await;
    assert!(said.code == Some(1) && said.err.contains("550"), "{}", said.err);
    let nowhere = "mail.url=smtp://u:hunter2@127.0.0.1:1";
    let said = run(&app, &["mail", "test", "you@example.org", "--set", nowhere], "").await;
    assert!(
        said.code == Some(1) && said.err.contains("refused") && !said.err.contains("hunter2"),
        "{}",
        said.err
    );
    assert_eq!(run(&app, &["mail", "test", "nobody"], "").await.code, Some(2));
    let said = run(&app, &["mail", "test", "you@example.org"], "").await.ok();
    assert!(said.out.contains("preview"), "{}", said.out);
}

#[actix_web::test]
async fn a_backup_is_one_moment_of_a_server_that_writes_on() {
    let app = spawn_app().await;
    if is_postgres() {
        let said = run(&app, &["backup", "copy.db"], "").await;
        assert!(said.code == Some(1) && said.err.contains("pg_dump"), "{}", said.err);
        assert!(!said.err.contains("p%40ss") && !app.data.path().join("copy.db").exists(), "{}", said.err);
        return;
    }
    app.register("first").await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = async {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            app.register(&format!("user{count}")).await;
            count += 1;
        }
    };
    let file = app.data.path().join("copy.db");
    let path = file.to_str().unwrap();
    let backup = async {
        let said = run(&app, &["backup", path], "").await;
        stop.store(true, Ordering::Relaxed);
        said
    };
    let ((), said) = tokio::join!(writer, backup);
    assert!(said.ok().out.contains("copy.db holds"));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut copy = SqliteConnection::establish(path).unwrap();
    let count: i64 = users::table.count().get_result(&mut copy).unwrap();
    assert!(count >= 1 && count <= app.query(|conn| users::table.count().get_result::<i64>(conn)), "{count}");
    drop(copy);

    let said = run(&app, &["backup", path], "").await;
    assert!(said.code == Some(1) && said.err.contains("exists already"), "{}", said.err);
    // A name that SQLite would take for a URL; a file beside it that must not be touched.
    std::fs::write(app.data.path().join("odd.db.partial"), "precious").unwrap();
    let said = run(&app, &["backup", "file:odd.db"], "").await.ok();
    assert!(!said.out.contains("holds 0 bytes"), "{}", said.out);
    assert!(std::fs::read(app.data.path().join("file:odd.db")).unwrap().starts_with(b"SQLite format 3"));
    let mut left: Vec<_> = std::fs::read_dir(app.data.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["copy.db", "data", "file:odd.db", "odd.db.partial"]);
    let said = run(&app, &["backup", "/nowhere/copy.db"], "").await;
    assert!(said.code == Some(1) && said.err.contains("/nowhere/copy.db"), "{}", said.err);

    // It is a database to start from.
    let data = tempfile::tempdir().unwrap();
    std::fs::create_dir(data.path().join("data")).unwrap();
    std::fs::copy(&file, data.path().join("data/doorward.db")).unwrap();
    let restored = spawn_on(&[], data, SmtpCatcher::start(), ManualClock::default()).await;
    assert_eq!(login(&restored, "first", PASSWORD).await, 200);
}

#[actix_web::test]
async fn a_wrong_data_directory_is_not_taken_for_an_empty_one() {
    let data = tempfile::tempdir().unwrap();
    let nothing = data.path().join("data");
    std::fs::write(data.path().join("old.csv"), "username,hash\n").unwrap();
    for (arguments, may_create) in [
        (&["user", "list"][..], false),
        (&["user", "add", "ann"], true),
        (&["import", "old.csv"], true),
        (&["export"], false),
        (&["invite"], false),
        (&["api-key", "create", "--name", "shop", "--scope", "users:read"], false),
        (&["keys", "rotate"], false),
        (&["logins", "list", "ann"], false),
        (&["backup", "x"], false),
    ] {
        let said = on(&nothing, arguments, PASSWORD).await;
        assert!(said.code == Some(1) && said.err.contains("there is no database"), "{}", said.err);
        assert_eq!(said.err.contains("pass --create"), may_create, "{}", said.err);
        assert!(!nothing.exists(), "nothing is made");
    }
    // An account may be there before the first start.
    on(&nothing, &["user", "add", "ann", "--create"], PASSWORD).await.ok();
    assert!(is_postgres() || nothing.join("doorward.db").exists());
    // Where there is a database already, it is used.
    on(&nothing, &["user", "add", "bob", "--create"], PASSWORD).await.ok();
    on(&nothing, &["import", "old.csv", "--create"], "").await.ok();
    let listed = on(&nothing, &["user", "list"], "").await.ok().out;
    assert!(listed.contains("ann") && listed.contains("bob"), "{listed}");
}

#[actix_web::test]
async fn every_command_has_examples_and_shells_complete_them() {
    let data = tempfile::tempdir().unwrap();
    let nothing = data.path().join("data");
    for command in ["import", "user", "logins", "keys", "mail", "backup", "completions"] {
        let help = on(&nothing, &[command, "--help"], "").await.ok().out;
        assert!(help.contains(&format!("\n  doorward {command} ")), "{help}");
    }
    let script = Command::new(BINARY).args(["completions", "bash"]).output().unwrap();
    let script = String::from_utf8(script.stdout).unwrap();
    assert!(script.contains("logins") && script.contains("--everybody"));
    let Some(bash) = programs::command("bash", Needs::Apt("bash")) else { return };
    let file = data.path().join("doorward.bash");
    std::fs::write(&file, script).unwrap();
    let complete = format!(
        "source {}; COMP_WORDS=(doorward user dis); COMP_CWORD=2; _doorward doorward dis user; echo ${{COMPREPLY[@]}}",
        file.display()
    );
    let said = Command::new(bash).args(["-c", &complete]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), "disable");
}
