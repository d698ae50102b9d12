//! How a session's bytes travel. A transport is a thin shell: it frames, bounds and closes; what is said is the
//! session's matter.

mod fragments;
mod frames;
mod guard;
pub mod handshake;
mod lines;
mod outbox;
pub mod socketio;
pub mod tcp;
pub mod websocket;

use doorward_core::protocol::{ServerMessage, json};

use crate::events::Events;

pub use self::outbox::Outbox;

/// The answers of a transport of JSON whose bytes wait in `$outbox`, an [`Outbox`] of its thread.
macro_rules! json_in_outbox {
    ($outbox:ident) => {
        type Message = bytestring::ByteString;

        fn decode<'a>(
            &mut self,
            message: &'a Self::Message,
            events: &crate::events::Events,
        ) -> Result<doorward_core::protocol::ClientMessage<'a>, CloseReason> {
            let find = |name: &str| events.find(name);
            json::decode(message, find).map_err(|json::NotAnObject| CloseReason::BadMessage)
        }

        fn payload(message: &Self::Message, arguments: &str) -> doorward_core::protocol::Payload {
            doorward_core::protocol::Payload::from_parts(message, arguments, Vec::new())
        }

        fn cut(&self) {
            self.$outbox.cut();
        }

        fn unread(&self) -> doorward_core::session::Unread {
            self.$outbox.unread()
        }

        fn congested(&self) -> bool {
            self.$outbox.congested()
        }

        fn hold(&self, hold: bool) {
            self.$outbox.hold(hold);
        }

        fn drained(&self) -> impl Future<Output = ()> + 'static {
            let outbox = Rc::clone(&self.$outbox);
            poll_fn(move |context| outbox.poll_drained(context))
        }
    };
}
use json_in_outbox;

/// As the JSON dialect writes it; nothing if there is nothing to say.
fn json_text(message: &ServerMessage, events: &Events) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(256);
    json::encode(message, |namespace| events.get(namespace).name(), &mut text);
    (!text.is_empty()).then_some(text)
}
