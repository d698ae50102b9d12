//! A forgotten password, and an account that a thief has taken.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::QueryResult;

use super::error::on_duplicate;
use super::mails::Asker;
use super::profile::about;
use super::sign_in::LoginName;
use super::{Accounts, Error};
use crate::actors::db::DbError;
use crate::actors::hasher::{Caller, Class, Lane};
use crate::auth::device::PresentedDevices;
use crate::auth::secret::{hash_token, trim_token};
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::address_links::AddressLink;
use crate::models::audit_events::Action;
use crate::models::logins::Scope;
use crate::models::one_time_tokens::{self, Purpose};
use crate::models::outbox;
use crate::models::users::{self, User};
use crate::models::{address_links, failed_attempts, request_counts};
use doorward_core::domain::MailKind;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{Email, Password, UserId, Username, network};

/// Accounts that claim one address and are shown to the owner of the mailbox. Any other one can be named.
const MAX_SHOWN: i64 = 50;

/// How often requests are worked off, in real time. What happens then does not tell whose request it was for.
const PACE: Duration = Duration::from_millis(250);

/// The pause after the database could not, and how old a request may become meanwhile.
const RETRY: Duration = Duration::from_secs(1);
const OLDEST: Duration = Duration::from_mins(2);

/// How requests are counted.
pub(super) const ACTION: &str = "reset_requested";

/// Requests that may wait.
const MAX_WAITING: usize = 10_000;

/// Requests for a link that are still to be looked at.
#[derive(Default)]
pub(super) struct Requests {
    waiting: Mutex<VecDeque<Arc<Request>>>,
    /// One works them off at a time.
    working: tokio::sync::Mutex<()>,
}

struct Request {
    asked: Instant,
    name: Option<LoginName>,
    presented: PresentedDevices,
    ip: Option<IpAddr>,
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Request>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a link for a new password leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetLink {
    /// The account, or those among which the owner of the mailbox chooses.
    pub usernames: Vec<String>,
    /// The former address that becomes the account's again.
    pub restores: Option<String>,
}

/// A link that is still good, and whom it is for.
enum Target {
    Account(User),
    /// A change of address is taken back: this address is the account's again.
    Former(User, String),
    /// An address that no account has verified.
    Address(AddressLink),
}

/// The account that a link is used for.
struct Chosen {
    user: User,
    /// The address that it thereby verifies.
    verifies: Option<String>,
    /// It takes a change of address back: whatever the account's address is now.
    restores: bool,
}

impl Accounts {
    /// Has a link for a new password sent to the address of an account. It is looked at a moment later and apart from
    /// the request, so that neither the answer nor what follows it tells whether there is such an account.
    ///
    /// # Errors
    /// [`Error::Db`] with [`DbError::Full`] if too many wait.
    pub fn request_reset(
        &self,
        login: &str,
        presented: PresentedDevices,
        ip: Option<IpAddr>,
    ) -> Result<(), Error> {
        let mut waiting = self.0.resets.lock();
        if waiting.len() >= MAX_WAITING {
            return Err(Error::Db(DbError::Full));
        }
        let asked = self.0.clock.instant();
        waiting.push_back(Arc::new(Request { asked, name: LoginName::parse(login), presented, ip }));
        Ok(())
    }

