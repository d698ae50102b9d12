//! The table `logins`: one row for each signed-in device.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::{Conn, each, locked};
use crate::models::stored::Stored;
use crate::models::{events, login_revocations};
use crate::schema::{logins, users};
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{LoginId, LoginKind, UserId};

/// A database bounds the parameters of a statement.
pub(super) const PARAMETERS: usize = 1000;

/// An active login: neither revoked nor expired. No `Debug`: it holds the hash of a credential.
#[derive(Clone, Queryable)]
pub struct LiveLogin {
    #[diesel(deserialize_as = String)]
    pub id: LoginId,
    #[diesel(deserialize_as = String)]
    pub user_id: UserId,
    #[diesel(deserialize_as = String)]
    pub kind: Stored<LoginKind>,
    pub refresh_hash: Option<String>,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The columns of [`LiveLogin`].
pub(super) const LIVE: (
    logins::id,
    logins::user_id,
    logins::kind,
    logins::refresh_hash,
    logins::user_agent,
    logins::ip,
    logins::created_at,
    logins::last_seen_at,
    logins::expires_at,
) = (
    logins::id,
    logins::user_id,
    logins::kind,
    logins::refresh_hash,
    logins::user_agent,
    logins::ip,
    logins::created_at,
    logins::last_seen_at,
    logins::expires_at,
);

/// A login to add.
#[derive(Debug, Clone)]
pub struct NewLogin {
    pub id: LoginId,
    pub user_id: UserId,
    pub kind: LoginKind,
    pub refresh_hash: String,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub expires_at: Timestamp,
}

pub fn insert(conn: &mut Conn, login: &NewLogin, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(logins::table)
        .values((
            logins::id.eq(login.id.to_string()),
            logins::user_id.eq(login.user_id.to_string()),
            logins::kind.eq(login.kind.as_str()),
            logins::refresh_hash.eq(&login.refresh_hash),
            logins::user_agent.eq(&login.user_agent),
            logins::ip.eq(&login.ip),
            logins::created_at.eq(now),
            logins::last_seen_at.eq(now),
            logins::expires_at.eq(login.expires_at),
        ))
        .execute(conn)
        .map(drop)
}

pub fn find_live(conn: &mut Conn, id: LoginId, now: Timestamp) -> QueryResult<Option<LiveLogin>> {
    let live = logins::table
        .find(id.to_string())
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .select(LIVE);
    each!(conn, live, get_result).optional()
}

/// Why a login with this credential was revoked, if that was since `since`.
pub fn find_revoked(
    conn: &mut Conn,
    id: LoginId,
    hash: &str,
    since: Timestamp,
) -> QueryResult<Option<RevokeReason>> {
    let reason: Option<Option<String>> = logins::table
        .find(id.to_string())
        .filter(logins::refresh_hash.eq(hash))
        .filter(logins::revoked_at.gt(since))
        .select(logins::revoked_reason)
        .get_result(conn)
        .optional()?;
    Ok(reason.map(|reason| RevokeReason::parse(reason.as_deref())))
}

/// The login, locked until the transaction ends.
pub fn lock_live(conn: &mut Conn, id: LoginId, now: Timestamp) -> QueryResult<Option<LiveLogin>> {
    let query = logins::table
        .find(id.to_string())
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .select(LIVE);
    locked!(conn, query, get_result).optional()
}

/// A user's active logins, the newest first.
pub fn live_of_user(conn: &mut Conn, user: UserId, now: Timestamp) -> QueryResult<Vec<LiveLogin>> {
    logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .order((logins::created_at.desc(), logins::id.desc()))
        .select(LIVE)
        .load(conn)
}

/// How many active logins each of these users has; those without any are left out.
pub fn count_live(conn: &mut Conn, users: &[UserId], now: Timestamp) -> QueryResult<Vec<(UserId, i64)>> {
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, i64)> = logins::table
        .filter(logins::user_id.eq_any(users))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .group_by(logins::user_id)
        .select((logins::user_id, diesel::dsl::count_star()))
        .load(conn)?;
    Ok(rows.into_iter().filter_map(|(user, count)| Some((user.parse().ok()?, count))).collect())
}

