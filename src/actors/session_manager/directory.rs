//! Who is here, across all workers: the bounds per user and per address, and the list that a user sees.
//! A place is held by a ticket and given back when that is dropped, however its session ends.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::actors::cluster::Cluster;
use crate::domain::{LoginId, SessionId, UserId, network};
use crate::protocol::SessionInfo;

/// Locks to spread users over, so that workers seldom wait for each other.
const SHARDS: usize = 16;

type Shard = HashMap<UserId, Present>;

/// One user's sessions.
#[derive(Default)]
struct Present {
    sessions: Vec<Arc<SessionInfo>>,
    /// On other nodes, as far as this one has heard.
    elsewhere: Vec<Arc<SessionInfo>>,
    /// There once a session wants to hear of changes.
    news: Option<watch::Sender<()>>,
}

impl Present {
    fn changed(&self) {
        if let Some(news) = &self.news {
            news.send_replace(());
        }
    }

    /// All of them, the oldest first: their ids are in the order in which they were made.
    fn everywhere(&self) -> Vec<Arc<SessionInfo>> {
        let mut all = [self.sessions.as_slice(), &self.elsewhere].concat();
        all.sort_by_key(|info| info.id);
        all
    }
}

/// The signed-in sessions by user.
pub(super) struct Users {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    limit: usize,
    cluster: Cluster,
}

impl Users {
    pub(super) fn new(limit: usize, cluster: Cluster) -> Self {
        Self { shards: Default::default(), hasher: RandomState::new(), limit, cluster }
    }

    fn shard(&self, user: UserId) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(user) % SHARDS as u64).unwrap_or_default();
        self.shards[hash].lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(this: &Arc<Self>, info: SessionInfo, place: Place) -> Option<Ticket> {
        let mut shard = this.shard(info.user);
        let present = shard.entry(info.user).or_default();
        if present.sessions.len() + present.elsewhere.len() >= this.limit {
            return None;
        }
        let info = Arc::new(info);
        present.sessions.push(Arc::clone(&info));
        present.changed();
        // Under the lock: what is said of one user is said in its order.
        this.cluster.came(&info);
        Some(Ticket { users: Arc::clone(this), info, _place: place })
    }

    pub(super) fn of(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.shard(user).get(&user).map(Present::everywhere).unwrap_or_default()
    }

    /// A session on another node.
    pub(super) fn came_elsewhere(&self, info: SessionInfo) {
        let mut shard = self.shard(info.user);
        let present = shard.entry(info.user).or_default();
        // Nodes that let a user in at the same moment may exceed the bound of a user, but not by much.
        if present.elsewhere.len() < self.limit.saturating_mul(2) {
            present.elsewhere.push(Arc::new(info));
            present.changed();
        }
    }

    /// Sessions that have gone, of a whole node maybe. A user's are removed in one pass, and no lock is held for more
    /// than one user.
    pub(super) fn went_elsewhere(&self, mut gone: Vec<(UserId, SessionId)>) {
        gone.sort_unstable();
        for gone in gone.chunk_by(|one, other| one.0 == other.0) {
            let user = gone[0].0;
            let mut shard = self.shard(user);
            if let Some(present) = shard.get_mut(&user) {
                present.elsewhere.retain(|info| gone.binary_search(&(user, info.id)).is_err());
                present.changed();
                if present.sessions.is_empty() && present.elsewhere.is_empty() {
                    shard.remove(&user);
                }
            }
        }
    }

    /// All sessions of this node.
    pub(super) fn here(&self) -> Vec<Arc<SessionInfo>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(shard.values().flat_map(|present| &present.sessions).cloned());
        }
        all
    }

    /// The user's sessions as `news` tells of them: what is in this list is no news any more. Under one lock, or
    /// a change between the two would be told twice.
    pub(super) fn heard(&self, user: UserId, news: &mut watch::Receiver<()>) -> Vec<Arc<SessionInfo>> {
        let shard = self.shard(user);
        news.mark_unchanged();
        shard.get(&user).map(Present::everywhere).unwrap_or_default()
    }

    /// Told of each change of the user's sessions from now on; of several at a time once. None if there are
    /// no sessions, so that nothing is kept for somebody who has left.
    pub(super) fn watch(&self, user: UserId) -> Option<watch::Receiver<()>> {
        let mut shard = self.shard(user);
        let news = &mut shard.get_mut(&user)?.news;
        Some(news.get_or_insert_with(|| watch::Sender::new(())).subscribe())
    }

    pub(super) fn logins(&self) -> Vec<LoginId> {
        let mut logins = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            logins.extend(shard.values().flat_map(|present| &present.sessions).map(|info| info.login));
        }
        logins.sort_unstable();
        logins.dedup();
        logins
    }
}

