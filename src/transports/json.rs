//! The JSON dialect as WebSocket and TCP sessions use it.

use bytestring::ByteString;
use doorward_core::protocol::{ClientMessage, CloseReason, Payload, ServerMessage, json};

use crate::events::Events;

/// Reads a message.
///
/// # Errors
/// [`CloseReason::BadMessage`]: the text is not a JSON object.
pub(super) fn decode<'a>(text: &'a str, events: &Events) -> Result<ClientMessage<'a>, CloseReason> {
    json::decode(text, |name| events.find(name)).map_err(|json::NotAnObject| CloseReason::BadMessage)
}

/// What a message brings; `arguments` is a part of it.
pub(super) fn payload(message: &ByteString, arguments: &str) -> Payload {
    Payload::from_parts(message, arguments, Vec::new())
}

/// Whether the dialect has anything to say for a message.
pub(super) const fn says(message: &ServerMessage) -> bool {
    json::says(message)
}

/// Writes a message.
pub(super) fn encode(message: &ServerMessage, events: &Events, out: &mut Vec<u8>) {
    json::encode(message, |namespace| events.get(namespace).name(), out);
}

/// Writes a message that belongs to no namespace.
pub(super) fn encode_own(message: &ServerMessage, out: &mut Vec<u8>) {
    json::encode(message, |_| "", out);
}
