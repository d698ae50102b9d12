//! What the threads of a pool share with its handle: the queue, and which of them are idle.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::HashError;
use super::lane::{Client, PeerState, Requester};
use super::loads::Loads;
use super::queue::{FairQueue, Next, Rank};
use super::timings::QueueTimings;
use super::work::Task;
use crate::metrics::Stopwatch;

pub(super) struct Shared {
    state: Mutex<State>,
    pub timings: QueueTimings,
}

pub(super) struct State {
    pub queue: FairQueue<Client, Job>,
    /// Threads that have not been woken for work.
    pub idle: usize,
    loads: Loads,
    pub started: u64,
}

pub(super) struct Job {
    pub requester: Requester,
    pub task: Box<dyn Task>,
    /// Since it was queued; once a thread has taken it, since then.
    pub since: Stopwatch,
}

impl Shared {
    pub fn new(queue: FairQueue<Client, Job>, threads: usize, timings: QueueTimings) -> Self {
        let state = State { queue, idle: threads, loads: Loads::new(threads), started: 0 };
        Self { state: Mutex::new(state), timings }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next work for a thread that has `load` pieces already, unless another thread has fewer. Without
    /// work, a thread that has none becomes idle.
    pub fn next(&self, thread: usize, load: usize) -> Option<Job> {
        loop {
            let mut state = self.lock();
            if !state.loads.may_take(thread, load) {
                return None;
            }
            let Some(next) = state.queue.pop() else {
                state.idle += usize::from(load == 0);
                return None;
            };
            match PeerState::of(next.work.requester) {
                PeerState::HalfClosed if next.rank != Rank::Doubtful => state.queue.put_last(next),
                PeerState::Closed => {
                    drop(state);
                    let Next { work, .. } = next;
                    work.task.refuse(HashError::Full);
                }
                PeerState::Open | PeerState::HalfClosed => {
                    state.loads.add(thread);
                    state.started += 1;
                    drop(state);
                    let Next { mut work, .. } = next;
                    self.timings.waits.observe(work.since.lap());
                    return Some(work);
                }
            }
        }
    }

    /// Says that a thread takes no other work until it calls [`Shared::next`].
    pub fn occupy(&self, thread: usize) {
        self.lock().loads.occupy(thread);
    }
}
