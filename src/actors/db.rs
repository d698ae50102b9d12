//! `DbExecutor`: database work on threads of its own. [`Db`] is the handle.

mod executor;
#[cfg(test)]
mod tests;
mod timings;

use std::sync::Arc;

use actix::{Addr, SyncArbiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::{self, Conn, Disk, Pool};
use crate::metrics::{Registry, Stopwatch, count};
use executor::{DbExecutor, perform, prepare, write, write_with_reserve};
use timings::{Kind, Timings};

/// Work that may wait for each executor thread. A query takes about a millisecond: past this a caller is
/// better told to come back.
const QUEUE_PER_EXECUTOR: usize = 256;

/// Work that may wait for a place in the queue while that is full.
const PATIENT: usize = 256;

/// Threads, with connections of their own, that poll for revocations.
pub const WATCHERS: usize = 2;

/// Why a piece of work has no result. The error of a query is in the work's own result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    #[error("the database's queue is full")]
    Full,
    #[error("no database connection")]
    NoConnection,
    /// Not the work's fault. Logged when it begins.
    #[error("the database cannot be written: is the disk full?")]
    Unwritable,
    #[error("database work panicked")]
    Panicked,
    #[error("the database executors have stopped")]
    Stopped,
}

/// Runs closures on the executors.
#[derive(Clone)]
pub struct Db {
    executors: Addr<DbExecutor>,
    watchers: Addr<DbExecutor>,
    /// A `SyncArbiter` drains its bounded mailbox into an unbounded queue, so the bound is ours: a piece of
    /// work carries a permit until it is done.
    permits: Arc<Semaphore>,
    /// Places to wait for such a permit.
    patient: Arc<Semaphore>,
    /// SQLite has one writer at a time. Work that waits for it inside the database sleeps, gets its turn by luck,
    /// and keeps a thread from work that only reads; here writers queue in their order. PostgreSQL has many, but
    /// they get all threads but one.
    writers: Arc<Semaphore>,
    disk: Disk,
    timings: Timings,
    most_queued: usize,
}

impl Db {
    #[must_use]
    pub fn start(pool: Pool, executors: usize) -> Self {
        // One thread is left to work that only reads: writers may wait for each other's locks.
        let writers = if pool.has_one_writer() { 1 } else { executors.saturating_sub(1).max(1) };
        let disk = pool.disk().clone();
        let timings = Timings::default();
        let (executor, most_queued) =
            (DbExecutor { pool, timings: timings.clone() }, executors * QUEUE_PER_EXECUTOR);
        let watcher = executor.clone();
        Self {
            watchers: SyncArbiter::start(WATCHERS, move || watcher.clone()),
            executors: SyncArbiter::start(executors, move || executor.clone()),
            permits: Arc::new(Semaphore::new(most_queued)),
            patient: Arc::new(Semaphore::new(PATIENT)),
            writers: Arc::new(Semaphore::new(writers)),
            disk,
            timings,
            most_queued,
        }
    }

