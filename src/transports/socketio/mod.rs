//! The Socket.IO dialect: packets instead of JSON objects, for the same session. It travels over Engine.IO,
//! that is over HTTP long-polling, over WebSocket, or over the one and then the other.

mod direct;
mod encode;
pub mod engine;
mod link;
pub mod relay;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

use self::engine::{Closing, Incoming};
use crate::actors::transport::Full;
use crate::actors::transport::Transport;
use crate::events::Events;
use doorward_core::domain::SessionId;
use doorward_core::protocol::engineio;
use doorward_core::protocol::socketio::{Kind, Malformed, Packet, write_head, write_json};
use doorward_core::protocol::{
    ClientMessage, CloseReason, NamespaceId, Payload, Reconnect, ReplyTo, Request, ServerMessage,
};
use doorward_core::session::Unread;

pub use self::direct::{Direct, open as open_direct};
pub use self::link::{Link, open};

/// One Socket.IO connection, whatever carries it.
pub struct SocketIo<L> {
    link: L,
    /// Namespaces that the client is in, the first one first.
    joined: Vec<NamespaceId>,
    /// A packet whose attachments have not all come.
    assembling: Option<Box<Message>>,
    /// It has been in a namespace.
    was_in: bool,
    /// What a client is told that never got in.
    refusal: Refusal,
    events: Arc<Events>,
}

/// A packet with its attachments.
pub struct Message {
    text: ByteString,
    attachments: Vec<Bytes>,
    missing: usize,
}

/// What a part of what comes amounts to.
enum Taken {
    /// A sign of life, or a part of a message.
    Heard,
    Message(Message),
    Left,
}

#[derive(Default)]
struct Refusal {
    /// Where it wanted to be.
    namespace: NamespaceId,
    code: Option<Cow<'static, str>>,
}

impl<L: Link> SocketIo<L> {
    #[must_use]
    pub const fn new(link: L, events: Arc<Events>) -> Self {
        let refusal = Refusal { namespace: NamespaceId::MAIN, code: None };
        Self { link, joined: Vec::new(), assembling: None, was_in: false, refusal, events }
    }

    pub const fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// The next that comes from the client.
    fn take(&mut self, incoming: Incoming) -> Result<Taken, CloseReason> {
        let message = match incoming {
            Incoming::Heard => None,
            Incoming::Left => return Ok(Taken::Left),
            Incoming::Refused(reason) => return Err(reason),
            Incoming::Message(text) => self.assemble(text)?,
            Incoming::Binary(bytes) => self.attach(bytes)?,
        };
        Ok(message.map_or(Taken::Heard, Taken::Message))
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
    type Context = L::Context;

    const NAME: &'static str = "socketio";

    const PINGS_ALWAYS: bool = true;

    const JOINS_SILENTLY: bool = false;

    type Message = Message;

    fn decode<'a>(
        &mut self,
        message: &'a Message,
        events: &Events,
    ) -> Result<ClientMessage<'a>, CloseReason> {
        let packet = Packet::decode(&message.text).map_err(malformed)?;
        let namespace = events.find(packet.namespace);
        let inside = namespace.filter(|namespace| self.joined.contains(namespace));
        match (packet.kind, namespace, inside) {
            (Kind::Connect, None, _) => {
                let mut refused = Vec::new();
                write_head(&mut refused, Kind::ConnectError, 0, packet.namespace, None);
                refused.extend_from_slice(br#"{"message":"Invalid namespace"}"#);
                let pushed = self.link.push(|queue| queue.text(|out| out.append(&mut refused)));
                pushed.map_err(|Full| CloseReason::TooSlow)?;
                Ok(ClientMessage { to: ReplyTo::default(), request: Request::Nothing })
            }
            (Kind::Connect, Some(namespace), None) => {
                self.refusal.namespace = namespace;
                let message = packet.message(namespace, events.get(namespace).is_open());
                // A token alone, where an object is expected.
                let is_text = packet.data.starts_with('"');
                message.map_err(|error| if is_text { CloseReason::NoAuth } else { malformed(error) })
            }
            (Kind::Connect, _, Some(_)) => {
                Ok(ClientMessage { to: ReplyTo::default(), request: Request::Nothing })
            }
            (kind, _, Some(namespace)) => {
                let message = packet.message(namespace, false).map_err(malformed)?;
                if kind == Kind::Disconnect {
                    self.joined.retain(|joined| *joined != namespace);
                }
                Ok(message)
            }
            // For one that it is not in.
            _ if self.joined.is_empty() => Err(CloseReason::Unauthorized),
            _ => Err(CloseReason::BadMessage),
        }
    }

