//! Which rooms were closed while sessions had joined them: those are out, and may join again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use doorward_core::rooms::RoomName;

use super::Rooms;

/// Numbers each closing. A session that joined after one is not concerned.
#[derive(Debug, Default)]
pub(super) struct Closings {
    count: AtomicU64,
    /// The last one of each room that sessions may still have joined before it: as many as there are such rooms.
    rooms: Mutex<HashMap<RoomName, u64>>,
}

impl Closings {
    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomName, u64>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    pub fn close(&self, room: &RoomName) {
        let mut rooms = self.rooms();
        let number = self.count() + 1;
        rooms.insert(room.clone(), number);
        // After it can be found: who has seen the number finds the room.
        self.count.store(number, Ordering::Release);
    }

    /// The number of the last closing of the room; 0 if there was none. Costs a load while no room was ever closed.
    pub fn last(&self, room: &RoomName) -> u64 {
        if self.count() == 0 { 0 } else { self.rooms().get(room).copied().unwrap_or(0) }
    }

    /// No session of this node has joined the room.
    pub fn forget(&self, room: &RoomName) {
        if self.count() > 0 {
            self.rooms().remove(room);
        }
    }
}

impl Rooms {
    /// Puts out all sessions of this node that have joined the room: nothing that is published afterwards reaches them.
    /// False if there are none. They are told by [`super::WorkerRooms::tell_closed`].
    pub fn close(&self, room: &RoomName) -> bool {
        let shard = self.shard(room);
        let is_open = shard.contains_key(room);
        if is_open {
            // Under the lock: who takes a place afterwards comes after it.
            self.0.closings.close(room);
        }
        is_open
    }

    /// How many rooms were closed.
    #[must_use]
    pub fn closings(&self) -> u64 {
        self.0.closings.count()
    }

    /// The number of the last closing of this room; 0 if there was none since a session joined it.
    #[must_use]
    pub fn last_closing(&self, room: &RoomName) -> u64 {
        self.0.closings.last(room)
    }
}
