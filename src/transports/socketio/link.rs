//! What packets travel over, as the session has it.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::rt;
use bytes::Bytes;
use doorward_core::protocol::ServerMessage;
use doorward_core::protocol::engineio::Queue;

use super::SocketIo;
use super::engine::{Closing, Engine, EngineTransport, Handle, Incoming};
use super::event_text::write_event;
use crate::actors::session::Session;
use crate::actors::transport::{Full, Outgoing};
use crate::events::Events;
use crate::rooms::delivery::{Delivery, Dialect};

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

    /// The way to this client for messages that several are sent.
    fn delivery(&self) -> Rc<dyn Delivery>;

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

    fn delivery(&self) -> Rc<dyn Delivery> {
        Rc::new(Packets(Arc::clone(self.engine())))
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

/// The text of a packet of Socket.IO for a message to a room.
pub(super) fn write_room_event(message: &ServerMessage, events: &Events, out: &mut Vec<u8>) {
    let ServerMessage::Event { namespace, name, payload } = message else { return };
    write_event(out, events.get(*namespace).name(), name, None, payload);
}

/// Messages to rooms for a session that may poll.
struct Packets(Arc<Engine>);

impl Delivery for Packets {
    fn dialect(&self) -> Dialect {
        Dialect::SocketIoPacket
    }

    fn encode(&self, message: &ServerMessage, events: &Events) -> Bytes {
        let mut out = Vec::new();
        write_room_event(message, events, &mut out);
        out.into()
    }

    fn deliver(&self, encoded: &[u8]) -> bool {
        self.0.push(|queue| queue.text(|out| out.extend_from_slice(encoded))).is_ok()
    }

    fn is_congested(&self) -> bool {
        self.0.congested()
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
