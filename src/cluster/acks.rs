//! Which nodes have applied a change of rights: the node that made it waits for the others. Changes of roles and claims
//! have numbers of their own, and those of rights to rooms.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::message::NodeId;

/// How many of its last words count for a node. Two threads of a node may say theirs in either order; but a number that is
/// too large, forged or from before a backup was restored, must not be an answer to every later question.
const WORDS: usize = 8;

/// The numbers that a node has said last.
type Words = VecDeque<i64>;

/// The nodes that are alive, with the number of the last change that each has applied.
#[derive(Debug)]
pub(super) struct Acks {
    own: NodeId,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct State {
    /// This node is one of them: its number is the last that it has received back over Redis. All nodes that joined
    /// before are known by then, and one that joins later reads the change when it does.
    nodes: HashMap<NodeId, Words>,
    /// A node that is not among them may be alive.
    incomplete: bool,
}

impl Acks {
    pub(super) fn new(own: NodeId) -> Self {
        let state = State { nodes: HashMap::from([(own, Words::new())]), incomplete: false };
        Self { own, state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the other nodes that are alive, as far as is known.
    pub(super) fn set_alive(&self, alive: &[NodeId], incomplete: bool) {
        {
            let mut state = self.state();
            state.incomplete = incomplete;
            state.nodes.retain(|node, _| *node == self.own || alive.contains(node));
            for node in alive {
                state.nodes.entry(*node).or_default();
            }
        }
        self.changed.send_replace(());
    }

    /// How many nodes are alive, with this one.
    pub(super) fn nodes(&self) -> usize {
        self.state().nodes.len()
    }

    /// A node says that it has applied all changes up to `number`.
    pub(super) fn applied(&self, node: NodeId, number: i64) {
        if let Some(words) = self.state().nodes.get_mut(&node) {
            words.truncate(WORDS - 1);
            words.push_front(number);
        }
        self.changed.send_replace(());
    }

    /// The nodes that have not said so. None if it is not known which nodes are alive: Redis does not deliver, or another
    /// node may have no connection to it.
    pub(super) fn silent(&self, number: i64) -> Option<Vec<NodeId>> {
        let state = self.state();
        let has_applied = |words: &Words| words.iter().any(|applied| *applied >= number);
        let mut silent: Vec<NodeId> =
            state.nodes.iter().filter(|(_, words)| !has_applied(words)).map(|(node, _)| *node).collect();
        silent.sort_unstable_by_key(|node| node.0);
        (!state.incomplete && !silent.contains(&self.own)).then_some(silent)
    }

    /// Ready when all nodes have said so.
    pub(super) async fn all_applied(&self, number: i64) {
        let mut changed = self.changed.subscribe();
        // Fails only if the sender is gone, which `self` holds.
        while self.silent(number) != Some(Vec::new()) && changed.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    fn node(id: u128) -> NodeId {
        NodeId(Uuid::from_u128(id))
    }

    #[test]
    fn a_change_is_waited_for_until_each_node_that_is_alive_has_applied_it() {
        let acks = Acks::new(node(9));
        acks.applied(node(9), 8);
        assert!(acks.all_applied(7).now_or_never().is_some(), "no other node");
        acks.set_alive(&[node(1), node(2)], false);
        acks.applied(node(1), 7);
        acks.applied(node(1), 5);
        acks.applied(node(3), 9);
        assert_eq!(acks.silent(7), Some(vec![node(2)]));
        assert_eq!(acks.silent(8), Some(vec![node(1), node(2)]));
        let mut wait = Box::pin(acks.all_applied(7));
        assert!((&mut wait).now_or_never().is_none());
        acks.applied(node(2), 8);
        assert!(wait.now_or_never().is_some());
        let mut wait = Box::pin(acks.all_applied(8));
        assert!((&mut wait).now_or_never().is_none());
        acks.set_alive(&[], false);
        assert!(wait.now_or_never().is_some(), "they are gone");
    }

    #[test]
    fn a_number_that_is_too_large_counts_for_a_few_changes_and_not_for_ever() {
        let acks = Acks::new(node(9));
        acks.set_alive(&[node(1)], false);
        acks.applied(node(1), i64::MAX);
        for change in 1..100 {
            acks.applied(node(9), change + 1);
            acks.applied(node(1), change);
            assert_eq!(acks.silent(change), Some(vec![]));
            let is_answered = acks.silent(change + 1) == Some(vec![]);
            assert_eq!(is_answered, change < i64::try_from(WORDS).unwrap(), "{change}");
        }
        assert!(acks.state().nodes.values().all(|words| words.len() <= WORDS));
    }

    #[test]
    fn no_change_counts_as_applied_while_it_is_not_known_which_nodes_are_alive() {
        let acks = Acks::new(node(9));
        assert_eq!(acks.silent(1), None, "not connected yet");
        acks.applied(node(9), 1);
        assert_eq!(acks.silent(1), Some(vec![]));
        assert_eq!(acks.silent(2), None, "the message has not come back");
        let mut wait = Box::pin(acks.all_applied(2));
        acks.set_alive(&[], true);
        acks.applied(node(9), 2);
        assert!((&mut wait).now_or_never().is_none() && acks.silent(2).is_none(), "a node may be missing");
        acks.set_alive(&[node(1)], false);
        assert!((&mut wait).now_or_never().is_none(), "one has joined meanwhile");
        acks.applied(node(1), 2);
        assert!(wait.now_or_never().is_some());
    }
}
