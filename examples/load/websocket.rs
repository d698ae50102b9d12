//! A WebSocket client (RFC 6455) that is cheap enough for ten thousand of them beside the server. The client library would
//! cost more than what is measured.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use socket2::SockRef;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

use crate::Result;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A constant key: unmasking costs the server the same as with a random one.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// More bytes than any reply to the tool's requests has.
const CHUNK: usize = 16 * 1024;

/// One masked text frame, which can be sent many times.
pub fn text(payload: &str) -> Vec<u8> {
    frame(TEXT, payload.as_bytes())
}

pub fn ping_request() -> Vec<u8> {
    text(r#"{"type":"ping"}"#)
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length => {
            frame.push(0x80 | 0x7e);
            frame.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// What the server sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    Text,
    /// A close frame and its code, or the end of the connection without one.
    Closed(Option<u16>),
}

/// A handshake that the server refused.
#[derive(Debug, thiserror::Error)]
#[error("refused: {said}")]
pub struct Refused {
    pub status: Option<u16>,
    said: String,
}

pub struct WebSocket {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The first bytes of the buffer that are parsed already.
    read: usize,
    /// The last text in the buffer.
    text: Range<usize>,
}

impl WebSocket {
    /// Opens a socket; with a token, it is signed in when this returns.
    pub async fn open(address: SocketAddr, token: Option<&str>, from: Option<Ipv4Addr>) -> Result<Self> {
        let mut this = Self::connect(address, from).await?;
        let header = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        this.shake_hands("/ws", &header).await?;
        if token.is_some() {
            let event = this.next().await?;
            if event != Event::Text || !this.text().starts_with(br#"{"type":"welcome""#) {
                return Err(
                    format!("no welcome but {event:?} {}", String::from_utf8_lossy(this.text())).into()
                );
            }
        }
        Ok(this)
    }

    /// Opens a socket at another path, without waiting for a first message.
    pub async fn open_at(address: SocketAddr, path: &str) -> Result<Self> {
        let mut this = Self::connect(address, None).await?;
        this.shake_hands(path, "").await?;
        Ok(this)
    }

    async fn connect(address: SocketAddr, from: Option<Ipv4Addr>) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = from {
            socket.bind((IpAddr::V4(from), 0).into())?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        // Closes with a reset: thousands of ports in TIME_WAIT would exhaust them.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(Self { stream, buffer: Vec::new(), read: 0, text: 0..0 })
    }

    async fn shake_hands(&mut self, path: &str, header: &str) -> Result<()> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
        );
        self.stream.write_all(request.as_bytes()).await?;
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                if !self.buffer.starts_with(b"HTTP/1.1 101 ") {
                    let said = String::from_utf8_lossy(&self.buffer).into_owned();
                    let status = said.split(' ').nth(1).and_then(|word| word.parse().ok());
                    return Err(Refused { status, said }.into());
                }
                self.read = end + 4;
                return Ok(());
            }
            if !self.fill().await? {
                return Err("the connection ended during the handshake".into());
            }
        }
    }

    /// The payload of the last [`Event::Text`].
    pub fn text(&self) -> &[u8] {
        &self.buffer[self.text.clone()]
    }

    /// Writes encoded frames.
    pub async fn send(&mut self, frames: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(frames).await
    }

    /// Sends a request and waits for its reply; returns how long that took.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Duration> {
        let sent = Instant::now();
        self.send(request).await?;
        match self.next().await? {
            Event::Text => Ok(sent.elapsed()),
            Event::Closed(code) => Err(format!("a socket was closed: {code:?}").into()),
        }
    }

    /// The next message or the end. Answers pings, and echoes a close.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.next_buffered().await? {
                return Ok(event);
            }
            if !self.fill().await? {
                return Ok(Event::Closed(None));
            }
        }
    }

    /// Answers pings until the server ends the connection, which is an error.
    pub async fn hold(&mut self) -> Result<()> {
        loop {
            if let Event::Closed(code) = self.next().await? {
                return Err(format!("a socket was closed: {code:?}").into());
            }
        }
    }

    /// Reads to the end; returns the code of the close frame, if there was one.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Ok(Event::Text) => {}
                Ok(Event::Closed(code)) => return code,
                Err(_) => return None,
            }
        }
    }

    /// Closes as a client that says so (RFC 6455 section 7.1.2).
    pub async fn leave(mut self) {
        if self.send(&frame(CLOSE, &1000_u16.to_be_bytes())).await.is_ok() {
            self.closed().await;
        }
    }

    /// Waits for texts; returns how many of those that arrived together begin like this.
    pub async fn texts(&mut self, beginning: &[u8]) -> Result<usize> {
        let mut event = Some(self.next().await?);
        let mut count = 0;
        while let Some(Event::Text) = event {
            count += usize::from(self.text().starts_with(beginning));
            event = self.next_buffered().await?;
        }
        match event {
            Some(Event::Closed(code)) => Err(format!("a socket was closed: {code:?}").into()),
            _ => Ok(count),
        }
    }

    /// Sends these frames repeatedly until the server ends the connection. With `read` the replies are discarded; without
    /// it nothing is ever read.
    pub async fn flood(&mut self, frames: &[u8], read: bool) -> std::io::Result<()> {
        let interest = if read { Interest::READABLE | Interest::WRITABLE } else { Interest::WRITABLE };
        let (mut sent, mut chunk) = (0, vec![0; CHUNK]);
        loop {
            let ready = self.stream.ready(interest).await?;
            if read && ready.is_readable() {
                match self.stream.try_read(&mut chunk) {
                    Ok(0) => return Ok(()),
                    Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
            match self.stream.try_write(&frames[sent..]) {
                Ok(count) => sent = (sent + count) % frames.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            // The sockets that are measured share this thread.
            tokio::task::yield_now().await;
        }
    }

    /// The next event that is in the buffer already.
    pub async fn next_buffered(&mut self) -> Result<Option<Event>> {
        while let Some((opcode, payload)) = self.parse()? {
            match opcode {
                TEXT => {
                    self.text = payload;
                    return Ok(Some(Event::Text));
                }
                PING => {
                    let pong = frame(PONG, &self.buffer[payload]);
                    self.send(&pong).await?;
                }
                CLOSE => {
                    let payload = &self.buffer[payload];
                    let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    let echo = frame(CLOSE, payload.get(..2).unwrap_or_default());
                    // The server may have closed the connection already.
                    let _ = self.send(&echo).await;
                    return Ok(Some(Event::Closed(code)));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// The next complete frame in the buffer.
    fn parse(&mut self) -> Result<Option<(u8, Range<usize>)>> {
        let bytes = &self.buffer[self.read..];
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let (header, length) = match *second {
            length @ 0..126 => (2, usize::from(length)),
            126 => match rest.first_chunk() {
                Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            _ => return Err("a frame that no reply of the tool's requests has".into()),
        };
        if bytes.len() < header + length {
            return Ok(None);
        }
        let start = self.read + header;
        self.read = start + length;
        Ok(Some((first & 0x0f, start..self.read)))
    }

    /// Waits for bytes and reads them. False at the end.
    async fn fill(&mut self) -> Result<bool> {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.text = 0..0;
        loop {
            self.stream.readable().await?;
            match self.try_fill() {
                Ok(count) => return Ok(count > 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn try_fill(&mut self) -> std::io::Result<usize> {
        // On the stack, so that an idle socket holds no buffer.
        let mut chunk = [0; CHUNK];
        let count = self.stream.try_read(&mut chunk)?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count)
    }
}
