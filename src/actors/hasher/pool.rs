//! Threads, and the queue in front of them. A `SyncArbiter` has a queue of its own, unbounded and first come,
//! first served. Here, a free thread takes its next work from our queue instead.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::{Actor, Addr, Handler, Message, SyncArbiter, SyncContext};
use tokio::sync::oneshot;

use super::lane::{Class, Client, Lane, PeerState, Requester};
use super::queue::{FairQueue, Next, Pushed, Rank};
use super::{Counts, HashError};
use doorward_core::domain::{LoginId, UserId};

/// The lowest priority.
const NICE: i32 = 19;

#[derive(Clone)]
pub(super) struct Pool {
    executors: Addr<HashExecutor>,
    shared: Arc<Shared>,
}

impl Pool {
    pub fn start(threads: usize, places: usize, reserved: usize) -> Self {
        let state = State { queue: FairQueue::new(places, reserved), idle: threads, started: 0 };
        let shared = Arc::new(Shared(Mutex::new(state)));
        let for_executors = Arc::clone(&shared);
        let executors =
            SyncArbiter::start(threads, move || HashExecutor { shared: Arc::clone(&for_executors) });
        Self { executors, shared }
    }

    /// Runs `work` when its turn comes, unless the requester has stopped waiting by then.
    pub async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let rank = rank(lane.class);
        let known = lane.known.filter(|_| rank == Rank::SignIn);
        self.queue(lane.client(), rank, known, lane.requester, work).await
    }

    /// Whether [`Pool::run`] would queue work of this lane now. Always true for a known device.
    pub fn has_room(&self, lane: Lane) -> bool {
        lane.known.is_some() || !self.shared.lock().queue.refuses(lane.client(), rank(lane.class))
    }

    /// The same for work that belongs to a login and is wanted whether or not its client is still connected.
    pub async fn run_for<T: Send + 'static>(
        &self,
        login: LoginId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        self.queue(Client::Login(login), Rank::Owner, None, Requester::default(), work).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        client: Client,
        rank: Rank,
        known: Option<UserId>,
        requester: Requester,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (answer, outcome) = oneshot::channel();
        let perform = move |go: Result<(), HashError>| {
            // A panic would end this thread for good, and with the last thread every sign-in.
            let done = go.and_then(|()| catch_unwind(AssertUnwindSafe(work)).map_err(|_| HashError::Failed));
            // The requester may have left.
            let _ = answer.send(done);
        };
        let mut ticket = self.enter(client, rank, known, Job { requester, perform: Box::new(perform) })?;
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
            Pushed::Full(_) => return Err(HashError::Full),
        };
        let wake = state.idle > 0;
        state.idle -= usize::from(wake);
        drop(state);
        if wake {
            self.executors.do_send(Work);
        }
        if let Some(job) = pushed_out {
            (job.perform)(Err(HashError::Full));
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

struct Shared(Mutex<State>);

struct State {
    queue: FairQueue<Client, Job>,
    /// Threads that have not been woken for work.
    idle: usize,
    started: u64,
}

struct Job {
    requester: Requester,
    /// Does the work and reports its result, or only reports why it is not done.
    perform: Box<dyn FnOnce(Result<(), HashError>) + Send>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next work for a free thread. Without any, the thread becomes idle.
    fn next(&self) -> Option<Job> {
        loop {
            let mut state = self.lock();
            let Some(next) = state.queue.pop() else {
                state.idle += 1;
                return None;
            };
            match PeerState::of(next.work.requester) {
                PeerState::HalfClosed if next.rank != Rank::Doubtful => state.queue.put_last(next),
                PeerState::Closed => {
                    drop(state);
                    let Next { work, .. } = next;
                    (work.perform)(Err(HashError::Full));
                }
                PeerState::Open | PeerState::HalfClosed => {
                    state.started += 1;
                    return Some(next.work);
                }
            }
        }
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

struct HashExecutor {
    shared: Arc<Shared>,
}

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
struct Work;

impl Handler<Work> for HashExecutor {
    type Result = ();

    fn handle(&mut self, _: Work, _: &mut Self::Context) {
        while let Some(job) = self.shared.next() {
            (job.perform)(Ok(()));
        }
    }
}
