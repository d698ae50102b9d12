//! A session whose client asked for a WebSocket at once and so never polls: its actor reads the frames itself.
//! Nothing of it is shared between threads, and nothing has to be handed over.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;

use actix::StreamHandler;
use actix_web::{HttpRequest, HttpResponse, rt, web};

use super::SocketIo;
use super::engine::Closing;
use super::link::Link;
use super::relay::{PATIENCE, incoming};
use crate::actors::session::Session;
use crate::actors::transport::Full;
use crate::events::Events;
use crate::transports::frames::write_packets;
use crate::transports::handshake::HandshakeError;
use crate::transports::websocket::{
    self, Incoming, Limits, Message, ProtocolError, WebSocket, WebsocketContext,
};
use doorward_core::protocol::engineio::Queue;
use doorward_core::session::Unread;

/// A WebSocket alone.
pub struct Direct(WebSocket);

impl Link for Direct {
    type Context = WebsocketContext<Session<SocketIo<Self>>>;

    fn push(&self, write: impl FnOnce(&mut Queue)) -> Result<(), Full> {
        self.0.outbox().push(|out| {
            let mut queue = Queue::default();
            write(&mut queue);
            write_packets(&mut queue, out, usize::MAX);
        })
    }

    fn message_limit(&self) -> usize {
        self.0.message_limit()
    }

    fn widen(&self) {
        self.0.widen();
    }

    fn close(&self, Closing { code, sentence, patient }: Closing) {
        if !patient {
            return self.0.write_close(Some((code, sentence)));
        }
        let outbox = Rc::clone(self.0.outbox());
        rt::spawn(async move {
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            tokio::time::sleep(PATIENCE).await;
            websocket::write_close(&outbox, Some((code, sentence)));
        });
    }

    fn is_fetched(&self) -> bool {
        false
    }

    fn cut(&self) {
        self.0.outbox().cut();
    }

    fn unread(&self) -> Unread {
        self.0.outbox().unread()
    }

    fn congested(&self) -> bool {
        self.0.outbox().congested()
    }

    fn hold(&self, hold: bool) {
        self.0.outbox().hold(hold);
    }

    fn drained(&self) -> impl Future<Output = ()> + 'static {
        let outbox = Rc::clone(self.0.outbox());
        poll_fn(move |context| outbox.poll_drained(context))
    }
}

/// Answers the handshake with `opening` as the first packet, and starts the session that `make` makes of it.
///
/// # Errors
/// If the request is no good handshake (RFC 6455 section 4.2.1).
pub fn open(
    request: &HttpRequest,
    payload: web::Payload,
    limits: Limits,
    opening: &str,
    events: Arc<Events>,
    make: impl FnOnce(SocketIo<Direct>) -> Session<SocketIo<Direct>>,
) -> Result<HttpResponse, HandshakeError> {
    websocket::open(request, payload, limits, None, |socket| {
        let link = Direct(socket);
        // Nothing was sent before: it fits.
        let _ = link.push(|queue| queue.text(|out| out.extend_from_slice(opening.as_bytes())));
        make(SocketIo::new(link, events))
    })
}

impl StreamHandler<Result<Message, ProtocolError>> for Session<SocketIo<Direct>> {
    fn handle(&mut self, item: Result<Message, ProtocolError>, context: &mut Self::Context) {
        let Direct(socket) = self.transport_mut().link_mut();
        match socket.incoming(item) {
            Incoming::Refused(reason) => {
                let discard = socket.discard();
                self.refuse_frames(reason, discard, context);
            }
            frame => {
                let incoming = incoming(socket, frame);
                self.take(incoming, context);
            }
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.left(context);
    }
}
