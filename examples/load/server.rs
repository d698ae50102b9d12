//! The server under load: a child process, and its figures in `/proc`.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::http::{Connection, Request};
use crate::launch::{self, Limits, PATIENCE, Started, binary, free_port, set, without_settings};
use crate::usage::{Usage, fine_cpu_of, pss_of, usage_of};
use crate::{Result, Target};

/// How often [`MemoryWatch`] reads the memory.
const LOOK: Duration = Duration::from_millis(100);

pub struct Server {
    address: SocketAddr,
    pid: Option<u32>,
    child: Option<Started>,
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
        let child = launch::start(target, settings, address, &limits, Rc::new(tempfile::tempdir()?))?;
        let mut server = Self { address, pid: Some(child.pid()), child: Some(child) };
        server.wait_until_ready(limits.tls()).await?;
        Ok(server)
    }

    /// Starts another program as a server, which prints its port once it listens.
    pub async fn start_other(command: Command) -> Result<Self> {
        let mut started = Started::spawn(command, Rc::new(tempfile::tempdir()?))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(Ok(port)) = started.log().strip_suffix('\n').map(str::parse) {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                return Ok(Self { address, pid: Some(started.pid()), child: Some(started) });
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

    /// Stops it with SIGTERM; returns how long that took.
    ///
    /// # Errors
    /// It did not exit, or not with success.
    pub async fn stop(mut self) -> Result<Duration> {
        self.child.as_mut().ok_or("only a server that this tool started is stopped")?.stop().await
    }

    /// Stops it, and starts it again at the same address with the same data. Returns how long the start took.
    ///
    /// # Errors
    /// The tool did not start it, or it did not stop or start.
    pub async fn restart(&mut self, target: &Target, settings: &[(&str, &str)]) -> Result<Duration> {
        let mut started = self.child.take().ok_or("only a server that this tool started is restarted")?;
        started.stop().await?;
        let asked = Instant::now();
        let again = launch::start(target, settings, self.address, &Limits::Off, Rc::clone(started.data()))?;
        (self.pid, self.child) = (Some(again.pid()), Some(again));
        self.wait_until_ready(None).await?;
        Ok(asked.elapsed())
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
    pub fn operate(&self, target: &Target, settings: &[(&str, &str)], arguments: &[&str]) -> Result<String> {
        let started = self.child.as_ref().ok_or("this wants a server of its own")?;
        let mut command = Command::new(binary(target)?);
        without_settings(&mut command);
        set(&mut command, target, settings);
        command.env("DOORWARD_DATA_DIR", started.data().path().join("data"));
        let said = command.current_dir(started.data().path()).args(arguments).output()?;
        if !said.status.success() {
            return Err(format!("{arguments:?}: {}", String::from_utf8_lossy(&said.stderr)).into());
        }
        Ok(String::from_utf8(said.stdout)?)
    }

    /// The folder of its data and its log, if this tool started it.
    pub fn data(&self) -> Option<&Rc<TempDir>> {
        self.child.as_ref().map(Started::data)
    }

    /// What it has logged, if this tool started it.
    pub fn log(&self) -> Option<String> {
        self.child.as_ref().map(Started::log)
    }

    /// The SQLite file of a server that this tool started.
    ///
    /// # Errors
    /// The tool did not start it, or its database is not SQLite.
    pub fn database(&self) -> Result<PathBuf> {
        let file = self.child.as_ref().map(|started| started.data().path().join("data").join("doorward.db"));
        file.filter(|file| file.exists()).ok_or_else(|| "this wants a server of its own, on SQLite".into())
    }

    /// The resources used so far, if its process is known.
    pub fn usage(&self) -> Option<Usage> {
        self.pid.and_then(usage_of)
    }

    pub fn cpu(&self) -> Option<Duration> {
        self.usage().map(|usage| usage.cpu)
    }

    /// CPU time used so far, to a fraction of a millisecond. Threads that have ended do not count.
    pub fn fine_cpu(&self) -> Option<Duration> {
        self.pid.and_then(fine_cpu_of)
    }

    /// The same since `before`.
    pub fn fine_cpu_since(&self, before: Option<Duration>) -> Option<Duration> {
        self.fine_cpu().zip(before).map(|(now, before)| now.saturating_sub(before))
    }

    /// Memory in kB, to the page: a page that several processes share counts in part.
    pub fn pss(&self) -> Option<f64> {
        self.pid.and_then(pss_of)
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
