//! How messages to rooms reach clients: written once for each dialect, and appended to what waits for each.

use std::rc::Rc;

use actix_http::ws::OpCode;
use bytes::Bytes;
use doorward_core::protocol::ServerMessage;

use super::websocket::frame;
use super::{Outbox, json};
use crate::events::Events;
use crate::rooms::delivery::{Delivery, Dialect};

/// JSON in frames of a WebSocket.
pub(super) struct Frames(pub Rc<Outbox>);

/// JSON in lines.
pub(super) struct TextLines(pub Rc<Outbox>);

/// Appends bytes, if there is room.
pub(super) fn append(outbox: &Outbox, encoded: &[u8]) -> bool {
    outbox.push(|out| out.extend_from_slice(encoded)).is_ok()
}

impl Delivery for Frames {
    fn dialect(&self) -> Dialect {
        Dialect::WebSocket
    }

    fn encode(&self, message: &ServerMessage, events: &Events) -> Bytes {
        let mut out = Vec::new();
        frame::write(&mut out, OpCode::Text, |out| json::encode(message, events, out));
        out.into()
    }

    fn deliver(&self, encoded: &[u8]) -> bool {
        append(&self.0, encoded)
    }
}

impl Delivery for TextLines {
    fn dialect(&self) -> Dialect {
        Dialect::Line
    }

    fn encode(&self, message: &ServerMessage, events: &Events) -> Bytes {
        let mut out = Vec::new();
        json::encode(message, events, &mut out);
        out.push(b'\n');
        out.into()
    }

    fn deliver(&self, encoded: &[u8]) -> bool {
        append(&self.0, encoded)
    }
}
