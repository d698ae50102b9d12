//! What nodes tell each other: JSON on one channel. A node that does not know a kind of news passes it over, so that
//! nodes of two versions can run side by side.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::revocation::RevokeReason;
use crate::clock::Timestamp;
use crate::domain::{LoginId, SessionId, UserId};
use crate::protocol::SessionInfo;

/// Bytes of a message. The largest that a node says has about 150 kB.
pub const MAX_BYTES: usize = 512 * 1024;

/// Sessions or logins in a message; twice as many as a node says at once.
pub const MAX_ITEMS: usize = 1000;

/// One run of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeId(pub Uuid);

/// News and whom it is from. A node numbers what it says, so that whoever misses something knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub node: NodeId,
    pub number: u64,
    pub news: News,
}

/// Why a message is passed over.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("{0} bytes are too many")]
    TooBig(usize),
    #[error("{0} items are too many")]
    TooMany(usize),
    #[error("it is not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
}

impl Envelope {
    /// Reads what came over the channel, on which anything may be said.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable::TooBig(bytes.len()));
        }
        let envelope: Self = serde_json::from_slice(bytes)?;
        let items = match &envelope.news {
            News::Ended { logins } => logins.len(),
            News::Sessions { came, went } => came.len() + went.len(),
            News::List { sessions, .. } => sessions.len(),
            News::Hello | News::Beat | News::Ask { .. } | News::Bye | News::Unknown => 0,
        };
        if items > MAX_ITEMS { Err(Unreadable::TooMany(items)) } else { Ok(envelope) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum News {
    /// It is new here, or was away: it wants to know who is where.
    Hello,
    /// It is there.
    Beat,
    /// These logins were revoked.
    Ended { logins: Vec<EndedLogin> },
    /// What has changed among its sessions.
    Sessions { came: Vec<Listed>, went: Vec<Gone> },
    /// A part of all its sessions, from part 0 on.
    List { part: u32, last: bool, sessions: Vec<Listed> },
    /// It missed something of this node, and wants all its sessions.
    Ask { of: NodeId },
    /// It stops.
    Bye,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedLogin {
    id: LoginId,
    reason: String,
}

impl EndedLogin {
    #[must_use]
    pub fn new(id: LoginId, reason: RevokeReason) -> Self {
        Self { id, reason: reason.as_str().to_owned() }
    }

    #[must_use]
    pub fn read(&self) -> (LoginId, RevokeReason) {
        (self.id, RevokeReason::parse(Some(&self.reason)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    pub user: UserId,
    pub session: SessionId,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub id: SessionId,
    pub user: UserId,
    login: LoginId,
    carrier: String,
    address: IpAddr,
    since: Timestamp,
}

impl From<&SessionInfo> for Listed {
    fn from(info: &SessionInfo) -> Self {
        Self {
            id: info.id,
            user: info.user,
            login: info.login,
            carrier: info.carrier.to_owned(),
            address: info.address,
            since: info.since,
        }
    }
}

impl From<Listed> for SessionInfo {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            user: listed.user,
            login: listed.login,
            carrier: carrier(&listed.carrier),
            address: listed.address,
            since: listed.since,
        }
    }
}

/// The words for carriers are a few, and not the wire's to invent.
fn carrier(word: &str) -> &'static str {
    ["websocket", "socketio", "tcp"].into_iter().find(|known| *known == word).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NODE: &str = "00000000-0000-0000-0000-000000000002";

    fn said(news: &str) -> Result<Envelope, Unreadable> {
        Envelope::read(format!(r#"{{"node":"{NODE}","number":1,"news":{news}}}"#).as_bytes())
    }

    #[test]
    fn what_is_too_big_too_many_too_deep_or_no_text_is_not_read() {
        assert!(matches!(said(r#"{"type":"beat"}"#), Ok(Envelope { news: News::Beat, .. })));
        assert!(matches!(said(r#"{"type":"later","x":[1]}"#), Ok(Envelope { news: News::Unknown, .. })));
        let padding = "x".repeat(MAX_BYTES);
        assert!(matches!(said(&format!(r#"{{"type":"beat","x":"{padding}"}}"#)), Err(Unreadable::TooBig(_))));
        let gone = format!(r#"{{"user":"{NODE}","session":"{NODE}"}}"#);
        let went = |count: usize| {
            said(&format!(
                r#"{{"type":"sessions","came":[],"went":[{}]}}"#,
                vec![gone.as_str(); count].join(",")
            ))
        };
        assert!(went(MAX_ITEMS).is_ok());
        assert!(matches!(went(MAX_ITEMS + 1), Err(Unreadable::TooMany(_))));
        let deep = format!(r#"{{"type":"later","x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(said(&deep), Err(Unreadable::NotUnderstood(_))));
        assert!(matches!(Envelope::read(b"\xff\xfe"), Err(Unreadable::NotUnderstood(_))));
        let number = said(r#"{"type":"list","part":-1,"last":true,"sessions":[]}"#);
        assert!(matches!(number, Err(Unreadable::NotUnderstood(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Envelope::read(&bytes);
        }
    }
}
