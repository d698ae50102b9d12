//! `HashExecutor`: password work on threads of its own, so that a storm of sign-ins keeps nobody else waiting.
//! [`Hasher`] is the handle.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Addr, Handler, Message, MessageResult, SyncArbiter, SyncContext};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::password::{self, Verified};
use crate::config;
use crate::domain::{Password, WeakPassword};

/// Work that may wait for each thread: at cost 12 about four seconds of it. Past this a caller is better told
/// to come back.
const QUEUE_PER_WORKER: usize = 16;

/// The lowest priority there is.
const NICE: i32 = 19;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error("the hashing queue is full")]
    Full,
    #[error("password work panicked or failed")]
    Failed,
    #[error("the hashing threads have stopped")]
    Stopped,
}

/// Hashes and checks passwords.
#[derive(Clone)]
pub struct Hasher {
    executors: Addr<HashExecutor>,
    /// As in `actors::db`: the bound is ours, a piece of work carries its permit until it is done.
    permits: Arc<Semaphore>,
    cost: u32,
}

impl Hasher {
    /// Starts the threads. Must run inside an actix system.
    #[must_use]
    pub fn start(config: &config::Password) -> Self {
        Self {
            executors: SyncArbiter::start(config.workers, || HashExecutor),
            permits: Arc::new(Semaphore::new(config.workers * QUEUE_PER_WORKER)),
            cost: config.cost,
        }
    }

    /// Judges a chosen password, then hashes it. `about` is what others know of its owner.
    ///
    /// # Errors
    /// [`HashError`] or [`WeakPassword`], in a type that holds both.
    pub async fn hash_chosen<E>(&self, password: Password, about: Vec<String>) -> Result<String, E>
    where
        E: From<HashError> + From<WeakPassword>,
    {
        let judged =
            self.run(move |cost| password.judge(&about).map(|()| password::hash(&password, cost))).await??;
        judged.map_err(|error| failed(&error).into())
    }

    /// Hashes a password that was good enough when it was chosen.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn rehash(&self, password: Password) -> Result<String, HashError> {
        self.run(move |cost| password::hash(&password, cost)).await?.map_err(|error| failed(&error))
    }

    /// Checks a password; with no stored hash it does the work of a check and finds it wrong.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verified, HashError> {
        self.run(move |cost| password::verify(&password, stored.as_deref(), cost)).await
    }

    /// Runs `work`, which gets the configured cost, on a hashing thread: for what takes milliseconds of
    /// computing and must keep nobody waiting. It runs to its end even if the caller stops waiting.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(u32) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| HashError::Full)?;
        let cost = self.cost;
        let compute = Compute { work: move || work(cost), permit };
        self.executors.send(compute).await.map_err(|_| HashError::Stopped)?
    }
}

fn failed(error: &bcrypt::BcryptError) -> HashError {
    tracing::error!(%error, "could not hash");
    HashError::Failed
}

struct HashExecutor;

impl Actor for HashExecutor {
    type Context = SyncContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // On Linux it acts on this thread alone. A sign-in may take longer; a message on a live socket may not.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::warn!(%error, "hashing threads keep their priority");
        }
    }
}

struct Compute<F> {
    work: F,
    permit: OwnedSemaphorePermit,
}

impl<F, T> Message for Compute<F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Result = Result<T, HashError>;
}

impl<F, T> Handler<Compute<F>> for HashExecutor
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    type Result = MessageResult<Compute<F>>;

    fn handle(&mut self, Compute { work, permit }: Compute<F>, _: &mut Self::Context) -> Self::Result {
        let _permit = permit;
        // A panic would end this thread for good, and with the last one every sign-in.
        MessageResult(catch_unwind(AssertUnwindSafe(work)).map_err(|_| HashError::Failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(workers: usize) -> Hasher {
        Hasher::start(&config::Password { workers, cost: 4, min_length: 8, insecure_cost: true })
    }

    #[actix_web::test]
    async fn a_full_queue_is_an_answer() {
        let hasher = start(1);
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let busy = hasher.clone();
        let blocked = actix_web::rt::spawn(async move { busy.run(move |_| wait.recv().ok()).await });
        let waiting: Vec<_> = (1..QUEUE_PER_WORKER)
            .map(|_| {
                let hasher = hasher.clone();
                actix_web::rt::spawn(async move { hasher.run(|_| ()).await })
            })
            .collect();
        while hasher.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(hasher.run(|_| ()).await, Err(HashError::Full));
        release.send(()).unwrap();
        blocked.await.unwrap().unwrap();
        for work in waiting {
            assert_eq!(work.await.unwrap(), Ok(()));
        }
        assert_eq!(hasher.permits.available_permits(), QUEUE_PER_WORKER);
    }

    #[actix_web::test]
    async fn a_panic_ends_no_thread() {
        let hasher = start(1);
        for _ in 0..3 {
            assert_eq!(hasher.run(|_| panic!("on purpose")).await, Err::<(), _>(HashError::Failed));
        }
        let stored = hasher.rehash(Password::typed("plural teapot".to_owned())).await.unwrap();
        let verified =
            hasher.verify(Password::typed("plural teapot".to_owned()), Some(stored)).await.unwrap();
        assert_eq!(verified, Verified { ok: true, rehash: false });
    }
}
