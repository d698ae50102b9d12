//! The messages, version 1.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::{CloseReason, Reconnect};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::domain::{LoginId, SessionId, UserId};

/// What a client put into `id`, for its reply to repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RequestId {
    /// At most [`RequestId::MAX_CHARS`] characters.
    Text(String),
    Number(i64),
}

impl RequestId {
    pub const MAX_CHARS: usize = 64;
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMessage<'a> {
    pub id: Option<RequestId>,
    pub request: Request<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// `auth`: the first sign-in, or a newer token for the session that is in.
    Auth { token: Cow<'a, str> },
    /// Any other `type`: the name of an event (`src/events`).
    Event { name: Cow<'a, str> },
    /// A JSON object that is no request; the session lives on.
    Invalid { code: &'static str, detail: &'static str },
}

/// One message of the server.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The session is in.
    Welcome {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        session: SessionId,
        user: UserInfo,
        login: LoginId,
        #[serde(serialize_with = "serialize_rfc3339")]
        expires_at: Timestamp,
        heartbeat_s: u64,
    },
    /// A newer token was taken.
    Authenticated {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        #[serde(serialize_with = "serialize_rfc3339")]
        expires_at: Timestamp,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
    },
    /// Is anybody there? On carriers that have no ping of their own.
    Ping,
    Secret {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        message: String,
        code: String,
    },
    Sessions {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        #[serde(serialize_with = "serialize_shared")]
        sessions: Vec<Arc<SessionInfo>>,
    },
    /// The access token expires soon: answer with `auth`.
    Expiring {
        #[serde(serialize_with = "serialize_rfc3339")]
        expires_at: Timestamp,
    },
    Error {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RequestId>,
        code: &'static str,
        detail: &'static str,
    },
    /// The last message before a close.
    Goodbye { code: u16, reason: &'static str, reconnect: Reconnect },
}

impl ServerMessage {
    #[must_use]
    pub const fn goodbye(reason: CloseReason) -> Self {
        Self::Goodbye { code: reason.code(), reason: reason.sentence(), reconnect: reason.reconnect() }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct UserInfo {
    pub id: UserId,
    pub username: String,
}

/// A live session as its user sees it.
#[derive(Debug, Clone, Serialize)]
pub struct SessionInfo {
    pub id: SessionId,
    #[serde(skip)]
    pub user: UserId,
    pub login: LoginId,
    pub carrier: &'static str,
    pub address: IpAddr,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub since: Timestamp,
}

fn serialize_shared<S: Serializer>(sessions: &[Arc<SessionInfo>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sessions.iter().map(AsRef::as_ref))
}
