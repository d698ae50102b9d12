//! A forgotten password.

use std::net::IpAddr;

use diesel::QueryResult;

use super::profile::about;
use super::sign_in::LoginName;
use super::{Accounts, Error, MAIL_PAUSE};
use crate::actors::hasher::{Caller, Class, Lane};
use crate::auth::revocation::RevokeReason;
use crate::auth::secret::hash_token;
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::domain::{Password, UserId};
use crate::models::audit_events::Action;
use crate::models::logins::Scope;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::outbox::{self, MailKind};
use crate::models::users::{self, User};

/// One address may be claimed by many; this many are told.
const MAX_CLAIMANTS: i64 = 10;

impl Accounts {
    /// Sends a link for a new password to the address of a user, or to an address for each of the accounts
    /// that claim it. Tells nobody whether there is one: every request is one commit of about the same size.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn request_reset(&self, login: &str, ip: Option<IpAddr>) -> Result<(), Error> {
        let name = LoginName::parse(login);
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    this.note(conn, Action::ResetRequested, None, ip, now)?;
                    for user in recipients(conn, name)? {
                        // Of two that ask at the same time the second sees what the first has done.
                        let Some(user) = users::lock_active(conn, user.id)? else { continue };
                        let Some(email) = &user.email else { continue };
                        this.post_once(conn, MailKind::ResetPassword, user.id, email, now)?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Whose new password a link is for, without using it up: the page that asks for the password names the
    /// account.
    ///
    /// # Errors
    /// [`Error::InvalidLink`], those of the database.
    pub async fn check_reset_link(&self, token: &str) -> Result<String, Error> {
        self.find_reset_user(hash_token(token)).await.map(|user| user.username)
    }

    async fn find_reset_user(&self, hash: String) -> Result<User, Error> {
        let clock = self.0.clock.clone();
        self.0
            .db
            .run(move |conn| {
                let found = one_time_tokens::peek(conn, &hash, Purpose::ResetPassword, clock.now())?;
                find_recipient(conn, found)
            })
            .await
    }

    /// Sets a new password with the token of a link, and ends all logins of the user. Of two that race with
    /// one link, one wins.
    ///
    /// # Errors
    /// [`Error::InvalidLink`], [`Error::WeakPassword`] (the link stays good), those of the database and the
    /// hasher.
    pub async fn reset_password(&self, token: &str, password: Password, caller: Caller) -> Result<(), Error> {
        let hash = hash_token(token);
        // First a look: a made-up link must not cost a hash, and a refused password must not cost the link.
        let user = self.find_reset_user(hash.clone()).await?;
        let lane = Lane::new(Class::Owner, caller);
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, about(&user)).await?;
        let this = self.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordReset, move |conn| {
                let now = this.0.clock.now();
                let found = one_time_tokens::peek(conn, &hash, Purpose::ResetPassword, now)?;
                let user = find_recipient(conn, found)?;
                let user = users::lock_active(conn, user.id)?
                    .filter(|locked| locked.email == user.email)
                    .ok_or(Error::InvalidLink)?;
                if !one_time_tokens::redeem(conn, &hash, Purpose::ResetPassword, now)? {
                    return Err(Error::InvalidLink);
                }
                this.replace_password(conn, &user, &password_hash, now)?;
                this.note(conn, Action::PasswordReset, Some(user.id), None, now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Sets a password, spoils the links that would set another one, and tells the owner by mail.
    pub(super) fn replace_password(
        &self,
        conn: &mut Conn,
        user: &User,
        hash: &str,
        now: Timestamp,
    ) -> QueryResult<()> {
        users::set_password_hash(conn, user.id, hash, now)?;
        one_time_tokens::spoil_others(conn, user.id, Purpose::ResetPassword, now)?;
        outbox::cancel(conn, MailKind::ResetPassword, user.id)?;
        if let Some(email) = &user.email {
            self.post(conn, MailKind::PasswordChanged, user.id, email, now)?;
        }
        Ok(())
    }

    /// Adds a mail unless the same one was asked for a moment ago. Answers whether it did.
    pub(super) fn post_once(
        &self,
        conn: &mut Conn,
        kind: MailKind,
        user: UserId,
        address: &str,
        now: Timestamp,
    ) -> QueryResult<bool> {
        if outbox::any_since(conn, kind, user, address, now - MAIL_PAUSE)? {
            return Ok(false);
        }
        self.post(conn, kind, user, address, now)?;
        Ok(true)
    }
}

fn recipients(conn: &mut Conn, name: Option<LoginName>) -> QueryResult<Vec<User>> {
    match name {
        Some(LoginName::Email(email)) => users::find_claimants(conn, &email, MAX_CLAIMANTS),
        Some(LoginName::Username(username)) => {
            let user = users::find_by_username(conn, &username)?;
            Ok(user.filter(|user| user.disabled_at.is_none()).into_iter().collect())
        }
        None => Ok(Vec::new()),
    }
}

/// The user of a link, if it still leads to their address: who left an address, or lost it, must not be let
/// in by what was sent there.
fn find_recipient(conn: &mut Conn, found: Option<(UserId, String)>) -> Result<User, Error> {
    let (user, email) = found.ok_or(Error::InvalidLink)?;
    users::find_active(conn, user)?
        .filter(|user| user.email.as_deref() == Some(&email))
        .ok_or(Error::InvalidLink)
}
