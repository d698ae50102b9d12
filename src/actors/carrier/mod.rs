//! How a session's bytes travel. A carrier is a thin shell: it frames, bounds and closes; what is said is the
//! session's matter.

mod fragments;
mod guard;
pub mod handshake;
mod lines;
mod outbox;
pub mod socketio;
pub mod tcp;
pub mod websocket;

use std::future::Future;

use actix::dev::ToEnvelope;
use actix::{ActorContext, AsyncContext};

use super::session::{Close, Session};
use crate::domain::SessionId;
use crate::events::Events;
use crate::protocol::{ClientMessage, CloseReason, NamespaceId, Payload, ServerMessage, json};
use crate::session::Unread;

pub use outbox::{Lifeline, Outbox, PeerSocket};

/// What a [`Session`] needs of its carrier. Output goes through here, never through the actor's context:
/// the context's own buffer has no bound and is emptied only while the client reads.
pub trait Carrier: Sized + Unpin + 'static {
    type Context: AsyncContext<Session<Self>> + ActorContext + ToEnvelope<Session<Self>, Close>;

    /// The word for lists and logs.
    const NAME: &'static str;

    /// Clients expect a ping at every heartbeat, whatever else is said.
    const PINGS_ALWAYS: bool = false;

    /// Clients are in every namespace without asking.
    const JOINS_SILENTLY: bool = true;

    /// A whole message as it came.
    type Message: Unpin + 'static;

    /// Reads one.
    ///
    /// # Errors
    /// Why the session ends: it is no message.
    fn decode<'a>(
        &mut self,
        message: &'a Self::Message,
        events: &Events,
    ) -> Result<ClientMessage<'a>, CloseReason>;

    /// What `message` brings; `arguments` is a part of it.
    fn payload(message: &Self::Message, arguments: &str) -> Payload;

    /// Queues a message.
    ///
    /// # Errors
    /// [`Full`]: the client does not read and its bound is reached.
    fn send(&mut self, message: &ServerMessage, events: &Events) -> Result<(), Full>;

    /// The client is in this namespace, where it goes by `id`.
    fn joined(&mut self, _namespace: NamespaceId, _id: SessionId, _events: &Events) {}

    /// The client is in no namespace.
    fn is_nowhere(&self) -> bool {
        false
    }

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`Full`].
    fn ping(&mut self) -> Result<(), Full>;

    /// The client has signed in: larger messages are welcome from now on.
    fn signed_in(&mut self);

    /// Says goodbye and begins to close. Answers whether the client may still have to answer; if not, the
    /// session can end at once.
    fn close(&mut self, reason: CloseReason) -> bool;

    /// What is said last waits until the client asks for it.
    fn is_fetched(&self) -> bool {
        false
    }

    /// Ends the connection now, read or not.
    fn cut(&self);

    fn unread(&self) -> Unread;

    /// So much waits to be read that no further request should be answered yet.
    fn congested(&self) -> bool;

    /// While it holds, no more is taken from the client: what was taken waits for it to read.
    fn hold(&self, hold: bool);

    /// Waits until the client has read enough to go on.
    fn drained(&self) -> impl Future<Output = ()> + 'static;
}

/// The answers of a carrier of JSON whose bytes wait in `$outbox`, an [`Outbox`] of its thread.
macro_rules! json_in_outbox {
    ($outbox:ident) => {
        type Message = bytestring::ByteString;

        fn decode<'a>(
            &mut self,
            message: &'a Self::Message,
            events: &crate::events::Events,
        ) -> Result<crate::protocol::ClientMessage<'a>, CloseReason> {
            let find = |name: &str| events.find(name);
            json::decode(message, find).map_err(|json::NotAnObject| CloseReason::BadMessage)
        }

        fn payload(message: &Self::Message, arguments: &str) -> crate::protocol::Payload {
            crate::protocol::Payload::from_parts(message, arguments, Vec::new())
        }

        fn cut(&self) {
            self.$outbox.cut();
        }

        fn unread(&self) -> crate::session::Unread {
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

/// The outbox's bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;
