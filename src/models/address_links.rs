//! The table `address_links`: links for a new password that were sent to an address which several accounts may claim,
//! kept as hashes, good once.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::address_links;

pub fn insert(conn: &mut Conn, hash: &str, email: &str, expires_at: Timestamp) -> QueryResult<()> {
    diesel::insert_into(address_links::table)
        .values((
            address_links::hash.eq(hash),
            address_links::email.eq(email),
            address_links::expires_at.eq(expires_at),
        ))
        .execute(conn)
        .map(drop)
}

/// To which address a link that is still good was sent, without using it up.
pub fn peek(conn: &mut Conn, hash: &str, now: Timestamp) -> QueryResult<Option<String>> {
    address_links::table
        .find(hash)
        .filter(address_links::used_at.is_null())
        .filter(address_links::expires_at.gt(now))
        .select(address_links::email)
        .first(conn)
        .optional()
}

/// Uses up a link, in one statement: of two that race, one is told that it has it.
pub fn redeem(conn: &mut Conn, hash: &str, now: Timestamp) -> QueryResult<bool> {
    let row = address_links::table
        .find(hash)
        .filter(address_links::used_at.is_null())
        .filter(address_links::expires_at.gt(now));
    Ok(diesel::update(row).set(address_links::used_at.eq(now)).execute(conn)? == 1)
}

/// Spoils all links to an address.
pub fn spoil(conn: &mut Conn, email: &str, now: Timestamp) -> QueryResult<()> {
    let links =
        address_links::table.filter(address_links::email.eq(email)).filter(address_links::used_at.is_null());
    diesel::update(links).set(address_links::used_at.eq(now)).execute(conn).map(drop)
}

/// Spoils all links.
pub fn spoil_all(conn: &mut Conn, now: Timestamp) -> QueryResult<()> {
    let links = address_links::table.filter(address_links::used_at.is_null());
    diesel::update(links).set(address_links::used_at.eq(now)).execute(conn).map(drop)
}

/// Deletes the links that expired before `before`; answers how many.
pub fn purge(conn: &mut Conn, before: Timestamp) -> QueryResult<usize> {
    diesel::delete(address_links::table.filter(address_links::expires_at.lt(before))).execute(conn)
}
