//! Rooms: who has joined what on this node, and how messages reach them.
//!
//! A message goes to each worker thread that has sessions in its room, through the thread's bounded queue, and from there
//! straight into what waits for each client. It is written once for each dialect. `doorward_core::rooms` has the rules.
//!
//! | file | contents |
//! |---|---|
//! | `publication` | a message on its way, and how much is under way |
//! | `delivery` | how a transport takes one |
//! | `worker` | the sessions of one thread, and its loop |
//! | `application` | what the embedding application publishes |
//! | `pace` | how often users send |
//! | `closing` | which rooms were closed |
//! | `tokens` | room tokens: whose are taken, and which still count |
//! | `presence` | who is in the rooms, and the task that tells clients |
//! | `presence_nodes` | the same on the other nodes |

mod application;
mod closing;
pub mod delivery;
mod pace;
mod presence;
mod presence_nodes;
mod publication;
mod tokens;
mod worker;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use bytestring::ByteString;
use doorward_core::domain::UserId;
use doorward_core::rooms::presence::PresenceWish;
use doorward_core::rooms::{Kind, Kinds, RoomName};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use self::closing::Closings;
use self::pace::Paces;
use self::presence::Presence;
use crate::auth::room_tokens::RoomTokenKeys;
use crate::clock::Clock;
use crate::cluster::Relay;
use crate::directory::Revocations;
use crate::events::Events;
use crate::metrics::{Counter, Registry, count};

pub use presence::Whose;
pub use publication::{Content, Publication, Received, Scales, Weight};
pub use worker::{Approval, Seat, WorkerRooms};

/// Messages that may wait for a worker thread. Beyond it, a sender is told to come back.
const QUEUE: usize = 1024;

/// Locks to spread rooms over. One room's messages are queued under one of them, so that every thread has them in the same
/// order.
const SHARDS: usize = 16;

/// So many sessions of a room are on each worker thread that has any.
type Interest = Vec<(usize, usize)>;

/// All rooms of this process. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    kinds: Kinds,
    events: Arc<Events>,
    revocations: Arc<Revocations>,
    clock: Clock,
    workers: RwLock<Vec<mpsc::Sender<Arc<Publication>>>>,
    shards: [Mutex<HashMap<RoomName, Interest>>; SHARDS],
    hasher: RandomState,
    closings: Closings,
    /// The way to the other nodes; none without any.
    relay: OnceLock<Relay>,
    /// Whose room tokens are taken; none takes none.
    token_keys: OnceLock<RoomTokenKeys>,
    scales: Scales,
    paces: Paces,
    presence: Presence,
    messages: Counter<1>,
    cut: Counter<0>,
}

/// Which sessions a message to a room reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    ThisNode,
    AllNodes,
}

/// Too many messages are under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

/// A session's place in a room, given back when it is dropped.
pub struct Place {
    rooms: Rooms,
    room: RoomName,
    worker: usize,
    /// What the session wants to be told of who is there.
    pub wish: PresenceWish,
}

impl Place {
    #[must_use]
    pub const fn room(&self) -> &RoomName {
        &self.room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.rooms.exit(&self.room, self.worker);
    }
}

