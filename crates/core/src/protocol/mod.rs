//! What client and server say to each other: plain data, no I/O. docs/PROTOCOL.md is the reference.

mod close;
pub mod engineio;
pub mod first_bytes;
pub mod json;
mod message;
mod payload;
pub mod prompt;
pub mod socketio;

pub use close::{CloseReason, Reconnect};
pub use message::{
    BUILT_IN, ClientMessage, NamespaceId, ReplyTo, Request, RequestId, ServerMessage, SessionInfo, UserInfo,
};
pub use payload::{BadPayload, Payload};

/// The WebSocket subprotocol, and its version.
pub const SUBPROTOCOL: &str = "doorward.v1";

/// A subprotocol that carries the access token: a browser cannot set a header on a WebSocket.
pub const BEARER_SUBPROTOCOL: &str = "bearer.";
