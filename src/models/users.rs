//! The table `users`: accounts.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::access_changes::{read_rights, stored_roles};
use crate::clock::Timestamp;
use crate::db::{Conn, each, locked};
use crate::schema::users;
use doorward_core::domain::{ADMIN, Email, LanguageTag, Rights, UserId, Username};

/// A row. No `Debug`: it holds the password's hash.
#[derive(Clone, Queryable)]
pub struct User {
    #[diesel(deserialize_as = String)]
    pub id: UserId,
    /// Folded.
    pub username: String,
    pub display_name: String,
    /// Claimed by this user, and verified if `email_verified_at` is set.
    pub email: Option<String>,
    pub email_verified_at: Option<Timestamp>,
    pub password_hash: String,
    pub role: String,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When the account registered itself, if it was never used since, nor its address verified.
    pub unused_since: Option<Timestamp>,
    /// When all logins were last revoked, and all links with them.
    pub links_ended_at: Option<Timestamp>,
    /// Until when an address that is replaced gets no link that takes the change back.
    pub undo_closed_until: Option<Timestamp>,
    /// The skeleton of the username, which names that look like it share, where that is not the username.
    pub username_skeleton: Option<String>,
    /// A JSON array, see [`User::rights`].
    pub roles: String,
    /// A JSON object.
    pub claims: String,
    pub claims_version: i32,
    /// The tag of the language for pages and emails, if the user has one.
    pub language: Option<String>,
    /// When a password was set here, if one was.
    pub password_changed_at: Option<Timestamp>,
}

impl User {
    /// The address, if this user has verified it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified_at.is_some())
    }

    /// Roles and claims.
    #[must_use]
    pub fn rights(&self) -> Rights {
        read_rights(self.id, self.claims_version, &self.roles, &self.claims)
    }
}

/// The expression of the unique index on usernames that look alike.
const SKELETON: &str = "COALESCE(username_skeleton, username)";

/// The condition of the index on users with roles. A value that is bound does not lead to it.
const WITH_ROLES: &str = "users.roles <> '[]'";

/// Rows that are read at a time to find an administrator.
const CANDIDATES: i64 = 500;

/// A new account.
#[derive(Clone)]
pub struct NewUser {
    pub id: UserId,
    pub username: Username,
    /// Claimed, not verified.
    pub email: Option<Email>,
    pub password_hash: String,
    /// The password was chosen now: not in another system, and it is not to be chosen yet.
    pub has_new_password: bool,
    /// It registered itself, and is removed after a while if it is never used again.
    pub on_trial: bool,
    /// The language for pages and emails.
    pub language: Option<LanguageTag>,
}

/// # Errors
/// A unique violation if the username is taken, or looks like one that is.
pub fn insert(conn: &mut Conn, user: &NewUser, now: Timestamp) -> QueryResult<()> {
    let skeleton = Some(user.username.skeleton()).filter(|skeleton| skeleton != user.username.folded());
    insert_with(conn, user, skeleton.as_deref(), now)
}

/// The same for a username that may look like others: the first of them keeps the skeleton, unless that is the new
/// name.
///
/// # Errors
/// A unique violation if the username is taken.
pub fn insert_lookalike(conn: &mut Conn, user: &NewUser, now: Timestamp) -> QueryResult<()> {
    if find_lookalike(conn, &user.username)?.is_none() {
        return insert(conn, user, now);
    }
    let namesake = users::table.filter(users::username_skeleton.eq(user.username.folded()));
    diesel::update(namesake).set(users::username_skeleton.eq(None::<String>)).execute(conn)?;
    insert_with(conn, user, None, now)
}

fn insert_with(conn: &mut Conn, user: &NewUser, skeleton: Option<&str>, now: Timestamp) -> QueryResult<()> {
    diesel::insert_into(users::table)
        .values((
            users::id.eq(user.id.to_string()),
            users::username.eq(user.username.folded()),
            users::display_name.eq(user.username.typed()),
            users::email.eq(user.email.as_ref().map(Email::as_str)),
            users::password_hash.eq(&user.password_hash),
            users::password_changed_at.eq(user.has_new_password.then_some(now)),
            users::created_at.eq(now),
            users::updated_at.eq(now),
            users::unused_since.eq(user.on_trial.then_some(now)),
            users::username_skeleton.eq(skeleton),
            users::language.eq(user.language.as_ref().map(LanguageTag::as_str)),
        ))
        .execute(conn)
        .map(drop)
}

/// What an imported account had besides.
#[derive(Debug)]
pub struct Restored<'a> {
    pub display_name: Option<&'a str>,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// Completes a new account.
