//! How much a kind tells of who is in its rooms, and how much a session wants to be told.

use std::str::FromStr;

use serde::Deserialize;

/// What a kind tells of who is in its rooms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PresenceLevel {
    /// Nothing.
    #[default]
    Off,
    /// How many users.
    Count,
    /// Which users.
    Users,
    /// Which users, and each of their sessions.
    Sessions,
}

impl PresenceLevel {
    /// Whether clients may see which users are there.
    #[must_use]
    pub const fn has_list(self) -> bool {
        matches!(self, Self::Users | Self::Sessions)
    }
}

impl FromStr for PresenceLevel {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "off" => Self::Off,
            "count" => Self::Count,
            "users" => Self::Users,
            "sessions" => Self::Sessions,
            _ => return Err(()),
        })
    }
}

/// What a session wants to be told of a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresenceWish {
    #[default]
    None,
    /// How many users there are, whenever that changes.
    Count,
    /// Which users come, go, and change.
    Full,
}
