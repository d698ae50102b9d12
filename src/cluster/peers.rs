//! Which other nodes are alive, as far as revocations and changes of rights are concerned, and how many sessions each has:
//! a state machine without I/O.
//!
//! Redis stores nothing. Each node says every few seconds that it is alive, and one that is silent for long counts as
//! gone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::message::{Envelope, NodeId, NodeMessage, RevokedLogin};
use crate::clock::Timestamp;
use doorward_core::domain::{LoginId, RevokeReason};

/// How long a node may be silent; it sends a message every [`super::BEAT`].
const SILENCE: Duration = Duration::from_secs(15);

/// How long a node that fell silent may still be alive, without a connection to Redis. One that was killed says no
/// goodbye either.
const MISSING: Duration = Duration::from_mins(10);

/// Other nodes that are tracked. A further one is not counted until one of these is gone.
pub const MAX_PEERS: usize = 64;

/// What to do in response to a message.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// And since when, if that is known.
    Revoke(Vec<(LoginId, RevokeReason)>, Option<Timestamp>),
    /// Say that this node is alive.
    Beat,
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
    last_message: Instant,
    sessions: u32,
}

impl Peers {
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self { own, tracked: HashMap::new(), missing: HashMap::new(), untracked: None }
    }

    pub fn receive(&mut self, envelope: Envelope, now: Instant) -> Vec<Effect> {
        let Envelope { node, message, .. } = envelope;
        if node == self.own {
            return returned(node, &message);
        }
        self.receive_other(node, message, now).into_iter().collect()
    }

    fn receive_other(&mut self, node: NodeId, message: NodeMessage, now: Instant) -> Option<Effect> {
        self.missing.remove(&node);
        if message == NodeMessage::Bye {
            self.tracked.remove(&node);
            return None;
        }
        let is_tracked = self.tracked.len() < MAX_PEERS || self.tracked.contains_key(&node);
        if is_tracked {
            let peer = self.tracked.entry(node).or_insert(Peer { last_message: now, sessions: 0 });
            peer.last_message = now;
            if let NodeMessage::Beat { sessions } = message {
                peer.sessions = sessions;
            }
        } else {
            self.untracked = Some(now);
        }
        match message {
            NodeMessage::Hello => Some(Effect::Beat),
            // What a node changed that is not tracked counts all the same, and the rows confirm it.
            NodeMessage::Revoked { logins, at } => {
                Some(Effect::Revoke(logins.iter().map(RevokedLogin::read).collect(), at))
            }
            NodeMessage::AccessChanged { .. } => Some(Effect::ReadAccess),
            NodeMessage::RoomsChanged { number } => Some(Effect::ReadRooms(number)),
            NodeMessage::AccessApplied { number } if is_tracked => Some(Effect::AccessApplied(node, number)),
            NodeMessage::RoomsApplied { number } if is_tracked => Some(Effect::RoomsApplied(node, number)),
            _ => None,
        }
    }

    /// How many nodes are alive as far as is known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.tracked.len()
    }

    /// How many live sessions they have, as they said last.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.tracked.values().map(|peer| usize::try_from(peer.sessions).unwrap_or_default()).sum()
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

    /// Forgets the nodes that are silent. To be called about once a second.
    pub fn tick(&mut self, now: Instant) {
        let silent = |peer: &mut Peer| now.saturating_duration_since(peer.last_message) > SILENCE;
        self.missing.retain(|_, since| now.saturating_duration_since(*since) < MISSING);
        for (node, _) in self.tracked.extract_if(|_, peer| silent(peer)) {
            if self.missing.len() < MAX_PEERS {
                self.missing.insert(node, now);
            }
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

#[cfg(test)]
mod tests;
