//! A message on its way to the sessions that have joined a room.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use bytestring::ByteString;
use chrono::{DateTime, Datelike, Timelike, Utc};
use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::{NamespaceId, Payload, ServerMessage};
use doorward_core::rooms::presence::PresenceWish;
use doorward_core::rooms::{Author, Kind, LONGEST_APP_NAME, RoomName, compact, is_word};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::delivery::{Delivery, Dialect};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::events::Events;

/// Bytes of the messages that are under way on this node. Beyond it, a sender is told to come back.
const MOST: usize = 64 * 1024 * 1024;

/// Bytes of a username in another node's message.
const LONGEST_USERNAME: usize = 256;

/// How many bytes are under way. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Scales(Arc<AtomicUsize>);

/// A part of them, until it is dropped.
#[derive(Debug)]
pub struct Weight {
    scales: Scales,
    bytes: usize,
}

impl Scales {
    /// Adds so many bytes; none if there are too many.
    #[must_use]
    pub fn weigh(&self, bytes: usize) -> Option<Weight> {
        let fits = |all: usize| all.checked_add(bytes).filter(|all| *all <= MOST);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        Some(Weight { scales: self.clone(), bytes })
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.scales.0.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// Which of the sessions that have joined are sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    All,
    /// Those that want to be told this of who is there.
    Watching(PresenceWish),
    /// Those among them that have missed a change.
    Behind,
}

/// A message of a room, written once for each dialect.
#[derive(Debug)]
pub struct Publication {
    pub room: RoomName,
    pub kind: Arc<Kind>,
    /// The session that sent it, which is not sent it.
    pub sender: Option<SessionId>,
    pub audience: Audience,
    message: ServerMessage,
    encoded: [OnceLock<Bytes>; Dialect::COUNT],
    /// Its part of what may be under way, until the last client has it.
    _weight: Weight,
}

/// What every client is told of it: the object that `message` brings.
#[derive(Debug, Serialize)]
pub struct Content<'a> {
    pub room: &'a str,
    pub message: Uuid,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub at: Timestamp,
    pub from: Author<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    pub data: &'a RawValue,
}

/// The content of another node's message: read strictly and written anew, as anyone who reaches Redis could send it.
#[derive(Debug, Deserialize)]
pub struct Received<'a> {
    #[serde(borrow)]
    room: Cow<'a, str>,
    message: Uuid,
    at: DateTime<Utc>,
    #[serde(borrow)]
    from: ReceivedFrom<'a>,
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum ReceivedFrom<'a> {
    User {
        user: UserId,
        #[serde(borrow)]
        username: Cow<'a, str>,
    },
    App {
        #[serde(borrow)]
        app: Cow<'a, str>,
    },
}

impl ReceivedFrom<'_> {
    fn author(&self) -> Option<Author<'_>> {
        match self {
            Self::User { user, username } if username.len() <= LONGEST_USERNAME => {
                Some(Author::User { user: *user, username })
            }
            Self::App { app } if app.chars().count() <= LONGEST_APP_NAME => Some(Author::App { app }),
            Self::User { .. } | Self::App { .. } => None,
        }
    }
}

/// A time of day that each client can read: no leap second (RFC 3339 section 5.7), and a year of four digits.
fn is_common(at: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&at.year()) && at.nanosecond() < 1_000_000_000
}

impl Received<'_> {
    /// The content, if it is for this room and within the bounds of its kind.
    #[must_use]
    pub fn rewritten(json: &str, room: &RoomName, kind: &Kind) -> Option<ByteString> {
        let read: Received<'_> = serde_json::from_str(json).ok()?;
        let words = [&read.event, &read.key].into_iter().flatten();
        if !is_common(&read.at) || !words.map(Cow::as_ref).all(is_word) {
            return None;
        }
        let data = compact(read.data.get()).ok()?;
        let data = RawValue::from_string(data).ok()?;
        let content = Content {
            room: room.as_str(),
            message: read.message,
            at: read.at.naive_utc(),
            from: read.from.author()?,
            event: read.event.as_deref(),
            key: read.key.as_deref(),
            data: &data,
        };
        (read.room == room.as_str() && data.get().len() <= kind.max_data).then(|| content.write())
    }
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
    pub fn new(
        room: RoomName,
        kind: Arc<Kind>,
        sender: Option<SessionId>,
        content: &ByteString,
        weight: Weight,
    ) -> Self {
        let message = event("message", content);
        let encoded = Default::default();
        Self { room, kind, sender, audience: Audience::All, message, encoded, _weight: weight }
    }

    /// A change of who is there, written as JSON.
    #[must_use]
    pub fn presence(
        room: RoomName,
        kind: Arc<Kind>,
        audience: Audience,
        change: &ByteString,
        weight: Weight,
    ) -> Self {
        let message = event("presence_changed", change);
        Self { room, kind, sender: None, audience, message, encoded: Default::default(), _weight: weight }
    }

    /// Hands it to a client. False if there is no room.
    pub fn deliver(&self, to: &dyn Delivery, events: &Events) -> bool {
        let encoded = &self.encoded[to.dialect() as usize];
        to.deliver(encoded.get_or_init(|| to.encode(&self.message, events)))
    }
}

