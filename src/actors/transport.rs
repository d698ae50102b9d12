//! What a session needs of its transport: to read messages, to write messages, and to know what waits for the client.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll};

use doorward_core::domain::SessionId;
use doorward_core::protocol::{ClientMessage, CloseReason, NamespaceId, Payload, ServerMessage};
use doorward_core::session::Unread;

use crate::events::Events;
use crate::rooms::delivery::Delivery;

/// What waits for a client to read it, bounded. Output goes through here, never through an actor's context: the
/// context's own buffer has no bound and is emptied only while the client reads. A clone is another handle.
pub trait Outgoing: Clone + 'static {
    fn unread(&self) -> Unread;

    /// So much waits to be read that no further request should be answered yet.
    fn congested(&self) -> bool;

    /// While it holds, no more is read from the client: what was read waits for it.
    fn hold(&self, hold: bool);

    /// Ready once the client has read enough to go on.
    fn poll_drained(&self, context: &Context<'_>) -> Poll<()>;

    /// The same, to wait for.
    fn drained(&self) -> impl Future<Output = ()> + 'static {
        let outgoing = self.clone();
        poll_fn(move |context| outgoing.poll_drained(context))
    }

    /// Ends the connection now, read or not.
    fn cut(&self);
}

/// What arrived, as far as it concerns the session.
#[derive(Debug)]
pub enum Received<M> {
    /// A sign of life, such as a pong or a part of a message.
    Activity,
    Message(M),
    /// The client has closed, or its connection has ended.
    Left,
}

/// Why a message ends its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecodable {
    pub reason: CloseReason,
    /// The namespace that the client asked to join by it.
    pub joining: Option<NamespaceId>,
}

impl From<CloseReason> for Undecodable {
    fn from(reason: CloseReason) -> Self {
        Self { reason, joining: None }
    }
}

/// How a session's messages travel. A transport frames, bounds and closes; what is said is the session's business.
pub trait Transport: Sized + Unpin + 'static {
    /// The name in lists and logs.
    const NAME: &'static str;

    /// Clients expect a ping at every heartbeat, whatever else is sent.
    const PINGS_ALWAYS: bool = false;

    /// Clients are in every namespace without asking.
    const JOINS_SILENTLY: bool = true;

    type Outgoing: Outgoing;

    /// What the transport's reader yields.
    type Incoming: 'static;

    /// A whole message, not decoded yet: it may have to wait.
    type Message: Unpin + 'static;

    fn outgoing(&self) -> &Self::Outgoing;

    /// Takes the next item of the reader.
    ///
    /// # Errors
    /// Why the session ends.
    fn receive(&mut self, incoming: Self::Incoming) -> Result<Received<Self::Message>, CloseReason>;

    /// Decodes a message. Neither sends nor changes anything.
    ///
    /// # Errors
    /// [`Undecodable`] if it is not a message of the dialect.
    fn decode<'a>(
        &self,
        message: &'a Self::Message,
        events: &Events,
    ) -> Result<ClientMessage<'a>, Undecodable>;

    /// What `message` brings; `arguments` is a part of it.
    fn payload(message: &Self::Message, arguments: &str) -> Payload;

    /// Queues a message.
    ///
    /// # Errors
    /// [`Full`]: the client does not read and its bound is reached.
    fn send(&mut self, message: &ServerMessage, events: &Events) -> Result<(), Full>;

    /// The way to this client for messages that several are sent.
    fn delivery(&self) -> Rc<dyn Delivery>;

    /// Asks for a sign of life.
    ///
    /// # Errors
    /// [`Full`] if the client has not read what was sent before.
    fn ping(&mut self) -> Result<(), Full>;

    /// The client asks to join this namespace. A close before it has joined one names it.
    fn joining(&mut self, _namespace: NamespaceId) {}

    /// The client has joined this namespace, where it goes by `id`.
    fn joined(&mut self, _namespace: NamespaceId, _id: SessionId, _events: &Events) {}

    /// The client has left this namespace.
    fn left(&mut self, _namespace: NamespaceId) {}

    /// Tells the client that there is no namespace of this name.
    ///
    /// # Errors
    /// [`Full`] if the client has not read what was sent before.
    fn refuse_namespace(&mut self, _name: &str) -> Result<(), Full> {
        Ok(())
    }

    /// The client is in this namespace.
    fn is_in(&self, _namespace: NamespaceId) -> bool {
        true
    }

    /// The client is in no namespace.
    fn is_nowhere(&self) -> bool {
        false
    }

    /// The client has signed in: larger messages are allowed from now on.
    fn signed_in(&mut self);

    /// Says goodbye to a client that is still there and reads, and begins to close. Returns whether the client may still
    /// have to answer; if not, the session can end at once.
    fn close(&mut self, reason: CloseReason) -> bool;

    /// The last message waits until the client asks for it.
    fn is_fetched(&self) -> bool {
        false
    }
}

/// The bound of what may wait for the client is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;
