//! The server under load: a child process, and its figures in `/proc`.

use std::cell::Cell;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::http::{Connection, Request};
use crate::usage::{Usage, usage_of};
use crate::{Result, Target};

/// How long the server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often [`MemoryWatch`] reads the memory.
const LOOK: Duration = Duration::from_millis(100);

/// How long the server may take to stop; its own limit is 16 s.
const STOP: Duration = Duration::from_secs(30);

/// The limits by address.
const LIMITS: [&str; 9] = [
    "SIGN_IN",
    "REGISTER",
    "FORGOT_PASSWORD",
    "LINKS",
    "REFRESH",
    "PASSWORD_STRENGTH",
    "HANDSHAKES",
    "POLLS",
    "BAD_TOKENS",
];

pub struct Server {
    address: SocketAddr,
    pid: Option<u32>,
    child: Option<Started>,
}

/// A server that this tool started. Dropping it stops it and deletes its data.
struct Started {
    child: Child,
    data: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        // Fails only if it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Started {
    /// Its log goes to a file: writing it is part of the cost of a request.
    fn spawn(mut command: Command, data: TempDir) -> Result<Self> {
        let log = File::create(data.path().join("log"))?;
        let child = command
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
        Ok(Self { child, data })
    }

    /// Waits until it is ready.
    ///
    /// # Errors
    /// It exited, or was not ready by the deadline.
    async fn wait(&mut self, deadline: Instant) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the server ended with {status}:\n{}", self.log()).into());
        }
        if Instant::now() > deadline {
            return Err(format!("the server is not ready after {PATIENCE:?}:\n{}", self.log()).into());
        }
        sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }
}

/// The limits by address: none, because all clients share this machine's, or the defaults.
enum Limits<'a> {
    Off,
    /// The defaults; the client uses TLS if there is a configuration for it.
    Usual(Option<&'a Arc<ClientConfig>>),
}

impl<'a> Limits<'a> {
    const fn tls(&self) -> Option<&'a Arc<ClientConfig>> {
        match self {
            Self::Off => None,
            Self::Usual(tls) => *tls,
        }
    }
}

impl Server {
    /// Starts a server with these settings, or uses the running one.
    pub async fn start(target: &Target, settings: &[(&str, &str)]) -> Result<Self> {
        if let Some(address) = target.url {
            return Ok(Self { address, pid: target.pid, child: None });
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Self::start_at(target, settings, address).await
    }

    /// Starts a server with the default limits by address, and with TLS if there is a configuration for it.
    pub async fn start_limited(
        target: &Target,
        settings: &[(&str, &str)],
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Self::spawn(target, settings, address, Limits::Usual(tls)).await
    }

    /// Starts a server at an address of the caller's choice.
    pub async fn start_at(target: &Target, settings: &[(&str, &str)], address: SocketAddr) -> Result<Self> {
        Self::spawn(target, settings, address, Limits::Off).await
    }

    async fn spawn(
        target: &Target,
        settings: &[(&str, &str)],
        address: SocketAddr,
        limits: Limits<'_>,
    ) -> Result<Self> {
        let child = spawn(target, settings, address, &limits)?;
        let mut server = Self { address, pid: Some(child.child.id()), child: Some(child) };
        server.wait_until_ready(limits.tls()).await?;
        Ok(server)
    }

    /// Starts another program as a server, which prints its port once it listens.
    pub async fn start_other(command: Command) -> Result<Self> {
        let mut started = Started::spawn(command, tempfile::tempdir()?)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(Ok(port)) = started.log().strip_suffix('\n').map(str::parse) {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                return Ok(Self { address, pid: Some(started.child.id()), child: Some(started) });
            }
            started.wait(deadline).await?;
        }
    }

