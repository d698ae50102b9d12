//! A Socket.IO client that only polls.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use crate::Result;
use crate::http::{Connection, Request};
use crate::socketio_client::{code_of_goodbye, is_last, packet};

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Separates packets in a payload.
const BETWEEN: char = '\u{1e}';

pub struct Polling {
    address: SocketAddr,
    path: String,
    connection: Connection,
    packets: VecDeque<String>,
}

impl Polling {
    /// Opens a session that is signed in when this returns.
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self> {
        let connection = Connection::open_from(address, Ipv4Addr::LOCALHOST, None).await?;
        let mut this = Self { address, path: PATH.to_owned(), connection, packets: VecDeque::new() };
        let opening = this.poll().await?;
        let opening: Value = serde_json::from_str(opening.strip_prefix('0').ok_or("no opening packet")?)?;
        let sid = opening["sid"].as_str().ok_or("no id of the session")?;
        this.path = format!("{PATH}&sid={sid}");
        this.post(&format!("40{}", json!({"token": token}))).await?;
        loop {
            let packet = this.next().await?;
            if packet.as_bytes().starts_with(packet::CONNECT) {
                return Ok(this);
            }
            if is_last(packet.as_bytes()) {
                return Err(format!("refused: {packet}").into());
            }
        }
    }

    /// Polls until the server ends the session; returns the code of its goodbye.
    pub async fn ended(&mut self) -> Option<u16> {
        let mut code = None;
        while let Ok(packet) = self.next().await {
            code = code_of_goodbye(packet.as_bytes()).or(code);
            if is_last(packet.as_bytes()) {
                break;
            }
        }
        code
    }

    /// Closes the session over another connection: a poll may wait on the first one.
    pub async fn leave(mut self) -> Result<()> {
        self.connection = Connection::open_from(self.address, Ipv4Addr::LOCALHOST, None).await?;
        self.post("1").await
    }

    async fn next(&mut self) -> Result<String> {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                if packet.as_bytes() != packet::PING {
                    return Ok(packet);
                }
                self.post(packet::PONG).await?;
                continue;
            }
            let payload = self.poll().await?;
            self.packets.extend(payload.split(BETWEEN).map(str::to_owned));
        }
    }

    async fn poll(&mut self) -> Result<String> {
        let reply = self.connection.send(&Request::get(&self.path, None)).await?.expect(200)?;
        Ok(String::from_utf8(reply.body)?)
    }

    async fn post(&mut self, payload: &str) -> Result<()> {
        self.connection.send(&Request::text(&self.path, payload)).await?.expect(200).map(drop)
    }
}