/// One session's place among its user's.
pub struct Ticket {
    users: Arc<Users>,
    info: Arc<SessionInfo>,
    _place: Place,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut shard = self.users.shard(self.info.user);
        if let Some(present) = shard.get_mut(&self.info.user) {
            present.sessions.retain(|session| session.id != self.info.id);
            present.changed();
            self.users.cluster.went(self.info.user, self.info.id);
            if present.sessions.is_empty() && present.elsewhere.is_empty() {
                shard.remove(&self.info.user);
            }
        }
    }
}

/// The live sockets of each address, and how many of them have not signed in yet.
pub(super) struct Addresses {
    counts: Mutex<HashMap<IpAddr, Counts>>,
    limits: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) open: usize,
    pub(super) waiting: usize,
}

impl Addresses {
    pub(super) fn new(limits: Counts) -> Self {
        Self { counts: Mutex::default(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Counts>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a socket that is signed in.
    pub(super) fn admit(this: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut counts = this.lock();
        let open = counts.get(&address).map_or(0, |counts| counts.open);
        if open >= this.limits.open {
            return None;
        }
        counts.entry(address).or_default().open += 1;
        Some(Place { addresses: Arc::clone(this), address })
    }

    /// A place for one that will sign in, or not.
    pub(super) fn wait(this: &Arc<Self>, address: IpAddr) -> Option<WaitingTicket> {
        let waiting = this.lock().get(&network(address)).map_or(0, |counts| counts.waiting);
        if waiting >= this.limits.waiting {
            return None;
        }
        let place = Self::admit(this, address)?;
        this.change(place.address, |counts| counts.waiting += 1);
        Some(WaitingTicket { place: Some(place) })
    }

    fn change(&self, address: IpAddr, change: impl FnOnce(&mut Counts)) {
        let mut all = self.lock();
        if let Some(counts) = all.get_mut(&address) {
            change(counts);
            if counts.open == 0 {
                all.remove(&address);
            }
        }
    }
}

/// One live socket's place among its address's.
pub struct Place {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.addresses.change(self.address, |counts| counts.open -= 1);
    }
}

/// The place of a socket that has not signed in.
pub struct WaitingTicket {
    /// None only once it was taken.
    place: Option<Place>,
}

impl WaitingTicket {
    /// It has signed in: it waits no more, and keeps its place.
    pub(super) fn into_place(mut self) -> Option<Place> {
        let place = self.place.take();
        Self::waits_no_more(place.as_ref());
        place
    }

    fn waits_no_more(place: Option<&Place>) {
        if let Some(place) = place {
            place.addresses.change(place.address, |counts| counts.waiting -= 1);
        }
    }
}

impl Drop for WaitingTicket {
    fn drop(&mut self) {
        Self::waits_no_more(self.place.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    fn info(user: u128, session: u128) -> SessionInfo {
        SessionInfo {
            id: SessionId(Uuid::from_u128(session)),
            user: UserId(Uuid::from_u128(user)),
            login: LoginId(Uuid::from_u128(3)),
            carrier: "websocket",
            address: IpAddr::from([127, 0, 0, 1]),
            since: Clock::System.now(),
        }
    }

    fn admit(users: &Arc<Users>, user: u128, session: u128) -> Option<Ticket> {
        let addresses = addresses(9, 9);
        let info = info(user, session);
        let place = Addresses::admit(&addresses, info.address).unwrap();
        Users::admit(users, info, place)
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let users = Arc::new(Users::new(2, Cluster::default()));
        let first = admit(&users, 1, 1).unwrap();
        let second = admit(&users, 1, 2).unwrap();
        assert!(admit(&users, 1, 3).is_none());
        assert!(admit(&users, 2, 4).is_some(), "another user has places of its own");
        drop(first);
        assert_eq!(users.of(UserId(Uuid::from_u128(1))).len(), 1);
        assert!(admit(&users, 1, 3).is_some());
        drop(second);
        assert!(users.logins().is_empty());
        assert!(users.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn a_watcher_hears_of_comers_and_goers_until_the_last_has_left() {
        let users = Arc::new(Users::new(9, Cluster::default()));
        let user = UserId(Uuid::from_u128(1));
        assert!(users.watch(user).is_none(), "nothing is kept for somebody who is not here");
        let first = admit(&users, 1, 1).unwrap();
        let mut news = users.watch(user).unwrap();
        assert!(!news.has_changed().unwrap(), "what was there before is no news");
        let second = admit(&users, 1, 2).unwrap();
        assert!(news.has_changed().unwrap());
        assert_eq!(users.heard(user, &mut news).len(), 2);
        assert!(!news.has_changed().unwrap(), "it is told once");
        drop(admit(&users, 2, 3));
        assert!(!news.has_changed().unwrap(), "nor are another user's");
        drop(second);
        assert!(news.has_changed().unwrap());
        drop(first);
        assert!(news.has_changed().is_err());
    }

    fn addresses(open: usize, waiting: usize) -> Arc<Addresses> {
        Arc::new(Addresses::new(Counts { open, waiting }))
    }

    #[test]
    fn sessions_of_other_nodes_go_together_and_are_bounded() {
        let users = Users::new(2, Cluster::default());
        for session in 0..100 {
            users.came_elsewhere(info(session % 10, session));
        }
        let of = |user: u128| users.of(UserId(Uuid::from_u128(user)));
        assert_eq!(of(1).len(), 4, "twice the bound");
        let gone =
            |session: u128| (UserId(Uuid::from_u128(session % 10)), SessionId(Uuid::from_u128(session)));
        users.went_elsewhere(vec![gone(11), gone(2), gone(1), gone(99), gone(12345)]);
        let left: Vec<u128> = of(1).iter().map(|info| info.id.0.as_u128()).collect();
        assert_eq!(left, [21, 31]);
        users.went_elsewhere((0..100).map(gone).collect());
        assert!(users.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let addresses = addresses(9, 1);
        let ticket = Addresses::wait(&addresses, "2001:db8::1".parse().unwrap());
        assert!(ticket.is_some());
        assert!(Addresses::wait(&addresses, "2001:db8::2".parse().unwrap()).is_none());
        assert!(Addresses::wait(&addresses, "2001:db8:0:1::2".parse().unwrap()).is_some());
        drop(ticket);
        assert!(Addresses::wait(&addresses, "2001:db8::2".parse().unwrap()).is_some());
    }

    #[test]
    fn an_addresss_sockets_are_bounded_before_and_after_sign_in_alike() {
        let addresses = addresses(3, 2);
        let (here, there) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let first = Addresses::wait(&addresses, here).unwrap();
        let second = Addresses::wait(&addresses, here).unwrap();
        assert!(Addresses::wait(&addresses, here).is_none(), "two wait");
        let first = first.into_place().unwrap();
        let third = Addresses::admit(&addresses, here).unwrap();
        assert!(Addresses::wait(&addresses, here).is_none(), "one waits, but three are open");
        assert!(Addresses::admit(&addresses, here).is_none());
        assert!(Addresses::admit(&addresses, there).is_some());
        let second = second.into_place();
        assert!(second.is_some(), "who waits has a place already");
        drop(third);
        assert!(Addresses::admit(&addresses, here).is_some());
        drop((first, second));
        assert!(addresses.lock().is_empty());
    }
}
