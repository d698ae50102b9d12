//! A Socket.IO client (protocol 5 on Engine.IO 4) that uses WebSocket only.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::Result;
use crate::echo::Asker;
use crate::websocket::{Event, WebSocket, text};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

/// A packet starts with the digit of its Engine.IO type; a message (`4`) has its Socket.IO type next.
pub mod packet {
    pub const OPEN: &[u8] = b"0{";
    pub const PING: &[u8] = b"2";
    pub const PONG: &str = "3";
    pub const CONNECT: &[u8] = b"40";
    pub const ACK: &[u8] = b"43";
    /// The server ends the connection: Engine.IO's close, a disconnect, or a refused connect.
    pub const LAST: [&[u8]; 3] = [b"1", b"41", b"44"];
}

/// Whether nothing follows this packet.
pub fn is_last(packet: &[u8]) -> bool {
    packet::LAST.iter().any(|last| packet.starts_with(last))
}

/// The code of a goodbye, which is an event.
pub fn code_of_goodbye(packet: &[u8]) -> Option<u16> {
    let (name, said): (String, Value) = serde_json::from_slice(packet.strip_prefix(b"42")?).ok()?;
    (name == "goodbye").then(|| said["code"].as_u64()?.try_into().ok()).flatten()
}

/// All have the same acknowledgement id, because the server only repeats it.
pub fn secret_request() -> Vec<u8> {
    text(r#"42100["secret",{}]"#)
}

pub struct SocketIo(WebSocket);

impl SocketIo {
    /// Opens a socket that is signed in when this returns.
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let mut this = Self(WebSocket::open_at(address, PATH).await?);
        if !this.next().await?.starts_with(packet::OPEN) {
            return Err(this.unexpected());
        }
        this.0.send(&text(&format!("40{}", json!({"token": token})))).await?;
        while !this.next().await?.starts_with(packet::CONNECT) {}
        Ok(this)
    }

    /// Sends a request and checks its reply; in a round replies are only counted.
    pub async fn ask(&mut self) -> Result<()> {
        self.send(&secret_request()).await?;
        while !self.next().await?.starts_with(packet::ACK) {}
        let answered = std::str::from_utf8(self.0.text())?.contains(r#"{"message":""#);
        if answered { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Answers pings until the server ends the connection, which is an error.
    pub async fn hold(&mut self) -> Result<()> {
        loop {
            self.next().await?;
        }
    }

    /// Answers pings until the server ends the connection; returns the code of its goodbye or its close frame.
    pub async fn ended(&mut self) -> Option<u16> {
        let mut code = None;
        loop {
            match self.0.next().await {
                Ok(Event::Text) => {}
                Ok(Event::Closed(last)) => return code.or(last),
                Err(_) => return code,
            }
            code = code_of_goodbye(self.0.text()).or(code);
            if is_last(self.0.text()) || self.take().await.is_err() {
                return code;
            }
        }
    }

    /// Closes the transport as a client that says so.
    pub async fn leave(self) {
        self.0.leave().await;
    }

    /// Waits for the next packet.
    async fn next(&mut self) -> Result<&[u8]> {
        match self.0.next().await? {
            Event::Text => self.take().await,
            Event::Closed(code) => Err(format!("a socket was closed: {code:?}").into()),
        }
    }

    /// The next packet that is in the buffer already.
    async fn next_buffered(&mut self) -> Result<Option<&[u8]>> {
        match self.0.next_buffered().await? {
            Some(Event::Text) => self.take().await.map(Some),
            Some(Event::Closed(code)) => Err(format!("a socket was closed: {code:?}").into()),
            None => Ok(None),
        }
    }

    /// Interprets the packet that was read; answers a ping.
    async fn take(&mut self) -> Result<&[u8]> {
        if self.0.text() == packet::PING {
            self.0.send(&text(packet::PONG)).await?;
        }
        if is_last(self.0.text()) {
            return Err(self.unexpected());
        }
        Ok(self.0.text())
    }

    /// Waits for packets; returns how many of those that arrived together begin like this.
    pub async fn packets(&mut self, beginning: &[u8]) -> Result<usize> {
        let mut count = usize::from(self.next().await?.starts_with(beginning));
        while let Some(packet) = self.next_buffered().await? {
            count += usize::from(packet.starts_with(beginning));
        }
        Ok(count)
    }

    fn unexpected(&self) -> crate::Error {
        format!("the server said {}", String::from_utf8_lossy(self.0.text())).into()
    }
}

impl Asker for SocketIo {
    async fn send(&mut self, requests: &[u8]) -> std::io::Result<()> {
        self.0.send(requests).await
    }

    async fn replies(&mut self) -> Result<usize> {
        let mut replies = usize::from(self.next().await?.starts_with(packet::ACK));
        while let Some(packet) = self.next_buffered().await? {
            replies += usize::from(packet.starts_with(packet::ACK));
        }
        Ok(replies)
    }
}
