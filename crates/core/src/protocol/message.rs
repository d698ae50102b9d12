//! The messages, version 1.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use bytestring::ByteString;
use serde::{Serialize, Serializer};

use super::{CloseReason, Payload, Reconnect};
use crate::domain::{LoginId, Rights, SessionId, SharedText, UserId, serialize_rights};
use crate::time::{Timestamp, serialize_rfc3339};

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

/// A namespace by its place in the table of `events::Events`; the first is `/`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct NamespaceId(pub u16);

impl NamespaceId {
    pub const MAIN: Self = Self(0);
}

/// Whom a reply is for: what the client put into its request to know it again. Serialized, it is the `id`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyTo {
    pub id: Option<RequestId>,
    pub namespace: NamespaceId,
    /// The client waits for an acknowledgement under this number (Socket.IO).
    pub ack: Option<u64>,
}

impl ReplyTo {
    #[must_use]
    pub const fn id(id: Option<RequestId>) -> Self {
        Self { id, namespace: NamespaceId::MAIN, ack: None }
    }

    #[must_use]
    pub const fn namespace(namespace: NamespaceId) -> Self {
        Self { id: None, namespace, ack: None }
    }

    const fn has_no_id(&self) -> bool {
        self.id.is_none()
    }
}

impl Serialize for ReplyTo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.id.serialize(serializer)
    }
}

/// One message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientMessage<'a> {
    pub to: ReplyTo,
    pub request: Request<'a>,
}

/// What a client asks for. The dialects make these, and nothing behind them compares a name again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// `auth`: the first sign-in, or a newer token for a session that is signed in.
    Auth { token: Cow<'a, str> },
    /// `ping`: the session answers `pong`.
    Ping,
    /// `pong`: the answer to a `ping` of the server.
    Pong,
    /// `sessions`: the user's live sessions, once.
    Sessions,
    /// `watch_sessions`: the same, and again whenever they change.
    WatchSessions,
    /// Joins the message's namespace (Socket.IO's CONNECT). An `open` one needs no sign-in and ignores the token.
    Join { open: bool, token: Option<Cow<'a, str>>, arguments: &'a str },
    /// Leaves the message's namespace (Socket.IO's DISCONNECT).
    Leave,
    /// Joins a namespace that does not exist (Socket.IO).
    JoinUnknown { name: &'a str },
    /// An event of the application by its name, with its arguments as [`Payload`] keeps them.
    Event { name: Cow<'a, str>, arguments: &'a str },
    /// A message that the client is told is wrong; the session goes on.
    Invalid { code: &'static str, detail: &'static str },
    /// Only a sign of life.
    Nothing,
}

/// The requests that a session answers itself: no event of an application can have one of these names.
pub const BUILT_IN: [&str; 5] = ["auth", "ping", "pong", "sessions", "watch_sessions"];

impl<'a> Request<'a> {
    /// The request of this name. `token` finds what `auth` brings, `arguments` what any other event brings.
    pub(super) fn named(
        name: Cow<'a, str>,
        token: impl FnOnce() -> Option<Cow<'a, str>>,
        arguments: impl FnOnce() -> &'a str,
    ) -> Self {
        match &*name {
            "auth" => match token() {
                Some(token) => Self::Auth { token },
                None => Self::Invalid { code: "missing_token", detail: "`token` must be a string" },
            },
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "sessions" => Self::Sessions,
            "watch_sessions" => Self::WatchSessions,
            _ => Self::Event { arguments: arguments(), name },
        }
    }
}

/// One message of the server.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The session is in.
    Welcome {
        #[serde(rename = "id", skip_serializing_if = "ReplyTo::has_no_id")]
        to: ReplyTo,
        session: SessionId,
        user: UserInfo,
        login: LoginId,
        #[serde(serialize_with = "serialize_rfc3339")]
        expires_at: Timestamp,
        heartbeat_s: u64,
        #[serde(flatten, serialize_with = "serialize_rights")]
        rights: Arc<Rights>,
    },
    /// A newer token was taken.
    Authenticated {
        #[serde(rename = "id", skip_serializing_if = "ReplyTo::has_no_id")]
        to: ReplyTo,
        #[serde(serialize_with = "serialize_rfc3339")]
        expires_at: Timestamp,
        #[serde(flatten, serialize_with = "serialize_rights")]
        rights: Arc<Rights>,
    },
    Pong {
        #[serde(rename = "id", skip_serializing_if = "ReplyTo::has_no_id")]
        to: ReplyTo,
    },
    /// Checks that the client is still there, on transports without their own ping.
    Ping,
    Sessions {
        #[serde(rename = "id", skip_serializing_if = "ReplyTo::has_no_id")]
        to: ReplyTo,
        #[serde(serialize_with = "serialize_shared")]
        sessions: Vec<Arc<SessionInfo>>,
    },
    /// The user's roles or claims have changed.
    Claims {
        #[serde(flatten, serialize_with = "serialize_rights")]
        rights: Arc<Rights>,
    },
    /// The access token expires soon: answer with `auth`.
    Expiring {
        #[serde(serialize_with = "serialize_rfc3339")]
        expires_at: Timestamp,
    },
    Error {
        #[serde(rename = "id", skip_serializing_if = "ReplyTo::has_no_id")]
        to: ReplyTo,
        code: Cow<'static, str>,
        detail: Cow<'static, str>,
        /// When it may be tried again, if that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// What a handler of `events` answered to the event `name`.
    #[serde(skip)]
    Reply { to: ReplyTo, name: ByteString, payload: Payload },
    /// The same if the client waits for it: under an `id` or an acknowledgement's number.
    #[serde(skip)]
    Acknowledge { to: ReplyTo, name: ByteString, payload: Payload },
    /// What a handler sends on its own.
    #[serde(skip)]
    Event { namespace: NamespaceId, name: ByteString, payload: Payload },
    /// The last message before a close.
    Goodbye { code: u16, reason: &'static str, reconnect: Reconnect },
}

impl ServerMessage {
    #[must_use]
    pub const fn goodbye(reason: CloseReason) -> Self {
        Self::Goodbye { code: reason.code(), reason: reason.sentence(), reconnect: reason.reconnect() }
    }

    #[must_use]
    pub const fn error(to: ReplyTo, code: &'static str, detail: &'static str) -> Self {
        Self::Error { to, code: Cow::Borrowed(code), detail: Cow::Borrowed(detail), retry_after_ms: None }
    }

    /// The request that this message answers, if any.
    #[must_use]
    pub const fn to(&self) -> Option<&ReplyTo> {
        match self {
            Self::Welcome { to, .. }
            | Self::Authenticated { to, .. }
            | Self::Pong { to }
            | Self::Sessions { to, .. }
            | Self::Error { to, .. }
            | Self::Reply { to, .. }
            | Self::Acknowledge { to, .. } => Some(to),
            Self::Ping
            | Self::Claims { .. }
            | Self::Expiring { .. }
            | Self::Event { .. }
            | Self::Goodbye { .. } => None,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct UserInfo {
    pub id: UserId,
    pub username: SharedText,
}

/// A live session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionInfo {
    pub id: SessionId,
    #[serde(skip)]
    pub user: UserId,
    pub login: LoginId,
    /// `websocket`, `socketio` or `tcp`.
    #[serde(rename = "carrier")]
    pub transport: &'static str,
    pub address: IpAddr,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub since: Timestamp,
}

fn serialize_shared<S: Serializer>(sessions: &[Arc<SessionInfo>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(sessions.iter().map(AsRef::as_ref))
}
