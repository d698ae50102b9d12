//! Threads, and the queue in front of them. A `SyncArbiter` has a queue of its own, unbounded and first come,
//! first served. Here, a free thread takes its next work from our queue instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};

use super::lane::{Class, Client, Lane, Requester};
use super::queue::{FairQueue, Pushed, Rank};
use super::runner::Runner;
use super::shared::{Job, Shared};
use super::timings::QueueTimings;
use super::work::Work;
use super::{Counts, HashError};
use crate::auth::hash_requests::HashRequests;
use crate::config::Hashing;
use crate::metrics::Stopwatch;
use doorward_core::domain::{LoginId, UserId};

/// The lowest priority.
const NICE: i32 = 19;

#[derive(Clone)]
pub(super) struct Pool {
    executors: Addr<HashExecutor>,
    shared: Arc<Shared>,
}

impl Pool {
    pub fn start(
        threads: usize,
        hashing: Hashing,
        places: usize,
        reserved: usize,
        timings: QueueTimings,
    ) -> Self {
        let queue = FairQueue::new(places, reserved);
        let shared = Arc::new(Shared::new(queue, threads, timings));
        let for_executors = Arc::clone(&shared);
        let next_thread = AtomicUsize::new(0);
        let executors = SyncArbiter::start(threads, move || {
            let thread = next_thread.fetch_add(1, Ordering::Relaxed) % threads;
            HashExecutor(Runner::new(Arc::clone(&for_executors), thread, hashing))
        });
        Self { executors, shared }
    }

    /// Runs `work` when its turn comes, unless the requester has stopped waiting by then. Until it asks for
    /// hashes, it keeps its thread from all other work.
    pub async fn run<F>(
        &self,
        lane: Lane,
        work: impl FnOnce(HashRequests) -> F,
    ) -> Result<F::Output, HashError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let rank = rank(lane.class);
        let known = lane.known.filter(|_| rank == Rank::SignIn);
        self.queue(lane.client(), rank, known, lane.requester, work).await
    }

    /// Checks whether [`Pool::run`] would queue work of this lane now. It would for a known device.
    ///
    /// # Errors
    /// [`HashError::Full`] if it would not; this counts as refused.
    pub fn check_room(&self, lane: Lane) -> Result<(), HashError> {
        if lane.known.is_none() && self.shared.lock().queue.refuses(lane.client(), rank(lane.class)) {
            self.shared.timings.refused.increment();
            return Err(HashError::Full);
        }
        Ok(())
    }

    /// The same for work that belongs to a login and is wanted whether or not its client is still connected.
    pub async fn run_for<F>(
        &self,
        login: LoginId,
        work: impl FnOnce(HashRequests) -> F,
    ) -> Result<F::Output, HashError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.queue(Client::Login(login), Rank::Owner, None, Requester::default(), work).await
    }

    async fn queue<F>(
        &self,
        client: Client,
        rank: Rank,
        known: Option<UserId>,
        requester: Requester,
        work: impl FnOnce(HashRequests) -> F,
    ) -> Result<F::Output, HashError>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (work, outcome) = Work::new(work);
        let mut ticket = self.enter(
            client,
            rank,
            known,
            Job { requester, task: Box::new(work), since: Stopwatch::start() },
        )?;
        let done = outcome.await.unwrap_or(Err(HashError::Stopped));
        ticket.id = None;
        done
    }

    fn enter(
        &self,
        client: Client,
        rank: Rank,
        known: Option<UserId>,
        job: Job,
    ) -> Result<Ticket, HashError> {
        let mut state = self.shared.lock();
        let pushed = match known {
            Some(account) => state.queue.push_known(client, account, job),
            None => state.queue.push(client, rank, job),
        };
        let (id, pushed_out) = match pushed {
            Pushed::Queued(id, pushed_out) => (id, pushed_out),
            Pushed::Full(_) => {
                self.shared.timings.refused.increment();
                return Err(HashError::Full);
            }
        };
        let wake = state.idle > 0;
        state.idle -= usize::from(wake);
        drop(state);
        if wake {
            self.executors.do_send(Wake);
        }
        if let Some(job) = pushed_out {
            self.shared.timings.refused.increment();
            job.task.refuse(HashError::Full);
        }
        Ok(Ticket { shared: Arc::clone(&self.shared), id: Some(id) })
    }

    pub fn counts(&self) -> Counts {
        let state = self.shared.lock();
        Counts { queued: state.queue.len(), started: state.started }
    }
}

const fn rank(class: Class) -> Rank {
    match class {
        Class::SignIn => Rank::SignIn,
        Class::Owner => Rank::Owner,
        Class::Registration => Rank::Registration,
        Class::Rating => Rank::Rating,
    }
}

/// A place in the queue, released when its holder stops waiting.
struct Ticket {
    shared: Arc<Shared>,
    id: Option<u64>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            // Dropped after the lock is released.
            let _job = self.shared.lock().queue.remove(id);
        }
    }
}

struct HashExecutor(Runner);

impl Actor for HashExecutor {
    type Context = SyncContext<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // On Linux this affects only this thread. A sign-in may take longer; a message on a live socket may
        // not.
        if let Err(error) = rustix::process::nice(NICE) {
            tracing::warn!(%error, "cannot lower the priority of the hashing threads");
        }
    }
}

/// Wakes a thread. Each idle thread gets one, so few of these wait.
#[derive(Message)]
#[rtype(result = "()")]
struct Wake;

impl Handler<Wake> for HashExecutor {
    type Result = ();

    fn handle(&mut self, _: Wake, _: &mut Self::Context) {
        self.0.run();
    }
}
