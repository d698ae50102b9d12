//! The account as its owner sees it; closing it.

use diesel::QueryResult;
use serde::Serialize;

use super::sign_in::still_confirmed;
use super::{Accounts, Error};
use crate::actors::hasher::{Caller, Class, Lane};
use crate::auth::tokens::TokenError;
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::audit_events::{self, Action};
use crate::models::failed_attempts;
use crate::models::logins::{self, Scope};
use crate::models::outbox;
use crate::models::users::{self, User};
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, DisplayName, Password, UserId};

/// What is shown of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    /// Claimed, and proven if `email_verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub email_verified: bool,
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
        }
    }
}

impl Accounts {
    /// # Errors
    /// [`Error::Token`] if the user is gone or disabled; those of the database.
    pub async fn profile(&self, user: UserId) -> Result<Profile, Error> {
        self.active_user(user).await.map(Profile::from)
    }

    /// # Errors
    /// As [`Accounts::profile`].
    pub async fn rename(&self, user: UserId, name: DisplayName) -> Result<Profile, Error> {
        let clock = self.0.clock.clone();
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    users::set_display_name(conn, user, name.as_str(), clock.now())?;
                    users::find_active(conn, user)?.map(Profile::from).ok_or(GONE)
                })
            })
            .await
    }

    /// Changes the password and ends all other logins.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::WeakPassword`], [`Error::Token`], those of the database and the
    /// hasher.
    pub async fn change_password(
        &self,
        access: &Access,
        current: Password,
        chosen: Password,
        caller: Caller,
    ) -> Result<(), Error> {
        let user = self.confirm(access, current, caller).await?;
        let lane = Lane::new(Class::Owner, caller);
        let hash = self.0.hasher.hash_chosen::<Error>(lane, chosen, about(&user)).await?;
        let (this, login) = (self.clone(), access.login);
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordChanged, move |conn| {
                let now = this.0.clock.now();
                still_confirmed(conn, &user)?;
                this.replace_password(conn, &user, &hash, now)?;
                this.note(conn, Action::PasswordChanged, Some(user.id), None, now)?;
                Ok::<_, Error>(((), Some(Scope::UserExcept(user.id, login))))
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Deletes the account and what is known of its owner. The rows of its logins stay as long as they are
    /// needed, without addresses and devices.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::Token`], those of the database and the hasher.
    pub async fn delete(&self, access: &Access, current: Password, caller: Caller) -> Result<(), Error> {
        let user = self.confirm(access, current, caller).await?;
        let this = self.clone();
        self.0
            .logins
            .revoke_with(RevokeReason::AccountDeleted, move |conn| {
                let now = this.0.clock.now();
                still_confirmed(conn, &user)?;
                erase(conn, user.id, now)?;
                this.note(conn, Action::Deleted, Some(user.id), None, now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await
    }

    pub(super) async fn active_user(&self, user: UserId) -> Result<User, Error> {
        self.0.db.run(move |conn| users::find_active(conn, user)?.ok_or(GONE)).await
    }
}

/// Deletes what is known of a user.
pub(super) fn erase(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    users::delete(conn, user)?;
    failed_attempts::clear_user(conn, user)?;
    outbox::forget_user(conn, user, now)?;
    logins::blank_devices(conn, user)?;
    audit_events::blank_addresses(conn, user)
}

/// A good token of a user who is not there any more, or not welcome: it has not been noticed yet.
pub(super) const GONE: Error = Error::Token(TokenError::Revoked(RevokeReason::AccountDeleted));

/// What others know of a user, and a password must not be made of.
pub(super) fn about(user: &User) -> Vec<String> {
    [Some(user.username.clone()), Some(user.display_name.clone()), user.email.clone()]
        .into_iter()
        .flatten()
        .collect()
}
