//! What arrives on the channels of rooms and users, and which nodes have fallen silent.

use std::time::Duration;

use bytestring::ByteString;
use doorward_core::domain::{SessionId, UserId};
use doorward_core::rooms::RoomName;
use redis::Msg;
use tokio::sync::mpsc;

use super::alive::Before;
use super::budget::Budget;
use super::bus::{BusError, Subscription};
use super::frame::{Body, Frame};
use super::message::NodeId;
use super::now;
use super::queries::MOST_FOUND;
use super::relay_shared::{COMMON, Outgoing, Shared, send};
use super::session_news::{Query, Reply, SessionList};
use crate::directory::Directory;

/// How long nothing may arrive, not even a sign of life of this node, before the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(12);

/// Questions of other nodes that are answered each second: for the sessions of one user, and for those of all users, which
/// have to be searched.
const QUESTIONS: Budget = Budget::new(5000, Duration::from_secs(1));
const SEARCHES: Budget = Budget::new(20, Duration::from_secs(1));

/// Sessions that such a search answers at most. An administrator's page has 500.
const MOST_SEARCHED: usize = 1000;

/// Passes over all users of this node: for nodes that say goodbye, and for those that return. What is too much waits for the
/// next sign of life.
const GOODBYES: Budget = Budget::new(4, Duration::from_secs(1));
const RETURNS: Budget = Budget::new(1, Duration::from_secs(8));

/// Signs of life each second for nodes that are new.
const GREETINGS: Budget = Budget::new(4, Duration::from_secs(1));

/// What arrives from the other nodes, or is noticed of them. JSON is what anyone who reaches Redis may have written.
#[derive(Debug, Clone, Copy)]
pub enum FromNodes<'a> {
    Message(&'a RoomName, &'a str),
    /// What a node tells of its sessions in a room.
    Presence(NodeId, &'a RoomName, &'a str),
    /// What the others say of this room arrives from now on.
    Subscribed(&'a RoomName),
    /// These sessions of this node are to be closed: their user has too many on all nodes.
    Excess(&'a [SessionId]),
    /// The node has stopped, or is silent.
    Gone(NodeId),
}

/// What reading needs.
pub(super) struct Reader<'a, R> {
    id: NodeId,
    /// Of the channels' names.
    prefix: &'a str,
    shared: &'a Shared,
    directory: &'a Directory,
    queue: &'a mpsc::WeakSender<Outgoing>,
    questions: Budget,
    searches: Budget,
    greetings: Budget,
    goodbyes: Budget,
    returns: Budget,
    /// Nodes that have said goodbye, and are still to be forgotten.
    gone: Vec<NodeId>,
    /// A node has returned that had counted as dead.
    has_returned: bool,
    receive: &'a R,
}

