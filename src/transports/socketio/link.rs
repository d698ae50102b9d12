//! What packets travel over, as the session's actor has it.

use std::future::Future;
use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, ActorContext, AsyncContext, StreamHandler};

use super::engine::{Closing, EngineTransport, Handle, Incoming};
use super::{SocketIo, Taken};
use crate::actors::session::Session;
use crate::actors::session_manager::Close;
use crate::actors::transport::Full;
use crate::events::Events;
use doorward_core::protocol::engineio::Queue;
use doorward_core::session::Unread;

/// A connection of one client: an Engine.IO session that polls and a WebSocket share ([`Handle`]), or a WebSocket
/// alone ([`Direct`](super::Direct)).
pub trait Link: Sized + Unpin + 'static {
    type Context: AsyncContext<Session<SocketIo<Self>>>
        + ActorContext
        + ToEnvelope<Session<SocketIo<Self>>, Close>;

    /// Adds to what waits for the client, all of it or nothing.
    ///
    /// # Errors
    /// [`Full`] when the bound was reached before.
    fn push(&self, write: impl FnOnce(&mut Queue)) -> Result<(), Full>;

    /// Bytes that a message may have now.
    fn message_limit(&self) -> usize;

    /// The client has signed in: larger messages are welcome from now on.
    fn widen(&self);

    /// No more will be pushed: what waits is sent, then the transport closes.
    fn close(&self, closing: Closing);

    /// What waits is sent when the client asks for it.
    fn is_fetched(&self) -> bool;

    /// Ends it now, whether what waits was read or not.
    fn cut(&self);

    fn unread(&self) -> Unread;

    fn congested(&self) -> bool;

    /// While it holds, no more is taken from the client.
    fn hold(&self, hold: bool);

    fn drained(&self) -> impl Future<Output = ()> + 'static;
}

impl Link for Handle {
    type Context = actix::Context<Session<SocketIo<Self>>>;

    fn push(&self, write: impl FnOnce(&mut Queue)) -> Result<(), Full> {
        self.engine().push(write)
    }

    fn message_limit(&self) -> usize {
        self.engine().message_limit()
    }

    fn widen(&self) {
        self.engine().widen();
    }

    fn close(&self, closing: Closing) {
        self.engine().close(closing);
    }

    fn is_fetched(&self) -> bool {
        self.engine().transport() != EngineTransport::WebSocket
    }

    fn cut(&self) {
        self.engine().end(true);
    }

    fn unread(&self) -> Unread {
        self.engine().unread()
    }

    fn congested(&self) -> bool {
        self.engine().congested()
    }

    fn hold(&self, hold: bool) {
        self.engine().hold(hold);
    }

    fn drained(&self) -> impl Future<Output = ()> + 'static {
        let engine = Arc::clone(self.engine());
        std::future::poll_fn(move |context| engine.poll_drained(context))
    }
}

/// Starts the session that `make` makes of a new Engine.IO session.
pub fn open(
    engine: Handle,
    events: Arc<Events>,
    make: impl FnOnce(SocketIo<Handle>) -> Session<SocketIo<Handle>>,
) {
    let incoming = engine.incoming();
    Session::create(|context: &mut actix::Context<Session<SocketIo<Handle>>>| {
        context.add_stream(incoming);
        make(SocketIo::new(engine, events))
    });
}

impl<L: Link> Session<SocketIo<L>> {
    pub(super) fn take(&mut self, incoming: Incoming, context: &mut L::Context) {
        match self.transport_mut().take(incoming) {
            Ok(Taken::Message(message)) => self.receive(message, context),
            Ok(Taken::Heard) => self.record_activity(),
            Ok(Taken::Left) => self.left(context),
            Err(reason) => self.close(reason, context),
        }
    }
}

impl StreamHandler<Incoming> for Session<SocketIo<Handle>> {
    fn handle(&mut self, incoming: Incoming, context: &mut Self::Context) {
        self.take(incoming, context);
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.left(context);
    }
}
