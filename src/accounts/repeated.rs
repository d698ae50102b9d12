//! The same form once more: a double click, a reload, a response that was lost. Within a minute it gets the answer that
//! the first one got, if it asks for the same; nothing is done twice.
//!
//! A check that would tell whether a password is right is done, and counted, like a sign-in.

use chrono::TimeDelta;

use super::{Accounts, Caller, Device, Error, SignIn};
use crate::actors::hasher::{Class, Lane};
use crate::auth::refresh::CredentialKind;
use crate::auth::secret::{hash_token, trim_token};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::audit_events::{self, Action};
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::users::{self, User};
use crate::models::{address_links, failed_attempts, logins};
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, Email, Password, UserId, Username};

/// How long the same form counts as the same request.
const WINDOW: TimeDelta = TimeDelta::minutes(1);

/// What a link for a new password has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedReset {
    /// A change of address was taken back with it.
    pub restored: bool,
}

/// What a link has verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedByLink {
    pub username: String,
    pub email: String,
    /// A moment ago.
    pub just_now: bool,
}

impl Accounts {
    /// Whether a link for a new password was used a moment ago.
    pub async fn reset_link_just_used(&self, token: &str) -> Result<Option<UsedReset>, Error> {
        Ok(self.find_used_reset(token).await?.map(|(used, _)| used))
    }

