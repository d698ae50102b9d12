//! Copies all rows of an SQLite database to PostgreSQL.
//!
//! Rows of an interrupted run stay; any other row in the target is refused before anything is written. So a
//! run either ends with two equal databases, or can be repeated.

mod cells;
mod rows;
mod source;

use std::collections::HashMap;
use std::fmt::Display;

use aws_lc_rs::digest::{Context, SHA256};
use diesel::pg::PgConnection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, QueryResult};

use self::rows::{
    AccessChange, AddressLink, ApiKey, AuditEvent, AuthorizationCode, BATCH, Event, FailedAttempts,
    IdempotencyKey, Invitation, Login, LoginRevocation, Mail, OneTimeToken, RequestCount, RoomBan,
    RoomChange, RoomMember, RoomTokenRevocation, Row, SigningKey, User,
};
use self::source::Source;
use super::{Conn, Schema, connect_newest};
use crate::config::DatabaseUrl;

/// The result for one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub table: &'static str,
    pub inserted: u64,
    /// Rows from an interrupted run.
    pub already_there: u64,
    /// SHA-256 over all rows, equal in both databases.
    pub sha256: String,
}

/// Progress for the person who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A phase begins that processes so many rows.
    Begins(&'static str, u64),
    Done(u64),
}

/// Moves everything from `from`, an SQLite database that no server has open, to `to`, a PostgreSQL database.
///
/// # Errors
/// A sentence. What was written until then stays, for the next run.
pub fn run(from: &DatabaseUrl, to: &DatabaseUrl, progress: &dyn Fn(Progress)) -> Result<Vec<Moved>, String> {
    let mut source = Source::open(from)?;
    // A server or another run that starts meanwhile waits, because this connection holds the migration lock.
    // Its statements have no time limit either.
    let mut target = connect_newest(to)?;
    if Schema::of(&mut target).map_err(|error| format!("cannot read {to}: {error}"))? != Schema::Newest {
        return Err(format!("{to} has the schema of a newer version of this program"));
    }
    let Conn::Postgres(mut target) = target else { return Err(format!("{to} is not a PostgreSQL database")) };
    rows::pause_triggers(&mut target)
        .map_err(|error| format!("cannot prepare {to}: {}", one_line(&error)))?;
    let mut transfer = Transfer { source: &mut source.conn, target: &mut target, progress };
    let report = transfer.everything()?;
    source.close()?;
    Ok(report)
}

struct Transfer<'a> {
    source: &'a mut SqliteConnection,
    target: &'a mut PgConnection,
    progress: &'a dyn Fn(Progress),
}

/// The number of rows of a table, and the digest over them.
struct Sum {
    rows: u64,
    digest: Context,
}

impl Sum {
    fn new() -> Self {
        Self { rows: 0, digest: Context::new(&SHA256) }
    }

    fn add(&mut self, row: &impl Row) {
        self.rows += 1;
        row.feed(&mut self.digest);
    }

    fn finish(self) -> (u64, String) {
        let digest = self.digest.finish();
        (self.rows, digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat())
    }
}

/// Calls a method for every table, users first because links in emails refer to them. Stops at the first
/// error.
macro_rules! for_all {
    ($transfer:ident.$method:ident) => {
        [
            $transfer.$method::<User>()?,
            $transfer.$method::<Login>()?,
            $transfer.$method::<OneTimeToken>()?,
            $transfer.$method::<Mail>()?,
            $transfer.$method::<SigningKey>()?,
            $transfer.$method::<AuditEvent>()?,
            $transfer.$method::<FailedAttempts>()?,
            $transfer.$method::<RequestCount>()?,
            $transfer.$method::<AddressLink>()?,
            $transfer.$method::<AuthorizationCode>()?,
            $transfer.$method::<LoginRevocation>()?,
            $transfer.$method::<RoomMember>()?,
            $transfer.$method::<RoomBan>()?,
            $transfer.$method::<RoomTokenRevocation>()?,
            $transfer.$method::<RoomChange>()?,
            $transfer.$method::<AccessChange>()?,
            $transfer.$method::<ApiKey>()?,
            $transfer.$method::<Event>()?,
            $transfer.$method::<IdempotencyKey>()?,
            $transfer.$method::<Invitation>()?,
        ]
    };
}

