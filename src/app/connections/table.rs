//! The table of connections, and which one has to go when there are too many. No I/O: the caller closes the
//! connections that it returns.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// An address with fewer connections than this may use the reserve.
const FEW: usize = 4;

/// No deadline.
pub const NEVER: u64 = u64::MAX >> PHASE_BITS;
const PHASE_BITS: u32 = 4;

/// Places of an [`Entry`] that is in no list.
const LIVE: usize = usize::MAX - 1;
const REMOVED: usize = usize::MAX;

/// What a connection is waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The client's part of a TLS handshake.
    Handshake,
    /// The rest of a request's head; for the first request, all of it.
    Head,
    /// The rest of a request's body.
    Body,
    /// The server: a request is being served.
    Busy,
    /// The client, to read a response.
    Response,
    /// The next request.
    Idle,
    /// A client that signs in over TCP.
    Prompt,
    /// The end of the connection.
    Closing,
    /// Its head was late: it gets a response, then it is closed.
    Late,
    /// A live session, which has deadlines of its own.
    Live,
}

const PHASES: [Phase; 10] = [
    Phase::Handshake,
    Phase::Head,
    Phase::Body,
    Phase::Busy,
    Phase::Response,
    Phase::Idle,
    Phase::Prompt,
    Phase::Closing,
    Phase::Late,
    Phase::Live,
];

/// A phase and its deadline, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub phase: Phase,
    pub due: u64,
}

impl Mark {
    #[must_use]
    pub const fn new(phase: Phase, due: u64) -> Self {
        Self { phase, due }
    }

    const fn pack(self) -> u64 {
        let due = if self.due > NEVER { NEVER } else { self.due };
        due << PHASE_BITS | self.phase as u64
    }

    fn unpack(bits: u64) -> Self {
        let phase = usize::try_from(bits & ((1 << PHASE_BITS) - 1)).unwrap_or_default();
        // Only packed marks are unpacked.
        Self { phase: PHASES.get(phase).copied().unwrap_or(Phase::Closing), due: bits >> PHASE_BITS }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    Http,
    Tcp,
}

/// One connection. Its own thread changes its mark without a lock; the rest belongs to the table.
#[derive(Debug)]
pub struct Entry {
    /// Increasing: a higher id is younger.
    id: u64,
    /// None for a trusted proxy, which stands for many clients.
    client: Option<IpAddr>,
    pub listener: Listener,
    mark: AtomicU64,
    /// The index in its client's list. Changed under the table's lock.
    place: AtomicUsize,
    /// None once the connection ends, because the number may then belong to another file.
    descriptor: Mutex<Option<RawFd>>,
}

impl Entry {
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark::unpack(self.mark.load(Ordering::Relaxed))
    }

    pub fn set(&self, mark: Mark) {
        self.mark.store(mark.pack(), Ordering::Relaxed);
    }

    fn change(&self, from: Mark, to: Mark) -> bool {
        self.mark.compare_exchange(from.pack(), to.pack(), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Calls `act` with the descriptor, if it still belongs to this connection.
    pub fn with_descriptor(&self, act: impl FnOnce(RawFd)) {
        if let Some(descriptor) = *self.descriptor.lock().unwrap_or_else(PoisonError::into_inner) {
            act(descriptor);
        }
    }

    /// Must be called before the descriptor is closed.
    pub fn forget_descriptor(&self) {
        *self.descriptor.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn place(&self) -> usize {
        self.place.load(Ordering::Relaxed)
    }
}

/// Bounds on the number of connections.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of all clients.
    pub total: usize,
    /// The last of these are for addresses with few.
    pub reserve: usize,
    /// Of all clients at the TCP listener.
    pub over_tcp: usize,
    pub per_address: usize,
    /// Concurrent TLS handshakes of one address.
    pub handshakes: usize,
}

/// The connections of one client.
#[derive(Debug, Default)]
struct Client {
    open: usize,
    handshakes: usize,
    /// Those that are not live sessions.
    entries: Vec<Arc<Entry>>,
}

#[derive(Debug)]
pub struct Table {
    bounds: Bounds,
    clients: HashMap<Option<IpAddr>, Client>,
    open: usize,
    over_tcp: usize,
    /// Of these, live sessions.
    live: usize,
    next_id: u64,
}

/// An admitted connection, and those that have to be closed for it.
#[derive(Debug)]
pub struct Admitted {
    pub entry: Arc<Entry>,
    pub displaced: Vec<Arc<Entry>>,
}

/// Connections whose deadline has passed.
#[derive(Debug, Default)]
pub struct Overdue {
    /// These get a response.
    pub late: Vec<Arc<Entry>>,
    /// These are no longer in the table.
    pub closed: Vec<Arc<Entry>>,
}

impl Table {
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, clients: HashMap::new(), open: 0, over_tcp: 0, live: 0, next_id: 0 }
    }

