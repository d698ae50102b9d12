//! Doorward, a self-hosted sign-in server for live apps.
//!
//! An application that embeds it uses the items at the end of this page; the modules are the implementation:
//!
//! | module | contents |
//! |---|---|
//! | [`app`] | builds, starts and stops the application; its listeners and connections |
//! | [`config`], [`telemetry`], [`tls`] | configuration; logs; the certificate |
//! | [`routes`], [`error`] | HTTP: the table of routes, and the mapping from errors to responses |
//! | [`pages`] | HTML pages and their static files |
//! | [`accounts`] | what the product does, one file for each capability |
//! | [`actors`] | database executors, password hashers, sessions and their manager |
//! | [`transports`] | WebSocket, Socket.IO and TCP |
//! | [`events`] | requests that a signed-in session can make |
//! | [`cluster`], [`directory`] | messages between nodes; who is connected, and which logins are revoked |
//! | [`auth`] | tokens, password hashes and credentials; pure |
//! | [`import`] | accounts from files of other systems |
//! | [`models`], [`schema`], [`db`] | rows and queries; connections to the database |
//! | [`mail`], [`jobs`] | emails; the worker that runs jobs from a table |
//! | [`limits`] | rate limits by client address |
//! | [`clock`], [`peer`] | the time; a client's socket |
//! | [`private_files`], [`ownership`] | permissions of files with secrets; the owners of files that cannot be used |
//!
//! Domain values, the protocol and the rules of a session are in the crate `doorward-core`, which has no I/O.
//! docs/ARCHITECTURE.md says which module may depend on which.

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
