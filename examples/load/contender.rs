//! The servers that are compared, and the client of each.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout_at;

use crate::Result;
use crate::echo::Asker;
use crate::figures::us_each;
use crate::people::{HANDSHAKES, Login, side_by_side};
use crate::server::Server;
use crate::socketio_client::{self, SocketIo, packet};
use crate::websocket::{WebSocket, ping_request, text};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Floor,
    Doorward,
    NodeWs,
    DoorwardSocketIo,
    NodeSocketIo,
}

/// What a server is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Message {
    /// A sentence for the user, and a random code.
    Secret,
    Ping,
}

impl Kind {
    pub const ALL: [Self; 5] =
        [Self::Floor, Self::Doorward, Self::NodeWs, Self::DoorwardSocketIo, Self::NodeSocketIo];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Doorward => "Doorward",
            Self::NodeWs => "Node ws",
            Self::DoorwardSocketIo => "Doorward, Socket.IO",
            Self::NodeSocketIo => "Node socket.io",
        }
    }

    pub const fn is_doorward(self) -> bool {
        matches!(self, Self::Doorward | Self::DoorwardSocketIo)
    }

    /// The request; `None` if the server does not know it. The floor's reply is the same to any.
    pub fn request(self, message: Message) -> Option<Vec<u8>> {
        match (self, message) {
            (Self::Floor | Self::Doorward | Self::NodeWs, Message::Secret) => {
                Some(text(r#"{"type":"secret"}"#))
            }
            (Self::Doorward | Self::NodeWs, Message::Ping) => Some(ping_request()),
            (Self::DoorwardSocketIo | Self::NodeSocketIo, Message::Secret) => {
                Some(socketio_client::secret_request())
            }
            (Self::Floor | Self::DoorwardSocketIo | Self::NodeSocketIo, Message::Ping) => None,
        }
    }

    /// Opens a socket that is signed in, at the floor without a token.
    async fn connect(self, address: SocketAddr, token: &str) -> Result<Client> {
        Ok(match self {
            Self::Floor => Client::WebSocket(WebSocket::open_at(address, "/ws").await?),
            Self::Doorward | Self::NodeWs => {
                Client::WebSocket(WebSocket::open(address, Some(token), None).await?)
            }
            Self::DoorwardSocketIo | Self::NodeSocketIo => {
                Client::SocketIo(SocketIo::open(address, token).await?)
            }
        })
    }

    /// Opens a socket for each login. Returns the server's CPU time for each too, in us.
    pub async fn open(self, server: &Server, logins: &[Login]) -> Result<(Vec<Client>, Option<f64>)> {
        let tokens: Vec<_> = logins.iter().map(|login| Rc::clone(&login.token)).collect();
        let address = server.address();
        let before = server.fine_cpu();
        let sockets =
            side_by_side(HANDSHAKES, tokens, async move |token: Rc<str>| self.connect(address, &token).await)
                .await?;
        Ok((sockets, us_each(server.fine_cpu_since(before), logins.len())))
    }
}

pub enum Client {
    WebSocket(WebSocket),
    SocketIo(SocketIo),
}

impl Asker for Client {
    async fn send(&mut self, requests: &[u8]) -> std::io::Result<()> {
        match self {
            Self::WebSocket(socket) => socket.send(requests).await,
            Self::SocketIo(socket) => socket.send(requests).await,
        }
    }

    async fn replies(&mut self) -> Result<usize> {
        match self {
            Self::WebSocket(socket) => socket.replies().await,
            Self::SocketIo(socket) => socket.replies().await,
        }
    }
}

impl Client {
    /// Waits for what the server sends; returns how many messages to rooms were among it.
    pub async fn messages(&mut self) -> Result<usize> {
        match self {
            Self::WebSocket(socket) => socket.texts(br#"{"type":"message""#).await,
            Self::SocketIo(socket) => socket.packets(br#"42["message""#).await,
        }
    }

    /// Sends a request and waits for its reply; what else arrives before is ignored.
    pub async fn ask(&mut self, request: &[u8], reply: &str) -> Result<()> {
        self.send(request).await?;
        let beginning = format!("{{\"type\":\"{reply}\"");
        loop {
            let count = match self {
                Self::WebSocket(socket) => socket.texts(beginning.as_bytes()).await?,
                Self::SocketIo(socket) => socket.packets(packet::ACK).await?,
            };
            match count {
                0 => {}
                1 => return Ok(()),
                _ => return Err(format!("{count} replies to one request").into()),
            }
        }
    }
}

/// The server's CPU time while all sockets are idle, in ms a second.
#[derive(Clone, Copy)]
pub struct Idle {
    /// Before the first heartbeat.
    pub before_heartbeats: Option<f64>,
    pub with_heartbeats: Option<f64>,
}

/// Leaves sockets idle for so long, the time between two heartbeats; their clients answer heartbeats.
///
/// # Errors
/// The server closed one.
pub async fn idle(server: &Server, sockets: Vec<Client>, duration: Duration) -> Result<(Vec<Client>, Idle)> {
    let (started, started_with) = (Instant::now(), server.fine_cpu());
    let a_second = |server: &Server| {
        let cpu = server.fine_cpu_since(started_with)?;
        Some(cpu.as_secs_f64() * 1e3 / started.elapsed().as_secs_f64())
    };
    let sockets = hold(sockets, started + duration / 5).await?;
    let before_heartbeats = a_second(server);
    let sockets = hold(sockets, started + duration).await?;
    Ok((sockets, Idle { before_heartbeats, with_heartbeats: a_second(server) }))
}

/// Answers pings until then.
async fn hold(sockets: Vec<Client>, until: Instant) -> Result<Vec<Client>> {
    let mut tasks = JoinSet::<Result<Client>>::new();
    for mut socket in sockets {
        tasks.spawn_local(async move {
            let held = match &mut socket {
                Client::WebSocket(socket) => timeout_at(until.into(), socket.hold()).await,
                Client::SocketIo(socket) => timeout_at(until.into(), socket.hold()).await,
            };
            match held {
                Ok(ended) => ended.map(|()| socket),
                Err(_) => Ok(socket),
            }
        });
    }
    let mut held = Vec::new();
    while let Some(task) = tasks.join_next().await {
        held.push(task??);
    }
    Ok(held)
}