/// Replaces the credential `old` by `new` and moves the login's expiry. Returns whether `old` was still the current one of
/// an active login. `previous_hash` and `rotated_at` are read by nodes of earlier versions during a rolling upgrade.
pub fn rotate(
    conn: &mut Conn,
    id: LoginId,
    (old, new): (&str, &str),
    now: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<bool> {
    diesel::update(
        logins::table
            .find(id.to_string())
            .filter(logins::refresh_hash.eq(old))
            .filter(logins::revoked_at.is_null()),
    )
    .set((
        logins::refresh_hash.eq(new),
        logins::previous_hash.eq(old),
        logins::rotated_at.eq(now),
        logins::last_seen_at.eq(now),
        logins::expires_at.eq(expires_at),
    ))
    .execute(conn)
    .map(|rows| rows > 0)
}

/// Records that a login was used, and moves its expiry.
pub fn touch(conn: &mut Conn, id: LoginId, now: Timestamp, expires_at: Timestamp) -> QueryResult<()> {
    diesel::update(logins::table.find(id.to_string()))
        .set((logins::last_seen_at.eq(now), logins::expires_at.eq(expires_at)))
        .execute(conn)
        .map(drop)
}

/// Removes addresses and user agents from the logins of a user whose account is deleted. The rows stay for a while, so
/// that their access tokens are known to be revoked.
pub fn blank_devices(conn: &mut Conn, user: UserId) -> QueryResult<()> {
    // In the order of their ids, like every transaction that locks several.
    let of_user = logins::table.filter(logins::user_id.eq(user.to_string()));
    let _: Vec<String> = locked!(conn, of_user.select(logins::id).order(logins::id), load)?;
    diesel::update(logins::table.filter(logins::user_id.eq(user.to_string())))
        .set((logins::user_agent.eq(None::<String>), logins::ip.eq(None::<String>)))
        .execute(conn)
        .map(drop)
}

/// Deletes up to `limit` logins that were revoked before `before`; returns how many.
pub fn purge_revoked(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    let old = || logins::revoked_at.is_not_null().and(logins::revoked_at.assume_not_null().lt(before));
    delete_some!(conn, logins.id: String, old(), limit)
}

/// Deletes up to `limit` logins that expired before `before`; returns how many. In a transaction.
pub fn purge_expired(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    let old = logins::table.filter(logins::expires_at.lt(before)).limit(limit).select(logins::id);
    let old: Vec<String> = old.load(conn)?;
    login_revocations::without(conn, &old, |conn| {
        diesel::delete(logins::table.filter(logins::id.eq_any(&old))).execute(conn)
    })
}

/// Which logins to revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Login(LoginId),
    /// All of a user's.
    User(UserId),
    /// All of a user's but one.
    UserExcept(UserId, LoginId),
    /// All of a user's that began then or later.
    UserSince(UserId, Timestamp),
    Everybody,
}

/// How many active logins there are in `scope`.
pub fn count_in(conn: &mut Conn, scope: Scope, now: Timestamp) -> QueryResult<i64> {
    let live = logins::table.filter(logins::revoked_at.is_null()).filter(logins::expires_at.gt(now)).count();
    match scope {
        Scope::Login(id) => live.filter(logins::id.eq(id.to_string())).get_result(conn),
        Scope::User(user) => live.filter(logins::user_id.eq(user.to_string())).get_result(conn),
        Scope::UserExcept(user, id) => live
            .filter(logins::user_id.eq(user.to_string()))
            .filter(logins::id.ne(id.to_string()))
            .get_result(conn),
        Scope::UserSince(user, since) => live
            .filter(logins::user_id.eq(user.to_string()))
            .filter(logins::created_at.ge(since))
            .get_result(conn),
        Scope::Everybody => live.get_result(conn),
    }
}

/// Marks the logins of `scope` revoked and answers which of them were not yet. Only `accounts::Logins`
/// calls this: a revocation that is not announced closes its sockets late.
pub fn revoke(
    conn: &mut Conn,
    scope: Scope,
    reason: RevokeReason,
    now: Timestamp,
) -> QueryResult<Vec<LoginId>> {
    let alive = logins::table.filter(logins::revoked_at.is_null()).select(logins::id).order(logins::id);
    let of = |user: UserId| alive.filter(logins::user_id.eq(user.to_string()));
    // In the order of their ids: of two transactions that revoke the same ones, neither waits for what the other has.
    let ids: Vec<String> = match scope {
        Scope::Login(id) => locked!(conn, alive.filter(logins::id.eq(id.to_string())), load)?,
        Scope::User(user) => locked!(conn, of(user), load)?,
        Scope::Everybody => locked!(conn, alive, load)?,
        Scope::UserExcept(user, id) => locked!(conn, of(user).filter(logins::id.ne(id.to_string())), load)?,
        Scope::UserSince(user, since) => locked!(conn, of(user).filter(logins::created_at.ge(since)), load)?,
    };
    mark_revoked(conn, &ids, reason, now)
}

