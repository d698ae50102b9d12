//! The logins whose access tokens were made or let in here. A row of `users` that is deleted or disabled by hand leaves
//! no trace among the revoked logins, so a poll checks these and finds it, also where no socket is open.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

use crate::clock::Timestamp;
use doorward_core::domain::LoginId;

/// Logins in each of two generations. A login that falls out of both is checked again when it is next let in.
const GENERATION: usize = 16_384;

/// Each login and when its newest access token expires, as far as it was seen here.
#[derive(Debug, Default)]
pub struct KnownLogins {
    state: RwLock<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    young: HashMap<LoginId, Timestamp>,
    old: HashMap<LoginId, Timestamp>,
    /// Not checked since they arrived.
    unchecked: Vec<LoginId>,
}

impl KnownLogins {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A token of this login is good until `expires_at`.
    pub fn note(&self, login: LoginId, expires_at: Timestamp) {
        if self.read().young.get(&login).is_some_and(|until| *until >= expires_at) {
            return;
        }
        let mut state = self.write();
        let known = state.old.remove(&login).is_some();
        if state.young.len() >= GENERATION {
            state.old = std::mem::take(&mut state.young);
        }
        let until = state.young.insert(login, expires_at);
        // At most as many as there are logins: older ones are in the next check of all.
        if until.is_none() && !known && state.unchecked.len() < GENERATION {
            state.unchecked.push(login);
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits for logins that were not checked yet.
    pub async fn wait_for_unchecked(&self) {
        self.arrived.notified().await;
    }

    /// Those that were not checked yet, once.
    #[must_use]
    pub fn take_unchecked(&self) -> Vec<LoginId> {
        std::mem::take(&mut self.write().unchecked)
    }

    /// Those that may have a good token; the others are forgotten.
    #[must_use]
    pub fn unexpired(&self, now: Timestamp) -> Vec<LoginId> {
        let mut state = self.write();
        state.young.retain(|_, until| *until > now);
        state.old.retain(|_, until| *until > now);
        state.young.keys().chain(state.old.keys()).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    fn login(number: usize) -> LoginId {
        LoginId(Uuid::from_u128(number as u128))
    }

    #[test]
    fn each_is_checked_at_once_and_then_until_its_token_expires() {
        let (admitted, now) = (KnownLogins::default(), Clock::System.now());
        let minute = TimeDelta::minutes(1);
        admitted.note(login(1), now + minute);
        admitted.note(login(1), now + minute);
        admitted.note(login(2), now + minute);
        assert_eq!(admitted.take_unchecked(), [login(1), login(2)]);
        admitted.note(login(1), now + minute * 3);
        assert!(admitted.take_unchecked().is_empty(), "a newer token of one that is known");
        assert_eq!(admitted.unexpired(now).len(), 2);
        assert_eq!(admitted.unexpired(now + minute * 2), [login(1)]);
        assert!(admitted.unexpired(now + minute * 3).is_empty());
    }

    #[test]
    fn they_are_bounded_and_one_that_comes_again_is_checked_again() {
        let (admitted, now) = (KnownLogins::default(), Clock::System.now());
        let later = now + TimeDelta::minutes(1);
        for number in 0..GENERATION * 3 {
            admitted.note(login(number), later);
        }
        assert!(admitted.unexpired(now).len() <= GENERATION * 2);
        assert_eq!(admitted.take_unchecked().len(), GENERATION);
        admitted.note(login(0), later);
        assert_eq!(admitted.take_unchecked(), [login(0)]);
    }
}
