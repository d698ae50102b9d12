//! Connects the nodes: a revocation reaches the others at once, messages to rooms reach the sessions of all, and each node
//! knows where else its own users are connected.
//!
//! Nothing here is authoritative. A revocation is a row, and every node polls for revoked rows once a second,
//! with or without Redis. Redis only passes messages on and stores nothing, so it may be restarted, emptied or
//! lost, and any node of a Redis Cluster will do.
//!
//! | file | contents |
//! |---|---|
//! | `message` | the messages between nodes |
//! | `bus` | how messages are delivered: Redis |
//! | `peers` | what is known about the other nodes; no I/O |
//! | `acks` | which nodes have applied a change of rights |
//! | `budget` | bounds on the work that others can cause |
//! | `node` | the task that connects these parts |
//! | `relay` | messages to rooms and lists of users' sessions, on channels of their own |
//! | `relay_task` | the task that publishes and subscribes there |
//! | `relay_reader` | what arrives there |
//! | `relay_shared` | what these three share |
//! | `interest` | the channels that this node subscribes to; no I/O |
//! | `announcements` | the users whose lists are to be published; no I/O |
//! | `gathers` | the users whose sessions the other nodes were asked for; no I/O |
//! | `queries` | questions for sessions of which this node keeps no list; no I/O |
//! | `session_news` | what nodes tell each other of sessions |
//! | `alive` | which nodes are there, as far as these channels are concerned |
//! | `frame` | what travels on these channels |

mod acks;
mod alive;
mod announcements;
mod budget;
mod bus;
pub mod frame;
mod gathers;
mod interest;
pub mod message;
mod node;
pub mod peers;
mod queries;
mod relay;
mod relay_reader;
mod relay_shared;
mod relay_task;
pub mod session_news;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward_core::domain::{LoginId, RevokeReason};
use tokio::sync::{mpsc, oneshot};

use self::acks::Acks;
use self::bus::Address;
use self::message::NodeId;
use crate::clock::Timestamp;
use crate::config;
use crate::directory::freshness::LIMIT;
use crate::metrics::{Registry, count};

pub use self::node::{Changes, Node};
pub use self::relay::Relay;
pub use self::relay_reader::FromNodes;
pub use self::relay_task::RelayNode;

/// How often a node announces that it is alive.
pub const BEAT: Duration = Duration::from_secs(5);

/// How long the last message of a stopping node may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// How long the other nodes may take to apply a change of rights before it is answered all the same, with
/// their names.
const APPLY: Duration = Duration::from_secs(1);

/// Messages that may wait to be published. What does not fit is found by the polls.
const QUEUE: usize = 65_536;

/// Sends messages to the other nodes. The default has no other nodes.
#[derive(Clone, Debug, Default)]
pub struct Cluster(Option<Handle>);

#[derive(Clone, Debug)]
struct Handle {
    queue: mpsc::Sender<Outgoing>,
    acks: Arc<Acks>,
    /// Those of rights to rooms.
    room_acks: Arc<Acks>,
    /// Whether Redis delivers.
    connected: Arc<AtomicBool>,
}

/// A message that this node has to publish.
#[derive(Debug)]
enum Outgoing {
    /// With the time of the first of them.
    Revoked(Vec<(LoginId, RevokeReason)>, Timestamp),
    AccessChanged(i32),
    AccessApplied(i32),
    RoomsChanged(i64),
    RoomsApplied(i64),
    Bye(oneshot::Sender<()>),
}

