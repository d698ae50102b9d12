//! Requests of mistaken clients, byte by byte, and what the log says of them.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::app::{TestApp, spawn_with};
use crate::support::time::PATIENCE;
use crate::support::{logs, raw_http};

pub const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
pub const VERSION: &str = "sec-websocket-version: 13";
pub const UPGRADE: &str = "upgrade: websocket";
pub const CONNECTION: &str = "connection: Upgrade";

/// An application that believes what each test says about where it comes from, so that its lines in the log are known.
pub async fn spawn_logged() -> TestApp {
    logs::capture();
    spawn_with(&[("sockets.trusted_proxies", "127.0.0.1/32")]).await
}

pub fn logged(mistake: &str, client: &str) -> usize {
    let (mistake, client) = (format!("\"mistake\":\"{mistake}\""), format!("\"client\":\"{client}\""));
    logs::lines_with(&[&mistake, &client, "WARN"]).len()
}

/// A request with exactly these headers.
pub async fn ask(address: SocketAddr, first: &str, headers: &[&str]) -> raw_http::Raw {
    let mut request = format!("{first}\r\nhost: doorward.example\r\n");
    for header in headers {
        request.push_str(header);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let whole = async {
        loop {
            let text = String::from_utf8_lossy(&answer).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.to_ascii_lowercase();
                let length = length.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
                if length.is_none_or(|length| body.len() >= length.trim().parse::<usize>().unwrap()) {
                    return text;
                }
            }
            assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "no answer: {text}");
        }
    };
    let text = timeout(PATIENCE, whole).await.expect("it answers");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    raw_http::Raw {
        status,
        headers: head.lines().skip(1).map(str::to_owned).collect(),
        body: body.to_owned(),
    }
}

pub fn problem(answer: &raw_http::Raw) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no problem document: {answer:?}"))
}
