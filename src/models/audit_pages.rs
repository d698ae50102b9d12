//! Parts of the audit trail, for lists in pages.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use chrono::TimeDelta;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::audit_events::{Outcome, unindexed_action};
use super::logins::PARAMETERS;
use crate::clock::{Timestamp, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::db::Conn;
use crate::schema::{audit_events, users};
use doorward_core::domain::UserId;

/// Which rows to list; what is missing fits every row.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    pub subject: Option<UserId>,
    pub action: Option<String>,
    pub outcome: Option<Ended>,
    pub address: Option<IpAddr>,
    /// `user` stands for null.
    pub actor: Option<String>,
    pub actor_id: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// The id of a row: those that are older.
    pub after: Option<Uuid>,
}

/// How the actions ended that are to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    As(Outcome),
    /// Failed or refused.
    Unsuccessful,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize, ToSchema)]
#[schema(as = AuditEvent)]
pub struct StoredEvent {
    #[schema(format = Uuid)]
    pub id: String,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub at: Timestamp,
    #[schema(example = "sign_in_failed")]
    pub action: String,
    /// `succeeded`, `failed` or `refused`.
    #[schema(example = "failed")]
    pub outcome: String,
    /// Why it did not succeed.
    #[schema(example = "wrong_password")]
    pub reason: Option<String>,
    /// Failures that are alike share a row for a minute: how many there were.
    #[schema(minimum = 1, example = 3)]
    pub count: i32,
    /// When the last of several happened.
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-27T12:00:30.000Z")]
    pub last_at: Option<Timestamp>,
    /// `user`, `api_key`, `operator` or `server`.
    #[serde(serialize_with = "serialize_actor")]
    #[schema(value_type = String, example = "api_key")]
    pub actor: Option<String>,
    #[schema(example = "0190f3c4-0000-7000-8000-000000000000")]
    pub actor_id: Option<String>,
    /// The account that it was done to.
    #[serde(rename = "user")]
    #[schema(format = Uuid)]
    pub subject: Option<String>,
    #[schema(example = "203.0.113.7")]
    pub ip: Option<String>,
    #[schema(format = Uuid)]
    pub login: Option<String>,
    #[schema(format = Uuid)]
    pub request: Option<String>,
    #[schema(example = "editor")]
    pub detail: Option<String>,
}

/// In the order of the fields of [`StoredEvent`].
#[rustfmt::skip]
macro_rules! columns {
    () => {
        (
            audit_events::id, audit_events::at, audit_events::action, audit_events::outcome,
            audit_events::reason, audit_events::count, audit_events::last_at, audit_events::actor,
            audit_events::actor_id, audit_events::subject, audit_events::ip, audit_events::login_id,
            audit_events::request_id, audit_events::detail,
        )
    };
}

const USER: &str = "user";

/// As the index of failures says it, so that the database uses it.
pub(super) const UNSUCCESSFUL: &str = "outcome <> 'succeeded'";

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn serialize_actor<S: serde::Serializer>(actor: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(actor.as_deref().unwrap_or(USER))
}

/// Up to `limit` rows about a user, and of what the user did, the newest first.
pub fn about(conn: &mut Conn, user: UserId, limit: i64) -> QueryResult<Vec<StoredEvent>> {
    let (subject, actor) = (user.to_string(), user.to_string());
    audit_events::table
        .filter(
            audit_events::subject
                .eq(subject)
                .or(audit_events::actor.is_null().and(audit_events::actor_id.eq(actor))),
        )
        .order(audit_events::id.desc())
        .limit(limit)
        .select(columns!())
        .load(conn)
}

/// Up to `limit` rows of what was done to a user, the newest first.
pub fn of_subject(conn: &mut Conn, user: UserId, limit: i64) -> QueryResult<Vec<StoredEvent>> {
    list(conn, &AuditFilter { subject: Some(user), ..AuditFilter::default() }, limit)
}

/// Up to `limit` rows, the newest first: their ids are in the order of time.
pub fn list(conn: &mut Conn, filter: &AuditFilter, limit: i64) -> QueryResult<Vec<StoredEvent>> {
    macro_rules! query {
        ($backend:ty) => {{
            let mut rows = audit_events::table
                .select(columns!())
                .order(audit_events::id.desc())
                .limit(limit)
                .into_boxed::<$backend>();
            if let Some(subject) = filter.subject {
                rows = rows.filter(audit_events::subject.eq(subject.to_string()));
            }
            match &filter.action {
                Some(action) if filter.subject.is_some() => {
                    rows = rows.filter(unindexed_action().eq(action));
                }
                Some(action) => rows = rows.filter(audit_events::action.eq(action)),
                None => {}
            }
            if let Some(address) = filter.address {
                rows = rows.filter(audit_events::ip.eq(address.to_string()));
            }
            match filter.outcome {
                Some(Ended::As(Outcome::Succeeded)) => {
                    rows = rows.filter(audit_events::outcome.eq(Outcome::Succeeded.as_str()));
                }
                Some(ended) => {
                    rows = rows.filter(sql::<Bool>(UNSUCCESSFUL));
                    if let Ended::As(outcome) = ended {
                        rows = rows.filter(audit_events::outcome.eq(outcome.as_str()));
                    }
                }
                None => {}
            }
            match filter.actor.as_deref() {
                Some(USER) => rows = rows.filter(audit_events::actor.is_null()),
                Some(actor) => rows = rows.filter(audit_events::actor.eq(actor)),
                None => {}
            }
            if let Some(actor) = &filter.actor_id {
                rows = rows.filter(audit_events::actor_id.eq(actor));
            }
            if let Some(since) = filter.since {
                let is_later = audit_events::at.ge(since).or(audit_events::last_at.ge(since));
                rows = rows.filter(is_later).filter(audit_events::id.ge(first_id(since)));
            }
            if let Some(until) = filter.until {
                rows = rows.filter(audit_events::at.lt(until));
            }
            if let Some(after) = filter.after {
                rows = rows.filter(audit_events::id.lt(after.to_string()));
            }
            rows
        }};
    }
    match conn {
        Conn::Sqlite(conn) => query!(diesel::sqlite::Sqlite).load(conn),
        Conn::Postgres(conn) => query!(diesel::pg::Pg).load(conn),
    }
}

/// What the ids of all rows with an event since then are greater than, or equal to: an id (UUIDv7) begins with its time in
/// milliseconds. Two minutes earlier, as failures are added to a row for a minute.
pub(super) fn first_id(since: Timestamp) -> String {
    let millis = (since - TimeDelta::minutes(2)).and_utc().timestamp_millis().max(0);
    format!("{:08x}-{:04x}", millis >> 16, millis & 0xffff)
}

/// The usernames of these accounts, by id. Those that were deleted have none.
pub fn usernames(conn: &mut Conn, ids: &[String]) -> QueryResult<HashMap<String, String>> {
    let ids: BTreeSet<&String> = ids.iter().collect();
    let ids: Vec<&String> = ids.into_iter().collect();
    let mut names = HashMap::new();
    for ids in ids.chunks(PARAMETERS) {
        let page: Vec<(String, String)> = users::table
            .filter(users::id.eq_any(ids.iter().copied()))
            .select((users::id, users::username))
            .load(conn)?;
        names.extend(page);
    }
    Ok(names)
}
