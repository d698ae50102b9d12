//! The logins that were revoked lately: the check that an access token with a valid signature must still
//! pass.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};

use chrono::TimeDelta;

use super::access_changes::AccessChanges;
use super::freshness::Freshness;
use super::read_numbers::ReadNumbers;
use super::room_rights::RoomChanges;
use super::room_tokens::RevokedRoomTokens;
use crate::clock::Timestamp;
use doorward_core::domain::{LoginId, RevokeReason};

/// The logins that were revoked within the lifetime of an access token. An older one needs no entry, because
/// its tokens have expired. Checked on every request and handshake, without a query.
#[derive(Debug, Default)]
pub struct Revocations {
    logins: RwLock<Logins>,
    numbers: Mutex<ReadNumbers>,
    freshness: Freshness,
    access_changes: AccessChanges,
    room_changes: RoomChanges,
    room_tokens: RevokedRoomTokens,
}

/// In two generations: a million logins take some 40 bytes each, and are forgotten together.
#[derive(Debug, Default)]
struct Logins {
    young: HashMap<LoginId, RevokeReason>,
    old: HashMap<LoginId, RevokeReason>,
    /// When the young generation began.
    began: Timestamp,
}

impl Revocations {
    /// How current this data is.
    #[must_use]
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Changes of roles and claims, which are polled together with the revocations.
    #[must_use]
    pub const fn access_changes(&self) -> &AccessChanges {
        &self.access_changes
    }

    /// Changes of members and bans, which are polled as well.
    #[must_use]
    pub const fn room_changes(&self) -> &RoomChanges {
        &self.room_changes
    }

    /// Room tokens that were revoked, which are read with those.
    #[must_use]
    pub const fn room_tokens(&self) -> &RevokedRoomTokens {
        &self.room_tokens
    }

    /// Which revocations were read from the database.
    pub fn numbers(&self) -> MutexGuard<'_, ReadNumbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Logins> {
        self.logins.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that these logins were revoked. Returns those that were not known yet.
    pub fn insert(
        &self,
        revoked: impl IntoIterator<Item = (LoginId, RevokeReason)>,
    ) -> Vec<(LoginId, RevokeReason)> {
        let mut logins = self.write();
        let mut insert = |(login, reason): &(LoginId, RevokeReason)| {
            // The first reason stays when a poll reads a sign-out again.
            let before = logins.old.get(login).copied();
            let known = logins.young.contains_key(login) || before.is_some();
            logins.young.entry(*login).or_insert(before.unwrap_or(*reason));
            !known
        };
        revoked.into_iter().filter(|login| insert(login)).collect()
    }

    /// Why the login was revoked, if it was.
    #[must_use]
    pub fn get(&self, login: LoginId) -> Option<RevokeReason> {
        let logins = self.logins.read().unwrap_or_else(PoisonError::into_inner);
        logins.young.get(&login).or_else(|| logins.old.get(&login)).copied()
    }

    /// Forgets logins that were noted at least `lifetime` ago: their tokens have all expired.
    pub fn prune(&self, now: Timestamp, lifetime: TimeDelta) {
        let forgotten = {
            let mut logins = self.write();
            if now - logins.began < lifetime {
                return;
            }
            logins.began = now;
            let young = std::mem::take(&mut logins.young);
            std::mem::replace(&mut logins.old, young)
        };
        // Without the lock: there may be a million.
        drop(forgotten);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    fn login(number: u128) -> LoginId {
        LoginId(Uuid::from_u128(number))
    }

    #[test]
    fn a_login_is_new_once_and_forgotten_after_the_lifetime_of_its_tokens() {
        let (revocations, now) = (Revocations::default(), Clock::System.now());
        let lifetime = TimeDelta::minutes(17);
        revocations.prune(now, lifetime);
        let (out, deleted) = (RevokeReason::SignedOut, RevokeReason::AccountDeleted);
        assert_eq!(revocations.insert([(login(1), out), (login(1), deleted)]), [(login(1), out)]);
        let mut last = None;
        for seconds in 0..40 * 60 {
            revocations.prune(now + TimeDelta::seconds(seconds), lifetime);
            if seconds == 16 * 60 + 59 {
                assert_eq!(revocations.insert([(login(2), out)]), [(login(2), out)]);
            }
            if revocations.get(login(1)).is_some() {
                assert_eq!(revocations.get(login(1)), Some(out), "the first reason stays");
                last = Some(seconds);
            }
            let noted = 16 * 60 + 59;
            assert!(seconds < noted || seconds >= noted + 17 * 60 || revocations.get(login(2)).is_some());
        }
        assert!(last.is_some_and(|last| (17 * 60..=34 * 60).contains(&last)), "{last:?}");
    }

    #[test]
    fn a_login_that_is_revoked_again_is_remembered_from_then_on() {
        let (revocations, now) = (Revocations::default(), Clock::System.now());
        let lifetime = TimeDelta::minutes(17);
        revocations.insert([(login(1), RevokeReason::PasswordReset)]);
        revocations.prune(now, lifetime);
        assert!(revocations.insert([(login(1), RevokeReason::SignedOut)]).is_empty());
        revocations.prune(now + lifetime, lifetime);
        assert_eq!(revocations.get(login(1)), Some(RevokeReason::PasswordReset));
        revocations.prune(now + lifetime * 2, lifetime);
        assert_eq!(revocations.get(login(1)), None);
    }
}
