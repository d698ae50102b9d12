//! Messages to rooms, and lists of users' sessions, between nodes: each room has a channel of its own, and a node subscribes
//! to those of the rooms that its sessions have joined and of the users who are connected to it. So its traffic grows with
//! its own sessions, not with those of all nodes, and a busy room holds up no revocation. Every message is published, in the
//! order of the room: which other nodes want it, only Redis knows.
//!
//! The promise to clients is that everything that is published after a session was told `joined` reaches it. So the first
//! session of a room on a node is told only when Redis has confirmed the subscription: from then on Redis has it before
//! any later publish. This costs one round trip, and only the first session; rooms that are joined meanwhile go into the
//! next SUBSCRIBE together, so 10,000 sign-ins, each with the room of its user, cost some tens of them. It waits at most
//! [`CONFIRM`], and not at all while there is no connection: then rooms reach the sessions of one node, and metrics say so.
//!
//! On the channel of a user, a node publishes its list of the user's sessions whenever it changes, and asks for those of the
//! others once it has subscribed. It keeps what it is sent only while the user is connected to it. Lists that are asked for
//! otherwise, for a page or by an administrator, are not kept: each node that has an answer sends it to the one that asks.
//!
//! A fixed number of channels, with rooms spread over them by a hash, would need neither confirmations nor subscriptions
//! again after a reconnect. But a node with more users than channels would be sent all messages of all nodes, since each
//! user has a room. Redis keeps some 250 bytes for each subscription, and takes 100,000 in about half a second.
//!
//! These are ordinary channels: a Redis Cluster passes them on among its nodes. Sharded ones would need a client that
//! knows the cluster's slots.
//!
//! On one more channel, every node gives a sign of life. What a node has told is its own: when it is silent, it has no
//! sessions any more.
//!
//! Nothing is kept: what is published while a node is not connected, it misses.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytestring::ByteString;
use doorward_core::domain::{SessionId, UserId};
use doorward_core::rooms::RoomName;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{mpsc, oneshot};

use super::bus::Address;
use super::gathers::ANSWER;
use super::message::NodeId;
use super::now;
use super::queries::Found;
use super::relay_shared::{Audience, COMMON, Outgoing, QUEUE, Shared, send};
use super::relay_task::RelayNode;
use super::session_news::Query;
use crate::clock::Clock;
use crate::config;
use crate::directory::Change;
use crate::metrics::{Registry, count};

/// How long a session waits for the confirmation of a subscription.
const CONFIRM: Duration = Duration::from_secs(1);

/// How long a node that stops waits until it has said so.
const GOODBYE: Duration = Duration::from_secs(2);

/// Publishes messages to rooms and lists of sessions, and says which rooms sessions of this node have joined. A clone is
/// another handle.
#[derive(Debug, Clone)]
pub struct Relay {
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
    clock: Clock,
}

impl Relay {
    /// The handle of the node `id`, and its task. None without other nodes.
    ///
    /// # Errors
    /// A sentence, if the URL is not a Redis URL.
    pub fn new(
        config: &config::Cluster,
        id: NodeId,
        clock: &Clock,
    ) -> Result<Option<(Self, RelayNode)>, String> {
        let Some(url) = &config.redis_url else { return Ok(None) };
        // Neither prefixes nor rooms have a `/`, and a room has a `:`.
        let prefix = format!("{}:rooms/", config.prefix);
        let common = format!("{prefix}{COMMON}");
        let address =
            Address::parse(url.as_str(), common).map_err(|error| format!("cluster.redis_url: {error}"))?;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let shared = Arc::<Shared>::default();
        let node = RelayNode::new(id, prefix, address, (queue.downgrade(), outgoing), Arc::clone(&shared));
        Ok(Some((Self { queue, shared, clock: clock.clone() }, node)))
    }

    /// Adds what is counted here.
    pub fn register_metrics(&self, registry: &mut Registry) {
        registry.counter(
            "doorward_rooms_relayed_total",
            "Messages to rooms that were sent to the other nodes or received from them, or are unreadable.",
            &self.shared.frames,
        );
        let this = self.clone();
        registry.reading(
            "doorward_rooms_subscribed",
            "Rooms of which this node is sent the other nodes' messages, one for each of its users among them.",
            move || count(this.shared.interest().len()),
        );
        let this = self.clone();
        registry.reading(
            "doorward_rooms_connected",
            "1 while rooms and lists of sessions reach all nodes, as far as this one is concerned.",
            move || f64::from(u8::from(this.is_connected())),
        );
    }

