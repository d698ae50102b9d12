//! Hashes that are computed together.

use std::fmt;

use zeroize::Zeroize;

use crate::blowfish::{self, State, Words};
use crate::{Digest, Input};

/// Up to [`Lanes::WIDTH`] hashes that run at once. Their costs may differ, and each may start at any time.
///
/// Nothing runs in the background: [`Lanes::advance`] does the work.
pub struct Lanes {
    /// The running hashes come first, in all arrays alike.
    states: Box<[State; Self::WIDTH]>,
    keys: [Words; Self::WIDTH],
    salts: [Words; Self::WIDTH],
    /// Rounds that are still to run.
    left: [u32; Self::WIDTH],
    ids: [Id; Self::WIDTH],
    running: usize,
    next_id: u64,
}

/// Names a hash among those that one [`Lanes`] has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

/// A hash that has left its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What [`Lanes::start`] returned for it.
    pub id: Id,
    pub digest: Digest,
}

impl Lanes {
    /// The most hashes that run at once. More of them take longer each, and no longer add much: with four,
    /// each takes about as long as one alone with an implementation that computes one at a time.
    pub const WIDTH: usize = 4;

    /// All lanes are free.
    #[must_use]
    #[expect(clippy::large_stack_arrays, reason = "17 kB, before they are on the heap")]
    pub fn new() -> Self {
        Self {
            states: Box::new([const { State::INITIAL }; Self::WIDTH]),
            keys: [[0; 18]; Self::WIDTH],
            salts: [[0; 18]; Self::WIDTH],
            left: [0; Self::WIDTH],
            ids: [Id(0); Self::WIDTH],
            running: 0,
            next_id: 0,
        }
    }

    /// How many hashes have been started and not been returned.
    #[must_use]
    pub const fn running(&self) -> usize {
        self.running
    }

    /// Starts a hash, which takes as long as half a round. `None` if no lane is free.
    pub fn start(&mut self, input: &Input) -> Option<Id> {
        let lane = self.running;
        let state = self.states.get_mut(lane)?;
        state.start(&input.key, input.salt);
        self.keys[lane] = input.key;
        self.salts[lane] = std::array::from_fn(|at| input.salt[at % 4]);
        self.left[lane] = input.rounds();
        let id = Id(self.next_id);
        self.ids[lane] = id;
        self.next_id += 1;
        self.running += 1;
        Some(id)
    }

    /// Runs at most `rounds` rounds of each hash, and fewer if one of them is finished before. Returns one
    /// that is finished. Another one that is finished too is returned by the next call, without any work.
    ///
    /// A round of bcrypt takes about 50 microseconds alone, and 60 with all lanes.
    pub fn advance(&mut self, rounds: u32) -> Option<Finished> {
        let left = &mut self.left[..self.running];
        let count = left.iter().copied().min()?.min(rounds);
        for left in left {
            *left -= count;
        }
        match self.running {
            1 => self.run::<1>(count),
            2 => self.run::<2>(count),
            3 => self.run::<3>(count),
            _ => self.run::<{ Self::WIDTH }>(count),
        }
        let lane = self.left[..self.running].iter().position(|left| *left == 0)?;
        let finished = Finished { id: self.ids[lane], digest: Digest::from(self.states[lane].finish()) };
        self.free(lane);
        Some(finished)
    }

    /// Runs rounds of the first `N` lanes.
    fn run<const N: usize>(&mut self, count: u32) {
        const { assert!(N <= Self::WIDTH) };
        let lanes = (self.states.first_chunk_mut(), self.keys.first_chunk(), self.salts.first_chunk());
        // Always so, as there are at least `N` of each.
        if let (Some(states), Some(keys), Some(salts)) = lanes {
            blowfish::rounds::<N>(states, keys, salts, count);
        }
    }

    /// The last running hash takes the place of this one, whose traces are overwritten.
    fn free(&mut self, lane: usize) {
        self.running -= 1;
        let last = self.running;
        self.states.swap(lane, last);
        self.keys.swap(lane, last);
        self.salts.swap(lane, last);
        self.left.swap(lane, last);
        self.ids.swap(lane, last);
        self.wipe(last);
    }

    fn wipe(&mut self, lane: usize) {
        self.states[lane].zeroize();
        self.keys[lane].zeroize();
        self.salts[lane].zeroize();
    }
}

impl Input {
    /// Computes the hash now, alone: for a caller that has only one.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut lanes = Lanes::new();
        lanes.start(self);
        loop {
            if let Some(finished) = lanes.advance(self.rounds()) {
                return finished.digest;
            }
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        (0..self.running).for_each(|lane| self.wipe(lane));
    }
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("running", &self.running).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_trace_of_a_finished_hash_is_left() {
        let mut lanes = Lanes::new();
        let input = |password: &[u8], cost| Input::new(password, cost, *b"0123456789abcdef").unwrap();
        let (short, long) = (input(b"short", 4), input(b"long", 5));
        lanes.start(&short);
        lanes.start(&long);
        while lanes.running() == 2 {
            lanes.advance(16);
        }
        assert_eq!(lanes.keys, [long.key, [0; 18], [0; 18], [0; 18]], "the other one moved up");
        assert!(lanes.states[0].is_wiped() != lanes.states[1].is_wiped());
        while lanes.running() == 1 {
            lanes.advance(16);
        }
        assert!(lanes.states[..2].iter().all(State::is_wiped));
        assert_eq!((lanes.keys, lanes.salts), ([[0; 18]; 4], [[0; 18]; 4]));
    }
}
