//! What a session needs of its transport, and of the connection below it.

use std::future::Future;

use actix::dev::ToEnvelope;
use actix::{ActorContext, AsyncContext};
use doorward_core::domain::SessionId;
use doorward_core::protocol::{ClientMessage, CloseReason, NamespaceId, Payload, ServerMessage};
use doorward_core::session::Unread;

use super::session::Session;
use super::session_manager::Close;
use crate::events::Events;

/// What a [`Session`] needs of its transport. Output goes through here, never through the actor's context:
/// the context's own buffer has no bound and is emptied only while the client reads.
pub trait Transport: Sized + Unpin + 'static {
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

/// The outbox's bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;
