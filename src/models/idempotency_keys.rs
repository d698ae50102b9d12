//! The table `idempotency_keys`: requests that must not be done twice, and how they were answered.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::{Conn, each};
use crate::schema::idempotency_keys;

/// A request that was begun.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct StoredRequest {
    pub request: String,
    /// None while it runs, or if the server stopped before it was answered.
    pub answer: Option<String>,
    pub created_at: Timestamp,
}

/// Notes that a request begins, unless one of this id did: of two at the same time, one begins. Returns whether this one
/// does.
pub fn begin(conn: &mut Conn, id: &str, request: &str, now: Timestamp) -> QueryResult<bool> {
    let row = (
        idempotency_keys::id.eq(id),
        idempotency_keys::request.eq(request),
        idempotency_keys::created_at.eq(now),
    );
    let inserted = each!(
        conn,
        diesel::insert_into(idempotency_keys::table).values(row).on_conflict_do_nothing(),
        execute
    )?;
    Ok(inserted == 1)
}

pub fn find(conn: &mut Conn, id: &str) -> QueryResult<Option<StoredRequest>> {
    idempotency_keys::table
        .find(id)
        .select((idempotency_keys::request, idempotency_keys::answer, idempotency_keys::created_at))
        .get_result(conn)
        .optional()
}

/// Keeps the answer to a request.
pub fn finish(conn: &mut Conn, id: &str, answer: &str) -> QueryResult<()> {
    diesel::update(idempotency_keys::table.find(id))
        .set(idempotency_keys::answer.eq(answer))
        .execute(conn)
        .map(drop)
}

/// Forgets a request that did nothing.
pub fn forget(conn: &mut Conn, id: &str) -> QueryResult<()> {
    diesel::delete(idempotency_keys::table.find(id)).execute(conn).map(drop)
}

/// Deletes up to `limit` the requests that were begun before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, idempotency_keys.id: String, idempotency_keys::created_at.lt(before), limit)
}
