//! Of which rooms this node is sent the messages of others: those that its sessions have joined, those of its users, and for
//! a while those that the last session has left. No I/O: what to tell Redis comes out of it, and what Redis has confirmed
//! goes in.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use doorward_core::rooms::RoomName;
use tokio::sync::oneshot;

/// How long a room is kept after its last session has left: a client that reconnects causes no traffic.
const LINGER: Duration = Duration::from_secs(5);

/// Rooms that are kept like that. Beyond it, the longest kept is given up early.
const MOST_LINGERING: usize = 65_536;

/// Rooms in one command.
pub(super) const BATCH: usize = 1000;

/// Sessions that wait until a subscription is confirmed: that is when their senders are dropped.
type Waiters = Vec<oneshot::Sender<()>>;

#[derive(Debug, Default)]
pub(super) struct Interest {
    rooms: HashMap<RoomName, Subscription>,
    /// Rooms that were joined since the connection began; sessions wait for them.
    fresh: VecDeque<RoomName>,
    /// Rooms that were joined before.
    earlier: Vec<RoomName>,
    /// Some of these were asked for, and are not confirmed yet.
    is_catching_up: bool,
    /// Rooms that the last session has left, and when, in this order. Some have been joined again.
    left: VecDeque<(Instant, RoomName)>,
    connected: bool,
}

#[derive(Debug)]
struct Subscription {
    state: State,
    /// How many parts of this node want it: the room of a user carries messages and lists of sessions.
    holders: u8,
    /// When its last session left; none while one is there.
    left: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Wanted(Waiters),
    Confirmed,
}

impl Interest {
    /// A first session has joined the room, or the room's user has connected. Answers whether the subscription is confirmed
    /// already.
    pub fn join(&mut self, room: &RoomName) -> bool {
        if let Some(subscription) = self.rooms.get_mut(room) {
            subscription.holders += 1;
            subscription.left = None;
            return matches!(subscription.state, State::Confirmed);
        }
        let state = State::Wanted(Vec::new());
        self.rooms.insert(room.clone(), Subscription { state, holders: 1, left: None });
        if self.connected {
            self.fresh.push_back(room.clone());
        }
        false
    }

    /// The last session has left it, or the room's user has disconnected.
    pub fn leave(&mut self, room: &RoomName, now: Instant) {
        let Some(subscription) = self.rooms.get_mut(room) else { return };
        subscription.holders = subscription.holders.saturating_sub(1);
        if subscription.holders > 0 {
            return;
        }
        if self.connected {
            subscription.left = Some(now);
            self.left.push_back((now, room.clone()));
        } else {
            // There is no subscription to keep.
            self.rooms.remove(room);
        }
    }

    /// Ready when the subscription of a room is confirmed or the connection is lost. None if it is confirmed already, or
    /// there is no connection: then there is nothing to wait for.
    pub fn until_confirmed(&mut self, room: &RoomName) -> Option<oneshot::Receiver<()>> {
        let subscription = self.rooms.get_mut(room).filter(|_| self.connected)?;
        let State::Wanted(waiters) = &mut subscription.state else { return None };
        let (sender, receiver) = oneshot::channel();
        waiters.push(sender);
        Some(receiver)
    }

    /// There is a new connection, which has no subscription yet.
    pub fn connect(&mut self) {
        self.disconnect();
        self.connected = true;
        self.earlier = self.rooms.keys().cloned().collect();
    }

    /// The connection was lost.
    pub fn disconnect(&mut self) {
        self.connected = false;
        (self.fresh, self.earlier, self.left, self.is_catching_up) = Default::default();
        self.rooms.retain(|_, subscription| subscription.left.is_none());
        for subscription in self.rooms.values_mut() {
            subscription.state = State::Wanted(Vec::new());
        }
    }

    /// Rooms to subscribe to now. One batch is confirmed before the next is asked for.
    pub fn take_wanted(&mut self) -> Vec<RoomName> {
        let mut batch = Vec::new();
        self.is_catching_up |= !self.earlier.is_empty();
        while batch.len() < BATCH
            && let Some(room) = self.fresh.pop_front().or_else(|| self.earlier.pop())
        {
            // It may have been given up, or named twice.
            let is_wanted = self.rooms.get(&room).is_some_and(|room| matches!(room.state, State::Wanted(_)));
            if is_wanted {
                batch.push(room);
            }
        }
        self.is_catching_up &= !batch.is_empty();
        if self.fresh.is_empty() && self.earlier.is_empty() {
            // They keep no room for the next herd.
            (self.fresh, self.earlier) = Default::default();
        }
        batch
    }

    /// Redis has confirmed the subscriptions.
    pub fn confirm(&mut self, batch: &[RoomName]) {
        for room in batch {
            if let Some(subscription) = self.rooms.get_mut(room) {
                subscription.state = State::Confirmed;
            }
        }
        self.is_catching_up &= !self.earlier.is_empty();
    }

    /// Rooms whose subscription is to be ended: no session has been there for [`LINGER`].
    pub fn take_given_up(&mut self, now: Instant) -> Vec<RoomName> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some((since, _)) = self.left.front()
            && (now.saturating_duration_since(*since) >= LINGER || self.left.len() > MOST_LINGERING)
            && let Some((since, room)) = self.left.pop_front()
        {
            // A later entry counts if it was joined and left again meanwhile.
            if self.rooms.get(&room).is_some_and(|subscription| subscription.left == Some(since))
                && let Some(Subscription { state: State::Confirmed, .. }) = self.rooms.remove(&room)
            {
                batch.push(room);
            }
        }
        batch
    }

    /// How many rooms there are, with those that are kept for a while.
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// There is a connection, and what was joined before it is subscribed to.
    pub fn is_complete(&self) -> bool {
        self.connected && self.earlier.is_empty() && !self.is_catching_up
    }
}

#[cfg(test)]
#[path = "interest_tests.rs"]
mod tests;
