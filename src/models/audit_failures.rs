//! Failures that share a row of the audit trail.

use diesel::prelude::*;

use super::audit_events::{NewEvent, Reason, row};
use super::users;
use crate::clock::Timestamp;
use crate::db::{Conn, each};
use crate::schema::audit_events;

/// Failures that are alike.
#[derive(Debug, Clone)]
pub struct CountedFailure {
    /// The first of them.
    pub event: NewEvent<'static>,
    pub at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
}

/// Writes the row of these failures, or the new count into the one that is there.
pub fn store(conn: &mut Conn, failure: &CountedFailure) -> QueryResult<()> {
    let CountedFailure { event, at, last_at, .. } = failure;
    let mut event = event.clone();
    // Its account was deleted in the meantime, and with it the addresses that are stored.
    if let Some(subject) = event.subject
        && users::find(conn, subject)?.is_none()
    {
        event.address = None;
    }
    let event = &event;
    let count = i32::try_from(failure.count).unwrap_or(i32::MAX);
    let last_at = (failure.count > 1).then_some(*last_at);
    let added = each!(
        conn,
        diesel::insert_into(audit_events::table)
            .values(row!(event, *at, count, last_at))
            .on_conflict_do_nothing(),
        execute
    )?;
    if added == 0 {
        diesel::update(audit_events::table.find(event.id.to_string()))
            .set((audit_events::count.eq(count), audit_events::last_at.eq(last_at)))
            .execute(conn)?;
    }
    Ok(())
}
