//! Messages to rooms between nodes: each room has a channel of its own, and a node subscribes to those of the rooms that its
//! sessions have joined. So its traffic grows with its own rooms, not with those of all nodes, and a busy room holds up no
//! revocation. Every message is published, in the order of the room: which other nodes want it, only Redis knows.
//!
//! The promise to clients is that everything that is published after a session was told `joined` reaches it. So the first
//! session of a room on a node is told only when Redis has confirmed the subscription: from then on Redis has it before
//! any later publish. This costs one round trip, and only the first session; rooms that are joined meanwhile go into the
//! next SUBSCRIBE together, so 10,000 sign-ins, each with the room of its user, cost some tens of them. It waits at most
//! [`CONFIRM`], and not at all while there is no connection: then rooms reach the sessions of one node, and metrics say so.
//!
//! A fixed number of channels, with rooms spread over them by a hash, would need neither confirmations nor subscriptions
//! again after a reconnect. But a node with more users than channels would be sent all messages of all nodes, since each
//! user has a room. Redis keeps some 250 bytes for each subscription, and takes 100,000 in about half a second.
//!
//! These are ordinary channels: a Redis Cluster passes them on among its nodes. Sharded ones would need a client that
//! knows the cluster's slots.
//!
//! Nothing is kept: what is published while a node is not connected, it misses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytestring::ByteString;
use doorward_core::rooms::RoomName;
use futures_util::future::{BoxFuture, join_all};
use redis::Msg;
use tokio::sync::{Notify, mpsc};

use super::bus::{Address, BusError, Channels, Publisher, Subscription};
use super::frame::{Body, Frame};
use super::interest::Interest;
use super::message::NodeId;
use super::now;
use crate::clock::Clock;
use crate::config;
use crate::metrics::{Counter, Registry, count};

/// Messages that may wait to be published, and bytes of them. What does not fit reaches this node's sessions alone.
const QUEUE: usize = 16_384;
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Messages that are published together.
const BATCH: usize = 100;

/// How long a session waits for the confirmation of a subscription.
const CONFIRM: Duration = Duration::from_secs(1);

/// How often it is asked which rooms no session has joined any more.
const SWEEP: Duration = Duration::from_secs(1);

/// Delays between attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How long nothing may arrive, not even a sign of life of this node, before the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(12);
const BEAT: Duration = Duration::from_secs(5);

/// Publishes messages to rooms, and says which rooms sessions of this node have joined. A clone is another handle.
#[derive(Debug, Clone)]
pub struct RoomRelay {
    queue: mpsc::Sender<(RoomName, ByteString)>,
    shared: Arc<Shared>,
}

/// What the handles and the task share.
#[derive(Debug)]
struct Shared {
    interest: Mutex<Interest>,
    /// There is something to subscribe to.
    joined: Notify,
    /// Redis takes messages.
    publishing: AtomicBool,
    /// Bytes in the queue.
    waiting: AtomicUsize,
    frames: Counter<1>,
}

impl Shared {
    fn interest(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RoomRelay {
    /// The handle, and this node's task. None without other nodes.
    ///
    /// # Errors
    /// A sentence, if the URL is not a Redis URL.
    pub fn new(config: &config::Cluster, clock: &Clock) -> Result<Option<(Self, RelayNode)>, String> {
        let Some(url) = &config.redis_url else { return Ok(None) };
        // Neither prefixes nor rooms have a `/`, and a room has a `:`, which an id has not.
        let (id, prefix) = (NodeId(clock.new_id()), format!("{}:rooms/", config.prefix));
        let own = format!("{prefix}{}", id.0);
        let address =
            Address::parse(url.as_str(), own).map_err(|error| format!("cluster.redis_url: {error}"))?;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            interest: Mutex::default(),
            joined: Notify::new(),
            publishing: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            frames: Counter::new(["outcome"]).starting([["sent"], ["received"], ["unreadable"]]),
        });
        let node = RelayNode { id, prefix, address, outgoing, shared: Arc::clone(&shared) };
        Ok(Some((Self { queue, shared }, node)))
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
            "Rooms of which this node is sent the other nodes' messages.",
            move || count(this.shared.interest().len()),
        );
        let this = self.clone();
        registry.reading(
            "doorward_rooms_connected",
            "1 while rooms reach the sessions of all nodes, as far as this one is concerned.",
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
        if !self.shared.publishing.load(Ordering::Acquire) {
            return false;
        }
        let bytes = content.len();
        let fits = self.shared.waiting.fetch_add(bytes, Ordering::AcqRel) <= QUEUE_BYTES;
        let queued = fits && self.queue.try_send((room.clone(), content.clone())).is_ok();
        if !queued {
            self.shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
        }
        queued
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
}

/// This node's part of the exchange.
pub struct RelayNode {
    id: NodeId,
    /// Of the channels' names; that of the room follows.
    prefix: String,
    address: Address,
    outgoing: mpsc::Receiver<(RoomName, ByteString)>,
    shared: Arc<Shared>,
}

impl RelayNode {
    /// Exchanges messages for ever. `receive` is handed those of other nodes: a room, and JSON that anyone who reaches Redis
    /// may have written.
    pub async fn run(mut self, receive: impl Fn(&RoomName, &str)) {
        let mut backoff = FIRST_BACKOFF;
        let mut logged = false;
        loop {
            let began = now();
            let ended = self.run_connection(&receive).await;
            self.shared.publishing.store(false, Ordering::Release);
            self.shared.interest().disconnect();
            let Err(broken) = ended else { return };
            if now() - began > LONGEST_BACKOFF {
                (backoff, logged) = (FIRST_BACKOFF, false);
            }
            if !std::mem::replace(&mut logged, true) {
                tracing::warn!(%broken, "no connection to Redis: messages to rooms reach the sessions of one node alone");
            }
            #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            // What waited is old by now.
            while let Ok((_, content)) = self.outgoing.try_recv() {
                self.shared.waiting.fetch_sub(content.len(), Ordering::AcqRel);
            }
        }
    }

