//! Who is in the rooms of the other nodes: each tells of its own sessions on the room's channel.

use std::sync::atomic::Ordering;

use bytestring::ByteString;
use doorward_core::rooms::RoomName;
use doorward_core::rooms::presence::{PresenceNews, PresenceNode};

use super::Rooms;

/// Bytes of what the other nodes say, in all rooms together, about. Beyond it, no more is taken notice of.
const MOST_FOREIGN: usize = 256 * 1024 * 1024;

impl Rooms {
    /// A node tells of its sessions in a room, in JSON that anyone who reaches Redis may have written.
    pub fn hear_presence(&self, node: PresenceNode, room: &RoomName, news: &str) {
        let Ok(news) = serde_json::from_str::<PresenceNews>(news) else { return };
        if self.0.presence.foreign.load(Ordering::Acquire) > MOST_FOREIGN {
            return;
        }
        let now = self.0.clock.instant();
        self.in_presence(room, |presence| presence.hear(node, news, now));
    }

    /// This node is sent what the others say of the room, which it was not before.
    pub fn presence_subscribed(&self, room: &RoomName) {
        let now = self.0.clock.instant();
        self.in_presence(room, |presence| presence.reconnected(now));
    }

    /// A node has stopped, or is silent.
    pub fn forget_node(&self, node: PresenceNode) {
        let now = self.0.clock.instant();
        for room in self.presence_rooms() {
            self.in_presence(&room, |presence| presence.forget_node(node, now));
        }
    }

    /// What does not reach the others, they notice by its number.
    pub(super) fn publish_news(&self, room: &RoomName, news: &[PresenceNews]) {
        let Some(relay) = self.0.relay.get() else { return };
        for news in news {
            // Texts and numbers, and JSON that was read before: this always is JSON.
            let written = ByteString::from(serde_json::to_string(news).unwrap_or_default());
            let _ = relay.publish_presence(room, &written);
        }
    }
}
