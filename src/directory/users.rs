//! The users who are connected to this node, with their sessions here and, as far as they are known, on the other nodes:
//! their bound, and the list that a user sees. Nothing is kept of users who are connected to other nodes only.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use tokio::sync::watch;

use super::addresses::AddressTicket;
use super::remote::{NodeId, Outcome, Remote, Report};
use super::{Change, OnChange};
use crate::metrics::Gauge;

/// The names of transports, for the gauge of sessions.
const TRANSPORTS: [&str; 3] = ["websocket", "socketio", "tcp"];

/// Locks to spread users over, so that workers rarely wait for each other.
const SHARDS: usize = 16;

/// Sessions of other nodes that are known, of all users together. Each takes about 150 bytes.
const MOST_REMOTE: usize = 1 << 20;

type Shard = HashMap<UserId, UserSessions>;

/// One user's sessions. There is one here at least.
#[derive(Default)]
struct UserSessions {
    /// By id, so that each is found among thousands.
    local: Vec<Arc<SessionInfo>>,
    /// On other nodes. None until one has reported.
    remote: Option<Box<Remote>>,
    /// Created when a session first asks for updates.
    updates: Option<watch::Sender<()>>,
}

impl UserSessions {
    fn changed(&self) {
        if let Some(updates) = &self.updates {
            updates.send_replace(());
        }
    }

    /// All of them, oldest first: their ids are in the order of creation.
    fn everywhere(&self) -> Vec<Arc<SessionInfo>> {
        let remote = self.remote.iter().flat_map(|remote| remote.sessions());
        let mut all: Vec<_> = self.local.iter().chain(remote).cloned().collect();
        all.sort_by_key(|info| info.id);
        all
    }

    fn remote_len(&self) -> usize {
        self.remote.as_ref().map_or(0, |remote| remote.len())
    }

    /// Ids are in the order of creation: hardly one is not the last.
    fn add_local(&mut self, info: &Arc<SessionInfo>) {
        let at = self.local.partition_point(|other| other.id < info.id);
        self.local.insert(at, Arc::clone(info));
    }

    fn remove_local(&mut self, session: SessionId) {
        if let Ok(at) = self.local.binary_search_by_key(&session, |info| info.id) {
            self.local.remove(at);
        }
    }
}

/// What this node does about a report of another one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reaction {
    /// All nodes are to be asked for their sessions of the user.
    pub asks: bool,
    /// Sessions of this node that are to be closed, because the user has too many.
    pub excess: Vec<SessionId>,
}

/// The signed-in sessions by user.
pub(super) struct Users {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    limit: usize,
    on_change: OnChange,
    /// This node's, by transport.
    pub(super) by_transport: Gauge<1>,
    /// This node's.
    pub(super) here: AtomicUsize,
    /// How many the other nodes have, as they say.
    pub(super) elsewhere: AtomicUsize,
    /// Those among them that are known, because their users are connected to this node as well.
    pub(super) remote: AtomicUsize,
}

