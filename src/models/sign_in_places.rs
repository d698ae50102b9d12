//! Where users have signed in, in the table `logins`: to tell a known device from a new one.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::logins;
use doorward_core::domain::{LoginId, LoginKind, RevokeReason, UserId};

/// Places of one user that are read.
const MOST: i64 = 1000;

/// Why a login was revoked whose place says nothing about a person who knows the present password.
const DISTRUSTED: [RevokeReason; 6] = [
    RevokeReason::PasswordChanged,
    RevokeReason::PasswordReset,
    RevokeReason::NotMe,
    RevokeReason::RefreshReuse,
    RevokeReason::CodeReuse,
    RevokeReason::PasswordGuessed,
];

/// Where a login was begun.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Place {
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

/// Where clients that are no browsers have signed in as `user`, each place once: with logins that were used after `since`
/// and begun after `begun`, other than `except`.
pub fn without_browser(
    conn: &mut Conn,
    (user, except): (UserId, LoginId),
    since: Timestamp,
    begun: Option<Timestamp>,
) -> QueryResult<Vec<Place>> {
    let distrusted = DISTRUSTED.map(RevokeReason::as_str);
    logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .filter(logins::id.ne(except.to_string()))
        .filter(logins::kind.ne(LoginKind::Browser.as_str()))
        .filter(logins::last_seen_at.gt(since))
        .filter(logins::created_at.ge(begun.unwrap_or_default()))
        .filter(
            logins::revoked_reason.is_null().or(logins::revoked_reason.assume_not_null().ne_all(distrusted)),
        )
        .select((logins::user_agent, logins::ip))
        .distinct()
        .limit(MOST)
        .load(conn)
}

/// Where a login was begun, and when.
pub fn of_login(conn: &mut Conn, login: LoginId) -> QueryResult<Option<(Place, Timestamp)>> {
    let row: Option<(Option<String>, Option<String>, Timestamp)> = logins::table
        .find(login.to_string())
        .select((logins::user_agent, logins::ip, logins::created_at))
        .first(conn)
        .optional()?;
    Ok(row.map(|(user_agent, ip, at)| (Place { user_agent, ip }, at)))
}

/// Notes that the logins of a user that began at `since` or later and have ended, for whatever reason, were someone else's.
pub fn distrust(conn: &mut Conn, user: UserId, since: Timestamp) -> QueryResult<()> {
    let ended = logins::table
        .filter(logins::user_id.eq(user.to_string()))
        .filter(logins::created_at.ge(since))
        .filter(logins::revoked_at.is_not_null());
    diesel::update(ended).set(logins::revoked_reason.eq(RevokeReason::NotMe.as_str())).execute(conn).map(drop)
}