fn event(name: &'static str, content: &ByteString) -> ServerMessage {
    let payload = Payload::from_parts(content, content, Vec::new());
    ServerMessage::Event { namespace: NamespaceId::MAIN, name: ByteString::from_static(name), payload }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_core::rooms::presence::PresenceOptions;
    use doorward_core::rooms::{Pace, Policy};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn chat() -> (RoomName, Kind) {
        let pace = Some(Pace::new(1, Duration::from_secs(1), 1));
        let [join, send, see_presence] = [(); 3].map(|()| Policy::new(Vec::new()));
        let presence = PresenceOptions::default();
        (
            RoomName::parse("chat:lobby").unwrap(),
            Kind { join, send, max_joined: 10, max_data: 100, pace, lossy: false, presence, see_presence },
        )
    }

    proptest! {
        /// What another node's message says is bounded, and about its room; whatever else anyone has sent is none.
        #[test]
        fn content_of_other_nodes_is_rewritten_or_dropped(
            replaced in prop::sample::select(vec!["room", "message", "at", "from", "event", "key", "data", "extra"]),
            by in prop_oneof![
                Just(Value::Null), any::<i64>().prop_map(Value::from), any::<String>().prop_map(Value::from),
                Just(json!({"user": Uuid::nil(), "username": "x"})), Just(json!({"app": "shop"})), Just(json!("y".repeat(200))), Just(json!([1e300])),
            ],
            cut in 0usize..300,
        ) {
            let (room, kind) = chat();
            let mut content = json!({
                "room": "chat:lobby", "message": Uuid::nil(), "at": "2026-11-28T09:31:02.123Z",
                "from": {"user": Uuid::nil(), "username": "ann"}, "event": "e", "key": "k", "data": {"n": [1]},
            });
            prop_assert!(Received::rewritten(&content.to_string(), &room, &kind).is_some());
            content[replaced] = by;
            let written = content.to_string();
            if let Some(content) = Received::rewritten(&written, &room, &kind) {
                let read: Value = serde_json::from_str(&content).unwrap();
                prop_assert_eq!(&read["room"], "chat:lobby");
                prop_assert!(read["data"].to_string().len() <= kind.max_data && read.get("extra").is_none());
                // Written once, it is written alike.
                prop_assert_eq!(Received::rewritten(&content, &room, &kind), Some(content));
            }
            let cut: String = written.chars().take(cut.min(written.chars().count() - 1)).collect();
            prop_assert_eq!(Received::rewritten(&cut, &room, &kind), None);
        }
    }

    #[test]
    fn another_nodes_message_is_from_a_user_or_from_the_application() {
        let (room, kind) = chat();
        let rewritten = |from: &str| {
            let id = Uuid::nil();
            let json = format!(
                r#"{{"room":"chat:lobby","message":"{id}","at":"2026-01-02T03:04:05.678Z","from":{from},"data":1}}"#
            );
            let content = Received::rewritten(&json, &room, &kind)?;
            assert_eq!(&*content, json);
            Some(())
        };
        let user = Uuid::nil();
        assert!(rewritten(&format!(r#"{{"user":"{user}","username":"ann"}}"#)).is_some());
        assert!(rewritten(r#"{"app":"orders"}"#).is_some());
        let long = "x".repeat(LONGEST_APP_NAME + 1);
        for forged in [
            format!(r#"{{"app":"{long}"}}"#),
            format!(r#"{{"user":"{user}","username":"ann","app":"orders"}}"#),
            r#"{"username":"ann"}"#.to_owned(),
            r#""ann""#.to_owned(),
        ] {
            assert!(rewritten(&forged).is_none(), "{forged}");
        }
    }

    #[test]
    fn another_nodes_message_has_words_a_name_and_a_time_as_clients_expect_them() {
        let (room, kind) = chat();
        let good = json!({
            "room": "chat:lobby", "message": Uuid::nil(), "at": "2026-11-28T09:31:02.123Z",
            "from": {"user": Uuid::nil(), "username": "ann"}, "event": "e", "key": "k", "data": 1,
        });
        let with = |field: &str, value: Value| {
            let mut content = good.clone();
            content[field] = value;
            Received::rewritten(&content.to_string(), &room, &kind)
        };
        assert!(with("data", json!(2)).is_some());
        let long = "x".repeat(LONGEST_USERNAME + 1);
        for (field, value) in [
            ("event", json!("")),
            ("event", json!("x".repeat(65))),
            ("key", json!("x".repeat(65))),
            ("from", json!({"user": Uuid::nil(), "username": long})),
            ("at", json!("+262142-12-31T23:59:59.000Z")),
            ("at", json!("0000-01-01T00:00:00.000Z")),
            ("at", json!("2026-12-31T23:59:60.000Z")),
        ] {
            assert_eq!(with(field, value.clone()), None, "{field}: {value}");
        }
    }

    #[test]
    fn bytes_under_way_are_bounded_and_given_back() {
        let scales = Scales::default();
        let half = scales.weigh(MOST / 2).unwrap();
        let other = scales.weigh(MOST / 2).unwrap();
        assert!(scales.weigh(1).is_none() && scales.weigh(usize::MAX).is_none());
        drop(half);
        assert!(scales.weigh(MOST / 2 + 1).is_none());
        assert!(scales.weigh(MOST / 2).is_some());
        drop(other);
        assert!(scales.weigh(MOST).is_some());
    }
}
