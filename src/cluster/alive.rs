//! Which nodes are there, by what arrives from them. No I/O.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::message::NodeId;

/// A node from which nothing has come for so long counts as dead. Each gives a sign of life three times as often.
const SILENCE: Duration = Duration::from_secs(6);

/// Nodes that are remembered, and so many silent ones. What further ones tell of users' sessions is not noted, as it would
/// never be forgotten; what they tell of rooms lasts until they are silent in each.
const MOST: usize = 1000;

/// A node that was silent for longer has nothing left that others could know.
const FORGOTTEN: Duration = Duration::from_mins(10);

/// When something last came from which node.
#[derive(Debug, Default)]
pub struct Alive {
    heard: HashMap<NodeId, Instant>,
    /// Nodes that have fallen silent. They may have been paused, or cut off from Redis.
    silent: HashMap<NodeId, Instant>,
}

/// What was known of a node from which something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    Unknown,
    Alive,
    /// It had counted as dead.
    Silent,
    /// There are too many nodes: this one is not remembered.
    Untracked,
}

impl Alive {
    /// Something has come from the node.
    pub fn hear(&mut self, node: NodeId, now: Instant) -> Before {
        let is_known = self.heard.contains_key(&node);
        if !is_known && self.heard.len() >= MOST {
            return Before::Untracked;
        }
        self.heard.insert(node, now);
        match (self.silent.remove(&node), is_known) {
            (Some(_), _) => Before::Silent,
            (None, true) => Before::Alive,
            (None, false) => Before::Unknown,
        }
    }

    /// The node has said goodbye. Answers whether it was there.
    pub fn forget(&mut self, node: NodeId) -> bool {
        self.silent.remove(&node);
        self.heard.remove(&node).is_some()
    }

    /// The nodes that are silent, each once.
    pub fn take_silent(&mut self, now: Instant) -> Vec<NodeId> {
        let silent: Vec<_> =
            self.heard.extract_if(|_, heard| *heard + SILENCE <= now).map(|(node, _)| node).collect();
        self.silent.retain(|_, since| *since + FORGOTTEN > now);
        let room = MOST.saturating_sub(self.silent.len());
        self.silent.extend(silent.iter().take(room).map(|node| (*node, now)));
        silent
    }

    /// The nodes that are there.
    pub fn nodes(&self) -> HashSet<NodeId> {
        self.heard.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    #[test]
    fn a_node_is_dead_once_when_it_was_silent_for_six_seconds() {
        let (mut alive, start) = (Alive::default(), Clock::System.instant());
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 1..=3 {
            alive.hear(node(number), at(0));
        }
        alive.hear(node(2), at(4));
        alive.forget(node(3));
        assert_eq!(alive.take_silent(at(5)), []);
        assert_eq!(alive.take_silent(at(6)), [node(1)]);
        assert_eq!(alive.nodes(), HashSet::from([node(2)]));
        assert_eq!(alive.take_silent(at(9)), []);
        assert_eq!(alive.take_silent(at(10)), [node(2)]);
        for number in 0..5000 {
            let known = if number < MOST as u128 { Before::Untracked } else { Before::Alive };
            assert_ne!(alive.hear(node(number), at(10)), known, "{number}");
        }
        assert_eq!(alive.take_silent(at(16)).len(), MOST);
        assert!(alive.silent.len() <= MOST);
        assert_eq!(alive.take_silent(at(16) + FORGOTTEN), []);
        assert_eq!(alive.hear(node(7), at(17) + FORGOTTEN), Before::Unknown);
    }

    #[test]
    fn a_node_that_returns_after_it_counted_as_dead_is_noticed_once() {
        let (mut alive, start) = (Alive::default(), Clock::System.instant());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(alive.hear(node(1), at(0)), Before::Unknown);
        assert_eq!(alive.hear(node(1), at(0)), Before::Alive);
        assert_eq!(alive.take_silent(at(6)), [node(1)]);
        assert_eq!(alive.hear(node(1), at(7)), Before::Silent);
        assert_eq!(alive.hear(node(1), at(8)), Before::Alive);
        assert_eq!(alive.take_silent(at(14)), [node(1)]);
        alive.forget(node(1));
        assert_eq!(alive.hear(node(1), at(15)), Before::Unknown, "it had said goodbye");
    }
}