    /// Whether this node is sent the messages of all rooms that its sessions have joined.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.shared.interest().is_complete()
    }

    /// Passes a message on to the other nodes; false if there is no room in the queue, or no connection.
    #[must_use]
    pub fn publish(&self, room: &RoomName, content: &ByteString) -> bool {
        self.send(Outgoing::Message(room.clone(), content.clone()))
    }

    /// Tells the other nodes of this one's sessions in a room; false as above.
    #[must_use]
    pub fn publish_presence(&self, room: &RoomName, news: &ByteString) -> bool {
        self.send(Outgoing::Presence(room.clone(), news.clone()))
    }

    /// Tells the other nodes that this one stops. Nothing is published afterwards.
    pub async fn leave(&self) {
        let (said, is_said) = oneshot::channel();
        if self.send(Outgoing::Bye(said)) {
            #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
            // Without the message, the other nodes notice the silence.
            let _ = tokio::time::timeout(GOODBYE, is_said).await;
        }
    }

    fn send(&self, outgoing: Outgoing) -> bool {
        send(&self.queue, &self.shared, outgoing)
    }

    /// A first session of this node has joined the room.
    pub fn joined(&self, room: &RoomName) {
        self.shared.interest().join(room);
        self.shared.joined.notify_one();
    }

    /// The last session of this node has left it.
    pub fn left(&self, room: &RoomName) {
        self.shared.interest().leave(room, now());
    }

    /// Ready once this node is sent the messages of these rooms, or after [`CONFIRM`]. None if it is already, or if there is
    /// no connection.
    #[must_use]
    pub fn until_subscribed<'a>(
        &self,
        rooms: impl Iterator<Item = &'a RoomName>,
    ) -> Option<BoxFuture<'static, ()>> {
        let mut interest = self.shared.interest();
        let waits: Vec<_> = rooms.filter_map(|room| interest.until_confirmed(room)).collect();
        if waits.is_empty() {
            return None;
        }
        Some(Box::pin(async move {
            #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
            // The session goes on either way.
            let _ = tokio::time::timeout(CONFIRM, join_all(waits)).await;
        }))
    }

    /// The sessions of a user on this node have changed. Called while the user's entry is locked.
    pub fn sessions_changed(&self, change: Change) {
        let shared = &self.shared;
        let is_publishing = shared.publishing.load(Ordering::Acquire);
        match change {
            Change::First(user) => {
                if is_publishing {
                    shared.gathers().begin(user);
                }
                let is_subscribed = shared.interest().join(&RoomName::of_user(user));
                if is_subscribed {
                    shared.announce(user, true);
                } else {
                    // The list is published, and the others' are asked for, once the subscription is confirmed.
                    shared.joined.notify_one();
                }
            }
            Change::Changed(user) if is_publishing => shared.announce(user, false),
            // All lists are published once there is a connection.
            Change::Changed(_) => {}
            Change::Last(user) => {
                shared.interest().leave(&RoomName::of_user(user), now());
                shared.gathers().forget(user);
                if is_publishing {
                    shared.announce(user, false);
                } else {
                    shared.announcements().want_later(user);
                }
            }
        }
    }

    /// Ready once the sessions on other nodes of a user who has just connected to this one are known, or after [`ANSWER`].
    /// None if they are already, or if there is no connection.
    #[must_use]
    pub fn until_gathered(&self, user: UserId) -> Option<BoxFuture<'static, ()>> {
        let gathered = self.shared.gathers().until_complete(user)?;
        Some(Box::pin(async move {
            #[expect(clippy::disallowed_methods, reason = "other nodes' real pace; no rule depends on it")]
            // The list is what is known by then.
            let _ = tokio::time::timeout(ANSWER, gathered).await;
        }))
    }

    /// Up to `limit` sessions past `after` that the other nodes have of a user.
    pub async fn find_of_user(&self, user: UserId, after: Option<SessionId>, limit: usize) -> Found {
        self.ask(Some(user), Audience::NodesOf(user), after, limit).await
    }

    /// The same of all users, or of one. Each node that is alive is asked, and those that do not answer within [`ANSWER`] are
    /// named.
    pub async fn find(&self, user: Option<UserId>, after: Option<SessionId>, limit: usize) -> Found {
        self.ask(user, Audience::AllNodes, after, limit).await
    }

    async fn ask(
        &self,
        user: Option<UserId>,
        audience: Audience,
        after: Option<SessionId>,
        limit: usize,
    ) -> Found {
        let id = self.clock.new_id();
        let query = Query { id, user, after, limit: u32::try_from(limit).unwrap_or(u32::MAX) };
        let all_silent = || {
            let nodes = self.shared.alive().nodes();
            let silent = if audience == Audience::AllNodes { nodes } else { HashSet::new() };
            Found { sessions: Vec::new(), silent: silent.into_iter().collect() }
        };
        let Some(answered) = self.shared.queries().open(id, limit) else { return all_silent() };
        let _open = OpenQuery { shared: &self.shared, id };
        if !self.send(Outgoing::Query(query, audience)) {
            return all_silent();
        }
        #[expect(clippy::disallowed_methods, reason = "other nodes' real pace; no rule depends on it")]
        // Those that have not answered are named.
        let _ = tokio::time::timeout(ANSWER, answered).await;
        self.shared.queries().close(id)
    }
}

/// Closes a question whose client has gone.
struct OpenQuery<'a> {
    shared: &'a Shared,
    id: uuid::Uuid,
}

impl Drop for OpenQuery<'_> {
    fn drop(&mut self) {
        self.shared.queries().close(self.id);
    }
}
