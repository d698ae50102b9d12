//! The logins whose access tokens were issued or accepted here. A row of `users` that is deleted or disabled
//! by hand leaves no trace among the revoked logins. So the revocation poll checks these logins, and finds
//! the change even where no socket is open.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::Notify;

use crate::clock::Timestamp;
use doorward_core::domain::LoginId;

/// Logins in each of two generations. A login that falls out of both is checked again when its token is next
/// accepted.
const GENERATION: usize = 16_384;

/// Each login, and when its newest access token seen here expires.
#[derive(Debug, Default)]
pub struct KnownLogins {
    state: RwLock<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    young: HashMap<LoginId, Timestamp>,
    old: HashMap<LoginId, Timestamp>,
    /// Added since the last check.
    unchecked: Vec<LoginId>,
}

impl KnownLogins {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a token of this login is valid until `expires_at`.
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
        // Bounded: older ones are covered by the next check of all logins.
        if until.is_none() && !known && state.unchecked.len() < GENERATION {
            state.unchecked.push(login);
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Waits for logins that have not been checked yet.
    pub async fn wait_for_unchecked(&self) {
        self.arrived.notified().await;
    }

    /// Takes the logins that have not been checked yet.
    #[must_use]
    pub fn take_unchecked(&self) -> Vec<LoginId> {
        std::mem::take(&mut self.write().unchecked)
    }

    /// The logins that may have a valid token; forgets the others.
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
    fn a_login_is_checked_at_once_and_then_until_its_token_expires() {
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
    fn logins_are_bounded_and_one_that_returns_is_checked_again() {
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
