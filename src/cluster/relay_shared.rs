//! What the handles of a relay, its task, and its reader share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytestring::ByteString;
use doorward_core::domain::UserId;
use doorward_core::rooms::RoomName;
use tokio::sync::{Notify, mpsc, oneshot};

use super::alive::Alive;
use super::announcements::Announcements;
use super::gathers::Gathers;
use super::interest::Interest;
use super::message::NodeId;
use super::queries::Queries;
use super::session_news::Query;
use crate::metrics::Counter;

/// Messages that may wait to be published, and bytes of them. What does not fit reaches this node's sessions alone.
pub(super) const QUEUE: usize = 16_384;
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// The channel of all nodes, as if it was a room's.
pub(super) const COMMON: &str = "nodes";

/// The channel on which a node alone is answered.
pub(super) fn inbox(node: NodeId) -> String {
    format!("{COMMON}/{}", node.0)
}

/// What waits to be published.
#[derive(Debug)]
pub(super) enum Outgoing {
    Message(RoomName, ByteString),
    Presence(RoomName, ByteString),
    /// To all nodes, or to those that have subscribed to the channel of the user.
    Query(Query, Audience),
    /// To the node that asked.
    Reply(NodeId, ByteString),
    Bye(oneshot::Sender<()>),
}

/// Whom a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    AllNodes,
    NodesOf(UserId),
}

impl Outgoing {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Message(_, content) | Self::Presence(_, content) | Self::Reply(_, content) => content.len(),
            Self::Query(..) | Self::Bye(_) => 0,
        }
    }
}

/// What the handles and the task share.
#[derive(Debug)]
pub(super) struct Shared {
    interest: Mutex<Interest>,
    announcements: Mutex<Announcements>,
    gathers: Mutex<Gathers>,
    queries: Mutex<Queries>,
    alive: Mutex<Alive>,
    /// There is something to subscribe to.
    pub joined: Notify,
    /// There are lists to publish.
    pub announced: Notify,
    /// A node is new.
    pub greeted: Notify,
    /// Redis takes messages.
    pub publishing: AtomicBool,
    /// Redis knows of the subscriptions of all nodes. One server of a Redis Cluster does not.
    pub knows_all: AtomicBool,
    /// Bytes in the queue.
    pub waiting: AtomicUsize,
    pub frames: Counter<1>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            interest: Mutex::default(),
            announcements: Mutex::default(),
            gathers: Mutex::default(),
            queries: Mutex::default(),
            alive: Mutex::default(),
            joined: Notify::new(),
            announced: Notify::new(),
            greeted: Notify::new(),
            publishing: AtomicBool::new(false),
            knows_all: AtomicBool::new(true),
            waiting: AtomicUsize::new(0),
            frames: Counter::new(["outcome"]).starting([["sent"], ["received"], ["unreadable"]]),
        }
    }
}

impl Shared {
    pub(super) fn interest(&self) -> MutexGuard<'_, Interest> {
        lock(&self.interest)
    }

    pub(super) fn announcements(&self) -> MutexGuard<'_, Announcements> {
        lock(&self.announcements)
    }

    pub(super) fn gathers(&self) -> MutexGuard<'_, Gathers> {
        lock(&self.gathers)
    }

    pub(super) fn queries(&self) -> MutexGuard<'_, Queries> {
        lock(&self.queries)
    }

    pub(super) fn alive(&self) -> MutexGuard<'_, Alive> {
        lock(&self.alive)
    }

    /// This node's list of the user's sessions is to be published. With `asks`, it wants those of the others.
    pub(super) fn announce(&self, user: UserId, asks: bool) {
        self.announcements().want(user, asks);
        self.announced.notify_one();
    }
}

/// Queues what is to be published; false if there is no room in the queue, or no connection.
pub(super) fn send(queue: &mpsc::Sender<Outgoing>, shared: &Shared, outgoing: Outgoing) -> bool {
    if !shared.publishing.load(Ordering::Acquire) {
        return false;
    }
    let bytes = outgoing.bytes();
    let fits = shared.waiting.fetch_add(bytes, Ordering::AcqRel) <= QUEUE_BYTES;
    let queued = fits && queue.try_send(outgoing).is_ok();
    if !queued {
        shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
    }
    queued
}