    /// Ends without an error when there is no handle any more. Reads go on while a publish or a subscription waits for its
    /// answer.
    async fn run_connection(&mut self, receive: &impl Fn(&RoomName, &str)) -> Result<(), BusError> {
        let (publisher, channels, subscription) = self.address.connect_to_many().await?;
        self.shared.publishing.store(true, Ordering::Release);
        self.shared.interest().connect();
        let Self { id, prefix, outgoing, shared, .. } = self;
        tokio::select! {
            ended = publish_for_ever(*id, prefix, publisher, outgoing, shared) => ended,
            ended = subscribe_for_ever(prefix, channels, shared) => ended,
            ended = read_for_ever(*id, prefix, subscription, (&shared.frames, receive)) => ended,
        }
    }
}

async fn publish_for_ever(
    id: NodeId,
    prefix: &str,
    mut publisher: Publisher,
    outgoing: &mut mpsc::Receiver<(RoomName, ByteString)>,
    shared: &Shared,
) -> Result<(), BusError> {
    let mut beat = tokio::time::interval(BEAT);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = outgoing.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Ok(());
                }
                let bytes = batch.iter().map(|(_, content)| content.len()).sum();
                shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
                publisher.publish_each(batch.drain(..).map(|(room, content)| {
                    let frame = Frame { node: id, body: Body::Message(&content) };
                    (format!("{prefix}{}", room.as_str()), frame.write())
                })).await?;
                shared.frames.add(["sent"], u64::try_from(count).unwrap_or_default());
            }
            _ = beat.tick() => publisher.publish(Frame { node: id, body: Body::Beat }.write()).await?,
        }
    }
}

/// Keeps the subscriptions at what sessions have joined, a batch at a time.
async fn subscribe_for_ever(prefix: &str, mut channels: Channels, shared: &Shared) -> Result<(), BusError> {
    let names = |rooms: &[RoomName]| -> Vec<_> {
        rooms.iter().map(|room| format!("{prefix}{}", room.as_str())).collect()
    };
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let given_up = shared.interest().take_given_up(now());
        if !given_up.is_empty() {
            channels.remove(&names(&given_up)).await?;
        }
        let batch = shared.interest().take_wanted();
        if !batch.is_empty() {
            channels.add(&names(&batch)).await?;
            shared.interest().confirm(&batch);
        } else if given_up.is_empty() {
            tokio::select! {
                () = shared.joined.notified() => {}
                _ = sweep.tick() => {}
            }
        }
    }
}

async fn read_for_ever(
    id: NodeId,
    prefix: &str,
    mut subscription: Subscription,
    (frames, receive): (&Counter<1>, &impl Fn(&RoomName, &str)),
) -> Result<(), BusError> {
    loop {
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        let message = tokio::time::timeout(SILENCE, subscription.next()).await;
        let message = message.map_err(|_| BusError::Silent)??;
        if let Some(outcome) = read(id, prefix, &message, receive) {
            frames.add([outcome], 1);
        }
        // Others have a turn, however much arrives.
        tokio::task::consume_budget().await;
    }
}

/// Hands on a message of another node. Whatever else stands there is dropped. Answers as what it counts; as nothing if it
/// is this node's own.
fn read(id: NodeId, prefix: &str, message: &Msg, receive: &impl Fn(&RoomName, &str)) -> Option<&'static str> {
    let Some(Frame { node, body }) = Frame::read(message.get_payload_bytes()) else {
        return Some("unreadable");
    };
    if node == id {
        return None;
    }
    match (body, message.get_channel_name().strip_prefix(prefix).and_then(RoomName::parse)) {
        (Body::Message(json), Some(room)) => receive(&room, json),
        (Body::Message(_), None) | (Body::Beat, _) => return Some("unreadable"),
    }
    Some("received")
}