/// These nodes are gone.
pub(super) fn forget(nodes: &[NodeId], directory: &Directory, receive: &impl Fn(FromNodes<'_>)) {
    if !nodes.is_empty() {
        directory.forget_nodes(nodes);
        for node in nodes {
            receive(FromNodes::Gone(*node));
        }
    }
}

pub(super) async fn read_for_ever<R: Fn(FromNodes<'_>)>(
    mut subscription: Subscription,
    mut reader: Reader<'_, R>,
) -> Result<(), BusError> {
    loop {
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        let message = tokio::time::timeout(SILENCE, subscription.next()).await;
        let message = message.map_err(|_| BusError::Silent)??;
        if let Some(outcome) = reader.read(&message) {
            reader.shared.frames.add([outcome], 1);
        }
        // Others have a turn, however much arrives.
        tokio::task::consume_budget().await;
    }
}

impl<'a, R: Fn(FromNodes<'_>)> Reader<'a, R> {
    pub fn new(
        id: NodeId,
        prefix: &'a str,
        shared: &'a Shared,
        (directory, queue): (&'a Directory, &'a mpsc::WeakSender<Outgoing>),
        receive: &'a R,
    ) -> Self {
        Self {
            id,
            prefix,
            shared,
            directory,
            queue,
            questions: QUESTIONS,
            searches: SEARCHES,
            greetings: GREETINGS,
            goodbyes: GOODBYES,
            returns: RETURNS,
            gone: Vec::new(),
            has_returned: false,
            receive,
        }
    }

    /// Hands on what another node says. Whatever else stands there is dropped. Answers as what it counts; as nothing if it is
    /// no message, or this node's own.
    fn read(&mut self, message: &Msg) -> Option<&'static str> {
        let Some(Frame { node, body }) = Frame::read(message.get_payload_bytes()) else {
            return Some("unreadable");
        };
        if node == self.id {
            self.returned(body);
            return None;
        }
        let channel = message.get_channel_name().strip_prefix(self.prefix).unwrap_or_default();
        let (room, is_common) = (RoomName::parse(channel), channel == COMMON);
        let read = match (body, room) {
            (Body::Message(json), Some(room)) => {
                (self.receive)(FromNodes::Message(&room, json));
                return Some("received");
            }
            (Body::Presence(json), Some(room)) => {
                self.hear(node);
                (self.receive)(FromNodes::Presence(node, &room, json));
                return None;
            }
            (Body::Sessions(json), Some(room)) => self.list(node, room.user(), json),
            (Body::Query(json), room) if is_common || room.is_some() => self.query(node, json),
            (Body::Reply(json), None) if !is_common => self.reply(node, json),
            (Body::Beat, None) if is_common => {
                self.hear(node);
                Some(())
            }
            (Body::Bye, None) if is_common => {
                self.goodbye(node);
                Some(())
            }
            _ => None,
        };
        if read.is_none() { Some("unreadable") } else { None }
    }

    /// Something of this node has come back.
    fn returned(&mut self, body: Body<'_>) {
        match body {
            // Its own sign of life comes in time, whatever the others do.
            Body::Beat => {
                let mut silent = self.shared.alive().take_silent(now());
                silent.append(&mut self.gone);
                forget(&silent, self.directory, self.receive);
                self.publish_all_again();
            }
            // It is one of those that were asked.
            Body::Query(json) => {
                if let Ok(query) = Query::read(json) {
                    self.shared.queries().answer(query.id, self.id, [], true);
                }
            }
            _ => {}
        }
    }

    /// The node is there. A new one is to know soon that this one is. If it had counted as dead, what it told was forgotten,
    /// and it may have forgotten this one: all lists are published and asked for again.
    fn hear(&mut self, node: NodeId) -> Before {
        let before = self.shared.alive().hear(node, now());
        match before {
            Before::Unknown if self.greetings.take(1, now()) => self.shared.greeted.notify_one(),
            Before::Silent => {
                self.has_returned = true;
                self.publish_all_again();
            }
            Before::Unknown | Before::Alive | Before::Untracked => {}
        }
        before
    }

    fn publish_all_again(&mut self) {
        if self.has_returned && self.returns.take(1, now()) {
            self.has_returned = false;
            for user in self.directory.local_users() {
                self.shared.announce(user, true);
            }
        }
    }

    /// Of a node that was not there, there is nothing to forget.
    fn goodbye(&mut self, node: NodeId) {
        if self.shared.alive().forget(node) {
            if self.goodbyes.take(1, now()) {
                forget(&[node], self.directory, self.receive);
            } else {
                self.gone.push(node);
            }
        }
    }

    /// A node's sessions of a user, on the user's channel.
    fn list(&mut self, node: NodeId, user: Option<UserId>, json: &str) -> Option<()> {
        let list = SessionList::read(json).ok().filter(|list| Some(list.user) == user)?;
        if self.hear(node) == Before::Untracked {
            return Some(());
        }
        let (user, asks, report) = (list.user, list.asks, list.report());
        let is_last = report.is_last;
        let reaction = self.directory.hear(node, report);
        if !reaction.excess.is_empty() {
            (self.receive)(FromNodes::Excess(&reaction.excess));
        }
        if asks || reaction.asks {
            self.shared.announce(user, reaction.asks);
        }
        if is_last {
            self.shared.gathers().answered(user, node);
        }
        Some(())
    }

    fn query(&mut self, node: NodeId, json: &str) -> Option<()> {
        let query = Query::read(json).ok()?;
        let budget = if query.user.is_some() { &mut self.questions } else { &mut self.searches };
        if !budget.take(1, now()) {
            // The node that asks says that this one was silent.
            return Some(());
        }
        let limit = usize::try_from(query.limit).unwrap_or(MOST_FOUND).min(MOST_FOUND);
        let sessions = match query.user {
            Some(user) => {
                let mut sessions = self.directory.local_of_user(user);
                sessions.retain(|info| query.after.is_none_or(|after| info.id > after));
                sessions.truncate(limit);
                sessions
            }
            None => self.directory.local_page(query.after, limit.min(MOST_SEARCHED)),
        };
        let queue = self.queue.upgrade()?;
        for reply in Reply::parts(query.id, &sessions) {
            // Numbers, ids and strings always serialize.
            let json = ByteString::from(serde_json::to_string(&reply).unwrap_or_default());
            if !send(&queue, self.shared, Outgoing::Reply(node, json)) {
                break;
            }
        }
        Some(())
    }

    fn reply(&self, node: NodeId, json: &str) -> Option<()> {
        let reply = Reply::read(json).ok()?;
        let (query, is_last) = (reply.query, reply.last);
        self.shared.queries().answer(query, node, reply.into_sessions(), is_last);
        Some(())
    }
}
