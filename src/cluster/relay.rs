//! Messages to rooms between nodes: published on a channel of their own, so that a busy room holds up no revocation.
//!
//! Nothing is kept: what is published while a node is not connected, it misses. Every node is sent the messages of all
//! rooms, and drops those of rooms that none of its sessions has joined.

use std::time::Duration;

use bytestring::ByteString;
use doorward_core::rooms::RoomName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::bus::{Address, BusError, Publisher};
use super::message::NodeId;
use super::now;
use crate::clock::Clock;
use crate::config;

/// Messages that may wait to be published. What does not fit reaches this node's sessions alone.
const QUEUE: usize = 16_384;

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
pub struct RoomRelay(mpsc::Sender<(RoomName, ByteString)>);

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
        let node = RelayNode { id: NodeId(clock.new_id()), address, outgoing };
        Ok(Some((Self(queue), node)))
    }

    /// Passes a message on to the other nodes, if there is room in the queue.
    pub fn publish(&self, room: &RoomName, content: &ByteString) {
        if self.0.try_send((room.clone(), content.clone())).is_err() {
            tracing::debug!(%room, "a message to a room did not reach the other nodes");
        }
    }
}

/// This node's part of the exchange.
pub struct RelayNode {
    id: NodeId,
    address: Address,
    outgoing: mpsc::Receiver<(RoomName, ByteString)>,
}

impl RelayNode {
    /// Exchanges messages for ever. `receive` is handed those of other nodes.
    pub async fn run(mut self, receive: impl Fn(RoomName, ByteString)) {
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
            while self.outgoing.try_recv().is_ok() {}
        }
    }

    /// Ends without an error when there is no handle any more.
    async fn run_connection(&mut self, receive: &impl Fn(RoomName, ByteString)) -> Result<(), BusError> {
        let (mut publisher, mut subscription) = self.address.connect().await?;
        let mut beat = tokio::time::interval(BEAT);
        let mut heard = now();
        loop {
            tokio::select! {
                message = subscription.next() => {
                    heard = now();
                    self.read(message?.get_payload_bytes(), receive);
                }
                next = self.outgoing.recv() => match next {
                    Some(next) => self.publish(&mut publisher, Some(next)).await?,
                    None => return Ok(()),
                },
                _ = beat.tick() => {
                    if now() - heard > SILENCE {
                        return Err(BusError::Silent);
                    }
                    self.publish(&mut publisher, None).await?;
                }
            }
        }
    }

    async fn publish(
        &self,
        publisher: &mut Publisher,
        message: Option<(RoomName, ByteString)>,
    ) -> Result<(), BusError> {
        let (room, content) = message.as_ref().map(|(room, content)| (room.as_str(), &**content)).unzip();
        let content = content.and_then(|content| serde_json::from_str(content).ok());
        let envelope = Envelope { node: self.id, room, content };
        // An id, a text and JSON that was read before always serialize.
        publisher.publish(serde_json::to_vec(&envelope).unwrap_or_default()).await
    }

    /// What is no message of another node is dropped: anyone who reaches Redis could send it.
    fn read(&self, bytes: &[u8], receive: &impl Fn(RoomName, ByteString)) {
        if bytes.len() > LARGEST {
            return;
        }
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(bytes) else { return };
        if envelope.node != self.id
            && let (Some(room), Some(content)) = (envelope.room.and_then(RoomName::parse), envelope.content)
            && content.get().starts_with('{')
        {
            receive(room, content.get().into());
        }
    }
}
