//! The worker: a task that claims due rows and runs a few jobs at a time. [`Handle`] wakes and stops it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::QueryResult;
use tokio::sync::{Notify, Semaphore};

use super::{AfterFailure, Claim, Claimed, JobKind, Outcome};
use crate::actors::Db;
use crate::actors::db::DbError;
use crate::clock::Clock;
use crate::db::Conn;
use crate::metrics::{Counter, Registry};

/// How often the table is read without being woken: rows that other processes add wake no worker here.
const POLL: Duration = Duration::from_secs(30);
/// The pause after a database error.
const DATABASE_PAUSE: Duration = Duration::from_secs(5);
/// The pause after another worker was faster. It also keeps a row with a date in a form that the database does not
/// compare, as written by hand, from being read over and over.
const LOST_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// Wakes and stops a worker.
#[derive(Clone, Debug)]
pub struct Handle {
    wake: Arc<Notify>,
    /// A permit for each job that may run.
    slots: Arc<Semaphore>,
    concurrency: u32,
    attempts: Counter<2>,
}

impl Handle {
    /// A handle without a worker behind it.
    #[must_use]
    pub fn idle(concurrency: u32) -> Self {
        Self {
            wake: Arc::default(),
            slots: Arc::new(Semaphore::new(concurrency as usize)),
            concurrency,
            attempts: Counter::new(["kind", "outcome"]),
        }
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_job_attempts_total",
            "Attempts at background jobs, email among them: done, retried after a failure, or given_up.",
            &self.attempts,
        );
    }

    /// Makes the worker read the table now. To be called after the commit.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Starts no more jobs and waits for those that are running. A caller that stops waiting loses no job: it runs
    /// again when its lease ends.
    pub async fn finish(&self) {
        // Never an error: the semaphore is never closed. The permits are kept, so that no job starts again.
        if let Ok(all) = self.slots.acquire_many(self.concurrency).await {
            all.forget();
        }
    }
}

/// Starts a worker for one kind of job. It runs until the runtime ends.
#[must_use]
pub fn start<K: JobKind>(kind: K, db: Db, clock: Clock) -> Handle {
    let handle = Handle::idle(K::SCHEDULE.concurrency);
    for outcome in ["done", "retried", "given_up"] {
        handle.attempts.add([K::NAME, outcome], 0);
    }
    let worker = Worker { kind: Arc::new(kind), db, clock, attempts: handle.attempts.clone() };
    tokio::spawn(worker.claim_jobs(handle.clone()));
    handle
}

struct Worker<K> {
    kind: Arc<K>,
    db: Db,
    clock: Clock,
    attempts: Counter<2>,
}

// A derived `Clone` would require `K: Clone`.
impl<K> Clone for Worker<K> {
    fn clone(&self) -> Self {
        Self {
            kind: Arc::clone(&self.kind),
            db: self.db.clone(),
            clock: self.clock.clone(),
            attempts: self.attempts.clone(),
        }
    }
}

/// What the loop does next.
enum Step<J> {
    Run(Claimed<J>),
    ReadAgain,
    SleepUntil(Instant),
}

impl<K: JobKind> Worker<K> {
    /// Claims due jobs, and has up to `concurrency` of them run at a time.
    async fn claim_jobs(self, handle: Handle) {
        while let Ok(slot) = Arc::clone(&handle.slots).acquire_owned().await {
            let wake_at = match self.next_step().await.unwrap_or_else(|error| self.pause_after(&error)) {
                Step::Run(claimed) => {
                    let (worker, wake) = (self.clone(), Arc::clone(&handle.wake));
                    tokio::spawn(async move {
                        worker.run(claimed).await;
                        drop(slot);
                        // A failed job is due again before its lease ends, which the loop may be sleeping for.
                        wake.notify_one();
                    });
                    continue;
                }
                Step::ReadAgain => continue,
                Step::SleepUntil(wake_at) => wake_at,
            };
            // `finish` must not wait for a loop that sleeps.
            drop(slot);
            tokio::select! {
                () = self.clock.sleep_until(wake_at) => {}
                () = handle.wake.notified() => {}
            }
        }
    }

    async fn next_step(&self) -> Result<Step<K::Job>, JobError> {
        let now = self.clock.now();
        let poll = self.clock.instant() + POLL;
        let kind = Arc::clone(&self.kind);
        // Usually nothing is due: finding that out must not queue for SQLite's one writer.
        let Some((row, due_at)) = self.db.run::<_, JobError>(move |conn| Ok(kind.next(conn)?)).await? else {
            return Ok(Step::SleepUntil(poll));
        };
        if due_at > now {
            return Ok(Step::SleepUntil(self.clock.instant_at(due_at).min(poll)));
        }
        let kind = Arc::clone(&self.kind);
        let claim = self.write(move |conn| kind.claim(conn, row, now, now + K::SCHEDULE.lease)).await?;
        Ok(match claim {
            Claim::Claimed(claimed) => Step::Run(claimed),
            Claim::Dropped => Step::ReadAgain,
            Claim::Lost => Step::SleepUntil(self.clock.instant() + LOST_PAUSE),
        })
    }

    fn pause_after(&self, error: &JobError) -> Step<K::Job> {
        // A database that cannot be written has a log line of its own.
        if !matches!(error, JobError::Db(DbError::Unwritable)) {
            tracing::warn!(%error, kind = K::NAME, "cannot claim a job");
        }
        Step::SleepUntil(self.clock.instant() + DATABASE_PAUSE)
    }

    async fn run(&self, claimed: Claimed<K::Job>) {
        let limit = K::SCHEDULE.time_limit;
        let result = match timeout(limit, self.kind.run(&claimed)).await {
            Some(result) => result,
            None => Err(self.kind.timed_out(limit)),
        };
        let id = claimed.id.clone();
        if let Err(error) = self.settle(claimed, result).await {
            tracing::error!(%error, kind = K::NAME, id, "cannot record the outcome of a job; it will run again");
        }
    }

    /// Records the result of an attempt in the row.
    async fn settle(&self, claimed: Claimed<K::Job>, result: Result<(), K::Failure>) -> Result<(), JobError> {
        let now = self.clock.now();
        let kind = Arc::clone(&self.kind);
        let Err(failure) = result else {
            self.attempts.add([K::NAME, "done"], 1);
            kind.report(&claimed, Outcome::Done);
            return self.write(move |conn| kind.complete(conn, &claimed, now)).await;
        };
        let is_final = K::is_final(&failure);
        match K::SCHEDULE.after_failure(claimed.attempt, claimed.created_at, now, is_final) {
            AfterFailure::Retry { after, due_at } => {
                self.attempts.add([K::NAME, "retried"], 1);
                kind.report(&claimed, Outcome::Retry { after, failure: &failure });
                self.write(move |conn| kind.put_back(conn, &claimed, due_at)).await
            }
            AfterFailure::GiveUp => {
                self.attempts.add([K::NAME, "given_up"], 1);
                kind.report(&claimed, Outcome::GivenUp { failure: &failure });
                let event = self.clock.new_id();
                self.write(move |conn| kind.give_up(conn, &claimed, event, now)).await
            }
        }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, JobError> {
        self.db.transaction(move |conn| Ok(work(conn)?)).await
    }
}

#[expect(clippy::disallowed_methods, reason = "an attempt takes real time")]
async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}
