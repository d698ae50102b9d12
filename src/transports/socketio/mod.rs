//! The Socket.IO dialect: packets instead of JSON objects, for the same session. It travels over Engine.IO,
//! that is over HTTP long-polling, over WebSocket, or over the one and then the other.

mod direct;
mod encode;
pub mod engine;
mod event_text;
mod link;
pub mod relay;

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use self::engine::{Closing, Incoming};
use crate::actors::transport::{Full, Received, Transport, Undecodable};
use crate::events::Events;
use crate::rooms::delivery::Delivery;
use doorward_core::domain::SessionId;
use doorward_core::protocol::engineio;
use doorward_core::protocol::socketio::{
    Kind, Known, Malformed, Namespaces, Packet, Refused, Route, write_head, write_json,
};
use doorward_core::protocol::{ClientMessage, CloseReason, NamespaceId, Payload, Reconnect, ServerMessage};

pub use self::direct::{Direct, open as open_direct};
pub use self::link::{Link, open};

/// One Socket.IO connection, whatever carries it.
pub struct SocketIo<L> {
    link: L,
    namespaces: Namespaces,
    /// A packet whose attachments have not all come.
    assembling: Option<Box<Message>>,
    refusal: PendingRefusal,
    events: Arc<Events>,
}

/// A packet with its attachments.
pub struct Message {
    text: ByteString,
    attachments: Vec<Bytes>,
    missing: usize,
}

/// What a client is told that is closed before it has joined a namespace.
#[derive(Default)]
struct PendingRefusal {
    /// The one that it wanted to join.
    namespace: NamespaceId,
    code: Option<Cow<'static, str>>,
}

impl<L: Link> SocketIo<L> {
    #[must_use]
    pub const fn new(link: L, events: Arc<Events>) -> Self {
        let refusal = PendingRefusal { namespace: NamespaceId::MAIN, code: None };
        Self { link, namespaces: Namespaces::new(), assembling: None, refusal, events }
    }

    /// A text of the client: a packet, whole if no attachments follow it.
    fn assemble(&mut self, text: ByteString) -> Result<Option<Message>, CloseReason> {
        if self.assembling.is_some() {
            return Err(CloseReason::BadMessage);
        }
        let missing = Packet::decode(&text).map_err(malformed)?.attachments;
        let message = Message { text, attachments: Vec::new(), missing };
        if missing == 0 {
            return Ok(Some(message));
        }
        self.assembling = Some(Box::new(message));
        Ok(None)
    }

    /// Bytes of the client. A message and its attachments together are bounded as one alone is.
    fn attach(&mut self, bytes: Bytes) -> Result<Option<Message>, CloseReason> {
        let Some(mut message) = self.assembling.take() else { return Err(CloseReason::BadMessage) };
        let size: usize = message.attachments.iter().map(Bytes::len).sum();
        if message.text.len() + size + bytes.len() > self.link.message_limit() {
            return Err(CloseReason::TooBig);
        }
        message.attachments.push(bytes);
        if message.attachments.len() == message.missing {
            return Ok(Some(*message));
        }
        self.assembling = Some(message);
        Ok(None)
    }
}

fn malformed(_: Malformed) -> CloseReason {
    CloseReason::BadMessage
}

impl<L: Link> Transport for SocketIo<L> {
    const NAME: &'static str = "socketio";

    const PINGS_ALWAYS: bool = true;

    const JOINS_SILENTLY: bool = false;

    type Outgoing = L::Outgoing;
    type Incoming = L::Incoming;
    type Message = Message;

    fn outgoing(&self) -> &L::Outgoing {
        self.link.outgoing()
    }

    fn receive(&mut self, incoming: L::Incoming) -> Result<Received<Message>, CloseReason> {
        let message = match self.link.read(incoming) {
            Incoming::Activity => None,
            Incoming::Left => return Ok(Received::Left),
            Incoming::Refused(reason) => return Err(reason),
            Incoming::Message(text) => self.assemble(text)?,
            Incoming::Binary(bytes) => self.attach(bytes)?,
        };
        Ok(message.map_or(Received::Activity, Received::Message))
    }

