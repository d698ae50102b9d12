//! What ended lately: the check that an access token with a good signature must still pass.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::freshness::Freshness;
use super::known_logins::KnownLogins;
use crate::clock::Timestamp;
use doorward_core::domain::{LoginId, RevokeReason};

/// The logins that were revoked no longer ago than an access token lives. An older one needs no entry: its
/// tokens have expired. Checked on every request and handshake, so that none of them asks the database.
#[derive(Debug, Default)]
pub struct Revocations {
    logins: RwLock<HashMap<LoginId, (RevokeReason, Timestamp)>>,
    freshness: Freshness,
    known_logins: KnownLogins,
}

impl Revocations {
    /// How well this is known.
    #[must_use]
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The logins whose access tokens were let in lately, for a poll to check.
    #[must_use]
    pub const fn known_logins(&self) -> &KnownLogins {
        &self.known_logins
    }

    /// Notes that a login ended. `until` is when its last access token will have expired. Answers whether
    /// that was news.
    pub fn insert(&self, login: LoginId, reason: RevokeReason, until: Timestamp) -> bool {
        let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
        // The first reason stays: a sign-out that a poll reads again is no news.
        let news = !logins.contains_key(&login);
        logins.entry(login).or_insert((reason, until));
        news
    }

    #[must_use]
    pub fn get(&self, login: LoginId) -> Option<RevokeReason> {
        self.logins.read().unwrap_or_else(PoisonError::into_inner).get(&login).map(|(reason, _)| *reason)
    }

    /// Forgets the logins whose tokens have all expired.
    pub fn prune(&self, now: Timestamp) {
        self.logins.write().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, until)| *until > now);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.logins.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