    async fn wait_until_ready(&mut self, tls: Option<&Arc<ClientConfig>>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(mut connection) = Connection::open_from(self.address, Ipv4Addr::LOCALHOST, tls).await
                && let Ok(reply) = connection.send(&Request::get("/readyz", None)).await
                && reply.status == 200
            {
                return Ok(());
            }
            let Some(started) = &mut self.child else { return Ok(()) };
            started.wait(deadline).await?;
        }
    }

    /// Stops it with SIGTERM, as an operator does; returns how long that took.
    ///
    /// # Errors
    /// It did not exit, or not with success.
    pub async fn stop(mut self) -> Result<Duration> {
        let started = self.child.as_mut().ok_or("only a server that this tool started is stopped")?;
        let pid = rustix::process::Pid::from_child(&started.child);
        let asked = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        loop {
            match started.child.try_wait()? {
                Some(status) if status.success() => return Ok(asked.elapsed()),
                Some(status) => {
                    return Err(format!("the server ended with {status}:\n{}", started.log()).into());
                }
                None if asked.elapsed() > STOP => {
                    return Err(format!("SIGTERM {STOP:?} ago, and it runs:\n{}", started.log()).into());
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Runs a command of the binary beside a server that this tool started; returns what it prints.
    ///
    /// # Errors
    /// The tool did not start the server, or the command failed.
    pub fn operate(&self, target: &Target, arguments: &[&str]) -> Result<String> {
        let started = self.child.as_ref().ok_or("this wants a server of its own")?;
        let mut command = Command::new(binary(target)?);
        without_settings(&mut command);
        set(&mut command, target, &[]);
        command.env("DOORWARD_DATA_DIR", started.data.path().join("data"));
        let said = command.current_dir(started.data.path()).args(arguments).output()?;
        if !said.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        Ok(String::from_utf8(said.stdout)?)
    }

    /// The SQLite file of a server that this tool started.
    ///
    /// # Errors
    /// The tool did not start it, or its database is not SQLite.
    pub fn database(&self) -> Result<PathBuf> {
        let file = self.child.as_ref().map(|started| started.data.path().join("data").join("doorward.db"));
        file.filter(|file| file.exists()).ok_or_else(|| "this wants a server of its own, on SQLite".into())
    }

    /// The resources used so far, if its process is known.
    pub fn usage(&self) -> Option<Usage> {
        self.pid.and_then(usage_of)
    }

    pub fn cpu(&self) -> Option<Duration> {
        self.usage().map(|usage| usage.cpu)
    }

    /// In kB.
    pub fn rss(&self) -> Option<f64> {
        self.usage().map(|usage| usage.rss)
    }

    /// CPU time used since `before`.
    pub fn cpu_since(&self, before: Option<Duration>) -> Option<Duration> {
        self.cpu().zip(before).map(|(now, before)| now.saturating_sub(before))
    }
}

/// Reads the server's memory repeatedly.
pub struct MemoryWatch {
    before: Option<f64>,
    most: Rc<Cell<f64>>,
    task: JoinHandle<()>,
}

impl MemoryWatch {
    pub fn start(server: &Server) -> Self {
        let before = server.rss();
        let most = Rc::new(Cell::new(before.unwrap_or_default()));
        let (pid, noted) = (server.pid(), Rc::clone(&most));
        let task = tokio::task::spawn_local(async move {
            while let Some(usage) = pid.and_then(usage_of) {
                noted.set(noted.get().max(usage.rss));
                sleep(LOOK).await;
            }
        });
        Self { before, most, task }
    }

    /// In kB: before, at its peak, and now.
    pub fn stop(self, server: &Server) -> Option<[f64; 3]> {
        self.task.abort();
        Some([self.before?, self.most.get(), server.rss()?])
    }
}

/// Parses `key=value`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub fn free_port() -> Result<u16> {
    // Another process may take it meanwhile; then the server fails to start.
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// The keys of the server's configuration with this prefix: an older version has fewer.
pub fn keys(target: &Target, beginning: &str) -> Result<Vec<String>> {
    let mut command = Command::new(binary(target)?);
    without_settings(&mut command);
    let said = command.arg("config").current_dir(tempfile::tempdir()?.path()).output()?;
    let text = String::from_utf8(said.stdout)?;
    let keys = text.lines().filter_map(|line| line.split_ascii_whitespace().next());
    Ok(keys.filter(|key| key.starts_with(beginning)).map(str::to_owned).collect())
}

fn binary(target: &Target) -> Result<PathBuf> {
    let binary = match &target.server {
        Some(path) => path.clone(),
        None => beside_this_example()?,
    };
    Ok(fs::canonicalize(&binary)
        .map_err(|error| format!("no server at {}: {error}; build it first, or name it", binary.display()))?)
}

/// Keeps settings in the environment, which are meant for another server, from this one.
fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOORWARD_") {
            command.env_remove(name);
        }
    }
}

fn spawn(
    target: &Target,
    settings: &[(&str, &str)],
    address: SocketAddr,
    limits: &Limits<'_>,
) -> Result<Started> {
    let mut command = pinned(target, &binary(target)?);
    let data = tempfile::tempdir()?;
    without_settings(&mut command);
    command
        .env("DOORWARD_HTTP__LISTEN", address.to_string())
        // Issues tokens that the other nodes accept, and itself after a restart at another port.
        .env("DOORWARD_PUBLIC_URL", "http://localhost:8080")
        .env("DOORWARD_TCP__LISTEN", "off")
        .env("DOORWARD_DATA_DIR", data.path().join("data"));
    if target.server.is_none() && matches!(limits, Limits::Off) {
        // All clients have this machine's address. An older version may not have these settings.
        command.env("DOORWARD_SOCKETS__MAX_PER_ADDRESS", "1000000");
        command.env("DOORWARD_CONNECTIONS__MAX_PER_ADDRESS", "1000000");
        for limit in LIMITS {
            command.env(format!("DOORWARD_LIMITS__{limit}"), "off");
        }
    }
    set(&mut command, target, settings);
    Started::spawn(command, data)
}

/// Gives a command the settings of a scenario, and those of the command line.
fn set(command: &mut Command, target: &Target, settings: &[(&str, &str)]) {
    let own = target.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in settings.iter().copied().chain(own) {
        command.env(format!("DOORWARD_{}", key.to_uppercase().replace('.', "__")), value);
    }
}

/// A command that runs on the server's CPUs only.
pub fn pinned(target: &Target, program: &Path) -> Command {
    match &target.pin_server {
        Some(cpus) => {
            let mut taskset = Command::new("taskset");
            taskset.arg("-c").arg(cpus).arg(program);
            taskset
        }
        None => Command::new(program),
    }
}

/// `target/release/doorward` of `target/release/examples/load`.
fn beside_this_example() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(|examples| examples.parent()).ok_or("this binary lies nowhere")?;
    Ok(folder.join("doorward"))
}