    #[cfg(test)]
    pub fn open_of(&self, client: Option<IpAddr>) -> usize {
        self.clients.get(&client).map_or(0, |client| client.open)
    }

    /// Admits a connection of `client`, or none if it may displace no other.
    pub fn admit(
        &mut self,
        client: Option<IpAddr>,
        listener: Listener,
        mark: Mark,
        descriptor: Option<RawFd>,
    ) -> Option<Admitted> {
        // Clients behind a trusted proxy cannot be told apart, so they count as having none yet.
        let own = client.and(self.clients.get(&client)).map_or(0, |client| client.open);
        let Bounds { total, reserve, over_tcp, per_address, handshakes } = self.bounds;
        let mut displaced = Vec::new();
        if own >= per_address {
            displaced.push(self.longest_idle(client)?);
        } else if listener == Listener::Tcp && self.over_tcp >= over_tcp {
            displaced.push(self.victim(client, own, |entry| entry.listener == Listener::Tcp)?);
        } else if self.open >= total || (self.open + reserve >= total && own >= FEW) {
            displaced.push(self.victim(client, own, |_| true)?);
        }
        let shaking = mark.phase == Phase::Handshake;
        if shaking
            && client.is_some()
            && let Some(client) = self.clients.get(&client)
            && client.handshakes >= handshakes
        {
            // The oldest has been silent longest: an honest handshake takes a few round trips.
            let oldest = client.entries.iter().filter(|entry| entry.mark().phase == Phase::Handshake);
            displaced.extend(oldest.min_by_key(|entry| entry.id).cloned());
        }
        for entry in &displaced {
            self.remove(entry);
        }
        self.next_id += 1;
        let entry = Arc::new(Entry {
            id: self.next_id,
            client,
            listener,
            mark: AtomicU64::new(mark.pack()),
            place: AtomicUsize::new(REMOVED),
            descriptor: Mutex::new(descriptor),
        });
        self.open += 1;
        self.over_tcp += usize::from(listener == Listener::Tcp);
        let client = self.clients.entry(client).or_default();
        client.open += 1;
        client.handshakes += usize::from(shaking);
        client.list(&entry);
        Some(Admitted { entry, displaced })
    }

    /// The handshake is complete.
    pub fn secured(&mut self, entry: &Entry, mark: Mark) {
        if entry.place() != REMOVED
            && let Some(client) = self.clients.get_mut(&entry.client)
        {
            client.handshakes -= usize::from(entry.mark().phase == Phase::Handshake);
            entry.set(mark);
        }
    }

    /// The connection has become a live session: it still counts, but has no deadline here.
    pub fn becomes_live(&mut self, entry: &Entry) {
        if entry.place() < LIVE
            && let Some(client) = self.clients.get_mut(&entry.client)
        {
            client.unlist(entry);
            entry.place.store(LIVE, Ordering::Relaxed);
            self.live += 1;
            entry.set(Mark::new(Phase::Live, NEVER));
        }
    }

