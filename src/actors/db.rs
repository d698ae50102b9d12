//! `DbExecutor`: database work on threads of its own. [`Db`] is the handle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::db::{self, Conn, Disk, Pool};

/// Work that may wait for each executor thread. A query takes about a millisecond: past this a caller is
/// better told to come back.
const QUEUE_PER_EXECUTOR: usize = 256;

/// Work that may wait for a place in the queue while that is full.
const PATIENT: usize = 256;

/// Threads, with connections of their own, for those who look for revocations.
pub const WATCHERS: usize = 2;

/// Why a piece of work has no result. The caller cannot tell what the matter was from a query's own error:
/// that one is in the work's own result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    #[error("the database's queue is full")]
    Full,
    #[error("no database connection")]
    NoConnection,
    /// Not the work's fault. Said in the log when it begins.
    #[error("the database cannot be written: is the disk full?")]
    Unwritable,
    #[error("database work panicked")]
    Panicked,
    #[error("the database executors have stopped")]
    Stopped,
}

/// Where the answer of a piece of work arrives.
type Outcome<T, E> = oneshot::Receiver<Result<Result<T, E>, DbError>>;

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
    /// SQLite has one writer at a time. Whoever waits for it inside the database sleeps, gets its turn by luck,
    /// and keeps a thread from those who only read; here writers queue in their order. PostgreSQL has many, but
    /// not all threads.
    writers: Arc<Semaphore>,
    disk: Disk,
}

impl Db {
    #[must_use]
    pub fn start(pool: Pool, executors: usize) -> Self {
        // One thread is left to those who only read: writers may wait for each other's locks.
        let writers = if pool.has_one_writer() { 1 } else { executors.saturating_sub(1).max(1) };
        let (for_watchers, disk) = (pool.clone(), pool.disk().clone());
        Self {
            watchers: SyncArbiter::start(WATCHERS, move || DbExecutor { pool: for_watchers.clone() }),
            executors: SyncArbiter::start(executors, move || DbExecutor { pool: pool.clone() }),
            permits: Arc::new(Semaphore::new(executors * QUEUE_PER_EXECUTOR)),
            patient: Arc::new(Semaphore::new(PATIENT)),
            writers: Arc::new(Semaphore::new(writers)),
            disk,
        }
    }

    /// The last write failed, and not through its own fault.
    #[must_use]
    pub fn is_unwritable(&self) -> bool {
        self.disk.is_failing()
    }

    /// Holds space in reserve from now on, for [`Db::run_revoking`].
    pub async fn hold_reserve(&self) {
        let held = async {
            let hold = |pool: &Pool| {
                pool.disk().hold_reserve();
                Ok(Ok::<_, DbError>(()))
            };
            self.in_turn(self.permit()?, hold).await
        };
        if let Err(error) = held.await {
            tracing::warn!(%error, "no space is held in reserve for sign-outs yet");
        }
    }

    /// To be called every second or so: makes the reserve whole, and sees whether writes that failed go well again.
    ///
    /// # Errors
    /// [`DbError::Unwritable`] while they do not.
    pub async fn maintain_disk(&self) -> Result<(), DbError> {
        if !self.disk.needs_maintenance() {
            return Ok(());
        }
        self.in_turn(self.permit()?, |pool: &Pool| {
            let probe = || pool.get().map_err(|_| diesel::result::Error::RollbackTransaction)?.run(db::probe);
            Ok(pool.disk().maintain(probe).map_err(|_| DbError::Unwritable))
        })
        .await
    }

    /// Runs `work`, which only reads, with a connection. It runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`DbError`], or what `work` answers, in a type that holds both.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (execute, outcome) = prepare(|pool| perform(pool, work), Some(self.permit()?));
        self.executors.do_send(execute);
        outcome.await.unwrap_or(Err(DbError::Stopped))?
    }

    /// The same for whoever looks for revocations, a piece of work at a time: beside all the others, on a thread of
    /// its own, however much there is to do.
    ///
    /// # Errors
    /// As [`Db::run`], but [`DbError::Full`].
    pub async fn run_watch<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (execute, outcome) = prepare(|pool| perform(pool, work), None);
        self.watchers.do_send(execute);
        outcome.await.unwrap_or(Err(DbError::Stopped))?
    }

    /// The same for `work` that writes.
    ///
    /// # Errors
    /// As [`Db::run`].
    pub async fn run_writing<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.in_turn(self.permit()?, |pool: &Pool| write(pool, work)).await
    }

    /// The same for work that no flood may keep out: while the queue is full it waits for the next place, before
    /// everyone who comes later. Only for what strangers cannot ask for. A caller that leaves while it waits for
    /// the place is forgotten.
    ///
    /// # Errors
    /// As [`Db::run`]; [`DbError::Full`] if too many wait like that.
    pub async fn run_writing_patiently<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.in_turn(self.wait_for_permit().await?, |pool: &Pool| write(pool, work)).await
    }

    /// The same for `work` that ends logins: it must not fail because the disk is full either, so it is given what is held
    /// in reserve, and done again.
    ///
    /// # Errors
    /// As [`Db::run_writing_patiently`].
    pub async fn run_revoking<T, E>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, E> + Clone + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.in_turn(self.wait_for_permit().await?, |pool: &Pool| write_with_reserve(pool, work)).await
    }

    /// Runs `work` once it is its turn to write.
    async fn in_turn<T, E>(
        &self,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(&Pool) -> Result<Result<T, E>, DbError> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (mut execute, outcome) = prepare(work, Some(permit));
        let (writers, executors) = (Arc::clone(&self.writers), self.executors.clone());
        // A task of its own: a revocation whose caller leaves while it queues is not forgotten.
        tokio::spawn(async move {
            // Never an error: nobody closes the semaphore.
            execute.turn = writers.acquire_owned().await.ok();
            executors.do_send(execute);
        });
        outcome.await.unwrap_or(Err(DbError::Stopped))?
    }

    async fn wait_for_permit(&self) -> Result<OwnedSemaphorePermit, DbError> {
        if let Ok(permit) = self.permit() {
            return Ok(permit);
        }
        let _place = self.patient.try_acquire().map_err(|_| DbError::Full)?;
        // Those who do not wait get none as long as one does: a permit that is given back goes to the first.
        Arc::clone(&self.permits).acquire_owned().await.map_err(|_| DbError::Stopped)
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, DbError> {
        Arc::clone(&self.permits).try_acquire_owned().map_err(|_| DbError::Full)
    }
}

