//! Rooms: whether their words are free, and what nodes tell each other.

use doorward_core::protocol::NamespaceId;
use doorward_core::rooms::presence::PresenceNode;
use doorward_core::rooms::{KindName, Kinds, RoomName, Rule, WORDS};

use crate::actors::Sessions;
use crate::cluster::{FromNodes, RelayNode};
use crate::events::Events;
use crate::rooms::{Received, Rooms};

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

/// Adds an application's rules to the kinds that are configured.
pub(super) fn with_rules(kinds: &Kinds, rules: &[(String, Rule)]) -> Result<Kinds, String> {
    rules.iter().try_fold(kinds.clone(), |kinds, (name, rule)| {
        let changed = KindName::parse(name).and_then(|name| kinds.with_rule(&name, rule));
        changed.ok_or_else(|| {
            format!("this application has a rule for rooms of the kind {name}: set one of the options of rooms.{name}")
        })
    })
}

/// Exchanges messages to rooms and lists of sessions with the other nodes, for ever.
pub(super) async fn exchange(node: RelayNode, sessions: Sessions) {
    let (directory, rooms) = (sessions.directory().clone(), sessions.rooms().clone());
    node.run(directory, |from| match from {
        FromNodes::Message(room, content) => receive(&rooms, room, content),
        FromNodes::Presence(node, room, news) => rooms.hear_presence(PresenceNode(node.0), room, news),
        FromNodes::Subscribed(room) => rooms.presence_subscribed(room),
        FromNodes::Excess(excess) => sessions.close_excess(excess),
        FromNodes::Gone(node) => rooms.forget_node(PresenceNode(node.0)),
    })
    .await;
}

/// Hands a message of another node to this one's sessions.
fn receive(rooms: &Rooms, room: &RoomName, content: &str) {
    if let Some(kind) = rooms.kinds().of(room)
        && let Some(content) = Received::rewritten(content, room, &kind)
    {
        rooms.receive(room, kind, &content);
    }
}
