//! A signed-in socket on any transport.

use crate::Result;
use crate::lines::Line;
use crate::socketio_client::SocketIo;
use crate::websocket::WebSocket;

use super::node::Node;
use super::polling::Polling;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    WebSocket,
    SocketIo,
    Polling,
    Tcp,
}

impl Transport {
    pub const ALL: [Self; 4] = [Self::WebSocket, Self::SocketIo, Self::Polling, Self::Tcp];

    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "WebSocket",
            Self::SocketIo => "Socket.IO",
            Self::Polling => "Socket.IO, polling",
            Self::Tcp => "TCP",
        }
    }
}

/// What a client signs in with.
pub enum Credentials<'a> {
    Token(&'a str),
    /// For TCP.
    Password(&'a str, &'a str),
}

pub enum Socket {
    WebSocket(WebSocket),
    SocketIo(SocketIo),
    Polling(Box<Polling>),
    Tcp(Line),
}

impl Socket {
    /// Opens a socket that is signed in when this returns.
    pub async fn open(transport: Transport, node: &Node, credentials: Credentials<'_>) -> Result<Self> {
        Ok(match (transport, credentials) {
            (Transport::WebSocket, Credentials::Token(token)) => {
                Self::WebSocket(WebSocket::open(node.http, Some(token), None).await?)
            }
            (Transport::SocketIo, Credentials::Token(token)) => {
                Self::SocketIo(SocketIo::open(node.http, token).await?)
            }
            (Transport::Polling, Credentials::Token(token)) => {
                Self::Polling(Box::new(Polling::open(node.http, token).await?))
            }
            (Transport::Tcp, Credentials::Token(token)) => Self::Tcp(Line::open(node.tcp, token).await?),
            (Transport::Tcp, Credentials::Password(name, password)) => {
                Self::Tcp(Line::open_with_password(node.tcp, name, password).await?)
            }
            (_, Credentials::Password(..)) => return Err("a password is for TCP".into()),
        })
    }

    /// Answers pings until the server ends the connection; returns the code that it gave.
    pub async fn ended(&mut self) -> Option<u16> {
        match self {
            Self::WebSocket(socket) => socket.closed().await,
            Self::SocketIo(socket) => socket.ended().await,
            Self::Polling(socket) => socket.ended().await,
            Self::Tcp(socket) => socket.ended().await,
        }
    }

    /// Closes it as a client that says so. Dropping it is the other way.
    pub async fn leave(self) {
        match self {
            Self::WebSocket(socket) => socket.leave().await,
            Self::SocketIo(socket) => socket.leave().await,
            // The session may have ended meanwhile.
            Self::Polling(socket) => drop(socket.leave().await),
            Self::Tcp(socket) => socket.leave().await,
        }
    }
}
