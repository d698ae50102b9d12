//! What an operator may do to accounts at the machine's command line. It asks for no password of a user: an operator
//! who can read the database file can change it as well.

use std::collections::HashMap;

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use super::access::{RightsChange, keep_an_admin};
use super::admin_user::Expected;
use super::authority::{Authority, lock_admins};
use super::email_requests::Asker;
use super::error::on_duplicate;
use super::login_name::LoginName;
use super::overview::LoginInfo;
use super::pending_links::close_undo;
use super::profile::{about, erase};
use super::{Accounts, Caller, Error};
use crate::actors::hasher::{Class, Lane};
use crate::clock::{Timestamp, rfc3339, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::db::Conn;
use crate::models::audit_events::Action;
use crate::models::events::{self, Kind};
use crate::models::failed_attempts;
use crate::models::invitations;
use crate::models::logins::{self, Scope};
use crate::models::users::{self, NewUser, User};
use doorward_core::domain::{Claims, MailKind, Roles, RolesChange};
use doorward_core::domain::{Email, Password, UserId, Username};
use doorward_core::domain::{RevokeReason, Rights};

/// Users to ask for in one statement.
const CHUNK: usize = 500;

/// An account as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    pub id: UserId,
    pub username: String,
    pub display_name: String,
    pub email: Option<String>,
    pub email_verified: bool,
    /// When it was disabled, if it is.
    pub disabled_at: Option<String>,
    pub roles: Roles,
    pub claims: Claims,
    /// When a password was last set here, if one was since that is known.
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    pub password_changed_at: Option<Timestamp>,
    #[serde(serialize_with = "serialize_rfc3339")]
    pub created_at: Timestamp,
    /// How many active logins it has.
    pub logins: i64,
}

/// Which accounts to list.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Part of a name or address.
    pub search: String,
    /// The last name of the page before.
    pub after: String,
    pub limit: i64,
}

/// A new account. Its address is only claimed, and a link to verify it is sent, unless it is `verified`.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub username: Username,
    pub password: Password,
    pub email: Option<Email>,
    pub verified: bool,
    pub roles: Roles,
}

impl Accounts {
    /// One page of accounts, by username.
    pub async fn list_users(&self, listing: Listing) -> Result<Vec<Account>, Error> {
        let clock = self.0.clock.clone();
        let search: String = listing.search.trim().nfkc().collect();
        self.0
            .db
            .run(move |conn| {
                let users = users::list(conn, &search, &listing.after, listing.limit)?;
                accounts(conn, users, clock.now())
            })
            .await
    }

    /// The account that `text` names: a username, the address that it holds, or its id.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none.
    pub async fn find_account(&self, text: &str) -> Result<Account, Error> {
        let (text, clock) = (text.to_owned(), self.0.clock.clone());
        self.0
            .db
            .run(move |conn| {
                let by_name = match LoginName::parse(&text) {
                    Some(name) => name.find_user(conn)?,
                    None => None,
                };
                let user = match (by_name, text.parse::<UserId>()) {
                    (None, Ok(id)) => users::find(conn, id)?,
                    (by_name, _) => by_name,
                };
                let user = user.ok_or(Error::NotFound)?;
                accounts(conn, vec![user], clock.now())?.pop().ok_or(Error::NotFound)
            })
            .await
    }

    /// The active logins of a user, the newest first.
    pub async fn logins_of(&self, user: UserId) -> Result<Vec<LoginInfo>, Error> {
        Ok(self.list_logins(user).await?.into_iter().map(LoginInfo::from).collect())
    }

    /// The name of an account that `username` could be taken for.
    pub async fn find_lookalike(&self, username: Username) -> Result<Option<String>, Error> {
        let other = move |conn: &mut Conn| {
            let found = users::find_lookalike(conn, &username)?;
            Ok::<_, Error>(found.filter(|other| other != username.folded()))
        };
        self.0.db.run(other).await
    }

