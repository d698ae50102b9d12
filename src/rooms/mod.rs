//! Rooms: who has joined what on this node, and how messages reach them.
//!
//! A message goes to each worker thread that has sessions in its room, through the thread's bounded queue, and from there
//! straight into what waits for each client. It is written once for each dialect. `doorward_core::rooms` has the rules.
//!
//! | file | contents |
//! |---|---|
//! | `publication` | a message on its way |
//! | `delivery` | how a transport takes one |
//! | `worker` | the sessions of one thread, and its loop |

pub mod delivery;
mod publication;
mod worker;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytestring::ByteString;
use doorward_core::rooms::{Kind, Kinds, RoomName};
use tokio::sync::mpsc;

use crate::directory::Revocations;
use crate::events::Events;
use crate::metrics::{Counter, Registry, count};

pub use publication::{Content, From, Publication};
pub use worker::{Member, WorkerRooms};

/// Messages that may wait for a worker thread. Beyond it, a sender is told to come back.
const QUEUE: usize = 4096;

/// Locks to spread rooms over. One room's messages are queued under one of them, so that every thread has them in the same
/// order.
const SHARDS: usize = 16;

/// So many sessions of a room are on each worker thread.
type Interest = Vec<usize>;

/// Passes a message on to the other nodes.
pub type Relay = Box<dyn Fn(&RoomName, &ByteString) + Send + Sync>;

/// All rooms of this process. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    kinds: Kinds,
    events: Arc<Events>,
    revocations: Arc<Revocations>,
    workers: Mutex<Vec<mpsc::Sender<Arc<Publication>>>>,
    shards: [Mutex<HashMap<RoomName, Interest>>; SHARDS],
    hasher: RandomState,
    relay: OnceLock<Relay>,
    messages: Counter<1>,
    cut: Counter<0>,
}

/// A worker thread has too many messages to hand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Rooms {
    #[must_use]
    pub fn new(kinds: Kinds, events: Arc<Events>, revocations: Arc<Revocations>) -> Self {
        Self(Arc::new(Inner {
            kinds,
            events,
            revocations,
            workers: Mutex::default(),
            shards: Default::default(),
            hasher: RandomState::new(),
            relay: OnceLock::new(),
            messages: Counter::new(["outcome"]).starting([["published"], ["refused"]]),
            cut: Counter::new([]).starting([[]]),
        }))
    }

    /// Passes messages that are published here to the other nodes. Once, before the first of them.
    pub fn relay_by(&self, relay: Relay) {
        // A second one would be a mistake of the caller, and the first goes on.
        let _ = self.0.relay.set(relay);
    }

    /// Whether there are any kinds of rooms.
    #[must_use]
    pub fn are_on(&self) -> bool {
        !self.0.kinds.is_empty()
    }

    #[must_use]
    pub fn kinds(&self) -> &Kinds {
        &self.0.kinds
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_room_messages_total",
            "Messages to rooms from this node's clients: published, or refused because a thread had too many to hand out.",
            &self.0.messages,
        );
        registry.counter(
            "doorward_room_cuts_total",
            "Sessions that were closed because they did not read the messages of a room.",
            &self.0.cut,
        );
        let this = self.clone();
        registry.reading("doorward_rooms", "Rooms that sessions of this node have joined.", move || {
            count(this.0.shards.iter().map(|shard| lock(shard).len()).sum())
        });
    }

    /// For a worker thread.
    #[must_use]
    pub fn start_worker(&self) -> WorkerRooms {
        let (queue, messages) = mpsc::channel(QUEUE);
        let mut workers = lock(&self.0.workers);
        workers.push(queue);
        WorkerRooms::start(self.clone(), workers.len() - 1, messages)
    }

    /// Publishes a message of this node's: to its own sessions, and to the other nodes.
    ///
    /// # Errors
    /// [`Busy`]; then no session gets it.
    pub fn publish(&self, publication: Publication, content: &ByteString) -> Result<(), Busy> {
        let room = publication.room.clone();
        let published = self.hand_out(publication);
        self.0.messages.add([if published.is_ok() { "published" } else { "refused" }], 1);
        published?;
        self.relay(&room, content);
        Ok(())
    }

    /// Passes a message to the other nodes alone.
    pub fn relay(&self, room: &RoomName, content: &ByteString) {
        if let Some(relay) = self.0.relay.get() {
            relay(room, content);
        }
    }

    /// Hands a message to the sessions of this node.
    ///
    /// # Errors
    /// [`Busy`]; then no session gets it.
    pub fn hand_out(&self, publication: Publication) -> Result<(), Busy> {
        let shard = self.shard(&publication.room);
        let Some(interest) = shard.get(&publication.room) else { return Ok(()) };
        let workers = lock(&self.0.workers);
        let interested = interest.iter().zip(workers.iter()).filter(|(sessions, _)| **sessions > 0);
        // A place in each queue first, so that all get it or none.
        let places: Result<Vec<_>, _> = interested.map(|(_, queue)| queue.try_reserve()).collect();
        let publication = Arc::new(publication);
        for place in places.map_err(|_| Busy)? {
            place.send(Arc::clone(&publication));
        }
        Ok(())
    }

    /// Takes a place in a room for a session of a worker thread.
    fn enter(&self, room: &RoomName, kind: &Kind, worker: usize) -> bool {
        let mut shard = self.shard(room);
        let interest = shard.entry(room.clone()).or_default();
        if interest.iter().sum::<usize>() >= kind.max_joined {
            return false;
        }
        if interest.len() <= worker {
            interest.resize(worker + 1, 0);
        }
        interest[worker] += 1;
        true
    }

    /// Gives such a place back.
    fn exit(&self, room: &RoomName, worker: usize) {
        let mut shard = self.shard(room);
        if let Some(interest) = shard.get_mut(room) {
            if let Some(sessions) = interest.get_mut(worker) {
                *sessions = sessions.saturating_sub(1);
            }
            if interest.iter().all(|sessions| *sessions == 0) {
                shard.remove(room);
            }
        }
    }

    fn shard(&self, room: &RoomName) -> MutexGuard<'_, HashMap<RoomName, Interest>> {
        let at = usize::try_from(self.0.hasher.hash_one(room) % SHARDS as u64).unwrap_or_default();
        lock(&self.0.shards[at])
    }

    fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    fn events(&self) -> &Events {
        &self.0.events
    }

    fn count_cut(&self, sessions: usize) {
        if sessions > 0 {
            self.0.cut.add([], u64::try_from(sessions).unwrap_or(u64::MAX));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
