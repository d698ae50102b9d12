//! What users who are connected here may do in rooms, as the rows of members and bans say.
//!
//! A session asks before each request, and a worker thread before each delivery: so both ask memory, not the database. All
//! bans of a user are read once, when the first of the user's sessions joins a room or sends to one; of the memberships only
//! those that a session has asked for are kept. Without one, the row is looked for each time that it matters. So a node
//! holds as much as its sessions have joined, and a new member needs no word to any node. Changes of what is held are read
//! by their numbers: see `accounts::rooms`.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use doorward_core::rooms::{End, RoomName, Standing};

use super::read_numbers::ReadNumbers;
use crate::clock::Timestamp;

/// What one connected user may do in rooms; shared by the user's sessions.
#[derive(Debug, Default)]
pub struct RoomRights {
    /// Raised by each change, after it is held: who has seen a version has seen what is held then.
    version: AtomicU64,
    /// None before the first question: an idle user takes no memory.
    held: Mutex<Option<Box<Held>>>,
}

#[derive(Debug, Default)]
struct Held {
    /// By room, or `KIND:*`. None until they were read.
    bans: Option<HashMap<String, End>>,
    /// Of the rooms that were asked about.
    members: HashMap<RoomName, End>,
    /// Rooms that the user was put out of, with the version of that. As many as there were such changes while the user
    /// was connected.
    kicks: HashMap<RoomName, u64>,
}

impl RoomRights {
    fn held(&self) -> MutexGuard<'_, Option<Box<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes when what is held does.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether the user's bans are held.
    #[must_use]
    pub fn has_bans(&self) -> bool {
        self.held().as_ref().is_some_and(|held| held.bans.is_some())
    }

    /// Whether the user is known to be a member of the room. Of a membership that has ended there may be a new row.
    #[must_use]
    pub fn has_member(&self, room: &RoomName, now: Timestamp) -> bool {
        let held = self.held();
        let member = held.as_ref().and_then(|held| held.members.get(room).copied());
        Standing::at(now, member, None).member.is_some()
    }

    /// What the user is to a room. `since` is the version that was seen last: what put the user out before it was seen
    /// already. While the bans are not known, the user counts as banned.
    #[must_use]
    pub fn standing(&self, room: &RoomName, since: u64, now: Timestamp) -> Standing {
        let held = self.held();
        let Some(Held { bans: Some(bans), members, kicks }) = held.as_deref() else {
            return Standing { banned: true, ..Standing::default() };
        };
        let member = members.get(room).copied();
        let kicked = kicks.get(room).is_some_and(|version| *version > since);
        let standing = if bans.is_empty() {
            Standing::at(now, member, None)
        } else {
            let of_kind = format!("{}:*", room.kind());
            let bans = [room.as_str(), &of_kind].into_iter().filter_map(|scope| bans.get(scope).copied());
            Standing::at(now, member, bans)
        };
        Standing { kicked, ..standing }
    }

    /// The user is put out of a room. Nothing that is published afterwards reaches the sessions that have joined it before.
    pub fn kick(&self, room: &RoomName) {
        let mut held = self.held();
        let version = self.version() + 1;
        held.get_or_insert_default().kicks.insert(room.clone(), version);
        self.version.store(version, Ordering::Release);
    }

    /// Notes that rows have changed: what is being read at this moment may be from before that, and is not held. Answers
    /// which of these rows are held and have to be read again: the bans, and members of which rooms.
    #[must_use]
    pub fn changed(&self, bans: bool, rooms: &HashSet<RoomName>) -> (bool, Vec<RoomName>) {
        let held = self.held();
        // With the lock: no row is held between this and the answer.
        self.version.fetch_add(1, Ordering::AcqRel);
        let Some(held) = held.as_deref() else { return (false, Vec::new()) };
        let rooms = rooms.iter().filter(|room| held.members.contains_key(*room)).cloned();
        (bans && held.bans.is_some(), rooms.collect())
    }

    /// Holds what was read. `before` is the version before it was read: if there was a change since, nothing is held, and
    /// the rows have to be read again. `is_change` is whether a change was the reason to read: then the version is raised.
    #[must_use]
    pub fn hold(&self, before: u64, rows: Rows, is_change: bool) -> bool {
        let mut held = self.held();
        if self.version() != before {
            return false;
        }
        let held = held.get_or_insert_default();
        if let Some(bans) = rows.bans {
            held.bans = Some(bans.into_iter().collect());
        }
        for room in &rows.asked {
            held.members.remove(room);
        }
        held.members.extend(rows.members);
        if is_change {
            self.version.store(before + 1, Ordering::Release);
        }
        true
    }
}

