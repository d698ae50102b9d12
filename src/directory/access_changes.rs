//! The users whose roles or claims changed lately: what their sessions and access tokens are checked against.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crate::clock::Timestamp;
use doorward_core::domain::{Access, Rights, UserId};

/// How far back a poll reads again: a transaction may commit after one that has a greater number, which only rows that
/// are written by hand do. Longer than a transaction may be idle (10 s, see `db`) and two polls may be apart (3 s).
const OVERLAP: Duration = Duration::from_secs(15);

/// The newest roles and claims of users for whom they changed within the lifetime of an access token, and of those who
/// are connected here. Older tokens need no entry: they have expired.
#[derive(Debug, Default)]
pub struct AccessChanges {
    users: RwLock<HashMap<UserId, (Arc<Rights>, Timestamp)>>,
    /// Raised by each change, after its entry was made: a session that has seen this one has nothing to look up.
    epoch: AtomicU32,
    position: Mutex<Position>,
}

impl AccessChanges {
    /// Notes a change. `until` is when the last access token of before will have expired. Answers whether it was not
    /// known yet.
    pub fn insert(&self, user: UserId, rights: Arc<Rights>, until: Timestamp) -> bool {
        {
            let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
            if users.get(&user).is_some_and(|(known, _)| known.version >= rights.version) {
                return false;
            }
            users.insert(user, (rights, until));
        }
        self.epoch.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// How often there was a change.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The user's newest roles and claims, if they changed lately.
    #[must_use]
    pub fn newest(&self, user: UserId) -> Option<Arc<Rights>> {
        // Without a lock as long as nothing has changed.
        if self.epoch() == 0 {
            return None;
        }
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.get(&user).map(|(rights, _)| Arc::clone(rights))
    }

    /// What a token's user has now.
    #[must_use]
    pub fn current(&self, access: &Access) -> Arc<Rights> {
        let newest = self.newest(access.user).filter(|newest| newest.version > access.rights.version);
        newest.unwrap_or_else(|| Arc::clone(&access.rights))
    }

    /// Whether a token was issued before the last change that is known.
    #[must_use]
    pub fn is_stale(&self, access: &Access) -> bool {
        self.newest(access.user).is_some_and(|newest| newest.version > access.rights.version)
    }

    /// Where the poll is.
    pub fn position(&self) -> MutexGuard<'_, Position> {
        self.position.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets changes whose older tokens have all expired, of users who are not connected: a handler may still ask.
    pub fn prune(&self, now: Timestamp, is_connected: impl Fn(UserId) -> bool) {
        let old: Vec<UserId> = {
            let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
            users.iter().filter(|(_, (_, until))| *until <= now).map(|(user, _)| *user).collect()
        };
        let old: Vec<UserId> = old.into_iter().filter(|user| !is_connected(*user)).collect();
        if !old.is_empty() {
            let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
            for user in old {
                if users.get(&user).is_some_and(|(_, until)| *until <= now) {
                    users.remove(&user);
                }
            }
        }
    }
}

/// Which numbers of changes were read, and when.
#[derive(Debug, Default)]
pub struct Position(VecDeque<(Instant, i32)>);

impl Position {
    /// Changes after this number are to be read. None until polls have run for a while: then all that matter are.
    #[must_use]
    pub fn after(&self, now: Instant) -> Option<i32> {
        let settled = self.0.iter().take_while(|(at, _)| now.saturating_duration_since(*at) >= OVERLAP);
        settled.last().map(|(_, number)| *number)
    }

    /// The newest number that was read.
    #[must_use]
    pub fn newest(&self) -> i32 {
        self.0.back().map_or(0, |(_, number)| *number)
    }

    /// A poll that began at `now` has read all changes up to `number`.
    pub fn reached(&mut self, number: i32, now: Instant) {
        if self.0.back().is_none_or(|(_, last)| *last < number) {
            self.0.push_back((now, number));
        }
        while self.0.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= OVERLAP) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use doorward_core::domain::LoginId;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    fn rights(version: i32) -> Arc<Rights> {
        Arc::new(Rights { version, ..Rights::default() })
    }

    fn access(user: u128, version: i32) -> Access {
        Access {
            user: UserId(Uuid::from_u128(user)),
            username: "ann".into(),
            login: LoginId(Uuid::from_u128(2)),
            expires_at: Timestamp::default(),
            rights: rights(version),
        }
    }

    #[test]
    fn a_token_is_stale_once_a_newer_version_is_known() {
        let (changes, now) = (AccessChanges::default(), Clock::System.now());
        let user = access(1, 0).user;
        assert!(!changes.is_stale(&access(1, 0)));
        assert!(changes.insert(user, rights(2), now));
        assert!(!changes.insert(user, rights(2), now) && !changes.insert(user, rights(1), now));
        assert_eq!(changes.epoch(), 1);
        assert!(changes.is_stale(&access(1, 0)) && changes.is_stale(&access(1, 1)));
        assert!(!changes.is_stale(&access(1, 2)) && !changes.is_stale(&access(1, 3)));
        assert!(!changes.is_stale(&access(2, 0)), "another user's");
        assert_eq!(changes.current(&access(1, 1)).version, 2);
        assert_eq!(changes.current(&access(1, 3)).version, 3, "read from the row before the change was");
        changes.prune(now + TimeDelta::seconds(1), |_| true);
        assert!(changes.newest(user).is_some(), "connected");
        changes.prune(now - TimeDelta::seconds(1), |_| false);
        assert!(changes.newest(user).is_some(), "not yet");
        changes.prune(now + TimeDelta::seconds(1), |_| false);
        assert!(changes.newest(user).is_none());
    }

    proptest! {
        /// Transactions take numbers in order and commit in any order, each within the overlap less the time between
        /// polls. A poll sees what is committed.
        #[test]
        fn every_change_is_read_however_late_it_commits(
            begun in prop::collection::vec((0_u64..60_000, 0_u64..12_000), 1..60),
            pace in 500_u64..3000,
        ) {
            let start = Clock::System.instant();
            let mut begun = begun;
            begun.sort_unstable();
            let rows: Vec<(i32, u64)> = (1..).zip(begun.iter().map(|(at, takes)| at + takes)).collect();
            let (mut position, mut read) = (Position::default(), std::collections::HashSet::new());
            for poll in (0..=80_000 / pace).map(|number| number * pace) {
                let now = start + Duration::from_millis(poll);
                let after = position.after(now).unwrap_or(0);
                let seen = rows.iter().filter(|(number, commits)| *commits <= poll && *number > after);
                let seen: Vec<i32> = seen.map(|(number, _)| *number).collect();
                if let Some(newest) = seen.iter().max() {
                    position.reached(*newest, now);
                }
                read.extend(seen);
            }
            prop_assert_eq!(read.len(), rows.len());
            prop_assert!(position.0.len() <= 60);
        }
    }
}
