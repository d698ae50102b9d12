//! What an administrator and an application's backend may do to accounts over HTTP, beside what [`super::operator`] has.
//! They never choose a password for a user: a user gets a link instead.

use std::sync::Arc;

use unicode_normalization::UnicodeNormalization;

use super::access::RightsChange;
use super::admin_user::{AdminUser, Expected};
use super::authority::{Authority, lock_admins};
use super::email_requests::Asker;
use super::error::on_duplicate;
use super::pending_links::{close_undo, end_verification};
use super::{Accounts, AdminError, Caller, Error};
use crate::actors::hasher::{Class, Lane};
use crate::auth::secret::random_token;
use crate::clock::Timestamp;
use crate::cluster::message::NodeId;
use crate::db::{self, Conn};
use crate::models::audit_events::Action;
use crate::models::events::{self, Kind};
use crate::models::logins::{self, Scope};
use crate::models::users::{self, NewUser, User};
use doorward_core::domain::{
    DisplayName, Email, Invalid, LanguageChoice, LanguageTag, LoginId, MailKind, Password, RevokeReason,
    Rights, UserId, Username,
};

/// An account to create. It gets no password: its user sets one with a link.
#[derive(Debug, Clone)]
pub struct Invited {
    pub username: Username,
    pub email: Option<Email>,
    /// The application has verified the address: the link to set a password is sent there.
    pub verified: bool,
    pub rights: RightsChange,
}

/// What to change about an account; nothing of it stays as it is.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    pub display_name: Option<DisplayName>,
    pub language: Option<LanguageChoice>,
    pub email: Option<Email>,
    /// Of the new address, or else of the one that the account has.
    pub email_verified: Option<bool>,
    pub rights: RightsChange,
}

impl Accounts {
    /// One page of accounts, by username.
    pub async fn page_of_users(
        &self,
        search: &str,
        after: String,
        limit: i64,
    ) -> Result<Vec<AdminUser>, Error> {
        let search: String = search.trim().nfkc().collect();
        let list = move |conn: &mut Conn| {
            let users = users::list(conn, &search, &after, limit)?;
            Ok::<_, Error>(users.iter().map(AdminUser::from).collect())
        };
        self.0.db.run(list).await
    }

    /// # Errors
    /// [`Error::NotFound`] if there is no such account.
    pub async fn admin_user(&self, id: UserId) -> Result<AdminUser, Error> {
        let find = move |conn: &mut Conn| found(conn, id);
        self.0.db.run(find).await
    }

