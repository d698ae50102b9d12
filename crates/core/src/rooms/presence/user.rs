//! A user in a room: as one node knows them, and as clients are shown them.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::PresenceLevel;
use crate::domain::{SessionId, SharedText, UserId};

/// What a session has set: JSON.
#[derive(Debug, Clone)]
pub struct PresenceData(Arc<RawValue>);

impl PresenceData {
    #[must_use]
    pub fn new(json: Box<RawValue>) -> Self {
        Self(json.into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for PresenceData {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for PresenceData {}

impl Serialize for PresenceData {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PresenceData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::new)
    }
}

/// A user in a room, as one node knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentUser {
    pub username: SharedText,
    /// In the order of ids, as many as are shown. Of a kind that shows no sessions, only the one that has set its data last,
    /// if any has.
    pub sessions: Vec<PresentSession>,
}

/// One of the user's sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentSession {
    pub session: SessionId,
    pub data: Option<PresenceData>,
    /// When the data was set: milliseconds, and never the same twice on a node.
    pub set_at: u64,
}

/// The session that has set its data last.
pub(super) fn latest<'a>(sessions: impl Iterator<Item = &'a PresentSession>) -> Option<&'a PresentSession> {
    sessions.filter(|session| session.data.is_some()).max_by_key(|session| (session.set_at, session.session))
}

/// Sessions of a user that others are shown: so one user's part of a list is bounded.
pub(super) const MOST_SESSIONS: usize = 16;

/// Those that have set something last, or else began last; in the order of ids, each once.
pub(super) fn newest<'a>(sessions: impl Iterator<Item = &'a PresentSession>) -> Vec<&'a PresentSession> {
    let mut all: Vec<_> = sessions.collect();
    all.sort_by_key(|one| (one.session, one.set_at));
    all.dedup_by_key(|one| one.session);
    if all.len() > MOST_SESSIONS {
        all.sort_by_key(|one| (one.set_at, one.session));
        all.drain(..all.len() - MOST_SESSIONS);
        all.sort_by_key(|one| one.session);
    }
    all
}

/// A user in a room, as clients are shown them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownUser {
    pub username: SharedText,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// What was set last, by whichever of the user's sessions.
    Data(Option<PresenceData>),
    /// What each of the user's sessions has set.
    Sessions(Vec<(SessionId, Option<PresenceData>)>),
}

impl ShownUser {
    /// Puts together what the nodes know. None if no node has the user.
    pub(super) fn merge<'a>(
        level: PresenceLevel,
        nodes: impl Iterator<Item = &'a PresentUser> + Clone,
    ) -> Option<Self> {
        let username = nodes.clone().next()?.username.clone();
        let sessions = nodes.flat_map(|user| &user.sessions);
        let state = if level == PresenceLevel::Sessions {
            State::Sessions(newest(sessions).iter().map(|one| (one.session, one.data.clone())).collect())
        } else {
            State::Data(latest(sessions).and_then(|session| session.data.clone()))
        };
        Some(Self { username, state })
    }

    /// About how many bytes it takes to write this.
    pub(super) fn size(&self) -> usize {
        let length = |data: &Option<PresenceData>| data.as_ref().map_or(0, |data| data.as_str().len());
        let state = match &self.state {
            State::Data(data) => length(data),
            State::Sessions(sessions) => sessions.iter().map(|(_, data)| 70 + length(data)).sum(),
        };
        80 + self.username.len() + state
    }
}

/// A user and what is shown of them: an object with `user`, `username`, and `data` or `sessions`.
pub(super) struct Line<'a>(pub UserId, pub &'a ShownUser);

#[derive(Serialize)]
struct Written<'a> {
    user: UserId,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a PresenceData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<WrittenSession<'a>>>,
}

#[derive(Serialize)]
struct WrittenSession<'a> {
    session: SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a PresenceData>,
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(user, ShownUser { username, state }) = self;
        let written = Written { user: *user, username, data: None, sessions: None };
        let written = match state {
            State::Data(data) => Written { data: data.as_ref(), ..written },
            State::Sessions(all) => {
                let all = all
                    .iter()
                    .map(|(session, data)| WrittenSession { session: *session, data: data.as_ref() });
                Written { sessions: Some(all.collect()), ..written }
            }
        };
        written.serialize(serializer)
    }
}
