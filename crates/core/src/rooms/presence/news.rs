//! What nodes tell each other about who is in a room. Each is the only one that speaks for its sessions: it answers
//! its whole list when it is asked, and numbers what changes from then on. What is read here, anyone who reaches the
//! bus may have written.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::user::MOST_SESSIONS;
use super::{PresenceData, PresenceLevel, PresentSession, PresentUser};
use crate::domain::{SessionId, UserId};
use crate::rooms::compact;

/// Bytes of what a session shows.
pub(crate) const MOST_DATA: usize = 1024;

/// Bytes of a username of which another node takes notice.
const LONGEST_NAME: usize = 256;

/// What a node tells of its sessions in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceNews {
    /// Asks all others for their lists.
    Ask,
    /// A part of the list, as of this number.
    List { life: u64, n: u64, part: u32, last: bool, users: Vec<NewsUser> },
    /// What has changed since the number before.
    Diff { life: u64, n: u64, users: Vec<NewsUser> },
    /// Nothing has changed since this number.
    Still { life: u64, n: u64 },
}

/// A user as a node tells of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsUser {
    pub user: UserId,
    /// Without it, the user is not there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<NewsSession>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct NewsSession {
    session: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data: Option<PresenceData>,
    #[serde(default)]
    at: u64,
}

impl NewsUser {
    pub(super) fn new(user: UserId, present: Option<PresentUser>) -> Self {
        let Some(PresentUser { username, sessions }) = present else {
            return Self { user, username: None, sessions: Vec::new() };
        };
        let sessions = sessions.into_iter();
        let sessions = sessions.map(|PresentSession { session, data, set_at }| NewsSession {
            session,
            data,
            at: set_at,
        });
        Self { user, username: Some(username.to_string()), sessions: sessions.collect() }
    }

    /// About how many bytes it takes to write this.
    pub(super) fn size(&self) -> usize {
        let sessions =
            self.sessions.iter().map(|one| 90 + one.data.as_ref().map_or(0, |data| data.as_str().len()));
        80 + self.username.as_ref().map_or(0, String::len) + sessions.sum::<usize>()
    }

    /// The user, as far as what is said is within bounds. None is one who is not there.
    pub(super) fn read(self, level: PresenceLevel) -> Option<PresentUser> {
        let username = self.username.filter(|name| name.len() <= LONGEST_NAME)?;
        let mut sessions: Vec<_> = self
            .sessions
            .into_iter()
            .take(if level.has_list() { MOST_SESSIONS } else { 0 })
            .map(|NewsSession { session, data, at }| PresentSession {
                session,
                data: data.and_then(within_bounds),
                set_at: at,
            })
            .collect();
        sessions.sort_by_key(|one| one.session);
        sessions.dedup_by_key(|one| one.session);
        Some(PresentUser { username: username.into(), sessions })
    }
}

/// What a node of this version could have said.
fn within_bounds(data: PresenceData) -> Option<PresenceData> {
    let written = compact(data.as_str()).ok().filter(|written| written.len() <= MOST_DATA)?;
    if written == data.as_str() {
        return Some(data);
    }
    RawValue::from_string(written).ok().map(PresenceData::new)
}
