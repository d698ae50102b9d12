//! Parts of the list of a user's logins.

use diesel::prelude::*;
use serde::Serialize;
use utoipa::ToSchema;

use super::logins::{LIVE, LiveLogin};
use super::stored::Stored;
use crate::clock::{Timestamp, serialize_rfc3339, serialize_rfc3339_or_null};
use crate::db::Conn;
use crate::schema::logins;
use doorward_core::domain::{LoginId, LoginKind, UserId};

/// A login that is active or has ended, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Serialize, ToSchema)]
pub struct StoredLogin {
    #[schema(format = Uuid)]
    pub id: String,
    #[diesel(deserialize_as = String)]
    #[schema(value_type = String, example = "token")]
    pub kind: Stored<LoginKind>,
    #[schema(example = "curl/8.5.0")]
    pub user_agent: Option<String>,
    #[schema(example = "203.0.113.7")]
    pub ip: Option<String>,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub last_seen_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339")]
    #[schema(value_type = String, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub expires_at: Timestamp,
    #[serde(serialize_with = "serialize_rfc3339_or_null")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-11-27T12:00:00.000Z")]
    pub revoked_at: Option<Timestamp>,
    #[schema(example = "signed_out")]
    pub revoked_reason: Option<String>,
}

/// Up to `limit` logins of a user, active or not, the newest first.
pub fn all_of_user(conn: &mut Conn, user: UserId, limit: i64) -> QueryResult<Vec<StoredLogin>> {
    logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .order(logins::id.desc())
        .limit(limit)
        .select((
            logins::id,
            logins::kind,
            logins::user_agent,
            logins::ip,
            logins::created_at,
            logins::last_seen_at,
            logins::expires_at,
            logins::revoked_at,
            logins::revoked_reason,
        ))
        .load(conn)
}

/// One page of a user's active logins: first `first`, then the newest.
pub fn page_of_user(
    conn: &mut Conn,
    (user, first): (UserId, LoginId),
    (offset, limit): (i64, i64),
    now: Timestamp,
) -> QueryResult<Vec<LiveLogin>> {
    logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .order((logins::id.eq(first.to_string()).desc(), logins::created_at.desc(), logins::id.desc()))
        .offset(offset)
        .limit(limit)
        .select(LIVE)
        .load(conn)
}

/// Up to `limit` of a user's active logins past `after`, the newest first: their ids are in the order of creation.
pub fn of_user_after(
    conn: &mut Conn,
    user: UserId,
    after: Option<LoginId>,
    limit: i64,
    now: Timestamp,
) -> QueryResult<Vec<LiveLogin>> {
    // Past every id, in every collation: ids begin with a hexadecimal digit.
    let after = after.map_or_else(|| "g".to_owned(), |id| id.to_string());
    logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .filter(logins::id.lt(after))
        .order(logins::id.desc())
        .limit(limit)
        .select(LIVE)
        .load(conn)
}

/// The user agents of these logins' clients.
pub fn user_agents(conn: &mut Conn, ids: &[LoginId]) -> QueryResult<Vec<(LoginId, Option<String>)>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, Option<String>)> =
        logins::table.filter(logins::id.eq_any(ids)).select((logins::id, logins::user_agent)).load(conn)?;
    Ok(rows.into_iter().filter_map(|(id, agent)| Some((id.parse().ok()?, agent))).collect())
}
