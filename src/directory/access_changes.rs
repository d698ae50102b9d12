//! Which roles and claims count: the versions that older access tokens are compared with, and what users who are connected
//! here have now.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use chrono::TimeDelta;

use super::read_numbers::ReadNumbers;
use super::room_rights::RoomRights;
use crate::clock::Timestamp;
use doorward_core::domain::{Access, Rights, UserId};

/// The version of each user whose roles or claims changed within the lifetime of an access token, and the roles and
/// claims of the users who are connected here. Older tokens need no entry: they have expired.
#[derive(Debug, Default)]
pub struct AccessChanges {
    users: Arc<RwLock<Users>>,
    numbers: Mutex<ReadNumbers>,
}

#[derive(Debug, Default)]
struct Users {
    /// Versions in two generations: a million changes take some 20 bytes each, and are forgotten together.
    young: HashMap<UserId, i32>,
    old: HashMap<UserId, i32>,
    /// When the young generation began.
    began: Timestamp,
    connected: HashMap<UserId, Weak<LiveRights>>,
}

impl Users {
    fn version(&self, user: UserId) -> Option<i32> {
        self.young.get(&user).or_else(|| self.old.get(&user)).copied()
    }

    fn connected(&self, user: UserId) -> Option<Arc<LiveRights>> {
        self.connected.get(&user).and_then(Weak::upgrade)
    }
}

fn read(users: &RwLock<Users>) -> RwLockReadGuard<'_, Users> {
    users.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(users: &RwLock<Users>) -> RwLockWriteGuard<'_, Users> {
    users.write().unwrap_or_else(PoisonError::into_inner)
}

impl AccessChanges {
    /// Notes a change. Older tokens are refused, and requests of the user's sessions see the new roles and claims, once
    /// this returns, also if another thread notes the same change at this moment. `rights` is called only if the user is
    /// connected here. Returns whether the user's sessions have to be told.
    pub fn insert(&self, user: UserId, version: i32, rights: impl FnOnce() -> Arc<Rights>) -> bool {
        let connected = {
            let mut users = write(&self.users);
            if users.version(user).is_none_or(|known| known < version) {
                users.young.insert(user, version);
            }
            users.connected(user)
        };
        connected.is_some_and(|live| live.raise(version, rights))
    }

    /// Whether a token was issued before the last change that is known.
    #[must_use]
    pub fn is_stale(&self, access: &Access) -> bool {
        read(&self.users).version(access.user).is_some_and(|newest| newest > access.rights.version)
    }

    /// What a session that signs in with this token shares with the user's other sessions. None if the token is stale,
    /// and what the user has now is not known here.
    #[must_use]
    pub fn follow(&self, access: &Access) -> Option<Arc<LiveRights>> {
        let mut users = write(&self.users);
        if let Some(live) = users.connected(access.user) {
            return Some(live);
        }
        if users.version(access.user).is_some_and(|newest| newest > access.rights.version) {
            return None;
        }
        let live = Arc::new(LiveRights {
            user: access.user,
            version: AtomicI32::new(access.rights.version),
            rights: RwLock::new(Arc::clone(&access.rights)),
            rooms: RoomRights::default(),
            users: Arc::clone(&self.users),
        });
        users.connected.insert(access.user, Arc::downgrade(&live));
        Some(live)
    }

    /// What this user has, if connected here.
    #[must_use]
    pub fn connected(&self, user: UserId) -> Option<Arc<LiveRights>> {
        read(&self.users).connected(user)
    }

    /// Which changes were read from the database.
    pub fn numbers(&self) -> MutexGuard<'_, ReadNumbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets versions that were noted at least `lifetime` ago: older tokens have expired.
    pub fn prune(&self, now: Timestamp, lifetime: TimeDelta) {
        let forgotten = {
            let mut users = write(&self.users);
            if now - users.began < lifetime {
                return;
            }
            users.began = now;
            let young = std::mem::take(&mut users.young);
            std::mem::replace(&mut users.old, young)
        };
        // Without the lock: there may be a million.
        drop(forgotten);
    }
}

