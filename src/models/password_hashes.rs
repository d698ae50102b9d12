//! The hash of a user's password.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::Conn;
use crate::schema::users;
use doorward_core::domain::UserId;

/// Stores the hash of a new password.
pub fn change(conn: &mut Conn, id: UserId, hash: &str, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((users::password_hash.eq(hash), users::password_changed_at.eq(now), users::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
}

/// Stores a better hash of the same password.
pub fn replace(conn: &mut Conn, id: UserId, hash: &str, now: Timestamp) -> QueryResult<()> {
    diesel::update(users::table.find(id.to_string()))
        .set((users::password_hash.eq(hash), users::updated_at.eq(now)))
        .execute(conn)
        .map(drop)
}
