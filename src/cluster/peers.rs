//! What a node knows about the others: a state machine without I/O.
//!
//! Redis stores nothing. Each node publishes the changes to its sessions, and the whole list when another
//! node requests it. A node that missed a message notices the gap in the numbers and requests the list. A
//! node that is silent for long counts as gone.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::message::{Envelope, ListedSession, NodeId, NodeMessage, SessionKey};
use crate::clock::Timestamp;
use doorward_core::domain::RevokeReason;
use doorward_core::domain::{LoginId, SessionId, UserId};

/// How long a node may be silent; it sends a message every [`super::BEAT`].
const SILENCE: Duration = Duration::from_secs(15);

/// How long an answer may take before the list is requested again.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a node that fell silent may still be alive, without a connection to Redis. One that was killed says no
/// goodbye either.
const MISSING: Duration = Duration::from_mins(10);

/// Other nodes that are tracked. Of a further one the sessions are ignored until one of these is gone.
pub const MAX_PEERS: usize = 64;

/// Sessions of one node that are tracked. Each takes a few hundred bytes.
const MAX_SESSIONS: usize = 262_144;

/// What to do in response to a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    Add(ListedSession),
    Remove(Vec<SessionKey>),
    /// And since when, if that is known.
    Revoke(Vec<(LoginId, RevokeReason)>, Option<Timestamp>),
    /// Publish all our sessions.
    SendList,
    RequestList(NodeId),
    /// Read the changes of roles and claims.
    ReadAccess,
    /// A node has applied the changes up to this number. This node's own means that the message about them has returned.
    AccessApplied(NodeId, i32),
    /// Read the changes of rights to rooms, up to this number.
    ReadRooms(i64),
    /// The same of these changes.
    RoomsApplied(NodeId, i64),
    /// Our own message has returned: the connection works both ways.
    Echo,
}

/// All other nodes.
pub struct Peers {
    own: NodeId,
    tracked: HashMap<NodeId, Peer>,
    /// Nodes that fell silent, and when. They may be alive, without a connection to Redis.
    missing: HashMap<NodeId, Instant>,
    /// When a node that is not tracked last sent a message.
    untracked: Option<Instant>,
}

struct Peer {
    last: u64,
    last_message: Instant,
    sessions: HashMap<SessionId, UserId>,
    list_state: ListState,
    /// When its list was last requested, or last announced by the node itself. It is not requested again
    /// soon, whatever the node sends.
    list_requested: Option<Instant>,
}

enum ListState {
    /// A message was missed.
    Incomplete,
    /// The list is being received: the next part, and the sessions so far.
    Receiving {
        next: u32,
        so_far: HashSet<SessionId>,
        since: Instant,
    },
    Complete,
}

impl Peers {
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self { own, tracked: HashMap::new(), missing: HashMap::new(), untracked: None }
    }

    pub fn receive(&mut self, envelope: Envelope, now: Instant) -> Vec<Effect> {
        let Envelope { node, number, message } = envelope;
        if node == self.own {
            return returned(node, &message);
        }
        let mut effects = Vec::new();
        self.missing.remove(&node);
        if message == NodeMessage::Bye {
            self.forget(node, &mut effects);
            return effects;
        }
        if self.tracked.len() >= MAX_PEERS && !self.tracked.contains_key(&node) {
            self.untracked = Some(now);
            return changed_by_untracked(&message);
        }
        let claimed = self.claimed_by_others(node, &message);
        let peer = self.tracked.entry(node).or_insert_with(|| Peer {
            last: number.wrapping_sub(1),
            last_message: now,
            sessions: HashMap::new(),
            list_state: ListState::Incomplete,
            list_requested: None,
        });
        if number != peer.last.wrapping_add(1) {
            peer.list_state = ListState::Incomplete;
        }
        (peer.last, peer.last_message) = (number, now);
        match message {
            NodeMessage::Hello => {
                // Its list follows.
                (peer.list_state, peer.list_requested) = (ListState::Incomplete, Some(now));
                effects.push(Effect::SendList);
            }
            NodeMessage::Ask { of } if of == self.own => effects.push(Effect::SendList),
            NodeMessage::Revoked { logins, at } => {
                effects.push(revoke(&logins, at));
            }
            NodeMessage::AccessChanged { .. } => effects.push(Effect::ReadAccess),
            NodeMessage::AccessApplied { number } => effects.push(Effect::AccessApplied(node, number)),
            NodeMessage::RoomsChanged { number } => effects.push(Effect::ReadRooms(number)),
            NodeMessage::RoomsApplied { number } => effects.push(Effect::RoomsApplied(node, number)),
            NodeMessage::Sessions { connected, disconnected } => {
                for listed in connected.into_iter().filter(|listed| !claimed.contains(&listed.id)) {
                    peer.add(listed, &mut effects);
                }
                peer.remove(disconnected, &mut effects);
            }
            NodeMessage::List { part, last, mut sessions } => {
                sessions.retain(|listed| !claimed.contains(&listed.id));
                peer.list(part, last, sessions, now, &mut effects);
            }
            NodeMessage::Ask { .. } | NodeMessage::Beat | NodeMessage::Bye | NodeMessage::Unknown => {}
        }
        peer.request_list(node, now, &mut effects);
        effects
    }

    /// How many nodes are alive as far as is known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tracked.len()
    }

    /// The nodes that are alive as far as is known.
    #[must_use]
    pub fn alive(&self) -> Vec<NodeId> {
        self.tracked.keys().copied().collect()
    }

    /// Whether a node may be alive that is not among these.
    #[must_use]
    pub fn may_be_incomplete(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) <= SILENCE;
        !self.missing.is_empty() || self.untracked.is_some_and(is_recent)
    }

    /// To be called about once a second.
    pub fn tick(&mut self, now: Instant) -> Vec<Effect> {
        let mut effects = Vec::new();
        let silent = |peer: &Peer| now.saturating_duration_since(peer.last_message) > SILENCE;
        let gone: Vec<NodeId> =
            self.tracked.iter().filter(|(_, peer)| silent(peer)).map(|(node, _)| *node).collect();
        self.missing.retain(|_, since| now.saturating_duration_since(*since) < MISSING);
        for node in gone {
            self.forget(node, &mut effects);
            if self.missing.len() < MAX_PEERS {
                self.missing.insert(node, now);
            }
        }
        for (node, peer) in &mut self.tracked {
            peer.request_list(*node, now, &mut effects);
        }
        effects
    }

    /// The connection was lost for a while, and the messages in between with it. A hello follows.
    pub fn lost(&mut self, now: Instant) {
        for peer in self.tracked.values_mut() {
            (peer.list_state, peer.list_requested) = (ListState::Incomplete, Some(now));
        }
    }

    /// Sessions of a message that another node has already claimed. The first claim counts; otherwise the end
    /// that one node reports would end the other's session.
    fn claimed_by_others(&self, node: NodeId, message: &NodeMessage) -> HashSet<SessionId> {
        let (NodeMessage::Sessions { connected: listed, .. } | NodeMessage::List { sessions: listed, .. }) =
            message
        else {
            return HashSet::new();
        };
        let others = || self.tracked.iter().filter(|(other, _)| **other != node);
        let is_taken = |id: SessionId| others().any(|(_, peer)| peer.sessions.contains_key(&id));
        listed.iter().map(|listed| listed.id).filter(|id| is_taken(*id)).collect()
    }

    fn forget(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        let sessions = self.tracked.remove(&node).map(|peer| peer.sessions).unwrap_or_default();
        if !sessions.is_empty() {
            let gone = sessions.into_iter().map(|(session, user)| SessionKey { user, session });
            effects.push(Effect::Remove(gone.collect()));
        }
    }
}