/// What a connected user has now: shared by the user's sessions and handlers, and there as long as one of them is.
#[derive(Debug)]
pub struct LiveRights {
    user: UserId,
    /// That of `rights`.
    version: AtomicI32,
    rights: RwLock<Arc<Rights>>,
    rooms: RoomRights,
    users: Arc<RwLock<Users>>,
}

impl LiveRights {
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// What the user may do in rooms.
    #[must_use]
    pub const fn rooms(&self) -> &RoomRights {
        &self.rooms
    }

    /// What the user has.
    #[must_use]
    pub fn current(&self) -> Arc<Rights> {
        Arc::clone(&self.rights.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the user has, if it is newer than this version. Without a lock if it is not.
    #[must_use]
    pub fn newer_than(&self, version: i32) -> Option<Arc<Rights>> {
        if self.version.load(Ordering::Acquire) <= version {
            return None;
        }
        Some(self.current())
    }

    fn raise(&self, version: i32, rights: impl FnOnce() -> Arc<Rights>) -> bool {
        let mut held = self.rights.write().unwrap_or_else(PoisonError::into_inner);
        if held.version >= version {
            return false;
        }
        *held = rights();
        // Under the lock: a thread that finds the change made can rely on it.
        self.version.store(version, Ordering::Release);
        true
    }
}

impl Drop for LiveRights {
    fn drop(&mut self) {
        let mut users = write(&self.users);
        // Another session may have begun meanwhile.
        if users.connected.get(&self.user).is_some_and(|live| live.strong_count() == 0) {
            users.connected.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::domain::LoginId;
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
    fn a_token_is_stale_once_a_newer_version_is_known_and_until_it_has_expired() {
        let (changes, now) = (AccessChanges::default(), Clock::System.now());
        let (user, lifetime) = (access(1, 0).user, TimeDelta::minutes(17));
        changes.prune(now, lifetime);
        assert!(!changes.is_stale(&access(1, 0)));
        for version in [2, 2, 1] {
            assert!(!changes.insert(user, version, || unreachable!("the user is not connected")));
        }
        assert!(changes.is_stale(&access(1, 0)) && changes.is_stale(&access(1, 1)));
        assert!(!changes.is_stale(&access(1, 2)) && !changes.is_stale(&access(1, 3)));
        assert!(!changes.is_stale(&access(2, 0)), "another user's");
        for seconds in 0..34 * 60 {
            changes.prune(now + TimeDelta::seconds(seconds), lifetime);
            assert!(changes.is_stale(&access(1, 0)) || seconds >= 17 * 60, "{seconds}");
        }
        changes.prune(now + lifetime * 2, lifetime);
        assert!(!changes.is_stale(&access(1, 0)), "it is forgotten");
    }

    #[test]
    fn sessions_share_what_their_user_has_and_leave_nothing_behind() {
        let changes = AccessChanges::default();
        let user = access(1, 1).user;
        let one = changes.follow(&access(1, 1)).unwrap();
        assert!(one.newer_than(1).is_none());
        assert!(changes.insert(user, 3, || rights(3)), "they have to be told");
        assert!(!changes.insert(user, 3, || rights(3)) && !changes.insert(user, 2, || rights(2)));
        // A token that was checked before the change arrives after it.
        let other = changes.follow(&access(1, 1)).unwrap();
        drop(one);
        assert_eq!(other.newer_than(1).unwrap().version, 3);
        assert!(other.newer_than(3).is_none());
        drop(other);
        assert!(read(&changes.users).connected.is_empty());
        assert!(changes.follow(&access(1, 2)).is_none(), "stale, and nothing newer is known");
        let newer = changes.follow(&access(1, 4)).unwrap();
        assert!(!changes.insert(user, 4, || rights(4)), "as in the token");
        assert!(newer.newer_than(3).is_some());
    }

    #[test]
    fn a_change_counts_for_each_thread_that_has_noted_it() {
        let changes = AccessChanges::default();
        let user = access(1, 0).user;
        let live = changes.follow(&access(1, 0)).unwrap();
        for version in 1..500 {
            std::thread::scope(|scope| {
                let note = || {
                    changes.insert(user, version, || rights(version));
                    assert_eq!(live.newer_than(version - 1).unwrap().version, version);
                    assert!(changes.is_stale(&access(1, version - 1)));
                };
                scope.spawn(note);
                scope.spawn(note);
            });
        }
    }
}
