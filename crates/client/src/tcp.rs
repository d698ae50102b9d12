//! The TCP endpoint as a client sees it: prompts, then a line a message.

use std::sync::Arc;

use bytes::{Buf, BytesMut};
use futures_util::stream;
use rustls::ClientConfig;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::mpsc::Receiver;

use crate::close::CloseReason;
use crate::connection::{Connection, Incoming, MAX_MESSAGE, Outgoing};
use crate::credentials::Credentials;
use crate::error::Error;
use crate::refusal::{self, INVALID_CREDENTIALS};
use crate::stream::{Stream, connect, in_time, unreachable};
use crate::url::ServerUrl;

/// How a server that expects TLS answers plain text.
const EXPECTS_TLS: &[u8] = b"This port speaks TLS";

const HTTP: &[u8] = b"HTTP/";

/// Connects and signs in.
pub async fn open(
    url: &ServerUrl,
    tls: &Arc<ClientConfig>,
    credentials: &Credentials,
) -> Result<Connection, Error> {
    let answers = Answers::of(credentials)?;
    in_time(async {
        let mut lines = Lines::new(connect(url, tls).await?);
        lines.sign_in(&answers).await?;
        Ok(lines.into_connection())
    })
    .await
}

/// Waits for the first prompt, and leaves.
pub async fn check(url: &ServerUrl, tls: &Arc<ClientConfig>) -> Result<(), Error> {
    let prompted = in_time(async { Lines::new(connect(url, tls).await?).prompt("Username: ").await });
    match prompted.await {
        // It is there, and does not accept sign-ins at the moment.
        Err(Error::Busy { .. } | Error::Refused(_) | Error::Closed(_)) => Ok(()),
        outcome => outcome,
    }
}

/// What the two prompts are answered with.
struct Answers {
    first: String,
    second: Option<String>,
}

impl Answers {
    fn of(credentials: &Credentials) -> Result<Self, Error> {
        let answers = match credentials {
            Credentials::AccessToken(token) | Credentials::Tokens { access: token, .. } => {
                Self { first: format!("Bearer {token}"), second: None }
            }
            Credentials::Password { username, password } => {
                Self { first: username.clone(), second: Some(password.clone()) }
            }
        };
        // A line break would end the answer and begin something else.
        if [Some(&answers.first), answers.second.as_ref()]
            .into_iter()
            .flatten()
            .any(|text| text.contains(['\r', '\n']))
        {
            return Err(Error::Refused(
                "neither a name, a password nor a token may contain a line break".to_owned(),
            ));
        }
        Ok(answers)
    }
}

/// Reads lines of a bounded length, and writes answers.
struct Lines<S> {
    stream: S,
    buffer: BytesMut,
    /// The first bytes of the buffer that are known to hold no newline.
    searched: usize,
}

impl Lines<Box<dyn Stream>> {
    fn new(stream: Box<dyn Stream>) -> Self {
        Self { stream, buffer: BytesMut::new(), searched: 0 }
    }

    async fn sign_in(&mut self, answers: &Answers) -> Result<(), Error> {
        self.prompt("Username: ").await?;
        self.answer(&answers.first).await?;
        if let Some(second) = &answers.second {
            self.prompt("Password: ").await?;
            self.answer(second).await?;
        }
        match self.line().await.map_err(Error::Unreachable)?.as_str() {
            "Login successful!" => Ok(()),
            "Login failed" => Err(self.refusal(Some(INVALID_CREDENTIALS)).await),
            "" => Err(self.refusal(None).await),
            _ => Err(unknown_protocol()),
        }
    }

    async fn answer(&mut self, text: &str) -> Result<(), Error> {
        self.stream.write_all(format!("{text}\n").as_bytes()).await.map_err(unreachable)?;
        self.stream.flush().await.map_err(unreachable)
    }