impl Peer {
    fn add(&mut self, listed: ListedSession, effects: &mut Vec<Effect>) {
        if self.sessions.len() >= MAX_SESSIONS && !self.sessions.contains_key(&listed.id) {
            return;
        }
        if let ListState::Receiving { so_far, .. } = &mut self.list_state {
            so_far.insert(listed.id);
        }
        // A session that is listed again remains that of the user with whom it was added, and is removed as that.
        if let Entry::Vacant(free) = self.sessions.entry(listed.id) {
            free.insert(listed.user);
            effects.push(Effect::Add(listed));
        }
    }

    fn remove(&mut self, mut gone: Vec<SessionKey>, effects: &mut Vec<Effect>) {
        // Uses the users of when the sessions connected, whatever the message says now.
        gone.retain_mut(|gone| match self.sessions.remove(&gone.session) {
            Some(user) => {
                gone.user = user;
                true
            }
            None => false,
        });
        if !gone.is_empty() {
            effects.push(Effect::Remove(gone));
        }
    }

    fn list(
        &mut self,
        part: u32,
        last: bool,
        sessions: Vec<ListedSession>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        if part == 0 {
            self.list_state = ListState::Receiving { next: 0, so_far: HashSet::new(), since: now };
        }
        match &mut self.list_state {
            ListState::Receiving { next, since, .. } if *next == part => (*next, *since) = (part + 1, now),
            // A part of a list whose beginning was missed.
            _ => return,
        }
        for listed in sessions {
            self.add(listed, effects);
        }
        if last
            && let ListState::Receiving { so_far, .. } =
                std::mem::replace(&mut self.list_state, ListState::Complete)
        {
            let gone: Vec<SessionKey> = self
                .sessions
                .iter()
                .filter(|(session, _)| !so_far.contains(*session))
                .map(|(session, user)| SessionKey { user: *user, session: *session })
                .collect();
            self.remove(gone, effects);
        }
    }

    fn request_list(&mut self, node: NodeId, now: Instant, effects: &mut Vec<Effect>) {
        let is_long_ago = |at: Instant| now.saturating_duration_since(at) > LIST_TIMEOUT;
        let due = match &self.list_state {
            ListState::Complete => false,
            ListState::Incomplete => self.list_requested.is_none_or(is_long_ago),
            ListState::Receiving { since, .. } => is_long_ago(*since),
        };
        if due {
            (self.list_state, self.list_requested) = (ListState::Incomplete, Some(now));
            effects.push(Effect::RequestList(node));
        }
    }
}

/// What the return of this node's own message means.
fn returned(own: NodeId, message: &NodeMessage) -> Vec<Effect> {
    match message {
        NodeMessage::AccessChanged { number } => vec![Effect::Echo, Effect::AccessApplied(own, *number)],
        NodeMessage::RoomsChanged { number } => vec![Effect::Echo, Effect::RoomsApplied(own, *number)],
        _ => vec![Effect::Echo],
    }
}

/// What a node changed that is not tracked. It counts all the same, and the rows confirm it.
fn changed_by_untracked(message: &NodeMessage) -> Vec<Effect> {
    match message {
        NodeMessage::Revoked { logins, at } => vec![revoke(logins, *at)],
        NodeMessage::AccessChanged { .. } => vec![Effect::ReadAccess],
        NodeMessage::RoomsChanged { number } => vec![Effect::ReadRooms(*number)],
        _ => Vec::new(),
    }
}

fn revoke(logins: &[super::message::RevokedLogin], at: Option<Timestamp>) -> Effect {
    Effect::Revoke(logins.iter().map(super::message::RevokedLogin::read).collect(), at)
}

#[cfg(test)]
mod tests;
