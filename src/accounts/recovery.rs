//! Links for a new password: after the old one was forgotten, or a thief has taken the account.

use diesel::QueryResult;

use super::error::on_duplicate;
use super::pending_links::{end_not_me, end_undo};
use super::profile::about;
use super::{Accounts, Caller, Error};
use crate::actors::hasher::{Class, Lane};
use crate::auth::secret::{hash_token, trim_token};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::address_links::AddressLink;
use crate::models::audit_events::Action;
use crate::models::logins::Scope;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::users::{self, User};
use crate::models::{address_links, failed_attempts, password_hashes};
use doorward_core::domain::MailKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Email, Password, Username};

/// How many accounts that claim one address are shown to the owner of the mailbox. Further ones can be named.
const MAX_SHOWN: i64 = 50;

/// What a link for a new password leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetLink {
    /// The account, or those among which the owner of the mailbox chooses.
    pub usernames: Vec<String>,
    /// The former address that becomes the account's again.
    pub restores: Option<String>,
}

/// What a valid link is for.
enum Target {
    Account(User),
    /// A change of address is taken back: this address becomes the account's again.
    Former(User, String),
    /// An address that no account has verified.
    Address(AddressLink),
}

/// The account that a link sets a password for.
struct Chosen {
    user: User,
    /// The address that this verifies.
    verifies: Option<String>,
    /// It takes a change of address back, whatever the account's address is now.
    restores: bool,
}

impl Accounts {
    /// What a link for a new password leads to. The link stays valid.
    ///
    /// # Errors
    /// [`Error::InvalidLink`] if it was used or has expired.
    pub async fn check_reset_link(&self, token: &str) -> Result<ResetLink, Error> {
        let (hash, clock) = (hash_token(trim_token(token)), self.0.clock.clone());
        self.0
            .db
            .run(move |conn| match find_target(conn, &hash, clock.now())? {
                Target::Account(user) => Ok(ResetLink { usernames: vec![user.username], restores: None }),
                Target::Former(user, email) => {
                    Ok(ResetLink { usernames: vec![user.username], restores: Some(email) })
                }
                Target::Address(link) => {
                    let claimants = claimants(conn, &link)?;
                    let usernames: Vec<_> = claimants.into_iter().map(|user| user.username).collect();
                    if usernames.is_empty() {
                        return Err(Error::InvalidLink);
                    }
                    Ok(ResetLink { usernames, restores: None })
                }
            })
            .await
    }