    fn into_connection(self) -> Connection {
        let (read, write) = tokio::io::split(self.stream);
        let lines = Lines { stream: read, buffer: self.buffer, searched: self.searched };
        Connection::new(incoming(lines), |queue| write_out(write, queue))
    }
}

impl<S: AsyncRead + Unpin> Lines<S> {
    async fn read_more(&mut self) -> Result<(), String> {
        if self.buffer.len() > MAX_MESSAGE {
            return Err("a line of the server is too long".to_owned());
        }
        match self.stream.read_buf(&mut self.buffer).await {
            Ok(0) => Err("the connection ended".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The next line, without its end. Cancel-safe.
    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + end);
                self.buffer.advance(1);
                self.searched = 0;
                let line = line.strip_suffix(b"\r").unwrap_or(&line);
                return Ok(String::from_utf8_lossy(line).into_owned());
            }
            self.searched = self.buffer.len();
            self.read_more().await?;
        }
    }

    /// Waits for a prompt. A `goodbye` may arrive instead.
    async fn prompt(&mut self, prompt: &str) -> Result<(), Error> {
        loop {
            let got = &self.buffer[..];
            if got.starts_with(prompt.as_bytes()) {
                self.buffer.advance(prompt.len());
                return Ok(());
            }
            if got.starts_with(b"\n") || got.starts_with(b"{") {
                return Err(self.refusal(None).await);
            }
            if got.starts_with(EXPECTS_TLS) {
                return Err(Error::WrongProtocol(
                    "this port speaks TLS: the URL begins with tls://".to_owned(),
                ));
            }
            if got.starts_with(HTTP) {
                return Err(Error::WrongProtocol(
                    "this port speaks HTTP: the URL begins with ws://".to_owned(),
                ));
            }
            if ![prompt.as_bytes(), EXPECTS_TLS, HTTP].iter().any(|beginning| beginning.starts_with(got)) {
                return Err(unknown_protocol());
            }
            self.read_more().await.map_err(Error::Unreachable)?;
        }
    }

    /// Why the sign-in failed, as the remaining lines say.
    async fn refusal(&mut self, default: Option<&str>) -> Error {
        while let Ok(line) = self.line().await {
            let message = serde_json::from_str::<Value>(&line).unwrap_or_default();
            if let Some(reason) = CloseReason::from_goodbye(&message) {
                return refusal::before_welcome(reason);
            }
        }
        match default {
            Some(why) => Error::Refused(why.to_owned()),
            None => Error::Unreachable("the connection ended".to_owned()),
        }
    }
}

fn unknown_protocol() -> Error {
    Error::WrongProtocol("the server does not speak as Doorward does".to_owned())
}

fn incoming<S: AsyncRead + Unpin>(lines: Lines<S>) -> impl futures_util::Stream<Item = Incoming> {
    stream::unfold(Some(lines), |lines| async {
        let mut lines = lines?;
        match lines.line().await {
            Ok(line) if is_ping(&line) => Some((Incoming::Ping, Some(lines))),
            Ok(line) => Some((Incoming::Text(line), Some(lines))),
            Err(why) => Some((Incoming::Closed(why), None)),
        }
    })
}

/// Whether the server only asks for a sign of life.
fn is_ping(line: &str) -> bool {
    // A ping is short; longer lines are not parsed twice.
    line.len() < 256 && serde_json::from_str::<Value>(line).is_ok_and(|message| message["type"] == "ping")
}

async fn write_out<S: AsyncWrite>(mut write: WriteHalf<S>, mut queue: Receiver<Outgoing>) {
    while let Some(message) = queue.recv().await {
        let line = match message {
            // Between the tokens of JSON a line break is a blank, and within strings there is none.
            Outgoing::Text(text) => text.replace(['\r', '\n'], " ") + "\n",
            Outgoing::Pong => "{\"type\":\"pong\"}\n".to_owned(),
            Outgoing::Close => break,
        };
        if write.write_all(line.as_bytes()).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}
