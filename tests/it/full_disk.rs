//! A disk without any room, for real: a small file system of the test's own. Only where the database is a file.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::clock::ManualClock;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::app::{PASSWORD, TestApp, spawn_on};
use crate::support::app_return;
use crate::support::config::Settings;
use crate::support::database::is_postgres;
use crate::support::process::Process;
use crate::support::programs;
use crate::support::smtp::SmtpCatcher;
use crate::support::time::PATIENCE;
use crate::support::transports::{LiveClient, on_every_transport};
use crate::support::websocket::WebSocketClient;

on_every_transport!(a_full_disk_prevents_no_revocation);

const RESERVE: u64 = 16 << 20;

/// A file system in memory.
struct Disk {
    place: TempDir,
}

impl Disk {
    /// None if this may not be done here.
    fn mount(megabytes: u32) -> Option<Self> {
        if is_postgres() {
            return None;
        }
        let place = tempfile::tempdir().unwrap();
        let options = format!("size={megabytes}m,mode=700");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "doorward-test"]).arg(place.path());
        let said = match mount.stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => return Some(Self { place }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            Err(error) => error.to_string(),
        };
        programs::privileged("mounting a file system", &said);
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Leaves no byte.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.path("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a file that is open there stays usable.
        let _ = Command::new("umount").arg("--lazy").arg(self.place.path()).status();
    }
}

async fn start(disk: &Disk) -> TestApp {
    start_with(disk, &[]).await
}

async fn start_with(disk: &Disk, settings: &[(&str, &str)]) -> TestApp {
    let data = tempfile::tempdir_in(disk.place.path()).unwrap();
    let app = spawn_on(settings, data, SmtpCatcher::start(), ManualClock::default()).await;
    holds_its_reserve(&reserve(&app)).await;
    app
}

fn reserve(app: &TestApp) -> PathBuf {
    app.data.path().join("data/doorward.db-reserve")
}

