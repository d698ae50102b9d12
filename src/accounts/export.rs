//! Exporting all accounts, as `doorward import` reads them.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{Caller, Error};
use crate::clock::{Clock, Timestamp};
use crate::db::{self, Conn};
use crate::models::audit_events::{self, Action};
use crate::models::users::{self, User};
use doorward_core::domain::UserId;

/// Accounts that are in memory at the same time.
const PAGE: i64 = 500;

/// How many accounts were exported, or why no more were.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Accounts(#[from] Error),
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot write the account {0} as JSON: {1}")]
    Json(UserId, serde_json::Error),
}

impl From<diesel::result::Error> for ExportError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Accounts(error.into())
    }
}

/// An account as a line of JSON. The names are those of `crate::import`'s fields.
#[derive(Serialize)]
struct Line<'a> {
    id: UserId,
    username: &'a str,
    display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    email: Option<&'a str>,
    #[serde(serialize_with = "time_or_false")]
    email_verified: Option<Timestamp>,
    hash: &'a str,
    roles: &'a RawValue,
    claims: &'a RawValue,
    #[serde(serialize_with = "time_or_false")]
    disabled: Option<Timestamp>,
    #[serde(serialize_with = "exact")]
    created: Timestamp,
}

/// Writes all accounts to `out`, in the order of their ids: one state of the database, however long it takes, with a
/// bounded part of it in memory. The audit trail says so before the first account leaves. Returns their number.
///
/// # Errors
/// [`ExportError`]. What was written until then is not complete.
pub fn export(
    conn: &mut Conn,
    clock: &Clock,
    caller: &Caller,
    out: &mut impl std::io::Write,
) -> Result<usize, ExportError> {
    let event = caller.event(clock.new_id(), Action::Exported, None);
    db::write(conn, |conn| audit_events::insert(conn, &event, clock.now()))?;
    db::snapshot(conn, |conn| {
        let mut count = 0;
        let mut last = None;
        loop {
            let page = users::page_after(conn, last, PAGE)?;
            let Some(user) = page.last() else { return Ok(count) };
            last = Some(user.id);
            count += page.len();
            for user in &page {
                let line = line(user).map_err(|error| ExportError::Json(user.id, error))?;
                out.write_all(line.as_bytes())?;
                out.write_all(b"\n")?;
            }
        }
    })
}

fn line(user: &User) -> serde_json::Result<String> {
    serde_json::to_string(&Line {
        id: user.id,
        username: &user.username,
        display_name: &user.display_name,
        language: user.language.as_deref(),
        email: user.email.as_deref(),
        email_verified: user.email_verified_at.filter(|_| user.email.is_some()),
        hash: &user.password_hash,
        roles: serde_json::from_str(&user.roles)?,
        claims: serde_json::from_str(&user.claims)?,
        disabled: user.disabled_at,
        created: user.created_at,
    })
}

/// With the microseconds that a row has, so that nothing is lost.
fn exact<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}Z", at.format("%Y-%m-%dT%H:%M:%S%.6f")))
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn time_or_false<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => exact(at, serializer),
        None => serializer.serialize_bool(false),
    }
}
