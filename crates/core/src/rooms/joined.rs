//! The rooms of one session: what it has joined, and what it may still do. A state machine: asked before anything is done,
//! and told when rights change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::presence::PresenceLevel;
use super::{Bucket, Caller, Kind, Kinds, Pace, Refusal, RoomName};
use crate::domain::{Roles, UserId};

/// Rooms that a session may have joined at a time.
const MAX_JOINED: usize = 100;

/// Joins of a session.
const JOINS: Pace = Pace { interval: Duration::from_millis(50), burst: 100 };

/// Questions of a session about who is there, and how often it may show something else.
const PRESENCE_ASKED: Pace = Pace { interval: Duration::from_millis(100), burst: 100 };
const PRESENCE_SET: Pace = Pace { interval: Duration::from_millis(200), burst: 20 };

/// Bytes of what a session shows to others.
const PRESENCE_BYTES: usize = 1024;

const BAD_ROOM: Refusal = Refusal::new(
    "bad_room",
    "a room's name is `kind:rest`, at most 200 bytes of letters, digits and ._:@=+-",
);
const UNKNOWN_ROOM: Refusal = Refusal::new("unknown_room", "there are no rooms of this kind");
const NOT_JOINED: Refusal = Refusal::new("not_joined", "the session has not joined this room");
/// Also where there is no such room: what a client may not see, it cannot find.
const FORBIDDEN: Refusal = Refusal::new("forbidden", "this is not allowed");

/// A room that was joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    pub room: RoomName,
    pub kind: Arc<Kind>,
    /// What the session may do there besides, as clients are told.
    pub can: &'static [&'static str],
    pub is_new: bool,
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
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub user: UserId,
    pub roles: &'a Roles,
}

/// What a session has joined.
#[derive(Debug, Default)]
pub struct Joined {
    rooms: BTreeMap<RoomName, Arc<Kind>>,
    joins: Bucket,
    asked: Bucket,
    set: Bucket,
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
        if room.is_users() || !kind.join.allows(&room, &caller(who, false)) {
            return Err(FORBIDDEN);
        }
        let is_new = !self.rooms.contains_key(&room);
        if is_new && self.rooms.len() >= MAX_JOINED {
            return Err(Refusal::new("too_many_rooms", "a session may have joined 100 rooms at a time"));
        }
        let can: &[_] = match (
            kind.send.allows(&room, &caller(who, true)),
            kind.shows_presence(&room, &caller(who, true)),
        ) {
            (true, true) => &["send", "presence"],
            (true, false) => &["send"],
            (false, true) => &["presence"],
            (false, false) => &[],
        };
        self.rooms.insert(room.clone(), Arc::clone(&kind));
        Ok(Entered { room, kind, can, is_new })
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
        let joined = self.rooms.contains_key(&room) || room.user() == Some(who.user);
        if !kind.send.allows(&room, &caller(who, joined)) {
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
        if watching.kind.shows_presence(&watching.room, &caller(who, true)) {
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
        let kind = self.rooms.get(&room).map(Arc::clone).ok_or(NOT_JOINED)?;
        if kind.presence.level == PresenceLevel::Off {
            return Err(Refusal::new("no_presence", "rooms of this kind do not tell who is there"));
        }
        Ok(Watching { room, kind })
    }

    /// The rooms that the session may not be in any more, as its roles are now. It has left them.
    pub fn reevaluate(&mut self, who: Member<'_>) -> Vec<RoomName> {
        let lost: Vec<_> = self
            .rooms
            .iter()
            .filter(|(room, kind)| !kind.join.allows(room, &caller(who, false)))
            .map(|(room, _)| room.clone())
            .collect();
        for room in &lost {
            self.rooms.remove(room);
        }
        lost
    }

    #[must_use]
    pub fn has(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    /// What it has joined, in the order of names.
    pub fn rooms(&self) -> impl Iterator<Item = &RoomName> {
        self.rooms.keys()
    }
}

const fn caller(Member { user, roles }: Member<'_>, joined: bool) -> Caller<'_> {
    Caller { user, roles, joined }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::super::presence::PresenceOptions;
    use super::super::{Entry, KindName, Policy};
    use super::*;

    const ANN: UserId = UserId(Uuid::from_u128(0xa1));

    fn policy(entries: &[&str]) -> Policy {
        Policy::new(entries.iter().map(|entry| Entry::parse(entry).unwrap()).collect())
    }

    fn kind(join: &[&str], send: &[&str]) -> Kind {
        Kind {
            join: policy(join),
            send: policy(send),
            max_joined: 10,
            max_data: 100,
            pace: None,
            lossy: false,
            presence: PresenceOptions::default(),
            see_presence: policy(join),
        }
    }

    fn kinds() -> Kinds {
        let kinds = [
            ("chat", kind(&["anyone"], &["joined"])),
            ("staff", kind(&["role:staff"], &["role:chief"])),
            ("inbox", kind(&["own"], &["app"])),
            ("user", kind(&["anyone"], &["anyone"])),
        ];
        Kinds::new(kinds.map(|(name, kind)| (KindName::parse(name).unwrap(), kind)))
    }

    fn roles(names: &[&str]) -> Roles {
        Roles::parse(names).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "any moment will do")]
    fn origin() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_room_is_joined_by_its_kinds_policy() {
        let (kinds, now, staff, none) = (kinds(), origin(), roles(&["staff"]), roles(&[]));
        let mut joined = Joined::default();
        let mut join = |room: &str, roles| {
            let outcome = joined.join(&kinds, room, Member { user: ANN, roles }, now);
            outcome.map(|entered| (entered.can, entered.is_new)).map_err(|refusal| refusal.code)
        };
        assert_eq!(join("chat:a", &none), Ok((&["send"][..], true)));
        assert_eq!(join("chat:a", &none), Ok((&["send"][..], false)), "once more");
        assert_eq!(join("staff:a", &none), Err("forbidden"));
        assert_eq!(join("staff:a", &staff), Ok((&[][..], true)));
        assert_eq!(join(&format!("inbox:{ANN}"), &none), Ok((&[][..], true)));
        assert_eq!(join("inbox:other", &none), Err("forbidden"));
        assert_eq!(join(&format!("user:{ANN}"), &none), Err("forbidden"));
        assert_eq!(join("order:1", &none), Err("unknown_room"));
        assert_eq!(join("chat", &none), Err("bad_room"));
        let names: Vec<_> = joined.rooms().map(RoomName::as_str).collect();
        assert_eq!(names, ["chat:a", &*format!("inbox:{ANN}"), "staff:a"]);
        assert_eq!(
            joined.leave("chat:a").map_err(|refusal| refusal.code),
            Ok(RoomName::parse("chat:a").unwrap())
        );
        assert_eq!(joined.leave("chat:a").unwrap_err().code, "not_joined");
    }

    #[test]
    fn a_session_has_a_bounded_number_of_rooms_and_joins() {
        let (kinds, now, none) = (kinds(), origin(), roles(&[]));
        let mut joined = Joined::default();
        let who = Member { user: ANN, roles: &none };
        for number in 0..MAX_JOINED {
            joined.join(&kinds, &format!("chat:{number}"), who, now).unwrap();
        }
        let refusal = joined.join(&kinds, "chat:more", who, now).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after), ("too_many_requests", Some(JOINS.interval)));
        let later = now + JOINS.interval;
        assert_eq!(joined.join(&kinds, "chat:more", who, later).unwrap_err().code, "too_many_rooms");
        joined.leave("chat:0").unwrap();
        assert!(joined.join(&kinds, "chat:more", who, later + JOINS.interval).is_ok());
        assert_eq!(joined.leave_all().len(), MAX_JOINED);
        assert_eq!(joined.rooms().count(), 0);
        let refusal = joined.join(&kinds, "chat:0", who, later + JOINS.interval).unwrap_err();
        assert_eq!(refusal.code, "too_many_requests", "leaving gives no joins back");
    }

