//! `lines`: the cost of a sign-in by token and of an idle connection over TCP.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

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

struct Line(TcpStream);

impl Line {
    async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        // Closes with a reset: thousands of ports in TIME_WAIT would exhaust them.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let mut this = Self(stream);
        this.read_until(b"Username: ").await?;
        this.0.write_all(format!("Bearer {token}\n").as_bytes()).await?;
        let said = this.read_until(b"}\n").await?;
        if said.starts_with(b"Login successful!\n{\"type\":\"welcome\"") {
            Ok(this)
        } else {
            Err(format!("no welcome but {}", String::from_utf8_lossy(&said)).into())
        }
    }

    async fn read_until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        let mut said = Vec::new();
        while !said.ends_with(end) {
            if self.0.read_buf(&mut said).await? == 0 {
                return Err(format!("ended after {}", String::from_utf8_lossy(&said)).into());
            }
        }
        Ok(said)
    }

    async fn ask(&mut self) -> Result<Duration> {
        let sent = Instant::now();
        self.0.write_all(b"{\"type\":\"ping\"}\n").await?;
        self.read_until(b"}\n").await?;
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