    /// Adds what is measured here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.timings.register_metrics(registry);
        let (permits, patient) = (Arc::clone(&self.permits), Arc::clone(&self.patient));
        let most = self.most_queued + PATIENT;
        registry.reading("doorward_db_queued", "Database work that waits or runs.", move || {
            count(most.saturating_sub(permits.available_permits() + patient.available_permits()))
        });
        registry.reading("doorward_db_queue_places", "How much of it there may be.", move || count(most));
        let disk = self.disk.clone();
        registry.reading(
            "doorward_db_unwritable",
            "1 while the database cannot be written, because the disk is full for example.",
            move || f64::from(u8::from(disk.is_failing())),
        );
    }

    /// Whether the last write failed because the database could not be written.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        self.disk.is_failing()
    }

    /// Holds disk space in reserve from now on, for [`Db::run_revoking`].
    pub async fn hold_reserve(&self) {
        let held = async {
            let hold = |pool: &Pool| {
                pool.disk().hold_reserve();
                Ok(Ok::<_, DbError>(()))
            };
            self.in_turn(Stopwatch::start(), self.permit()?, hold).await
        };
        if let Err(error) = held.await {
            tracing::warn!(%error, "no space is held in reserve for sign-outs yet");
        }
    }

    /// To be called every second or so: fills up the reserve, and finds out whether failing writes succeed again.
    ///
    /// # Errors
    /// [`DbError::Unwritable`] while they do not.
    pub async fn maintain_disk(&self) -> Result<(), DbError> {
        if !self.disk.needs_maintenance() {
            return Ok(());
        }
        self.in_turn(Stopwatch::start(), self.permit()?, |pool: &Pool| {
            let probe = || pool.get().map_err(|_| diesel::result::Error::RollbackTransaction)?.run(db::probe);
            Ok(pool.disk().maintain(probe).map_err(|_| DbError::Unwritable))
        })
        .await
    }

    /// Runs `work`, which only reads, with a connection. It runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// What `work` answers, or why it has no answer: [`DbError::Full`] at once if too much is queued.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (execute, outcome) = prepare(|pool| perform(pool, work), Kind::Read, Some(self.permit()?));
        self.executors.do_send(execute);
        outcome.await.unwrap_or(Err(DbError::Stopped))?
    }

    /// Runs a poll for revocations: beside all other work, on a thread of its own, however much is queued.
    ///
    /// # Errors
    /// As [`Db::run`], but never [`DbError::Full`].
    pub async fn run_watch<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (execute, outcome) = prepare(|pool| perform(pool, work), Kind::Poll, None);
        self.watchers.do_send(execute);
        outcome.await.unwrap_or(Err(DbError::Stopped))?
    }

    /// Runs `work` in one transaction that writes. On an error everything is rolled back.
    ///
    /// # Errors
    /// As [`Db::run`], or that of the commit; [`DbError::Unwritable`] if the disk is full.
    pub async fn transaction<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
    {
        self.run_writing(move |conn| db::write(conn, work)).await
    }

    /// The same for `work` that must not fail because the disk is full, as [`Db::run_revoking`] does it.
    ///
    /// # Errors
    /// As [`Db::run_revoking`], or that of the commit.
    pub async fn transaction_with_reserve<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Clone + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + From<diesel::result::Error> + Send + 'static,
    {
        self.run_revoking(move |conn| db::write(conn, work)).await
    }

    /// Runs `work` that writes in transactions of its own, or has something to do on the executor's thread after the
    /// commit.
    ///
    /// # Errors
    /// As [`Db::run`]; [`DbError::Unwritable`] if the disk is full.
    pub async fn run_writing<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.in_turn(Stopwatch::start(), self.permit()?, |pool: &Pool| write(pool, work)).await
    }

    /// The same for work that no flood may keep out: while the queue is full it waits for the next place, before
    /// all work that comes later. Only for what an unauthenticated client cannot ask for. Work whose caller leaves
    /// while it waits for that place is dropped.
    ///
    /// # Errors
    /// As [`Db::run_writing`]; [`DbError::Full`] if too many wait like that.
    pub async fn run_writing_patiently<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let queued = Stopwatch::start();
        self.in_turn(queued, self.wait_for_permit().await?, |pool: &Pool| write(pool, work)).await
    }

    /// The same for `work` that revokes logins: it must not fail because the disk is full either, so it is given the
    /// space in reserve, and run again.
    ///
    /// # Errors
    /// As [`Db::run_writing_patiently`]; [`DbError::Unwritable`] only if that space does not suffice.
    pub async fn run_revoking<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Clone + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let queued = Stopwatch::start();
        self.in_turn(queued, self.wait_for_permit().await?, |pool: &Pool| write_with_reserve(pool, work))
            .await
    }

    /// Runs `work` once it is its turn to write.
    async fn in_turn<T, E>(
        &self,
        queued: Stopwatch,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&Pool) -> Result<Result<T, E>, DbError> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (mut execute, outcome) = prepare(work, Kind::Write, Some(permit));
        execute.queued = queued;
        let (writers, executors) = (Arc::clone(&self.writers), self.executors.clone());
        // A task of its own: a revocation whose caller leaves while it queues is not lost.
        tokio::spawn(async move {
            // Never an error: the semaphore is not closed.
            execute.turn = writers.acquire_owned().await.ok();
            executors.do_send(execute);
        });
        outcome.await.unwrap_or(Err(DbError::Stopped))?
    }

    async fn wait_for_permit(&self) -> Result<OwnedSemaphorePermit, DbError> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        let _place = self.patient.try_acquire().map_err(|_| self.refuse())?;
        // A permit that is given back goes to the first that waits: `permit` gets none meanwhile.
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| DbError::Stopped)
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, DbError> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| self.refuse())
    }

    fn refuse(&self) -> DbError {
        self.timings.refused.add([], 1);
        DbError::Full
    }
}
