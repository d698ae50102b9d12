//! pgbouncer between the server and PostgreSQL: in session mode all works, in the others the start is refused.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::app::PASSWORD;
use crate::postgres::Server;
use crate::process::{CHEAP, Process};
use crate::services::{self, Needs};
use crate::smtp;

/// A pooler of a test's own, ended when it is dropped.
struct Pooler {
    process: Child,
    port: u16,
    dir: tempfile::TempDir,
    server: Server,
}

impl Pooler {
    /// None if one of the two is missing.
    fn start(mode: &str, settings: &str) -> Option<Self> {
        let program = services::command("pgbouncer", Needs::Apt("pgbouncer"))?;
        let server = Server::start()?;
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let dir = tempfile::tempdir().unwrap();
        // It refuses to run as root.
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut pooler = Self { process: idle(), port, dir, server };
        pooler.configure(mode, settings);
        let file = pooler.file("pgbouncer.ini");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]);
        if rustix::process::getuid().is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let log = std::fs::File::create(pooler.file("log")).unwrap();
        command.arg(program).arg(file).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        pooler.process.wait().unwrap();
        pooler.process = services::start(command);
        for _ in 0..400 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(pooler);
            }
            if pooler.process.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        let said = std::fs::read_to_string(pooler.file("log")).unwrap_or_default();
        services::skip("pgbouncer", &format!("does not run here ({said})"), "see its log");
        None
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, mode: &str, settings: &str) {
        let users = self.file("users.txt");
        std::fs::write(&users, format!("\"doorward\" \"{}\"\n", crate::postgres::PASSWORD)).unwrap();
        let config = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\nadmin_users = doorward\n\
             pool_mode = {mode}\nmax_client_conn = 500\ndefault_pool_size = 60\nserver_login_retry = 0\n{settings}\n",
            self.server.port(),
            self.port,
            users.display(),
        );
        std::fs::write(self.file("pgbouncer.ini"), config).unwrap();
        for name in ["users.txt", "pgbouncer.ini"] {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
            std::fs::set_permissions(self.file(name), mode).unwrap();
        }
    }

    /// The same as another mode from the next connection on.
    fn reconfigure(&self, mode: &str, settings: &str) {
        self.configure(mode, settings);
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    fn url(&self) -> String {
        self.server.url("").replace(&format!(":{}/", self.server.port()), &format!(":{}/", self.port))
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("DOORWARD_DATABASE__URL", self.url()),
            ("DOORWARD_HTTP__LISTEN", "127.0.0.1:0".to_owned()),
            ("DOORWARD_TCP__LISTEN", "off".to_owned()),
        ];
        variables.extend(CHEAP.map(|(name, value)| (name, value.to_owned())));
        variables
    }

    fn run(&self, dir: &Path, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_doorward"))
            .args(arguments)
            .env_clear()
            .envs(self.variables())
            .current_dir(dir)
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    async fn serve(&self) -> Process {
        let variables = self.variables();
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Process::start(&variables).await
    }
}

