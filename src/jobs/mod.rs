//! Background jobs. A job is a row that is committed with the change that caused it, and is run later by a worker.
//!
//! A worker claims a due row under a lease, runs the job, and marks the row as done, puts it back with a growing delay,
//! or gives it up. A crash loses no job: when the lease ends, another attempt begins, so a job runs *at least* once.
//! What a job is, this module does not know; see [`JobKind`].

mod schedule;
mod worker;

use std::time::Duration;

use diesel::QueryResult;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::Conn;

pub use schedule::{AfterFailure, Backoff, Schedule};
pub use worker::{Handle, start};

/// A kind of job: the table its rows are in, and how one is run.
///
/// The functions that take a connection run on a database thread, those that write inside a transaction.
pub trait JobKind: Send + Sync + 'static {
    /// A row that waits to be claimed.
    type Row: Send + 'static;
    /// What an attempt needs to know.
    type Job: Send + Sync + 'static;
    /// Why an attempt failed.
    type Failure: Send;

    /// The kind's name in log lines.
    const NAME: &'static str;
    const SCHEDULE: Schedule;

    /// The unfinished row that has been due longest, or else is due next, and when that is.
    ///
    /// # Errors
    /// If the database does not answer.
    fn next(&self, conn: &mut Conn) -> QueryResult<Option<(Self::Row, Timestamp)>>;

    /// Claims a due row for one attempt: until `lease_ends_at`, no other worker on any node may get it.
    ///
    /// # Errors
    /// If the database fails; then the row stays as it was.
    fn claim(
        &self,
        conn: &mut Conn,
        row: Self::Row,
        now: Timestamp,
        lease_ends_at: Timestamp,
    ) -> QueryResult<Claim<Self::Job>>;

    /// Runs a job, within [`Schedule::time_limit`].
    fn run(&self, claimed: &Claimed<Self::Job>) -> impl Future<Output = Result<(), Self::Failure>> + Send;

    /// The failure of an attempt that was cut off at the time limit.
    fn timed_out(&self, limit: Duration) -> Self::Failure;

    /// Whether further attempts are pointless.
    fn is_final(failure: &Self::Failure) -> bool;

    /// Is told the result of an attempt before it is recorded in the row. The place for log lines.
    fn report(&self, claimed: &Claimed<Self::Job>, outcome: Outcome<'_, Self::Failure>);

    /// Marks a job as done.
    ///
    /// # Errors
    /// If the database fails; then the job runs again when its lease ends.
    fn complete(&self, conn: &mut Conn, claimed: &Claimed<Self::Job>, now: Timestamp) -> QueryResult<()>;

    /// Makes a failed job due again at `due_at`, unless another attempt has begun meanwhile.
    ///
    /// # Errors
    /// If the database fails; then the job runs again when its lease ends.
    fn put_back(&self, conn: &mut Conn, claimed: &Claimed<Self::Job>, due_at: Timestamp) -> QueryResult<()>;

    /// Ends a job that failed for good. `event` is a new id for a record of that.
    ///
    /// # Errors
    /// If the database fails; then the job runs again when its lease ends.
    fn give_up(
        &self,
        conn: &mut Conn,
        claimed: &Claimed<Self::Job>,
        event: Uuid,
        now: Timestamp,
    ) -> QueryResult<()>;
}

/// The result of trying to claim a row.
pub enum Claim<J> {
    Claimed(Claimed<J>),
    /// Another worker claimed it first.
    Lost,
    /// The job was obsolete, and its row is gone.
    Dropped,
}

/// A job that belongs to one worker until its lease ends.
pub struct Claimed<J> {
    pub id: String,
    /// 1 for the first attempt.
    pub attempt: i32,
    pub created_at: Timestamp,
    pub job: J,
}

/// The result of an attempt.
#[derive(Debug)]
pub enum Outcome<'a, F> {
    Done,
    Retry { after: Duration, failure: &'a F },
    GivenUp { failure: &'a F },
}