/// Rows of one user that were read.
#[derive(Debug, Default)]
pub struct Rows {
    /// All of the user's, if they were asked for.
    pub bans: Option<Vec<(String, End)>>,
    /// The rooms whose members were asked for.
    pub asked: Vec<RoomName>,
    /// Those of them of which the user is one.
    pub members: Vec<(RoomName, End)>,
}

/// Which changes were read, and which of those that no row says were done.
#[derive(Debug, Default)]
pub struct RoomChanges {
    numbers: Mutex<ReadNumbers>,
    done: Mutex<Done>,
}

/// In two generations, which are forgotten together.
#[derive(Debug, Default)]
struct Done {
    young: HashSet<(i64, Timestamp)>,
    old: HashSet<(i64, Timestamp)>,
    began: Timestamp,
}

impl RoomChanges {
    /// Which changes were read from the database.
    pub fn numbers(&self) -> MutexGuard<'_, ReadNumbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what the change of this number and time says, unless it was done: a second time would put out who has come back
    /// since. Another thread that reads the same change waits until it is done.
    pub fn once(&self, number: i64, at: Timestamp, act: impl FnOnce()) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if !done.old.contains(&(number, at)) && done.young.insert((number, at)) {
            act();
        }
    }

    /// Forgets what was done at least `lifetime` ago. It is not read again.
    pub fn prune(&self, now: Timestamp, lifetime: TimeDelta) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if now - done.began >= lifetime {
            done.began = now;
            done.old = std::mem::take(&mut done.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::seconds(seconds)
    }

    fn rows(bans: &[&str], asked: &[&str], members: &[&str]) -> Rows {
        Rows {
            bans: Some(bans.iter().map(|scope| ((*scope).to_owned(), None)).collect()),
            asked: asked.iter().map(|name| room(name)).collect(),
            members: members.iter().map(|name| (room(name), None)).collect(),
        }
    }

    #[test]
    fn rows_that_are_older_than_a_change_are_not_held() {
        let rights = RoomRights::default();
        let standing = |name| rights.standing(&room(name), rights.version(), at(0));
        assert!(standing("chat:a").banned, "not known yet");
        let before = rights.version();
        let nothing = (false, Vec::new());
        assert_eq!(rights.changed(true, &HashSet::from([room("chat:a")])), nothing, "none is held");
        assert!(!rights.hold(before, rows(&[], &["chat:a"], &["chat:a"]), false));
        assert!(!rights.has_bans() && !rights.has_member(&room("chat:a"), at(0)));
        let before = rights.version();
        assert!(rights.hold(before, rows(&[], &["chat:a", "chat:b"], &["chat:a"]), false));
        assert_eq!(rights.version(), before, "nothing has changed");
        assert_eq!(standing("chat:a"), Standing { member: Some(None), ..Standing::default() });
        assert_eq!(standing("chat:b"), Standing::default());
        // Two threads read for a change each, and the first one is late.
        assert!(rights.hold(before, rows(&["chat:*"], &["chat:a"], &[]), true));
        assert!(!rights.hold(before, rows(&[], &["chat:a"], &["chat:a"]), true));
        assert_eq!(standing("chat:a"), Standing { banned: true, ..Standing::default() });
        assert!(!standing("news:a").banned);
        let changed = HashSet::from([room("chat:a"), room("chat:b")]);
        let before = rights.version();
        assert_eq!(rights.changed(true, &changed), (true, vec![]));
        // A session that reads another room at this moment has to read it again.
        assert!(!rights.hold(before, rows(&[], &["news:a"], &["news:a"]), false));
        assert!(!rights.has_member(&room("news:a"), at(0)));
    }

    #[test]
    fn who_was_put_out_is_out_for_those_who_have_not_seen_it() {
        let (rights, lobby) = (RoomRights::default(), room("chat:lobby"));
        assert!(rights.hold(0, rows(&[], &[], &[]), false));
        let before = rights.version();
        rights.kick(&lobby);
        assert!(rights.standing(&lobby, before, at(0)).kicked);
        assert!(!rights.standing(&lobby, rights.version(), at(0)).kicked);
        assert!(!rights.standing(&room("chat:b"), before, at(0)).kicked);
    }

    #[test]
    fn a_change_is_done_once_and_forgotten_after_its_lifetime() {
        let (changes, lifetime) = (RoomChanges::default(), TimeDelta::minutes(17));
        let mut count = 0;
        let mut read = |number, time| changes.once(number, at(time), || count += 1);
        read(1, 5);
        read(1, 5);
        // Another server has given the number again.
        read(1, 6);
        changes.prune(at(0) + lifetime, lifetime);
        read(1, 5);
        assert_eq!(count, 2);
        changes.prune(at(0) + lifetime * 2, lifetime);
        changes.once(1, at(5), || count += 1);
        assert_eq!(count, 3);
    }
}
