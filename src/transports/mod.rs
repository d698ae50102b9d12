//! How a session's messages travel: accept, frame, bound, close. What is said is the session's business
//! (`actors::session`); what a transport has to offer it is the trait `actors::transport::Transport`.
//!
//! | file | contents |
//! |---|---|
//! | `connection` | the connection under a session, and the task that carries it |
//! | `io` | the bytes of a connection |
//! | `outbox` | what waits for a client to read, for all transports of one thread |
//! | `json` | messages as JSON text |
//! | `websocket` | WebSocket: handshake, reader, and its sessions |
//! | `socketio` | Socket.IO over Engine.IO: long-polling, WebSocket, or the one and then the other |
//! | `tcp` | lines over TCP |

mod connection;
mod delivery;
mod io;
mod json;
mod outbox;
pub mod socketio;
pub mod tcp;
pub mod websocket;

pub use self::connection::{Opened, Upgrade};
pub use self::io::{Io, Wire};
pub use self::outbox::Outbox;
