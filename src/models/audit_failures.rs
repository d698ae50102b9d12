//! Failures that share a row of the audit trail.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::audit_events::{NewEvent, Reason, row};
use crate::clock::Timestamp;
use crate::db::{Conn, each};
use crate::schema::{audit_events, users};
use doorward_core::domain::UserId;

/// Failures that are alike.
#[derive(Debug, Clone)]
pub struct CountedFailure {
    /// The first of them.
    pub event: NewEvent<'static>,
    pub at: Timestamp,
    pub last_at: Timestamp,
    pub count: u64,
}

/// Writes the rows of these failures, or the new counts into those that are there. An account that was deleted in the
/// meantime took the addresses with it: a failure that is about it is stored without.
pub fn store(conn: &mut Conn, failures: Vec<CountedFailure>) -> QueryResult<()> {
    let accounts = keep_accounts(conn, failures.iter().filter_map(|failure| failure.event.subject))?;
    for mut failure in failures {
        if failure.event.subject.is_some_and(|subject| !accounts.contains(&subject.to_string())) {
            failure.event.address = None;
        }
        store_one(conn, &failure)?;
    }
    Ok(())
}

/// Those of these accounts that there are. None of them can be deleted until the transaction ends.
fn keep_accounts(conn: &mut Conn, ids: impl Iterator<Item = UserId>) -> QueryResult<BTreeSet<String>> {
    let ids: BTreeSet<String> = ids.map(|id| id.to_string()).collect();
    let accounts = users::table.filter(users::id.eq_any(ids)).select(users::id).order(users::id);
    let accounts: Vec<String> = match conn {
        Conn::Sqlite(conn) => accounts.load(conn)?,
        Conn::Postgres(conn) => accounts.for_key_share().load(conn)?,
    };
    Ok(accounts.into_iter().collect())
}

fn store_one(conn: &mut Conn, failure: &CountedFailure) -> QueryResult<()> {
    let CountedFailure { event, at, last_at, .. } = failure;
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
