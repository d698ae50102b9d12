//! The sessions of this node in one room. A session whose connection broke counts for a while longer, so that a page
//! that is loaded again is no departure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::user::{latest, newest};
use super::{PresenceData, PresenceLevel, PresenceWish, PresentSession, PresentUser};
use crate::domain::{SessionId, SharedText, UserId};

/// Sessions of a user that count though their connection broke. With one more, the oldest no longer does.
const MOST_BROKEN: usize = 4;

/// Bytes of data that are kept for a room.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// How a session left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Of its own will, or because it may not be there any more.
    Final,
    /// Its connection ended. The client may come back.
    Broken,
}

/// The sessions of the room have set as much as it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnFull;

#[derive(Debug)]
struct OwnSession {
    state: PresentSession,
    wish: PresenceWish,
    /// Its connection broke. It counts until then.
    until: Option<Instant>,
}

impl OwnSession {
    fn bytes(&self) -> usize {
        self.state.data.as_ref().map_or(0, |data| data.as_str().len())
    }
}

#[derive(Debug)]
struct OwnUser {
    username: SharedText,
    /// In the order of ids.
    sessions: Vec<OwnSession>,
}

impl OwnUser {
    fn find(&self, session: SessionId) -> Result<usize, usize> {
        self.sessions.binary_search_by_key(&session, |one| one.state.session)
    }
}

/// The sessions of this node.
#[derive(Debug, Default)]
pub(super) struct Own {
    users: BTreeMap<UserId, OwnUser>,
    /// Those whose connection broke, by when they stop counting.
    broken: BTreeSet<(Instant, UserId, SessionId)>,
    /// How many want to be told the number, and how many want to be told all.
    watching: [usize; 2],
    bytes: usize,
    last_set: u64,
    /// Sessions whose connection is there.
    live: usize,
}

impl Own {
    /// Answers whether it is the only session whose connection is there.
    pub fn enter(
        &mut self,
        user: UserId,
        username: &SharedText,
        session: SessionId,
        wish: PresenceWish,
    ) -> bool {
        self.remove(user, session);
        let new = OwnUser { username: username.clone(), sessions: Vec::new() };
        let own = self.users.entry(user).or_insert(new);
        own.username = username.clone();
        let (Ok(at) | Err(at)) = own.find(session);
        let state = PresentSession { session, data: None, set_at: 0 };
        own.sessions.insert(at, OwnSession { state, wish, until: None });
        count(&mut self.watching, wish, 1);
        self.live += 1;
        self.live == 1
    }

    pub fn wish(&mut self, user: UserId, session: SessionId, wish: PresenceWish) {
        if let Some(own) = self.users.get_mut(&user)
            && let Ok(at) = own.find(session)
        {
            count(&mut self.watching, std::mem::replace(&mut own.sessions[at].wish, wish), -1);
            count(&mut self.watching, wish, 1);
        }
    }

    /// A session has left: at once, or with a time until which it counts.
    pub fn leave(&mut self, user: UserId, session: SessionId, until: Option<Instant>) {
        let Some(until) = until else {
            self.remove(user, session);
            self.forget_broken_alone(user);
            return;
        };
        self.wish(user, session, PresenceWish::None);
        let Some(own) = self.users.get_mut(&user) else { return };
        let Ok(at) = own.find(session) else { return };
        match own.sessions[at].until.replace(until) {
            Some(earlier) => {
                self.broken.remove(&(earlier, user, session));
            }
            None => self.live -= 1,
        }
        self.broken.insert((until, user, session));
        let mut broken: Vec<_> =
            own.sessions.iter().filter_map(|one| Some((one.until?, one.state.session))).collect();
        if broken.len() > MOST_BROKEN {
            broken.sort_unstable();
            self.remove(user, broken[0].1);
        }
    }

    /// Sets what the session shows.
    ///
    /// # Errors
    /// [`OwnFull`]; then what it showed before stays.
    pub fn set(
        &mut self,
        user: UserId,
        session: SessionId,
        data: Option<PresenceData>,
        now_ms: u64,
    ) -> Result<(), OwnFull> {
        let Some(own) = self.users.get_mut(&user) else { return Ok(()) };
        let Ok(at) = own.find(session) else { return Ok(()) };
        let one = &mut own.sessions[at];
        let bytes = self.bytes - one.bytes() + data.as_ref().map_or(0, |data| data.as_str().len());
        if bytes > MOST_BYTES && data.is_some() {
            return Err(OwnFull);
        }
        self.bytes = bytes;
        self.last_set = now_ms.max(self.last_set + 1);
        (one.state.data, one.state.set_at) = (data, self.last_set);
        Ok(())
    }

    /// Ends what counted until now. Answers the users whom it concerns.
    pub fn expire(&mut self, now: Instant) -> Vec<UserId> {
        let mut users = Vec::new();
        while let Some((until, user, session)) = self.broken.first().copied()
            && until <= now
        {
            self.remove(user, session);
            users.push(user);
        }
        users
    }

    /// When [`Own::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.broken.first().map(|(until, ..)| *until)
    }

    /// The user as others are told of them.
    pub fn user(&self, user: UserId, level: PresenceLevel) -> Option<PresentUser> {
        let own = self.users.get(&user)?;
        let sessions = own.sessions.iter().map(|one| &one.state);
        let sessions = match level {
            PresenceLevel::Sessions => newest(sessions).into_iter().cloned().collect(),
            _ => latest(sessions).cloned().into_iter().collect(),
        };
        Some(PresentUser { username: own.username.clone(), sessions })
    }

    pub fn users(&self) -> impl Iterator<Item = UserId> {
        self.users.keys().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// How many sessions want to be told of changes like these.
    pub const fn watching(&self, wish: PresenceWish) -> usize {
        match wish {
            PresenceWish::None => 0,
            PresenceWish::Count => self.watching[0],
            PresenceWish::Full => self.watching[1],
        }
    }

    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// After one of a user's sessions has left for good: if only broken ones are left, these go as well.
    fn forget_broken_alone(&mut self, user: UserId) {
        let Some(own) = self.users.get(&user) else { return };
        if own.sessions.iter().all(|one| one.until.is_some()) {
            let sessions: Vec<_> = own.sessions.iter().map(|one| one.state.session).collect();
            for session in sessions {
                self.remove(user, session);
            }
        }
    }

    fn remove(&mut self, user: UserId, session: SessionId) {
        let Some(own) = self.users.get_mut(&user) else { return };
        let Ok(at) = own.find(session) else { return };
        let one = own.sessions.remove(at);
        if own.sessions.is_empty() {
            self.users.remove(&user);
        }
        self.bytes -= one.bytes();
        count(&mut self.watching, one.wish, -1);
        match one.until {
            Some(until) => {
                self.broken.remove(&(until, user, session));
            }
            None => self.live -= 1,
        }
    }
}

/// Counts one more of those who wish this, or one less.
fn count(watching: &mut [usize; 2], wish: PresenceWish, by: isize) {
    let at = match wish {
        PresenceWish::None => return,
        PresenceWish::Count => 0,
        PresenceWish::Full => 1,
    };
    watching[at] = watching[at].saturating_add_signed(by);
}

/// Until when a session counts that has left.
pub(super) fn until(departure: Departure, grace: Duration, now: Instant) -> Option<Instant> {
    (departure == Departure::Broken && !grace.is_zero()).then(|| now + grace)
}
