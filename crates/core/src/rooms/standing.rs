//! What rows say of a user and a room: a membership, a ban, and what has ended what a session had joined.

use std::fmt;

use super::{KindName, RoomName};
use crate::time::Timestamp;

/// When a right or a ban ends; none without an end.
pub type End = Option<Timestamp>;

/// What a user is to a room at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Up to when the user is a member, if so.
    pub member: Option<End>,
    /// Comes before every policy.
    pub banned: bool,
    /// The user was removed from the room since the session was last told. May join again.
    pub kicked: bool,
    /// The same for all users.
    pub closed: bool,
}

impl Standing {
    /// A membership and the ends of bans, as rows have them, at `now`.
    #[must_use]
    pub fn at(now: Timestamp, member: Option<End>, bans: impl IntoIterator<Item = End>) -> Self {
        Self {
            member: member.filter(|end| lasts(*end, now)),
            banned: bans.into_iter().any(|end| lasts(end, now)),
            ..Self::default()
        }
    }

    /// Why a session leaves a room that it has joined, whatever the policy says.
    #[must_use]
    pub const fn ends(&self) -> Option<Cause> {
        match self {
            Self { banned: true, .. } => Some(Cause::Banned),
            Self { closed: true, .. } => Some(Cause::Closed),
            Self { kicked: true, .. } => Some(Cause::Kicked),
            _ => None,
        }
    }
}

fn lasts(end: End, now: Timestamp) -> bool {
    end.is_none_or(|end| now < end)
}

/// Why a session leaves a room without having asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its user is no member any more.
    Removed,
    /// Its user was put out, and may come back.
    Kicked,
    Banned,
    /// All were put out.
    Closed,
    /// Its user's membership has ended by itself.
    Expired,
    /// The token by which it was there has expired.
    TokenExpired,
    /// The token by which it was there was revoked.
    TokenRevoked,
    /// Its user's roles do not suffice any more.
    Policy,
}

impl Cause {
    /// The `code` of `left`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Removed | Self::Kicked => "removed",
            Self::Banned => "banned",
            Self::Closed => "closed",
            Self::Expired | Self::TokenExpired => "expired",
            Self::TokenRevoked => "revoked",
            Self::Policy => "policy",
        }
    }

    /// The `reason` of `left`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Removed => "you are not a member of this room any more",
            Self::Kicked => "you were removed from this room",
            Self::Banned => "you are banned from this room",
            Self::Closed => "this room was closed",
            Self::Expired => "your membership of this room has ended",
            Self::TokenExpired => "your token for this room has expired",
            Self::TokenRevoked => "your token for this room was revoked",
            Self::Policy => "your roles do not allow this room any more",
        }
    }

    /// What a client can do: the `rejoin` of `left`.
    #[must_use]
    pub const fn rejoin(self) -> &'static str {
        match self {
            Self::Kicked => "backoff",
            Self::TokenExpired | Self::TokenRevoked => "new_token",
            Self::Removed | Self::Banned | Self::Closed | Self::Expired | Self::Policy => "never",
        }
    }
}

/// What a ban is about: one room, or all rooms of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    Room(RoomName),
    Kind(KindName),
}

impl Scope {
    /// A room's name, or `KIND:*`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix(":*") {
            Some(kind) => KindName::parse(kind).map(Self::Kind),
            None => RoomName::parse(text).map(Self::Room),
        }
    }

    /// The name of the kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::Room(room) => room.kind(),
            Self::Kind(kind) => kind.as_str(),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Room(room) => room.fmt(f),
            Self::Kind(kind) => write!(f, "{}:*", kind.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::seconds(seconds)
    }

    #[test]
    fn what_has_ended_counts_no_more() {
        let standing = |now, member, bans: &[End]| Standing::at(at(now), member, bans.iter().copied());
        assert_eq!(standing(5, Some(Some(at(6))), &[]).member, Some(Some(at(6))));
        assert_eq!(standing(6, Some(Some(at(6))), &[]).member, None);
        assert_eq!(standing(6, Some(None), &[]).member, Some(None));
        assert!(standing(5, None, &[Some(at(1)), Some(at(6))]).banned);
        assert!(!standing(6, None, &[Some(at(1)), Some(at(6))]).banned);
        assert!(standing(6, None, &[Some(at(1)), None]).banned);
    }

    #[test]
    fn a_ban_is_of_a_room_or_of_a_kind() {
        for text in ["chat:lobby", "chat:*", "user:*", "order-2:7:x"] {
            assert_eq!(Scope::parse(text).unwrap().to_string(), text);
        }
        for text in ["chat", "*", ":*", "chat:a*", "Chat:*", "chat:*:x", "chat:**", ""] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            if let Some(scope) = Scope::parse(&text) {
                prop_assert_eq!(scope.to_string(), text);
            }
        }
    }
}
