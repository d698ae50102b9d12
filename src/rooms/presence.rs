//! Who is in the rooms of this node, by `doorward_core::rooms::presence`, and the task that tells clients of changes.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use bytestring::ByteString;
use doorward_core::domain::{SessionId, SharedText, UserId};
use doorward_core::rooms::presence::{
    CatchUp, Departure, OwnFull, PresenceChange, PresenceData, PresenceLevel, PresencePage, PresenceStep,
    PresenceWish, RoomPresence,
};
use doorward_core::rooms::{Kind, RoomName};
use tokio::sync::Notify;

use super::publication::{Audience, Publication};
use super::{Busy, Rooms, SHARDS, lock};
use crate::metrics::{Counter, Registry, count};

/// Bytes that the sessions of this node may show to others, in all rooms together.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Rooms that are looked at before other tasks get a turn.
const SLICE: usize = 64;

/// Who a session is in a room.
#[derive(Debug, Clone, Copy)]
pub struct Whose {
    pub user: UserId,
    pub session: SessionId,
}

/// The rooms of this node whose kinds tell who is there.
pub(super) struct Presence {
    shards: [Mutex<HashMap<RoomName, Watched>>; SHARDS],
    hasher: RandomState,
    /// When which room has something to do.
    due: Mutex<BTreeSet<(Instant, RoomName)>>,
    /// The first of them has changed.
    wake: Notify,
    bytes: AtomicUsize,
    /// Bytes of what the other nodes say.
    pub(super) foreign: AtomicUsize,
    /// The newest number by which nodes know a room's beginning.
    life: AtomicU64,
    changes: Counter<1>,
}

/// A room, and the time under which it is in the list of those that have something to do.
struct Watched {
    room: RoomPresence,
    due: Option<Instant>,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            due: Mutex::default(),
            wake: Notify::new(),
            bytes: AtomicUsize::default(),
            foreign: AtomicUsize::default(),
            life: AtomicU64::default(),
            changes: Counter::new(["outcome"]).starting([["told"], ["missed"]]),
        }
    }
}

