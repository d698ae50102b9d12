//! What the other nodes have told of their sessions in a room, and what is missing of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::news::NewsUser;
use super::{PresenceLevel, PresenceNews, PresentUser};
use crate::domain::UserId;

/// Nodes of a room, users of each, and bytes of all together, of which this one takes notice.
const MOST_NODES: usize = 64;
const MOST_USERS: usize = 100_000;
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A node that has said nothing of the room for so long has none of its sessions: it speaks three times as often.
const SILENCE: Duration = Duration::from_secs(35);

/// A node, as the others know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PresenceNode(pub Uuid);

/// What to do about what a node has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    /// It wants this node's list.
    Asked,
    /// Something is missing.
    Gap,
}

#[derive(Debug)]
struct Peer {
    /// Since when the node has had sessions in the room. With another one, it begins anew.
    life: u64,
    n: u64,
    users: BTreeMap<UserId, PresentUser>,
    /// A list of which not all parts have come.
    incoming: Option<Incoming>,
    heard: Instant,
}

#[derive(Debug)]
struct Incoming {
    n: u64,
    next: u32,
    users: BTreeMap<UserId, PresentUser>,
    bytes: usize,
}

#[derive(Debug, Default)]
pub(super) struct Peers {
    nodes: BTreeMap<PresenceNode, Peer>,
    bytes: usize,
}

impl Peers {
    /// Takes notice of what a node says. `changed` is called with each user whom it concerns.
    pub fn hear(
        &mut self,
        node: PresenceNode,
        news: PresenceNews,
        level: PresenceLevel,
        now: Instant,
        mut changed: impl FnMut(UserId),
    ) -> Heard {
        let (life, n) = match &news {
            PresenceNews::Ask => return Heard::Asked,
            PresenceNews::List { life, n, .. }
            | PresenceNews::Diff { life, n, .. }
            | PresenceNews::Still { life, n } => (*life, *n),
        };
        if self.nodes.get(&node).is_some_and(|peer| peer.life != life) {
            self.forget(node, &mut changed);
        }
        if !self.nodes.contains_key(&node) {
            if self.nodes.len() >= MOST_NODES {
                return Heard::Nothing;
            }
            let peer = Peer { life, n: 0, users: BTreeMap::new(), incoming: None, heard: now };
            self.nodes.insert(node, peer);
        }
        let Some(peer) = self.nodes.get_mut(&node) else { return Heard::Nothing };
        peer.heard = now;
        match news {
            PresenceNews::Ask => Heard::Asked,
            // It has come before, or a newer list has.
            PresenceNews::Still { .. } | PresenceNews::Diff { .. } if n <= peer.n => Heard::Nothing,
            PresenceNews::Still { .. } => Heard::Gap,
            PresenceNews::List { part, last, users, .. } => {
                self.list(node, (n, part, last), users, level, changed)
            }
            PresenceNews::Diff { .. } if n > peer.n + 1 => Heard::Gap,
            PresenceNews::Diff { users, .. } => {
                peer.n = n;
                for user in users {
                    self.put(node, user, level, &mut changed);
                }
                Heard::Nothing
            }
        }
    }

    fn list(
        &mut self,
        node: PresenceNode,
        (n, part, last): (u64, u32, bool),
        users: Vec<NewsUser>,
        level: PresenceLevel,
        mut changed: impl FnMut(UserId),
    ) -> Heard {
        let Some(peer) = self.nodes.get_mut(&node) else { return Heard::Nothing };
        if n < peer.n {
            return Heard::Nothing;
        }
        if part == 0 {
            let new = Incoming { n, next: 0, users: BTreeMap::new(), bytes: 0 };
            self.bytes -= peer.incoming.replace(new).map_or(0, |incoming| incoming.bytes);
        }
        let incoming = peer.incoming.as_mut().filter(|incoming| (incoming.n, incoming.next) == (n, part));
        let Some(incoming) = incoming else { return Heard::Gap };
        incoming.next += 1;
        for user in users {
            let id = user.user;
            let Some(present) = user.read(level) else { continue };
            let bytes = weight(&present);
            if incoming.users.len() < MOST_USERS && self.bytes + bytes <= MOST_BYTES {
                (incoming.bytes, self.bytes) = (incoming.bytes + bytes, self.bytes + bytes);
                incoming.users.insert(id, present);
            }
        }
        if !last {
            return Heard::Nothing;
        }
        let Some(incoming) = peer.incoming.take() else { return Heard::Nothing };
        (self.bytes, peer.n) = (self.bytes - incoming.bytes, n);
        let gone = peer.users.keys().filter(|user| !incoming.users.contains_key(user));
        for user in gone.copied().collect::<Vec<_>>() {
            self.set(node, user, None, &mut changed);
        }
        for (user, present) in incoming.users {
            self.set(node, user, Some(present), &mut changed);
        }
        Heard::Nothing
    }

    fn put(&mut self, node: PresenceNode, user: NewsUser, level: PresenceLevel, changed: impl FnMut(UserId)) {
        let id = user.user;
        self.set(node, id, user.read(level), changed);
    }

    fn set(
        &mut self,
        node: PresenceNode,
        user: UserId,
        present: Option<PresentUser>,
        mut changed: impl FnMut(UserId),
    ) {
        let Some(peer) = self.nodes.get_mut(&node) else { return };
        let before = peer.users.get(&user);
        if before == present.as_ref() {
            return;
        }
        let kept = self.bytes - before.map_or(0, weight);
        match present {
            Some(present) if kept + weight(&present) <= MOST_BYTES && peer.users.len() < MOST_USERS => {
                self.bytes = kept + weight(&present);
                peer.users.insert(user, present);
            }
            _ => {
                self.bytes = kept;
                peer.users.remove(&user);
            }
        }
        changed(user);
    }

    /// The node has no sessions any more, as far as this one is concerned.
    pub fn forget(&mut self, node: PresenceNode, mut changed: impl FnMut(UserId)) {
        let Some(peer) = self.nodes.remove(&node) else { return };
        self.bytes -= peer.incoming.map_or(0, |incoming| incoming.bytes);
        for (user, present) in peer.users {
            self.bytes -= weight(&present);
            changed(user);
        }
    }

    /// Forgets the nodes that have said nothing for too long.
    pub fn expire(&mut self, now: Instant, mut changed: impl FnMut(UserId)) {
        let silent: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, peer)| peer.heard + SILENCE <= now)
            .map(|(node, _)| *node)
            .collect();
        for node in silent {
            self.forget(node, &mut changed);
        }
    }

    /// When [`Peers::expire`] may have something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.nodes.values().map(|peer| peer.heard + SILENCE).min()
    }

    /// What the nodes say of a user.
    pub fn of(&self, user: UserId) -> impl Iterator<Item = &PresentUser> + Clone {
        self.nodes.values().filter_map(move |peer| peer.users.get(&user))
    }

    /// About how many bytes are kept.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// About what a user takes to be kept.
fn weight(user: &PresentUser) -> usize {
    let sessions =
        user.sessions.iter().map(|one| 80 + one.data.as_ref().map_or(0, |data| data.as_str().len()));
    150 + user.username.len() + sessions.sum::<usize>()
}
