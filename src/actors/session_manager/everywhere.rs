//! Sessions of all nodes: lists of them, and those of this node that are too many because of others.

use std::sync::Arc;

use actix::{Context, Handler, Message};
use doorward_core::domain::{SessionId, UserId};
use doorward_core::protocol::{CloseReason, SessionInfo};
use futures_util::future::BoxFuture;

use super::{SessionManager, Sessions, ToSession, WorkerSessions};
use crate::cluster::message::NodeId;
use crate::metrics::Registry;

/// A part of the live sessions of all nodes.
#[derive(Debug, Default)]
pub struct SessionPage {
    /// The oldest first.
    pub sessions: Vec<Arc<SessionInfo>>,
    /// Nodes that have not answered: their sessions are missing.
    pub silent_nodes: Vec<NodeId>,
}

#[derive(Message)]
#[rtype(result = "()")]
struct CloseExcess(Arc<[SessionId]>);

impl Sessions {
    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.0.directory.register_metrics(registry);
        if let Some(relay) = &self.0.relay {
            relay.register_metrics(registry);
        }
    }

    /// The user's live sessions on all nodes, the oldest first. Other nodes are asked unless the user is connected to this one.
    pub async fn of_user(&self, user: UserId) -> Vec<Arc<SessionInfo>> {
        self.of_user_after(user, None, usize::MAX).await
    }

    /// Up to `limit` of them past `after`.
    pub async fn of_user_after(
        &self,
        user: UserId,
        after: Option<SessionId>,
        limit: usize,
    ) -> Vec<Arc<SessionInfo>> {
        let directory = self.directory();
        if let Some(gathered) = self.until_gathered(user) {
            gathered.await;
        }
        let known = after_and_up_to(directory.of_user(user), after, limit);
        match &self.0.relay {
            Some(relay) if !directory.has_user(user) => {
                let found = relay.find_of_user(user, after, limit).await;
                merge(known, found.sessions, limit)
            }
            _ => known,
        }
    }

    /// Up to `limit` live sessions of all users, or of one, past `after`, as all nodes report them now.
    pub async fn page(&self, user: Option<UserId>, after: Option<SessionId>, limit: usize) -> SessionPage {
        let directory = self.directory();
        let local = || match user {
            Some(user) => after_and_up_to(directory.local_of_user(user), after, limit),
            None => directory.local_page(after, limit),
        };
        let Some(relay) = &self.0.relay else {
            return SessionPage { sessions: local(), silent_nodes: Vec::new() };
        };
        let found = relay.find(user, after, limit).await;
        SessionPage { sessions: merge(local(), found.sessions, limit), silent_nodes: found.silent }
    }

    /// Ready once the sessions are known that a user who has just connected has on other nodes. None if there is nothing to
    /// wait for.
    #[must_use]
    pub fn until_gathered(&self, user: UserId) -> Option<BoxFuture<'static, ()>> {
        self.0.relay.as_ref()?.until_gathered(user)
    }

    /// Tells the other nodes that this one stops, if there are any.
    pub async fn leave_cluster(&self) {
        if let Some(relay) = &self.0.relay {
            relay.leave().await;
        }
    }

    /// Closes sessions of this node, because their users have too many on all nodes.
    pub fn close_excess(&self, sessions: &[SessionId]) {
        let sessions: Arc<[_]> = sessions.into();
        self.tell(|| CloseExcess(Arc::clone(&sessions)));
    }
}

impl WorkerSessions {
    /// The sessions of all worker threads.
    #[must_use]
    pub const fn all(&self) -> &Sessions {
        &self.all
    }
}

fn after_and_up_to(
    mut sessions: Vec<Arc<SessionInfo>>,
    after: Option<SessionId>,
    limit: usize,
) -> Vec<Arc<SessionInfo>> {
    sessions.retain(|info| after.is_none_or(|after| info.id > after));
    sessions.truncate(limit);
    sessions
}

fn merge(
    mut sessions: Vec<Arc<SessionInfo>>,
    found: Vec<SessionInfo>,
    limit: usize,
) -> Vec<Arc<SessionInfo>> {
    sessions.extend(found.into_iter().map(Arc::new));
    sessions.sort_by_key(|info| info.id);
    sessions.dedup_by_key(|info| info.id);
    sessions.truncate(limit);
    sessions
}

impl Handler<CloseExcess> for SessionManager {
    type Result = ();

    fn handle(&mut self, CloseExcess(sessions): CloseExcess, _: &mut Context<Self>) {
        for id in sessions.iter() {
            if let Some(registered) = self.sessions.get(id) {
                registered.session.do_send(ToSession::Close(CloseReason::TooMany));
            }
        }
    }
}
