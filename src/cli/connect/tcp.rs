//! The TCP door as a client sees it: prompts, then a line a message.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use doorward::accounts::INVALID_CREDENTIALS;
use futures_util::{Stream, stream};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_rustls::TlsConnector;

use super::message::Goodbye;
use super::sign_in::Credentials;
use super::url::Target;
use super::wire::{Incoming, MAX_MESSAGE, Outgoing, PATIENCE, Trouble, Wire};

/// Connects and signs in.
///
/// # Errors
/// [`Trouble`].
pub async fn open(target: &Target, tls: &Arc<ClientConfig>, who: &Credentials) -> Result<Wire, Trouble> {
    let (first, second) = match who {
        Credentials::Token(token) | Credentials::Grant { access: token, .. } => {
            (format!("Bearer {token}\n"), None)
        }
        Credentials::Password { username, password } => {
            (format!("{username}\n"), Some(format!("{}\n", password.expose_typed())))
        }
    };
    let opening = async {
        let stream = TcpStream::connect((&*target.host, target.port)).await.map_err(unreachable)?;
        if target.encrypted {
            let name = ServerName::try_from(target.host.clone()).map_err(unreachable)?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
            enter(stream.map_err(unreachable)?, &first, second.as_deref()).await
        } else {
            enter(stream, &first, second.as_deref()).await
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a server's real pace")]
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    opened.unwrap_or_else(|_| Err(Trouble::Unreachable("no answer in time".to_owned())))
}

#[expect(clippy::needless_pass_by_value, reason = "it is a function to map errors with")]
fn unreachable(error: impl ToString) -> Trouble {
    Trouble::Unreachable(error.to_string())
}

async fn enter<S>(stream: S, first: &str, second: Option<&str>) -> Result<Wire, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut lines = Lines { stream, buffer: BytesMut::new(), searched: 0 };
    lines.prompt("Username: ").await?;
    lines.answer(first).await?;
    if let Some(second) = second {
        lines.prompt("Password: ").await?;
        lines.answer(second).await?;
    }
    lines.outcome().await?;
    let (read, write) = tokio::io::split(lines.stream);
    let lines = Lines { stream: read, buffer: lines.buffer, searched: lines.searched };
    Ok(Wire::new(incoming(lines), |queue| write_out(write, queue)))
}

/// How a server begins that speaks TLS there.
const ENCRYPTED: &[u8] = b"This port speaks TLS";

/// Reads lines, bounded.
struct Lines<S> {
    stream: S,
    buffer: BytesMut,
    /// So many bytes of the buffer are known to hold no newline.
    searched: usize,
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

    /// The next line, without its end. May be dropped and asked again.
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

    /// Waits for a prompt. A goodbye may come instead.
    async fn prompt(&mut self, words: &str) -> Result<(), Trouble> {
        loop {
            let got = &self.buffer[..];
            if got.starts_with(words.as_bytes()) {
                self.buffer.advance(words.len());
                return Ok(());
            }
            if got.starts_with(b"\n") || got.starts_with(b"{") {
                return Err(self.refusal(None).await);
            }
            if got.starts_with(ENCRYPTED) {
                return Err(Trouble::Unreachable(
                    "this port speaks TLS: the URL begins with tls://".to_owned(),
                ));
            }
            if got.starts_with(b"HTTP/") {
                return Err(Trouble::Unreachable(
                    "this port speaks HTTP: the URL begins with ws://".to_owned(),
                ));
            }
            if !words.as_bytes().starts_with(got) && !ENCRYPTED.starts_with(got) && !b"HTTP/".starts_with(got)
            {
                return Err(Trouble::Unreachable("the server does not speak as Doorward does".to_owned()));
            }
            self.read_more().await.map_err(Trouble::Unreachable)?;
        }
    }

    async fn outcome(&mut self) -> Result<(), Trouble> {
        match self.line().await.map_err(Trouble::Unreachable)?.as_str() {
            "Login successful!" => Ok(()),
            "Login failed" => Err(self.refusal(Some(INVALID_CREDENTIALS)).await),
            "" => Err(self.refusal(None).await),
            _ => Err(Trouble::Unreachable("the server does not speak as Doorward does".to_owned())),
        }
    }

    /// What the rest says about why.
    async fn refusal(&mut self, otherwise: Option<&str>) -> Trouble {
        while let Ok(line) = self.line().await {
            let message = serde_json::from_str::<Value>(&line).unwrap_or_default();
            if let Some(goodbye) = Goodbye::of(&message) {
                return goodbye.before_welcome();
            }
        }
        match otherwise {
            Some(why) => Trouble::Refused(why.to_owned()),
            None => Trouble::Unreachable("the connection ended".to_owned()),
        }
    }
}

impl<S: AsyncWrite + Unpin> Lines<S> {
    async fn answer(&mut self, words: &str) -> Result<(), Trouble> {
        let said = async {
            self.stream.write_all(words.as_bytes()).await?;
            self.stream.flush().await
        };
        said.await.map_err(unreachable)
    }
}

fn incoming<S: AsyncRead + Unpin>(lines: Lines<S>) -> impl Stream<Item = Incoming> {
    stream::unfold(Some(lines), |lines| async {
        let mut lines = lines?;
        match lines.line().await {
            Ok(line) if is_ping(&line) => Some((Incoming::Ping(Bytes::new()), Some(lines))),
            Ok(line) => Some((Incoming::Text(line), Some(lines))),
            Err(why) => Some((Incoming::Closed(why), None)),
        }
    })
}

/// The server's own sign of life.
fn is_ping(line: &str) -> bool {
    // Most lines are none, and long ones are not read twice.
    line.len() < 256 && serde_json::from_str::<Value>(line).is_ok_and(|message| message["type"] == "ping")
}

async fn write_out<S: AsyncWrite>(mut write: WriteHalf<S>, mut queue: UnboundedReceiver<Outgoing>) {
    while let Some(message) = queue.recv().await {
        let line = match message {
            Outgoing::Text(text) => text + "\n",
            Outgoing::Pong(_) => "{\"type\":\"pong\"}\n".to_owned(),
            Outgoing::Close => break,
        };
        if write.write_all(line.as_bytes()).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}
