//! PostgreSQL servers of the tests' own, on 127.0.0.1, which end with the process that started them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;

use crate::support::programs::{self, Needs};

pub const PASSWORD: &str = "p@ss/word";

pub struct Server {
    programs: PathBuf,
    data: PathBuf,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Server {
    /// Makes a cluster and serves it; none if PostgreSQL is not installed, or cannot run here.
    pub fn start() -> Option<Self> {
        programs::command("setpriv", Needs::Apt("util-linux"))?;
        let programs = programs()?;
        if rustix::process::getuid().is_root() {
            // It refuses to run as root, so its own user must exist.
            let tried = as_owner(Path::new("true")).output().unwrap();
            if !tried.status.success() {
                return unusable(&String::from_utf8_lossy(&tried.stderr));
            }
        }
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
        if !made.status.success() {
            return unusable(&String::from_utf8_lossy(&made.stderr));
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { programs, data, port, process: Mutex::default() };
        match server.try_run() {
            Ok(()) => Some(server),
            Err(said) => unusable(&said),
        }
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, query: &str) -> String {
        let password = PASSWORD.replace('@', "%40").replace('/', "%2F");
        format!("postgres://doorward:{password}@127.0.0.1:{}/postgres{query}", self.port)
    }

    /// Serves again after [`Server::stop`].
    pub fn run(&self) {
        self.try_run().unwrap();
    }

    /// Returns what it said if it cannot run.
    fn try_run(&self) -> Result<(), String> {
        let log = self.data.with_extension("log");
        let said = std::fs::File::create(&log).unwrap();
        let mut command = as_owner(&self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-c", "listen_addresses=127.0.0.1", "-c", &format!("port={}", self.port)])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=800"])
            // No test pulls the plug.
            .args(["-c", "fsync=off", "-c", "full_page_writes=off"])
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said);
        let mut process = programs::start(command);
        let mut ended = false;
        for _ in 0..600 {
            if PgConnection::establish(&self.url("")).is_ok() {
                *self.process.lock().unwrap() = Some(process);
                return Ok(());
            }
            ended = process.try_wait().unwrap().is_some();
            if ended {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        if !ended {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        Err(std::fs::read_to_string(log).unwrap_or_default())
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
        let _ = std::fs::remove_file(self.data.with_extension("log"));
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
            let _ = std::fs::remove_file(entry.path());
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

fn unusable<T>(said: &str) -> Option<T> {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    programs::skip("PostgreSQL", &format!("cannot run here ({said})"), "apt-get install postgresql");
    None
}

/// The oldest that can sort by ICU.
const OLDEST: u32 = 15;

/// Where its programs are: Debian and Fedora keep those of a server off the PATH.
fn programs() -> Option<PathBuf> {
    let below = |directory: &str| std::fs::read_dir(directory).into_iter().flatten().flatten();
    let debian = below("/usr/lib/postgresql").map(|version| version.path().join("bin"));
    let fedora = below("/usr").filter(|entry| entry.file_name().to_string_lossy().starts_with("pgsql-"));
    let found = debian.chain(fedora.map(|version| version.path().join("bin")));
    let found = found.filter(|programs| programs.join("postgres").is_file());
    let newest = found.filter_map(|programs| Some((version(&programs)?, programs))).max();
    let (version, programs) = if let Some(newest) = newest {
        newest
    } else {
        let program = programs::command("postgres", Needs::Apt("postgresql"))?;
        let programs = program.parent()?.to_owned();
        (version(&programs)?, programs)
    };
    if version < OLDEST {
        return unusable(&format!("it is too old: {version}, and {OLDEST} is needed"));
    }
    Some(programs)
}

/// The first number of `postgres (PostgreSQL) 15.4 (Debian 15.4-1)`.
fn version(programs: &Path) -> Option<u32> {
    let said = Command::new(programs.join("postgres")).arg("--version").output().ok()?.stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let mut words = said.split_whitespace().filter_map(|word| word.split(['.', 'b', 'r', 'd']).next());
    words.find_map(|word| word.parse().ok())
}

/// A client's program of the same version as the server, or the one on the PATH.
pub fn client(name: &str) -> Option<PathBuf> {
    let beside = programs()?.join(name);
    if beside.is_file() { Some(beside) } else { programs::command(name, Needs::Apt("postgresql-client")) }
}
