//! The table `logins`: one row a signed-in device.

use diesel::prelude::*;

use crate::auth::revocation::RevokeReason;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::domain::{LoginId, UserId};
use crate::schema::logins;

/// Which logins end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Login(LoginId),
    /// All of a user's.
    User(UserId),
    /// All of a user's but one.
    UserExcept(UserId, LoginId),
}

/// Marks the logins of `scope` revoked and answers which of them were not yet. Only `accounts::Logins`
/// calls this: a revocation that is not announced closes its sockets late.
pub fn revoke(
    conn: &mut Conn,
    scope: Scope,
    reason: RevokeReason,
    now: Timestamp,
) -> QueryResult<Vec<LoginId>> {
    let alive = logins::table.filter(logins::revoked_at.is_null()).select(logins::id);
    let ids: Vec<String> = match scope {
        Scope::Login(id) => alive.filter(logins::id.eq(id.to_string())).load(conn)?,
        Scope::User(user) => alive.filter(logins::user_id.eq(user.to_string())).load(conn)?,
        Scope::UserExcept(user, id) => alive
            .filter(logins::user_id.eq(user.to_string()))
            .filter(logins::id.ne(id.to_string()))
            .load(conn)?,
    };
    diesel::update(logins::table.filter(logins::id.eq_any(&ids)))
        .set((logins::revoked_at.eq(now), logins::revoked_reason.eq(reason.as_str())))
        .execute(conn)?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The logins revoked since `since`, with their reasons. The column `revoked_at` is compared, never read:
/// whoever sets it by hand may write it in another form.
pub fn revoked_since(conn: &mut Conn, since: Timestamp) -> QueryResult<Vec<(LoginId, RevokeReason)>> {
    let rows: Vec<(String, Option<String>)> = logins::table
        .filter(logins::revoked_at.ge(since))
        .select((logins::id, logins::revoked_reason))
        .load(conn)?;
    Ok(rows
        .into_iter()
        .filter_map(|(id, reason)| Some((id.parse().ok()?, RevokeReason::parse(reason.as_deref()))))
        .collect())
}

/// Those of `ids` that no longer stand: revoked, or gone. At most a few hundred at a time: a database
/// bounds the parameters of a statement.
pub fn ended_among(conn: &mut Conn, ids: &[LoginId]) -> QueryResult<Vec<(LoginId, RevokeReason)>> {
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, bool, Option<String>)> = logins::table
        .filter(logins::id.eq_any(&texts))
        .select((logins::id, logins::revoked_at.is_not_null(), logins::revoked_reason))
        .load(conn)?;
    let rows: std::collections::HashMap<String, (bool, Option<String>)> =
        rows.into_iter().map(|(id, revoked, reason)| (id, (revoked, reason))).collect();
    Ok(ids
        .iter()
        .zip(&texts)
        .filter_map(|(id, text)| match rows.get(text) {
            Some((false, _)) => None,
            Some((true, reason)) => Some((*id, RevokeReason::parse(reason.as_deref()))),
            None => Some((*id, RevokeReason::AccountDeleted)),
        })
        .collect())
}
