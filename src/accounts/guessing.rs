//! Counting wrong passwords: by account, known device and login, in rows, so over all addresses, transports and nodes.
//!
//! A guess is counted before it is checked and taken back if it was right: of many at once no more are checked than one
//! after the other. What is done is the same whether there is such an account or not.

use diesel::QueryResult;

use super::sign_in::LoginName;
use super::{Accounts, Device, Error};
use crate::actors::hasher::{Caller, Class, Lane};
use crate::auth::guessing::{self, MEMORY, PER_LOGIN};
use crate::auth::revocation::RevokeReason;
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::domain::{Access, Password, UserId};
use crate::models::audit_events::Action;
use crate::models::failed_attempts::{self, Failures, Slot};
use crate::models::logins::{self, Scope};
use crate::models::users::{self, User};

/// Wrong current passwords of one user, over all logins, before the first delay. One login is revoked at
/// [`PER_LOGIN`]; this is for a thief who has several.
const FREE_CONFIRMATIONS: u32 = 2 * PER_LOGIN;

/// A sign-in that was counted as a failure, until its password was right.
pub(super) struct Attempt {
    /// Whose account it is about, if there is one that is not disabled.
    pub user: Option<User>,
    /// The device on which the user has signed in before.
    pub known_device: Option<uuid::Uuid>,
    slot: Slot,
}

