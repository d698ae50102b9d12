//! Proving an address, and changing it.

use super::error::on_duplicate;
use super::sign_in::still_confirmed;
use super::{Accounts, Error, MAIL_PAUSE};
use crate::actors::hasher::Caller;
use crate::auth::secret::hash_token;
use crate::db;
use crate::domain::{Access, Email, Password};
use crate::models::audit_events::Action;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::outbox::{self, MailKind};
use crate::models::users;

impl Accounts {
    /// Sends a link to a new address, which becomes the user's once it is followed. Links to addresses asked
    /// for before are spoiled: whoever holds one that was a slip must not come to hold the account.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::Token`], those of the database and the hasher.
    pub async fn change_email(
        &self,
        access: &Access,
        email: Email,
        current: Password,
        caller: Caller,
    ) -> Result<(), Error> {
        let user = self.confirm(access.user, current, caller).await?;
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let (kind, address) = (MailKind::VerifyEmail, email.as_str());
                    still_confirmed(conn, &user)?;
                    if outbox::any_since(conn, kind, user.id, address, now - MAIL_PAUSE)? {
                        return Ok(());
                    }
                    outbox::cancel(conn, kind, user.id)?;
                    one_time_tokens::spoil_others(conn, user.id, Purpose::VerifyEmail, now)?;
                    this.post(conn, kind, user.id, address, now)?;
                    this.note(conn, Action::EmailChangeRequested, Some(user.id), None, now)?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Whom a link to prove an address is for: the account's name and the address. Uses nothing up.
    ///
    /// # Errors
    /// [`Error::InvalidLink`], those of the database.
    pub async fn check_verify_link(&self, token: &str) -> Result<(String, String), Error> {
        let (hash, clock) = (hash_token(token), self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let (id, email) = one_time_tokens::peek(conn, &hash, Purpose::VerifyEmail, clock.now())?
                    .ok_or(Error::InvalidLink)?;
                let user = users::find_active(conn, id)?.ok_or(Error::InvalidLink)?;
                Ok((user.username, email))
            })
            .await
    }

    /// Makes the user of a link the holder of the address that it was sent to.
    ///
    /// # Errors
    /// [`Error::InvalidLink`]; [`Error::EmailHeld`] if somebody else proved it first (the link stays good);
    /// those of the database.
    pub async fn verify_email(&self, token: &str) -> Result<(), Error> {
        let hash = hash_token(token);
        let this = self.clone();
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let (id, email) = one_time_tokens::peek(conn, &hash, Purpose::VerifyEmail, now)?
                        .ok_or(Error::InvalidLink)?;
                    let user = users::lock_active(conn, id)?.ok_or(Error::InvalidLink)?;
                    if !one_time_tokens::redeem(conn, &hash, Purpose::VerifyEmail, now)? {
                        return Err(Error::InvalidLink);
                    }
                    users::set_held_email(conn, id, &email, now)
                        .map_err(|error| on_duplicate(error, Error::EmailHeld))?;
                    one_time_tokens::spoil_others(conn, id, Purpose::VerifyEmail, now)?;
                    this.note(conn, Action::EmailVerified, Some(id), None, now)?;
                    let held_before = user.email.filter(|_| user.email_verified_at.is_some());
                    if let Some(old) = held_before.filter(|old| *old != email) {
                        this.post(conn, MailKind::EmailChanged, id, &old, now)?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }
}
