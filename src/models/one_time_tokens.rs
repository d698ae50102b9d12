//! The table `one_time_tokens`: links in emails, stored as hashes, each valid once.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::one_time_tokens;
use doorward_core::domain::{LoginId, UserId};

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    VerifyEmail,
    ResetPassword,
    /// Takes back the change of a verified address, and the account with it.
    UndoEmail,
    /// Revokes a login that was someone else's, and leads to a new password.
    NotMe,
}

impl Purpose {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::UndoEmail => "undo_email",
            Self::NotMe => "not_me",
        }
    }
}

pub fn insert(
    conn: &mut Conn,
    hash: &str,
    purpose: Purpose,
    user: UserId,
    email: &str,
    expires_at: Timestamp,
) -> QueryResult<()> {
    add(conn, hash, purpose, (user, None), email, expires_at)
}

/// Adds a link for a user who did not begin this login.
pub fn insert_not_me(
    conn: &mut Conn,
    hash: &str,
    (user, login): (UserId, LoginId),
    email: &str,
    expires_at: Timestamp,
) -> QueryResult<()> {
    add(conn, hash, Purpose::NotMe, (user, Some(login)), email, expires_at)
}

fn add(
    conn: &mut Conn,
    hash: &str,
    purpose: Purpose,
    (user, login): (UserId, Option<LoginId>),
    email: &str,
    expires_at: Timestamp,
) -> QueryResult<()> {
    diesel::insert_into(one_time_tokens::table)
        .values((
            one_time_tokens::hash.eq(hash),
            one_time_tokens::purpose.eq(purpose.as_str()),
            one_time_tokens::user_id.eq(user.to_string()),
            one_time_tokens::email.eq(email),
            one_time_tokens::expires_at.eq(expires_at),
            one_time_tokens::login_id.eq(login.map(|login| login.to_string())),
        ))
        .execute(conn)
        .map(drop)
}

/// The user, the login and the address that a valid link of this kind is for. It stays valid.
pub fn peek_not_me(
    conn: &mut Conn,
    hash: &str,
    now: Timestamp,
) -> QueryResult<Option<(UserId, LoginId, String)>> {
    let row: Option<(String, Option<String>, String)> = one_time_tokens::table
        .filter(one_time_tokens::hash.eq(hash))
        .filter(one_time_tokens::purpose.eq(Purpose::NotMe.as_str()))
        .filter(one_time_tokens::used_at.is_null())
        .filter(one_time_tokens::expires_at.gt(now))
        .select((one_time_tokens::user_id, one_time_tokens::login_id, one_time_tokens::email))
        .first(conn)
        .optional()?;
    Ok(row.and_then(|(user, login, email)| Some((user.parse().ok()?, login?.parse().ok()?, email))))
}

/// The user and the address that a valid token is for. The token stays valid.
pub fn peek(
    conn: &mut Conn,
    hash: &str,
    purpose: Purpose,
    now: Timestamp,
) -> QueryResult<Option<(UserId, String)>> {
    let row: Option<(String, String)> = one_time_tokens::table
        .filter(one_time_tokens::hash.eq(hash))
        .filter(one_time_tokens::purpose.eq(purpose.as_str()))
        .filter(one_time_tokens::used_at.is_null())
        .filter(one_time_tokens::expires_at.gt(now))
        .select((one_time_tokens::user_id, one_time_tokens::email))
        .get_result(conn)
        .optional()?;
    Ok(row.and_then(|(user, email)| Some((user.parse().ok()?, email))))
}

/// Deletes up to `limit` the tokens that expired before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, one_time_tokens.hash: String, one_time_tokens::expires_at.lt(before), limit)
}

/// Uses up a token, in one statement: of two transactions that race, one gets it. Returns whether this one did.
pub fn redeem(conn: &mut Conn, hash: &str, purpose: Purpose, now: Timestamp) -> QueryResult<bool> {
    let row = one_time_tokens::table
        .find(hash)
        .filter(one_time_tokens::purpose.eq(purpose.as_str()))
        .filter(one_time_tokens::used_at.is_null())
        .filter(one_time_tokens::expires_at.gt(now));
    Ok(diesel::update(row).set(one_time_tokens::used_at.eq(now)).execute(conn)? == 1)
}

/// The user and the address of a token that was used since `since`. One that was invalidated was never used.
pub fn find_used(
    conn: &mut Conn,
    hash: &str,
    purpose: Purpose,
    since: Timestamp,
) -> QueryResult<Option<(UserId, String)>> {
    let row: Option<(String, String)> = one_time_tokens::table
        .find(hash)
        .filter(one_time_tokens::purpose.eq(purpose.as_str()))
        .filter(one_time_tokens::used_at.gt(since))
        .filter(one_time_tokens::used_at.lt(one_time_tokens::expires_at.nullable()))
        .select((one_time_tokens::user_id, one_time_tokens::email))
        .get_result(conn)
        .optional()?;
    Ok(row.and_then(|(user, email)| Some((user.parse().ok()?, email))))
}

/// The address of a user's latest link for this purpose, if there is a valid one.
pub fn find_valid(
    conn: &mut Conn,
    user: UserId,
    purpose: Purpose,
    now: Timestamp,
) -> QueryResult<Option<String>> {
    one_time_tokens::table
        .filter(one_time_tokens::user_id.eq(user.to_string()))
        .filter(one_time_tokens::purpose.eq(purpose.as_str()))
        .filter(one_time_tokens::used_at.is_null())
        .filter(one_time_tokens::expires_at.gt(now))
        .order(one_time_tokens::expires_at.desc())
        .select(one_time_tokens::email)
        .first(conn)
        .optional()
}

/// Invalidates all links of a user, or with `None` of all users, except those that undo a change of address or a sign-in:
/// these must survive whatever a thief who has the account can do. An invalidated link expires when it is marked used, which
/// tells it from one that was used.
pub fn spoil_all(conn: &mut Conn, user: Option<UserId>, now: Timestamp) -> QueryResult<()> {
    let links = one_time_tokens::table
        .filter(one_time_tokens::used_at.is_null())
        .filter(one_time_tokens::purpose.ne_all([Purpose::UndoEmail, Purpose::NotMe].map(Purpose::as_str)));
    let spoilt = (one_time_tokens::used_at.eq(now), one_time_tokens::expires_at.eq(now));
    match user {
        Some(user) => diesel::update(links.filter(one_time_tokens::user_id.eq(user.to_string())))
            .set(spoilt)
            .execute(conn),
        None => diesel::update(links).set(spoilt).execute(conn),
    }
    .map(drop)
}

/// Invalidates the user's other tokens of this purpose: once an address is verified, older links must not work.
pub fn spoil_others(conn: &mut Conn, user: UserId, purpose: Purpose, now: Timestamp) -> QueryResult<()> {
    diesel::update(
        one_time_tokens::table
            .filter(one_time_tokens::user_id.eq(user.to_string()))
            .filter(one_time_tokens::purpose.eq(purpose.as_str()))
            .filter(one_time_tokens::used_at.is_null()),
    )
    .set((one_time_tokens::used_at.eq(now), one_time_tokens::expires_at.eq(now)))
    .execute(conn)
    .map(drop)
}
