//! A user who connects to several nodes at once has as many sessions as are allowed in the end, and the nodes close no
//! others for it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::tests::{admit, info, user, users};
use super::*;

const NODES: usize = 4;
const LIMIT: usize = 3;

/// Nodes, and messages between them that arrive in any order, more than once, or never.
struct Cluster {
    nodes: Vec<Node>,
    /// To which node, from which, and what.
    messages: Vec<(usize, NodeId, Report)>,
    /// All sessions that were ever admitted, and those that a node has closed.
    admitted: BTreeSet<u128>,
    closed: BTreeSet<u128>,
}

struct Node {
    id: NodeId,
    users: Arc<Users>,
    tickets: BTreeMap<u128, Ticket>,
    version: u64,
}

impl Cluster {
    fn new() -> Self {
        let node = |number| Node {
            id: NodeId(Uuid::from_u128(100 + number as u128)),
            users: users(LIMIT),
            tickets: BTreeMap::new(),
            version: 0,
        };
        let nodes = (0..NODES).map(node).collect();
        Self { nodes, messages: Vec::new(), admitted: BTreeSet::new(), closed: BTreeSet::new() }
    }

    fn connect(&mut self, at: usize, session: u128) {
        if let Some(ticket) = admit(&self.nodes[at].users, 1, session) {
            self.nodes[at].tickets.insert(session, ticket);
            self.admitted.insert(session);
            self.publish(at);
        }
    }

    fn leave(&mut self, at: usize, session: u128) {
        if self.nodes[at].tickets.remove(&session).is_some() {
            self.publish(at);
        }
    }

    /// The node reports its list to all others, in two parts if it is long.
    fn publish(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        node.version += 1;
        let sessions: Vec<_> = node.tickets.keys().map(|session| info(1, *session)).collect();
        let (first, second) = sessions.split_at(sessions.len().min(2));
        let parts = if second.is_empty() { vec![first] } else { vec![first, second] };
        for to in (0..NODES).filter(|to| *to != at) {
            for (part, sessions) in (0..).zip(&parts) {
                let is_last = part as usize + 1 == parts.len();
                let sessions = sessions.to_vec();
                let report = Report { user: user(1), version: node.version, part, is_last, sessions };
                self.messages.push((to, node.id, report));
            }
        }
    }

    fn deliver(&mut self, (to, from, report): (usize, NodeId, Report)) {
        let reaction = self.nodes[to].users.hear(from, report);
        if !reaction.excess.is_empty() {
            for session in reaction.excess {
                self.nodes[to].tickets.remove(&session.0.as_u128());
                self.closed.insert(session.0.as_u128());
            }
            self.publish(to);
        }
    }

    /// All messages that are on their way arrive, and each node reports once more.
    fn become_quiet(&mut self) {
        (0..NODES).for_each(|at| self.publish(at));
        while !self.messages.is_empty() {
            let message = self.messages.remove(0);
            self.deliver(message);
        }
    }

    fn open(&self) -> BTreeSet<u128> {
        self.nodes.iter().flat_map(|node| node.tickets.keys().copied()).collect()
    }

    fn oldest(&self) -> BTreeSet<u128> {
        self.admitted.iter().take(LIMIT).copied().collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Connect(usize, u128),
    Leave(usize, u128),
    Deliver(usize),
    Repeat(usize),
    Lose(usize),
    /// The node has connected to Redis again.
    Doubt(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0..1000_usize;
    prop_oneof![
        // In any order of age: clocks differ.
        4 => (0..NODES, 0..200_u128).prop_map(|(at, session)| Step::Connect(at, session)),
        1 => (0..NODES, 0..200_u128).prop_map(|(at, session)| Step::Leave(at, session)),
        4 => which().prop_map(Step::Deliver),
        2 => which().prop_map(Step::Repeat),
        2 => which().prop_map(Step::Lose),
        1 => (0..NODES).prop_map(Step::Doubt),
    ]
}

proptest! {
    #[test]
    fn nodes_that_know_little_end_at_the_limit_and_never_below_it(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut cluster = Cluster::new();
        for step in steps {
            let waiting = cluster.messages.len();
            match step {
                Step::Connect(at, session) if !cluster.admitted.contains(&session) => cluster.connect(at, session),
                Step::Deliver(which) if waiting > 0 => {
                    let message = cluster.messages.remove(which % waiting);
                    cluster.deliver(message);
                }
                Step::Repeat(which) if waiting > 0 => {
                    let message = cluster.messages[which % waiting].clone();
                    cluster.deliver(message);
                }
                Step::Lose(which) if waiting > 0 => {
                    cluster.messages.remove(which % waiting);
                }
                Step::Doubt(at) => cluster.nodes[at].users.doubt(),
                _ => {}
            }
            prop_assert!(cluster.oldest().is_subset(&cluster.open()), "one of the oldest was closed");
        }
        cluster.become_quiet();
        prop_assert_eq!(cluster.open(), cluster.oldest());
    }

    #[test]
    fn a_session_is_closed_only_for_older_ones_and_the_limit_holds_in_the_end_whoever_leaves(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut cluster = Cluster::new();
        for step in steps {
            let waiting = cluster.messages.len();
            match step {
                Step::Connect(at, session) if !cluster.admitted.contains(&session) => cluster.connect(at, session),
                Step::Leave(at, which) => {
                    let tickets = cluster.nodes[at].tickets.keys();
                    let session = tickets.clone().nth(which as usize % tickets.len().max(1)).copied();
                    if let Some(session) = session {
                        cluster.leave(at, session);
                    }
                }
                Step::Deliver(which) if waiting > 0 => {
                    let message = cluster.messages.remove(which % waiting);
                    cluster.deliver(message);
                }
                Step::Lose(which) if waiting > 0 => {
                    cluster.messages.remove(which % waiting);
                }
                Step::Doubt(at) => cluster.nodes[at].users.doubt(),
                _ => {}
            }
        }
        cluster.become_quiet();
        prop_assert!(cluster.open().len() <= LIMIT);
        for session in &cluster.closed {
            prop_assert!(cluster.admitted.range(..session).count() >= LIMIT);
        }
        // What each node lists is the truth.
        for node in &cluster.nodes {
            let known = node.users.of(user(1)).iter().map(|info| info.id.0.as_u128()).collect::<BTreeSet<_>>();
            prop_assert!(known.is_empty() || known == cluster.open());
        }
    }
}
