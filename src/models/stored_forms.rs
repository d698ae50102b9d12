//! Names and addresses that an earlier version stored in another form, in all tables.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::db::Conn;
use crate::schema::{address_links, one_time_tokens, outbox, users};

/// Where addresses are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressColumn {
    Users,
    OneTimeTokens,
    AddressLinks,
    Outbox,
}

impl AddressColumn {
    pub const ALL: [Self; 4] = [Self::Users, Self::OneTimeTokens, Self::AddressLinks, Self::Outbox];
}

/// The keys and addresses of rows whose address is not all ASCII, in the order of the keys: two nodes that start at once
/// change them in the same order.
pub fn find_international(conn: &mut Conn, column: AddressColumn) -> QueryResult<Vec<(String, String)>> {
    match column {
        AddressColumn::Users => users::table
            .filter(sql::<Bool>("octet_length(email) <> length(email)"))
            .select((users::id, users::email.assume_not_null()))
            .order(users::id)
            .load(conn),
        AddressColumn::OneTimeTokens => one_time_tokens::table
            .filter(sql::<Bool>("octet_length(email) <> length(email)"))
            .select((one_time_tokens::hash, one_time_tokens::email))
            .order(one_time_tokens::hash)
            .load(conn),
        AddressColumn::AddressLinks => address_links::table
            .filter(sql::<Bool>("octet_length(email) <> length(email)"))
            .select((address_links::hash, address_links::email))
            .order(address_links::hash)
            .load(conn),
        AddressColumn::Outbox => outbox::table
            .filter(sql::<Bool>("octet_length(address) <> length(address)"))
            .select((outbox::id, outbox::address))
            .order(outbox::id)
            .load(conn),
    }
}

/// Stores an address in another form, unless it was changed since.
///
/// # Errors
/// A unique violation if another user holds it in that form.
pub fn set_address(
    conn: &mut Conn,
    column: AddressColumn,
    key: &str,
    (old, new): (&str, &str),
) -> QueryResult<()> {
    match column {
        AddressColumn::Users => diesel::update(users::table.find(key).filter(users::email.eq(old)))
            .set(users::email.eq(new))
            .execute(conn),
        AddressColumn::OneTimeTokens => {
            let row = one_time_tokens::table.find(key).filter(one_time_tokens::email.eq(old));
            diesel::update(row).set(one_time_tokens::email.eq(new)).execute(conn)
        }
        AddressColumn::AddressLinks => {
            let row = address_links::table.find(key).filter(address_links::email.eq(old));
            diesel::update(row).set(address_links::email.eq(new)).execute(conn)
        }
        AddressColumn::Outbox => diesel::update(outbox::table.find(key).filter(outbox::address.eq(old)))
            .set(outbox::address.eq(new))
            .execute(conn),
    }
    .map(drop)
}

/// Ids and usernames of users whose name is not all ASCII and has no skeleton, the oldest first.
pub fn find_without_skeleton(conn: &mut Conn) -> QueryResult<Vec<(String, String)>> {
    users::table
        .filter(users::username_skeleton.is_null())
        .filter(sql::<Bool>("octet_length(username) <> length(username)"))
        .select((users::id, users::username))
        .order(users::id)
        .load(conn)
}

/// # Errors
/// A unique violation if the name of another user has this skeleton.
pub fn set_skeleton(conn: &mut Conn, id: &str, skeleton: &str) -> QueryResult<()> {
    diesel::update(users::table.find(id).filter(users::username_skeleton.is_null()))
        .set(users::username_skeleton.eq(skeleton))
        .execute(conn)
        .map(drop)
}
