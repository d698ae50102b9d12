//! A user's sessions on the other nodes, as those nodes report them. No I/O.
//!
//! A node reports the whole list of its sessions of a user each time, under a version that only grows. So a report that is
//! lost is replaced by the next one, and one that is late or repeated changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::SessionInfo;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Nodes of which the sessions of one user are known. Reports of further ones are ignored.
const MOST_NODES: usize = 64;

/// The id of a process, new at each start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub Uuid);

/// A node's report of its sessions of one user, or a part of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub user: UserId,
    /// Greater than in each earlier report of the node.
    pub version: u64,
    /// Counted from 0.
    pub part: u32,
    pub is_last: bool,
    pub sessions: Vec<SessionInfo>,
}

/// What a report has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Nothing,
    Changed,
    /// A part before it is missing: the node has to report again.
    Gap,
}

#[derive(Debug, Default)]
pub(super) struct Remote(Vec<RemoteNode>);

#[derive(Debug)]
struct RemoteNode {
    node: NodeId,
    version: u64,
    /// It has reported since reports may have been missed.
    is_confirmed: bool,
    /// The oldest first.
    sessions: Vec<Arc<SessionInfo>>,
    /// A report of which some parts have not arrived yet.
    incoming: Option<Box<Incoming>>,
}

#[derive(Debug)]
struct Incoming {
    version: u64,
    next: u32,
    sessions: Vec<SessionInfo>,
}

impl RemoteNode {
    /// Takes a part; the sessions once all parts have arrived.
    fn take(&mut self, report: Report, most: usize) -> Result<Option<Vec<SessionInfo>>, Outcome> {
        let Report { version, part, is_last, sessions, .. } = report;
        let newest = self.incoming.as_ref().map_or(self.version, |incoming| incoming.version);
        if version <= self.version || version < newest {
            return Err(Outcome::Nothing);
        }
        if part == 0 {
            self.incoming = Some(Box::new(Incoming { version, next: 0, sessions: Vec::new() }));
        }
        let incoming = self.incoming.as_mut().filter(|incoming| incoming.version == version);
        let Some(incoming) = incoming.filter(|incoming| part <= incoming.next) else {
            return Err(Outcome::Gap);
        };
        if part < incoming.next {
            return Err(Outcome::Nothing);
        }
        incoming.next += 1;
        let room = most.saturating_sub(incoming.sessions.len());
        incoming.sessions.extend(sessions.into_iter().take(room));
        if !is_last {
            return Ok(None);
        }
        (self.version, self.is_confirmed) = (version, true);
        Ok(self.incoming.take().map(|incoming| incoming.sessions))
    }
}

impl Remote {
    /// Takes a report. `most` sessions of the user are kept of each node.
    pub fn apply(
        &mut self,
        node: NodeId,
        report: Report,
        local: &[Arc<SessionInfo>],
        most: usize,
    ) -> Outcome {
        let at = self.0.iter().position(|known| known.node == node).unwrap_or(self.0.len());
        if at >= MOST_NODES {
            return Outcome::Nothing;
        }
        if at == self.0.len() {
            let sessions = Vec::new();
            self.0.push(RemoteNode { node, version: 0, is_confirmed: false, sessions, incoming: None });
        }
        let mut reported = match self.0[at].take(report, most) {
            Ok(Some(sessions)) => sessions,
            Ok(None) => return Outcome::Nothing,
            Err(outcome) => return outcome,
        };
        let others = self.0.iter().filter(|known| known.node != node).flat_map(|known| &known.sessions);
        // The first node that reports a session has it. No other can end it.
        let taken: HashSet<SessionId> = others.chain(local).map(|info| info.id).collect();
        reported.retain(|info| !taken.contains(&info.id));
        reported.sort_by_key(|info| info.id);
        reported.dedup_by_key(|info| info.id);
        reported.truncate(most);
        let known = &mut self.0[at].sessions;
        if known.iter().map(|info| info.id).eq(reported.iter().map(|info| info.id)) {
            return Outcome::Nothing;
        }
        *known = reported.into_iter().map(Arc::new).collect();
        known.shrink_to_fit();
        Outcome::Changed
    }

    /// Reports may have been missed: what the nodes do not confirm until [`Remote::settle`] has ended.
    pub fn doubt(&mut self) {
        self.0.iter_mut().for_each(|known| known.is_confirmed = false);
    }

    /// Forgets the nodes that have not confirmed their sessions. Answers whether there were any sessions of such.
    pub fn settle(&mut self) -> bool {
        let before = self.len();
        self.0.retain(|known| known.is_confirmed);
        before != self.len()
    }

    /// These nodes are gone. Answers whether they had sessions.
    pub fn forget(&mut self, nodes: &[NodeId]) -> bool {
        let before = self.len();
        self.0.retain(|known| !nodes.contains(&known.node));
        before != self.len()
    }

    /// All sessions that are known.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<SessionInfo>> {
        self.0.iter().flat_map(|known| &known.sessions)
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|known| known.sessions.len()).sum()
    }

    /// The sessions of this node (`local`, the oldest first) that are too many: those with at least `limit` older ones on
    /// all nodes.
    ///
    /// Ids are in the order of creation and the same everywhere, so each session is judged alike by all nodes, and the
    /// `limit` oldest are never among these, whatever a node does not know. Each node closes its own, so in the end
    /// exactly `limit` are left.
    pub fn excess(&self, local: &[Arc<SessionInfo>], limit: usize) -> Vec<SessionId> {
        if local.len() + self.len() <= limit {
            return Vec::new();
        }
        let confirmed = self.0.iter().filter(|known| known.is_confirmed);
        let mut elsewhere: Vec<_> = confirmed.flat_map(|known| &known.sessions).map(|info| info.id).collect();
        elsewhere.sort_unstable();
        let older = |at: usize, id: SessionId| at + elsewhere.partition_point(|other| *other < id);
        let too_many = local.iter().enumerate().filter(|(at, info)| older(*at, info.id) >= limit);
        too_many.map(|(_, info)| info.id).collect()
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