    /// Registers an account without signing in. Its name may be reserved, or look like another.
    ///
    /// # Errors
    /// [`Error::UsernameTaken`] and [`Error::EmailHeld`] if another account has the name or the address;
    /// [`Error::WeakPassword`].
    pub async fn add_user(&self, account: NewAccount, caller: &Caller) -> Result<Account, Error> {
        let NewAccount { username, password, email, verified, roles } = account;
        let known = [Some(username.folded()), email.as_ref().map(Email::as_str)];
        let known = known.into_iter().flatten().map(str::to_owned).collect();
        let lane = Lane::new(Class::Registration, caller.requester());
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, known).await?;
        let user = NewUser {
            id: UserId(self.0.clock.new_id()),
            username,
            email,
            password_hash,
            has_new_password: true,
            on_trial: false,
            language: None,
        };
        let (this, caller) = (self.clone(), caller.clone());
        let account = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                lock_admins(conn)?;
                let authority = Authority::lock(conn, &caller, now)?;
                users::insert_lookalike(conn, &user, now)
                    .map_err(|error| on_duplicate(error, Error::UsernameTaken))?;
                events::insert_user(conn, Kind::UserCreated, user.id, now)?;
                this.record(conn, &caller, Action::Registered, Some(user.id), now)?;
                let added = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
                let roles = RightsChange { roles: Some(RolesChange::Replace(roles)), claims: None };
                // Before a link is sent: a new role may invalidate those that were sent before.
                this.change_rights(conn, &added, &roles, (&authority, &caller))?;
                match &user.email {
                    Some(email) if verified => users::set_held_email(conn, user.id, email.as_str(), now)
                        .map_err(|error| on_duplicate(error, Error::EmailHeld))?,
                    Some(email) => {
                        let kind = (MailKind::VerifyEmail, Some(user.id));
                        this.post_link(conn, kind, email.as_str(), Asker::Operator, now)?;
                    }
                    None => {}
                }
                let user = users::find(conn, user.id)?.ok_or(Error::NotFound)?;
                accounts(conn, vec![user], now)?.pop().ok_or(Error::NotFound)
            })
            .await?;
        self.0.mail.wake();
        Ok(account)
    }

    /// Disables an account and revokes all its logins, or enables it again.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account, [`Error::LastAdmin`].
    pub async fn set_disabled(&self, user: UserId, disabled: bool, caller: &Caller) -> Result<(), Error> {
        self.set_disabled_if(user, disabled, Expected::Any, caller).await
    }

    /// The same for an account in an expected state.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::LastAdmin`], [`super::AdminError::Stale`], [`super::AdminError::MissingScope`] about an
    /// administrator; [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it.
    pub async fn set_disabled_if(
        &self,
        user: UserId,
        disabled: bool,
        expected: Expected,
        caller: &Caller,
    ) -> Result<(), Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::AccountDisabled, move |conn| {
                let now = this.0.clock.now();
                lock_admins(conn)?;
                let authority = Authority::lock(conn, &caller, now)?;
                let found = users::lock(conn, user)?.ok_or(Error::NotFound)?;
                authority.check_subject(&found)?;
                expected.check(&found)?;
                if disabled {
                    keep_an_admin(conn, &found, &caller)?;
                }
                users::set_disabled(conn, user, disabled, now)?;
                if disabled {
                    close_undo(conn, user, now)?;
                    invitations::revoke_by(conn, &user.to_string())?;
                }
                let action = if disabled { Action::Disabled } else { Action::Enabled };
                this.record(conn, &caller, action, Some(user), now)?;
                Ok(((), disabled.then_some(Scope::User(user))))
            })
            .await
    }

    /// Sets a password, revokes all logins of the user and tells them by email.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account; [`Error::WeakPassword`].
    pub async fn set_password(&self, user: UserId, password: Password, caller: &Caller) -> Result<(), Error> {
        let found = self.0.db.run(move |conn| users::find(conn, user)?.ok_or(Error::NotFound)).await?;
        let lane = Lane::new(Class::Owner, caller.requester());
        let hash = self.0.hasher.hash_chosen::<Error>(lane, password, about(&found)).await?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordReset, move |conn| {
                let now = this.0.clock.now();
                let user = users::lock(conn, user)?.ok_or(Error::NotFound)?;
                close_undo(conn, user.id, now)?;
                failed_attempts::clear_user(conn, user.id)?;
                this.replace_password(conn, &user, &hash, now)?;
                this.record(conn, &caller, Action::PasswordReset, Some(user.id), now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Deletes an account, as its user can.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account, [`Error::LastAdmin`].
    pub async fn remove_user(&self, user: UserId, caller: &Caller) -> Result<(), Error> {
        self.remove_user_if(user, Expected::Any, caller).await
    }

    /// The same for an account in an expected state.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::LastAdmin`], [`super::AdminError::Stale`], [`super::AdminError::MissingScope`] about an
    /// administrator; [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it.
    pub async fn remove_user_if(
        &self,
        user: UserId,
        expected: Expected,
        caller: &Caller,
    ) -> Result<(), Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::AccountDeleted, move |conn| {
                let now = this.0.clock.now();
                lock_admins(conn)?;
                let authority = Authority::lock(conn, &caller, now)?;
                let found = users::lock(conn, user)?.ok_or(Error::NotFound)?;
                authority.check_subject(&found)?;
                expected.check(&found)?;
                keep_an_admin(conn, &found, &caller)?;
                erase(conn, user, now)?;
                this.record(conn, &caller, Action::Deleted, Some(user), now)?;
                Ok::<_, Error>(((), Some(Scope::User(user))))
            })
            .await
    }

    /// Revokes logins, as an operator; returns how many were active.
    ///
    /// # Errors
    /// [`Error::NotFound`] if a single login is meant, and is not active.
    pub async fn revoke_logins(&self, scope: Scope, caller: &Caller) -> Result<usize, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                let active = logins::count_in(conn, scope, now)?;
                let (subject, login) = match scope {
                    Scope::Login(id) => {
                        let login = logins::find_live(conn, id, now)?.ok_or(Error::NotFound)?;
                        (Some(login.user_id), Some(id))
                    }
                    Scope::User(user) => {
                        close_undo(conn, user, now)?;
                        (Some(user), None)
                    }
                    Scope::UserExcept(user, _) | Scope::UserSince(user, _) => (Some(user), None),
                    Scope::Everybody => (None, None),
                };
                this.record(conn, &Caller { login, ..caller }, Action::LoginsRevoked, subject, now)?;
                Ok((usize::try_from(active).unwrap_or(usize::MAX), Some(scope)))
            })
            .await
    }
}

fn accounts(conn: &mut Conn, users: Vec<User>, now: Timestamp) -> Result<Vec<Account>, Error> {
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let mut counts = HashMap::new();
    for ids in ids.chunks(CHUNK) {
        counts.extend(logins::count_live(conn, ids, now)?);
    }
    let account = |user: User| {
        let Rights { roles, claims, .. } = user.rights();
        Account {
            roles,
            claims,
            logins: counts.get(&user.id).copied().unwrap_or_default(),
            id: user.id,
            username: user.username,
            display_name: user.display_name,
            email_verified: user.email_verified_at.is_some(),
            email: user.email,
            disabled_at: user.disabled_at.map(rfc3339),
            password_changed_at: user.password_changed_at,
            created_at: user.created_at,
        }
    };
    Ok(users.into_iter().map(account).collect())
}
