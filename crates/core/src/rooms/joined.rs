//! The rooms of one session: what it has joined, and what it may still do. A state machine: asked before anything is done,
//! and told when rights change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::presence::PresenceLevel;
use super::refusal::{BAD_ROOM, UNKNOWN_ROOM};
use super::stay::{Grant, Stay, Use, caller};
use super::token::{EXPIRED, NOT_TAKEN, OTHER_ROOM, OTHER_USER, REVOKED};
use super::{
    Bucket, Cause, End, Kind, Kinds, Member, Pace, Refusal, RoomName, RoomToken, Standing, TokenState,
    TokenText,
};
use crate::time::Timestamp;

/// Rooms that a session may have joined at a time.
const MAX_JOINED: usize = 100;

/// Joins of a session.
const JOINS: Pace = Pace { interval: Duration::from_millis(50), burst: 100 };

/// Questions of a session about who is there, and how often it may show something else.
const PRESENCE_ASKED: Pace = Pace { interval: Duration::from_millis(100), burst: 100 };
const PRESENCE_SET: Pace = Pace { interval: Duration::from_millis(200), burst: 20 };

/// Bytes of what a session shows to others.
const PRESENCE_BYTES: usize = 1024;

pub(super) const BANNED: Refusal = Refusal::new("banned", "you are banned from this room");
const NOT_JOINED: Refusal = Refusal::new("not_joined", "the session has not joined this room");
/// Also where there is no such room: what a client may not see, it cannot find.
pub(super) const FORBIDDEN: Refusal = Refusal::new("forbidden", "this is not allowed");

/// A room that was joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    pub room: RoomName,
    pub kind: Arc<Kind>,
    /// What the session may do there besides, as clients are told.
    pub can: &'static [&'static str],
    pub is_new: bool,
    /// When the right to be there ends by itself, or what a token allows there.
    pub until: End,
}

/// A room that a session has left without having asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub room: RoomName,
    pub cause: Cause,
}

/// A message that may be sent.
#[derive(Debug, Clone)]
pub struct Sending {
    pub room: RoomName,
    pub kind: Arc<Kind>,
}

/// A room that was joined, and of which something is asked or told about who is there.
#[derive(Debug, Clone)]
pub struct Watching {
    pub room: RoomName,
    pub kind: Arc<Kind>,
}

/// What a session has joined.
#[derive(Debug, Default)]
pub struct Joined {
    rooms: BTreeMap<RoomName, Stay>,
    joins: Bucket,
    asked: Bucket,
    set: Bucket,
}

impl Joined {
    /// Joins a room, perhaps by a token. Answers what the session may do there besides, and whether it had not joined it
    /// before. A token that is wrong is refused for good, whatever else would let the session in; a good one takes the place
    /// of one that was brought before.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn join(
        &mut self,
        kinds: &Kinds,
        (room, token): (&str, Option<TokenText<'_>>),
        who: Member<'_>,
        now: Instant,
    ) -> Result<Entered, Refusal> {
        let room = RoomName::parse(room).ok_or(BAD_ROOM)?;
        self.joins.take(JOINS, now).map_err(Refusal::later)?;
        let kind = kinds.of(&room).ok_or(UNKNOWN_ROOM)?;
        // A user's own room is joined from the beginning, and no other is to be.
        if room.is_users() {
            return Err(FORBIDDEN);
        }
        let standing = (who.standing)(&room);
        if standing.banned {
            return Err(BANNED);
        }
        let token = match token {
            Some(text) => Some(brought(&kind, &room, text, who)?),
            None => self.rooms.get(&room).and_then(|stay| stay.token.clone()),
        };
        let by_token = Use::Join.allowed_by(token.as_deref(), who);
        let right = kind.join.right(&room, &caller(who, &standing, false, by_token)).ok_or(FORBIDDEN)?;
        self.insert((room, kind), who, &standing, (Grant::Policy(right), token))
    }

