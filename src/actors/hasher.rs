//! `HashExecutor`: password hashing on threads of its own, so that a burst of sign-ins slows down nothing
//! else. The threads are shared fairly among the clients that wait for them. [`Hasher`] is the handle.

mod lane;
mod loads;
mod pool;
mod queue;
mod runner;
mod shared;
mod timings;
mod work;

pub use lane::{Class, Lane, Requester};

use std::sync::Arc;

use pool::Pool;
use timings::Timings;

use crate::auth::password::{self, Verified};
use crate::config::{self, Hashing};
use crate::metrics::{Registry, count};
use doorward_core::domain::{LoginId, Password, Rating, WeakPassword};

/// Queue length per thread: at cost 12 a second or two of work, or four with [`Hashing::Single`]. Beyond it, a
/// caller should come back later.
const QUEUE_PER_WORKER: usize = 16;

/// Additional places for known devices only.
const RESERVED_PER_WORKER: usize = 2;

/// Ratings that may wait: about half a second of work at worst.
const RATINGS: usize = 32;

/// Traces that may wait: about as much.
const TRACES: usize = 64;

/// The names of the queues in metrics.
const HASHES: &str = "hashes";
const RATINGS_NAME: &str = "ratings";
const TRACES_NAME: &str = "traces";

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    #[error("the hashing queue is full")]
    Full,
    #[error("password work panicked or failed")]
    Failed,
    #[error("the hashing threads have stopped")]
    Stopped,
}

/// Hashes and checks passwords. Work whose caller stops waiting before its turn is dropped.
#[derive(Clone)]
pub struct Hasher {
    hashes: Pool,
    ratings: Pool,
    traces: Pool,
    timings: Timings,
    cost: u32,
    /// What the site is called: a password must not be made of it.
    site: Arc<[String]>,
}

/// How much work there was and is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Workload {
    pub hashes: Counts,
    pub ratings: Counts,
    pub traces: Counts,
}

/// The same for one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub queued: usize,
    /// Since the start; work that was dropped before its turn does not count.
    pub started: u64,
}

impl Hasher {
    /// Starts the threads. Must be called within an actix system.
    #[must_use]
    pub fn start(config: &config::Password) -> Self {
        let workers = config.workers;
        let timings = Timings::default();
        Self {
            hashes: Pool::start(
                workers,
                config.hashing,
                workers * QUEUE_PER_WORKER,
                workers * RESERVED_PER_WORKER,
                timings.of(HASHES),
            ),
            ratings: Pool::start(1, Hashing::Single, RATINGS, 0, timings.of(RATINGS_NAME)),
            traces: Pool::start(1, Hashing::Single, TRACES, 0, timings.of(TRACES_NAME)),
            timings,
            cost: config.cost,
            site: Arc::default(),
        }
    }

    /// The same for a site of this name, which no password may contain, with or without its spaces.
    #[must_use]
    pub fn of_site(self, name: &str) -> Self {
        let joined: String = name.split_whitespace().collect();
        Self { site: [name.to_owned(), joined].into(), ..self }
    }

    /// Rates how strong a password is. `about` is what others know about its owner.
    ///
    /// # Errors
    /// [`HashError::Full`] if too much work waits.
    pub async fn rate(
        &self,
        lane: Lane,
        password: Password,
        mut about: Vec<String>,
    ) -> Result<Rating, HashError> {
        about.extend_from_slice(&self.site);
        self.ratings.run(lane, |_| async move { password.rate(&about) }).await
    }

    /// Rates a chosen password, then hashes it. `about` is what others know about its owner.
    ///
    /// # Errors
    /// [`WeakPassword`] if it is easy to guess, or [`HashError`].
    pub async fn hash_chosen<E>(
        &self,
        lane: Lane,
        password: Password,
        about: Vec<String>,
    ) -> Result<String, E>
    where
        E: From<HashError> + From<WeakPassword>,
    {
        if let Some(weakness) = self.rate(lane, password.clone(), about).await?.weakness {
            return Err(weakness.into());
        }
        Ok(self.rehash(lane, password).await?)
    }

    /// Hashes a password that was strong enough when it was chosen.
    ///
    /// # Errors
    /// [`HashError::Full`] if too much work waits.
    pub async fn rehash(&self, lane: Lane, password: Password) -> Result<String, HashError> {
        let cost = self.cost;
        let work = |requests| async move { password::hash(&requests, &password, cost).await };
        self.hashes.run(lane, work).await?.ok_or_else(|| {
            tracing::error!(cost, "bcrypt does not have this cost");
            HashError::Failed
        })
    }

    /// Checks a password. Without a stored hash it does the work of a check and fails.
    ///
    /// # Errors
    /// [`HashError::Full`] if too much work waits.
    pub async fn verify(
        &self,
        lane: Lane,
        password: Password,
        stored: Option<String>,
    ) -> Result<Verified, HashError> {
        let cost = self.cost;
        let work =
            |requests| async move { password::verify(&requests, &password, stored.as_deref(), cost).await };
        self.hashes.run(lane, work).await
    }

    /// Checks whether a password check would be queued now. For work that precedes the check and would be wasted
    /// otherwise.
    ///
    /// # Errors
    /// [`HashError::Full`] if it would not.
    pub fn check_room(&self, lane: Lane) -> Result<(), HashError> {
        self.hashes.check_room(lane)
    }

    /// Follows the chain of a login's refresh tokens, which takes milliseconds, on a thread apart from all
    /// password work. The logins take turns.
    ///
    /// # Errors
    /// [`HashError::Full`] if too much work waits.
    pub async fn trace<T: Send + 'static>(
        &self,
        login: LoginId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        self.traces.run_for(login, |_| async move { work() }).await
    }

    #[must_use]
    pub fn workload(&self) -> Workload {
        Workload {
            hashes: self.hashes.counts(),
            ratings: self.ratings.counts(),
            traces: self.traces.counts(),
        }
    }

    /// Adds what is measured here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.timings.register_metrics(registry);
        let queues = [(HASHES, &self.hashes), (RATINGS_NAME, &self.ratings), (TRACES_NAME, &self.traces)];
        let queues = queues.map(|(name, pool)| (name, pool.clone()));
        registry.readings("doorward_hash_queued", "Password work that waits.", Some("queue"), move || {
            queues.iter().map(|(name, pool)| (*name, count(pool.counts().queued))).collect()
        });
    }
}

#[cfg(test)]
#[path = "hasher/lanes_tests.rs"]
mod lanes_tests;
#[cfg(test)]
#[path = "hasher/tests.rs"]
mod tests;
