//! The signed-in sessions of each user, on this node and, as far as they are known, on the others: their
//! bound, and the list that a user sees.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use tokio::sync::watch;

use super::addresses::AddressTicket;
use super::{Change, OnChange};
use crate::metrics::Gauge;

/// The names of transports, for the gauge of sessions.
const TRANSPORTS: [&str; 3] = ["websocket", "socketio", "tcp"];

/// Locks to spread users over, so that workers rarely wait for each other.
const SHARDS: usize = 16;

type Shard = HashMap<UserId, UserSessions>;

/// One user's sessions.
#[derive(Default)]
struct UserSessions {
    /// By id, so that each is found among thousands.
    local: Vec<Arc<SessionInfo>>,
    /// On other nodes, as far as they are known.
    remote: Vec<Arc<SessionInfo>>,
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
        let mut all = [self.local.as_slice(), &self.remote].concat();
        all.sort_by_key(|info| info.id);
        all
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

    fn is_empty(&self) -> bool {
        self.local.is_empty() && self.remote.is_empty()
    }
}

/// The signed-in sessions by user.
pub(super) struct Users {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    limit: usize,
    on_change: OnChange,
    /// This node's, by transport.
    pub(super) by_transport: Gauge<1>,
}

impl Users {
    pub(super) fn new(limit: usize, on_change: OnChange) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            limit,
            on_change,
            by_transport: Gauge::new(["transport"]).starting(TRANSPORTS.map(|transport| [transport])),
        }
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(user) % SHARDS as u64).unwrap_or_default();
        self.shards[hash].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(this: &Arc<Self>, info: SessionInfo, place: AddressTicket) -> Option<Ticket> {
        let mut shard = this.shard(info.user);
        let sessions = shard.entry(info.user).or_default();
        if sessions.local.len() + sessions.remote.len() >= this.limit {
            return None;
        }
        let info = Arc::new(info);
        sessions.add_local(&info);
        sessions.changed();
        // Under the lock, so that one user's changes are emitted in order.
        (this.on_change)(Change::Connected(Arc::clone(&info)));
        this.by_transport.add([info.transport], 1);
        Some(Ticket { users: Arc::clone(this), info, _place: place })
    }

    pub(super) fn of(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.shard(user).get(&user).map(UserSessions::everywhere).unwrap_or_default()
    }

    /// Up to `limit` sessions past `after`, oldest first. Memory grows with the page, not with the sessions.
    pub(super) fn page(&self, after: Option<SessionId>, limit: usize) -> Vec<Arc<SessionInfo>> {
        let mut oldest: BTreeMap<SessionId, Arc<SessionInfo>> = BTreeMap::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let sessions = shard.values().flat_map(|user| user.local.iter().chain(&user.remote));
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

    pub(super) fn count(&self) -> usize {
        let count = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.values().map(|user| user.local.len() + user.remote.len()).sum::<usize>()
        };
        self.shards.iter().map(count).sum()
    }

    /// Adds a session of another node.
    pub(super) fn add_remote(&self, info: SessionInfo) {
        let mut shard = self.shard(info.user);
        let sessions = shard.entry(info.user).or_default();
        // Nodes that admit a user at the same moment may exceed the user's bound, but not by much.
        if sessions.remote.len() < self.limit.saturating_mul(2) {
            sessions.remote.push(Arc::new(info));
            sessions.changed();
        }
    }

    /// Removes sessions that ended on another node, perhaps all of them with the node. Each user's sessions
    /// are removed in one pass, and only one user is locked at a time.
    pub(super) fn remove_remote(&self, mut gone: Vec<(UserId, SessionId)>) {
        gone.sort_unstable();
        for gone in gone.chunk_by(|one, other| one.0 == other.0) {
            let user = gone[0].0;
            let mut shard = self.shard(user);
            if let Some(sessions) = shard.get_mut(&user) {
                sessions.remote.retain(|info| gone.binary_search(&(user, info.id)).is_err());
                sessions.changed();
                if sessions.is_empty() {
                    shard.remove(&user);
                }
            }
        }
    }

    fn shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All sessions of this node.
    pub(super) fn local(&self) -> Vec<Arc<SessionInfo>> {
        let mut all = Vec::new();
        for shard in self.shards() {
            all.extend(shard.values().flat_map(|sessions| &sessions.local).cloned());
        }
        all
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
            (self.users.on_change)(Change::Disconnected { user, session });
            if sessions.is_empty() {
                shard.remove(&user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use doorward_core::domain::LoginId;
    use uuid::Uuid;

    use super::super::addresses::{Addresses, Counts};
    use super::*;
    use crate::clock::Clock;

    fn users(limit: usize) -> Arc<Users> {
        Arc::new(Users::new(limit, Box::new(|_| {})))
    }

    fn info(user: u128, session: u128) -> SessionInfo {
        SessionInfo {
            id: SessionId(Uuid::from_u128(session)),
            user: UserId(Uuid::from_u128(user)),
            login: LoginId(Uuid::from_u128(3)),
            transport: "websocket",
            address: IpAddr::from([127, 0, 0, 1]),
            since: Clock::System.now(),
        }
    }

    fn admit(users: &Arc<Users>, user: u128, session: u128) -> Option<Ticket> {
        let addresses = Arc::new(Addresses::new(Counts { open: 9, pending: 9 }));
        let info = info(user, session);
        let place = Addresses::admit(&addresses, info.address).unwrap();
        Users::admit(users, info, place)
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let users = users(2);
        let first = admit(&users, 1, 1).unwrap();
        let second = admit(&users, 1, 2).unwrap();
        assert!(admit(&users, 1, 3).is_none());
        assert!(admit(&users, 2, 4).is_some(), "another user has places of its own");
        drop(first);
        assert_eq!(users.of(UserId(Uuid::from_u128(1))).len(), 1);
        assert!(admit(&users, 1, 3).is_some());
        drop(second);
        assert!(users.shards().all(|shard| shard.is_empty()));
    }

    #[test]
    fn a_watcher_sees_each_change_until_the_last_session_ends() {
        let users = users(9);
        let user = UserId(Uuid::from_u128(1));
        assert!(users.updates(user).is_none(), "nothing is kept for a user who is not connected");
        let first = admit(&users, 1, 1).unwrap();
        let mut updates = users.updates(user).unwrap();
        assert!(!updates.has_changed().unwrap(), "what was there before is no change");
        let second = admit(&users, 1, 2).unwrap();
        assert!(updates.has_changed().unwrap());
        assert_eq!(users.latest(user, &mut updates).len(), 2);
        assert!(!updates.has_changed().unwrap(), "it is signalled once");
        drop(admit(&users, 2, 3));
        assert!(!updates.has_changed().unwrap(), "another user's sessions are no change");
        drop(second);
        assert!(updates.has_changed().unwrap());
        drop(first);
        assert!(updates.has_changed().is_err());
    }

    #[test]
    fn a_users_sessions_are_in_the_order_of_their_ids_however_they_come_and_go() {
        let users = users(9);
        let ids = || -> Vec<u128> {
            users.of(UserId(Uuid::from_u128(1))).iter().map(|info| info.id.0.as_u128()).collect()
        };
        let mut tickets: Vec<_> = [5, 1, 9, 3, 7].map(|id| admit(&users, 1, id).unwrap()).into();
        assert_eq!(ids(), [1, 3, 5, 7, 9]);
        drop(tickets.remove(0));
        drop(tickets.remove(1));
        assert_eq!(ids(), [1, 3, 7]);
        tickets.clear();
        assert_eq!(ids(), []);
    }

    #[test]
    fn changes_are_emitted_in_order() {
        let emitted = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&emitted);
        let users = Arc::new(Users::new(9, Box::new(move |change| sink.lock().unwrap().push(change))));
        drop(admit(&users, 1, 1));
        let emitted = emitted.lock().unwrap();
        let (user, session) = (UserId(Uuid::from_u128(1)), SessionId(Uuid::from_u128(1)));
        assert!(matches!(&emitted[0], Change::Connected(info) if info.id == session));
        assert!(
            matches!(&emitted[1], Change::Disconnected { user: u, session: s } if (*u, *s) == (user, session))
        );
        assert_eq!(emitted.len(), 2);
    }

    #[test]
    fn sessions_of_other_nodes_are_removed_together_and_bounded() {
        let users = users(2);
        for session in 0..100 {
            users.add_remote(info(session % 10, session));
        }
        let of = |user: u128| users.of(UserId(Uuid::from_u128(user)));
        assert_eq!(of(1).len(), 4, "twice the bound");
        let gone =
            |session: u128| (UserId(Uuid::from_u128(session % 10)), SessionId(Uuid::from_u128(session)));
        users.remove_remote(vec![gone(11), gone(2), gone(1), gone(99), gone(12345)]);
        let left: Vec<u128> = of(1).iter().map(|info| info.id.0.as_u128()).collect();
        assert_eq!(left, [21, 31]);
        users.remove_remote((0..100).map(gone).collect());
        assert!(users.shards().all(|shard| shard.is_empty()));
    }
}