    /// Whether a link for a new password was used a moment ago to set this password for this account.
    ///
    /// # Errors
    /// [`Error::Hash`] if too much password work is queued; [`Error::Db`] or [`Error::Query`].
    pub async fn password_just_reset(
        &self,
        token: &str,
        password: Password,
        username: Option<&str>,
        device: &Device,
        caller: &Caller,
    ) -> Result<Option<UsedReset>, Error> {
        let Some((reset, user)) = self.find_used_reset(token).await? else { return Ok(None) };
        let named = |name: &str| Username::lookup(name).is_some_and(|name| name.folded() == user.username);
        if !username.is_none_or(named) {
            return Ok(None);
        }
        match self.is_password_of(&user, password, device, caller).await {
            Ok(same) => Ok(same.then_some(reset)),
            Err(Error::TooManyAttempts { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn find_used_reset(&self, token: &str) -> Result<Option<(UsedReset, User)>, Error> {
        let (hash, clock) = (hash_token(trim_token(token)), self.0.clock.clone());
        self.0.db.run(move |conn| find_used_reset(conn, &hash, clock.now() - WINDOW)).await
    }

    /// What a link has verified, if that is still so.
    pub async fn verified_by_link(&self, token: &str) -> Result<Option<VerifiedByLink>, Error> {
        let (hash, clock) = (hash_token(trim_token(token)), self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let mut find = |since| one_time_tokens::find_used(conn, &hash, Purpose::VerifyEmail, since);
                let just_now = find(clock.now() - WINDOW)?.is_some();
                let Some((id, email)) = find(Timestamp::default())? else { return Ok(None) };
                let user = users::find_active(conn, id)?;
                let user = user.filter(|user| user.verified_email() == Some(&email));
                Ok(user.map(|user| VerifiedByLink { username: user.username, email, just_now }))
            })
            .await
    }

    /// Signs in to an account that was registered a moment ago with the same name, address and password. `None` if there
    /// is no such account: then the name is another account's.
    ///
    /// # Errors
    /// As [`Accounts::sign_in`], except for wrong passwords.
    pub async fn sign_in_if_just_registered(
        &self,
        username: &Username,
        password: Password,
        email: Option<&Email>,
        device: Device,
        caller: &Caller,
    ) -> Result<Option<SignIn>, Error> {
        let (name, clock) = (username.clone(), self.0.clock.clone());
        let user = self.0.db.run(move |conn| Ok::<_, Error>(users::find_by_username(conn, &name)?)).await?;
        let Some(user) = user.filter(|user| user.created_at > clock.now() - WINDOW) else { return Ok(None) };
        if user.email.as_deref() != email.map(Email::as_str) {
            // The same work, or the time would tell the address.
            let checked = self.is_password_of(&user, password, &device, caller).await;
            return match checked {
                Ok(_) | Err(Error::TooManyAttempts { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        match self.sign_in(username.folded(), password, device, caller).await {
            Ok(signed_in) => Ok(Some(signed_in)),
            Err(Error::InvalidCredentials | Error::TooManyAttempts { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the user of this login changed their password to this one a moment ago. To be called before the check of
    /// the current password, which is counted: so there is at most one such check for each of those.
    ///
    /// # Errors
    /// [`Error::Hash`] if too much password work is queued; [`Error::Db`] or [`Error::Query`].
    pub async fn password_just_changed(
        &self,
        access: &Access,
        password: Password,
        caller: &Caller,
    ) -> Result<bool, Error> {
        let (id, clock) = (access.user, self.0.clock.clone());
        let user = self
            .0
            .db
            .run(move |conn| {
                let since = clock.now() - WINDOW;
                if !audit_events::has_happened(conn, id, Action::PasswordChanged, since)? {
                    return Ok(None);
                }
                Ok::<_, Error>(users::find_active(conn, id)?)
            })
            .await?;
        let Some(user) = user else { return Ok(false) };
        let lane = Lane::new(Class::Owner, caller.requester());
        Ok(self.0.hasher.verify(lane, password, Some(user.password_hash)).await?.ok)
    }

    /// Why the login of a browser's cookie was revoked, if that was a moment ago.
    pub async fn cookie_just_revoked(&self, cookie: &str) -> Result<Option<RevokeReason>, Error> {
        let presented = self.read_credential(CredentialKind::Browser, cookie);
        let Some(credential) = presented.map(|presented| presented.credential) else { return Ok(None) };
        let clock = self.0.clock.clone();
        self.0
            .db
            .run(move |conn| {
                let (id, hash) = (credential.login, credential.hash());
                Ok(logins::find_revoked(conn, id, &hash, clock.now() - WINDOW)?)
            })
            .await
    }

    /// Whether the account was deleted.
    pub async fn is_deleted(&self, user: UserId) -> Result<bool, Error> {
        self.0.db.run(move |conn| Ok(users::find(conn, user)?.is_none())).await
    }

    /// Whether this is the user's password. It is counted as a sign-in is, and makes no login.
    async fn is_password_of(
        &self,
        user: &User,
        password: Password,
        device: &Device,
        caller: &Caller,
    ) -> Result<bool, Error> {
        let attempt = self.begin_attempt(&user.username, device, caller).await?;
        let unchecked = self.take_back_unless_checked(attempt.slots.clone());
        let stored = attempt.user.as_ref().map(|user| user.password_hash.clone());
        let verified = self.0.hasher.verify(attempt.lane(caller), password, stored).await?;
        unchecked.checked();
        if verified.ok {
            let slots = attempt.slots;
            let clear = move |conn: &mut Conn| Ok::<_, Error>(failed_attempts::clear(conn, &slots)?);
            self.0.db.transaction(clear).await?;
        } else {
            self.record_failed_attempt(&attempt, caller, attempt.failure());
        }
        Ok(verified.ok)
    }
}

fn find_used_reset(
    conn: &mut Conn,
    hash: &str,
    since: Timestamp,
) -> Result<Option<(UsedReset, User)>, Error> {
    for (purpose, restored) in [(Purpose::ResetPassword, false), (Purpose::UndoEmail, true)] {
        if let Some((id, _)) = one_time_tokens::find_used(conn, hash, purpose, since)? {
            return Ok(users::find_active(conn, id)?.map(|user| (UsedReset { restored }, user)));
        }
    }
    let Some(email) = address_links::find_used(conn, hash, since)? else { return Ok(None) };
    // It has verified the address for the account that it was used for.
    let email = Email::parse(&email).map_err(|_| Error::InvalidLink)?;
    let holder = users::find_holder(conn, &email)?.filter(|user| user.disabled_at.is_none());
    Ok(holder.map(|user| (UsedReset { restored: false }, user)))
}
