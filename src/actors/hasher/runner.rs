//! What a hashing thread does: it has several pieces of work at a time, as many as it has lanes for hashes.

use std::collections::VecDeque;
use std::sync::Arc;

use bcrypt_lanes::{Id, Lanes};

use super::shared::{Job, Shared};
use crate::auth::hash_requests::Request;
use crate::config::Hashing;

/// Rounds of bcrypt between two looks at the queue: about a millisecond.
const ROUNDS: u32 = 16;

/// Runs the work of one thread.
pub(super) struct Runner {
    shared: Arc<Shared>,
    /// Which of the pool's threads this is.
    thread: usize,
    /// Without them, hashes are computed one after the other.
    lanes: Option<Lanes>,
    /// Work that waits for a hash in the lanes.
    hashing: Vec<(Id, Job)>,
    /// Work that waits until the lanes are empty, to have the thread for itself.
    waiting: VecDeque<Job>,
}

impl Runner {
    pub fn new(shared: Arc<Shared>, thread: usize, hashing: Hashing) -> Self {
        Self {
            shared,
            thread,
            lanes: (hashing == Hashing::Interleaved).then(Lanes::new),
            hashing: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Returns when the queue is empty and all work done.
    pub fn run(&mut self) {
        loop {
            self.fill();
            if let Some(finished) = self.lanes.as_mut().and_then(|lanes| lanes.advance(ROUNDS)) {
                let at = self.hashing.iter().position(|(id, _)| *id == finished.id);
                // Each hash was started for a job.
                if let Some((_, mut job)) = at.map(|at| self.hashing.swap_remove(at)) {
                    job.task.answer(Some(finished.digest));
                    self.resume(job);
                }
            } else if self.hashing.is_empty() {
                let Some(job) = self.waiting.pop_front() else { return };
                self.run_alone(job);
            }
        }
    }

    /// Takes work while there is a free lane. Not while other work waits for the lanes to become empty.
    fn fill(&mut self) {
        let width = if self.lanes.is_some() { Lanes::WIDTH } else { 1 };
        while self.waiting.is_empty() && self.hashing.len() < width {
            let Some(job) = self.shared.next(self.thread, self.hashing.len()) else { return };
            self.resume(job);
        }
    }

    /// Runs work until it waits or is done.
    fn resume(&mut self, mut job: Job) {
        while let Some(request) = job.task.resume() {
            match (request, &mut self.lanes) {
                (Request::Bcrypt(input), Some(lanes)) => {
                    // There is a lane for each job, so this is a cost that bcrypt does not have.
                    let started = input.for_lanes().and_then(|input| lanes.start(&input));
                    let Some(id) = started else {
                        job.task.answer(None);
                        continue;
                    };
                    return self.hashing.push((id, job));
                }
                (Request::Bcrypt(input), None) => job.task.answer(input.compute()),
                (Request::Thread, _) => {
                    // Others take the queue's work meanwhile.
                    self.shared.occupy(self.thread);
                    if !self.hashing.is_empty() {
                        return self.waiting.push_back(job);
                    }
                    job.task.give_thread();
                }
            }
        }
        self.shared.timings.work.observe(job.since.elapsed());
    }

    fn run_alone(&mut self, mut job: Job) {
        job.task.give_thread();
        self.resume(job);
    }
}
