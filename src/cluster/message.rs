//! The messages between nodes: JSON objects, one per message. A node ignores a type that it does not know, so
//! that nodes of two versions can run side by side.

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock::Timestamp;
use doorward_core::domain::{LoginId, RevokeReason};

pub use crate::directory::NodeId;

/// Bytes of a message. The largest that a node sends has about 100 kB.
pub const MAX_BYTES: usize = 512 * 1024;

/// Sessions or logins in a message; twice as many as a node sends at a time.
pub const MAX_ITEMS: usize = 1000;

/// A message and its sender. Each node numbers its messages: earlier versions notice gaps by that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub node: NodeId,
    pub number: u64,
    #[serde(rename = "news")]
    pub message: NodeMessage,
}

/// Why a message is ignored.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    #[error("{0} bytes exceed the limit")]
    TooBig(usize),
    #[error("{0} items exceed the limit")]
    TooMany(usize),
    #[error("not a valid message: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Envelope {
    /// Parses a message from the channel, where anything may have been published.
    ///
    /// # Errors
    /// [`InvalidMessage`] if it is too large, has too many items or is not valid.
    pub fn read(bytes: &[u8]) -> Result<Self, InvalidMessage> {
        if bytes.len() > MAX_BYTES {
            return Err(InvalidMessage::TooBig(bytes.len()));
        }
        let envelope: Self = serde_json::from_slice(bytes)?;
        let items = match &envelope.message {
            NodeMessage::Revoked { logins, .. } => logins.len(),
            NodeMessage::Hello
            | NodeMessage::Beat { .. }
            | NodeMessage::AccessChanged { .. }
            | NodeMessage::AccessApplied { .. }
            | NodeMessage::RoomsChanged { .. }
            | NodeMessage::RoomsApplied { .. }
            | NodeMessage::Bye
            | NodeMessage::Unknown => 0,
        };
        if items > MAX_ITEMS { Err(InvalidMessage::TooMany(items)) } else { Ok(envelope) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeMessage {
    /// The node has started or reconnected: all others say that they are alive.
    Hello,
    /// The node is alive.
    Beat {
        /// How many live sessions it has.
        #[serde(default)]
        sessions: u32,
    },
    /// These logins were revoked.
    #[serde(rename = "ended")]
    Revoked {
        logins: Vec<RevokedLogin>,
        /// When the first of them was, by the sender's clock. Earlier versions do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "readable")]
        at: Option<Timestamp>,
    },
    /// The roles or claims of a user have changed: the rows up to this number are to be read.
    AccessChanged { number: i32 },
    /// The node has applied all changes of roles and claims up to this number.
    AccessApplied { number: i32 },
    /// Rights to rooms have changed: the rows up to this number are to be read.
    RoomsChanged { number: i64 },
    /// The node has applied all changes of rights to rooms up to this number.
    RoomsApplied { number: i64 },
    /// The node is stopping.
    Bye,
    #[serde(other)]
    Unknown,
}

/// A time that cannot be read is none: what the message is about counts all the same.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<serde_json::Value>::deserialize(deserializer)?;
    Ok(text.and_then(|text| serde_json::from_value(text).ok()))
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedLogin {
    id: LoginId,
    reason: String,
}

impl RevokedLogin {
    #[must_use]
    pub fn new(id: LoginId, reason: RevokeReason) -> Self {
        Self { id, reason: reason.as_str().to_owned() }
    }

    #[must_use]
    pub fn read(&self) -> (LoginId, RevokeReason) {
        (self.id, RevokeReason::parse(Some(&self.reason)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: &str = "00000000-0000-0000-0000-000000000002";

    fn read(message: &str) -> Result<Envelope, InvalidMessage> {
        Envelope::read(format!(r#"{{"node":"{NODE}","number":1,"news":{message}}}"#).as_bytes())
    }

    #[test]
    fn a_message_that_is_too_big_too_long_too_deep_or_not_json_is_refused() {
        assert!(matches!(
            read(r#"{"type":"beat"}"#),
            Ok(Envelope { message: NodeMessage::Beat { sessions: 0 }, .. })
        ));
        assert!(matches!(
            read(r#"{"type":"later","x":[1]}"#),
            Ok(Envelope { message: NodeMessage::Unknown, .. })
        ));
        let padding = "x".repeat(MAX_BYTES);
        assert!(matches!(
            read(&format!(r#"{{"type":"beat","x":"{padding}"}}"#)),
            Err(InvalidMessage::TooBig(_))
        ));
        let login = format!(r#"{{"id":"{NODE}","reason":"signed_out"}}"#);
        let ended = |count: usize| {
            read(&format!(r#"{{"type":"ended","logins":[{}]}}"#, vec![login.as_str(); count].join(",")))
        };
        assert!(ended(MAX_ITEMS).is_ok());
        assert!(matches!(ended(MAX_ITEMS + 1), Err(InvalidMessage::TooMany(_))));
        let deep = format!(r#"{{"type":"later","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(read(&deep), Err(InvalidMessage::Malformed(_))));
        assert!(matches!(Envelope::read(b"\xff\xfe"), Err(InvalidMessage::Malformed(_))));
        let number = read(r#"{"type":"beat","sessions":-1}"#);
        assert!(matches!(number, Err(InvalidMessage::Malformed(_))));
    }

    #[test]
    fn nodes_of_earlier_versions_read_that_this_one_is_alive() {
        #[derive(Debug, PartialEq, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Earlier {
            Beat,
        }
        let beat = serde_json::to_string(&NodeMessage::Beat { sessions: 7 }).unwrap();
        assert_eq!(serde_json::from_str::<Earlier>(&beat).unwrap(), Earlier::Beat);
    }

    #[test]
    fn what_nodes_of_earlier_versions_say_of_their_sessions_is_ignored() {
        for message in [
            r#"{"type":"sessions","came":[],"went":[]}"#,
            r#"{"type":"list","part":0,"last":true,"sessions":[]}"#,
            &format!(r#"{{"type":"ask","of":"{NODE}"}}"#),
        ] {
            assert!(matches!(read(message), Ok(Envelope { message: NodeMessage::Unknown, .. })));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::read(&bytes);
        }
    }
}