/// The same for these logins.
pub fn revoke_these(
    conn: &mut Conn,
    ids: &[LoginId],
    reason: RevokeReason,
    now: Timestamp,
) -> QueryResult<Vec<LoginId>> {
    let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.sort_unstable();
    let mut active = Vec::with_capacity(ids.len());
    for ids in ids.chunks(PARAMETERS) {
        let alive = logins::table.filter(logins::revoked_at.is_null()).filter(logins::id.eq_any(ids));
        let alive = alive.select(logins::id).order(logins::id);
        let mut alive: Vec<String> = locked!(conn, alive, load)?;
        active.append(&mut alive);
    }
    mark_revoked(conn, &active, reason, now)
}

/// Revokes the logins of a user that were least recently used, past `keep` of the others beside `newest`; answers
/// which. Those of connections are revoked with their connection, and do not count.
pub fn revoke_beyond(
    conn: &mut Conn,
    (user, newest): (UserId, LoginId),
    keep: i64,
    reason: RevokeReason,
    now: Timestamp,
) -> QueryResult<Vec<LoginId>> {
    let extra: Vec<String> = logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .filter(logins::id.ne(newest.to_string()))
        .filter(logins::kind.ne(LoginKind::Connection.as_str()))
        .filter(logins::revoked_at.is_null())
        .filter(logins::expires_at.gt(now))
        .order((logins::last_seen_at.desc(), logins::created_at.desc(), logins::id.desc()))
        .offset(keep)
        // Each sign-in leaves one too many at most; there are more only after the bound was lowered.
        .limit(500)
        .select(logins::id)
        .load(conn)?;
    if extra.is_empty() {
        return Ok(Vec::new());
    }
    let extra: Vec<LoginId> = extra.iter().filter_map(|id| id.parse().ok()).collect();
    revoke_these(conn, &extra, reason, now)
}

fn mark_revoked(
    conn: &mut Conn,
    ids: &[String],
    reason: RevokeReason,
    now: Timestamp,
) -> QueryResult<Vec<LoginId>> {
    for ids in ids.chunks(PARAMETERS) {
        diesel::update(logins::table.filter(logins::id.eq_any(ids)))
            .set((logins::revoked_at.eq(now), logins::revoked_reason.eq(reason.as_str())))
            .execute(conn)?;
    }
    events::insert_ended(conn, ids, reason.as_str(), now)?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// A login that is no longer active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inactive {
    pub id: LoginId,
    pub reason: RevokeReason,
    /// Its own row is not marked revoked: its user's row was deleted or disabled by hand.
    pub by_user: bool,
}

/// Those of `ids` that are no longer active: revoked, deleted, or of a user who was deleted or disabled. At most a
/// few hundred at a time: a database bounds the parameters of a statement.
pub fn inactive_among(conn: &mut Conn, ids: &[LoginId]) -> QueryResult<Vec<Inactive>> {
    type Row = (String, bool, Option<String>, Option<String>, Option<bool>);
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<Row> = logins::table
        .left_join(users::table.on(users::id.eq(logins::user_id)))
        .filter(logins::id.eq_any(&texts))
        .select((
            logins::id,
            logins::revoked_at.is_not_null(),
            logins::revoked_reason,
            users::id.nullable(),
            // Only whether it is set: one that is set by hand may have any form.
            users::disabled_at.is_not_null().nullable(),
        ))
        .load(conn)?;
    let rows: std::collections::HashMap<String, _> = rows
        .into_iter()
        .map(|(id, revoked, reason, user, disabled)| (id, (revoked, reason, user, disabled)))
        .collect();
    Ok(ids
        .iter()
        .zip(&texts)
        .filter_map(|(id, text)| {
            let (reason, by_user) = match rows.get(text) {
                None => (RevokeReason::AccountDeleted, false),
                Some((true, reason, ..)) => (RevokeReason::parse(reason.as_deref()), false),
                Some((false, _, None, _)) => (RevokeReason::AccountDeleted, true),
                Some((false, _, _, Some(true))) => (RevokeReason::AccountDisabled, true),
                Some(_) => return None,
            };
            Some(Inactive { id: *id, reason, by_user })
        })
        .collect())
}
