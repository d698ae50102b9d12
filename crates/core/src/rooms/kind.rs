//! The options of a kind of rooms, as the operator has set them.

use std::collections::HashMap;
use std::sync::Arc;

use super::presence::{PresenceLevel, PresenceOptions};
use super::refusal::{BAD_ROOM, UNKNOWN_ROOM};
use super::{Caller, KindName, Pace, Policy, Refusal, RoomAction, RoomName, Rule};

/// The options of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    pub join: Policy,
    pub send: Policy,
    /// Sessions of one node that may have joined a room at a time.
    pub max_joined: usize,
    /// Bytes of `data` in a message.
    pub max_data: usize,
    /// How often a user may send to rooms of this kind; none without a limit.
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

    /// Whether a room token can allow anything in its rooms.
    #[must_use]
    pub fn takes_tokens(&self) -> bool {
        [&self.join, &self.send, &self.see_presence].iter().any(|policy| policy.takes_tokens())
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

    /// The room of this name, and its kind.
    ///
    /// # Errors
    /// [`Refusal`]: it is not the name of a room, or there is no such kind.
    pub fn find(&self, room: &str) -> Result<(RoomName, Arc<Kind>), Refusal> {
        let room = RoomName::parse(room).ok_or(BAD_ROOM)?;
        let kind = self.of(&room).ok_or(UNKNOWN_ROOM)?;
        Ok((room, kind))
    }

    /// Adds an application's rule to a kind, in place of any that it had. None if there is no such kind.
    #[must_use]
    pub fn with_rule(&self, name: &KindName, rule: &Rule) -> Option<Self> {
        let mut kinds = HashMap::clone(&self.0);
        let kind = kinds.get_mut(name)?;
        let join = kind.join.with_rule(RoomAction::Join, rule);
        let send = kind.send.with_rule(RoomAction::Send, rule);
        *kind = Arc::new(Kind { join, send, ..Kind::clone(kind) });
        Some(Self(Arc::new(kinds)))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::{Caller, Entry, RoomVerdict};
    use super::*;
    use crate::domain::{Roles, UserId};

    #[test]
    fn a_rule_comes_before_the_entries_of_its_kind() {
        let anyone = || Policy::new(vec![Entry::Anyone]);
        let kind = |join, send| Kind {
            join,
            send,
            max_joined: 10,
            max_data: 100,
            pace: None,
            lossy: false,
            presence: PresenceOptions::default(),
            see_presence: anyone(),
        };
        let name = |text| KindName::parse(text).unwrap();
        let kinds = Kinds::new([
            (name("order"), kind(Policy::new(Vec::new()), anyone())),
            (name("chat"), kind(anyone(), anyone())),
        ]);
        let rule = Rule::new(|question| match (question.action, question.rest) {
            (RoomAction::Join, "mine") => RoomVerdict::Yes,
            (RoomAction::Send, "closed") => RoomVerdict::No,
            _ => RoomVerdict::AsConfigured,
        });
        let kinds = kinds.with_rule(&name("order"), &rule).unwrap();
        assert!(kinds.with_rule(&name("other"), &rule).is_none());
        let roles = Roles::default();
        let caller =
            Caller { user: UserId(Uuid::nil()), roles: &roles, joined: false, member: None, token: None };
        for (room, joins, sends) in [
            ("order:mine", true, true),
            ("order:other", false, true),
            ("order:closed", false, false),
            ("chat:closed", true, true),
        ] {
            let room = RoomName::parse(room).unwrap();
            let kind = kinds.of(&room).unwrap();
            let both = (kind.join.allows(&room, &caller), kind.send.allows(&room, &caller));
            assert_eq!(both, (joins, sends), "{room}");
        }
    }
}