    fn decode<'a>(&self, message: &'a Message, events: &Events) -> Result<ClientMessage<'a>, Undecodable> {
        let packet = Packet::decode(&message.text).map_err(malformed)?;
        let known = events.find(packet.namespace);
        let known = known.map(|id| Known { id, open: events.get(id).is_open() });
        let refused = |Refused { reason, joining }| Undecodable { reason, joining };
        self.namespaces.read(&packet, known).map_err(refused)
    }

    fn payload(message: &Message, arguments: &str) -> Payload {
        Payload::from_parts(&message.text, arguments, message.attachments.clone())
    }

    fn send(&mut self, message: &ServerMessage, _: &Events) -> Result<(), Full> {
        let namespace = match self.namespaces.route(message) {
            Route::To(namespace) => namespace,
            Route::Nowhere => return Ok(()),
            Route::Refusal => {
                if let ServerMessage::Error { code, .. } = message {
                    self.refusal.code = Some(code.clone());
                }
                return Ok(());
            }
        };
        self.link.push(|queue| match message {
            ServerMessage::Reply { to, payload, .. } | ServerMessage::Acknowledge { to, payload, .. }
                if to.ack.is_some() =>
            {
                self.ack(queue, namespace, to, payload);
            }
            ServerMessage::Reply { to, name, payload } => {
                self.event(queue, namespace, name, to.id.as_ref(), payload);
            }
            // The client asked for no acknowledgement.
            ServerMessage::Acknowledge { .. } => {}
            ServerMessage::Event { name, payload, .. } => self.event(queue, namespace, name, None, payload),
            ServerMessage::Welcome { user, .. } => {
                self.typed(queue, message, namespace);
                // What the older system's clients wait for.
                let greeting = serde_json::json!({ "message": format!("Connected as {}", user.username) });
                if let Ok(payload) = Payload::new(&greeting)
                    && namespace == NamespaceId::MAIN
                {
                    self.event(queue, namespace, "server_response", None, &payload);
                }
            }
            message => self.typed(queue, message, namespace),
        })
    }

    fn delivery(&self) -> Rc<dyn Delivery> {
        self.link.delivery()
    }

    fn joining(&mut self, namespace: NamespaceId) {
        self.refusal.namespace = namespace;
    }

    fn joined(&mut self, namespace: NamespaceId, id: SessionId, events: &Events) {
        self.namespaces.join(namespace);
        // The client waits for this: nothing was sent to it before.
        let _ = self.link.push(|queue| {
            queue.text(|out| {
                write_head(out, Kind::Connect, 0, events.get(namespace).name(), None);
                write_json(out, &serde_json::json!({ "sid": id }));
            });
        });
    }

    fn left(&mut self, namespace: NamespaceId) {
        self.namespaces.leave(namespace);
    }

    fn refuse_namespace(&mut self, name: &str) -> Result<(), Full> {
        self.link.push(|queue| {
            queue.text(|out| {
                write_head(out, Kind::ConnectError, 0, name, None);
                out.extend_from_slice(br#"{"message":"Invalid namespace"}"#);
            });
        })
    }

    fn is_in(&self, namespace: NamespaceId) -> bool {
        self.namespaces.iter().any(|joined| joined == namespace)
    }

    fn is_nowhere(&self) -> bool {
        self.namespaces.is_empty()
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.link.push(|queue| queue.push(&engineio::Packet::Ping(ByteString::new())))
    }

    fn signed_in(&mut self) {
        self.link.widen();
    }

    /// A goodbye in each namespace. A DISCONNECT tells standard clients to stay away, so it goes to
    /// those that must not reconnect by themselves; the others lose their connection and reconnect.
    fn close(&mut self, reason: CloseReason) -> bool {
        if reason == CloseReason::HeartbeatTimeout && self.is_fetched() && self.is_nowhere() {
            // The client is gone and will fetch nothing more.
            return false;
        }
        let goodbye = ServerMessage::goodbye(reason);
        // Full or not: what does not fit is not read anyway.
        let _ = self.link.push(|queue| {
            for namespace in self.namespaces.iter() {
                self.typed(queue, &goodbye, namespace);
                if reason.reconnect() != Reconnect::Backoff {
                    self.disconnect(queue, namespace);
                }
            }
            if self.namespaces.is_empty() {
                self.refuse(queue, reason);
            }
        });
        self.link.close(Closing {
            code: reason.code(),
            sentence: reason.sentence(),
            patient: self.refusal.code.is_some(),
        });
        true
    }

    fn is_fetched(&self) -> bool {
        self.link.is_fetched()
    }
}
