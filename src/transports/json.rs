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

/// Writes a message; none if the dialect has nothing to say for it.
pub(super) fn encode(message: &ServerMessage, events: &Events) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(256);
    json::encode(message, |namespace| events.get(namespace).name(), &mut text);
    (!text.is_empty()).then_some(text)
}

/// Writes a message that belongs to no namespace.
pub(super) fn encode_own(message: &ServerMessage) -> Vec<u8> {
    let mut text = Vec::with_capacity(128);
    json::encode(message, |_| "", &mut text);
    text
}
