//! HTTP as bytes, for what no client library sends or shows.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// Longer than sign-ins may queue in a test that has them do so.
const PATIENCE: Duration = Duration::from_mins(1);

/// An answer byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    pub status: u16,
    /// Sorted: they come in another order each time.
    pub headers: Vec<String>,
    pub body: String,
}

impl Raw {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Without what differs from answer to answer by its nature.
    pub fn without_date_and_id(mut self) -> Self {
        self.headers.retain(|line| {
            let line = line.to_ascii_lowercase();
            !line.starts_with("date:") && !line.starts_with("x-request-id:")
        });
        self
    }
}

/// Sends a request and reads until the server closes: the request has to ask for that.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Raw {
    let answered = tokio::time::timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    });
    let text = answered.await.expect("it answers and closes");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.split("\r\n").map(str::to_owned);
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
    let mut headers: Vec<String> = lines.collect();
    headers.sort_unstable();
    Raw { status, headers, body: body.to_owned() }
}

/// A request with these lines after its first one.
pub async fn request(address: SocketAddr, first: &str, headers: &[&str], body: &[u8]) -> Raw {
    let mut bytes = format!("{first} HTTP/1.1\r\nconnection: close\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    exchange(address, &bytes).await
}

pub async fn post_json(address: SocketAddr, path: &str, headers: &[&str], body: &serde_json::Value) -> Raw {
    let body = body.to_string();
    let length = format!("content-length: {}", body.len());
    let mut all = vec!["content-type: application/json", length.as_str()];
    all.extend_from_slice(headers);
    if !headers.iter().any(|header| header.starts_with("host:")) {
        all.push("host: doorward.example");
    }
    request(address, &format!("POST {path}"), &all, body.as_bytes()).await
}

/// Sends a request and reads nothing of the answer, of which the kernel takes little.
pub async fn deaf(address: SocketAddr, first: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    stream.write_all(format!("{first} HTTP/1.1\r\nhost: doorward.example\r\n\r\n").as_bytes()).await.unwrap();
    stream
}

/// Opens a WebSocket and leaves the rest to the caller: what comes is not read.
pub async fn handshake(address: SocketAddr, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Authorization: Bearer {token}\r\n\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}
