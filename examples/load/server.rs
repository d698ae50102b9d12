//! The server under load: a child process, and what `/proc` says of it.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::http::{Connection, Request};
use crate::{Result, Target};

/// How long the server may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the server may take to stop: it says 16 s.
const STOP: Duration = Duration::from_secs(30);

/// What one address may do how often.
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

/// The unit of CPU time in `/proc/PID/stat`: `USER_HZ`, which Linux has kept at 100 everywhere.
const TICK: Duration = Duration::from_millis(10);

pub struct Server {
    address: SocketAddr,
    pid: Option<u32>,
    child: Option<Started>,
}

/// One that this tool started. Dropped, it ends, and its data with it.
struct Started {
    child: Child,
    data: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Started {
    /// Its log goes to a file: writing it is a part of what a request costs.
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

    /// Waits a little for it to be ready.
    ///
    /// # Errors
    /// It will not be, or not by the deadline.
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

/// What a process has used.
#[derive(Clone, Copy)]
pub struct Usage {
    pub cpu: Duration,
    /// Resident memory in kB.
    pub rss: f64,
}

impl Server {
    /// Starts a server with these settings, or takes the one that runs already.
    pub async fn start(target: &Target, settings: &[(&str, &str)]) -> Result<Self> {
        if let Some(address) = target.url {
            return Ok(Self { address, pid: target.pid, child: None });
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Self::start_at(target, settings, address).await
    }

    /// The same at an address of the caller's choice.
    pub async fn start_at(target: &Target, settings: &[(&str, &str)], address: SocketAddr) -> Result<Self> {
        let child = spawn(target, settings, address)?;
        let mut server = Self { address, pid: Some(child.child.id()), child: Some(child) };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// Starts a server of another make, whose log is its port once it listens.
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

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(mut connection) = Connection::open(self.address).await
                && let Ok(reply) = connection.send(&Request::get("/readyz", None)).await
                && reply.status == 200
            {
                return Ok(());
            }
            let Some(started) = &mut self.child else { return Ok(()) };
            started.wait(deadline).await?;
        }
    }

    /// Stops it as an operator does, by SIGTERM, and waits until it has ended: how long that took.
    ///
    /// # Errors
    /// It did not end, or not as one that was asked to.
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

    /// What the server has used so far, if its process is known.
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

pub fn usage_of(pid: u32) -> Option<Usage> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Usage { cpu: cpu_of(&pid.to_string())?, rss: rss.trim().trim_end_matches(" kB").parse().ok()? })
}

/// CPU time of a process (`self` is this one), its own and the system's for it.
pub fn cpu_of(process: &str) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // `proc_pid_stat(5)`: the name is in parentheses and may hold anything. Fields 14 and 15 are the twelfth and
    // thirteenth after it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let [user, system] = [11, 12].map(|field| fields.get(field)?.parse::<u32>().ok());
    Some(TICK * (user? + system?))
}

/// CPU time of the whole machine: the first eight of `cpu` in `proc_stat(5)`, without idle and waiting.
pub fn machine_cpu() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<u32> =
        stat.lines().next()?.split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _, _, irq, softirq, steal, ..] = fields[..] else { return None };
    Some(TICK * (user + nice + system + irq + softirq + steal))
}

/// `key=value`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub fn free_port() -> Result<u16> {
    // Free a moment ago; a server that finds it taken says so.
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn spawn(target: &Target, settings: &[(&str, &str)], address: SocketAddr) -> Result<Started> {
    let binary = match &target.server {
        Some(path) => path.clone(),
        None => beside_this_example()?,
    };
    let binary = fs::canonicalize(&binary)
        .map_err(|error| format!("no server at {}: {error}; build it first, or name it", binary.display()))?;
    let mut command = pinned(target, &binary);
    let data = tempfile::tempdir()?;
    // A caller's own settings, or a file in the caller's directory, are for another server.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("DOORWARD_") {
            command.env_remove(name);
        }
    }
    command
        .env("DOORWARD_HTTP__LISTEN", address.to_string())
        .env("DOORWARD_TCP__LISTEN", "off")
        .env("DOORWARD_DATA_DIR", data.path().join("data"));
    if target.server.is_none() {
        // All clients have this machine's address. Another server may be one that does not know these.
        command.env("DOORWARD_SOCKETS__MAX_PER_ADDRESS", "1000000");
        command.env("DOORWARD_CONNECTIONS__MAX_PER_ADDRESS", "1000000");
        for limit in LIMITS {
            command.env(format!("DOORWARD_LIMITS__{limit}"), "off");
        }
    }
    let own = target.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in settings.iter().copied().chain(own) {
        command.env(format!("DOORWARD_{}", key.to_uppercase().replace('.', "__")), value);
    }
    Started::spawn(command, data)
}

/// A command that stays on the server's CPUs.
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
