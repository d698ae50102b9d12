//! The binary as a process of its own.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use actix_web::http::Method;
use doorward::internals::config::DatabaseUrl;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::app::{Answer, call};
use crate::support::config::Settings;
use crate::support::database;
use crate::support::time::{PATIENCE, now, pause};

/// `doorward serve` in an empty directory, killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    /// The TCP endpoint.
    pub tcp: SocketAddr,
    pub dir: TempDir,
    output: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts it on a port of its own and waits until it says which.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings).await
    }

    /// The same in the directory of an earlier process.
    pub async fn start_in(dir: TempDir, settings: &[(&str, &str)]) -> Self {
        let mut command = Settings::server(&dir.path().join("data")).with(settings).command();
        command.current_dir(dir.path());
        let mut process = Self::of(command, None).await;
        process.dir = dir;
        process
    }

    /// The same by a command that the caller has made. Its log may go to a file.
    pub async fn of(mut command: Command, log: Option<File>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let has_file = log.is_some();
        let mut child =
            command.stdout(Stdio::piped()).stderr(log.map_or(Stdio::piped(), Stdio::from)).spawn().unwrap();
        let output = Arc::default();
        let mut readers = vec![collect(child.stdout.take().unwrap(), &output)];
        if !has_file {
            readers.push(collect(child.stderr.take().unwrap(), &output));
        }
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut process = Self { child, address: nowhere, tcp: nowhere, dir, output, readers };
        let deadline = now() + PATIENCE;
        loop {
            let text = process.output();
            if let Some((http, tcp)) = addresses(&text) {
                process.address = http;
                process.tcp = tcp.unwrap_or(nowhere);
                return process;
            }
            assert!(now() < deadline && process.child.try_wait().unwrap().is_none(), "{text}");
            pause().await;
        }
    }

    pub fn database(&self) -> DatabaseUrl {
        let data = self.dir.path().join("data");
        let url = database::url(&data);
        url.unwrap_or_else(|| format!("sqlite:{}", data.join("doorward.db").display())).parse().unwrap()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The directory that it leaves.
    pub fn into_dir(mut self) -> TempDir {
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// What it wrote so far, to both of its outputs.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap()).into_owned()
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let headers = if token.is_empty() { &[][..] } else { &headers };
        call(self.address, method, path, headers, Some(body).filter(|body| !body.is_null())).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, "", body).await
    }

    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The CPU time that it has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, which may hold anything: the state is field 3, user and system time are 14 and 15.
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // In hundredths of a second, whatever the kernel's own clock is.
        Duration::from_millis(ticks * 10)
    }

    /// Waits for its end, and for its last words.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(now() < deadline, "it runs on: {}", self.output());
            pause().await;
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }
}

/// Where a server listens, by its greeting or by its log in JSON: the HTTP and the TCP listener. None until it has said so.
fn addresses(text: &str) -> Option<(SocketAddr, Option<SocketAddr>)> {
    let json = text.lines().filter(|line| line.starts_with('{')).find_map(|line| {
        serde_json::from_str::<Value>(line).ok().filter(|line| line["message"] == "started")
    });
    let row = |name: &str, field: &str| {
        if let Some(line) = &json {
            line[field].as_str().map(str::to_owned)
        } else {
            let row = text.lines().find_map(|line| line.strip_prefix(&format!("  {name:<13}")))?;
            row.split(' ').next().map(str::to_owned)
        }
    };
    if json.is_none() && !text.lines().any(|line| line == "  Stop         Ctrl+C") {
        return None;
    }
    let local = |url: String| format!("127.0.0.1:{}", url.rsplit(':').next().unwrap());
    let http = row("Listens on", "listens_on").unwrap_or_else(|| local(row("Open", "url").unwrap()));
    Some((http.parse().unwrap(), row("TCP clients", "tcp").map(|tcp| tcp.parse().unwrap())))
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        let mut lines = BufReader::new(pipe);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            output.lock().unwrap().append(&mut line);
        }
    })
}
