//! Wrong passwords at an account: shown to operators, and forgotten by them.

use diesel::QueryResult;
use serde::Serialize;
use utoipa::ToSchema;

use super::authority::Authority;
use super::{Accounts, Caller, Error};
use crate::auth::guessing::MEMORY;
use crate::clock::{Timestamp, rfc3339};
use crate::db::Conn;
use crate::models::audit_events::Action;
use crate::models::{failed_attempts, users};
use doorward_core::domain::UserId;

/// Wrong passwords at an account, as an operator sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WrongPasswords)]
pub struct FailureInfo {
    /// `account by name`, `account by email`, a known `device`, all `devices`, a `login` (its id follows) whose current
    /// password was asked for again, or all of these (`confirm`).
    #[schema(example = "account by name")]
    pub counted_at: String,
    /// In a row.
    #[schema(example = 3)]
    pub failures: u32,
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub last_at: Option<String>,
    /// Until when no further attempt is accepted.
    #[schema(format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub blocked_until: Option<String>,
}

impl Accounts {
    /// Wrong passwords in a row at an account, of the last day.
    pub async fn failures_of(&self, user: UserId) -> Result<Vec<FailureInfo>, Error> {
        let clock = self.0.clock.clone();
        self.0.db.run(move |conn| Ok(list(conn, user, clock.now())?)).await
    }

    /// Forgets the wrong passwords at an account, so that the next attempt is accepted at once. Returns whether there
    /// were any.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such account; [`super::AdminError::MissingScope`] about an administrator;
    /// [`Error::ApiKey`] or [`Error::Token`] if the caller may no longer do it.
    pub async fn unlock(&self, user: UserId, caller: &Caller) -> Result<bool, Error> {
        let (this, caller) = (self.clone(), caller.clone());
        self.0
            .db
            .transaction(move |conn| {
                let now = this.0.clock.now();
                let authority = Authority::lock(conn, &caller, now)?;
                authority.check_subject(&users::lock(conn, user)?.ok_or(Error::NotFound)?)?;
                let cleared = failed_attempts::clear_user(conn, user)?;
                this.record(conn, &caller, Action::Unlocked, Some(user), now)?;
                Ok(cleared > 0)
            })
            .await
    }
}

/// Those of the last day.
pub(super) fn list(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<Vec<FailureInfo>> {
    let counted = failed_attempts::of_user(conn, user)?.into_iter();
    let lately = counted.filter(|counted| counted.failures.failed_at.is_some_and(|at| now - at < MEMORY));
    Ok(lately
        .map(|counted| FailureInfo {
            counted_at: place(&counted.slot),
            failures: counted.failures.count,
            last_at: counted.failures.failed_at.map(rfc3339),
            blocked_until: counted.failures.blocked_until.filter(|until| *until > now).map(rfc3339),
        })
        .collect())
}

/// Where failures are counted, without the user's id.
fn place(slot: &str) -> String {
    match slot.split(':').collect::<Vec<_>>()[..] {
        ["account", _, form] => format!("account by {form}"),
        ["login", login] => format!("login {login}"),
        [kind, ..] => kind.to_owned(),
        [] => String::new(),
    }
}