    /// Sets a new password with the token of a link, and revokes all logins of the user; a link to a former address also
    /// makes that one the account's again. Of two requests that race with one link, one succeeds. `username` chooses
    /// among several accounts that claim the address which the link was sent to.
    ///
    /// # Errors
    /// [`Error::InvalidLink`]; [`Error::ChooseAccount`], [`Error::WeakPassword`], [`Error::EmailHeld`] or [`Error::Hash`]
    /// (the link stays valid).
    pub async fn reset_password(
        &self,
        token: &str,
        password: Password,
        username: Option<String>,
        caller: &Caller,
    ) -> Result<(), Error> {
        let hash = hash_token(trim_token(token));
        let (for_check, clock) = (hash.clone(), self.0.clock.clone());
        let chosen = username.clone();
        // First a check: a made-up link must not cost a hash, and a refused password must not cost the link.
        let user = self
            .0
            .db
            .run(move |conn| {
                let target = find_target(conn, &for_check, clock.now())?;
                choose(conn, target, chosen.as_deref()).map(|chosen| chosen.user)
            })
            .await?;
        let lane = Lane::new(Class::Owner, caller.requester());
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, about(&user)).await?;
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordReset, move |conn| {
                let now = this.0.clock.now();
                let target = find_target(conn, &hash, now)?;
                let Chosen { user: seen, verifies, restores } = choose(conn, target, username.as_deref())?;
                let mut user = users::lock_active(conn, seen.id)?
                    .filter(|locked| restores || locked.email == seen.email)
                    .ok_or(Error::InvalidLink)?;
                redeem(conn, &hash, now)?;
                if let Some(email) = verifies {
                    users::set_held_email(conn, user.id, &email, now)
                        .map_err(|error| on_duplicate(error, Error::EmailHeld))?;
                    end_undo(conn, user.id, now)?;
                    address_links::spoil(conn, &email, now)?;
                    if user.email.as_deref() != Some(&email) {
                        this.record(conn, &caller, Action::EmailChangeUndone, Some(user.id), now)?;
                    }
                    user = users::lock_active(conn, user.id)?.ok_or(Error::InvalidLink)?;
                }
                failed_attempts::clear_user(conn, user.id)?;
                // They would lead to another new password: the reader of the mailbox has just set one.
                end_not_me(conn, user.id, now)?;
                this.replace_password(conn, &user, &password_hash, now)?;
                this.record(conn, &caller, Action::PasswordReset, Some(user.id), now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Sets a password and tells the user by email. The revocation that follows invalidates the links.
    pub(super) fn replace_password(
        &self,
        conn: &mut Conn,
        user: &User,
        hash: &str,
        now: Timestamp,
    ) -> QueryResult<()> {
        password_hashes::change(conn, user.id, hash, now)?;
        if let Some(email) = user.verified_email() {
            self.post_notice(conn, MailKind::PasswordChanged, user.id, email, now)?;
        }
        Ok(())
    }
}

fn find_target(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<Target, Error> {
    if let Some((id, email)) = one_time_tokens::peek(conn, hash, Purpose::ResetPassword, now)? {
        // A link is void once its address is no longer the account's.
        let user = users::find_active(conn, id)?.filter(|user| user.email.as_deref() == Some(&email));
        return user.map(Target::Account).ok_or(Error::InvalidLink);
    }
    if let Some((id, email)) = one_time_tokens::peek(conn, hash, Purpose::UndoEmail, now)? {
        let user = users::find_active(conn, id)?.ok_or(Error::InvalidLink)?;
        return Ok(Target::Former(user, email));
    }
    address_links::peek(conn, hash, now)?.map(Target::Address).ok_or(Error::InvalidLink)
}

fn choose(conn: &mut Conn, target: Target, username: Option<&str>) -> Result<Chosen, Error> {
    match target {
        Target::Account(user) => {
            named(user, username).map(|user| Chosen { user, verifies: None, restores: false })
        }
        Target::Former(user, email) => {
            named(user, username).map(|user| Chosen { user, verifies: Some(email), restores: true })
        }
        Target::Address(link) => {
            let mut claimants = claimants(conn, &link)?;
            let user = match username.map(Username::lookup) {
                // More may claim it than are shown.
                Some(Some(name)) => users::find_by_username(conn, &name)?
                    .filter(|user| user.email.as_deref() == Some(&link.email) && user.disabled_at.is_none())
                    .filter(|user| link.leads_to(user))
                    .filter(|user| {
                        claimants.iter().all(|other| other.email_verified_at.is_none() || other.id == user.id)
                    }),
                None if claimants.len() == 1 => claimants.pop(),
                Some(None) | None => None,
            };
            let names = |users: Vec<User>| users.into_iter().map(|user| user.username).collect();
            match user {
                Some(user) => Ok(Chosen { user, verifies: Some(link.email), restores: false }),
                None if claimants.is_empty() => Err(Error::InvalidLink),
                None => Err(Error::ChooseAccount { usernames: names(claimants) }),
            }
        }
    }
}

/// The one account of a link, unless another one was named.
fn named(user: User, username: Option<&str>) -> Result<User, Error> {
    let meant =
        username.is_none_or(|name| Username::lookup(name).is_some_and(|name| name.folded() == user.username));
    if meant { Ok(user) } else { Err(Error::ChooseAccount { usernames: vec![user.username] }) }
}

/// The accounts to which a link to an address leads: the one that has verified it meanwhile, or all that claim it.
fn claimants(conn: &mut Conn, link: &AddressLink) -> Result<Vec<User>, Error> {
    let email = Email::parse(&link.email).map_err(|_| Error::InvalidLink)?;
    let mut users = match users::find_holder(conn, &email)? {
        Some(holder) => vec![holder],
        None => users::find_claimants(conn, &email, MAX_SHOWN)?,
    };
    users.retain(|user| user.disabled_at.is_none() && link.leads_to(user));
    Ok(users)
}

fn redeem(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<(), Error> {
    let used = one_time_tokens::redeem(conn, hash, Purpose::ResetPassword, now)?
        || one_time_tokens::redeem(conn, hash, Purpose::UndoEmail, now)?
        || address_links::redeem(conn, hash, now)?;
    if used { Ok(()) } else { Err(Error::InvalidLink) }
}