impl Cluster {
    /// The handle of the node `id`, and its task for [`Node::run`]. Without a Redis there is no task.
    ///
    /// # Errors
    /// A sentence, if the URL is not a Redis URL.
    pub fn new(config: &config::Cluster, id: NodeId) -> Result<(Self, Option<Node>), String> {
        let Some(url) = &config.redis_url else { return Ok((Self::default(), None)) };
        let address = Address::parse(url.as_str(), format!("{}:nodes", config.prefix))
            .map_err(|error| format!("cluster.redis_url: {error}"))?;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let (acks, room_acks) = (Arc::new(Acks::new(id)), Arc::new(Acks::new(id)));
        let handle = Handle { queue, acks, room_acks, connected: Arc::default() };
        let node = Node::new(address, id, outgoing, handle.clone());
        Ok((Self(Some(handle)), Some(node)))
    }

    /// Adds what is counted here; without other nodes, nothing.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let Some(Handle { acks, connected, .. }) = self.0.clone() else { return };
        registry.reading(
            "doorward_cluster_nodes",
            "Nodes that are alive as far as this one knows, itself among them.",
            move || count(acks.nodes()),
        );
        registry.reading(
            "doorward_cluster_connected",
            "1 while this node is connected to the others over Redis.",
            move || f64::from(u8::from(connected.load(Ordering::Acquire))),
        );
    }

    fn send(&self, message: Outgoing) {
        if let Some(handle) = &self.0 {
            // What does not fit is found by the polls.
            let _ = handle.queue.try_send(message);
        }
    }

    /// Tells the other nodes that these logins were revoked.
    pub fn revoked(&self, logins: &[(LoginId, RevokeReason)], at: Timestamp) {
        if self.0.is_some() && !logins.is_empty() {
            self.send(Outgoing::Revoked(logins.to_vec(), at));
        }
    }

    /// Tells the other nodes that roles or claims have changed, by the number of the change. They read the row: a message
    /// gives no user a role.
    pub fn access_changed(&self, number: i32) {
        self.send(Outgoing::AccessChanged(number));
    }

    /// Tells the other nodes that this one has applied all changes up to this number.
    pub fn access_applied(&self, number: i32) {
        self.send(Outgoing::AccessApplied(number));
    }

    /// Tells the other nodes that rights to rooms have changed, by the number of the change. They read the rows.
    pub fn rooms_changed(&self, number: i64) {
        self.send(Outgoing::RoomsChanged(number));
    }

    /// Tells the other nodes that this one has applied all changes of rights to rooms up to this number.
    pub fn rooms_applied(&self, number: i64) {
        self.send(Outgoing::RoomsApplied(number));
    }

    /// Waits until all other nodes that are alive have applied the change of roles and claims, for [`APPLY`] at most.
    /// Returns those that have not said so. While it is not known which nodes are alive, waits for [`LIMIT`] instead: by
    /// then each of them has polled since the change, or accepts no token.
    pub async fn all_applied(&self, number: i32) -> Vec<NodeId> {
        let Some(Handle { acks, .. }) = &self.0 else { return Vec::new() };
        silent_about(acks, number.into()).await
    }

    /// The same for a change of rights to rooms.
    pub async fn all_applied_rooms(&self, number: i64) -> Vec<NodeId> {
        let Some(Handle { room_acks, .. }) = &self.0 else { return Vec::new() };
        silent_about(room_acks, number).await
    }

    /// Tells the other nodes that this one is stopping.
    pub async fn leave(&self) {
        let (said, is_said) = oneshot::channel();
        self.send(Outgoing::Bye(said));
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        // Without the message, the other nodes notice the silence.
        let _ = tokio::time::timeout(GOODBYE, is_said).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "other machines' real pace; no rule depends on it")]
async fn silent_about(acks: &Acks, number: i64) -> Vec<NodeId> {
    let all_have_polled = tokio::time::sleep(LIMIT);
    // Which nodes are late is answered either way.
    let _ = tokio::time::timeout(APPLY, acks.all_applied(number)).await;
    if let Some(silent) = acks.silent(number) {
        return silent;
    }
    all_have_polled.await;
    Vec::new()
}

#[expect(clippy::disallowed_methods, reason = "other machines' real pace, whatever a test's clock says")]
fn now() -> Instant {
    Instant::now()
}
