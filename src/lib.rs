//! Doorward, a self-hosted sign-in server for live apps. A map of the house:
//!
//! | room | what is there |
//! |---|---|
//! | [`app`] | wires everything, starts and stops it |
//! | [`config`], [`telemetry`], [`tls`] | settings; logs; the certificate |
//! | [`routes`], [`error`] | HTTP: one table of routes, one mapping of errors |
//! | [`accounts`] | what the product does, one file per capability |
//! | [`actors`] | database executors, password hashers, sessions and their managers |
//! | [`events`] | what a signed-in session can ask for |
//! | [`session`] | the rules of a live session; pure |
//! | [`auth`] | tokens, password hashes, recent revocations; pure |
//! | [`protocol`] | what client and server say to each other; pure |
//! | [`import`] | accounts in other systems' files |
//! | [`models`], [`schema`], [`db`] | rows and queries; the connection |
//! | [`mail`], [`jobs`] | emails; the worker that runs jobs from a table |
//! | [`pages`] | what people see in a browser |
//! | [`limits`] | how often one network may do what, by its address |
//! | [`domain`], [`clock`] | values that were parsed; the time |
//! | [`private_files`], [`ownership`] | who may read what we keep; whose a file is that we cannot use |
//!
//! Arrows never point back: `main -> cli -> app -> routes -> accounts -> actors -> {session, models, auth} ->
//! {protocol, domain, schema}`; also `accounts -> import -> auth`.

pub mod accounts;
pub mod actors;
pub mod app;
pub mod auth;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod db;
pub mod directory;
pub mod error;
pub mod events;
pub mod import;
pub mod jobs;
pub mod limits;
pub mod mail;
pub mod models;
pub mod ownership;
pub mod pages;
pub mod peer;
pub mod private_files;
pub mod routes;
pub mod schema;
pub mod telemetry;
pub mod tls;
pub mod transports;

// The API for applications that embed Doorward: see `examples/echo.rs`.
pub use app::{Additions, Application};
pub use clock::Clock;
pub use config::Config;
pub use error::ApiError;
pub use events::{Context, Error as EventError, Events, Namespace, Payload, Reply};

/// Engine.IO without Socket.IO, for an application that has its own protocol above it.
pub mod engineio {
    pub use doorward_core::protocol::engineio::Packet;
    pub use doorward_core::session::{Effect, Rules, Session, Unread};

    pub use crate::routes::engineio::{Endpoint, EngineHandler, Start, configure};
    pub use crate::transports::socketio::engine::{Engines, Handle, Incoming, Limits};
}