impl Transfer<'_> {
    fn everything(&mut self) -> Result<Vec<Moved>, String> {
        let there = for_all!(self.count_moved);
        self.begin("checked", there);
        for_all!(self.check);
        let wanted = for_all!(self.count);
        self.begin("moved", wanted);
        let moved = for_all!(self.copy);
        rows::count_on(self.target)
            .map_err(|error| format!("cannot number the changes of the target: {}", one_line(&error)))?;
        let there = for_all!(self.count_moved);
        self.begin("compared", there);
        let sums = for_all!(self.sum);
        let tables = moved.into_iter().zip(sums);
        tables.map(|((table, inserted, source), target)| compare(table, inserted, source, target)).collect()
    }

    fn begin<const N: usize>(&self, what: &'static str, rows: [u64; N]) {
        (self.progress)(Progress::Begins(what, rows.into_iter().sum()));
    }

    fn done(&self, rows: usize) {
        (self.progress)(Progress::Done(rows as u64));
    }

    fn count<R: Row>(&mut self) -> Result<u64, String> {
        R::count(self.source).map(as_count).map_err(|error| unreadable("source", R::TABLE, &error))
    }

    fn count_moved<R: Row>(&mut self) -> Result<u64, String> {
        R::count_moved(self.target).map(as_count).map_err(|error| unreadable("target", R::TABLE, &error))
    }

    /// Refuses a target with a row that is not in the source, or differs there.
    fn check<R: Row>(&mut self) -> Result<(), String> {
        let mut after: Option<String> = None;
        loop {
            let moved = R::moved(self.target, after.as_deref())
                .map_err(|error| unreadable("target", R::TABLE, &error))?;
            let Some(last) = moved.last() else { return Ok(()) };
            after = Some(last.key());
            let keys: Vec<String> = moved.iter().map(R::key).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let rows = match R::find(self.source, &keys) {
                Ok(rows) => rows,
                Err(error) => return Err(self.which_unreadable::<R>(&keys, &error)),
            };
            let rows: HashMap<String, &R> = rows.iter().map(|row| (row.key(), row)).collect();
            for row in &moved {
                let why = match rows.get(&row.key()) {
                    Some(source) if *source == row => continue,
                    Some(_) => "differs in the source",
                    None => "is not in the source",
                };
                return Err(format!(
                    "the target has rows that are not in the source: the row {:?} of {} {why}; use an empty \
                     database on which no server was started",
                    row.key(),
                    R::TABLE
                ));
            }
            self.done(moved.len());
        }
    }

    /// Inserts the missing rows. Returns how many those were, and the sum of the source's rows.
    fn copy<R: Row>(&mut self) -> Result<(&'static str, u64, Sum), String> {
        let mut sum = Sum::new();
        let mut inserted = 0;
        let mut after: Option<String> = None;
        loop {
            let rows = match R::page(self.source, after.as_deref()) {
                Ok(rows) => rows,
                Err(error) => {
                    let keys = R::keys(self.source, after.as_deref()).unwrap_or_default();
                    return Err(self.which_unreadable::<R>(&keys, &error));
                }
            };
            let Some(last) = rows.last() else { return Ok((R::TABLE, inserted, sum)) };
            after = Some(last.key());
            inserted += match R::insert(self.target, &rows) {
                Ok(inserted) => inserted as u64,
                Err(error) => return Err(self.which_unmovable(&rows, &error)),
            };
            for row in &rows {
                sum.add(row);
            }
            self.done(rows.len());
        }
    }

    /// Tries the rows of a batch one by one to find the one that cannot be read.
    fn which_unreadable<R: Row>(&mut self, keys: &[impl AsRef<str>], error: &Error) -> String {
        for key in keys.iter().map(AsRef::as_ref) {
            let why = match R::find(self.source, &[key]) {
                Ok(rows) if rows.is_empty() => "its key is not text".to_owned(),
                Ok(_) => continue,
                Err(error) => one_line(&error),
            };
            return unmovable::<R>(key, why);
        }
        unreadable("source", R::TABLE, error)
    }

    /// The same for a row that PostgreSQL refuses. Nothing is written.
    fn which_unmovable<R: Row>(&mut self, rows: &[R], error: &Error) -> String {
        let mut found = None;
        if !is_connection_lost(error) {
            let _: QueryResult<()> = self.target.transaction(|target| {
                found = rows.iter().find_map(|row| {
                    let error = R::insert(target, std::slice::from_ref(row)).err()?;
                    (!is_connection_lost(&error)).then(|| unmovable::<R>(&row.key(), error))
                });
                Err(Error::RollbackTransaction)
            });
        }
        found.unwrap_or_else(|| format!("cannot write {} of the target: {}", R::TABLE, one_line(error)))
    }

    fn sum<R: Row>(&mut self) -> Result<Sum, String> {
        let mut sum = Sum::new();
        let progress = self.progress;
        R::each(self.target, |row| {
            sum.add(&row);
            if sum.rows.is_multiple_of(BATCH as u64) {
                progress(Progress::Done(BATCH as u64));
            }
        })
        .map_err(|error| unreadable("target", R::TABLE, &error))?;
        Ok(sum)
    }
}

fn compare(table: &'static str, inserted: u64, source: Sum, target: Sum) -> Result<Moved, String> {
    let (source, target) = (source.finish(), target.finish());
    if source != target {
        return Err(format!(
            "the databases differ after the move: {table} has {} rows in the source and {} in the target{}; run this \
             again to be told where",
            source.0,
            target.0,
            if source.0 == target.0 { ", but not the same ones" } else { "" }
        ));
    }
    let (rows, sha256) = source;
    Ok(Moved { table, inserted, already_there: rows.saturating_sub(inserted), sha256 })
}

fn as_count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

fn unreadable(which: &str, table: &str, error: &Error) -> String {
    format!("cannot read {table} of the {which}: {}", one_line(error))
}

/// The error in one line, unlike libpq's. Includes why a column could not be read, where Diesel only names
/// the column.
fn one_line(error: &Error) -> String {
    let text = match error {
        Error::DeserializationError(error) => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
        error => error.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unmovable<R: Row>(key: &str, why: impl Display) -> String {
    format!(
        "cannot move the row {key:?} of {}: {why}; fix or delete it in the source, then run this again",
        R::TABLE
    )
}

/// Whether the connection was lost, so that the error says nothing about a row.
fn is_connection_lost(error: &Error) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};

    matches!(error, Error::DatabaseError(ClosedConnection | UnableToSendCommand, _))
}
