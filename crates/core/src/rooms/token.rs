//! Room tokens: what an application's backend has signed that a user may do in its rooms. Pure: signatures are verified
//! elsewhere, before the claims are read here.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Deserializer};

use super::{KindName, Refusal, RoomName};
use crate::domain::UserId;
use crate::time::Timestamp;

/// Bytes of a room token.
pub const LONGEST_TOKEN: usize = 4096;

/// How long a token may be valid, from `iat` to `exp`: so long a revocation is remembered.
pub const LONGEST_TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

/// How far the clock of the backend may be ahead.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Bytes of a token's `jti`.
pub const LONGEST_TOKEN_ID: usize = 128;

const fn bad(detail: &'static str) -> Refusal {
    Refusal::new("bad_token", detail)
}

/// The signature or the form is wrong; the claims are not known to be anyone's.
pub const NO_TOKEN: Refusal = bad("this is not a room token that the application has signed");
pub const TOO_LONG: Refusal = bad("a room token has at most 4096 bytes");
pub(super) const NOT_TAKEN: Refusal = bad("rooms of this kind take no tokens");
pub(super) const OTHER_USER: Refusal = bad("the token is for another user");
const NO_USER: Refusal = bad("`sub` of the token is not a user's id, in lower case and with hyphens");
pub(super) const OTHER_ROOM: Refusal = bad("the token is for another room");
pub(super) const REVOKED: Refusal = bad("the token was revoked: get a new one");
pub(super) const EXPIRED: Refusal = Refusal::new("token_expired", "the token has expired: get a new one");

/// A token's text, as a client has sent it. A secret: it stays out of logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenText<'a>(pub &'a str);

impl fmt::Debug for TokenText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText")
    }
}

/// The rooms that a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRooms {
    One(RoomName),
    /// All whose names begin with this, which contains the kind and its colon.
    Beginning(Box<str>),
}

impl TokenRooms {
    /// A room's name, or `KIND:PREFIX*`. The prefix may be empty; the kind may not, and is never a part of a name: a `*` is
    /// only at the end and after a colon.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let Some(beginning) = text.strip_suffix('*') else { return RoomName::parse(text).map(Self::One) };
        let (kind, prefix) = beginning.split_once(':')?;
        // A room of that name is within the rules for names.
        RoomName::parse(&format!("{kind}:{prefix}x"))?;
        KindName::parse(kind).map(|_| Self::Beginning(beginning.into()))
    }

    #[must_use]
    pub fn cover(&self, room: &RoomName) -> bool {
        match self {
            Self::One(one) => one == room,
            Self::Beginning(beginning) => room.as_str().starts_with(&**beginning),
        }
    }
}

/// What may be done by a token besides being in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenOps {
    pub send: bool,
    pub presence: bool,
}

/// A token whose signature was verified. Whether it has ended is another question: see [`TokenCheck::state`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomToken {
    pub user: UserId,
    pub rooms: TokenRooms,
    pub ops: TokenOps,
    /// The `jti`, by which it can be revoked alone.
    pub id: Option<Box<str>>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Whether a token still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    Good,
    Expired,
    Revoked,
}

/// Tokens that an operator or a backend takes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokedTokens {
    /// The one with this `jti`.
    One(Box<str>),
    /// All that were issued before, by their `iat`: of one user, or of all.
    IssuedBefore(Timestamp, Option<UserId>),
}

