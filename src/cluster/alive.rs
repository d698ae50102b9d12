//! Which nodes are there, by what arrives from them. No I/O.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::message::NodeId;

/// A node from which nothing has come for so long counts as dead. Each gives a sign of life three times as often.
const SILENCE: Duration = Duration::from_secs(6);

/// Nodes that are remembered. What further ones tell of their sessions lasts until they are silent in each room.
const MOST: usize = 1000;

/// When something last came from which node.
#[derive(Debug, Default)]
pub struct Alive(HashMap<NodeId, Instant>);

impl Alive {
    /// Something has come from the node.
    pub fn hear(&mut self, node: NodeId, now: Instant) {
        if self.0.len() < MOST || self.0.contains_key(&node) {
            self.0.insert(node, now);
        }
    }

    /// The node has said goodbye.
    pub fn forget(&mut self, node: NodeId) {
        self.0.remove(&node);
    }

    /// The nodes that are silent, each once.
    pub fn take_silent(&mut self, now: Instant) -> Vec<NodeId> {
        self.0.extract_if(|_, heard| *heard + SILENCE <= now).map(|(node, _)| node).collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_node_is_dead_once_when_it_was_silent_for_six_seconds() {
        let (mut alive, start) = (Alive::default(), Clock::System.instant());
        let node = |number| NodeId(Uuid::from_u128(number));
        let at = |seconds| start + Duration::from_secs(seconds);
        for number in 1..=3 {
            alive.hear(node(number), at(0));
        }
        alive.hear(node(2), at(4));
        alive.forget(node(3));
        assert_eq!(alive.take_silent(at(5)), []);
        assert_eq!(alive.take_silent(at(6)), [node(1)]);
        assert_eq!(alive.take_silent(at(9)), []);
        assert_eq!(alive.take_silent(at(10)), [node(2)]);
        for number in 0..5000 {
            alive.hear(node(number), at(10));
        }
        assert_eq!(alive.take_silent(at(16)).len(), MOST);
    }
}
