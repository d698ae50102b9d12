//! What ended lately: the check that an access token with a good signature must still pass.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::admitted::AdmittedLogins;
use super::freshness::Freshness;
use crate::clock::Timestamp;
use crate::domain::LoginId;
use crate::protocol::CloseReason;

/// Why a login ended, as its row says (`logins.revoked_reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevokeReason {
    /// Logout, here or from the list of devices.
    SignedOut,
    /// A refresh token came back after its successor was used: somebody has a copy.
    RefreshReuse,
    PasswordChanged,
    PasswordReset,
    AccountDisabled,
    AccountDeleted,
    /// Its current password was guessed at: the access token is in the wrong hands.
    PasswordGuessed,
    /// The user has signed in so often that the login which was used least recently made room.
    TooManyLogins,
}

impl RevokeReason {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::RefreshReuse => "refresh_reuse",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::AccountDisabled => "account_disabled",
            Self::AccountDeleted => "account_deleted",
            Self::PasswordGuessed => "password_guessed",
            Self::TooManyLogins => "too_many_logins",
        }
    }

    /// Reads a row's word. Whoever set a row by hand may have written anything, or nothing: that is a
    /// sign-out.
    #[must_use]
    pub fn parse(word: Option<&str>) -> Self {
        match word {
            Some("refresh_reuse") => Self::RefreshReuse,
            Some("password_changed") => Self::PasswordChanged,
            Some("password_reset") => Self::PasswordReset,
            Some("account_disabled") => Self::AccountDisabled,
            Some("account_deleted") => Self::AccountDeleted,
            Some("password_guessed") => Self::PasswordGuessed,
            Some("too_many_logins") => Self::TooManyLogins,
            _ => Self::SignedOut,
        }
    }

    /// What the login's live sessions are told.
    #[must_use]
    pub const fn close_reason(self) -> CloseReason {
        match self {
            Self::SignedOut | Self::RefreshReuse | Self::PasswordGuessed => CloseReason::SignedOut,
            Self::TooManyLogins => CloseReason::TooManyLogins,
            Self::PasswordChanged | Self::PasswordReset => CloseReason::PasswordChanged,
            Self::AccountDisabled | Self::AccountDeleted => CloseReason::AccountClosed,
        }
    }
}

/// The logins that were revoked no longer ago than an access token lives. An older one needs no entry: its
/// tokens have expired. Checked on every request and handshake, so that none of them asks the database.
#[derive(Debug, Default)]
pub struct Revocations {
    logins: RwLock<HashMap<LoginId, (RevokeReason, Timestamp)>>,
    freshness: Freshness,
    admitted: AdmittedLogins,
}

impl Revocations {
    /// How well this is known.
    #[must_use]
    pub const fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// The logins whose access tokens were let in lately, for a poll to check.
    #[must_use]
    pub const fn admitted(&self) -> &AdmittedLogins {
        &self.admitted
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
