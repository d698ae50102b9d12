//! `DbExecutor`: database work on threads of its own. [`Db`] is the handle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Addr, Handler, Message, MessageResult, SyncArbiter, SyncContext};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::db::{Conn, Pool};

/// Work that may wait for each executor thread. A query takes about a millisecond: past this a caller is
/// better told to come back.
const QUEUE_PER_EXECUTOR: usize = 256;

/// Why a piece of work has no result. The caller cannot tell what the matter was from a query's own error:
/// that one is in the work's own result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    #[error("the database's queue is full")]
    Full,
    #[error("no database connection")]
    NoConnection,
    #[error("database work panicked")]
    Panicked,
    #[error("the database executors have stopped")]
    Stopped,
}

/// Runs closures on the executors.
#[derive(Clone)]
pub struct Db {
    executors: Addr<DbExecutor>,
    /// A `SyncArbiter` drains its bounded mailbox into an unbounded queue, so the bound is ours: a piece of
    /// work carries a permit until it is done.
    permits: Arc<Semaphore>,
}

impl Db {
    #[must_use]
    pub fn start(pool: Pool, executors: usize) -> Self {
        Self {
            executors: SyncArbiter::start(executors, move || DbExecutor { pool: pool.clone() }),
            permits: Arc::new(Semaphore::new(executors * QUEUE_PER_EXECUTOR)),
        }
    }

    /// Runs `work` with a connection. It runs to its end even if the caller stops waiting.
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
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| DbError::Full)?;
        let execute = Execute { work, permit };
        match self.executors.send(execute).await {
            Ok(outcome) => outcome?,
            Err(_) => Err(DbError::Stopped.into()),
        }
    }
}

struct DbExecutor {
    pool: Pool,
}

impl Actor for DbExecutor {
    type Context = SyncContext<Self>;
}

struct Execute<F> {
    work: F,
    permit: OwnedSemaphorePermit,
}

impl<F, T, E> Message for Execute<F>
where
    F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Result = Result<Result<T, E>, DbError>;
}

impl<F, T, E> Handler<Execute<F>> for DbExecutor
where
    F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: Send + 'static,
{
    type Result = MessageResult<Execute<F>>;

    fn handle(&mut self, Execute { work, permit }: Execute<F>, _: &mut Self::Context) -> Self::Result {
        let _permit = permit;
        // A panic would end this thread for good, and with the last one all database work.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut conn = self.pool.get().map_err(|error| {
                tracing::error!(%error, "no database connection");
                DbError::NoConnection
            })?;
            Ok(work(&mut conn))
        }));
        MessageResult(outcome.unwrap_or(Err(DbError::Panicked)))
    }
}