/// Knows the application's keys, the time, and what was revoked.
pub trait TokenCheck {
    /// Reads what a client has brought.
    ///
    /// # Errors
    /// [`Refusal`] if the signature or a claim is wrong.
    fn verify(&self, token: TokenText<'_>) -> Result<RoomToken, Refusal>;

    /// Whether a token that was verified counts now.
    fn state(&self, token: &RoomToken) -> TokenState;
}

/// The claims of a token as its JSON has them. Others are ignored (RFC 7519 section 4.3).
#[derive(Debug, Clone, Deserialize)]
pub struct TokenClaims {
    sub: Box<str>,
    room: Box<str>,
    #[serde(default)]
    ops: Option<Vec<Box<str>>>,
    exp: NumericDate,
    iat: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    jti: Option<Box<str>>,
    #[serde(default)]
    aud: Option<Audience>,
}

/// Seconds since 1970, which may have a fraction (RFC 7519 section 2); it is cut off.
#[derive(Debug, Clone, Copy)]
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        // Saturates, and such a time is none.
        #[expect(clippy::cast_possible_truncation, reason = "seconds of this era have no more digits")]
        let at = chrono::DateTime::from_timestamp(seconds.floor() as i64, 0);
        at.map(|at| Self(at.naive_utc())).ok_or_else(|| serde::de::Error::custom("no time"))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(Box<str>),
    Several(Vec<Box<str>>),
}

impl Audience {
    fn names(&self, server: &str) -> bool {
        // The public address is written with and without a slash at its end.
        let is_server = |name: &str| name.trim_end_matches('/') == server;
        match self {
            Self::One(name) => is_server(name),
            Self::Several(names) => names.iter().any(|name| is_server(name)),
        }
    }
}

impl TokenClaims {
    /// What a token with these claims is for. `server` is the server's own address without a slash at its end, which must be
    /// among those that `aud` names, if there is an `aud`.
    ///
    /// # Errors
    /// [`Refusal`]: what is wrong, in words for the developer of the backend. They tell nothing that is not in the token.
    pub fn read(self, server: &str, now: Timestamp) -> Result<RoomToken, Refusal> {
        let (issued_at, expires_at) = (self.iat.0, self.exp.0);
        // Ids have one spelling here, as in the names of rooms.
        let user: Option<UserId> = self.sub.parse().ok();
        let user = user.filter(|user| *user.to_string() == *self.sub).ok_or(NO_USER)?;
        if self.aud.is_some_and(|aud| !aud.names(server)) {
            return Err(bad("`aud` of the token is not this server's public address"));
        }
        if issued_at > now + LEEWAY || self.nbf.is_some_and(|nbf| nbf.0 > now + LEEWAY) {
            return Err(bad("the token is not valid yet: check the clock of the backend"));
        }
        if expires_at - issued_at > LONGEST_TOKEN_LIFE {
            return Err(bad("the token is valid for more than 24 hours, from `iat` to `exp`"));
        }
        if self.jti.as_ref().is_some_and(|id| id.is_empty() || id.len() > LONGEST_TOKEN_ID) {
            return Err(bad("`jti` of the token has 1 to 128 bytes"));
        }
        Ok(RoomToken {
            rooms: TokenRooms::parse(&self.room)
                .ok_or(bad("`room` of the token is neither a room's name nor `kind:prefix*`"))?,
            ops: ops(self.ops).ok_or(bad("`ops` of the token is a list of `send` and `presence`"))?,
            user,
            id: self.jti,
            issued_at,
            expires_at,
        })
    }
}

/// Without a list it is for all that policies allow by a token. A word that is not known grants nothing, and is a mistake.
fn ops(listed: Option<Vec<Box<str>>>) -> Option<TokenOps> {
    let Some(listed) = listed else { return Some(TokenOps { send: true, presence: true }) };
    let mut ops = TokenOps { send: false, presence: false };
    for op in listed {
        match &*op {
            "send" => ops.send = true,
            "presence" => ops.presence = true,
            _ => return None,
        }
    }
    Some(ops)
}

/// Refuses all, for tests of what has nothing to do with tokens.
#[cfg(test)]
pub(super) struct NoTokens;

#[cfg(test)]
impl TokenCheck for NoTokens {
    fn verify(&self, _: TokenText<'_>) -> Result<RoomToken, Refusal> {
        Err(NO_TOKEN)
    }

    fn state(&self, _: &RoomToken) -> TokenState {
        TokenState::Good
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