/// Work that somebody queued runs to its end. A look for revocations, which has no permit, is of no use any more once
/// nobody waits for it: behind a database that hung there may be many.
fn prepare<T, E>(
    work: impl FnOnce(&Pool) -> Result<Result<T, E>, DbError> + Send + 'static,
    permit: Option<OwnedSemaphorePermit>,
) -> (Execute, Outcome<T, E>)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (answer, outcome) = oneshot::channel();
    let may_be_skipped = permit.is_none();
    let work = move |pool: &Pool| {
        if !(may_be_skipped && answer.is_closed()) {
            // Whoever asked may have left.
            let _ = answer.send(work(pool));
        }
    };
    (Execute { work: Box::new(work), turn: None, _permit: permit }, outcome)
}

/// Does `work` with a connection.
fn perform<T, E>(pool: &Pool, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<Result<T, E>, DbError> {
    attempt(pool, work).map(|(done, _)| done)
}

/// The same, and answers beside the result whether the disk is to blame for it.
fn attempt<T, E>(
    pool: &Pool,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<(Result<T, E>, Option<String>), DbError> {
    // A panic would end an executor's thread for good, and with the last one all database work.
    let done = catch_unwind(AssertUnwindSafe(|| {
        let mut conn = pool.get().map_err(|error| {
            tracing::error!(%error, "no database connection");
            DbError::NoConnection
        })?;
        let done = conn.run(work);
        let fault = if done.is_err() { conn.fault() } else { None };
        Ok((done, fault))
    }));
    done.unwrap_or(Err(DbError::Panicked))
}

/// Does `work` that writes.
fn write<T, E>(pool: &Pool, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<Result<T, E>, DbError> {
    match attempt(pool, work)? {
        (done, None) => Ok(done),
        (_, Some(cause)) => {
            pool.disk().failed(&cause);
            Err(DbError::Unwritable)
        }
    }
}

/// The same with the space in reserve, as much as it takes. What is left of it is taken again at once: it is for
/// nothing else.
fn write_with_reserve<T, E>(
    pool: &Pool,
    work: impl FnOnce(&mut Conn) -> Result<T, E> + Clone,
) -> Result<Result<T, E>, DbError> {
    let mut given = false;
    let done = loop {
        match attempt(pool, work.clone()) {
            Ok((_, Some(cause))) => {
                pool.disk().failed(&cause);
                if !pool.disk().release_reserve() {
                    break Err(DbError::Unwritable);
                }
                given = true;
            }
            Ok((done, None)) => break Ok(done),
            Err(error) => break Err(error),
        }
    };
    if given {
        pool.disk().refill_reserve();
    }
    done
}

struct DbExecutor {
    pool: Pool,
}

impl Actor for DbExecutor {
    type Context = SyncContext<Self>;
}

/// Answers by a channel of its own: actix skips a message whose sender does not wait any more.
#[derive(Message)]
#[rtype(result = "()")]
struct Execute {
    work: Box<dyn FnOnce(&Pool) + Send>,
    turn: Option<OwnedSemaphorePermit>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Handler<Execute> for DbExecutor {
    type Result = ();

    fn handle(&mut self, execute: Execute, _: &mut Self::Context) {
        let Execute { work, turn, _permit } = execute;
        work(&self.pool);
        drop(turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db;

    fn start(dir: &tempfile::TempDir, executors: usize) -> Db {
        let url = format!("sqlite:{}", dir.path().join("test.db").display()).parse().unwrap();
        Db::start(db::open(&url, u32::try_from(executors).unwrap()).unwrap(), executors)
    }

    #[actix_web::test]
    async fn a_panic_ends_no_thread_and_frees_the_writer() {
        let dir = tempfile::tempdir().unwrap();
        let db = start(&dir, 1);
        for _ in 0..3 {
            let outcome = db
                .run_writing::<(), DbError>(|conn| {
                    let _: Result<(), diesel::result::Error> = db::write(conn, |_| panic!("on purpose"));
                    Ok(())
                })
                .await;
            assert_eq!(outcome, Err(DbError::Panicked));
        }
        assert_eq!(db.run_writing::<_, DbError>(|_| Ok(7)).await, Ok(7));
        // The answer leaves a moment before the permit.
        while db.permits.available_permits() < QUEUE_PER_EXECUTOR {
            tokio::task::yield_now().await;
        }
    }

    #[actix_web::test]
    async fn writers_wait_in_line_and_leave_a_thread_to_readers() {
        let dir = tempfile::tempdir().unwrap();
        let db = start(&dir, 2);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let mut writers = Vec::new();
        let first = db.clone();
        writers.push(actix_web::rt::spawn(async move {
            first.run_writing::<_, DbError>(move |_| Ok(wait.recv().is_ok())).await.map(drop)
        }));
        for _ in 0..5 {
            let db = db.clone();
            writers.push(actix_web::rt::spawn(async move { db.run_writing::<_, DbError>(|_| Ok(())).await }));
        }
        while db.permits.available_permits() > 2 * QUEUE_PER_EXECUTOR - 6 {
            tokio::task::yield_now().await;
        }
        assert_eq!(db.run::<_, DbError>(|_| Ok(1)).await, Ok(1), "a reader passes them");
        release.send(()).unwrap();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
    }

    #[actix_web::test]
    async fn a_look_that_nobody_waits_for_is_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let db = start(&dir, WATCHERS);
        let (mut releases, mut hung) = (Vec::new(), Vec::new());
        let (started, has_started) = std::sync::mpsc::channel();
        for _ in 0..WATCHERS {
            let (release, wait) = std::sync::mpsc::channel::<()>();
            let (db, started) = (db.clone(), started.clone());
            releases.push(release);
            hung.push(actix_web::rt::spawn(async move {
                db.run_watch::<_, DbError>(move |_| {
                    started.send(()).unwrap();
                    Ok(wait.recv().is_ok())
                })
                .await
            }));
        }
        for _ in 0..WATCHERS {
            while has_started.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        }
        let (ran, has_run) = std::sync::mpsc::channel();
        let look = db.run_watch::<(), DbError>(move |_| {
            ran.send(()).unwrap();
            Ok(())
        });
        // It is queued behind them, and given up.
        assert!(futures_util::FutureExt::now_or_never(look).is_none());
        drop(releases);
        for hung in hung {
            hung.await.unwrap().unwrap();
        }
        db.run_watch::<_, DbError>(|_| Ok(())).await.unwrap();
        assert!(has_run.recv().is_err(), "it has run");
    }

    #[actix_web::test]
    async fn a_full_queue_refuses_work_but_not_the_patient() {
        let dir = tempfile::tempdir().unwrap();
        let db = start(&dir, 1);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let busy = db.clone();
        let mut waiting = vec![actix_web::rt::spawn(async move {
            busy.run_writing::<_, DbError>(move |_| Ok(wait.recv().is_ok())).await.map(drop)
        })];
        while db.permits.available_permits() == QUEUE_PER_EXECUTOR {
            tokio::task::yield_now().await;
        }
        for _ in 1..QUEUE_PER_EXECUTOR {
            let db = db.clone();
            waiting.push(actix_web::rt::spawn(async move { db.run::<_, DbError>(|_| Ok(())).await }));
        }
        while db.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(db.run_writing::<(), DbError>(|_| Ok(())).await, Err(DbError::Full));
        let patient = db.clone();
        let patient =
            actix_web::rt::spawn(async move { patient.run_writing_patiently::<_, DbError>(|_| Ok(7)).await });
        while db.patient.available_permits() == PATIENT {
            tokio::task::yield_now().await;
        }
        release.send(()).unwrap();
        assert_eq!(patient.await.unwrap(), Ok(7));
        for work in waiting {
            work.await.unwrap().unwrap();
        }
    }

    #[actix_web::test]
    async fn work_is_done_though_its_caller_left() {
        let dir = tempfile::tempdir().unwrap();
        let db = start(&dir, 1);
        let (done, was_done) = std::sync::mpsc::channel();
        let caller = db.clone();
        let caller = actix_web::rt::spawn(async move {
            caller
                .run_writing::<(), DbError>(move |_| {
                    done.send(()).unwrap();
                    Ok(())
                })
                .await
        });
        while db.permits.available_permits() == QUEUE_PER_EXECUTOR {
            tokio::task::yield_now().await;
        }
        caller.abort();
        let done = actix_web::web::block(move || was_done.recv()).await.unwrap();
        assert!(done.is_ok());
    }
}
