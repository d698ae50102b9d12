//! `lines`: the cost of a sign-in by token and of an idle connection over TCP.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::figures::{Expected, Latencies, Report, rate, us_each};
use crate::launch::free_port;
use crate::people::{HANDSHAKES, People, side_by_side};
use crate::server::Server;
use crate::{CHEAP, Crowd, Result, Target};

/// Time for the server to finish its work after the last sign-in.
const SETTLE: Duration = Duration::from_secs(3);

/// The promised bound of resident memory in kB, the same as for a WebSocket.
const IDLE: f64 = 5.0;

/// A signed-in TCP connection.
pub struct Line {
    stream: TcpStream,
    /// What was read and not used yet.
    buffer: Vec<u8>,
}

impl Line {
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let this = Self::connect(address).await?;
        this.enter(&format!("Bearer {token}\n")).await
    }

    pub async fn open_with_password(address: SocketAddr, name: &str, password: &str) -> Result<Self> {
        let mut this = Self::connect(address).await?;
        this.stream.write_all(format!("{name}\n").as_bytes()).await?;
        this.read_prompt(b"Password: ").await?;
        this.enter(&format!("{password}\n")).await
    }

    async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        // Closes with a reset: thousands of ports in TIME_WAIT would exhaust them.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let mut this = Self { stream, buffer: Vec::new() };
        this.read_prompt(b"Username: ").await?;
        Ok(this)
    }

    /// Gives the last answer of the sign-in.
    async fn enter(mut self, answer: &str) -> Result<Self> {
        self.stream.write_all(answer.as_bytes()).await?;
        let outcome = self.next().await?;
        let said = if outcome == b"Login successful!\n" { self.next().await? } else { outcome };
        if said.starts_with(b"{\"type\":\"welcome\"") {
            Ok(self)
        } else {
            Err(format!("no welcome but {}", String::from_utf8_lossy(&said)).into())
        }
    }

    /// Answers pings until the server ends the connection; returns the code of its goodbye.
    pub async fn ended(&mut self) -> Option<u16> {
        let mut code = None;
        while let Ok(line) = self.next().await {
            let said: Value = serde_json::from_slice(&line).unwrap_or_default();
            match said["type"].as_str() {
                Some("goodbye") => code = said["code"].as_u64().and_then(|code| code.try_into().ok()),
                // If this cannot be sent, a goodbye may be there to be read.
                Some("ping") => drop(self.stream.write_all(b"{\"type\":\"pong\"}\n").await),
                _ => {}
            }
        }
        code
    }

    /// Closes its side, and reads to the end.
    pub async fn leave(mut self) {
        if self.stream.shutdown().await.is_ok() {
            self.ended().await;
        }
    }

    async fn read_prompt(&mut self, prompt: &[u8]) -> Result<()> {
        while !self.buffer.ends_with(prompt) {
            self.read_more().await?;
        }
        self.buffer.clear();
        Ok(())
    }

    /// The next line, with its end.
    async fn next(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(self.buffer.drain(..=end).collect());
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(format!("ended after {}", String::from_utf8_lossy(&self.buffer)).into());
        }
        Ok(())
    }

    async fn ask(&mut self) -> Result<Duration> {
        let sent = Instant::now();
        self.stream.write_all(b"{\"type\":\"ping\"}\n").await?;
        self.next().await?;
        Ok(sent.elapsed())
    }
}

pub async fn run(target: &Target, crowd: Crowd, report: &mut Report) -> Result<()> {
    let Crowd { number, users } = crowd;
    if target.url.is_some() {
        return Err("`lines` starts a server of its own".into());
    }
    let tcp = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let listen = tcp.to_string();
    let settings =
        [CHEAP[0], CHEAP[1], ("tcp.listen", &*listen), ("sockets.max_waiting_per_address", "1000")];
    let server = Server::start(target, &settings).await?;
    let mut people = People::new(server.address());
    let logins = people.sign_in(number, users).await?;
    sleep(SETTLE).await;
    report.section(format!("lines: {number} TCP connections of {users} users, each with a token of its own"));

    let before = server.usage();
    let tokens: Vec<_> = logins.iter().map(|login| Rc::clone(&login.token)).collect();
    let started = Instant::now();
    let lines =
        side_by_side(HANDSHAKES, tokens, async move |token: Rc<str>| Line::open(tcp, &token).await).await?;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before.map(|usage| usage.cpu)));
    report.row("sign-ins by token", rate(number, elapsed), "/s").row_if_known(
        "  server CPU",
        us_each(cpu, number),
        "us each",
    );

    sleep(SETTLE).await;
    if let (Some(before), Some(after)) = (before.map(|usage| usage.rss), server.rss()) {
        let each = (after - before) / number as f64;
        report.promise("  an idle connection", each, "kB RSS", Expected::AtMost(IDLE));
    }

    let (before, started) = (server.cpu(), Instant::now());
    let answered = side_by_side(64, lines, async move |mut line| Ok((line.ask().await?, line))).await?;
    let (elapsed, cpu) = (started.elapsed(), server.cpu_since(before));
    let mut latencies = Latencies::default();
    for (latency, _) in &answered {
        latencies.push(*latency);
    }
    let latencies = latencies.sorted();
    report
        .row("one request on each, 64 at a time", rate(number, elapsed), "replies/s")
        .row_if_known("  server CPU", us_each(cpu, number), "us each")
        .row("  p50", latencies.percentile(500), "ms")
        .row("  p99", latencies.percentile(990), "ms");
    Ok(())
}
