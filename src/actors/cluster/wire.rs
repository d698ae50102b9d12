//! What nodes tell each other: JSON on one channel. A node that does not know a kind of news passes it over, so that
//! nodes of two versions can run side by side.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::revocation::RevokeReason;
use crate::clock::Timestamp;
use crate::domain::{LoginId, SessionId, UserId};
use crate::protocol::SessionInfo;

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
    pub fn new(id: LoginId, reason: RevokeReason) -> Self {
        Self { id, reason: reason.as_str().to_owned() }
    }

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
