//! The users whose sessions all other nodes were asked for, until those have answered. Clients that want the list wait for
//! that. No I/O.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use doorward_core::domain::UserId;
use tokio::sync::oneshot;

use super::message::NodeId;

/// How long the other nodes may take to answer.
pub(super) const ANSWER: Duration = Duration::from_secs(1);

/// Nodes whose answers are counted.
const MOST_NODES: usize = 1000;

#[derive(Debug, Default)]
pub(super) struct Gathers {
    waiting: HashMap<UserId, Gather>,
    /// When they were asked for, in this order.
    asked: VecDeque<(Instant, UserId)>,
}

#[derive(Debug, Default)]
struct Gather {
    /// How many nodes were asked, as Redis says. None until they were.
    expected: Option<usize>,
    answered: HashSet<NodeId>,
    /// When they were last asked.
    since: Option<Instant>,
    /// Dropped when all have answered.
    waiters: Vec<oneshot::Sender<()>>,
}

impl Gather {
    fn is_complete(&self) -> bool {
        self.expected.is_some_and(|expected| self.answered.len() >= expected)
    }
}

impl Gathers {
    /// The nodes are going to be asked.
    pub fn begin(&mut self, user: UserId) {
        self.waiting.entry(user).or_default();
    }

    /// So many nodes have been asked. Answers whether all have answered already.
    pub fn asked(&mut self, user: UserId, nodes: usize, now: Instant) -> bool {
        let gather = self.waiting.entry(user).or_default();
        (gather.expected, gather.since) = (Some(nodes), Some(now));
        self.asked.push_back((now, user));
        self.take_complete(user)
    }

    /// A node has published its list. Answers whether it was the last that was missing.
    pub fn answered(&mut self, user: UserId, node: NodeId) -> bool {
        if let Some(gather) = self.waiting.get_mut(&user)
            && gather.answered.len() < MOST_NODES
        {
            gather.answered.insert(node);
        }
        self.take_complete(user)
    }

    fn take_complete(&mut self, user: UserId) -> bool {
        let is_complete = self.waiting.get(&user).is_some_and(Gather::is_complete);
        if is_complete {
            self.waiting.remove(&user);
        }
        is_complete
    }

    /// Gives up those that have not answered in time. Answers for which users there were any.
    pub fn expire(&mut self, now: Instant) -> Vec<UserId> {
        let mut expired = Vec::new();
        while let Some((at, _)) = self.asked.front()
            && *at + ANSWER <= now
            && let Some((at, user)) = self.asked.pop_front()
        {
            // They may have been asked again since.
            if self.waiting.get(&user).is_some_and(|gather| gather.since == Some(at)) {
                self.waiting.remove(&user);
                expired.push(user);
            }
        }
        if self.asked.is_empty() {
            // It keeps no room for the next herd.
            self.asked = VecDeque::new();
        }
        expired
    }

    /// Ready when the nodes that have sessions of the user have answered. None if there is nothing to wait for.
    pub fn until_complete(&mut self, user: UserId) -> Option<oneshot::Receiver<()>> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.get_mut(&user)?.waiters.push(sender);
        Some(receiver)
    }

    /// The connection was lost: there is nothing to wait for any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The user has no session here any more.
    pub fn forget(&mut self, user: UserId) {
        self.waiting.remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::clock::Clock;

    const ANN: UserId = UserId(Uuid::from_u128(1));

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    #[test]
    fn a_list_is_waited_for_until_each_node_that_was_asked_has_answered() {
        let (mut gathers, now) = (Gathers::default(), Clock::System.instant());
        assert!(gathers.until_complete(ANN).is_none() && !gathers.answered(ANN, node(1)));
        gathers.begin(ANN);
        let mut wait = gathers.until_complete(ANN).unwrap();
        assert!(!gathers.answered(ANN, node(1)) && !gathers.answered(ANN, node(1)), "not asked yet");
        assert!(!gathers.asked(ANN, 2, now), "one of two");
        assert!((&mut wait).now_or_never().is_none());
        assert!(gathers.answered(ANN, node(2)));
        assert!((&mut wait).now_or_never().is_some() && gathers.until_complete(ANN).is_none());
        gathers.begin(ANN);
        assert!(gathers.asked(ANN, 0, now), "there is no other");
        gathers.begin(ANN);
        let mut wait = gathers.until_complete(ANN).unwrap();
        gathers.forget(ANN);
        assert!((&mut wait).now_or_never().is_some());
        assert_eq!(gathers.expire(now + ANSWER), []);
        assert!(gathers.asked.is_empty() && gathers.waiting.is_empty());
    }

    #[test]
    fn a_node_that_does_not_answer_is_waited_for_a_second_after_the_last_question() {
        let (mut gathers, now) = (Gathers::default(), Clock::System.instant());
        gathers.asked(ANN, 1, now);
        gathers.asked(ANN, 1, now + ANSWER / 2);
        let mut wait = gathers.until_complete(ANN).unwrap();
        assert_eq!(gathers.expire(now + ANSWER), []);
        assert!((&mut wait).now_or_never().is_none());
        assert_eq!(gathers.expire(now + ANSWER * 2), [ANN]);
        assert!((&mut wait).now_or_never().is_some());
    }
}