    /// Removes a connection, once.
    pub fn remove(&mut self, entry: &Entry) {
        if entry.place() == REMOVED {
            return;
        }
        if let Some(client) = self.clients.get_mut(&entry.client) {
            client.handshakes -= usize::from(entry.mark().phase == Phase::Handshake);
            client.unlist(entry);
            client.open -= 1;
            if client.open == 0 {
                self.clients.remove(&entry.client);
            }
        }
        self.live -= usize::from(entry.place() == LIVE);
        entry.place.store(REMOVED, Ordering::Relaxed);
        self.open -= 1;
        self.over_tcp -= usize::from(entry.listener == Listener::Tcp);
    }

    /// Finds connections whose deadline has passed. Those to be closed are removed from the table.
    pub fn overdue(&mut self, now: u64, late_response_time: u64) -> Overdue {
        let mut overdue = Overdue::default();
        for entry in self.clients.values().flat_map(|client| &client.entries) {
            let mark = entry.mark();
            if mark.due > now {
                continue;
            }
            // A mark that its own thread changes at this moment is in time.
            if mark.phase == Phase::Head && entry.listener == Listener::Http {
                if entry.change(mark, Mark::new(Phase::Late, now + late_response_time)) {
                    overdue.late.push(Arc::clone(entry));
                }
            } else if mark.phase == Phase::Handshake || entry.change(mark, Mark::new(Phase::Closing, NEVER)) {
                overdue.closed.push(Arc::clone(entry));
            }
        }
        for entry in &overdue.closed {
            self.remove(entry);
        }
        overdue
    }

    /// How many connections there are.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// How many live sessions have their connections still.
    #[must_use]
    pub const fn live(&self) -> usize {
        self.live
    }

    /// Whether any connection has a deadline here.
    #[must_use]
    pub const fn has_deadlines(&self) -> bool {
        self.open > self.live
    }

    fn longest_idle(&self, client: Option<IpAddr>) -> Option<Arc<Entry>> {
        self.clients.get(&client)?.longest_idle(|_| true)
    }

    /// Which connection to close for another one of `client`, which has `own`: the one idle longest, of the
    /// client with most; otherwise the youngest that waits for its client, of a client with more than this
    /// one.
    fn victim(
        &self,
        client: Option<IpAddr>,
        own: usize,
        which: impl Fn(&Entry) -> bool,
    ) -> Option<Arc<Entry>> {
        let mut order: Vec<_> = self.clients.iter().filter(|(_, other)| other.open >= own).collect();
        // Proxies come last: closing their connections affects many clients.
        order.sort_by_key(|(key, other)| (key.is_none(), Reverse(other.open), **key != client));
        if let Some(idle) = order.iter().find_map(|(_, other)| other.longest_idle(&which)) {
            return Some(idle);
        }
        order
            .iter()
            .filter(|(key, other)| key.is_some() && other.open > own)
            .find_map(|(_, other)| other.youngest_waiting(&which))
    }
}

impl Client {
    fn list(&mut self, entry: &Arc<Entry>) {
        entry.place.store(self.entries.len(), Ordering::Relaxed);
        self.entries.push(Arc::clone(entry));
    }

    fn unlist(&mut self, entry: &Entry) {
        let place = entry.place();
        if place < self.entries.len() {
            self.entries.swap_remove(place);
            if let Some(moved) = self.entries.get(place) {
                moved.place.store(place, Ordering::Relaxed);
            }
        }
        if self.entries.is_empty() {
            // A client with live sessions only keeps no list.
            self.entries = Vec::new();
        }
    }

    fn longest_idle(&self, which: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let idle = self.entries.iter().filter(|entry| which(entry));
        let idle = idle.filter(|entry| entry.mark().phase == Phase::Idle);
        idle.min_by_key(|entry| entry.mark().due).cloned()
    }

    fn youngest_waiting(&self, which: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let waiting = self.entries.iter().filter(|entry| which(entry));
        let waiting = waiting.filter(|entry| !matches!(entry.mark().phase, Phase::Busy | Phase::Live));
        waiting.max_by_key(|entry| entry.id).cloned()
    }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
