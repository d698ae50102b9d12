//! The options of a kind of rooms, as the operator has set them.

use std::collections::HashMap;
use std::sync::Arc;

use super::presence::{PresenceLevel, PresenceOptions};
use super::{Caller, KindName, Pace, Policy, RoomName};

/// The options of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    pub join: Policy,
    pub send: Policy,
    /// Sessions of one node that may have joined a room at a time.
    pub max_joined: usize,
    /// Bytes of `data` in a message.
    pub max_data: usize,
    /// How often a session may send to rooms of this kind; none without a limit.
    pub pace: Option<Pace>,
    /// A client that reads too slowly misses messages, where it would be closed otherwise.
    pub lossy: bool,
    /// What is told of who is there.
    pub presence: PresenceOptions,
    /// Who is told it, of the sessions that have joined.
    pub see_presence: Policy,
}

impl Kind {
    /// Whether a session that has joined the room is told who is there.
    #[must_use]
    pub fn shows_presence(&self, room: &RoomName, caller: &Caller<'_>) -> bool {
        self.presence.level != PresenceLevel::Off && self.see_presence.allows(room, caller)
    }

    /// Whether what a user may do in its rooms depends on who is a member.
    #[must_use]
    pub fn asks_for_members(&self) -> bool {
        [&self.join, &self.send, &self.see_presence].iter().any(|policy| policy.asks_for_members())
    }
}

/// All kinds, by name.
#[derive(Debug, Clone, Default)]
pub struct Kinds(Arc<HashMap<KindName, Arc<Kind>>>);

impl Kinds {
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = (KindName, Kind)>) -> Self {
        Self(Arc::new(kinds.into_iter().map(|(name, kind)| (name, Arc::new(kind))).collect()))
    }

    /// Whether there are none: then the protocol has no word about rooms.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The kind of a room, if it is one that there is.
    #[must_use]
    pub fn of(&self, room: &RoomName) -> Option<Arc<Kind>> {
        self.0.get(&KindName::parse(room.kind())?).cloned()
    }

    #[must_use]
    pub fn has(&self, kind: &KindName) -> bool {
        self.0.contains_key(kind)
    }
}