impl Rooms {
    pub(super) fn register_presence_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_room_presence_changes_total",
            "Changes of who is in a room: told, once a room; or missed by clients of a worker thread, because too much was \
             under way or they did not read. They are told later that they have missed something.",
            &self.0.presence.changes,
        );
        let this = self.clone();
        registry.reading(
            "doorward_room_presence_bytes",
            "Bytes that clients show to others in rooms, by setting their state.",
            move || count(this.0.presence.bytes.load(Ordering::Acquire)),
        );
    }

    /// A session has joined.
    pub(super) fn presence_entered(
        &self,
        room: &RoomName,
        kind: &Kind,
        who: Whose,
        (username, wish): (&SharedText, PresenceWish),
    ) {
        let now = self.0.clock.instant();
        self.with_presence(room, kind, |presence| {
            presence.enter(who.user, username, who.session, wish, now);
        });
    }

    pub(super) fn presence_left(&self, room: &RoomName, who: Whose, departure: Departure) {
        let now = self.0.clock.instant();
        self.in_presence(room, |presence| presence.leave(who.user, who.session, departure, now));
    }

    pub(super) fn presence_wished(&self, room: &RoomName, who: Whose, wish: PresenceWish) {
        self.in_presence(room, |presence| presence.wish(who.user, who.session, wish));
    }

    /// A session was not told the newest change.
    pub(super) fn presence_missed(&self, room: &RoomName) {
        let now = self.0.clock.instant();
        self.0.presence.changes.add(["missed"], 1);
        self.in_presence(room, |presence| presence.missed(false, now));
    }

    /// Sets what a session shows to others.
    ///
    /// # Errors
    /// [`Busy`]: the sessions of the room, or of this node, show too much.
    pub fn set_presence(
        &self,
        room: &RoomName,
        kind: &Kind,
        who: Whose,
        data: Option<PresenceData>,
    ) -> Result<(), Busy> {
        if data.is_some() && self.0.presence.bytes.load(Ordering::Acquire) > MOST_BYTES {
            return Err(Busy);
        }
        let now = self.0.clock.instant();
        let milliseconds = self.milliseconds();
        let set = self.with_presence(room, kind, |presence| {
            presence.set(who.user, who.session, data, (now, milliseconds))
        });
        set.map_err(|OwnFull| Busy)
    }

    /// Some of those who are there.
    pub fn list_presence(
        &self,
        room: &RoomName,
        kind: &Kind,
        after: Option<UserId>,
        limit: usize,
    ) -> PresencePage {
        let now = self.0.clock.instant();
        self.with_presence(room, kind, |presence| {
            let (change, page) = presence.page(after, limit, now);
            self.tell(room, presence, PresenceStep { change, ..PresenceStep::default() });
            page
        })
    }

    /// Does something in a room, which is there if it was not.
    fn with_presence<R>(&self, room: &RoomName, kind: &Kind, then: impl FnOnce(&mut RoomPresence) -> R) -> R {
        let mut shard = self.0.presence.shard(room);
        let watched = shard.entry(room.clone()).or_insert_with(|| {
            // Other nodes tell by it that what they know of the room is from before.
            let life = self.0.relay.get().map(|_| self.0.presence.next_life(self.milliseconds()));
            Watched { room: RoomPresence::new(kind.presence, life), due: None }
        });
        let done = self.0.presence.update(room, watched, then);
        if watched.room.is_empty() {
            shard.remove(room);
        }
        done
    }

    /// The same, unless the room is not there.
    pub(super) fn in_presence(&self, room: &RoomName, then: impl FnOnce(&mut RoomPresence)) {
        let mut shard = self.0.presence.shard(room);
        let Some(watched) = shard.get_mut(room) else { return };
        self.0.presence.update(room, watched, then);
        if watched.room.is_empty() {
            shard.remove(room);
        }
    }

    /// The rooms whose sessions are told who is there.
    pub(super) fn presence_rooms(&self) -> Vec<RoomName> {
        let shards = self.0.presence.shards.iter();
        shards.flat_map(|shard| lock(shard).keys().cloned().collect::<Vec<_>>()).collect()
    }

    /// The time of day.
    fn milliseconds(&self) -> u64 {
        u64::try_from(self.0.clock.now().and_utc().timestamp_millis()).unwrap_or_default()
    }

    /// Tells the sessions of the room what has changed. Under the room's lock, so that it comes in order.
    fn tell(&self, room: &RoomName, presence: &mut RoomPresence, step: PresenceStep) {
        let PresenceStep { change, catch_up, news } = step;
        self.publish_news(room, &news);
        let mut all = Vec::new();
        if let Some(change) = &change {
            self.0.presence.changes.add(["told"], 1);
            if presence.is_watched(PresenceWish::Full) {
                all.push((Audience::Watching(PresenceWish::Full), change, true));
            }
            if presence.is_watched(PresenceWish::Count) && change.is_count_new {
                all.push((Audience::Watching(PresenceWish::Count), change, false));
            }
        }
        match &catch_up {
            Some(CatchUp { change, all: true }) => {
                all.push((Audience::Watching(PresenceWish::Full), change, false));
                all.push((Audience::Watching(PresenceWish::Count), change, false));
            }
            Some(CatchUp { change, all: false }) => all.push((Audience::Behind, change, false)),
            None => {}
        }
        for (audience, change, full) in all {
            if self.tell_one(room, audience, change, full) == Err(Busy) {
                presence.missed(true, self.0.clock.instant());
                self.0.presence.changes.add(["missed"], 1);
            }
        }
    }

    fn tell_one(
        &self,
        room: &RoomName,
        audience: Audience,
        change: &PresenceChange,
        full: bool,
    ) -> Result<(), Busy> {
        let Some(kind) = self.0.kinds.of(room) else { return Ok(()) };
        let written: ByteString = change.write(room.as_str(), full).into();
        let weight = self.weigh(written.len())?;
        self.hand_to_own(Publication::presence(room.clone(), kind, audience, &written, weight))
    }

    /// Tells clients of changes when it is time to, for ever.
    pub async fn tell_presence(self) {
        loop {
            let woken = self.0.presence.wake.notified();
            match self.0.presence.first_due() {
                None => woken.await,
                Some(due) if due > self.0.clock.instant() => {
                    tokio::select! {
                        () = self.0.clock.sleep_until(due) => {}
                        () = woken => {}
                    }
                }
                Some(_) => {
                    self.tick_presence();
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Rooms for which it is time, some of them.
    fn tick_presence(&self) {
        let now = self.0.clock.instant();
        let rooms: Vec<_> = {
            let due = lock(&self.0.presence.due);
            let due = due.iter().take_while(|(at, _)| *at <= now).take(SLICE);
            due.map(|(_, room)| room.clone()).collect()
        };
        for room in rooms {
            self.in_presence(&room, |presence| {
                let step = presence.tick(now);
                self.tell(&room, presence, step);
            });
        }
    }
}

impl Presence {
    fn shard(&self, room: &RoomName) -> MutexGuard<'_, HashMap<RoomName, Watched>> {
        let at = usize::try_from(self.hasher.hash_one(room) % SHARDS as u64).unwrap_or_default();
        lock(&self.shards[at])
    }

    fn next_life(&self, milliseconds: u64) -> u64 {
        let next = |last: u64| Some(milliseconds.max(last + 1));
        let (Ok(last) | Err(last)) = self.life.fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        milliseconds.max(last + 1)
    }

    /// Does something in a room, and notes what it takes and when it has something to do.
    fn update<R>(
        &self,
        room: &RoomName,
        watched: &mut Watched,
        then: impl FnOnce(&mut RoomPresence) -> R,
    ) -> R {
        let (own, foreign) = (watched.room.bytes(), watched.room.foreign_bytes());
        let done = then(&mut watched.room);
        // A room that is empty is dropped, with what the others say of it.
        let is_empty = watched.room.is_empty();
        let kept = if is_empty { 0 } else { watched.room.foreign_bytes() };
        self.bytes.fetch_add(watched.room.bytes(), Ordering::AcqRel);
        self.bytes.fetch_sub(own, Ordering::AcqRel);
        self.foreign.fetch_add(kept, Ordering::AcqRel);
        self.foreign.fetch_sub(foreign, Ordering::AcqRel);
        let due = watched.room.deadline().filter(|_| !is_empty);
        self.plan(room, watched.due, due);
        watched.due = due;
        done
    }

    fn first_due(&self) -> Option<Instant> {
        lock(&self.due).first().map(|(at, _)| *at)
    }

    /// The room has something to do at another time.
    fn plan(&self, room: &RoomName, was: Option<Instant>, is: Option<Instant>) {
        if was == is {
            return;
        }
        let mut due = lock(&self.due);
        if let Some(was) = was {
            due.remove(&(was, room.clone()));
        }
        let Some(is) = is else { return };
        let is_first = due.first().is_none_or(|(first, _)| is < *first);
        due.insert((is, room.clone()));
        if is_first {
            self.wake.notify_one();
        }
    }
}

/// Whether anything is told of who is in rooms of this kind.
pub(super) fn is_on(room: &RoomName, kind: &Kind) -> bool {
    kind.presence.level != PresenceLevel::Off && !room.is_users()
}
