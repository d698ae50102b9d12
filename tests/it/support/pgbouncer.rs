//! pgbouncer in front of a PostgreSQL, both of a test's own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::config::Settings;
use crate::support::postgres::Server;
use crate::support::process::Process;
use crate::support::programs::{self, Needs};

/// A pooler of a test's own, ended when it is dropped.
pub struct Pooler {
    process: Child,
    port: u16,
    dir: tempfile::TempDir,
    server: Server,
}

impl Pooler {
    /// None if one of the two is missing.
    pub fn start(mode: &str, settings: &str) -> Option<Self> {
        let program = programs::command("pgbouncer", Needs::Apt("pgbouncer"))?;
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
        pooler.process = programs::start(command);
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
        programs::skip("pgbouncer", &format!("does not run here ({said})"), "see its log");
        None
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn configure(&self, mode: &str, settings: &str) {
        let users = self.file("users.txt");
        std::fs::write(&users, format!("\"doorward\" \"{}\"\n", crate::support::postgres::PASSWORD)).unwrap();
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
    pub fn reconfigure(&self, mode: &str, settings: &str) {
        self.configure(mode, settings);
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    pub fn url(&self) -> String {
        self.server.url("").replace(&format!(":{}/", self.server.port()), &format!(":{}/", self.port))
    }

    /// The binary on this pooler's database.
    pub fn run(&self, dir: &Path, arguments: &[&str]) -> Output {
        let url = self.url();
        let settings =
            [("database.url", url.as_str()), ("http.listen", "127.0.0.1:0"), ("tcp.listen", "off")];
        Settings::cheap().with(&settings).command().args(arguments).current_dir(dir).output().unwrap()
    }

    pub async fn serve(&self) -> Process {
        Process::start(&[("database.url", &self.url()), ("tcp.listen", "off")]).await
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