impl Accounts {
    /// Counts a sign-in that is about to be checked, and finds whose account it is about.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`], those of the database.
    pub(super) async fn begin_attempt(&self, login: &str, device: &Device) -> Result<Attempt, Error> {
        let (name, typed) = (LoginName::parse(login), login.to_lowercase());
        let (this, presented) = (self.clone(), device.presented.clone());
        self.0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let found = match &name {
                        Some(name) => name.find_user(conn)?,
                        None => None,
                    };
                    // For a name without an account the same work is done.
                    let id = found.as_ref().map_or(UserId(uuid::Uuid::nil()), |user| user.id);
                    let known_device = this.0.device_key.recognize(id, &presented);
                    let unknown = this.0.name_key.slot(name.as_ref().map_or(&typed, LoginName::as_str));
                    let slot = match (&found, known_device) {
                        (Some(user), Some(device)) => Slot::device(user.id, device),
                        (Some(user), None) => {
                            Slot::account(user.id, matches!(name, Some(LoginName::Email(_))))
                        }
                        (None, _) => Slot::name(unknown),
                    };
                    count(conn, &slot, 0, now)?;
                    let user = found.filter(|user| user.disabled_at.is_none());
                    Ok::<_, Error>(Attempt { user, known_device, slot })
                })
            })
            .await
    }

    /// An attempt that could not be checked is none.
    pub(super) async fn take_back(&self, attempt: Attempt) {
        self.take_back_slots(vec![attempt.slot]).await;
    }

    async fn take_back_slots(&self, slots: Vec<Slot>) {
        let clock = self.0.clock.clone();
        let taken_back = self
            .0
            .db
            .run_writing(move |conn| {
                db::write(conn, |conn| {
                    let now = clock.now();
                    for slot in &slots {
                        let failures = failed_attempts::lock(conn, slot, now)?;
                        let count = failures.count.saturating_sub(1);
                        let fewer = Failures { count, blocked_until: None, ..failures };
                        failed_attempts::store(conn, slot, fewer, now)?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await;
        if let Err(error) = taken_back {
            tracing::warn!(%error, "an attempt that was not checked stays counted");
        }
    }

    /// Asks the current password again, before something that a stolen token must not do. Answers the user as they were
    /// when it was right. The tenth wrong one revokes the login.
    ///
    /// # Errors
    /// [`Error::WrongPassword`], [`Error::TooManyAttempts`], [`Error::Token`], those of the database and the hasher.
    pub(super) async fn confirm(
        &self,
        access: &Access,
        password: Password,
        caller: Caller,
    ) -> Result<User, Error> {
        let (this, slots) = (self.clone(), confirmation_slots(access));
        let counted = slots.clone();
        let (id, login) = (access.user, access.login);
        let (user, failures) = self
            .0
            .db
            // A new password is a revocation as well: on a full disk there is room for it.
            .run_revoking(move |conn| {
                db::write(conn, |conn| {
                    let now = this.0.clock.now();
                    let user = users::find_active(conn, id)?.ok_or(super::profile::GONE)?;
                    // Of an access token that outlived its login nothing is checked.
                    logins::find_live(conn, login, now)?.ok_or(super::profile::GONE)?;
                    let failures = count_only(conn, &counted[0], now)?;
                    count(conn, &counted[1], FREE_CONFIRMATIONS, now)?;
                    Ok::<_, Error>((user, failures))
                })
            })
            .await?;
        if failures <= PER_LOGIN {
            let lane = Lane::new(Class::Owner, caller);
            let verified = self.0.hasher.verify(lane, password, Some(user.password_hash.clone())).await;
            match verified {
                Ok(verified) if verified.ok => {
                    self.clear(slots).await?;
                    return Ok(user);
                }
                Ok(_) if failures < PER_LOGIN => return Err(Error::WrongPassword),
                Ok(_) => {}
                Err(error) => {
                    self.take_back_slots(slots.to_vec()).await;
                    return Err(error.into());
                }
            }
        }
        self.revoke_guesser(access).await?;
        Err(Error::Token(crate::auth::tokens::TokenError::Revoked(RevokeReason::PasswordGuessed)))
    }

    async fn clear(&self, slots: [Slot; 2]) -> Result<(), Error> {
        self.0
            .db
            .run_revoking(move |conn| {
                db::write(conn, |conn| {
                    for slot in &slots {
                        failed_attempts::clear(conn, slot)?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await
    }

    async fn revoke_guesser(&self, access: &Access) -> Result<(), Error> {
        let (this, user, login) = (self.clone(), access.user, access.login);
        tracing::warn!(%login, %user, "a login is revoked: its current password was guessed at");
        self.0
            .logins
            .revoke_with(RevokeReason::PasswordGuessed, move |conn| {
                this.note(conn, Action::PasswordGuessed, Some(user), None, this.0.clock.now())?;
                Ok::<_, Error>(((), Some(Scope::Login(login))))
            })
            .await
    }
}

impl Attempt {
    pub(super) fn slot(&self) -> Slot {
        self.slot.clone()
    }
}

fn confirmation_slots(access: &Access) -> [Slot; 2] {
    [Slot::login(access.user, access.login), Slot::confirmation(access.user)]
}

/// Counts one more failure. `more` are those that a slot is allowed beyond the usual ones before a delay.
///
/// # Errors
/// [`Error::TooManyAttempts`] if the slot takes no try now; then nothing is counted.
fn count(conn: &mut Conn, slot: &Slot, more: u32, now: Timestamp) -> Result<(), Error> {
    let failures = remembered(failed_attempts::lock(conn, slot, now)?, now);
    if let Some(until) = failures.blocked_until.filter(|until| *until > now) {
        return Err(Error::TooManyAttempts { retry_after: (until - now).to_std().unwrap_or_default() });
    }
    let count = failures.count.saturating_add(1);
    let blocked_until = guessing::delay(count.saturating_sub(more)).map(|delay| now + delay);
    let counted = Failures { count, failed_at: Some(now), blocked_until };
    Ok(failed_attempts::store(conn, slot, counted, now)?)
}

/// Counts one more failure, whatever that makes; answers how many there are.
fn count_only(conn: &mut Conn, slot: &Slot, now: Timestamp) -> QueryResult<u32> {
    let failures = remembered(failed_attempts::lock(conn, slot, now)?, now);
    let count = failures.count.saturating_add(1);
    failed_attempts::store(conn, slot, Failures { count, failed_at: Some(now), blocked_until: None }, now)?;
    Ok(count)
}

fn remembered(failures: Failures, now: Timestamp) -> Failures {
    let lately = failures.failed_at.is_some_and(|at| now - at < MEMORY);
    if lately { failures } else { Failures::default() }
}
