//! The table `access_changes`: changes of users' roles and claims, as every node reads them.

use std::ops::RangeInclusive;

use diesel::dsl::{max, min};
use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::access_changes;
use doorward_core::domain::{Rights, UserId};

/// A change: what a user has since then. Most are of users who are not connected, so only the version is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessChange {
    pub number: i32,
    pub user: UserId,
    pub version: i32,
    pub at: Timestamp,
    roles: String,
    claims: String,
}

impl AccessChange {
    /// The user's roles and claims.
    #[must_use]
    pub fn rights(&self) -> Rights {
        read_rights(self.user, self.version, &self.roles, &self.claims)
    }
}

/// The columns of [`AccessChange`].
type Columns = (i32, String, i32, Timestamp, String, String);

/// Adds a change; answers its number.
pub fn insert(conn: &mut Conn, user: UserId, rights: &Rights, now: Timestamp) -> QueryResult<i32> {
    diesel::insert_into(access_changes::table)
        .values((
            access_changes::user_id.eq(user.to_string()),
            access_changes::claims_version.eq(rights.version),
            access_changes::roles.eq(stored_roles(rights)),
            access_changes::claims.eq(rights.claims.to_string()),
            access_changes::at.eq(now),
        ))
        .execute(conn)?;
    // The caller holds the lock of all changes: no other one is numbered meanwhile, unless by hand, and then the number
    // is greater.
    newest(conn).map(Option::unwrap_or_default)
}

/// The greatest number that is there.
pub fn newest(conn: &mut Conn) -> QueryResult<Option<i32>> {
    access_changes::table.select(max(access_changes::number)).get_result(conn)
}

/// The greatest number before the first change that was made at `since` or later; 0 if there is none.
pub fn last_before(conn: &mut Conn, since: Timestamp) -> QueryResult<i32> {
    let first: Option<i32> = access_changes::table
        .filter(access_changes::at.ge(since))
        .select(min(access_changes::number))
        .get_result(conn)?;
    let before: Option<i32> = match first {
        Some(first) => {
            let before = access_changes::table.filter(access_changes::number.lt(first));
            before.select(max(access_changes::number)).get_result(conn)?
        }
        None => newest(conn)?,
    };
    Ok(before.unwrap_or_default())
}

/// Up to `limit` changes with these numbers, in their order.
pub fn page(conn: &mut Conn, numbers: &RangeInclusive<i64>, limit: i64) -> QueryResult<Vec<AccessChange>> {
    let bound = |number: i64| i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX });
    let rows: Vec<Columns> = access_changes::table
        .filter(access_changes::number.between(bound(*numbers.start()), bound(*numbers.end())))
        .order(access_changes::number)
        .limit(limit)
        .select((
            access_changes::number,
            access_changes::user_id,
            access_changes::claims_version,
            access_changes::at,
            access_changes::roles,
            access_changes::claims,
        ))
        .load(conn)?;
    let change = |(number, user, version, at, roles, claims): Columns| {
        // A row that was written by hand may name anything; no user has the nil id.
        let user = user.parse().unwrap_or(UserId(uuid::Uuid::nil()));
        AccessChange { number, user, version, at, roles, claims }
    };
    Ok(rows.into_iter().map(change).collect())
}

/// Deletes the changes of a user whose account is deleted.
pub fn forget_user(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    diesel::delete(access_changes::table.filter(access_changes::user_id.eq(user.to_string())))
        .execute(conn)
        .map(drop)
}

/// Deletes up to `limit` changes before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, access_changes.number: i32, access_changes::at.lt(before), limit)
}

/// Roles as rows have them.
#[must_use]
pub fn stored_roles(rights: &Rights) -> String {
    // Names only: this always is JSON.
    serde_json::to_string(&rights.roles).unwrap_or_else(|_| "[]".to_owned())
}

/// Reads what a row has. Roles or claims that were written by hand and are not valid count as none.
#[must_use]
pub fn read_rights(user: UserId, version: i32, roles: &str, claims: &str) -> Rights {
    let ignored = |what, error: &dyn std::fmt::Display| {
        tracing::error!(%user, %error, "ignored the {what} of a row: they are not valid");
    };
    let roles = serde_json::from_str(roles).inspect_err(|error| ignored("roles", error)).unwrap_or_default();
    let claims =
        serde_json::from_str(claims).inspect_err(|error| ignored("claims", error)).unwrap_or_default();
    Rights { version, roles, claims }
}