impl Users {
    pub(super) fn new(limit: usize, on_change: OnChange) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            limit,
            on_change,
            by_transport: Gauge::new(["transport"]).starting(TRANSPORTS.map(|transport| [transport])),
            here: AtomicUsize::new(0),
            elsewhere: AtomicUsize::new(0),
            remote: AtomicUsize::new(0),
        }
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(user) % SHARDS as u64).unwrap_or_default();
        self.shards[hash].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(this: &Arc<Self>, info: SessionInfo, place: AddressTicket) -> Option<Ticket> {
        let mut shard = this.shard(info.user);
        let sessions = shard.entry(info.user).or_default();
        if sessions.local.len() + sessions.remote_len() >= this.limit {
            return None;
        }
        let info = Arc::new(info);
        sessions.add_local(&info);
        sessions.changed();
        let user = info.user;
        // Under the lock, so that one user's changes are emitted in order.
        let is_first = sessions.local.len() == 1;
        (this.on_change)(if is_first { Change::First(user) } else { Change::Changed(user) });
        this.by_transport.add([info.transport], 1);
        this.here.fetch_add(1, Ordering::Relaxed);
        Some(Ticket { users: Arc::clone(this), info, _place: place })
    }

    pub(super) fn of(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.shard(user).get(&user).map(UserSessions::everywhere).unwrap_or_default()
    }

    /// Those of this node alone.
    pub(super) fn local_of(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.shard(user).get(&user).map(|sessions| sessions.local.clone()).unwrap_or_default()
    }

    pub(super) fn has(&self, user: UserId) -> bool {
        self.shard(user).contains_key(&user)
    }

    /// The users who are connected to this node.
    pub(super) fn all(&self) -> Vec<UserId> {
        self.shards().flat_map(|shard| shard.keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Up to `limit` sessions of this node past `after`, oldest first. Memory grows with the page, not with the sessions.
    pub(super) fn page(&self, after: Option<SessionId>, limit: usize) -> Vec<Arc<SessionInfo>> {
        let mut oldest: BTreeMap<SessionId, Arc<SessionInfo>> = BTreeMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let sessions = shard.values().flat_map(|user| &user.local);
            for info in sessions.filter(|info| after.is_none_or(|after| info.id > after)) {
                if oldest.len() < limit || oldest.last_key_value().is_some_and(|(last, _)| info.id < *last) {
                    oldest.insert(info.id, Arc::clone(info));
                }
                if oldest.len() > limit {
                    oldest.pop_last();
                }
            }
        }
        oldest.into_values().collect()
    }

    /// Another node reports its sessions of a user.
    pub(super) fn hear(&self, node: NodeId, report: Report) -> Reaction {
        let user = report.user;
        let mut shard = self.shard(user);
        let Some(sessions) = shard.get_mut(&user) else { return Reaction::default() };
        let before = sessions.remote_len();
        // No node admits more. Nodes that admit a user at the same moment may exceed the user's bound together.
        let room = MOST_REMOTE.saturating_sub(self.remote.load(Ordering::Relaxed));
        let most = self.limit.min(before + room);
        let remote = sessions.remote.get_or_insert_default();
        let outcome = remote.apply(node, report, &sessions.local, most);
        // Also for a list that says nothing new: it may have confirmed what was in doubt.
        let excess = remote.excess(&sessions.local, self.limit);
        if outcome == Outcome::Changed {
            self.count_remote(before, sessions);
            sessions.changed();
        }
        Reaction { asks: outcome == Outcome::Gap, excess }
    }

    /// Reports may have been missed: see [`Remote::doubt`].
    pub(super) fn doubt(&self) {
        for mut shard in self.shards() {
            shard
                .values_mut()
                .filter_map(|sessions| sessions.remote.as_mut())
                .for_each(|remote| remote.doubt());
        }
    }

    /// The other nodes have had time to report again. Only one user is locked at a time.
    pub(super) fn settle(&self) {
        for user in self.all() {
            self.change_remote(user, Remote::settle);
        }
    }

    /// These nodes are gone, with all their sessions. Only one user is locked at a time.
    pub(super) fn forget(&self, nodes: &[NodeId]) {
        for user in self.all() {
            self.change_remote(user, |remote| remote.forget(nodes));
        }
    }

    fn change_remote(&self, user: UserId, change: impl FnOnce(&mut Remote) -> bool) {
        let mut shard = self.shard(user);
        let Some(sessions) = shard.get_mut(&user) else { return };
        let before = sessions.remote_len();
        if sessions.remote.as_mut().is_some_and(|remote| change(remote)) {
            self.count_remote(before, sessions);
            sessions.changed();
        }
    }

    fn count_remote(&self, before: usize, sessions: &UserSessions) {
        self.remote.fetch_add(sessions.remote_len(), Ordering::Relaxed);
        self.remote.fetch_sub(before, Ordering::Relaxed);
    }

    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The user's sessions, marking `updates` as seen. Both under one lock, or a change in between would be
    /// reported twice.
    pub(super) fn latest(&self, user: UserId, updates: &mut watch::Receiver<()>) -> Vec<Arc<SessionInfo>> {
        let shard = self.shard(user);
        updates.mark_unchanged();
        shard.get(&user).map(UserSessions::everywhere).unwrap_or_default()
    }

    /// Signals each change to the user's sessions from now on; several at once may be signalled together.
    /// None if there are no sessions, so that nothing is kept for a user who is not connected.
    pub(super) fn updates(&self, user: UserId) -> Option<watch::Receiver<()>> {
        let mut shard = self.shard(user);
        let updates = &mut shard.get_mut(&user)?.updates;
        Some(updates.get_or_insert_with(|| watch::Sender::new(())).subscribe())
    }
}

/// Counts one session of its user until it is dropped, however the session ends.
pub struct Ticket {
    users: Arc<Users>,
    info: Arc<SessionInfo>,
    _place: AddressTicket,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let (user, session) = (self.info.user, self.info.id);
        self.users.by_transport.add([self.info.transport], -1);
        let mut shard = self.users.shard(user);
        if let Some(sessions) = shard.get_mut(&user) {
            sessions.remove_local(session);
            sessions.changed();
            self.users.here.fetch_sub(1, Ordering::Relaxed);
            let is_last = sessions.local.is_empty();
            (self.users.on_change)(if is_last { Change::Last(user) } else { Change::Changed(user) });
            if is_last {
                self.users.remote.fetch_sub(sessions.remote_len(), Ordering::Relaxed);
                shard.remove(&user);
            }
        }
    }
}

#[cfg(test)]
#[path = "users_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "limit_tests.rs"]
mod limit_tests;