async fn holds_its_reserve(file: &Path) {
    let held = async {
        while file.metadata().map_or(0, |metadata| metadata.len()) != RESERVE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("nothing is held in reserve");
}

async fn until_ready(app: &TestApp, status: u16) {
    let ready = async {
        while app.call(Method::GET, "/readyz", &[], None).await.status.as_u16() != status {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.unwrap_or_else(|_| panic!("/readyz is never {status}"));
}

async fn a_full_disk_prevents_no_revocation<C: LiveClient>() {
    let Some(disk) = Disk::mount(40) else { return };
    let app = start(&disk).await;
    let ann = app.register("ann").await;
    let mut devices = Vec::new();
    for _ in 0..20 {
        let device = app.login("ann").await;
        let live = C::live(&app, &device).await;
        devices.push((device, live));
    }
    disk.fill();
    // Other changes are refused for as long as the disk is full, and use up nothing.
    let mut refused = 0;
    for number in 0..30 {
        let body = json!({"username": format!("user{number}"), "password": PASSWORD});
        let answer = app.post("/api/register", body).await;
        // The log has a little room left from before.
        if answer.status.as_u16() != 201 {
            answer.expect(503);
            refused += 1;
        }
    }
    assert!(refused > 20, "{refused}");
    assert_eq!(reserve(&app).metadata().unwrap().len(), RESERVE);
    until_ready(&app, 503).await;

    for (device, mut live) in devices.drain(..18) {
        app.send(Method::POST, "/api/logout", &device.access, Value::Null).await.expect(204);
        live.ends(4441).await;
        app.get("/api/me", &device.access).await.expect(401);
        disk.fill();
    }
    assert!(reserve(&app).metadata().unwrap().len() > 0);
    app.post("/api/login", json!({"login": "ann", "password": PASSWORD})).await.expect(503);
    let body = json!({"current_password": PASSWORD, "new_password": "plum tree in march rain 7"});
    app.send(Method::POST, "/api/me/password", &ann.access, body).await.expect(204);
    for (_, live) in &mut devices {
        live.ends(4442).await;
    }
    until_ready(&app, 503).await;

    disk.make_room();
    until_ready(&app, 200).await;
    app.post("/api/login", json!({"login": "ann", "password": "plum tree in march rain 7"}))
        .await
        .expect(200);
    holds_its_reserve(&reserve(&app)).await;
}

#[actix_web::test]
async fn on_a_full_disk_a_code_that_is_used_twice_ends_what_it_gave() {
    let Some(disk) = Disk::mount(40) else { return };
    let app = start_with(&disk, &[("web.allowed_origins", app_return::APPS)]).await;
    app.register("ann").await;
    let (_, code) = app_return::sign_in(&app).await;
    let exchange = app_return::exchange(&code);
    let access = app_return::token(&app, exchange.clone()).await.expect(200).str("access_token");
    let (_, unused) = app_return::sign_in(&app).await;
    disk.fill();
    // The log has a little room left from before.
    let mut refused = 0;
    for number in 0..30 {
        let body = json!({"username": format!("user{number}"), "password": PASSWORD});
        refused += usize::from(app.post("/api/register", body).await.status == 503);
    }
    assert!(refused > 20, "{refused}");
    app.get("/api/me", &access).await.expect(200);
    app_return::token(&app, exchange).await.expect(503);
    assert_eq!(app.get("/api/me", &access).await.expect(401).code(), "token_revoked");
    app_return::token(&app, app_return::exchange(&unused)).await.expect(503);

    disk.make_room();
    until_ready(&app, 200).await;
    app_return::token(&app, app_return::exchange(&unused)).await.expect(200);
}

#[actix_web::test]
async fn with_its_log_on_a_full_disk_it_serves_on_and_commands_find_room() {
    let Some(disk) = Disk::mount(40) else { return };
    let log = File::create(disk.path("log")).unwrap();
    let settings = [("http.listen", "127.0.0.1:0"), ("tcp.listen", "off")];
    let mut server = Settings::cheap().with(&settings).command();
    server.current_dir(disk.place.path());
    // Its log is on the disk as well.
    let mut process = Process::of(server, Some(log)).await;
    let data = disk.path("data");
    holds_its_reserve(&data.join("doorward.db-reserve")).await;
    let body = |name: &str| json!({"username": name, "password": PASSWORD});
    let token = process.post("/api/register", body("ann")).await.expect(201).str("access_token");
    disk.fill();
    let refused = async {
        let mut number = 0;
        while process.post("/api/register", body(&format!("user{number}"))).await.status.as_u16() != 503 {
            number += 1;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it is never full");
    for _ in 0..10 {
        process.post("/api/register", body("bob")).await.expect(503);
    }

    // An operator's command finds room as well.
    let command = |arguments: &[&str]| {
        Settings::cheap().command().current_dir(disk.place.path()).args(arguments).output().unwrap()
    };
    let disabled = command(&["user", "disable", "ann"]);
    assert!(disabled.status.success(), "{}", String::from_utf8_lossy(&disabled.stderr));
    let refused = async {
        while process.call(Method::GET, "/api/me", &token, Value::Null).await.status.as_u16() != 401 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("it is still admitted");
    let added = command(&["user", "add", "carol"]);
    assert!(!added.status.success());
    let backup = command(&["backup", "copy.db"]);
    assert_eq!(backup.status.code(), Some(1), "{}", String::from_utf8_lossy(&backup.stderr));
    assert!(!disk.path("copy.db").exists());

    // Lines that could not be logged are lost; from now on there is room.
    disk.make_room();
    let ready = async {
        while process.call(Method::GET, "/readyz", "", Value::Null).await.status.as_u16() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, ready).await.expect("it does not recover");
    process.post("/api/register", body("bob")).await.expect(201);
    process.terminate();
    assert_eq!(process.ended().await.code(), Some(0));
}

#[actix_web::test]
async fn the_log_says_once_that_the_disk_is_full() {
    let Some(disk) = Disk::mount(40) else { return };
    let settings = [("http.listen", "127.0.0.1:0"), ("tcp.listen", "off")];
    let mut server = Settings::cheap().with(&settings).command();
    server.current_dir(disk.place.path());
    let mut process = Process::of(server, None).await;
    holds_its_reserve(&disk.path("data/doorward.db-reserve")).await;
    for round in 1..=2 {
        disk.fill();
        let mut refused = 0;
        while refused < 10 {
            let body = json!({"username": format!("user{round}x{refused}"), "password": PASSWORD});
            refused += usize::from(process.post("/api/register", body).await.status.as_u16() == 503);
        }
        disk.make_room();
        let ready = async {
            while process.call(Method::GET, "/readyz", "", Value::Null).await.status.as_u16() != 200 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("it does not recover");
        let said = process.output();
        assert_eq!(said.matches("the disk is full").count(), round, "{said}");
        assert_eq!(said.matches("can be written again").count(), round, "{said}");
        assert_eq!(said.matches(" ERROR ").count(), round, "{said}");
    }
    process.terminate();
    process.ended().await;
}

#[actix_web::test]
async fn a_server_starts_on_a_full_disk_and_signs_out() {
    let Some(disk) = Disk::mount(40) else { return };
    let mut app = start(&disk).await;
    let ann = app.register("ann").await;
    app.stop().await;
    let (data, clock) = (std::mem::replace(&mut app.data, tempfile::tempdir().unwrap()), app.clock.clone());
    disk.fill();
    let app = spawn_on(&[], data, SmtpCatcher::start(), clock).await;
    let mut live = WebSocketClient::live(&app, &ann).await;
    app.send(Method::POST, "/api/logout", &ann.access, Value::Null).await.expect(204);
    live.ends(4441).await;
    until_ready(&app, 503).await;
    disk.make_room();
    until_ready(&app, 200).await;
}
