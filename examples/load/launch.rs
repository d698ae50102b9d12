//! How a server is started: its binary, its settings, and the child process with its data and log.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{Result, Target};

/// How long the server may take to be ready.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long the server may take to stop; its own limit is 16 s.
const STOP: Duration = Duration::from_secs(30);

/// A server issues tokens that other nodes accept, and itself after a restart at another port.
pub const PUBLIC_URL: &str = "http://localhost:8080";

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

/// A server that this tool started. Dropping it stops it and deletes its data.
pub struct Started {
    child: Child,
    data: Rc<TempDir>,
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
    pub fn spawn(mut command: Command, data: Rc<TempDir>) -> Result<Self> {
        // A server that is started again goes on with the log.
        let log = OpenOptions::new().create(true).append(true).open(data.path().join("log"))?;
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
    pub async fn wait(&mut self, deadline: Instant) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("the server ended with {status}:\n{}", self.log()).into());
        }
        if Instant::now() > deadline {
            return Err(format!("the server is not ready after {PATIENCE:?}:\n{}", self.log()).into());
        }
        sleep(Duration::from_millis(20)).await;
        Ok(())
    }

    /// Stops it with SIGTERM, as an operator does; returns how long that took.
    ///
    /// # Errors
    /// It did not exit, or not with success.
    pub async fn stop(&mut self) -> Result<Duration> {
        let pid = rustix::process::Pid::from_child(&self.child);
        let asked = Instant::now();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(asked.elapsed()),
                Some(status) => return Err(format!("the server ended with {status}:\n{}", self.log()).into()),
                None if asked.elapsed() > STOP => {
                    return Err(format!("SIGTERM {STOP:?} ago, and it runs:\n{}", self.log()).into());
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data(&self) -> &Rc<TempDir> {
        &self.data
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }
}

/// The limits by address: none, because all clients share this machine's, or the defaults.
pub enum Limits<'a> {
    Off,
    /// The defaults; the client uses TLS if there is a configuration for it.
    Usual(Option<&'a Arc<ClientConfig>>),
}

impl<'a> Limits<'a> {
    pub const fn tls(&self) -> Option<&'a Arc<ClientConfig>> {
        match self {
            Self::Off => None,
            Self::Usual(tls) => *tls,
        }
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

/// A port for a server that restarts: below those that Linux gives to outgoing connections (`ip_local_port_range`), of
/// which one may take a port while no server has it.
pub fn lasting_port() -> Result<u16> {
    // Other runs begin elsewhere.
    let first = u16::try_from(std::process::id() % 16_384)? + 10_240;
    let mut ports = (first..26_624).chain(10_240..first);
    let is_free = |port: &u16| {
        // Each is given once in this process.
        static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()
            && GIVEN.lock().is_ok_and(|mut given| given.insert(*port))
    };
    ports.find(is_free).ok_or_else(|| "no port is free".into())
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

pub fn binary(target: &Target) -> Result<PathBuf> {
    let binary = match &target.server {
        Some(path) => path.clone(),
        None => beside_this_example()?,
    };
    Ok(fs::canonicalize(&binary)
        .map_err(|error| format!("no server at {}: {error}; build it first, or name it", binary.display()))?)
}

/// Keeps settings in the environment, which are meant for another server, from this one.
pub fn without_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOORWARD_") {
            command.env_remove(name);
        }
    }
}

/// Starts a server on this data, which may be that of an earlier one.
pub fn start(
    target: &Target,
    settings: &[(&str, &str)],
    address: SocketAddr,
    limits: &Limits<'_>,
    data: Rc<TempDir>,
) -> Result<Started> {
    let mut command = pinned(target, &binary(target)?);
    without_settings(&mut command);
    command
        .env("DOORWARD_HTTP__LISTEN", address.to_string())
        .env("DOORWARD_PUBLIC_URL", PUBLIC_URL)
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
pub fn set(command: &mut Command, target: &Target, settings: &[(&str, &str)]) {
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
