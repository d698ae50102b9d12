//! A TCP client for tests: what `nc` does, and reads lines.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::Ended;

pub trait Bytes: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Bytes for S {}

pub struct TcpClient {
    stream: BufReader<Box<dyn Bytes>>,
}

impl TcpClient {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    pub fn over(stream: impl Bytes + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Reads up to and with these words, which must be the next.
    pub async fn expect(&mut self, words: &str) {
        let mut got = vec![0; words.len()];
        let read = timeout(PATIENCE, self.stream.read_exact(&mut got)).await.expect("no words");
        assert!(
            read.is_ok() && got == words.as_bytes(),
            "{:?}, not {words:?}",
            String::from_utf8_lossy(&got)
        );
    }

    /// Sends exactly this.
    pub async fn say(&mut self, words: impl AsRef<[u8]>) {
        self.stream.write_all(words.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// A line as it is, or none at the end.
    pub async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        timeout(PATIENCE, self.stream.read_line(&mut line))
            .await
            .expect("it neither speaks nor ends")
            .unwrap();
        line.strip_suffix('\n').map(str::to_owned)
    }

    /// All that comes until the end.
    pub async fn rest(&mut self) -> String {
        let mut rest = String::new();
        timeout(PATIENCE, self.stream.read_to_string(&mut rest)).await.expect("it is still open").unwrap();
        rest
    }

    /// The same, if it need not be text.
    pub async fn rest_lossy(&mut self) -> String {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("it is still open");
        String::from_utf8_lossy(&rest).into_owned()
    }

    /// What comes first, if anything does.
    pub async fn line_or_prompt(&mut self) -> String {
        let mut first = vec![0; 64];
        let read = timeout(PATIENCE, self.stream.read(&mut first)).await.expect("it says nothing");
        first.truncate(read.unwrap_or_default());
        String::from_utf8_lossy(&first).into_owned()
    }

    /// Signs in at the prompts, each answer followed by `end`.
    pub async fn sign_in(&mut self, username: &str, password: &str, end: &str) {
        self.expect("Username: ").await;
        self.say(format!("{username}{end}")).await;
        self.expect("Password: ").await;
        self.say(format!("{password}{end}")).await;
    }

    pub async fn shutdown(&mut self) {
        self.stream.shutdown().await.unwrap();
    }
}

impl LiveClient for TcpClient {
    const TRANSPORT: &'static str = "tcp";

    async fn unauthenticated(app: &TestApp) -> Self {
        let mut line = Self::connect(app.tcp).await;
        line.expect("Username: ").await;
        line
    }

    async fn refused_unauthenticated(app: &TestApp) -> u16 {
        Self::connect(app.tcp).await.ended().await.code
    }

    async fn present(&mut self, token: &str) {
        self.say(format!("Bearer {token}\n")).await;
    }

    async fn write(&mut self, text: &str) {
        self.say(format!("{text}\n")).await;
    }

    async fn write_garbage(&mut self) {
        self.say([0xff, 0, 1, 0x80, b'\n']).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            let line = self.line().await.expect("a message");
            // The outcome of the prompts, and the server's own sign of life.
            if matches!(&*line, "" | "Login successful!" | "Login failed") {
                continue;
            }
            let message: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            if message["type"] != "ping" {
                return message;
            }
        }
    }

    async fn ended(&mut self) -> Ended {
        let rest = self.rest().await;
        let mut before: Vec<Value> = rest
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(|line| serde_json::from_str(line).unwrap())
            .filter(|message: &Value| message["type"] != "ping")
            .collect();
        let goodbye = before.pop().unwrap_or_default();
        assert_eq!(goodbye["type"], "goodbye", "{rest}");
        Ended { code: u16::try_from(goodbye["code"].as_u64().unwrap()).unwrap(), goodbye, before }
    }

    async fn leave(mut self) {
        self.shutdown().await;
    }

    async fn flood(&mut self, requests: &str) {
        let lines = format!("{requests}\n").repeat(1000);
        let mut taken = 0;
        // Blocked, or cut.
        while let Ok(Ok(bytes)) = timeout(Duration::from_secs(1), self.stream.write(lines.as_bytes())).await {
            taken += bytes;
            assert!(taken < 256 << 20, "it swallows everything");
        }
    }

    async fn is_cut(&mut self) -> bool {
        matches!(timeout(Duration::from_millis(10), self.stream.write(b"x")).await, Ok(Err(_)))
    }
}

/// Signs in by password; the `welcome` was read.
pub async fn signed_in(app: &TestApp, username: &str) -> (TcpClient, Value) {
    let mut line = TcpClient::connect(app.tcp).await;
    line.sign_in(username, PASSWORD, "\n").await;
    line.expect("Login successful!\n").await;
    let welcome = line.next().await;
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (line, welcome)
}

/// How many logins are active.
pub fn active_logins(conn: &mut doorward::internals::db::Conn) -> diesel::QueryResult<i64> {
    use diesel::prelude::*;
    use doorward::internals::schema::logins;
    logins::table.filter(logins::revoked_at.is_null()).count().get_result(conn)
}
