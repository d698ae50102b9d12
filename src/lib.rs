//! Doorward, a self-hosted sign-in server for live apps.
//!
//! This page is the API for applications that embed it; `examples/events.rs`, `examples/rooms.rs`,
//! `examples/chat` and `examples/echo.rs` show it in use.
//! The modules are the implementation, and private:
//!
//! | module | contents |
//! |---|---|
//! | `cli` | the command line, one file for each command |
//! | `app` | builds, starts and stops the application; its listeners and connections |
//! | `config`, `telemetry`, `tls`, `server_lock` | configuration; logs; the certificate; one server for each SQLite database |
//! | `routes`, `error` | HTTP: the table of routes, and the mapping from errors to responses |
//! | `pages` | HTML pages and their static files |
//! | `accounts` | what the product does, one file for each capability |
//! | `actors` | database executors, password hashers, sessions and their manager |
//! | `transports` | WebSocket, Socket.IO and TCP |
//! | `events` | requests that a signed-in session can make |
//! | `rooms` | messages to the sessions that have joined a room |
//! | `cluster`, `directory` | messages between nodes; who is connected, and which logins are revoked |
//! | `auth` | tokens, password hashes and credentials; pure |
//! | `import` | accounts from files of other systems |
//! | `models`, `schema`, `db` | rows and queries; connections to the database |
//! | `text` | what people read, in their languages |
//! | `brand` | how pages and emails present the site |
//! | `mail`, `jobs` | emails; the worker that runs jobs from a table |
//! | `limits` | rate limits by client address |
//! | `metrics` | what Prometheus reads |
//! | `clock`, `peer` | the time; a client's socket |
//! | `private_files`, `ownership` | permissions of files with secrets; the owners of files that cannot be used |
//!
//! Domain values, the protocol and the rules of a session are in the crate `doorward-core`, which has no I/O.
//! docs/ARCHITECTURE.md says which module may depend on which.

mod accounts;
mod actors;
mod app;
mod auth;
mod brand;
mod cli;
mod clock;
mod cluster;
mod config;
mod db;
mod directory;
mod error;
mod events;
mod import;
mod jobs;
mod limits;
mod mail;
mod metrics;
mod models;
mod ownership;
mod pages;
mod peer;
mod private_files;
mod rooms;
mod routes;
mod schema;
mod server_lock;
mod telemetry;
mod text;
mod tls;
mod transports;

pub use app::{Additions, Application};
#[doc(hidden)]
pub use cli::run;
pub use clock::Clock;
pub use config::Config;
pub use doorward_core::domain::{Roles, UserId};
pub use doorward_core::rooms::{RoomAction, RoomQuestion, RoomVerdict};
pub use error::ApiError;
pub use events::{
    Context, Error as EventError, Events, Gone, Namespace, Payload, Publisher, Reply, RoomRights,
};

/// Engine.IO without Socket.IO, for an application that has its own protocol above it.
pub mod engineio {
    pub use doorward_core::protocol::engineio::Packet;
    pub use doorward_core::session::{Effect, Rules, Session, Unread};

    pub use crate::routes::engineio::{Endpoint, EngineHandler, Start, configure};
    pub use crate::transports::socketio::engine::{Engines, Handle, Incoming, Limits};
}

/// What the tests, benchmarks and fuzz targets of this repository use besides the API. It may change at any time; what
/// nothing else uses and is not listed here, the compiler reports as dead.
#[doc(hidden)]
pub mod internals {
    pub mod accounts {
        pub use crate::accounts::{
            Accounts, Caller, Error, Expected, Invite, Invited, KeyRequest, RightsChange, RoomRightChange,
            UserChange,
        };
    }
    pub mod actors {
        pub use crate::actors::db::DbError;
        pub use crate::actors::transport::{Outgoing, Transport};
        pub use crate::actors::{Db, Live, Sessions};
    }
    pub mod app {
        pub use crate::app::{Deadlines, TestAdditions};
    }
    pub mod auth {
        pub use crate::auth::device::PresentedDevices;
        pub use crate::auth::keys::Keyring;
        pub use crate::auth::password::hash_here as hash_password;
        pub use crate::auth::refresh::{CredentialKeys, CredentialKind};
        pub use crate::auth::room_tokens::{RoomTokenKeys, sign as sign_room_token};
        pub use crate::auth::secret::hash_token;
        pub use crate::auth::signing_key::SigningKey;
        pub use crate::auth::tokens::Tokens;
    }
    pub mod clock {
        pub use crate::clock::{ManualClock, Timestamp};
    }
    pub mod cluster {
        pub use crate::cluster::frame::{Body, Frame};
        pub use crate::cluster::message::{Envelope, NodeId};
        pub use crate::cluster::peers::{Effect, Peers};
        pub use crate::cluster::session_news::{Query, Reply, SessionList};
    }
    pub mod brand {
        pub use crate::brand::Brand;
    }
    pub mod text {
        pub use crate::text::Languages;
    }
    pub mod config {
        pub use crate::config::{DatabaseUrl, Log, LogFormat, SigningAlgorithm};
    }
    pub mod db {
        pub use crate::db::{Conn, lock_name, open, write};
    }
    pub mod directory {
        pub use crate::directory::{Directory, NodeId, Report, Revocations};
    }
    pub mod import {
        pub use crate::import::{Format, Limits, Mapping, Reason, Row, SourceError, open};
    }
    pub mod mail {
        pub use crate::mail::{Mail, preview::Preview};
    }
    pub mod models {
        pub mod logins {
            pub use crate::models::logins::Scope;
        }
        pub mod one_time_tokens {
            pub use crate::models::one_time_tokens::{Purpose, redeem};
        }
        pub mod outbox {
            pub use crate::models::outbox::{NewEmail, claim, enqueue, first};
        }
        pub mod users {
            pub use crate::models::users::User;
        }
    }
    pub mod routes {
        pub use crate::routes::health::Readiness;
    }
    pub mod schema {
        pub use crate::schema::{
            access_changes, address_links, api_keys, audit_events, authorization_codes, events,
            failed_attempts, idempotency_keys, invitations, login_revocations, logins, one_time_tokens,
            outbox, request_counts, room_bans, room_changes, room_members, room_token_revocations,
            signing_keys, users,
        };
    }
    pub mod telemetry {
        pub use crate::telemetry::subscriber;
    }
    pub mod transports {
        pub use crate::transports::{Io, Outbox};
        pub mod tcp {
            pub use crate::transports::tcp::Lines;
        }
        pub mod websocket {
            pub use crate::transports::websocket::handshake::Handshake;
            pub use crate::transports::websocket::{Incoming, Limits, Socket, WebSocket, open};
        }
    }
}