    fn payload(message: &Message, arguments: &str) -> Payload {
        Payload::from_parts(&message.text, arguments, message.attachments.clone())
    }

    fn send(&mut self, message: &ServerMessage, _: &Events) -> Result<(), Full> {
        let namespace = match (message, message.to(), self.joined.first()) {
            // What a handler says in a namespace that the client has left meanwhile would mislead it in another.
            (ServerMessage::Event { namespace, .. }, ..) if !self.joined.contains(namespace) => return Ok(()),
            (ServerMessage::Event { namespace, .. }, ..) => *namespace,
            (ServerMessage::Reply { to, .. } | ServerMessage::Acknowledge { to, .. }, ..)
                if !self.joined.contains(&to.namespace) =>
            {
                return Ok(());
            }
            (_, Some(to), Some(_)) if to.ack.is_some() && !self.joined.contains(&to.namespace) => {
                return Ok(());
            }
            (_, Some(to), _) if self.joined.contains(&to.namespace) => to.namespace,
            (_, _, Some(first)) => *first,
            // In no namespace there is nobody to hear it. What is wrong is said with the refusal.
            (ServerMessage::Error { code, .. }, _, None) if !self.was_in => {
                self.refusal.code = Some(code.clone());
                return Ok(());
            }
            (_, _, None) => return Ok(()),
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
            // Nobody waits for it.
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

    fn joined(&mut self, namespace: NamespaceId, id: SessionId, events: &Events) {
        self.joined.push(namespace);
        self.was_in = true;
        // The client waits for this: nothing was sent to it before.
        let _ = self.link.push(|queue| {
            queue.text(|out| {
                write_head(out, Kind::Connect, 0, events.get(namespace).name(), None);
                write_json(out, &serde_json::json!({ "sid": id }));
            });
        });
    }

    fn is_nowhere(&self) -> bool {
        self.joined.is_empty()
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.link.push(|queue| queue.push(&engineio::Packet::Ping(ByteString::new())))
    }

    fn signed_in(&mut self) {
        self.link.widen();
    }

    /// A goodbye in each namespace. A DISCONNECT tells standard clients that they are not wanted, so it goes to
    /// those that must not come back by themselves; the others lose their connection, which they mend.
    fn close(&mut self, reason: CloseReason) -> bool {
        match reason {
            CloseReason::ClientLeft => return false,
            CloseReason::TooSlow => {
                self.cut();
                return false;
            }
            // Nobody is there that could fetch a last word.
            CloseReason::HeartbeatTimeout if self.is_fetched() && self.joined.is_empty() => return false,
            _ => {}
        }
        let goodbye = ServerMessage::goodbye(reason);
        // Full or not: what does not fit is not read anyway.
        let _ = self.link.push(|queue| {
            for namespace in &self.joined {
                self.typed(queue, &goodbye, *namespace);
                if reason.reconnect() != Reconnect::Backoff {
                    self.disconnect(queue, *namespace);
                }
            }
            if self.joined.is_empty() {
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

    fn cut(&self) {
        self.link.cut();
    }

    fn unread(&self) -> Unread {
        self.link.unread()
    }

    fn congested(&self) -> bool {
        self.link.congested()
    }

    fn hold(&self, hold: bool) {
        self.link.hold(hold);
    }

    fn drained(&self) -> impl Future<Output = ()> + 'static {
        self.link.drained()
    }
}
