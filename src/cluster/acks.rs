//! Which nodes have applied a change of roles and claims: the node that made it waits for the others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::message::NodeId;

/// The other nodes that are alive, with the number of the last change that each has applied.
#[derive(Debug)]
pub(super) struct Acks {
    nodes: Mutex<HashMap<NodeId, i32>>,
    changed: watch::Sender<()>,
}

impl Default for Acks {
    fn default() -> Self {
        Self { nodes: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Acks {
    fn nodes(&self) -> MutexGuard<'_, HashMap<NodeId, i32>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the nodes that are alive. One that has just started reads all changes before it answers a request.
    pub(super) fn set_alive(&self, alive: &[NodeId]) {
        {
            let mut nodes = self.nodes();
            nodes.retain(|node, _| alive.contains(node));
            for node in alive {
                nodes.entry(*node).or_insert(i32::MIN);
            }
        }
        self.changed.send_replace(());
    }

    /// A node says that it has applied all changes up to `number`.
    pub(super) fn applied(&self, node: NodeId, number: i32) {
        if let Some(last) = self.nodes().get_mut(&node) {
            *last = number.max(*last);
        }
        self.changed.send_replace(());
    }

    /// The nodes that have not said so.
    pub(super) fn silent(&self, number: i32) -> Vec<NodeId> {
        let mut silent: Vec<NodeId> =
            self.nodes().iter().filter(|(_, applied)| **applied < number).map(|(node, _)| *node).collect();
        silent.sort_unstable_by_key(|node| node.0);
        silent
    }

    /// Ready when all nodes have said so.
    pub(super) async fn all_applied(&self, number: i32) {
        let mut changed = self.changed.subscribe();
        // Fails only if the sender is gone, which `self` holds.
        while !self.silent(number).is_empty() && changed.changed().await.is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_change_is_waited_for_until_each_node_that_is_alive_has_applied_it() {
        let (acks, node) = (Acks::default(), |id: u128| NodeId(Uuid::from_u128(id)));
        assert!(acks.all_applied(7).now_or_never().is_some(), "no other node");
        acks.set_alive(&[node(1), node(2)]);
        acks.applied(node(1), 7);
        acks.applied(node(1), 5);
        acks.applied(node(3), 9);
        assert_eq!(acks.silent(7), [node(2)]);
        assert_eq!(acks.silent(8), [node(1), node(2)]);
        let mut wait = Box::pin(acks.all_applied(7));
        assert!((&mut wait).now_or_never().is_none());
        acks.applied(node(2), 8);
        assert!(wait.now_or_never().is_some());
        let mut wait = Box::pin(acks.all_applied(9));
        assert!((&mut wait).now_or_never().is_none());
        acks.set_alive(&[]);
        assert!(wait.now_or_never().is_some(), "they are gone");
    }
}