    /// Takes the room in, if there are not too many.
    pub(super) fn insert(
        &mut self,
        (room, kind): (RoomName, Arc<Kind>),
        who: Member<'_>,
        standing: &Standing,
        (grant, token): (Grant, Option<Arc<RoomToken>>),
    ) -> Result<Entered, Refusal> {
        let before = self.rooms.get(&room);
        let is_new = before.is_none();
        if is_new && self.rooms.len() >= MAX_JOINED {
            return Err(Refusal::new("too_many_rooms", "a session can join at most 100 rooms"));
        }
        let asks = |use_: Use| caller(who, standing, true, use_.allowed_by(token.as_deref(), who));
        let can: &[_] = match (
            kind.send.allows(&room, &asks(Use::Send)),
            kind.shows_presence(&room, &asks(Use::Presence)),
        ) {
            (true, true) => &["send", "presence"],
            (true, false) => &["send"],
            (false, true) => &["presence"],
            (false, false) => &[],
        };
        let grant = match before {
            // The application's word remains.
            Some(Stay { grant: Grant::App, .. }) => Grant::App,
            _ => grant,
        };
        let mut stay = Stay { kind: Arc::clone(&kind), grant, token, told: false };
        let until = stay.ends();
        stay.told = before.is_some_and(|before| before.told && before.ends() == until);
        self.rooms.insert(room.clone(), stay);
        Ok(Entered { room, kind, can, is_new, until })
    }

    /// The token by which a session is in a room, if it has brought one.
    #[must_use]
    pub fn token(&self, room: &RoomName) -> Option<&Arc<RoomToken>> {
        self.rooms.get(room)?.token.as_ref()
    }

    /// Until when a token of the session allows something in a room.
    fn by_token(&self, room: &RoomName, use_: Use, who: Member<'_>) -> End {
        use_.allowed_by(self.token(room).map(Arc::as_ref), who)
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn leave(&mut self, room: &str) -> Result<RoomName, Refusal> {
        let room = RoomName::parse(room).ok_or(BAD_ROOM)?;
        match self.rooms.remove(&room) {
            Some(_) => Ok(room),
            None => Err(NOT_JOINED),
        }
    }

    /// The room was not joined after all.
    pub fn forget(&mut self, room: &RoomName) {
        self.rooms.remove(room);
    }

    /// Leaves all rooms. How many joins there were still counts.
    pub fn leave_all(&mut self) -> Vec<RoomName> {
        std::mem::take(&mut self.rooms).into_keys().collect()
    }

    /// Whether so many bytes of data may be sent to a room. How often is another question.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn send(&self, kinds: &Kinds, room: &str, bytes: usize, who: Member<'_>) -> Result<Sending, Refusal> {
        let room = RoomName::parse(room).ok_or(BAD_ROOM)?;
        if room.is_users() && room.user().is_none() {
            // No session is in such a room.
            return Err(Refusal::new(
                "bad_room",
                "`user` is the id of a user, in lower case and with hyphens",
            ));
        }
        let kind = kinds.of(&room).ok_or(UNKNOWN_ROOM)?;
        let standing = (who.standing)(&room);
        if standing.banned {
            return Err(BANNED);
        }
        let joined = self.has(&room) || room.user() == Some(who.user);
        let by_token = self.by_token(&room, Use::Send, who);
        if !kind.send.allows(&room, &caller(who, &standing, joined, by_token)) {
            return Err(FORBIDDEN);
        }
        if bytes > kind.max_data {
            return Err(Refusal::new("too_large", "`data` is larger than rooms of this kind allow"));
        }
        Ok(Sending { room, kind })
    }

