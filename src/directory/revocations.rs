//! The logins that were revoked lately: the check that an access token with a valid signature must still
//! pass.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::access_changes::AccessChanges;
use super::freshness::Freshness;
use super::known_logins::KnownLogins;
use crate::clock::Timestamp;
use doorward_core::domain::{LoginId, RevokeReason};

/// The logins that were revoked within the lifetime of an access token. An older one needs no entry, because
/// its tokens have expired. Checked on every request and handshake, without a query.
#[derive(Debug, Default)]
pub struct Revocations {
    logins: RwLock<HashMap<LoginId, (RevokeReason, Timestamp)>>,
    freshness: Freshness,
    known_logins: KnownLogins,
    access_changes: AccessChanges,
}

impl Revocations {
    /// How current this data is.
    #[must_use]
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The logins whose access tokens were accepted lately, for the revocation poll to check.
    #[must_use]
    pub const fn known_logins(&self) -> &KnownLogins {
        &self.known_logins
    }

    /// Changes of roles and claims, which are polled together with the revocations.
    #[must_use]
    pub const fn access_changes(&self) -> &AccessChanges {
        &self.access_changes
    }

    /// Notes that a login was revoked. `until` is when its last access token will have expired. Returns
    /// whether it was not known yet.
    pub fn insert(&self, login: LoginId, reason: RevokeReason, until: Timestamp) -> bool {
        let mut logins = self.logins.write().unwrap_or_else(PoisonError::into_inner);
        // The first reason stays when a poll reads a sign-out again.
        let is_new = !logins.contains_key(&login);
        logins.entry(login).or_insert((reason, until));
        is_new
    }

    #[must_use]
    pub fn get(&self, login: LoginId) -> Option<RevokeReason> {
        self.logins.read().unwrap_or_else(PoisonError::into_inner).get(&login).map(|(reason, _)| *reason)
    }

    /// Forgets the logins whose tokens have all expired.
    pub fn prune(&self, now: Timestamp) {
        self.logins.write().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, until)| *until > now);
    }
}
