//! How messages to rooms reach clients: appended to what waits for each.

use std::rc::Rc;

use bytes::Bytes;
use doorward_core::protocol::ServerMessage;

use super::Outbox;
use crate::actors::transport::Outgoing;
use crate::events::Events;
use crate::rooms::delivery::{Delivery, Dialect};

/// The way to a client whose connection is on this thread, in a dialect that `encode` writes.
pub(super) struct Appended {
    pub outbox: Rc<Outbox>,
    pub dialect: Dialect,
    pub encode: fn(&ServerMessage, &Events, &mut Vec<u8>),
}

impl Delivery for Appended {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn encode(&self, message: &ServerMessage, events: &Events) -> Bytes {
        let mut out = Vec::new();
        (self.encode)(message, events, &mut out);
        out.into()
    }

    fn deliver(&self, encoded: &[u8]) -> bool {
        self.outbox.push(|out| out.extend_from_slice(encoded)).is_ok()
    }

    fn is_congested(&self) -> bool {
        self.outbox.congested()
    }
}
