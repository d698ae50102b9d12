#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![expect(clippy::disallowed_methods, reason = "a client waits in real time")]

mod backoff;
mod client;
mod close;
mod connection;
mod connector;
mod credentials;
mod error;
mod http;
mod message;
mod open_session;
mod refusal;
mod rooms;
mod session;
mod stream;
mod tcp;
mod tls;
mod url;
mod websocket;

pub use backoff::{Backoff, STEADY};
pub use client::Client;
pub use close::{CloseReason, Reconnect};
pub use credentials::Credentials;
pub use error::Error;
pub use message::Message;
pub use rooms::{Post, RoomLeft, RoomMessage, Sender, TokenProvider};
pub use session::{Event, Session};
pub use url::ServerUrl;
