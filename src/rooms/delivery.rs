//! How one message for many clients is written and handed to each.

use bytes::Bytes;
use doorward_core::protocol::ServerMessage;

use crate::events::Events;

/// In which form a client reads messages. Clients of one dialect are sent the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// JSON in frames of WebSocket.
    WebSocket,
    /// JSON in lines.
    Line,
    /// Packets of Socket.IO in frames of WebSocket.
    SocketIoFrame,
    /// Packets of Socket.IO, for a session that may poll.
    SocketIoPacket,
}

impl Dialect {
    pub const COUNT: usize = 4;
}

/// The way to one client, past its session's actor.
pub trait Delivery {
    fn dialect(&self) -> Dialect;

    /// The message as clients of this dialect are sent it.
    fn encode(&self, message: &ServerMessage, events: &Events) -> Bytes;

    /// Queues bytes that were encoded for this dialect. False if the client has not read so much that there is no room.
    fn deliver(&self, encoded: &[u8]) -> bool;

    /// So much waits to be read that what may be missed is.
    fn is_congested(&self) -> bool;
}
