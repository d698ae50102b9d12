//! The table `events`: changes of users and logins, for backends that follow them.
//!
//! Rows are written by the transactions that they tell of, without a number. [`number`] gives numbers to committed rows,
//! in one transaction at a time. So numbers become visible in their order, whatever the order of the commits was, and no
//! transaction that signs a user in or out waits for another one.

use diesel::dsl::{max, min, sql};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit_events::Action;
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::db::{Conn, each, lock_name};
use crate::schema::{events, logins};
use doorward_core::domain::{LoginId, UserId};
use serde::Serialize;

/// The name that a process locks to number rows.
const LOCK: &str = "event feed";

/// Rows that are numbered or inserted in one statement.
const BATCH: usize = 1000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    UserCreated,
    /// A name or an address was changed.
    UserUpdated,
    UserDisabled,
    UserEnabled,
    UserDeleted,
    /// The roles, the claims, or both.
    ClaimsChanged,
    LoginCreated,
    LoginEnded,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UserCreated => "user.created",
            Self::UserUpdated => "user.updated",
            Self::UserDisabled => "user.disabled",
            Self::ClaimsChanged => "claims.changed",
            Self::UserEnabled => "user.enabled",
            Self::UserDeleted => "user.deleted",
            Self::LoginCreated => "login.created",
            Self::LoginEnded => "login.ended",
        }
    }

    /// What an entry of the audit trail about a user tells a follower, if anything. A new user is told before their first
    /// login, so not with the entry.
    #[must_use]
    pub const fn of(action: Action) -> Option<Self> {
        Some(match action {
            Action::EmailVerified
            | Action::EmailUnverified
            | Action::EmailChangeUndone
            | Action::Renamed
            | Action::LanguageChanged => Self::UserUpdated,
            Action::Disabled => Self::UserDisabled,
            Action::Enabled => Self::UserEnabled,
            Action::Deleted | Action::RemovedUnused => Self::UserDeleted,
            _ => return None,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
struct NewFeedEvent {
    id: String,
    written: i64,
    at: Timestamp,
    kind: &'static str,
    user_id: String,
    login_id: Option<String>,
    detail: Option<String>,
}

/// A row with its number.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize, ToSchema)]
#[schema(as = FeedEvent)]
pub struct Event {
    #[schema(example = 42)]
    pub seq: i64,
    #[serde(rename = "type")]
    #[schema(example = "login.ended")]
    pub kind: String,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub at: Timestamp,
    #[serde(rename = "user")]
    #[schema(format = Uuid)]
    pub user_id: String,
    #[serde(rename = "login", skip_serializing_if = "Option::is_none")]
    #[schema(format = Uuid)]
    pub login_id: Option<String>,
    #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
    #[schema(example = "signed_out")]
    pub detail: Option<String>,
}

/// Adds a row about a user, in the transaction that changes them.
pub fn insert_user(conn: &mut Conn, kind: Kind, user: UserId, now: Timestamp) -> QueryResult<()> {
    let id = new_id(now).to_string();
    let written = written_now(conn)?;
    insert(
        conn,
        &[NewFeedEvent {
            id,
            written,
            at: now,
            kind: kind.as_str(),
            user_id: user.to_string(),
            login_id: None,
            detail: None,
        }],
    )
}

/// Adds a row about a new login.
pub fn insert_login(conn: &mut Conn, user: UserId, login: LoginId, now: Timestamp) -> QueryResult<()> {
    let event = NewFeedEvent {
        id: new_id(now).to_string(),
        written: written_now(conn)?,
        at: now,
        kind: Kind::LoginCreated.as_str(),
        user_id: user.to_string(),
        login_id: Some(login.to_string()),
        detail: None,
    };
    insert(conn, &[event])
}

/// Adds a row for each of these logins, which were just revoked.
pub fn insert_ended(conn: &mut Conn, ids: &[String], reason: &str, now: Timestamp) -> QueryResult<()> {
    for ids in ids.chunks(BATCH) {
        let users: Vec<(String, String)> =
            logins::table.filter(logins::id.eq_any(ids)).select((logins::id, logins::user_id)).load(conn)?;
        let written = written_now(conn)?;
        let events: Vec<_> = users
            .into_iter()
            .map(|(login, user)| NewFeedEvent {
                id: new_id(now).to_string(),
                written,
                at: now,
                kind: Kind::LoginEnded.as_str(),
                user_id: user,
                login_id: Some(login),
                detail: Some(reason.to_owned()),
            })
            .collect();
        insert(conn, &events)?;
    }
    Ok(())
}

fn insert(conn: &mut Conn, new: &[NewFeedEvent]) -> QueryResult<()> {
    if new.is_empty() {
        return Ok(());
    }
    each!(conn, diesel::insert_into(events::table).values(new), execute).map(drop)
}

/// As [`crate::clock::Clock::new_id`]: ids are in the order of time.
fn new_id(now: Timestamp) -> Uuid {
    let now = now.and_utc();
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// A number that is greater than those of all rows that were committed before this moment and have no number yet:
/// nodes' clocks may differ, so the database's counts.
fn written_now(conn: &mut Conn) -> QueryResult<i64> {
    match conn {
        // One transaction writes at a time.
        Conn::Sqlite(conn) => {
            let last: Option<i64> =
                events::table.filter(events::seq.is_null()).select(max(events::written)).get_result(conn)?;
            Ok(last.unwrap_or_default() + 1)
        }
        Conn::Postgres(conn) => {
            diesel::select(sql::<BigInt>("(extract(epoch from clock_timestamp()) * 1000000)::bigint"))
                .get_result(conn)
        }
    }
}

/// Gives numbers to up to a thousand rows that have none, in a transaction of its own; returns how many.
pub fn number(conn: &mut Conn) -> QueryResult<usize> {
    lock_name(conn, LOCK)?;
    // A statement of its own after the lock: it sees what the one before has committed.
    let last = newest(conn)?;
    let sql = format!(
        "UPDATE events SET seq = {last} + numbered.n FROM (SELECT id AS event, ROW_NUMBER() OVER \
         (ORDER BY written, id) AS n FROM events WHERE seq IS NULL ORDER BY written, id LIMIT {BATCH}) AS numbered \
         WHERE events.id = numbered.event"
    );
    each!(conn, diesel::sql_query(sql), execute)
}

/// Whether there are rows without a number.
pub fn has_unnumbered(conn: &mut Conn) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(events::table.filter(events::seq.is_null()))).get_result(conn)
}

/// The greatest number, 0 if there is none.
pub fn newest(conn: &mut Conn) -> QueryResult<i64> {
    let newest: Option<i64> = events::table.select(max(events::seq)).get_result(conn)?;
    Ok(newest.unwrap_or_default())
}

/// Up to `limit` rows past the number `after`.
pub fn list(conn: &mut Conn, after: i64, limit: i64) -> QueryResult<Vec<Event>> {
    events::table
        .filter(events::seq.gt(after))
        .order(events::seq)
        .limit(limit)
        .select((
            events::seq.assume_not_null(),
            events::kind,
            events::at,
            events::user_id,
            events::login_id,
            events::detail,
        ))
        .load(conn)
}

/// Deletes up to `limit` rows, the oldest first, up to the first one that is not from before `before`, but for the newest,
/// whose number the next ones follow; returns how many. Times are not in the order of the numbers: nodes' clocks differ. So a row may stay longer,
/// but none is missing between two that are kept.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    let kept: Option<i64> =
        events::table.filter(events::at.ge(before)).select(min(events::seq)).get_result(conn)?;
    let first = match kept {
        Some(seq) => seq,
        None => newest(conn)?,
    };
    let oldest: Option<i64> = events::table.select(min(events::seq)).get_result(conn)?;
    let end = first.min(oldest.unwrap_or(first).saturating_add(limit));
    diesel::delete(events::table.filter(events::seq.lt(end))).execute(conn)
}
