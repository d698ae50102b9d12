//! What arrives on the channels of rooms, and which nodes have fallen silent.

use std::time::Duration;

use doorward_core::rooms::RoomName;
use redis::Msg;

use super::alive::Alive;
use super::bus::{BusError, Subscription};
use super::frame::{Body, Frame};
use super::message::NodeId;
use super::now;
use crate::metrics::Counter;

/// The channel of all nodes, as if it was a room's.
pub(super) const COMMON: &str = "nodes";

/// How long nothing may arrive, not even a sign of life of this node, before the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(12);

/// What arrives from the other nodes, or is noticed of them. JSON is what anyone who reaches Redis may have written.
#[derive(Debug, Clone, Copy)]
pub enum FromNodes<'a> {
    Message(&'a RoomName, &'a str),
    /// What a node tells of its sessions in a room.
    Presence(NodeId, &'a RoomName, &'a str),
    /// What the others say of this room arrives from now on.
    Subscribed(&'a RoomName),
    /// The node has stopped, or is silent.
    Gone(NodeId),
}

/// What reading needs.
pub(super) struct Reader<'a, R> {
    pub id: NodeId,
    /// Of the channels' names.
    pub prefix: &'a str,
    pub alive: &'a mut Alive,
    pub frames: &'a Counter<1>,
    pub receive: &'a R,
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
            reader.frames.add([outcome], 1);
        }
        // Others have a turn, however much arrives.
        tokio::task::consume_budget().await;
    }
}

impl<R: Fn(FromNodes<'_>)> Reader<'_, R> {
    /// Hands on what another node says. Whatever else stands there is dropped. Answers as what it counts; as nothing if it is
    /// no message, or this node's own.
    fn read(&mut self, message: &Msg) -> Option<&'static str> {
        let Some(Frame { node, body }) = Frame::read(message.get_payload_bytes()) else {
            return Some("unreadable");
        };
        if node == self.id {
            // Its own sign of life comes in time, whatever the others do.
            for node in self.alive.take_silent(now()) {
                (self.receive)(FromNodes::Gone(node));
            }
            return None;
        }
        let channel = message.get_channel_name().strip_prefix(self.prefix);
        match (body, channel.and_then(RoomName::parse)) {
            (Body::Message(json), Some(room)) => {
                (self.receive)(FromNodes::Message(&room, json));
                return Some("received");
            }
            (Body::Presence(json), Some(room)) => {
                self.alive.hear(node, now());
                (self.receive)(FromNodes::Presence(node, &room, json));
            }
            (Body::Beat, None) if channel == Some(COMMON) => self.alive.hear(node, now()),
            (Body::Bye, None) if channel == Some(COMMON) => {
                self.alive.forget(node);
                (self.receive)(FromNodes::Gone(node));
            }
            _ => return Some("unreadable"),
        }
        None
    }
}
