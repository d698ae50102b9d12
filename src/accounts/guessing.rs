//! Counting wrong passwords: by account, known device and login, in rows, so over all addresses, transports and nodes.
//!
//! A guess is counted before it is checked, and the count is taken back if it was right: of many at once no more are
//! checked than one after the other. The work is the same whether there is such an account or not.

use std::sync::Arc;

use diesel::QueryResult;

use super::login_name::LoginName;
use super::{Accounts, Caller, Device, Error};
use crate::actors::hasher::{Class, Lane};
use crate::auth::device::PresentedDevices;
use crate::auth::guessing::{self, MEMORY};
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::audit_events::{Action, Reason};
use crate::models::failed_attempts::{self, Failures, Slot};
use crate::models::users::{self, User};
use doorward_core::domain::UserId;

/// For names without an account.
const NO_HASH: &str = "$bcrypt-sha256$v=2,t=2b,r=12$......................$...............................";

/// Wrong passwords on all known devices of a user together before the first delay: a thief may hold several.
const FREE_ON_DEVICES: u32 = 20;

/// A sign-in that was counted as a failure, until its password was right.
pub(super) struct Attempt {
    /// The account that is signed in to, if there is one that is not disabled.
    pub user: Option<User>,
    /// The device on which the user has signed in before.
    pub known_device: Option<uuid::Uuid>,
    /// In their order.
    pub slots: Vec<Slot>,
    /// Whose account it is if it is disabled.
    pub disabled: Option<UserId>,
}

impl Attempt {
    /// Whose account the name is of, and why the audit trail says that the password is not accepted.
    pub(super) fn failure(&self) -> (Option<UserId>, Reason) {
        match (&self.user, self.disabled) {
            (Some(user), _) => (Some(user.id), Reason::WrongPassword),
            (None, Some(user)) => (Some(user), Reason::Disabled),
            (None, None) => (None, Reason::UnknownUser),
        }
    }

    /// Where its password waits to be checked.
    pub(super) fn lane(&self, caller: &Caller) -> Lane {
        let known = self.user.as_ref().filter(|_| self.known_device.is_some()).map(|user| user.id);
        Lane { known, ..Lane::new(Class::SignIn, caller.requester()) }
    }
}

impl Accounts {
    /// Counts a sign-in that is about to be checked, and finds the account that it is for.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`]; [`Error::Hash`] if too much password work is queued.
    pub(super) async fn begin_attempt(
        &self,
        login: &str,
        device: &Device,
        caller: &Caller,
    ) -> Result<Attempt, Error> {
        let name = LoginName::parse(login);
        let slot_name = name.as_ref().map_or_else(|| no_name(login), |name| name.as_str().to_owned());
        let subject = Arc::new((name, slot_name, device.presented.clone()));
        let (this, asked, client) = (self.clone(), Arc::clone(&subject), caller.clone());
        // First without a transaction: a flood of guesses that are refused keeps no writer waiting.
        let attempt = self
            .0
            .db
            .run(move |conn| {
                let now = this.0.clock.now();
                let attempt = this.find_attempt(conn, &asked)?;
                for slot in &attempt.slots {
                    let counted = remembered(failed_attempts::find(conn, slot)?, now);
                    this.note_locked(refuse_blocked(counted, now), &attempt, &client)?;
                }
                Ok::<_, Error>(attempt)
            })
            .await?;
        self.0.hasher.check_room(attempt.lane(caller))?;
        let (this, client) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let attempt = this.find_attempt(conn, &subject)?;
                for (slot, more) in attempt.slots.iter().zip([0, FREE_ON_DEVICES]) {
                    this.note_locked(count(conn, slot, more, now), &attempt, &client)?;
                }
                let user = attempt.user.filter(|user| user.disabled_at.is_none());
                Ok::<_, Error>(Attempt { user, ..attempt })
            })
            .await
    }

    /// Records an attempt that is refused because there were too many.
    fn note_locked(
        &self,
        counted: Result<(), Error>,
        attempt: &Attempt,
        caller: &Caller,
    ) -> Result<(), Error> {
        if let Err(Error::TooManyAttempts { .. }) = counted {
            let subject = attempt.user.as_ref().map(|user| user.id);
            self.record_failed_attempt(attempt, caller, (subject, Reason::Locked));
        }
        counted
    }

    /// Records why an attempt failed, and whose account it was for.
    pub(super) fn record_failed_attempt(
        &self,
        attempt: &Attempt,
        caller: &Caller,
        (subject, reason): (Option<UserId>, Reason),
    ) {
        let slot = attempt.slots.first().cloned();
        self.record_failure_at(slot, caller, Action::SignInFailed, reason, subject);
    }

    /// The account that a sign-in is for, and where it is counted. A disabled user is found, too.
    fn find_attempt(
        &self,
        conn: &mut Conn,
        (name, slot_name, presented): &(Option<LoginName>, String, PresentedDevices),
    ) -> QueryResult<Attempt> {
        // For a name without an account the same work is done: to read a row and to find none would differ by about
        // 20 us.
        let user = match name {
            Some(LoginName::Email(email)) => users::find_holder_alike(conn, email)?,
            _ => users::find_by_username_alike(conn, slot_name)?,
        };
        let owner = user
            .as_ref()
            .map_or((UserId(uuid::Uuid::nil()), NO_HASH), |user| (user.id, user.password_hash.as_str()));
        let known_device = self.0.device_key.recognize(owner, presented);
        let unknown = self.0.name_key.slot(slot_name);
        let slots = match (&user, known_device) {
            (Some(user), Some(device)) => vec![Slot::device(user.id, device), Slot::devices(user.id)],
            (Some(user), None) => vec![Slot::account(user.id, matches!(name, Some(LoginName::Email(_))))],
            (None, _) => vec![Slot::name(unknown)],
        };
        let disabled = user.as_ref().filter(|user| user.disabled_at.is_some()).map(|user| user.id);
        Ok(Attempt { user, known_device, slots, disabled })
    }

    /// Takes back what was counted in these slots, unless it is told that the password was checked.
    pub(super) fn take_back_unless_checked(&self, slots: Vec<Slot>) -> Unchecked {
        Unchecked { accounts: self.clone(), slots }
    }

    async fn take_back(&self, slots: Vec<Slot>) {
        let clock = self.0.clock.clone();
        let taken_back = self
            .0
            .db
            .transaction(move |conn| {
                let now = clock.now();
                for slot in &slots {
                    let failures = failed_attempts::lock(conn, slot, now)?;
                    let count = failures.count.saturating_sub(1);
                    let fewer = Failures { count, blocked_until: None, ..failures };
                    failed_attempts::store(conn, slot, fewer, now)?;
                }
                Ok::<_, Error>(())
            })
            .await;
        if let Err(error) = taken_back {
            tracing::warn!(%error, "could not undo the count of an unchecked attempt");
        }
    }
}