    /// Whether the session may ask who is in a room.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn ask_presence(&mut self, room: &str, who: Member<'_>, now: Instant) -> Result<Watching, Refusal> {
        self.asked.take(PRESENCE_ASKED, now).map_err(Refusal::later)?;
        let watching = self.with_presence(room)?;
        let standing = (who.standing)(&watching.room);
        let by_token = self.by_token(&watching.room, Use::Presence, who);
        if watching.kind.shows_presence(&watching.room, &caller(who, &standing, true, by_token)) {
            Ok(watching)
        } else {
            Err(FORBIDDEN)
        }
    }

    /// Whether the session may show so many bytes to others in a room.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn set_presence(&mut self, room: &str, bytes: usize, now: Instant) -> Result<Watching, Refusal> {
        self.set.take(PRESENCE_SET, now).map_err(Refusal::later)?;
        let watching = self.with_presence(room)?;
        if !watching.kind.presence.level.has_list() {
            return Err(Refusal::new("no_presence", "rooms of this kind only tell how many users are there"));
        }
        if bytes > PRESENCE_BYTES {
            return Err(Refusal::new("too_large", "`set` has at most 1024 bytes"));
        }
        Ok(watching)
    }

    fn with_presence(&self, room: &str) -> Result<Watching, Refusal> {
        let room = RoomName::parse(room).ok_or(BAD_ROOM)?;
        let kind = self.rooms.get(&room).map(|stay| Arc::clone(&stay.kind)).ok_or(NOT_JOINED)?;
        if kind.presence.level == PresenceLevel::Off {
            return Err(Refusal::new("no_presence", "rooms of this kind do not tell who is there"));
        }
        Ok(Watching { room, kind })
    }

    /// The rooms that the session may not be in any more, as its roles and the rows are now. It has left them.
    pub fn reevaluate(&mut self, who: Member<'_>, now: Timestamp) -> Vec<Lost> {
        let mut lost = Vec::new();
        self.rooms.retain(|room, stay| {
            let cause = stay.reevaluate(room, who, now);
            lost.extend(cause.map(|cause| Lost { room: room.clone(), cause }));
            cause.is_none()
        });
        lost
    }

    /// The rooms in which a right ends soon, each once, and when.
    pub fn expiring(&mut self, now: Timestamp) -> Vec<(RoomName, Timestamp)> {
        let mut expiring = Vec::new();
        for (room, stay) in &mut self.rooms {
            let is_near = !stay.told && stay.notice().is_some_and(|notice| notice <= now);
            if let Some(until) = stay.ends().filter(|until| is_near && now < *until) {
                stay.told = true;
                expiring.push((room.clone(), until));
            }
        }
        expiring
    }

    /// When to ask next what ends: for [`Joined::expiring`] and [`Joined::reevaluate`].
    #[must_use]
    pub fn deadline(&self) -> End {
        let next = |stay: &Stay| if stay.told { stay.ends() } else { stay.notice() };
        self.rooms.values().filter_map(next).min()
    }

    /// Whether it has joined this room.
    #[must_use]
    pub fn has(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    /// When the right to be in this room ends by itself.
    #[must_use]
    pub fn until(&self, room: &RoomName) -> End {
        self.rooms.get(room).and_then(|stay| stay.grant.until())
    }

    /// Whether the application has joined this room for the session: then no policy ends that.
    #[must_use]
    pub fn is_by_app(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|stay| matches!(stay.grant, Grant::App))
    }

    /// Counts a question about a room that needs a query as a join.
    ///
    /// # Errors
    /// [`Refusal`] if there were too many; then it does not count.
    pub fn count_question(&mut self, now: Instant) -> Result<(), Refusal> {
        self.joins.take(JOINS, now).map_err(Refusal::later)
    }

    /// Whether the next join is allowed. It does not count yet.
    ///
    /// # Errors
    /// [`Refusal`] if there were too many.
    pub fn may_join(&self, now: Instant) -> Result<(), Refusal> {
        let mut joins = self.joins;
        joins.take(JOINS, now).map_err(Refusal::later)
    }

    /// What it has joined, in the order of names.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.keys()
    }
}

/// What a session has brought for a room.
fn brought(
    kind: &Kind,
    room: &RoomName,
    text: TokenText<'_>,
    who: Member<'_>,
) -> Result<Arc<RoomToken>, Refusal> {
    if !kind.takes_tokens() {
        return Err(NOT_TAKEN);
    }
    let token = who.tokens.verify(text)?;
    if token.user != who.user {
        return Err(OTHER_USER);
    }
    if !token.rooms.cover(room) {
        return Err(OTHER_ROOM);
    }
    match who.tokens.state(&token) {
        TokenState::Good => Ok(Arc::new(token)),
        TokenState::Expired => Err(EXPIRED),
        TokenState::Revoked => Err(REVOKED),
    }
}

#[cfg(test)]
#[path = "joined_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "joined_token_tests.rs"]
mod token_tests;
