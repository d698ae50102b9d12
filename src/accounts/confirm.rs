//! Asking for the current password again, before something that a stolen token must not do.

use super::error::GONE;
use super::guessing::{count, count_only};
use super::{Accounts, Caller, Error};
use crate::actors::hasher::{Class, Lane};
use crate::auth::guessing::PER_LOGIN;
use crate::auth::tokens::TokenError;
use crate::db::Conn;
use crate::models::audit_events::{Action, Reason};
use crate::models::failed_attempts::{self, Slot};
use crate::models::logins::{self, Scope};
use crate::models::users::{self, User};
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, Password};

/// Wrong current passwords of one user, over all logins, before the first delay. One login is revoked at
/// [`PER_LOGIN`]; this is for a thief who has several.
const FREE_CONFIRMATIONS: u32 = 2 * PER_LOGIN;

impl Accounts {
    /// Checks the current password. Returns the user as they were when it was right. The tenth wrong one revokes the
    /// login.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::TooManyAttempts`]; [`Error::Token`] if the login is no longer active.
    pub(super) async fn confirm(
        &self,
        access: &Access,
        password: Password,
        caller: &Caller,
    ) -> Result<User, Error> {
        let (this, slots) = (self.clone(), slots(access));
        let counted = slots.clone();
        let (id, login) = (access.user, access.login);
        let (user, failures) = self
            .0
            .db
            // A new password revokes logins as well: on a full disk there is room for it.
            .transaction_with_reserve(move |conn| {
                let now = this.0.clock.now();
                let user = users::find_active(conn, id)?.ok_or(GONE)?;
                // With an access token that outlived its login nothing is checked.
                logins::find_live(conn, login, now)?.ok_or(GONE)?;
                // In their order.
                count(conn, &counted[0], FREE_CONFIRMATIONS, now)?;
                let failures = count_only(conn, &counted[1], now)?;
                Ok::<_, Error>((user, failures))
            })
            .await
            .inspect_err(|error| {
                if matches!(error, Error::TooManyAttempts { .. }) {
                    self.note_refusal(Reason::Locked, access, caller);
                }
            })?;
        if failures <= PER_LOGIN {
            let unchecked = self.take_back_unless_checked(slots.to_vec());
            let lane = Lane::new(Class::Owner, caller.requester());
            let verified = self.0.hasher.verify(lane, password, Some(user.password_hash.clone())).await?;
            unchecked.checked();
            if verified.ok {
                self.clear(slots).await?;
                return Ok(user);
            }
            self.note_refusal(Reason::WrongPassword, access, caller);
            if failures < PER_LOGIN {
                return Err(Error::WrongPassword);
            }
        }
        self.revoke_guesser(access, caller).await?;
        Err(Error::Token(TokenError::Revoked(RevokeReason::PasswordGuessed)))
    }

    fn note_refusal(&self, reason: Reason, access: &Access, caller: &Caller) {
        let caller = caller.clone().with_login(access.user, access.login);
        self.record_failure(&caller, Action::ConfirmationFailed, reason, Some(access.user));
    }

    async fn clear(&self, slots: [Slot; 2]) -> Result<(), Error> {
        let clear = move |conn: &mut Conn| Ok(failed_attempts::clear(conn, &slots)?);
        self.0.db.transaction_with_reserve(clear).await
    }

    async fn revoke_guesser(&self, access: &Access, caller: &Caller) -> Result<(), Error> {
        let (this, user, login) = (self.clone(), access.user, access.login);
        let caller = caller.clone();
        tracing::warn!(%login, %user, "too many wrong current passwords: the login is revoked");
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordGuessed, move |conn| {
                this.record(conn, &caller, Action::PasswordGuessed, Some(user), this.0.clock.now())?;
                Ok::<_, Error>(((), Some(Scope::Login(login))))
            })
            .await
    }
}

fn slots(access: &Access) -> [Slot; 2] {
    [Slot::confirmation(access.user), Slot::login(access.user, access.login)]
}

/// Checks inside a transaction that the user is active and has the password that was confirmed before it.
///
/// # Errors
/// [`Error::WrongPassword`] if not.
pub(super) fn still_confirmed(conn: &mut Conn, user: &User) -> Result<(), Error> {
    let same = users::lock_active(conn, user.id)?.is_some_and(|now| now.password_hash == user.password_hash);
    if same { Ok(()) } else { Err(Error::WrongPassword) }
}
