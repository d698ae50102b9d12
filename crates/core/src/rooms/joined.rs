//! The rooms of one session: what it has joined, and what it may still do. A state machine: asked before anything is done,
//! and told when rights change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use super::presence::PresenceLevel;
use super::refusal::{BAD_ROOM, UNKNOWN_ROOM};
use super::{Bucket, Caller, Cause, End, Kind, Kinds, Pace, Refusal, Right, RoomName, Standing};
use crate::domain::{Roles, UserId};
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
/// How long before the end of a right its session is told.
const NOTICE: TimeDelta = TimeDelta::seconds(60);
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
    /// When the right to be there ends by itself.
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

/// Who a session is.
#[derive(Clone, Copy)]
pub struct Member<'a> {
    pub user: UserId,
    pub roles: &'a Roles,
    /// What the rows say of the user and a room.
    pub standing: &'a dyn Fn(&RoomName) -> Standing,
}

/// What a session has joined.
#[derive(Debug, Default)]
pub struct Joined {
    rooms: BTreeMap<RoomName, Stay>,
    joins: Bucket,
    asked: Bucket,
    set: Bucket,
}

/// A room that a session has joined, and by which right.
#[derive(Debug)]
struct Stay {
    kind: Arc<Kind>,
    grant: Grant,
    /// The session was told that its right ends soon.
    told: bool,
}

/// By what right a session is in a room.
#[derive(Debug, Clone, Copy)]
pub(super) enum Grant {
    /// By its kind's policy, which is asked again whenever what the user may do has changed.
    Policy(Right),
    /// The application has joined it, whatever the policy says.
    App,
}

impl Grant {
    const fn until(self) -> End {
        match self {
            Self::Policy(right) => right.until,
            Self::App => None,
        }
    }
}

impl Joined {
    /// Joins a room. Answers what the session may do there besides, and whether it had not joined it before.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn join(
        &mut self,
        kinds: &Kinds,
        room: &str,
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
        let right = kind.join.right(&room, &caller(who, &standing, false)).ok_or(FORBIDDEN)?;
        self.insert((room, kind), who, &standing, Grant::Policy(right))
    }

    /// Takes the room in, if there are not too many.
    pub(super) fn insert(
        &mut self,
        (room, kind): (RoomName, Arc<Kind>),
        who: Member<'_>,
        standing: &Standing,
        grant: Grant,
    ) -> Result<Entered, Refusal> {
        let is_new = !self.rooms.contains_key(&room);
        if is_new && self.rooms.len() >= MAX_JOINED {
            return Err(Refusal::new("too_many_rooms", "a session can join at most 100 rooms"));
        }
        let can: &[_] = match (
            kind.send.allows(&room, &caller(who, standing, true)),
            kind.shows_presence(&room, &caller(who, standing, true)),
        ) {
            (true, true) => &["send", "presence"],
            (true, false) => &["send"],
            (false, true) => &["presence"],
            (false, false) => &[],
        };
        let before = self.rooms.get(&room);
        let grant = match before {
            // The application's word remains.
            Some(Stay { grant: Grant::App, .. }) => Grant::App,
            _ => grant,
        };
        let until = grant.until();
        let told = before.is_some_and(|stay| stay.told && stay.grant.until() == until);
        self.rooms.insert(room.clone(), Stay { kind: Arc::clone(&kind), grant, told });
        Ok(Entered { room, kind, can, is_new, until })
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
        if !kind.send.allows(&room, &caller(who, &standing, joined)) {
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
        if watching.kind.shows_presence(&watching.room, &caller(who, &standing, true)) {
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

    /// The rooms whose right ends soon, each once, and when.
    pub fn expiring(&mut self, now: Timestamp) -> Vec<(RoomName, Timestamp)> {
        let mut expiring = Vec::new();
        for (room, stay) in &mut self.rooms {
            if let Some(until) =
                stay.grant.until().filter(|until| !stay.told && *until - NOTICE <= now && now < *until)
            {
                stay.told = true;
                expiring.push((room.clone(), until));
            }
        }
        expiring
    }

    /// When to ask next what ends: for [`Joined::expiring`] and [`Joined::reevaluate`].
    #[must_use]
    pub fn deadline(&self) -> End {
        let next =
            |stay: &Stay| stay.grant.until().map(|until| if stay.told { until } else { until - NOTICE });
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

impl Stay {
    /// Why the session may not stay, if it may not; otherwise up to when it may.
    fn reevaluate(&mut self, room: &RoomName, who: Member<'_>, now: Timestamp) -> Option<Cause> {
        let standing = (who.standing)(room);
        if let Some(cause) = standing.ends() {
            return Some(cause);
        }
        let Grant::Policy(before) = self.grant else { return None };
        let Some(right) = self.kind.join.right(room, &caller(who, &standing, false)) else {
            return Some(match before.until {
                Some(until) if until <= now => Cause::Expired,
                _ if before.by_member && standing.member.is_none() => Cause::Removed,
                _ => Cause::Policy,
            });
        };
        self.told &= before.until == right.until;
        self.grant = Grant::Policy(right);
        None
    }
}

const fn caller<'a>(who: Member<'a>, standing: &Standing, joined: bool) -> Caller<'a> {
    Caller { user: who.user, roles: who.roles, joined, member: standing.member }
}

#[cfg(test)]
#[path = "joined_tests.rs"]
mod tests;
