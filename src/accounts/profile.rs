//! The account as its user sees it, and deleting it.

use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::keep_an_admin;
use super::authority::lock_admins;
use super::confirm::still_confirmed;
use super::error::GONE;
use super::{Accounts, Caller, Error};
use crate::actors::hasher::{Class, Lane};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::access_changes;
use crate::models::address_links;
use crate::models::audit_events::{self, Action};
use crate::models::authorization_codes;
use crate::models::events::{self, Kind};
use crate::models::failed_attempts;
use crate::models::invitations;
use crate::models::logins::{self, Scope};
use crate::models::outbox;
use crate::models::users::{self, User};
use crate::models::{room_rights, room_token_revocations};
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Access, Claims, DisplayName, LanguageChoice, Password, Rights, Roles, UserId};

/// What is shown of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Profile {
    #[schema(value_type = uuid::Uuid)]
    pub id: UserId,
    #[schema(example = "alice")]
    pub username: String,
    #[schema(example = "Alice")]
    pub display_name: String,
    /// Claimed, and verified if `email_verified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "alice@example.org")]
    pub email: Option<String>,
    pub email_verified: bool,
    #[schema(value_type = Vec<String>, example = json!(["editor"]))]
    pub roles: Roles,
    #[schema(value_type = Object, example = json!({"plan": "pro"}))]
    pub claims: Claims,
    /// The language for pages and emails, if the user has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "de")]
    pub language: Option<String>,
    /// When a password was last set here. For the account page.
    #[serde(skip)]
    #[schema(ignore)]
    pub password_changed_at: Option<Timestamp>,
}

/// What users change about themselves without a password; nothing of it stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    pub display_name: Option<DisplayName>,
    pub language: Option<LanguageChoice>,
}

impl From<User> for Profile {
    fn from(user: User) -> Self {
        let Rights { roles, claims, .. } = user.rights();
        Self {
            roles,
            claims,
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            email: user.email,
            email_verified: user.email_verified_at.is_some(),
            language: user.language,
            password_changed_at: user.password_changed_at,
        }
    }
}

impl Accounts {
    /// # Errors
    /// [`Error::Token`] if the user was deleted or disabled.
    pub async fn profile(&self, user: UserId) -> Result<Profile, Error> {
        self.active_user(user).await.map(Profile::from)
    }

    /// # Errors
    /// As [`Accounts::profile`].
    pub async fn change_profile(&self, user: UserId, change: ProfileChange) -> Result<Profile, Error> {
        let clock = self.0.clock.clone();
        self.0
            .db
            .transaction(move |conn| {
                let now = clock.now();
                if let Some(name) = &change.display_name {
                    users::set_display_name(conn, user, name.as_str(), now)?;
                }
                if let Some(language) = &change.language {
                    users::set_language(conn, user, language.tag(), now)?;
                }
                let profile = users::find_active(conn, user)?.map(Profile::from).ok_or(GONE)?;
                events::insert_user(conn, Kind::UserUpdated, user, now)?;
                Ok(profile)
            })
            .await
    }

    /// Checks the current password for something that is not done, because something else about it is wrong. Counted as
    /// a guess if it is wrong, as everywhere.
    ///
    /// # Errors
    /// [`Error::WrongPassword`]; [`Error::TooManyAttempts`] if it is not checked for a while; [`Error::Token`] if the user
    /// is no longer signed in.
    pub async fn check_password(
        &self,
        access: &Access,
        current: Password,
        caller: &Caller,
    ) -> Result<(), Error> {
        self.confirm(access, current, caller).await.map(drop)
    }

    /// Checks how easy a new password of the user would be to guess.
    ///
    /// # Errors
    /// [`Error::WeakPassword`]; [`Error::Hash`] if too much password work is queued; [`Error::Token`].
    pub async fn check_strength(
        &self,
        access: &Access,
        chosen: Password,
        caller: &Caller,
    ) -> Result<(), Error> {
        let user = self.active_user(access.user).await?;
        let rating = self.rate_password(chosen, about(&user), caller).await?;
        rating.weakness.map_or(Ok(()), |weak| Err(weak.into()))
    }

    /// Changes the password and revokes all other logins.
    ///
    /// # Errors
    /// As [`Accounts::check_password`]; [`Error::WeakPassword`] about the new one.
    pub async fn change_password(
        &self,
        access: &Access,
        current: Password,
        chosen: Password,
        caller: &Caller,
    ) -> Result<(), Error> {
        let user = self.confirm(access, current, caller).await?;
        let lane = Lane::new(Class::Owner, caller.requester());
        let hash = self.0.hasher.hash_chosen::<Error>(lane, chosen, about(&user)).await?;
        let (this, login, caller) = (self.clone(), access.login, caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordChanged, move |conn| {
                let now = this.0.clock.now();
                still_confirmed(conn, &user)?;
                this.replace_password(conn, &user, &hash, now)?;
                this.record(conn, &caller, Action::PasswordChanged, Some(user.id), now)?;
                Ok::<_, Error>(((), Some(Scope::UserExcept(user.id, login))))
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Deletes the account and the user's personal data. The rows of its logins stay as long as they are needed, without
    /// addresses and user agents, and its audit trail without addresses.
    ///
    /// # Errors
    /// As [`Accounts::check_password`]; [`Error::LastAdmin`] if the user is the only one.
    pub async fn delete(&self, access: &Access, current: Password, caller: &Caller) -> Result<(), Error> {
        let user = self.confirm(access, current, caller).await?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::AccountDeleted, move |conn| {
                let now = this.0.clock.now();
                lock_admins(conn)?;
                still_confirmed(conn, &user)?;
                // As it is now: roles may have changed since it was confirmed.
                let current = users::find(conn, user.id)?.ok_or(GONE)?;
                keep_an_admin(conn, &current, &caller)?;
                // First: the address of this row is removed with the others.
                this.record(conn, &caller, Action::Deleted, Some(user.id), now)?;
                erase(conn, user.id, now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await
    }

    pub(super) async fn active_user(&self, user: UserId) -> Result<User, Error> {
        self.0.db.run(move |conn| users::find_active(conn, user)?.ok_or(GONE)).await
    }
}

/// Deletes a user and their personal data.
pub(super) fn erase(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    let address = users::find(conn, user)?.and_then(|user| user.email);
    users::delete(conn, user)?;
    authorization_codes::delete_of(conn, user)?;
    access_changes::forget_user(conn, user)?;
    room_rights::delete_of(conn, user)?;
    room_token_revocations::delete_of(conn, user)?;
    invitations::delete_of(conn, user)?;
    invitations::revoke_by(conn, &user.to_string())?;
    failed_attempts::clear_user(conn, user)?;
    outbox::forget_user(conn, user, now)?;
    // Another account may claim the same address, and its emails and links are still needed.
    if let Some(address) = address
        && !address_links::is_anyones(conn, &address)?
    {
        outbox::forget_address(conn, &address, now)?;
        address_links::delete_to(conn, &address)?;
    }
    logins::blank_devices(conn, user)?;
    audit_events::blank_addresses(conn, user)
}

/// What others know of a user: a password must not be made of it.
pub(super) fn about(user: &User) -> Vec<String> {
    [Some(user.username.clone()), Some(user.display_name.clone()), user.email.clone()]
        .into_iter()
        .flatten()
        .collect()
}
