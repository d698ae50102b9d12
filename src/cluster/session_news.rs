//! What nodes tell each other of users' sessions: JSON in frames. What is read here, anyone who reaches Redis may have
//! written.

use std::net::IpAddr;
use std::ops::Deref;

use doorward_core::domain::{LoginId, SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::message::{InvalidMessage, MAX_BYTES, MAX_ITEMS};
use crate::clock::Timestamp;
use crate::directory::Report;

/// Sessions in one message. The others follow in further parts.
const PART: usize = 500;

/// On a user's channel: the sending node's sessions of the user, or a part of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    pub user: UserId,
    /// Greater than in each earlier list of the node.
    version: u64,
    part: u32,
    last: bool,
    /// The other nodes are to publish their lists of the user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks: bool,
    sessions: Vec<ListedSession>,
}

/// A question for sessions: on a user's channel for those of the user, on the common channel for those of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    pub id: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<SessionId>,
    pub limit: u32,
}

/// The answer, or a part of it, on the channel of the node that asked. The oldest session comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub query: Uuid,
    pub last: bool,
    sessions: Vec<ListedSession>,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ListedSession {
    id: SessionId,
    /// The list of one user says whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    login: LoginId,
    #[serde(rename = "carrier")]
    transport: String,
    address: IpAddr,
    since: Timestamp,
}

impl SessionList {
    /// The lists to publish, one for each part. Without sessions there is one part as well.
    pub fn parts<S: Deref<Target = SessionInfo>>(
        user: UserId,
        version: u64,
        asks: bool,
        sessions: &[S],
    ) -> Vec<Self> {
        let parts = parts(sessions).map(|(part, last, sessions)| {
            let sessions = sessions.iter().map(|info| ListedSession::new(info, None)).collect();
            Self { user, version, part, last, asks: asks && part == 0, sessions }
        });
        parts.collect()
    }

    /// # Errors
    /// [`InvalidMessage`] if it is too large, has too many sessions, or is not valid.
    pub fn read(json: &str) -> Result<Self, InvalidMessage> {
        read(json, |list: &Self| list.sessions.len())
    }

    /// What it says, for the directory.
    #[must_use]
    pub fn report(self) -> Report {
        let Self { user, version, part, last, sessions, .. } = self;
        let sessions = sessions.into_iter().map(|listed| listed.read(user)).collect();
        Report { user, version, part, is_last: last, sessions }
    }
}

impl Query {
    /// # Errors
    /// [`InvalidMessage`] if it is not valid.
    pub fn read(json: &str) -> Result<Self, InvalidMessage> {
        read(json, |_: &Self| 0)
    }
}

impl Reply {
    /// The replies to publish, one for each part.
    pub fn parts<S: Deref<Target = SessionInfo>>(query: Uuid, sessions: &[S]) -> Vec<Self> {
        let parts = parts(sessions).map(|(_, last, sessions)| {
            let sessions = sessions.iter().map(|info| ListedSession::new(info, Some(info.user))).collect();
            Self { query, last, sessions }
        });
        parts.collect()
    }

    /// # Errors
    /// [`InvalidMessage`] if it is too large, has too many sessions, or is not valid.
    pub fn read(json: &str) -> Result<Self, InvalidMessage> {
        read(json, |reply: &Self| reply.sessions.len())
    }

    /// The sessions. One that does not say whose it is is none.
    pub fn into_sessions(self) -> impl Iterator<Item = SessionInfo> {
        self.sessions.into_iter().filter_map(|listed| listed.user.map(|user| listed.read(user)))
    }
}

/// Each part with its number, and whether it is the last.
fn parts<S>(sessions: &[S]) -> impl Iterator<Item = (u32, bool, &[S])> {
    let count = sessions.len().div_ceil(PART).max(1);
    (0..count).map(move |part| {
        let end = sessions.len().min((part + 1) * PART);
        (u32::try_from(part).unwrap_or(u32::MAX), part + 1 == count, &sessions[part * PART..end])
    })
}

