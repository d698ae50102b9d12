//! As much of HTTP/1.1 as the load tool needs: one persistent connection, one request at a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::Result;

/// An encoded request, which can be sent many times.
pub struct Request(Vec<u8>);

impl Request {
    pub fn get(path: &str, token: Option<&str>) -> Self {
        Self::new("GET", path, token, None)
    }

    pub fn new(method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Self {
        use std::fmt::Write;

        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
        // Writing to a String does not fail.
        if let Some(token) = token {
            let _ = write!(text, "authorization: Bearer {token}\r\n");
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            let _ = write!(text, "content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        text.push_str("\r\n");
        text.push_str(body.as_deref().unwrap_or_default());
        Self(text.into_bytes())
    }

    /// A POST of plain text.
    pub fn text(path: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain;charset=UTF-8\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        Self(text.into_bytes())
    }

    /// The handshake of a WebSocket.
    pub fn handshake(token: &str) -> Self {
        let text = format!(
            "GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        Self(text.into_bytes())
    }
}

pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// # Errors
    /// The status is another one; the error contains the body.
    pub fn expect(self, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let said = String::from_utf8_lossy(&self.body);
        Err(format!("expected {status}, got {}: {said}", self.status).into())
    }
}

/// TCP, or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: Box::new(stream), buffer: Vec::new() })
    }

    /// Connects from an address of 127.0.0.0/8, with TLS if there is a configuration for it.
    pub async fn open_from(
        address: SocketAddr,
        from: Ipv4Addr,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self> {
        let stream = connect_from(address, from).await?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost")?;
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, stream).await?)
            }
        };
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub async fn send(&mut self, request: &Request) -> Result<Reply> {
        self.stream.write_all(&request.0).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            self.read().await?;
        };
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let status = text.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no HTTP reply")?;
        // Every reply to this tool's requests has a Content-Length or no body.
        let length = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(Ok(0), |(_, value)| value.trim().parse::<usize>())?;
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        Ok(Reply { status, body: self.buffer[head..head + length].to_vec() })
    }

    async fn read(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection before it replied".into());
        }
        Ok(())
    }
}

/// Connects from an address of 127.0.0.0/8: Linux lets a client use any of them.
pub async fn connect_from(address: SocketAddr, from: Ipv4Addr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    // Closes with a reset: thousands of ports in TIME_WAIT would exhaust them.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}
