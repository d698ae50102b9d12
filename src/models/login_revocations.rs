//! The table `login_revocations`: logins that were revoked or deleted, numbered, as every node reads them. Triggers write
//! it.

use std::ops::RangeInclusive;

use diesel::connection::SimpleConnection;
use diesel::dsl::{max, min};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::clock::Timestamp;
use crate::db::{Conn, each};
use crate::schema::login_revocations;
use doorward_core::domain::{LoginId, RevokeReason};

/// Up to so many rows with these numbers, in their order. They are joined by the database: a node that starts reads a
/// million of them, and one by one they would take four times as long.
macro_rules! page {
    ($first:literal, $last:literal, $limit:literal, $oldest:literal) => {
        concat!(
            "SELECT COUNT(*) AS count, COALESCE(MIN(number), 0) AS first, COALESCE(MAX(number), 0) AS last, ",
            $oldest,
            " AS oldest, \
             COALESCE(string_agg(login_id || ' ' || COALESCE(substr(reason, 1, 32), ''), '\n'), '') AS logins \
             FROM (SELECT number, login_id, reason, at FROM login_revocations WHERE number >= ",
            $first,
            " AND number <= ",
            $last,
            " ORDER BY number LIMIT ",
            $limit,
            ") AS page"
        )
    };
}

#[derive(QueryableByName)]
struct Joined {
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    first: i64,
    #[diesel(sql_type = BigInt)]
    last: i64,
    /// As text: a row that was written by hand may have anything there, and must not stop those that read it.
    #[diesel(sql_type = Nullable<Text>)]
    oldest: Option<String>,
    #[diesel(sql_type = Text)]
    logins: String,
}

/// Revocations with successive numbers, of which some may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The numbers that are there.
    pub numbers: Vec<RangeInclusive<i64>>,
    /// How many rows there are.
    pub count: i64,
    pub logins: Vec<(LoginId, RevokeReason)>,
    /// When the first of them was written, by the database's clock; on SQLite in whole seconds.
    pub oldest: Option<Timestamp>,
}

impl Page {
    /// The greatest number; none of an empty page.
    #[must_use]
    pub fn last(&self) -> Option<i64> {
        self.numbers.last().map(|run| *run.end())
    }
}

/// The greatest number that is there.
pub fn newest(conn: &mut Conn) -> QueryResult<Option<i64>> {
    login_revocations::table.select(max(login_revocations::number)).get_result(conn)
}

/// Up to `limit` revocations with these numbers.
pub fn page(conn: &mut Conn, numbers: &RangeInclusive<i64>, limit: i64) -> QueryResult<Page> {
    let first: Option<i64> = login_revocations::table
        .filter(login_revocations::number.between(*numbers.start(), *numbers.end()))
        .select(min(login_revocations::number))
        .get_result(conn)?;
    // So it is nearly always, and this statement stays prepared.
    let Some(first) = first else { return Ok(Page::default()) };
    let mut joined = join(conn, first..=*numbers.end(), limit)?;
    let count = joined.count;
    let numbers = if count == joined.last - joined.first + 1 {
        vec![joined.first..=joined.last]
    } else {
        // A number that is committed at this moment counts as read only if its row is.
        let numbers = present(conn, joined.first..=joined.last)?;
        joined = join(conn, joined.first..=joined.last, i64::MAX)?;
        runs(&numbers)
    };
    // A row that was written by hand may name anything.
    let read = |line: &str| {
        let (login, reason) = line.split_once(' ')?;
        Some((login.parse().ok()?, RevokeReason::parse(Some(reason))))
    };
    let logins = joined.logins.lines().filter_map(read).collect();
    let oldest = joined.oldest.and_then(|text| Timestamp::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok());
    Ok(Page { numbers, count, logins, oldest })
}

fn join(conn: &mut Conn, numbers: RangeInclusive<i64>, limit: i64) -> QueryResult<Joined> {
    let sql = match conn {
        Conn::Sqlite(_) => page!("?", "?", "?", "MIN(CAST(at AS TEXT))"),
        Conn::Postgres(_) => page!("$1", "$2", "$3", "MIN(CASE WHEN isfinite(at) THEN at END)::text"),
    };
    let query = diesel::sql_query(sql)
        .bind::<BigInt, _>(*numbers.start())
        .bind::<BigInt, _>(*numbers.end())
        .bind::<BigInt, _>(limit);
    each!(conn, query, get_result)
}

fn present(conn: &mut Conn, numbers: RangeInclusive<i64>) -> QueryResult<Vec<i64>> {
    login_revocations::table
        .filter(login_revocations::number.between(*numbers.start(), *numbers.end()))
        .order(login_revocations::number)
        .select(login_revocations::number)
        .load(conn)
}

fn runs(numbers: &[i64]) -> Vec<RangeInclusive<i64>> {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    runs.filter_map(|run| Some(*run.first()?..=*run.last()?)).collect()
}

/// Deletes up to `limit` rows that were written before `before`; returns how many.
pub fn purge(conn: &mut Conn, before: Timestamp, limit: i64) -> QueryResult<usize> {
    delete_some!(conn, login_revocations.number: i64, login_revocations::at.lt(before), limit)
}

/// Deletes these logins and leaves no row about them: they expired long ago, and no node needs to know. In a transaction.
pub fn without<T>(
    conn: &mut Conn,
    logins: &[String],
    delete: impl FnOnce(&mut Conn) -> QueryResult<T>,
) -> QueryResult<T> {
    if let Conn::Postgres(postgres) = conn {
        // Rows that are written and deleted would leave gaps in the numbers, which nodes read again and again.
        postgres.batch_execute("SET LOCAL doorward.copying = 'on'")?;
        let deleted = delete(conn)?;
        conn.batch_execute("SET LOCAL doorward.copying = 'off'")?;
        return Ok(deleted);
    }
    let before = newest(conn)?.unwrap_or_default();
    let deleted = delete(conn)?;
    let written = login_revocations::table
        .filter(login_revocations::number.gt(before))
        .filter(login_revocations::login_id.eq_any(logins));
    diesel::delete(written).execute(conn)?;
    Ok(deleted)
}

/// The transactions of a PostgreSQL server at one moment.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Transactions {
    /// Which server it is: when it started.
    #[diesel(sql_type = BigInt)]
    pub server: i64,
    /// The oldest one that had not ended.
    #[diesel(sql_type = BigInt)]
    pub oldest: i64,
    /// Greater than all that had begun to write; none if it was not wanted.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub next: Option<i64>,
}

macro_rules! transactions {
    ($next:literal) => {
        concat!(
            "SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS server, \
             txid_snapshot_xmin(txid_current_snapshot()) AS oldest, ",
            $next,
            " AS next"
        )
    };
}

/// The server's transactions. `bound` asks for [`Transactions::next`], for which the server counts a transaction: its
/// snapshot tells only which is the greatest that has ended, and one that began later may still run. None on SQLite, which
/// has one writer at a time.
pub fn transactions(conn: &mut Conn, bound: bool) -> QueryResult<Option<Transactions>> {
    let Conn::Postgres(conn) = conn else { return Ok(None) };
    let sql = if bound { transactions!("txid_current()") } else { transactions!("NULL::bigint") };
    diesel::sql_query(sql).get_result(conn).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_runs() {
        assert_eq!(runs(&[]), []);
        assert_eq!(runs(&[4]), [4..=4]);
        assert_eq!(runs(&[1, 2, 3, 5, 8, 9]), [1..=3, 5..=5, 8..=9]);
    }
}