fn read<T: DeserializeOwned>(json: &str, items: impl Fn(&T) -> usize) -> Result<T, InvalidMessage> {
    if json.len() > MAX_BYTES {
        return Err(InvalidMessage::TooBig(json.len()));
    }
    let message = serde_json::from_str(json)?;
    let items = items(&message);
    if items > MAX_ITEMS { Err(InvalidMessage::TooMany(items)) } else { Ok(message) }
}

impl ListedSession {
    fn new(info: &SessionInfo, user: Option<UserId>) -> Self {
        Self {
            id: info.id,
            user,
            login: info.login,
            transport: info.transport.to_owned(),
            address: info.address,
            since: info.since,
        }
    }

    fn read(self, user: UserId) -> SessionInfo {
        SessionInfo {
            id: self.id,
            user,
            login: self.login,
            transport: transport(&self.transport),
            address: self.address,
            since: self.since,
        }
    }
}

/// Maps a name to one that this version knows.
fn transport(name: &str) -> &'static str {
    ["websocket", "socketio", "tcp"].into_iter().find(|known| *known == name).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn info(session: u128) -> SessionInfo {
        SessionInfo {
            id: SessionId(Uuid::from_u128(session)),
            user: UserId(Uuid::from_u128(7)),
            login: LoginId(Uuid::from_u128(9)),
            transport: "tcp",
            address: IpAddr::from([127, 0, 0, 1]),
            since: Clock::System.now(),
        }
    }

    #[test]
    fn sessions_are_read_as_they_were_written_in_as_many_parts_as_it_takes() {
        for (count, expected) in [(0, 1), (1, 1), (PART, 1), (PART + 1, 2), (3 * PART, 3)] {
            let sessions: Vec<_> = (0..count).map(|session| Box::new(info(session as u128))).collect();
            let lists = SessionList::parts(info(0).user, 5, true, &sessions);
            let replies = Reply::parts(Uuid::nil(), &sessions);
            assert_eq!((lists.len(), replies.len()), (expected, expected));
            let (mut listed, mut found) = (Vec::new(), Vec::new());
            for (at, (list, reply)) in lists.iter().zip(&replies).enumerate() {
                let (list, reply) = (serde_json::to_string(list), serde_json::to_string(reply));
                let (list, reply) = (list.unwrap(), reply.unwrap());
                assert!(list.len() < MAX_BYTES / 2 && reply.len() < MAX_BYTES / 2, "there is room for more");
                let (list, reply) = (SessionList::read(&list).unwrap(), Reply::read(&reply).unwrap());
                assert_eq!((list.asks, list.last, reply.last), (at == 0, at + 1 == expected, list.last));
                listed.extend(list.report().sessions);
                found.extend(reply.into_sessions());
            }
            let sessions: Vec<_> = sessions.into_iter().map(|info| *info).collect();
            assert_eq!((&listed, &found), (&sessions, &sessions));
        }
    }

    #[test]
    fn what_is_too_large_or_too_long_is_refused_and_an_unknown_transport_is_other() {
        let one = ListedSession::new(&info(1), None);
        let list = |count: usize| {
            let sessions = vec![one.clone(); count];
            let list =
                SessionList { user: info(1).user, version: 1, part: 0, last: true, asks: false, sessions };
            serde_json::to_string(&list).unwrap()
        };
        assert!(SessionList::read(&list(MAX_ITEMS)).is_ok());
        assert!(matches!(SessionList::read(&list(MAX_ITEMS + 1)), Err(InvalidMessage::TooMany(_))));
        let padded = format!("{}{}", list(1), " ".repeat(MAX_BYTES));
        assert!(matches!(SessionList::read(&padded), Err(InvalidMessage::TooBig(_))));
        assert!(matches!(SessionList::read("{}"), Err(InvalidMessage::Malformed(_))));
        assert!(matches!(Query::read(r#"{"id":7}"#), Err(InvalidMessage::Malformed(_))));
        let later = list(1).replace("\"tcp\"", "\"carrier pigeon\"");
        assert_eq!(SessionList::read(&later).unwrap().report().sessions[0].transport, "other");
        let nameless = Reply { query: Uuid::nil(), last: true, sessions: vec![one] };
        assert_eq!(nameless.into_sessions().count(), 0);
    }
}
