//! What packets travel over, as the session has it.

use std::sync::Arc;

use actix_web::rt;
use doorward_core::protocol::engineio::Queue;

use super::SocketIo;
use super::engine::{Closing, Engine, EngineTransport, Handle, Incoming};
use crate::actors::session::Session;
use crate::actors::transport::{Full, Outgoing};
use crate::events::Events;

/// A connection of one client: an Engine.IO session that polls and a WebSocket share ([`Handle`]), or a WebSocket
/// alone ([`Direct`](super::Direct)).
pub trait Link: Sized + Unpin + 'static {
    type Outgoing: Outgoing;

    /// What the link's reader yields.
    type Incoming: 'static;

    fn outgoing(&self) -> &Self::Outgoing;

    /// What an item of the reader is to Engine.IO.
    fn read(&self, incoming: Self::Incoming) -> Incoming;

    /// Adds to what waits for the client, all of it or nothing.
    ///
    /// # Errors
    /// [`Full`] when the bound was reached before.
    fn push(&self, write: impl FnOnce(&mut Queue)) -> Result<(), Full>;

    /// Bytes that a message may have now.
    fn message_limit(&self) -> usize;

    /// The client has signed in: larger messages are allowed from now on.
    fn widen(&self);

    /// No more will be pushed: what waits is sent, then the transport closes.
    fn close(&self, closing: Closing);

    /// What waits is sent when the client asks for it.
    fn is_fetched(&self) -> bool;
}

impl Link for Handle {
    type Outgoing = Arc<Engine>;
    type Incoming = Incoming;

    fn outgoing(&self) -> &Arc<Engine> {
        self.engine()
    }

    fn read(&self, incoming: Incoming) -> Incoming {
        incoming
    }

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
}

/// Starts the session that `make` makes of a new Engine.IO session.
pub fn open(
    engine: Handle,
    events: Arc<Events>,
    make: impl FnOnce(SocketIo<Handle>) -> Session<SocketIo<Handle>>,
) {
    let incoming = engine.incoming();
    rt::spawn(make(SocketIo::new(engine, events)).driven_by(incoming).1);
}
