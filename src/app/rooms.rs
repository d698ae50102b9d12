//! Rooms: whether their words are free, whose tokens they take, and what nodes tell each other.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use doorward_core::protocol::NamespaceId;
use doorward_core::rooms::presence::PresenceNode;
use doorward_core::rooms::{KindName, Kinds, RoomName, Rule, WORDS};

use crate::actors::{Live, Sessions};
use crate::auth::room_tokens::{LARGEST_FILE, RoomTokenKeys};
use crate::cluster::{FromNodes, RelayNode};
use crate::config::{Config, RoomTokenFile};
use crate::events::Events;
use crate::ownership::{self, Need};
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

/// Reads the keys with which an application's backend signs room tokens. They are not read again before the next start.
///
/// # Errors
/// A sentence for the operator, which names the setting.
fn token_keys(config: &Config) -> Result<Option<RoomTokenKeys>, String> {
    let server = config.public_url.as_str().trim_end_matches('/');
    let (name, path, read): (_, _, fn(&str, &str) -> _) = match &config.room_tokens {
        None => return Ok(None),
        Some(RoomTokenFile::Jwks(path)) => ("rooms.token_jwks", path, RoomTokenKeys::from_jwks),
        Some(RoomTokenFile::Pem(path)) => ("rooms.token_key", path, RoomTokenKeys::from_pem),
    };
    let keys = text_of(path).and_then(|text| read(&text, server));
    keys.map(Some).map_err(|why| format!("{name}: cannot use {}: {why}", path.display()))
}

fn text_of(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| ownership::explain(&error, path, Need::Read))?;
    let mut text = String::new();
    let read = file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if read as u64 > LARGEST_FILE {
        return Err(format!("it has more than {LARGEST_FILE} bytes"));
    }
    Ok(text)
}

/// Takes the tokens of the application's backend.
pub(super) fn take_tokens(config: &Config, live: &Live) -> Result<(), String> {
    if let Some(keys) = token_keys(config)? {
        live.sessions.rooms().take_tokens(keys);
    }
    Ok(())
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