/// Guesses that are counted and not checked yet. If it is dropped before they are checked, the counts are taken back.
pub(super) struct Unchecked {
    accounts: Accounts,
    slots: Vec<Slot>,
}

impl Unchecked {
    /// The guesses were checked, and stay counted.
    pub fn checked(mut self) {
        self.slots.clear();
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        if self.slots.is_empty() {
            return;
        }
        let (accounts, slots) = (self.accounts.clone(), std::mem::take(&mut self.slots));
        // Outside a runtime the process is ending: the counts stay a little too high.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { accounts.take_back(slots).await });
        }
    }
}

/// A text that cannot be an account's name, in a form that can be looked up: PostgreSQL's text holds no NUL.
fn no_name(login: &str) -> String {
    login.trim().to_lowercase().replace('\0', "\u{fffd}")
}

/// Counts one more failure. `more` are those that a slot is allowed beyond the usual ones before a delay.
///
/// # Errors
/// [`Error::TooManyAttempts`] if the slot accepts no attempt now; then nothing is counted.
pub(super) fn count(conn: &mut Conn, slot: &Slot, more: u32, now: Timestamp) -> Result<(), Error> {
    let failures = remembered(failed_attempts::lock(conn, slot, now)?, now);
    refuse_blocked(failures, now)?;
    let count = failures.count.saturating_add(1);
    let blocked_until = guessing::delay(count.saturating_sub(more)).map(|delay| now + delay);
    let counted = Failures { count, failed_at: Some(now), blocked_until };
    Ok(failed_attempts::store(conn, slot, counted, now)?)
}

fn refuse_blocked(failures: Failures, now: Timestamp) -> Result<(), Error> {
    match failures.blocked_until {
        Some(until) if until > now => {
            Err(Error::TooManyAttempts { retry_after: (until - now).to_std().unwrap_or_default() })
        }
        _ => Ok(()),
    }
}

/// Counts one more failure, without a delay; returns how many there are.
pub(super) fn count_only(conn: &mut Conn, slot: &Slot, now: Timestamp) -> QueryResult<u32> {
    let failures = remembered(failed_attempts::lock(conn, slot, now)?, now);
    let count = failures.count.saturating_add(1);
    failed_attempts::store(conn, slot, Failures { count, failed_at: Some(now), blocked_until: None }, now)?;
    Ok(count)
}

fn remembered(failures: Failures, now: Timestamp) -> Failures {
    let lately = failures.failed_at.is_some_and(|at| now - at < MEMORY);
    if lately { failures } else { Failures::default() }
}
