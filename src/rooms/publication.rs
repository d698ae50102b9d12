//! A message on its way to the sessions that have joined a room.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use bytestring::ByteString;
use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::{NamespaceId, Payload, ServerMessage};
use doorward_core::rooms::{Kind, RoomName};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::delivery::{Delivery, Dialect};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::events::Events;

/// A message of a room, written once for each dialect.
#[derive(Debug)]
pub struct Publication {
    pub room: RoomName,
    pub kind: Arc<Kind>,
    /// The session that sent it, which is not sent it.
    pub sender: Option<SessionId>,
    message: ServerMessage,
    encoded: [OnceLock<Bytes>; Dialect::COUNT],
}

/// What every client is told of it: the object that `message` brings.
#[derive(Debug, Serialize)]
pub struct Content<'a> {
    pub room: &'a str,
    pub message: Uuid,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub at: Timestamp,
    pub from: From<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    pub data: &'a RawValue,
}

/// Who sent a message.
#[derive(Debug, Serialize)]
pub struct From<'a> {
    pub user: UserId,
    pub username: &'a str,
}

impl Content<'_> {
    /// As JSON.
    #[must_use]
    pub fn write(&self) -> ByteString {
        // Texts and numbers, and JSON that was read before: this always is JSON.
        serde_json::to_string(self).unwrap_or_default().into()
    }
}

impl Publication {
    /// `content` is a [`Content`] that was written, here or on another node.
    #[must_use]
    pub fn new(room: RoomName, kind: Arc<Kind>, sender: Option<SessionId>, content: &ByteString) -> Self {
        let payload = Payload::from_parts(content, content, Vec::new());
        let name = ByteString::from_static("message");
        let message = ServerMessage::Event { namespace: NamespaceId::MAIN, name, payload };
        Self { room, kind, sender, message, encoded: Default::default() }
    }

    /// Hands it to a client. False if there is no room.
    pub fn deliver(&self, to: &dyn Delivery, events: &Events) -> bool {
        let encoded = &self.encoded[to.dialect() as usize];
        to.deliver(encoded.get_or_init(|| to.encode(&self.message, events)))
    }
}
