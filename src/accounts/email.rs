//! Verifying an address, and changing it.

use super::confirm::still_confirmed;
use super::email_requests::Asking;
use super::error::{GONE, on_duplicate};
use super::pending_links::{end_undo, end_verification, pending_address};
use super::{Accounts, Caller, Error};
use crate::auth::secret::{hash_token, trim_token};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::audit_events::Action;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::outbox;
use crate::models::users::{self, User};
use doorward_core::domain::MailKind;
use doorward_core::domain::{Access, Email, Password, UserId};

impl Accounts {
    /// Checks whether users may have this address.
    ///
    /// # Errors
    /// [`Error::Invalid`] if addresses of its domain are not allowed.
    pub fn check_new_address(&self, email: &Email) -> Result<(), Error> {
        self.0.registration.check_address(Some(email))
    }

    /// Sends a link to a new address, which becomes the user's once it is followed. Links to addresses asked
    /// for before are invalidated: a link that went astray must not give the account to its reader.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::TooManyAttempts`], [`Error::Token`]; [`Error::Invalid`] if addresses of its
    /// domain are not allowed.
    pub async fn change_email(
        &self,
        access: &Access,
        email: Email,
        current: Password,
        caller: &Caller,
    ) -> Result<(), Error> {
        let user = self.confirm(access, current, caller).await?;
        self.check_new_address(&email)?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let (kind, address) = (MailKind::VerifyEmail, email.as_str());
                still_confirmed(conn, &user)?;
                if Self::asked_lately(conn, kind, Some(user.id), address, now)? {
                    return Ok(());
                }
                end_verification(conn, user.id, now)?;
                this.post_link(conn, (kind, Some(user.id)), address, Asking::by(&caller), now)?;
                this.record(conn, &caller, Action::EmailChangeRequested, Some(user.id), now)?;
                Ok::<_, Error>(())
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// The address of a user that waits for its link to be opened: the current one, or another that will replace it.
    pub async fn pending_email(&self, user: UserId) -> Result<Option<String>, Error> {
        let clock = self.0.clock.clone();
        self.0.db.run(move |conn| Ok(pending_address(conn, user, clock.now())?)).await
    }

    /// Sends the link to the address that waits again, or to the current one if that is not verified. The limits of
    /// emails apply, and the caller is not told if they are used up.
    ///
    /// # Errors
    /// [`Error::Token`] if the user was deleted or disabled.
    pub async fn resend_verification(&self, access: &Access, caller: &Caller) -> Result<(), Error> {
        let (this, id, caller) = (self.clone(), access.user, caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let user = users::lock_active(conn, id)?.ok_or(GONE)?;
                let pending = pending_address(conn, id, now)?.or_else(|| user.email.clone());
                if let Some(address) =
                    pending.filter(|address| user.verified_email() != Some(address.as_str()))
                {
                    this.post_link(
                        conn,
                        (MailKind::VerifyEmail, Some(id)),
                        &address,
                        Asking::by(&caller),
                        now,
                    )?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Gives up a change of address whose link was not opened yet: the link no longer works.
    ///
    /// # Errors
    /// [`Error::Token`] if the user was deleted or disabled.
    pub async fn cancel_email_change(&self, access: &Access) -> Result<(), Error> {
        let (clock, id) = (self.0.clock.clone(), access.user);
        self.0
            .db
            .transaction(move |conn| {
                let now = clock.now();
                let user = users::lock_active(conn, id)?.ok_or(GONE)?;
                if pending_address(conn, id, now)? != user.email {
                    end_verification(conn, id, now)?;
                }
                Ok::<_, Error>(())
            })
            .await
    }

    /// Which account a link verifies an address for: its username, and the address. The link stays valid.
    ///
    /// # Errors
    /// [`Error::InvalidLink`] if it was used or has expired.
    pub async fn check_verify_link(&self, token: &str) -> Result<(String, String), Error> {
        let (hash, clock) = (hash_token(trim_token(token)), self.0.clock.clone());
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

    /// Verifies the address that a link was sent to, for the user whom it was sent for. A verified address that this
    /// replaces is told, with a link that takes the change back.
    ///
    /// # Errors
    /// [`Error::InvalidLink`]; [`Error::EmailHeld`] if another account verified it first (the link stays valid).
    pub async fn verify_email(&self, token: &str, caller: &Caller) -> Result<(), Error> {
        let hash = hash_token(trim_token(token));
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
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
                this.record(conn, &caller, Action::EmailVerified, Some(id), now)?;
                if let Some(old) = user.verified_email().filter(|old| *old != email) {
                    this.tell_former(conn, &user, old, &email, now)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Tells a verified address that it was replaced. At most one former address can take the account back, the one
    /// that it belonged to first: otherwise a thief who changed it to another address would get the account back
    /// once its owner has recovered it.
    fn tell_former(
        &self,
        conn: &mut Conn,
        user: &User,
        old: &str,
        new: &str,
        now: Timestamp,
    ) -> Result<(), Error> {
        let before = one_time_tokens::find_valid(conn, user.id, Purpose::UndoEmail, now)?;
        let closed = user.undo_closed_until.is_some_and(|until| until > now);
        let first = !closed && before.is_none() && !outbox::has_unsent_undo(conn, user.id)?;
        if before.as_deref() == Some(new) {
            end_undo(conn, user.id, now)?;
        }
        let kind = if first { MailKind::EmailChangedUndo } else { MailKind::EmailChanged };
        self.post_notice(conn, kind, user.id, old, now)?;
        Ok(())
    }
}
