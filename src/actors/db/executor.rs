//! The actor: a thread with connections, and how one piece of work runs on it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix::{Actor, Handler, Message, SyncContext};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::DbError;
use super::timings::{Kind, Timings};
use crate::db::{Conn, Pool};
use crate::metrics::Stopwatch;

/// Where the answer of a piece of work arrives.
pub(super) type Outcome<T, E> = oneshot::Receiver<Result<Result<T, E>, DbError>>;

/// Queued work runs to its end, even if its caller leaves. A poll for revocations, which has no permit, is skipped once
/// its caller has left: behind a database that hung there may be many.
pub(super) fn prepare<T, E>(
    work: impl FnOnce(&Pool) -> Result<Result<T, E>, DbError> + Send + 'static,
    kind: Kind,
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
            // The caller may have left.
            let _ = answer.send(work(pool));
        }
    };
    let execute =
        Execute { work: Box::new(work), kind, queued: Stopwatch::start(), turn: None, _permit: permit };
    (execute, outcome)
}

/// Does `work` with a connection.
pub(super) fn perform<T, E>(
    pool: &Pool,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<Result<T, E>, DbError> {
    attempt(pool, work).map(|(done, _)| done)
}

/// Does `work`, and answers beside its result why the disk cannot be written, if that made it fail.
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
pub(super) fn write<T, E>(
    pool: &Pool,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<Result<T, E>, DbError> {
    match attempt(pool, work)? {
        (done, None) => Ok(done),
        (_, Some(cause)) => {
            pool.disk().failed(&cause);
            Err(DbError::Unwritable)
        }
    }
}

/// Does `work` that writes; on a full disk again, with as much of the space in reserve as it takes. What is left of that
/// space is reserved again at once.
pub(super) fn write_with_reserve<T, E>(
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

#[derive(Clone)]
pub(super) struct DbExecutor {
    pub pool: Pool,
    pub timings: Timings,
}

impl Actor for DbExecutor {
    type Context = SyncContext<Self>;
}

/// Answers through a channel of its own: actix skips a message whose sender does not wait any more.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Execute {
    work: Box<dyn FnOnce(&Pool) + Send>,
    kind: Kind,
    pub queued: Stopwatch,
    /// The turn to write, until the work is done.
    pub turn: Option<OwnedSemaphorePermit>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Handler<Execute> for DbExecutor {
    type Result = ();

    fn handle(&mut self, execute: Execute, _: &mut Self::Context) {
        let Execute { work, kind, queued, turn, _permit } = execute;
        self.timings.run(kind, queued, || work(&self.pool));
        drop(turn);
    }
}
