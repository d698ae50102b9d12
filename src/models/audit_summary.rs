//! The audit trail in sums: how many events there were from one address, at one account, and so on.

use std::net::IpAddr;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use serde::Serialize;

use super::audit_pages::{Ended, UNSUCCESSFUL, first_id};
use crate::clock::{Timestamp, serialize_rfc3339};
use crate::db::Conn;
use doorward_core::domain::UserId;

/// What rows of a group have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Address,
    User,
    Action,
    Reason,
}

/// What to sum up.
#[derive(Debug, Clone)]
pub struct SummaryOf {
    pub by: GroupBy,
    pub outcome: Option<Ended>,
    pub action: Option<String>,
    pub address: Option<IpAddr>,
    pub subject: Option<UserId>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName, Serialize)]
pub struct Summary {
    /// The address, the id of the account, the action or the reason. None for what has none.
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub events: i64,
    /// Accounts that they were about.
    #[diesel(sql_type = BigInt)]
    pub accounts: i64,
    /// Events that named an account which does not exist.
    #[diesel(sql_type = BigInt)]
    pub unknown_names: i64,
    /// Addresses that they came from.
    #[diesel(sql_type = BigInt)]
    pub addresses: i64,
    #[diesel(sql_type = SqlTimestamp)]
    #[serde(serialize_with = "serialize_rfc3339")]
    pub first_at: Timestamp,
    #[diesel(sql_type = SqlTimestamp)]
    #[serde(serialize_with = "serialize_rfc3339")]
    pub last_at: Timestamp,
}

/// The condition that a row tells of sign-ins with a name that no account has.
const UNKNOWN_NAME: &str = "subject IS NULL AND action = 'sign_in_failed' AND reason IN ('unknown_user', 'locked') AND ip IS NOT NULL";

/// Up to `limit` groups, those with the most events first.
pub fn summarize(conn: &mut Conn, of: &SummaryOf, limit: i64) -> QueryResult<Vec<Summary>> {
    let column = match of.by {
        GroupBy::Address => "ip",
        GroupBy::User => "subject",
        GroupBy::Action => "action",
        GroupBy::Reason => "reason",
    };
    let outcome = match of.outcome {
        Some(Ended::Unsuccessful) => UNSUCCESSFUL.to_owned(),
        // The words are the program's own.
        Some(Ended::As(outcome)) => format!("outcome = '{}'", outcome.as_str()),
        None => "1 = 1".to_owned(),
    };
    // SQLite numbers parameters of this form in their order of appearance, as PostgreSQL does by their names.
    let query = format!(
        "SELECT {column} AS name, CAST(SUM(count) AS BIGINT) AS events, COUNT(DISTINCT subject) AS accounts, \
         CAST(SUM(CASE WHEN {UNKNOWN_NAME} THEN count ELSE 0 END) AS BIGINT) AS unknown_names, \
         COUNT(DISTINCT ip) AS addresses, MIN(at) AS first_at, MAX(COALESCE(last_at, at)) AS last_at \
         FROM audit_events WHERE id >= $1 AND COALESCE(last_at, at) >= $2 AND at < $3 AND \
         ($4 = '' OR action = $4) AND ($5 = '' OR ip = $5) AND ($6 = '' OR subject = $6) AND {outcome} \
         GROUP BY {column} ORDER BY 2 DESC, 1 LIMIT $7"
    );
    diesel::sql_query(query)
        .bind::<Text, _>(of.since.map(first_id).unwrap_or_default())
        .bind::<SqlTimestamp, _>(of.since.unwrap_or_default())
        .bind::<SqlTimestamp, _>(of.until.unwrap_or(FAR))
        .bind::<Text, _>(of.action.clone().unwrap_or_default())
        .bind::<Text, _>(of.address.map(|address| address.to_string()).unwrap_or_default())
        .bind::<Text, _>(of.subject.map(|user| user.to_string()).unwrap_or_default())
        .bind::<BigInt, _>(limit)
        .load(conn)
}

/// The end of the year 9999.
const FAR: Timestamp = match chrono::DateTime::from_timestamp(253_402_300_799, 0) {
    Some(far) => far.naive_utc(),
    None => chrono::NaiveDateTime::MAX,
};
