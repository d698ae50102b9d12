//! The table `address_links`: links for a new password that were sent to an address which several accounts may claim,
//! stored as hashes, each valid once.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::models::users::User;
use crate::schema::{address_links, users};
use doorward_core::domain::UserId;

/// Adds a link that was requested at `created_at`.
pub fn insert(
    conn: &mut Conn,
    hash: &str,
    email: &str,
    created_at: Timestamp,
    expires_at: Timestamp,
) -> QueryResult<()> {
    diesel::insert_into(address_links::table)
        .values((
            address_links::hash.eq(hash),
            address_links::email.eq(email),
            address_links::created_at.eq(created_at),
            address_links::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .map(drop)
}

/// A valid link.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct AddressLink {
    /// The address that it was sent to.
    pub email: String,
    /// When it was requested.
    pub created_at: Timestamp,
    not_for: String,
}

impl AddressLink {
    /// Whether it leads to this user: not if all their logins were revoked since it was requested.
    #[must_use]
    pub fn leads_to(&self, user: &User) -> bool {
        user.links_ended_at.is_none_or(|ended_at| ended_at <= self.created_at)
            && !self.not_for.split(' ').any(|id| id == user.id.to_string())
    }
}

/// The link of this hash, if it is valid. It stays valid.
pub fn peek(conn: &mut Conn, hash: &str, now: Timestamp) -> QueryResult<Option<AddressLink>> {
    address_links::table
        .find(hash)
        .filter(address_links::used_at.is_null())
        .filter(address_links::expires_at.gt(now))
        .select((address_links::email, address_links::created_at, address_links::not_for))
        .get_result(conn)
        .optional()
}

/// Makes the links to an address not lead to this user any more. They stay valid for other accounts that claim it.
pub fn end_for(conn: &mut Conn, email: &str, user: UserId) -> QueryResult<()> {
    let links = address_links::table
        .filter(address_links::email.eq(email))
        .filter(address_links::used_at.is_null())
        .filter(address_links::not_for.not_like(format!("%{user}%")));
    diesel::update(links)
        .set(address_links::not_for.eq(address_links::not_for.concat(format!("{user} "))))
        .execute(conn)
        .map(drop)
}

/// Uses up a link, in one statement: of two transactions that race, one gets it. Returns whether this one did.
pub fn redeem(conn: &mut Conn, hash: &str, now: Timestamp) -> QueryResult<bool> {
    let row = address_links::table
        .find(hash)
        .filter(address_links::used_at.is_null())
        .filter(address_links::expires_at.gt(now));
    Ok(diesel::update(row).set(address_links::used_at.eq(now)).execute(conn)? == 1)
}

/// The address of a link that was used since `since`. One that was invalidated was never used.
pub fn find_used(conn: &mut Conn, hash: &str, since: Timestamp) -> QueryResult<Option<String>> {
    address_links::table
        .find(hash)
        .filter(address_links::used_at.gt(since))
        .filter(address_links::used_at.lt(address_links::expires_at.nullable()))
        .select(address_links::email)
        .get_result(conn)
        .optional()
}

/// Whether an account has this address, verified or not.
pub fn is_anyones(conn: &mut Conn, email: &str) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(users::table.filter(users::email.eq(email)))).get_result(conn)
}

/// Deletes the links to an address that no account has any more.
pub fn delete_to(conn: &mut Conn, email: &str) -> QueryResult<()> {
    diesel::delete(address_links::table.filter(address_links::email.eq(email))).execute(conn).map(drop)
}

/// Invalidates all links to an address: they expire when they are marked used.
pub fn spoil(conn: &mut Conn, email: &str, now: Timestamp) -> QueryResult<()> {
    let links =
        address_links::table.filter(address_links::email.eq(email)).filter(address_links::used_at.is_null());
    let spoilt = (address_links::used_at.eq(now), address_links::expires_at.eq(now));
    diesel::update(links).set(spoilt).execute(conn).map(drop)
}

/// Invalidates all links.
pub fn spoil_all(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    let links = address_links::table.filter(address_links::used_at.is_null());
    let spoilt = (address_links::used_at.eq(now), address_links::expires_at.eq(now));
    diesel::update(links).set(spoilt).execute(conn).map(drop)
}

/// Deletes up to `limit` the links that expired before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, address_links.hash: String, address_links::expires_at.lt(before), limit)
}
