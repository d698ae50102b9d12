//! What each network has used of a limit: the bounded table in which `governor` keeps its state.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;

/// Budgets that are shared while the table is full: one for each group of neighbourhoods.
const SHARED: usize = 1024;

/// The table of one limit. Clones share it.
///
/// It holds at most `max` networks. While it is full, a network that is not in it shares a budget of the same
/// size with its neighbourhood (an IPv4 /16, an IPv6 /32). So memory stays bounded, every network has a
/// limit, and a flood from one provider's addresses does not use up the budget of newcomers from elsewhere.
#[derive(Clone)]
pub(super) struct Networks(Arc<Shared>);

struct Shared {
    max: usize,
    /// Whether the table may hold anything. If not, no caller needs the lock.
    used: AtomicBool,
    /// Whether a network found no room since the last sweep.
    full: AtomicBool,
    state: Mutex<State>,
}

/// Theoretical arrival times (the whole state of GCRA), counted from the limiter's start.
#[derive(Default)]
struct State {
    own: HashMap<IpAddr, Nanos>,
    /// Empty, or of length [`SHARED`].
    shared: Vec<Nanos>,
    hasher: RandomState,
}

impl State {
    fn shared_index(&self, network: IpAddr) -> usize {
        let hash = self.hasher.hash_one(neighbourhood(network));
        // The remainder is smaller than a `usize`.
        usize::try_from(hash % SHARED as u64).unwrap_or_default()
    }
}

impl Networks {
    pub(super) fn new(max: usize) -> Self {
        Self(Arc::new(Shared {
            max,
            used: AtomicBool::new(false),
            full: AtomicBool::new(false),
            state: Mutex::default(),
        }))
    }

    /// The arrival time noted for a network; none if it used nothing lately.
    pub(super) fn get(&self, network: IpAddr) -> Option<Nanos> {
        if !self.0.used.load(Ordering::Acquire) {
            return None;
        }
        let state = self.state();
        match state.own.get(&network) {
            Some(arrival) => Some(*arrival),
            None if state.own.len() >= self.0.max => state.shared.get(state.shared_index(network)).copied(),
            None => None,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.full.load(Ordering::Relaxed)
    }

    pub(super) fn has_room(&self) -> bool {
        self.state().own.len() < self.0.max
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Networks {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, network: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut state = self.state();
        if let Some(arrival) = state.own.get_mut(network) {
            let (outcome, next) = decide(Some(*arrival))?;
            *arrival = next;
            return Ok(outcome);
        }
        if state.own.len() < self.0.max {
            let (outcome, next) = decide(None)?;
            state.own.insert(*network, next);
            self.0.used.store(true, Ordering::Release);
            return Ok(outcome);
        }
        self.0.full.store(true, Ordering::Relaxed);
        state.shared.resize(SHARED, Nanos::default());
        let index = state.shared_index(*network);
        // Zero is long ago, so it decides as no entry does.
        let (outcome, next) = decide(Some(state.shared[index]))?;
        state.shared[index] = next;
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<IpAddr> for Networks {
    /// Drops networks whose budget is full again.
    fn retain_recent(&self, drop_below: Nanos) {
        let mut state = self.state();
        state.own.retain(|_, arrival| *arrival > drop_below);
        if state.shared.iter().all(|arrival| *arrival <= drop_below) {
            state.shared = Vec::new();
        }
        self.0.full.store(false, Ordering::Relaxed);
        self.0.used.store(!state.own.is_empty(), Ordering::Release);
    }

    fn shrink_to_fit(&self) {
        let mut state = self.state();
        // A table that is half in use would soon grow again.
        if state.own.capacity() / 4 > state.own.len() {
            state.own.shrink_to_fit();
        }
    }

    fn len(&self) -> usize {
        self.state().own.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The range that one provider usually assigns, from which a flood of one source comes.
fn neighbourhood(network: IpAddr) -> IpAddr {
    match network {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & 0xffff_0000).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 96)).into(),
    }
}
