//! Questions for sessions of which this node keeps no list: those of a user who is not connected to it, and those of all
//! users. No I/O.

use std::collections::{HashMap, HashSet};

use doorward_core::protocol::SessionInfo;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::message::NodeId;

/// Questions that may wait at the same time.
const MOST_OPEN: usize = 4096;

/// Sessions in an answer, and in all answers to a question together.
pub(super) const MOST_FOUND: usize = 10_000;

/// What the other nodes have answered.
#[derive(Debug, Default)]
pub struct Found {
    /// The oldest first.
    pub sessions: Vec<SessionInfo>,
    /// Nodes that have not answered.
    pub silent: Vec<NodeId>,
}

/// From whom an answer is expected.
#[derive(Debug)]
pub(super) enum Asked {
    /// From so many nodes, this one among them, as Redis says.
    Number(usize),
    /// From these.
    Nodes(HashSet<NodeId>),
}

#[derive(Debug, Default)]
pub(super) struct Queries(HashMap<Uuid, Open>);

#[derive(Debug)]
struct Open {
    limit: usize,
    sessions: Vec<SessionInfo>,
    answered: HashSet<NodeId>,
    /// None until they were asked.
    asked: Option<Asked>,
    /// Dropped when all have answered.
    waiter: Option<oneshot::Sender<()>>,
}

impl Open {
    fn check(&mut self) {
        let is_complete = match &self.asked {
            None => false,
            Some(Asked::Number(number)) => self.answered.len() >= *number,
            Some(Asked::Nodes(nodes)) => nodes.is_subset(&self.answered),
        };
        if is_complete {
            self.waiter = None;
        }
    }
}

impl Queries {
    /// Opens a question for up to `limit` sessions. Ready when all have answered. None if too many are open.
    pub fn open(&mut self, id: Uuid, limit: usize) -> Option<oneshot::Receiver<()>> {
        if self.0.len() >= MOST_OPEN {
            return None;
        }
        let (waiter, receiver) = oneshot::channel();
        let (limit, sessions, answered) = (limit.min(MOST_FOUND), Vec::new(), HashSet::new());
        self.0.insert(id, Open { limit, sessions, answered, asked: None, waiter: Some(waiter) });
        Some(receiver)
    }

    /// The question was published.
    pub fn asked(&mut self, id: Uuid, asked: Asked) {
        if let Some(open) = self.0.get_mut(&id) {
            open.asked = Some(asked);
            open.check();
        }
    }

    /// A node has answered: these are some of its sessions, the oldest first, or the last of them.
    pub fn answer(
        &mut self,
        id: Uuid,
        node: NodeId,
        sessions: impl IntoIterator<Item = SessionInfo>,
        is_last: bool,
    ) {
        let Some(open) = self.0.get_mut(&id).filter(|open| open.waiter.is_some()) else { return };
        open.sessions.extend(sessions);
        open.sessions.sort_by_key(|info| info.id);
        open.sessions.dedup_by_key(|info| info.id);
        open.sessions.truncate(open.limit);
        if is_last {
            open.answered.insert(node);
            open.check();
        }
    }

    /// Ends a question, also if some nodes have not answered.
    pub fn close(&mut self, id: Uuid) -> Found {
        let Some(Open { sessions, answered, asked, .. }) = self.0.remove(&id) else {
            return Found::default();
        };
        let silent = match asked {
            Some(Asked::Nodes(nodes)) => nodes.difference(&answered).copied().collect(),
            _ => Vec::new(),
        };
        Found { sessions, silent }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use doorward_core::domain::{LoginId, SessionId, UserId};
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::Clock;

    const ID: Uuid = Uuid::from_u128(7);

    fn node(number: u128) -> NodeId {
        NodeId(Uuid::from_u128(number))
    }

    fn info(session: u128) -> SessionInfo {
        SessionInfo {
            id: SessionId(Uuid::from_u128(session)),
            user: UserId(Uuid::from_u128(1)),
            login: LoginId(Uuid::from_u128(3)),
            transport: "tcp",
            address: IpAddr::from([127, 0, 0, 1]),
            since: Clock::System.now(),
        }
    }

    fn ids(found: &Found) -> Vec<u128> {
        found.sessions.iter().map(|info| info.id.0.as_u128()).collect()
    }

    #[test]
    fn answers_are_merged_up_to_the_limit_and_nodes_that_do_not_answer_are_named() {
        let mut queries = Queries::default();
        let mut wait = queries.open(ID, 3).unwrap();
        queries.answer(ID, node(1), [info(2), info(5)], false);
        queries.asked(ID, Asked::Nodes(HashSet::from([node(1), node(2), node(3)])));
        queries.answer(ID, node(1), [info(6)], true);
        queries.answer(ID, node(2), [info(1), info(2)], true);
        assert!((&mut wait).now_or_never().is_none());
        let found = queries.close(ID);
        assert_eq!((ids(&found), found.silent), (vec![1, 2, 5], vec![node(3)]));
        assert!(queries.0.is_empty());
        queries.answer(ID, node(3), [info(9)], true);
        assert!(queries.close(ID).sessions.is_empty(), "it was too late");
    }

    #[test]
    fn a_question_is_answered_when_as_many_have_answered_as_were_asked() {
        for answers_first in [true, false] {
            let mut queries = Queries::default();
            let mut wait = queries.open(ID, 9).unwrap();
            let answer = |queries: &mut Queries| {
                queries.answer(ID, node(1), [info(1)], true);
                queries.answer(ID, node(1), [], true);
                queries.answer(ID, node(2), [], true);
            };
            if answers_first {
                answer(&mut queries);
            }
            queries.asked(ID, Asked::Number(2));
            assert_eq!((&mut wait).now_or_never().is_some(), answers_first);
            answer(&mut queries);
            if !answers_first {
                assert!((&mut wait).now_or_never().is_some());
            }
            queries.answer(ID, node(3), [info(3)], true);
            assert_eq!(ids(&queries.close(ID)), [1], "answers after the end are not kept");
        }
    }

    #[test]
    fn open_questions_are_bounded() {
        let mut queries = Queries::default();
        for number in 0..MOST_OPEN {
            assert!(queries.open(Uuid::from_u128(number as u128), 1).is_some());
        }
        assert!(queries.open(Uuid::max(), 1).is_none());
        assert!(queries.close(Uuid::nil()).sessions.is_empty());
        assert!(queries.open(Uuid::max(), 1).is_some());
    }
}