impl Rooms {
    #[must_use]
    pub fn new(kinds: Kinds, events: Arc<Events>, revocations: Arc<Revocations>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            kinds,
            events,
            revocations,
            clock,
            workers: RwLock::default(),
            shards: Default::default(),
            hasher: RandomState::new(),
            closings: Closings::default(),
            relay: OnceLock::new(),
            token_keys: OnceLock::new(),
            scales: Scales::default(),
            paces: Paces::default(),
            presence: Presence::default(),
            messages: Counter::new(["outcome"]).starting([
                ["published"],
                ["refused"],
                ["not_relayed"],
                ["dropped"],
            ]),
            cut: Counter::new([]).starting([[]]),
        }))
    }

    /// Connects the rooms with those of the other nodes. Once, before a session joins any.
    pub fn relay_by(&self, relay: Relay) {
        // A second one would be a mistake of the caller, and the first goes on.
        let _ = self.0.relay.set(relay);
    }

    /// How far messages reach now. None if there are no kinds of rooms.
    #[must_use]
    pub fn reach(&self) -> Option<Reach> {
        let is_connected = self.0.relay.get().is_some_and(Relay::is_connected);
        self.are_on().then_some(if is_connected { Reach::AllNodes } else { Reach::ThisNode })
    }

    /// Ready once messages of other nodes to these rooms reach this node. None if there is nothing to wait for.
    #[must_use]
    pub fn until_reached(&self, places: &[Place]) -> Option<BoxFuture<'static, ()>> {
        let relay = self.0.relay.get().filter(|_| !places.is_empty())?;
        relay.until_subscribed(places.iter().map(Place::room))
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
            "Messages to rooms: published by this node's clients, or refused because too many were under way; not_relayed \
             to the other nodes, though there are such; dropped, though another node had published them.",
            &self.0.messages,
        );
        registry.counter(
            "doorward_room_cuts_total",
            "Sessions that were closed because they did not read the messages of a room.",
            &self.0.cut,
        );
        self.register_presence_metrics(registry);
        self.register_token_metrics(registry);
        let this = self.clone();
        registry.reading("doorward_rooms", "Rooms that sessions of this node have joined.", move || {
            count(this.0.shards.iter().map(|shard| lock(shard).len()).sum())
        });
    }

    /// For a worker thread.
    #[must_use]
    pub fn start_worker(&self) -> WorkerRooms {
        let (queue, messages) = mpsc::channel(QUEUE);
        let number = {
            let mut workers = self.0.workers.write().unwrap_or_else(PoisonError::into_inner);
            workers.push(queue);
            workers.len() - 1
        };
        let worker = WorkerRooms::new(self.clone(), number);
        actix::spawn(worker.clone().deliver_for_ever(messages));
        worker
    }

    /// Counts a message of a user to a room.
    ///
    /// # Errors
    /// How long to wait, if the user has sent too many to rooms of the kind; then it does not count.
    pub fn count_sent(&self, user: UserId, room: &RoomName, kind: &Kind) -> Result<(), Duration> {
        let Some(pace) = kind.pace else { return Ok(()) };
        self.0.paces.take(user, room.kind(), pace, self.0.clock.instant())
    }

    /// Room for a message of so many bytes.
    ///
    /// # Errors
    /// [`Busy`] if too many are under way.
    pub fn weigh(&self, bytes: usize) -> Result<Weight, Busy> {
        self.0.scales.weigh(bytes).ok_or(Busy)
    }

    /// Publishes a message of this node's: to its own sessions, and to the other nodes.
    ///
    /// # Errors
    /// [`Busy`]; then no session gets it.
    pub fn publish(&self, publication: Publication, content: &ByteString) -> Result<(), Busy> {
        let relay = || {
            if self.0.relay.get().is_some_and(|relay| !relay.publish(&publication.room, content)) {
                self.0.messages.add(["not_relayed"], 1);
            }
        };
        let room = publication.room.clone();
        let shard = self.shard(&room);
        let places = self.reserve(&shard, &room)?;
        // Under the lock, so that other nodes have them in the same order.
        relay();
        hand_out(places, publication);
        self.0.messages.add(["published"], 1);
        Ok(())
    }

    /// Counts a message that is refused.
    pub fn count_refused(&self) {
        self.0.messages.add(["refused"], 1);
    }

    /// Hands a message of another node to the sessions of this one, or drops it.
    pub fn receive(&self, room: &RoomName, kind: Arc<Kind>, content: &ByteString) {
        let shard = self.shard(room);
        if !shard.contains_key(room) {
            return;
        }
        let places = self.weigh(content.len()).and_then(|weight| Ok((weight, self.reserve(&shard, room)?)));
        match places {
            Ok((weight, places)) => {
                hand_out(places, Publication::new(room.clone(), kind, None, content, weight));
            }
            Err(Busy) => self.0.messages.add(["dropped"], 1),
        }
    }

    /// Hands a message to this node's sessions alone.
    fn hand_to_own(&self, publication: Publication) -> Result<(), Busy> {
        let shard = self.shard(&publication.room);
        let places = self.reserve(&shard, &publication.room)?;
        hand_out(places, publication);
        Ok(())
    }

    /// A place in the queue of each thread that has sessions in the room: all get a message or none.
    fn reserve(
        &self,
        shard: &HashMap<RoomName, Interest>,
        room: &RoomName,
    ) -> Result<Vec<mpsc::OwnedPermit<Arc<Publication>>>, Busy> {
        let Some(interest) = shard.get(room) else { return Ok(Vec::new()) };
        let workers = self.0.workers.read().unwrap_or_else(PoisonError::into_inner);
        let queues = interest.iter().filter_map(|(worker, _)| workers.get(*worker));
        let places = queues.filter_map(|queue| match queue.clone().try_reserve_owned() {
            Ok(place) => Some(Ok(place)),
            Err(TrySendError::Full(_)) => Some(Err(Busy)),
            // A thread that has ended has no sessions.
            Err(TrySendError::Closed(_)) => None,
        });
        places.collect()
    }

    /// Takes a place in a room for a session of a worker thread.
    fn enter(&self, room: &RoomName, kind: &Kind, worker: usize) -> Option<Place> {
        let mut shard = self.shard(room);
        let interest = shard.entry(room.clone()).or_default();
        if interest.iter().map(|(_, sessions)| sessions).sum::<usize>() >= kind.max_joined {
            return None;
        }
        // Under the lock, so that joins and leaves of a room are told in their order.
        if interest.is_empty()
            && let Some(relay) = self.0.relay.get()
        {
            relay.joined(room);
        }
        match interest.iter_mut().find(|(of, _)| *of == worker) {
            Some((_, sessions)) => *sessions += 1,
            None => interest.push((worker, 1)),
        }
        Some(Place { rooms: self.clone(), room: room.clone(), worker, wish: PresenceWish::None })
    }

    fn exit(&self, room: &RoomName, worker: usize) {
        let mut shard = self.shard(room);
        let Some(interest) = shard.get_mut(room) else { return };
        if let Some((_, sessions)) = interest.iter_mut().find(|(of, _)| *of == worker) {
            *sessions = sessions.saturating_sub(1);
        }
        interest.retain(|(_, sessions)| *sessions > 0);
        if interest.is_empty() {
            shard.remove(room);
            self.0.closings.forget(room);
            if let Some(relay) = self.0.relay.get() {
                relay.left(room);
            }
        }
    }

    /// How many sessions of this node have joined the room.
    #[must_use]
    pub fn sessions_in(&self, room: &RoomName) -> usize {
        self.shard(room).get(room).into_iter().flatten().map(|(_, sessions)| sessions).sum()
    }

    /// Up to `limit` rooms of a kind, or of all, that sessions of this node have joined, past `after`.
    #[must_use]
    pub fn open_rooms(&self, kind: Option<&str>, after: &str, limit: usize) -> Vec<RoomName> {
        let mut rooms = Vec::new();
        for shard in &self.0.shards {
            let shard = lock(shard);
            let of_kind = |room: &&RoomName| kind.is_none_or(|kind| room.kind() == kind);
            rooms.extend(shard.keys().filter(of_kind).filter(|room| room.as_str() > after).cloned());
        }
        rooms.sort_unstable();
        rooms.truncate(limit);
        rooms
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

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn count_cut(&self, sessions: usize) {
        if sessions > 0 {
            self.0.cut.add([], u64::try_from(sessions).unwrap_or(u64::MAX));
        }
    }
}

fn hand_out(places: Vec<mpsc::OwnedPermit<Arc<Publication>>>, publication: Publication) {
    if places.is_empty() {
        return;
    }
    let publication = Arc::new(publication);
    for place in places {
        place.send(Arc::clone(&publication));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
