//! Messages to rooms between nodes: published on a channel of their own, so that a busy room holds up no revocation.
//!
//! Nothing is kept: what is published while a node is not connected, it misses. Every node is sent the messages of all
//! rooms, and drops those of rooms that none of its sessions has joined.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytestring::ByteString;
use doorward_core::rooms::RoomName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::bus::{Address, BusError, Publisher, Subscription};
use super::message::NodeId;
use super::now;
use crate::clock::Clock;
use crate::config;

/// Messages that may wait to be published, and bytes of them. What does not fit reaches this node's sessions alone.
const QUEUE: usize = 16_384;
const QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// Messages that are published together.
const BATCH: usize = 100;

/// Bytes of a message that is read from the channel.
const LARGEST: usize = 2 * 1024 * 1024;

/// Delays between attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How long nothing may arrive, not even a sign of life of this node, before the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(12);
const BEAT: Duration = Duration::from_secs(5);

/// A message as it travels.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    node: NodeId,
    /// None is a sign of life.
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'a str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    content: Option<&'a RawValue>,
}

/// Publishes messages to rooms. A clone is another handle.
#[derive(Debug, Clone)]
pub struct RoomRelay {
    queue: mpsc::Sender<(RoomName, ByteString)>,
    waiting: Arc<AtomicUsize>,
}

impl RoomRelay {
    /// The handle, and this node's task. None without other nodes.
    ///
    /// # Errors
    /// A sentence, if the URL is not a Redis URL.
    pub fn new(config: &config::Cluster, clock: &Clock) -> Result<Option<(Self, RelayNode)>, String> {
        let Some(url) = &config.redis_url else { return Ok(None) };
        let address = Address::parse(url.as_str(), format!("{}:rooms", config.prefix))
            .map_err(|error| format!("cluster.redis_url: {error}"))?;
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let waiting = Arc::<AtomicUsize>::default();
        let node = RelayNode { id: NodeId(clock.new_id()), address, outgoing, waiting: Arc::clone(&waiting) };
        Ok(Some((Self { queue, waiting }, node)))
    }

    /// Passes a message on to the other nodes; false if there is no room in the queue.
    #[must_use]
    pub fn publish(&self, room: &RoomName, content: &ByteString) -> bool {
        let bytes = content.len();
        let fits = self.waiting.fetch_add(bytes, Ordering::AcqRel) <= QUEUE_BYTES;
        let queued = fits && self.queue.try_send((room.clone(), content.clone())).is_ok();
        if !queued {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        }
        queued
    }
}

/// This node's part of the exchange.
pub struct RelayNode {
    id: NodeId,
    address: Address,
    outgoing: mpsc::Receiver<(RoomName, ByteString)>,
    /// Bytes in the queue.
    waiting: Arc<AtomicUsize>,
}

impl RelayNode {
    /// Exchanges messages for ever. `receive` is handed those of other nodes: a room, and JSON that anyone who reaches Redis
    /// may have written.
    pub async fn run(mut self, receive: impl Fn(&RoomName, &str)) {
        let mut backoff = FIRST_BACKOFF;
        let mut logged = false;
        loop {
            let began = now();
            let Err(broken) = self.run_connection(&receive).await else { return };
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
                self.waiting.fetch_sub(content.len(), Ordering::AcqRel);
            }
        }
    }

    /// Ends without an error when there is no handle any more. Reads go on while a publish waits for its answer.
    async fn run_connection(&mut self, receive: &impl Fn(&RoomName, &str)) -> Result<(), BusError> {
        let (publisher, subscription) = self.address.connect().await?;
        let (id, waiting) = (self.id, Arc::clone(&self.waiting));
        tokio::select! {
            ended = publish_for_ever(id, publisher, &mut self.outgoing, &waiting) => ended,
            ended = read_for_ever(id, subscription, receive) => ended,
        }
    }
}

async fn publish_for_ever(
    id: NodeId,
    mut publisher: Publisher,
    outgoing: &mut mpsc::Receiver<(RoomName, ByteString)>,
    waiting: &AtomicUsize,
) -> Result<(), BusError> {
    let mut beat = tokio::time::interval(BEAT);
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            count = outgoing.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Ok(());
                }
                waiting.fetch_sub(batch.iter().map(|(_, content)| content.len()).sum(), Ordering::AcqRel);
                let envelopes = batch.drain(..).map(|(room, content)| envelope(id, Some((&room, &content))));
                publisher.publish_all(envelopes.collect()).await?;
            }
            _ = beat.tick() => publisher.publish(envelope(id, None)).await?,
        }
    }
}

async fn read_for_ever(
    id: NodeId,
    mut subscription: Subscription,
    receive: &impl Fn(&RoomName, &str),
) -> Result<(), BusError> {
    loop {
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        let message = tokio::time::timeout(SILENCE, subscription.next()).await;
        let message = message.map_err(|_| BusError::Silent)??;
        read(id, message.get_payload_bytes(), receive);
        // Others have a turn, however much arrives.
        tokio::task::consume_budget().await;
    }
}

/// A message, or without one a sign of life.
fn envelope(node: NodeId, message: Option<(&RoomName, &ByteString)>) -> Vec<u8> {
    let (room, content) = message.map(|(room, content)| (room.as_str(), &**content)).unzip();
    let content = content.and_then(|content| serde_json::from_str(content).ok());
    // An id, a text and JSON that was read before always serialize.
    serde_json::to_vec(&Envelope { node, room, content }).unwrap_or_default()
}

/// Hands on a message of another node. Whatever else stands there is dropped.
fn read(id: NodeId, bytes: &[u8], receive: &impl Fn(&RoomName, &str)) {
    if bytes.len() > LARGEST {
        return;
    }
    let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(bytes) else { return };
    if envelope.node != id
        && let (Some(room), Some(content)) = (envelope.room.and_then(RoomName::parse), envelope.content)
    {
        receive(&room, content.get());
    }
}