    /// Creates an account without a known password. A verified address is sent a link to set one; to any
    /// other a link to verify it.
    ///
    /// # Errors
    /// [`Error::UsernameReserved`], [`Error::UsernameTaken`], [`Error::UsernameLooksTaken`], [`Error::EmailHeld`];
    /// [`Error::Invalid`] about too many roles or too large claims, [`AdminError::AdminBeyondOwnRights`];
    /// [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it.
    pub async fn invite_user(&self, invited: Invited, caller: &Caller) -> Result<AdminUser, Error> {
        if self.0.reserved_names.contains(&invited.username) {
            return Err(Error::UsernameReserved);
        }
        let lane = Lane::new(Class::Registration, caller.requester());
        // No person knows it, and it is not kept.
        let password = Password::typed(random_token());
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, Vec::new()).await?;
        let (this, caller) = (self.clone(), caller.clone());
        let user = self
            .0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let Invited { username, email, verified, rights } = invited;
                if rights != RightsChange::default() {
                    lock_admins(conn)?;
                }
                let authority = Authority::lock(conn, &caller, now)?;
                if users::find_by_username(conn, &username)?.is_some() {
                    return Err(Error::UsernameTaken);
                }
                let id = UserId(this.0.clock.new_id());
                let user = NewUser {
                    id,
                    username,
                    email,
                    password_hash,
                    has_new_password: false,
                    on_trial: false,
                    language: None,
                };
                this.insert_named(conn, &user, now)?;
                events::insert_user(conn, Kind::UserCreated, id, now)?;
                this.record(conn, &caller, Action::Registered, Some(id), now)?;
                // Before a link is sent: a new role may invalidate those that were sent before.
                let added = users::find(conn, id)?.ok_or(Error::NotFound)?;
                this.change_rights(conn, &added, &rights, (&authority, &caller))?;
                match &user.email {
                    Some(email) if verified => {
                        users::set_held_email(conn, id, email.as_str(), now)
                            .map_err(|error| on_duplicate(error, Error::EmailHeld))?;
                        let kind = (MailKind::ResetPassword, Some(id));
                        this.post_link(conn, kind, email.as_str(), Asker::Operator, now)?;
                    }
                    Some(email) => {
                        let kind = (MailKind::VerifyEmail, Some(id));
                        this.post_link(conn, kind, email.as_str(), Asker::Operator, now)?;
                    }
                    None => {}
                }
                found(conn, id)
            })
            .await?;
        self.0.mail.wake();
        Ok(user)
    }

    fn insert_named(&self, conn: &mut Conn, user: &NewUser, now: Timestamp) -> Result<(), Error> {
        let inserted = if self.0.allow_lookalikes {
            users::insert_lookalike(conn, user, now)
        } else {
            users::insert(conn, user, now)
        };
        inserted.map_err(|error| on_duplicate(error, Error::UsernameLooksTaken))
    }

    /// Changes an account: all of it or nothing. Returns when every node has applied a change of roles and claims, and
    /// which nodes have not within a second. A new address that is not said to be verified becomes the user's once
    /// the link that is sent there is followed.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`AdminError::Stale`], [`Error::EmailHeld`], [`Error::LastAdmin`]; [`Error::Invalid`] if there
    /// is no address to verify, or there would be too many roles or too large claims; [`AdminError::MissingScope`] about
    /// the address of an administrator, [`AdminError::AdminBeyondOwnRights`] about that role; [`Error::ApiKey`] or
    /// [`Error::Token`] if the caller may no longer do it.
    pub async fn change_user(
        &self,
        id: UserId,
        change: UserChange,
        expected: Expected,
        caller: &Caller,
    ) -> Result<(AdminUser, Vec<NodeId>), Error> {
        let (this, caller) = (self.clone(), caller.clone());
        let (user, number) = self
            .0
            .db
            .run_writing(move |conn| {
                let (user, rights, number) =
                    db::write(conn, |conn| this.write_change(conn, id, &change, &expected, &caller))?;
                this.announce_rights(id, &rights, number);
                Ok::<_, Error>((user, number))
            })
            .await?;
        self.0.mail.wake();
        Ok((user, self.silent_about(number).await))
    }

    /// Inside one transaction. Answers also what the user has then, and the number of the change of roles and claims if
    /// there was one.
    fn write_change(
        &self,
        conn: &mut Conn,
        id: UserId,
        change: &UserChange,
        expected: &Expected,
        caller: &Caller,
    ) -> Result<(AdminUser, Arc<Rights>, Option<i32>), Error> {
        let UserChange { display_name, language, email, email_verified, rights } = change;
        if *rights != RightsChange::default() {
            lock_admins(conn)?;
        }
        let now = self.0.clock.now();
        let authority = Authority::lock(conn, caller, now)?;
        let user = users::lock(conn, id)?.ok_or(Error::NotFound)?;
        if email.is_some() || email_verified.is_some() {
            authority.check_subject(&user)?;
        }
        if let Some(email) = email {
            // An invitation to this address locks it before other invitations too.
            db::lock_name(conn, &self.recipient(email.as_str()))?;
        }
        expected.check(&user)?;
        // First: a new role invalidates links that were sent before, not one that this change sends.
        let (rights, number) = self.change_rights(conn, &user, rights, (&authority, caller))?;
        if let Some(name) = display_name.as_ref().filter(|name| name.as_str() != user.display_name) {
            users::set_display_name(conn, id, name.as_str(), now)?;
            self.record(conn, caller, Action::Renamed, Some(id), now)?;
        }
        let is_new = |new: &&LanguageChoice| new.tag().map(LanguageTag::as_str) != user.language.as_deref();
        if let Some(language) = language.as_ref().filter(is_new) {
            users::set_language(conn, id, language.tag(), now)?;
            self.record(conn, caller, Action::LanguageChanged, Some(id), now)?;
        }
        self.change_address(conn, &user, change, caller, now)?;
        Ok((found(conn, id)?, rights, number))
    }

    fn change_address(
        &self,
        conn: &mut Conn,
        user: &User,
        change: &UserChange,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Error> {
        let is_new = |email: &&Email| user.email.as_deref() != Some(email.as_str());
        let new = change.email.as_ref().filter(is_new).map(Email::as_str);
        match (new, change.email_verified) {
            (Some(email), Some(true)) => self.hold(conn, user, email, caller, now),
            (None, Some(true)) if user.email_verified_at.is_some() => Ok(()),
            (None, Some(true)) => {
                let missing = || Invalid::new("email_verified", "The account has no email address.");
                self.hold(conn, user, user.email.as_deref().ok_or_else(missing)?, caller, now)
            }
            (Some(email), _) => {
                end_verification(conn, user.id, now)?;
                let kind = (MailKind::VerifyEmail, Some(user.id));
                self.post_link(conn, kind, email, Asker::Operator, now)?;
                Ok(self.record(conn, caller, Action::EmailChangeRequested, Some(user.id), now)?)
            }
            (None, Some(false)) if user.email_verified_at.is_some() => {
                users::set_unverified(conn, user.id, now)?;
                Ok(self.record(conn, caller, Action::EmailUnverified, Some(user.id), now)?)
            }
            (None, _) => Ok(()),
        }
    }

    /// Makes the user the holder of an address. Links that were sent to verify another one are invalidated.
    fn hold(
        &self,
        conn: &mut Conn,
        user: &User,
        email: &str,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(), Error> {
        users::set_held_email(conn, user.id, email, now)
            .map_err(|error| on_duplicate(error, Error::EmailHeld))?;
        end_verification(conn, user.id, now)?;
        // Who could read the former address must not take the change back.
        close_undo(conn, user.id, now)?;
        if let Some(old) = user.verified_email().filter(|old| *old != email) {
            self.post_notice(conn, MailKind::EmailChanged, user.id, old, now)?;
        }
        Ok(self.record(conn, caller, Action::EmailVerified, Some(user.id), now)?)
    }

    /// Sends a link for a new password to the verified address of an account.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account or it is disabled, [`AdminError::NoVerifiedEmail`];
    /// [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it.
    pub async fn start_reset(&self, id: UserId, caller: &Caller) -> Result<(), Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                Authority::lock(conn, &caller, now)?;
                let user = users::lock_active(conn, id)?.ok_or(Error::NotFound)?;
                let email = user.verified_email().ok_or(AdminError::NoVerifiedEmail)?;
                let kind = (MailKind::ResetPassword, Some(id));
                if this.post_link(conn, kind, email, Asker::Operator, now)? {
                    this.record(conn, &caller, Action::ResetStarted, Some(id), now)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Revokes one login of a user, or all of them; returns how many were active.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such user, or the login is not an active one of this user;
    /// [`AdminError::MissingScope`] about an administrator; [`Error::ApiKey`] or [`Error::Token`] if the caller may no
    /// longer do it.
    pub async fn end_logins(
        &self,
        id: UserId,
        login: Option<LoginId>,
        caller: &Caller,
    ) -> Result<i64, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::SignedOut, move |conn| {
                let now = this.0.clock.now();
                let authority = Authority::lock(conn, &caller, now)?;
                authority.check_subject(&users::lock(conn, id)?.ok_or(Error::NotFound)?)?;
                let scope = if let Some(login) = login {
                    logins::find_live(conn, login, now)?
                        .filter(|live| live.user_id == id)
                        .ok_or(Error::NotFound)?;
                    Scope::Login(login)
                } else {
                    close_undo(conn, id, now)?;
                    Scope::User(id)
                };
                let active = logins::count_in(conn, scope, now)?;
                let caller = Caller { login: login.or(caller.login), ..caller };
                this.record(conn, &caller, Action::LoginsRevoked, Some(id), now)?;
                Ok((active, Some(scope)))
            })
            .await
    }
}

fn found(conn: &mut Conn, id: UserId) -> Result<AdminUser, Error> {
    Ok(AdminUser::from(&users::find(conn, id)?.ok_or(Error::NotFound)?))
}
