//! Rooms: whether their words are free, and what nodes tell each other.

use std::sync::Arc;

use bytestring::ByteString;
use doorward_core::protocol::NamespaceId;
use doorward_core::rooms::{Kinds, RoomName, WORDS};

use crate::actors::{Live, Sessions};
use crate::clock::Clock;
use crate::cluster::{RelayNode, RoomRelay};
use crate::config;
use crate::events::Events;
use crate::rooms::Publication;

/// Refuses rooms where an application answers one of their words itself: its clients would be answered by the server.
pub(super) fn check_words(kinds: &Kinds, events: &Events) -> Result<(), String> {
    let main = events.get(NamespaceId::MAIN);
    match WORDS.iter().find(|word| !kinds.is_empty() && main.find(word).is_some()) {
        Some(word) => Err(format!(
            "rooms are configured, and this application answers `{word}` itself: rename its event, or remove rooms.*"
        )),
        None => Ok(()),
    }
}

/// Passes what is published here to the other nodes, if there are any. Answers the task for [`exchange`].
pub(super) fn connect(
    config: &config::Cluster,
    clock: &Clock,
    live: &Live,
) -> Result<Option<RelayNode>, String> {
    let rooms = live.sessions.rooms();
    if !rooms.are_on() {
        return Ok(None);
    }
    let Some((relay, node)) = RoomRelay::new(config, clock)? else { return Ok(None) };
    rooms.relay_by(Box::new(move |room, content| relay.publish(room, content)));
    Ok(Some(node))
}

/// Exchanges messages with the other nodes, for ever.
pub(super) async fn exchange(node: RelayNode, sessions: Sessions) {
    node.run(|room, content| receive(&sessions, room, &content)).await;
}

/// Hands a message of another node to this one's sessions.
fn receive(sessions: &Sessions, room: RoomName, content: &ByteString) {
    let rooms = sessions.rooms();
    let Some(kind) = rooms.kinds().of(&room) else { return };
    let user = room.user();
    let publication = Publication::new(room, kind, None, content);
    match user {
        Some(user) => sessions.send_to_user(user, Arc::new(publication)),
        None if rooms.hand_out(publication).is_ok() => {}
        None => tracing::debug!("a message of another node was dropped: a thread has too many to hand out"),
    }
}