/// Until the real one is started.
fn idle() -> Child {
    Command::new("true").stdin(Stdio::null()).spawn().unwrap()
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const SENTENCE: &str = "a pooler in transaction mode (or statement mode) stands in between";

/// What every command says of it.
fn is_refused(mode: &str, settings: &str) {
    let Some(pooler) = Pooler::start(mode, settings) else { return };
    let dir = tempfile::tempdir().unwrap();
    let old = format!("sqlite:{}", dir.path().join("old/doorward.db").display());
    std::fs::write(dir.path().join("people.csv"), "username,hash\n").unwrap();
    // A database to move.
    let imported = Command::new(env!("CARGO_BIN_EXE_doorward"))
        .args(["import", "people.csv", "--data-dir", "old"])
        .env_clear()
        .envs(CHEAP)
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    for arguments in [
        &["serve"][..],
        &["user", "list"],
        &["import", "people.csv"],
        &["import", "people.csv", "--dry-run"],
        &["migrate-database", "--from", &old],
    ] {
        let output = pooler.run(dir.path(), arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = error.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{mode} {settings} {arguments:?}: {error}");
        assert!(last.contains(SENTENCE) && last.contains("docs/NODES.md"), "{arguments:?}: {error}");
        assert!(!error.contains(crate::postgres::PASSWORD), "{error}");
    }
    // Nothing was set on connections that other clients get next, and nothing made.
    let mut conn = <diesel::PgConnection as diesel::Connection>::establish(&pooler.url()).unwrap();
    let set = "DO $$ BEGIN ASSERT current_setting('default_transaction_read_only') = 'off'; \
               ASSERT current_setting('statement_timeout') = '0'; ASSERT to_regclass('users') IS NULL; END $$";
    for _ in 0..20 {
        diesel::connection::SimpleConnection::batch_execute(&mut conn, set).unwrap();
    }
}

#[test]
fn transaction_mode_is_refused_at_the_start() {
    is_refused("transaction", "");
}

#[test]
fn transaction_mode_that_takes_turns_is_refused_at_the_start() {
    is_refused("transaction", "server_round_robin = 1\nmin_pool_size = 5");
}

#[test]
fn transaction_mode_with_connections_to_spare_is_refused_at_the_start() {
    is_refused("transaction", "min_pool_size = 10");
}

#[test]
fn transaction_mode_with_one_connection_is_refused_at_the_start() {
    is_refused("transaction", "default_pool_size = 1");
}

#[test]
fn statement_mode_is_refused_at_the_start() {
    is_refused("statement", "");
}

/// What a person does, so often that each connection of the pool has its turn.
async fn works(process: &Process, name: &str) -> usize {
    let body = json!({"username": name, "password": PASSWORD});
    let mut failed = 0;
    let answer = process.post("/api/register", body.clone()).await;
    failed += usize::from(answer.status.as_u16() != 201);
    let token = answer.body["access_token"].as_str().unwrap_or_default().to_owned();
    let requests = (0..40).map(|_| process.call(Method::GET, "/api/logins", &token, Value::Null));
    let answers = futures_util::future::join_all(requests).await;
    failed + answers.iter().filter(|answer| answer.status.as_u16() != 200).count()
}

#[actix_web::test]
async fn session_mode_works() {
    let Some(pooler) = Pooler::start("session", "") else { return };
    let process = pooler.serve().await;
    assert_eq!(works(&process, "ann").await, 0, "{}", process.output());
    assert!(!process.output().contains(SENTENCE), "{}", process.output());
    let dir = tempfile::tempdir().unwrap();
    let listed = pooler.run(dir.path(), &["user", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("ann"));
}

#[test]
fn session_mode_with_one_connection_is_enough_for_a_command() {
    let Some(pooler) = Pooler::start("session", "default_pool_size = 1") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("people.csv"), "username,hash\n").unwrap();
    let output = pooler.run(dir.path(), &["import", "people.csv"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[actix_web::test]
async fn a_mode_that_is_changed_while_the_server_runs_is_named_in_the_log() {
    let Some(pooler) = Pooler::start("session", "") else { return };
    let process = pooler.serve().await;
    assert_eq!(works(&process, "ann").await, 0);
    // Connections to the server are few, so that they change hands.
    pooler.reconfigure("transaction", "default_pool_size = 3");
    let deadline = smtp::now() + Duration::from_mins(1);
    let mut turn = 0;
    while !process.output().contains(SENTENCE) {
        assert!(smtp::now() < deadline, "{}", process.output());
        turn += 1;
        works(&process, &format!("user{turn}")).await;
    }
    let log = process.output();
    let line = log.lines().find(|line| line.contains(SENTENCE)).unwrap();
    assert!(line.contains("ERROR") && line.contains("docs/NODES.md"), "{line}");
    assert!(!log.contains(crate::postgres::PASSWORD));
}
