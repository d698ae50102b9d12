//! The names of rooms: `kind:rest`, such as `chat:lobby`.

use std::fmt;
use std::sync::Arc;

use crate::domain::UserId;

/// Bytes of a room's name, and of a kind's.
const LONGEST: usize = 200;
const LONGEST_KIND: usize = 32;

/// The kind that is not configured: `user:ID`, the rooms in which users are reached themselves.
const USER: &str = "user";

/// The name of a kind of rooms: a lower-case letter, then lower-case letters, digits, `_` and `-`; at most 32. No two `_`
/// in a row, and none at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KindName(Arc<str>);

impl KindName {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let may_follow =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
        let good = text.len() <= LONGEST_KIND
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(may_follow)
            // An environment variable could not name it.
            && !text.contains("__")
            && !text.ends_with('_');
        good.then(|| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A room's name: at most 200 bytes of ASCII letters, digits and `._:@=+-`, with something on both sides of the first
/// colon. Names are compared byte by byte.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// None if it breaks the rules.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let may_have = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@=+-".contains(&byte);
        let (kind, rest) = text.split_once(':')?;
        let good =
            text.len() <= LONGEST && text.bytes().all(may_have) && !kind.is_empty() && !rest.is_empty();
        good.then(|| Self(text.into()))
    }

    /// The room in which a user is reached.
    #[must_use]
    pub fn of_user(user: UserId) -> Self {
        Self(format!("{USER}:{user}").into())
    }

    /// Whether it is of the kind `user`, whose rooms no client joins.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.kind() == USER
    }

    /// Whose room it is, if it is a user's.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        let user: UserId = self.rest().parse().ok()?;
        // An id has other spellings, which are other rooms.
        (self.is_users() && user.to_string() == self.rest()).then_some(user)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is before the first colon.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.parts().0
    }

    /// What is after it.
    #[must_use]
    pub fn rest(&self) -> &str {
        self.parts().1
    }

    fn parts(&self) -> (&str, &str) {
        // A name has a colon.
        self.0.split_once(':').unwrap_or((&self.0, ""))
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_room_is_named_by_its_kind_and_the_rest() {
        let room = RoomName::parse("chat:a:B.c_9@x=+-".replace('_', ".").as_str()).unwrap();
        assert_eq!((room.kind(), room.rest()), ("chat", "a:B.c.9@x=+-"));
        let longest = format!("chat:{}", "x".repeat(195));
        assert!(RoomName::parse(&longest).is_some());
        for bad in [
            "",
            "chat",
            "chat:",
            ":lobby",
            ":",
            "chat:a b",
            "chat:é",
            "chat:a/b",
            "chat:a\n",
            &format!("{longest}x"),
        ] {
            assert_eq!(RoomName::parse(bad), None, "{bad}");
        }
        let user = UserId(uuid::Uuid::from_u128(7));
        assert_eq!(RoomName::of_user(user).user(), Some(user));
        assert_eq!(RoomName::parse("user:x").unwrap().user(), None);
        let braces = RoomName::parse(&format!("user:{}", user.0.simple())).unwrap();
        assert_eq!(braces.user(), None);
    }

    #[test]
    fn a_kind_begins_with_a_letter() {
        for good in ["a", "chat", "order-2_x", &"k".repeat(32)] {
            assert!(KindName::parse(good).is_some(), "{good}");
        }
        for bad in ["", "2x", "-x", "Chat", "chät", "a:b", "a.b", "a__b", "a_", &"k".repeat(33)] {
            assert_eq!(KindName::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_stays_as_it_is(text in "\\PC{0,40}|[a-z]{1,9}:[A-Za-z0-9._:@=+-]{0,200}") {
            if let Some(room) = RoomName::parse(&text) {
                prop_assert_eq!(room.as_str(), &text);
                prop_assert_eq!(format!("{}:{}", room.kind(), room.rest()), text);
            }
        }
    }
}