    /// Works off requests for links, for ever.
    pub async fn answer_reset_requests(self) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            if let Err(error) = self.answer_waiting_resets().await {
                tracing::warn!(%error, "requests for links wait for the database");
                self.0.clock.sleep(RETRY).await;
            }
        }
    }

    /// Works off those that wait now. Also for the end: what was answered with "on its way" is not lost.
    ///
    /// # Errors
    /// Those of the database; then the rest waits on, but for requests that are too old.
    pub async fn answer_waiting_resets(&self) -> Result<(), Error> {
        let _alone = self.0.resets.working.lock().await;
        // Those that come meanwhile are for the next time.
        let waiting = self.0.resets.lock().len();
        for _ in 0..waiting {
            // It leaves the queue once it is answered: this may be stopped in between.
            let Some(request) = self.0.resets.lock().front().cloned() else { break };
            let this = self.clone();
            let work = Arc::clone(&request);
            // A transaction each: it names a mailbox, and of two that named two each might wait for the other.
            let answered = self
                .0
                .db
                .run_writing(move |conn| db::write(conn, |conn| this.answer_reset(conn, &work)))
                .await;
            let age = self.0.clock.instant().saturating_duration_since(request.asked);
            if answered.is_ok() || age > OLDEST {
                self.0.resets.lock().pop_front();
            }
            answered?;
        }
        if waiting > 0 {
            // Whether there is something to send or not.
            self.0.mail.wake();
        }
        Ok(())
    }

    fn answer_reset(&self, conn: &mut Conn, request: &Request) -> Result<(), Error> {
        let now = self.0.clock.now();
        let address = request.ip.map_or_else(|| "unknown".to_owned(), |ip| network(ip).to_string());
        request_counts::add(conn, ACTION, &address, 1, now)?;
        // Before anything is looked up: what is left of it must not tell whether there was an account.
        if self.too_many_resets(conn, &address, now)? {
            return Ok(());
        }
        match &request.name {
            Some(LoginName::Username(name)) => {
                let user = users::find_by_username(conn, name)?;
                self.send_reset(conn, user, request, now)?;
            }
            Some(LoginName::Email(email)) => {
                let holder = users::find_holder(conn, email)?;
                if holder.is_none() && !users::find_claimants(conn, email, 1)?.is_empty() {
                    self.send_to_claimed(conn, email, request, now)?;
                }
                self.send_reset(conn, holder, request, now)?;
            }
            None => {}
        }
        Ok(())
    }

    fn send_reset(
        &self,
        conn: &mut Conn,
        user: Option<User>,
        request: &Request,
        now: Timestamp,
    ) -> QueryResult<()> {
        let Some(user) = user else { return Ok(()) };
        // Of two that ask at the same time the second sees what the first has done.
        let Some(user) = users::lock_active(conn, user.id)? else { return Ok(()) };
        let Some(email) = user.verified_email() else {
            let claimed = user.email.as_deref().and_then(|email| Email::parse(email).ok());
            return claimed.map_or(Ok(()), |email| self.send_to_claimed(conn, &email, request, now));
        };
        // Only where the mailbox is known to be the user's: anybody can sign in to an account of their own that claims
        // another's address.
        let known = self.0.device_key.recognize((user.id, &user.password_hash), &request.presented);
        let asker = known.map_or(Asker::Client(request.ip), Asker::Device);
        self.post_link(conn, (MailKind::ResetPassword, Some(user.id)), email, asker, now).map(drop)
    }

    /// Sends a link to an address that is only claimed. It belongs to the mailbox: whichever of the accounts that claim
    /// it was named, its owner can choose another. An address that an account has verified gets none for the others.
    fn send_to_claimed(
        &self,
        conn: &mut Conn,
        email: &Email,
        request: &Request,
        now: Timestamp,
    ) -> QueryResult<()> {
        if users::find_holder(conn, email)?.is_some() {
            return Ok(());
        }
        let kind = (MailKind::ResetByAddress, None);
        self.post_link(conn, kind, email.as_str(), Asker::Client(request.ip), now).map(drop)
    }

    /// What a link for a new password leads to, without using it up.
    ///
    /// # Errors
    /// [`Error::InvalidLink`], those of the database.
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

    /// Sets a new password with the token of a link, and ends all logins of the user; a link to a former address also
    /// makes that one the account's again. Of two that race with one link, one wins. `username` chooses among
    /// several accounts that claim the address which the link was sent to.
    ///
    /// # Errors
    /// [`Error::InvalidLink`]; [`Error::ChooseAccount`], [`Error::WeakPassword`], [`Error::EmailHeld`] (the link stays
    /// good); those of the database and the hasher.
    pub async fn reset_password(
        &self,
        token: &str,
        password: Password,
        username: Option<String>,
        caller: Caller,
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
        let lane = Lane::new(Class::Owner, caller);
        let password_hash = self.0.hasher.hash_chosen::<Error>(lane, password, about(&user)).await?;
        let this = self.clone();
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
                        this.note(conn, Action::EmailChangeUndone, Some(user.id), None, now)?;
                    }
                    user = users::lock_active(conn, user.id)?.ok_or(Error::InvalidLink)?;
                }
                failed_attempts::clear_user(conn, user.id)?;
                this.replace_password(conn, &user, &password_hash, now)?;
                this.note(conn, Action::PasswordReset, Some(user.id), None, now)?;
                Ok::<_, Error>(((), Some(Scope::User(user.id))))
            })
            .await?;
        self.0.mail.wake();
        Ok(())
    }

    /// Sets a password and tells the owner by email. The revocation that follows spoils the links.
    pub(super) fn replace_password(
        &self,
        conn: &mut Conn,
        user: &User,
        hash: &str,
        now: Timestamp,
    ) -> QueryResult<()> {
        users::set_password_hash(conn, user.id, hash, now)?;
        if let Some(email) = user.verified_email() {
            self.post_notice(conn, MailKind::PasswordChanged, user.id, email, now)?;
        }
        Ok(())
    }
}

/// Spoils what would give a former address the account back.
pub(super) fn end_undo(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    outbox::cancel_undo(conn, user, now)?;
    one_time_tokens::spoil_others(conn, user, Purpose::UndoEmail, now)
}

/// The same when an operator sets an account right. For as long as a way back would be good, none is made either: the
/// address that is replaced next may be a thief's.
pub(super) fn close_undo(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<()> {
    users::close_undo(conn, user, now + TimeDelta::days(7))?;
    end_undo(conn, user, now)
}

fn find_target(conn: &mut Conn, hash: &str, now: Timestamp) -> Result<Target, Error> {
    if let Some((id, email)) = one_time_tokens::peek(conn, hash, Purpose::ResetPassword, now)? {
        // Who left an address, or lost it, must not be let in by what was sent there.
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