pub fn restore(conn: &mut Conn, id: UserId, restored: &Restored<'_>, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((
            restored.display_name.map(|name| users::display_name.eq(name)),
            users::disabled_at.eq(restored.disabled_at),
            users::created_at.eq(restored.created_at),
            users::updated_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// Users in the order of their ids, those after `last`.
pub fn page_after(conn: &mut Conn, last: Option<UserId>, limit: i64) -> QueryResult<Vec<User>> {
    let last = last.map(|id| id.to_string()).unwrap_or_default();
    users::table.filter(users::id.gt(last)).order(users::id).limit(limit).load(conn)
}

pub fn find(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    each!(conn, users::table.find(id.to_string()), get_result).optional()
}

/// The user, if not disabled.
pub fn find_active(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    let active = users::table.find(id.to_string()).filter(users::disabled_at.is_null());
    each!(conn, active, get_result).optional()
}

/// The version of the user's roles and claims.
pub fn claims_version(conn: &mut Conn, id: UserId) -> QueryResult<Option<i32>> {
    each!(conn, users::table.find(id.to_string()).select(users::claims_version), get_result).optional()
}

/// The user, locked until the transaction ends.
pub fn lock(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    locked!(conn, users::table.find(id.to_string()), get_result).optional()
}

/// The user, locked, if not disabled.
pub fn lock_active(conn: &mut Conn, id: UserId) -> QueryResult<Option<User>> {
    locked!(conn, users::table.find(id.to_string()).filter(users::disabled_at.is_null()), get_result)
        .optional()
}

pub fn find_by_username(conn: &mut Conn, username: &Username) -> QueryResult<Option<User>> {
    each!(conn, users::table.filter(users::username.eq(username.folded())), get_result).optional()
}

/// The name of a user that looks like this one: the same or another.
pub fn find_lookalike(conn: &mut Conn, username: &Username) -> QueryResult<Option<String>> {
    users::table
        .filter(sql::<Text>(SKELETON).eq(username.skeleton()))
        .select(users::username)
        .get_result(conn)
        .optional()
}

/// The user of this name. If there is none, the row that follows is read: the work is the same.
pub fn find_by_username_alike(conn: &mut Conn, folded: &str) -> QueryResult<Option<User>> {
    let rows = users::table.filter(users::username.ge(folded)).order(users::username);
    let row: Option<User> = each!(conn, rows, first).optional()?;
    Ok(row.filter(|row| row.username == folded))
}

/// The user who verified this address, as [`find_by_username_alike`] finds one.
pub fn find_holder_alike(conn: &mut Conn, email: &Email) -> QueryResult<Option<User>> {
    let rows = users::table
        .filter(users::email.ge(email.as_str()))
        .filter(users::email_verified_at.is_not_null())
        .order(users::email);
    let row: Option<User> = each!(conn, rows, first).optional()?;
    Ok(row.filter(|row| row.email.as_deref() == Some(email.as_str())))
}

/// The user who verified this address.
pub fn find_holder(conn: &mut Conn, email: &Email) -> QueryResult<Option<User>> {
    users::table
        .filter(users::email.eq(email.as_str()))
        .filter(users::email_verified_at.is_not_null())
        .get_result(conn)
        .optional()
}

/// Locks a user until the transaction ends, and invalidates what was sent before.
pub fn end_links(conn: &mut Conn, id: UserId, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set(users::links_ended_at.eq(now))
        .execute(conn)
        .map(drop)
}

/// Addresses that are replaced until then get no link that takes the change back.
pub fn close_undo(conn: &mut Conn, id: UserId, until: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set(users::undo_closed_until.eq(until))
        .execute(conn)
        .map(drop)
}

/// Records that an account is in use, if it was not known to be.
pub fn mark_used(conn: &mut Conn, user: &User) -> QueryResult<()> {
    if user.unused_since.is_none() {
        return Ok(());
    }
    diesel::update(users::table.find(user.id.to_string()))
        .set(users::unused_since.eq(None::<Timestamp>))
        .execute(conn)
        .map(drop)
}

impl User {
    /// Whether this account has been unused since before `before`. An account that was given roles or claims is in use,
    /// even if its user has not signed in again.
    #[must_use]
    pub fn is_unused_since(&self, before: Timestamp) -> bool {
        self.unused_since.is_some_and(|since| since < before) && self.claims_version == 0
    }
}

/// Up to `limit` accounts of which [`User::is_unused_since`] is true.
pub fn find_unused(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<Vec<UserId>> {
    let ids: Vec<String> = users::table
        .filter(users::unused_since.lt(before))
        .filter(users::claims_version.eq(0))
        .order(users::id)
        .limit(limit)
        .select(users::id)
        .load(conn)?;
    Ok(ids.into_iter().filter_map(|id| id.parse().ok()).collect())
}

/// Up to `limit` users who are not disabled and claim this address, which none of them has verified, by name.
pub fn find_claimants(conn: &mut Conn, email: &Email, limit: i64) -> QueryResult<Vec<User>> {
    users::table
        .filter(users::email.eq(email.as_str()))
        .filter(users::disabled_at.is_null())
        .filter(users::email_verified_at.is_null())
        .order(users::username)
        .limit(limit)
        .load(conn)
}

/// Up to `limit` users in the order of their names, past the name `after`, whose name or address holds `search`.
pub fn list(conn: &mut Conn, search: &str, after: &str, limit: i64) -> QueryResult<Vec<User>> {
    let pattern = |text: &str| {
        let literal = text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        format!("%{literal}%")
    };
    // An international domain is stored in its other form.
    let address = Email::stored_form(search).map_or_else(|| pattern(search), |stored| pattern(&stored));
    let pattern = pattern(search);
    users::table
        .filter(users::username.gt(after))
        .filter(
            users::username
                .like(pattern.clone())
                .escape('\\')
                .or(users::email.assume_not_null().like(pattern).escape('\\'))
                .or(users::email.assume_not_null().like(address).escape('\\')),
        )
        .order(users::username)
        .limit(limit)
        .load(conn)
}

pub fn set_display_name(conn: &mut Conn, id: UserId, name: &str, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((users::display_name.eq(name), users::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
}

/// Sets the language for pages and emails; None leaves the choice to the browser.
pub fn set_language(
    conn: &mut Conn,
    id: UserId,
    language: Option<&LanguageTag>,
    now: Timestamp,
) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((users::language.eq(language.map(LanguageTag::as_str)), users::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
}

/// Makes the user the holder of a verified address.
///
/// # Errors
/// A unique violation if another user holds it.
pub fn set_held_email(conn: &mut Conn, id: UserId, email: &str, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((
            users::email.eq(email),
            users::email_verified_at.eq(now),
            users::updated_at.eq(now),
            users::unused_since.eq(None::<Timestamp>),
        ))
        .execute(conn)
        .map(drop)
}

/// Takes back that a user has verified their address, which is only claimed from now on.
pub fn set_unverified(conn: &mut Conn, id: UserId, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((users::email_verified_at.eq(None::<Timestamp>), users::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
}

/// How many accounts there are, and how many of them are disabled.
pub fn count(conn: &mut Conn) -> QueryResult<(i64, i64)> {
    let disabled = users::table.filter(users::disabled_at.is_not_null()).count().get_result(conn)?;
    Ok((users::table.count().get_result(conn)?, disabled))
}

/// Disables a user, or enables them again.
pub fn set_disabled(conn: &mut Conn, id: UserId, disabled: bool, now: Timestamp) -> QueryResult<()> {
    let at = disabled.then_some(now);
    diesel::update(users::table.find(id.to_string()))
        .set((users::disabled_at.eq(at), users::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
}

/// Sets a user's roles and claims. From then on the account is not removed as unused.
pub fn set_rights(conn: &mut Conn, id: UserId, rights: &Rights, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((
            users::roles.eq(stored_roles(rights)),
            users::claims.eq(rights.claims.to_string()),
            users::claims_version.eq(rights.version),
            users::updated_at.eq(now),
        ))
        .execute(conn)
        .map(drop)
}

/// Whether another user than this one has the role `admin` and is not disabled.
pub fn has_other_admin(conn: &mut Conn, than: UserId) -> QueryResult<bool> {
    let mut last = String::new();
    loop {
        // All rows whose text may have the name, also escaped. Whether it is a role of the user, only `rights` tells.
        let candidates: Vec<User> = users::table
            .filter(sql::<Bool>(WITH_ROLES))
            .filter(users::roles.like(format!("%{ADMIN}%")).or(users::roles.like("%\\%").escape('!')))
            .filter(users::disabled_at.is_null())
            .filter(users::id.ne(than.to_string()))
            .filter(users::id.gt(&last))
            .order(users::id)
            .limit(CANDIDATES)
            .load(conn)?;
        if candidates.iter().any(|user| user.rights().roles.has(ADMIN)) {
            return Ok(true);
        }
        match candidates.last() {
            Some(user) => last = user.id.to_string(),
            None => return Ok(false),
        }
    }
}

/// Deletes the account, and its links with it.
pub fn delete(conn: &mut Conn, id: UserId) -> QueryResult<()> {
    diesel::delete(users::table.find(id.to_string())).execute(conn).map(drop)
}
