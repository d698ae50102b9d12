//! A session whose client asked for a WebSocket at once and so never polls: its actor is handed the frames itself.
//! Nothing of it is shared between threads, and nothing has to be handed over.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::{HttpResponse, rt};
use doorward_core::protocol::ServerMessage;
use doorward_core::protocol::engineio::Queue;

use super::SocketIo;
use super::engine::{Closing, Incoming};
use super::link::{Link, write_room_event};
use super::relay::{OWN_CLOSE_TIMEOUT, packet};
use crate::actors::session::Session;
use crate::actors::transport::Full;
use crate::events::Events;
use crate::rooms::delivery::{Delivery, Dialect};
use crate::transports::Outbox;
use crate::transports::delivery::Appended;
use crate::transports::websocket::handshake::Handshake;
use crate::transports::websocket::{self, Limits, Socket, write_packets};

/// A WebSocket alone.
pub struct Direct(Socket);

impl Link for Direct {
    type Outgoing = Rc<Outbox>;
    type Incoming = websocket::Incoming;

    fn outgoing(&self) -> &Rc<Outbox> {
        self.0.outbox()
    }

    fn read(&self, incoming: websocket::Incoming) -> Incoming {
        packet(&self.0, incoming)
    }

    fn push(&self, write: impl FnOnce(&mut Queue)) -> Result<(), Full> {
        self.0.outbox().push(|out| {
            let mut queue = Queue::default();
            write(&mut queue);
            write_packets(&mut queue, out, usize::MAX);
        })
    }

    fn delivery(&self) -> Rc<dyn Delivery> {
        let encode = |message: &ServerMessage, events: &Events, out: &mut Vec<u8>| {
            let mut queue = Queue::default();
            queue.text(|out| write_room_event(message, events, out));
            write_packets(&mut queue, out, usize::MAX);
        };
        Rc::new(Appended { outbox: Rc::clone(self.0.outbox()), dialect: Dialect::SocketIoFrame, encode })
    }

    fn message_limit(&self) -> usize {
        self.0.outbox().message_limit()
    }

    fn widen(&self) {
        self.0.widen();
    }

    fn close(&self, Closing { code, sentence, patient }: Closing) {
        if !patient {
            return self.0.close(Some((code, sentence)));
        }
        let outbox = Rc::clone(self.0.outbox());
        rt::spawn(async move {
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            tokio::time::sleep(OWN_CLOSE_TIMEOUT).await;
            websocket::write_close(&outbox, Some((code, sentence)));
        });
    }

    fn is_fetched(&self) -> bool {
        false
    }
}

/// Answers the handshake with `opening` as the first packet, and starts the session that `make` makes of it.
pub fn open(
    handshake: Handshake,
    limits: Limits,
    opening: String,
    events: Arc<Events>,
    make: impl FnOnce(SocketIo<Direct>) -> Session<SocketIo<Direct>> + 'static,
) -> HttpResponse {
    websocket::open(handshake, limits, move |socket| {
        let link = Direct(socket);
        // Nothing was sent before: it fits.
        let _ = link.push(|queue| queue.text(|out| out.extend_from_slice(opening.as_bytes())));
        make(SocketIo::new(link, events))
    })
}
