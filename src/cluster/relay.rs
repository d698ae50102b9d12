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
//! On one more channel, every node gives a sign of life. Who is in a room, each node tells of its sessions on the room's
//! channel; a node that is silent has none any more.
//!
//! Nothing is kept: what is published while a node is not connected, it misses.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytestring::ByteString;
use doorward_core::rooms::RoomName;
use futures_util::future::{BoxFuture, join_all};
use tokio::sync::{Notify, mpsc, oneshot};

use super::alive::Alive;
use super::bus::{Address, BusError, Channels, Publisher};
use super::frame::{Body, Frame};
use super::interest::Interest;
use super::message::NodeId;
use super::now;
use super::relay_reader::{COMMON, FromNodes, Reader, read_for_ever};
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

/// How often a node gives a sign of life.
const BEAT: Duration = Duration::from_secs(2);

/// How long a node that stops waits until it has said so.
const GOODBYE: Duration = Duration::from_secs(2);

/// Publishes messages to rooms, and says which rooms sessions of this node have joined. A clone is another handle.
#[derive(Debug, Clone)]
pub struct RoomRelay {
    queue: mpsc::Sender<Outgoing>,
    shared: Arc<Shared>,
}

/// What waits to be published.
#[derive(Debug)]
enum Outgoing {
    Message(RoomName, ByteString),
    Presence(RoomName, ByteString),
    Bye(oneshot::Sender<()>),
}

impl Outgoing {
    fn bytes(&self) -> usize {
        match self {
            Self::Message(_, content) | Self::Presence(_, content) => content.len(),
            Self::Bye(_) => 0,
        }
    }
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
        // Neither prefixes nor rooms have a `/`, and a room has a `:`.
        let (id, prefix) = (NodeId(clock.new_id()), format!("{}:rooms/", config.prefix));
        let common = format!("{prefix}{COMMON}");
        let address =
            Address::parse(url.as_str(), common).map_err(|error| format!("cluster.redis_url: {error}"))?;
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
        if !self.shared.publishing.load(Ordering::Acquire) {
            return false;
        }
        let bytes = outgoing.bytes();
        let fits = self.shared.waiting.fetch_add(bytes, Ordering::AcqRel) <= QUEUE_BYTES;
        let queued = fits && self.queue.try_send(outgoing).is_ok();
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
    outgoing: mpsc::Receiver<Outgoing>,
    shared: Arc<Shared>,
}

impl RelayNode {
    /// Exchanges messages for ever.
    pub async fn run(mut self, receive: impl Fn(FromNodes<'_>)) {
        let mut alive = Alive::default();
        let mut backoff = FIRST_BACKOFF;
        let mut logged = false;
        loop {
            let began = now();
            let ended = self.run_connection(&mut alive, &receive).await;
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
            while let Ok(outgoing) = self.outgoing.try_recv() {
                self.shared.waiting.fetch_sub(outgoing.bytes(), Ordering::AcqRel);
            }
            alive.take_silent(now()).into_iter().for_each(|node| receive(FromNodes::Gone(node)));
        }
    }

    /// Ends without an error when there is no handle any more. Reads go on while a publish or a subscription waits for its
    /// answer.
    async fn run_connection(
        &mut self,
        alive: &mut Alive,
        receive: &impl Fn(FromNodes<'_>),
    ) -> Result<(), BusError> {
        let (publisher, channels, subscription) = self.address.connect_to_many().await?;
        self.shared.publishing.store(true, Ordering::Release);
        self.shared.interest().connect();
        let Self { id, prefix, outgoing, shared, .. } = self;
        tokio::select! {
            ended = publish_for_ever(*id, prefix, publisher, outgoing, shared) => ended,
            ended = subscribe_for_ever(prefix, channels, shared, receive) => ended,
            ended = read_for_ever(subscription, Reader { id: *id, prefix, alive, frames: &shared.frames, receive }) => ended,
        }
    }
}

async fn publish_for_ever(
    id: NodeId,
    prefix: &str,
    mut publisher: Publisher,
    outgoing: &mut mpsc::Receiver<Outgoing>,
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
                let bytes = batch.iter().map(Outgoing::bytes).sum();
                shared.waiting.fetch_sub(bytes, Ordering::AcqRel);
                let messages = batch.iter().filter(|one| matches!(one, Outgoing::Message(..))).count();
                let mut goodbyes = Vec::new();
                publisher.publish_each(batch.drain(..).map(|outgoing| {
                    let frame = |body: Body<'_>| Frame { node: id, body }.write();
                    let (channel, frame) = match &outgoing {
                        Outgoing::Message(room, content) => (room.as_str(), frame(Body::Message(content))),
                        Outgoing::Presence(room, news) => (room.as_str(), frame(Body::Presence(news))),
                        Outgoing::Bye(_) => (COMMON, frame(Body::Bye)),
                    };
                    let channel = format!("{prefix}{channel}");
                    if let Outgoing::Bye(said) = outgoing {
                        goodbyes.push(said);
                    }
                    (channel, frame)
                })).await?;
                shared.frames.add(["sent"], u64::try_from(messages).unwrap_or_default());
                if !goodbyes.is_empty() {
                    // Whatever came afterwards would be news of a node that is gone.
                    shared.publishing.store(false, Ordering::Release);
                    for said in goodbyes {
                        // It may not wait any more.
                        let _ = said.send(());
                    }
                    std::future::pending::<()>().await;
                }
            }
            _ = beat.tick() => publisher.publish(Frame { node: id, body: Body::Beat }.write()).await?,
        }
    }
}

/// Keeps the subscriptions at what sessions have joined, a batch at a time.
async fn subscribe_for_ever(
    prefix: &str,
    mut channels: Channels,
    shared: &Shared,
    receive: &impl Fn(FromNodes<'_>),
) -> Result<(), BusError> {
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
            for room in &batch {
                receive(FromNodes::Subscribed(room));
            }
        } else if given_up.is_empty() {
            tokio::select! {
                () = shared.joined.notified() => {}
                _ = sweep.tick() => {}
            }
        }
    }
}
