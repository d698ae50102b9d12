//! The table `request_counts`: how often something was requested, by hour and address, where no account is named.

use chrono::{DurationRound, TimeDelta};
use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::{Conn, each};
use crate::schema::request_counts;

/// Rows of one hour; further addresses are counted in one row.
const MAX_ROWS: i64 = 10_000;
const OTHERS: &str = "others";

/// Adds `count` requests of `address` in the hour of `now`.
pub fn add(conn: &mut Conn, action: &str, address: &str, count: i32, now: Timestamp) -> QueryResult<()> {
    // It never fails for an hour; if it did, the time itself would do.
    let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    let id = |address: &str| format!("{} {action} {address}", hour.format("%Y-%m-%dT%H"));
    let bump = |conn: &mut Conn, id: &str| {
        diesel::update(request_counts::table.find(id))
            .set(request_counts::count.eq(request_counts::count + count))
            .execute(conn)
    };
    if bump(conn, &id(address))? > 0 {
        return Ok(());
    }
    let rows: i64 = request_counts::table.filter(request_counts::hour.eq(hour)).count().get_result(conn)?;
    let address = if rows < MAX_ROWS { address } else { OTHERS };
    let id = id(address);
    let first = (
        request_counts::id.eq(&id),
        request_counts::hour.eq(hour),
        request_counts::action.eq(action),
        request_counts::address.eq(address),
        request_counts::count.eq(count),
    );
    let inserted = each!(
        conn,
        diesel::insert_into(request_counts::table).values(first).on_conflict_do_nothing(),
        execute
    )?;
    // Another node has inserted it first, or it is the row of all others.
    if inserted == 0 { bump(conn, &id).map(drop) } else { Ok(()) }
}

/// How many requests of `address` there were since the beginning of the hour of `since`.
pub fn since(conn: &mut Conn, action: &str, address: &str, since: Timestamp) -> QueryResult<i64> {
    let hour = since.duration_trunc(TimeDelta::hours(1)).unwrap_or(since);
    let counts: Vec<i32> = request_counts::table
        .filter(request_counts::hour.ge(hour))
        .filter(request_counts::action.eq(action))
        .filter(request_counts::address.eq(address))
        .select(request_counts::count)
        .load(conn)?;
    Ok(counts.into_iter().map(i64::from).sum())
}

/// Deletes up to `limit` the counts of hours before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, request_counts.id: String, request_counts::hour.lt(before), limit)
}
