//! Decides what is next: a queue that no client can fill at the expense of the others. Pure. Scans are
//! affordable because it is short: each place stands for milliseconds of hashing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

use doorward_core::domain::UserId;

/// How often more urgent work may go first before less urgent work gets a turn.
const MAX_PASSED: u32 = 7;

/// Places that one network can have in [`Rank::Known`]; further sign-ins of its known devices are ordinary
/// ones.
const KNOWN_PER_CLIENT: usize = 2;

/// How urgent work is, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A sign-in from a known device; see [`FairQueue::push_known`].
    Known,
    SignIn,
    Owner,
    Registration,
    Rating,
    /// Work whose client may be gone: done when there is nothing else to do.
    Doubtful,
}

/// Besides the reserved places, known devices may take one in this many of the others. Not more, because
/// anyone can register accounts and make devices known, and nothing pushes such work out of the queue.
const KNOWN_SHARE: usize = 4;

const RANKS: usize = Rank::Doubtful as usize + 1;
const ALL: [Rank; RANKS] =
    [Rank::Known, Rank::SignIn, Rank::Owner, Rank::Registration, Rank::Rating, Rank::Doubtful];

/// The queued work of clients `K`.
#[derive(Debug)]
pub struct FairQueue<K, T> {
    ranks: [RankQueue<K, T>; RANKS],
    /// How often more urgent work went first since this rank had a turn.
    passed: [u32; RANKS],
    /// Networks whose known device went first since work of another client did. So one network cannot keep
    /// the others out.
    favoured: HashSet<K>,
    places: usize,
    /// Of all places, this many are for known devices only.
    reserved: usize,
    /// The most work in [`Rank::Known`].
    max_known: usize,
    len: usize,
    next_id: u64,
}

#[derive(Debug)]
struct RankQueue<K, T> {
    /// The clients with queued work, in the order of their turns.
    turns: VecDeque<K>,
    waiting: HashMap<K, VecDeque<Entry<T>>>,
}

#[derive(Debug)]
struct Entry<T> {
    id: u64,
    /// In [`Rank::Known`]: the device's account.
    account: Option<UserId>,
    work: T,
}

/// Work whose turn has come.
#[derive(Debug, PartialEq, Eq)]
pub struct Next<K, T> {
    pub id: u64,
    pub client: K,
    pub rank: Rank,
    pub work: T,
}

/// The result of offering work.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// Queued under this number. Other work may have been pushed out to make room.
    Queued(u64, Option<T>),
    Full(T),
}