    #[test]
    fn sending_needs_a_right_and_has_bounds() {
        let (kinds, now, none) = (kinds(), origin(), roles(&[]));
        let mut joined = Joined::default();
        let who = Member { user: ANN, roles: &none };
        let send = |joined: &Joined, room: &str, bytes| {
            joined.send(&kinds, room, bytes, who).map(|_| ()).map_err(|refusal| refusal.code)
        };
        assert_eq!(send(&joined, "chat:a", 1), Err("forbidden"), "not joined");
        joined.join(&kinds, "chat:a", who, now).unwrap();
        assert_eq!(send(&joined, "chat:a", 100), Ok(()));
        assert_eq!(send(&joined, "chat:a", 101), Err("too_large"));
        assert_eq!(send(&joined, "chat:b", 1), Err("forbidden"));
        assert_eq!(send(&joined, &format!("user:{ANN}"), 1), Ok(()));
        assert_eq!(send(&joined, "user:ann", 1), Err("bad_room"));
        assert_eq!(send(&joined, "none:b", 1), Err("unknown_room"));
    }

    proptest! {
        /// Whatever was asked before: after each change of roles a session is in no room that it could not join.
        #[test]
        fn no_room_outlives_its_right(steps in prop::collection::vec((0..5_usize, 0..3_usize, any::<bool>()), 0..60)) {
            let (kinds, now) = (kinds(), origin());
            let all = [roles(&[]), roles(&["staff"]), roles(&["chief"])];
            let own = format!("inbox:{ANN}");
            let names = ["chat:a", "staff:a", "staff:b", &own, "order:1"];
            let mut joined = Joined::default();
            let mut has = 0;
            for (name, now_has, leaves) in steps {
                if leaves {
                    let _ = joined.leave(names[name]);
                } else {
                    let _ = joined.join(&kinds, names[name], Member { user: ANN, roles: &all[has] }, now);
                }
                has = now_has;
                let who = Member { user: ANN, roles: &all[has] };
                let lost = joined.reevaluate(who);
                prop_assert!(lost.iter().all(|room| !joined.rooms().any(|other| other == room)));
                let rooms: Vec<_> = joined.rooms().cloned().collect();
                for room in rooms {
                    let mut fresh = Joined::default();
                    prop_assert!(fresh.join(&kinds, room.as_str(), who, now).is_ok(), "{room}");
                }
            }
        }
    }
}
