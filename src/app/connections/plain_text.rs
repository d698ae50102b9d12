//! Answers plain text at a listener that speaks TLS. The answer is in plain text, since the client
//! understands nothing else.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use super::socket::Socket;
use super::table::Listener;
use crate::limits::Mistake;
use doorward_core::protocol::first_bytes::{Spoken, recognize};

/// Bytes that are read to recognize the protocol.
const ENOUGH: usize = 512;

/// How long a client may take to read the answer.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// The answer of each listener.
#[derive(Debug)]
pub struct EncryptedOnly {
    http: String,
    prompts: &'static str,
}

impl EncryptedOnly {
    /// Uses the configured address: a request's `Host` is chosen by its client.
    pub fn new(public_url: &Url) -> Self {
        let detail = if public_url.scheme() == "https" {
            format!("This port speaks HTTPS, not HTTP: {public_url}")
        } else {
            "This port speaks HTTPS, not HTTP: use https://".to_owned()
        };
        let body = json!({
            "type": "about:blank", "title": "Bad Request", "status": 400, "code": "https_only", "detail": detail,
        })
        .to_string();
        let http = format!(
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let prompts = "This port speaks TLS: connect with tls://, for example \
                       `openssl s_client -quiet -connect HOST:PORT`.\n";
        Self { http, prompts }
    }

    /// None if the sender would not read it.
    fn answer(&self, listener: Listener, spoken: Option<Spoken>) -> Option<&str> {
        match (spoken, listener) {
            (Some(Spoken::ProxyHeader | Spoken::Http2 | Spoken::Tls), _) => None,
            (Some(Spoken::Http), _) | (None, Listener::Http) => Some(&self.http),
            (None, Listener::Tcp) => Some(self.prompts),
        }
    }
}

/// Answers, logs and closes. Reads until `deadline` to recognize the protocol.
pub async fn refuse(mut socket: Socket, deadline: Instant) -> io::Error {
    let handle = socket.slot.handle().clone();
    let mut first = BytesMut::with_capacity(ENOUGH);
    let read = async {
        // A line is enough, unless it is empty: version 2 of the PROXY protocol begins with one.
        let is_line = |bytes: &[u8]| bytes.contains(&b'\n') && bytes[0] != b'\r';
        while recognize(&first).is_none() && first.len() < ENOUGH && !is_line(&first) {
            if socket.read_buf(&mut first).await? == 0 {
                break;
            }
        }
        Ok::<_, io::Error>(())
    };
    // Uses whatever has been read by then.
    let _ = timeout_at(deadline, read).await;
    let spoken = recognize(&first);
    let mistake = match spoken {
        Some(Spoken::ProxyHeader) => Mistake::ProxyHeader,
        Some(Spoken::Http2) => Mistake::Http2,
        _ => Mistake::PlainText,
    };
    handle.log_mistake(mistake, &socket.tcp);
    if let Some(answer) = handle.connections.0.encrypted_only.answer(handle.entry.listener, spoken) {
        send(socket, answer).await;
    }
    io::Error::new(io::ErrorKind::InvalidData, "plain text instead of TLS")
}

/// Answers a client that sends nothing at the prompts: a TLS client would speak first, so this one may wait
/// for a prompt.
pub async fn answer_silent(socket: Socket) {
    let handle = socket.slot.handle().clone();
    if handle.entry.listener == Listener::Tcp {
        send(socket, handle.connections.0.encrypted_only.prompts).await;
    }
}

async fn send(mut socket: Socket, answer: &str) {
    let told = async {
        socket.write_all(answer.as_bytes()).await?;
        socket.shutdown().await?;
        let mut rest = BytesMut::with_capacity(ENOUGH);
        // Closing a connection with unread bytes resets it, and the answer may be lost.
        while socket.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        Ok::<_, io::Error>(())
    };
    #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
    // A client that does not read misses the answer.
    let _ = timeout(ANSWER_TIME, told).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_in_the_senders_protocol() {
        let encrypted_only = EncryptedOnly::new(&"https://id.example.org/auth".parse().unwrap());
        let (http, tcp) = (Listener::Http, Listener::Tcp);
        for listener in [http, tcp] {
            let answer = encrypted_only.answer(listener, Some(Spoken::Http)).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
            assert!(head.contains("\r\nx-content-type-options: nosniff\r\n"), "{head}");
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
            assert!(
                body.contains("https://id.example.org/auth") && body.contains("\"https_only\""),
                "{body}"
            );
            assert_eq!(encrypted_only.answer(listener, Some(Spoken::ProxyHeader)), None);
        }
        assert!(encrypted_only.answer(tcp, None).unwrap().contains("TLS"));
        let unknown = EncryptedOnly::new(&"http://localhost:8080".parse().unwrap());
        assert!(!unknown.answer(http, None).unwrap().contains("localhost"));
    }
}