impl<K: Copy + Eq + Hash, T> FairQueue<K, T> {
    /// `reserved` places are for known devices only, in addition to the others.
    pub fn new(places: usize, reserved: usize) -> Self {
        Self {
            ranks: std::array::from_fn(|_| RankQueue { turns: VecDeque::new(), waiting: HashMap::new() }),
            passed: [0; RANKS],
            favoured: HashSet::new(),
            places: places + reserved,
            reserved,
            max_known: reserved + places / KNOWN_SHARE,
            len: 0,
            next_id: 0,
        }
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    /// Queues work after its client's other work. Without a free place, the client with the most work makes
    /// room for one with less, and less urgent work for more urgent. Only [`FairQueue::push_known`] gives
    /// work [`Rank::Known`].
    pub fn push(&mut self, client: K, rank: Rank, work: T) -> Pushed<T> {
        let entry = self.entry(None, work);
        let id = entry.id;
        match self.place(rank.max(Rank::SignIn), client, entry) {
            Ok(pushed_out) => Pushed::Queued(id, pushed_out),
            Err(work) => Pushed::Full(work),
        }
    }

    /// Queues a sign-in from a known device of `account`. It counts as an ordinary sign-in if another one of
    /// the account is in [`Rank::Known`], or if its network or all networks together have their maximum
    /// there. In the last case, a network with several places there gives its newest one to a network that
    /// has none.
    pub fn push_known(&mut self, client: K, account: UserId, work: T) -> Pushed<T> {
        let line = self.rank(Rank::Known);
        let own = line.len_of(&client);
        let mut waiting = line.waiting.values().flatten();
        if own >= KNOWN_PER_CLIENT || waiting.any(|entry| entry.account == Some(account)) {
            return self.push(client, Rank::SignIn, work);
        }
        let demoted = if self.known() < self.max_known {
            None
        } else {
            let mut others = line.turns.iter().rev();
            let Some(other) = others.find(|other| own == 0 && line.len_of(other) > 1).copied() else {
                return self.push(client, Rank::SignIn, work);
            };
            self.take(Rank::Known, other, VecDeque::pop_back).map(|entry| (other, entry))
        };
        let entry = self.entry(Some(account), work);
        let id = entry.id;
        match (self.place(Rank::Known, client, entry), demoted) {
            (Ok(None), Some((other, entry))) => {
                let entry = Entry { account: None, ..entry };
                Pushed::Queued(id, self.place(Rank::SignIn, other, entry).unwrap_or_else(Some))
            }
            (Ok(pushed_out), _) => Pushed::Queued(id, pushed_out),
            (Err(work), _) => Pushed::Full(work),
        }
    }

    /// Whether [`FairQueue::push`] would refuse work.
    pub fn refuses(&self, client: K, rank: Rank) -> bool {
        self.is_full(rank) && self.loser(client, rank).is_none()
    }

    /// Takes the work whose turn it is.
    pub fn pop(&mut self) -> Option<Next<K, T>> {
        let rank = self.due()?;
        for (index, passed) in self.passed.iter_mut().enumerate() {
            if index == rank as usize || self.ranks[index].turns.is_empty() {
                *passed = 0;
            } else if index > rank as usize {
                *passed += 1;
            }
        }
        let client = if rank == Rank::Known {
            let favoured = &self.favoured;
            let turns = &self.ranks[0].turns;
            *turns.iter().find(|client| !favoured.contains(client)).or(turns.front())?
        } else {
            *self.rank(rank).turns.front()?
        };
        if rank == Rank::Known {
            self.favoured.insert(client);
        } else {
            self.favoured.clear();
        }
        let Entry { id, work, .. } = self.take(rank, client, VecDeque::pop_front)?;
        // Its next turn comes after the others'.
        let line = &mut self.ranks[rank as usize];
        if let Some(at) = line.turns.iter().position(|waiting| *waiting == client) {
            line.turns.remove(at);
            line.turns.push_back(client);
        }
        Some(Next { id, client, rank, work })
    }

    /// Puts work back that [`FairQueue::pop`] returned, behind everything else.
    pub fn put_last(&mut self, next: Next<K, T>) {
        self.add(Rank::Doubtful, next.client, Entry { id: next.id, account: None, work: next.work });
    }

    /// Removes work that no client waits for any more.
    pub fn remove(&mut self, id: u64) -> Option<T> {
        let (rank, client) = ALL.into_iter().find_map(|rank| {
            let mut waiting = self.rank(rank).waiting.iter();
            let (client, _) = waiting.find(|(_, entries)| entries.iter().any(|entry| entry.id == id))?;
            Some((rank, *client))
        })?;
        let take = |entries: &mut VecDeque<Entry<T>>| {
            let index = entries.iter().position(|entry| entry.id == id)?;
            entries.remove(index)
        };
        self.take(rank, client, take).map(|entry| entry.work)
    }

    fn rank(&self, rank: Rank) -> &RankQueue<K, T> {
        &self.ranks[rank as usize]
    }

    /// How much work is in [`Rank::Known`].
    fn known(&self) -> usize {
        self.rank(Rank::Known).waiting.values().map(VecDeque::len).sum()
    }

    const fn entry(&mut self, account: Option<UserId>, work: T) -> Entry<T> {
        let id = self.next_id;
        self.next_id += 1;
        Entry { id, account, work }
    }

    fn is_full(&self, rank: Rank) -> bool {
        self.len >= self.places
            || (rank != Rank::Known && self.len - self.known() >= self.places - self.reserved)
    }

    /// Adds work, pushing other work out if there is no place. Returns the new work if nothing makes room for
    /// it.
    fn place(&mut self, rank: Rank, client: K, entry: Entry<T>) -> Result<Option<T>, T> {
        let pushed_out = if self.is_full(rank) {
            let Some((loser, rank)) = self.loser(client, rank) else { return Err(entry.work) };
            self.take(rank, loser, VecDeque::pop_back).map(|entry| entry.work)
        } else {
            None
        };
        self.add(rank, client, entry);
        Ok(pushed_out)
    }

    /// The rank whose turn it is.
    fn due(&self) -> Option<Rank> {
        let waits = |rank: &Rank| !self.rank(*rank).turns.is_empty();
        // Of the overdue ranks, the one passed most often; among equals, the most urgent.
        let overdue = ALL
            .into_iter()
            .filter(|rank| *rank != Rank::Doubtful && waits(rank))
            .filter(|rank| self.passed[*rank as usize] >= MAX_PASSED)
            .min_by_key(|rank| std::cmp::Reverse(self.passed[*rank as usize]));
        let others = ALL.into_iter().filter(|rank| *rank != Rank::Known).find(waits);
        let anew = self.rank(Rank::Known).turns.iter().any(|client| !self.favoured.contains(client));
        let known_first = waits(&Rank::Known) && (anew || others.is_none_or(|rank| rank == Rank::Doubtful));
        overdue.or(known_first.then_some(Rank::Known)).or(others)
    }

    /// Whose work makes room for new work of this client and rank. Never a known device's.
    fn loser(&self, newcomer: K, rank: Rank) -> Option<(K, Rank)> {
        let held: HashMap<K, usize> = self.ranks[1..].iter().flat_map(|line| &line.waiting).fold(
            HashMap::new(),
            |mut held, (client, entries)| {
                *held.entry(*client).or_default() += entries.len();
                held
            },
        );
        let own = if rank == Rank::Known { 0 } else { held.get(&newcomer).copied().unwrap_or_default() };
        let others = ALL[1..].iter().rev().copied();
        let most_in = |rank: Rank| {
            let clients = self.rank(rank).turns.iter().copied();
            clients.max_by_key(|client| held.get(client).copied().unwrap_or_default())
        };
        // Work that may have no client any more goes first.
        if let Some(client) = most_in(Rank::Doubtful) {
            return Some((client, Rank::Doubtful));
        }
        let (greediest, most) = held.iter().max_by_key(|(_, count)| **count).map(|(k, n)| (*k, *n))?;
        let its_last = others.clone().find(|rank| self.rank(*rank).waiting.contains_key(&greediest))?;
        if own + 1 < most {
            return Some((greediest, its_last));
        }
        let last = others.clone().find(|rank| !self.rank(*rank).turns.is_empty())?;
        let client = most_in(last)?;
        (last > rank && held.get(&client).is_some_and(|count| own < *count)).then_some((client, last))
    }

    fn add(&mut self, rank: Rank, client: K, entry: Entry<T>) {
        let line = &mut self.ranks[rank as usize];
        let entries = line.waiting.entry(client).or_default();
        if entries.is_empty() {
            line.turns.push_back(client);
        }
        entries.push_back(entry);
        self.len += 1;
    }

    /// Removes one piece of a client's work.
    fn take(
        &mut self,
        rank: Rank,
        client: K,
        which: impl FnOnce(&mut VecDeque<Entry<T>>) -> Option<Entry<T>>,
    ) -> Option<Entry<T>> {
        let line = &mut self.ranks[rank as usize];
        let entries = line.waiting.get_mut(&client)?;
        let entry = which(entries)?;
        if entries.is_empty() {
            line.waiting.remove(&client);
            line.turns.retain(|waiting| *waiting != client);
        }
        self.len -= 1;
        Some(entry)
    }
}

impl<K: Eq + Hash, T> RankQueue<K, T> {
    fn len_of(&self, client: &K) -> usize {
        self.waiting.get(client).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
