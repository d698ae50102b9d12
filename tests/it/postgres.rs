//! PostgreSQL servers of the tests' own, on 127.0.0.1, which end with the process that started them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::services::{self, Needs};

const PASSWORD: &str = "p@ss/word";

pub struct Server {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Makes a cluster and serves it; none if PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let programs = programs()?;
        clean_up();
        let name = format!("{PREFIX}{}-{}", std::process::id(), uuid::Uuid::now_v7());
        let data = std::env::temp_dir().join(name);
        let secret = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&secret, PASSWORD).unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let made = as_owner(&programs.join("initdb"))
            // A collation as people have it, not the order of bytes.
            .args(["--username=doorward", "--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en"])
            .args(["--locale=C", "--auth=scram-sha-256", "--no-sync", "--no-instructions", "--pwfile"])
            .arg(secret.path())
            .arg("--pgdata")
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { programs, data, port, process: Mutex::default() };
        server.run();
        Some(server)
    }

    pub fn url(&self, query: &str) -> String {
        let password = PASSWORD.replace('@', "%40").replace('/', "%2F");
        format!("postgres://doorward:{password}@127.0.0.1:{}/postgres{query}", self.port)
    }

    /// Serves again after [`Server::stop`].
    pub fn run(&self) {
        let mut command = as_owner(&self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=800"])
            // Nobody pulls a plug here.
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        *self.process.lock().unwrap() = Some(services::start(command));
        for _ in 0..600 {
            if PgConnection::establish(&self.url("")).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL does not answer");
    }

    /// Stops it as an operator does who cannot wait: connections end, what was committed is there.
    pub fn stop(&self) {
        let Some(mut process) = self.process.lock().unwrap().take() else { return };
        let pid = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

const PREFIX: &str = "doorward-postgres-";

/// What earlier runs left: a server that ends with its process cannot take away its files.
fn clean_up() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// PostgreSQL refuses to run as root: then it is run as its own user.
fn as_owner(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if rustix::process::getuid().is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(program).current_dir(std::env::temp_dir());
    command
}

/// Where its programs are: Debian keeps those of a server off the PATH.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin"))
        .filter(|programs| programs.join("postgres").is_file())
        .collect();
    found.sort();
    found.pop().or_else(|| {
        let program = services::command("postgres", Needs::Apt("postgresql"))?;
        program.parent().map(Path::to_owned)
    })
}
