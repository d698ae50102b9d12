//! The Socket.IO dialect: packets instead of JSON objects, for the same session. It travels over Engine.IO,
//! that is over HTTP long-polling, over WebSocket, or over the one and then the other.

pub mod engine;
pub mod relay;

use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::sync::Arc;

use actix::{AsyncContext, StreamHandler};
use bytes::Bytes;
use bytestring::ByteString;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::engine::{Closing, Handle, Incoming, Transport};
use super::{Carrier, Full};
use crate::actors::session::Session;
use crate::domain::SessionId;
use crate::events::Events;
use crate::protocol::engineio::{self, Queue};
use crate::protocol::socketio::{Kind, Malformed, Packet, write_fields, write_head, write_json};
use crate::protocol::{
    ClientMessage, CloseReason, NamespaceId, Payload, Reconnect, ReplyTo, Request, RequestId, ServerMessage,
};
use crate::session::Unread;

/// One Socket.IO connection, whatever carries it.
pub struct SocketIo {
    engine: Handle,
    /// Namespaces that the client is in, the first one first.
    joined: Vec<NamespaceId>,
    /// A packet whose attachments have not all come.
    assembling: Option<Box<Message>>,
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

#[derive(Default)]
struct Refusal {
    /// Where it wanted to be.
    namespace: NamespaceId,
    code: Option<Cow<'static, str>>,
}

impl SocketIo {
    #[must_use]
    pub const fn new(engine: Handle, events: Arc<Events>) -> Self {
        let refusal = Refusal { namespace: NamespaceId::MAIN, code: None };
        Self { engine, joined: Vec::new(), assembling: None, refusal, events }
    }

    #[must_use]
    pub const fn engine(&self) -> &Handle {
        &self.engine
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
        if message.text.len() + size + bytes.len() > self.engine.message_limit() {
            return Err(CloseReason::TooBig);
        }
        message.attachments.push(bytes);
        if message.attachments.len() == message.missing {
            return Ok(Some(*message));
        }
        self.assembling = Some(message);
        Ok(None)
    }

    fn name(&self, namespace: NamespaceId) -> &str {
        self.events.get(namespace).name()
    }

    /// An event with these arguments, and the attachments behind it.
    fn event(
        &self,
        queue: &mut Queue,
        namespace: NamespaceId,
        name: &str,
        id: Option<&RequestId>,
        payload: &Payload,
    ) {
        let attachments = payload.attachments();
        queue.text(|out| {
            write_head(out, Kind::Event, attachments.len(), self.name(namespace), None);
            out.push(b'[');
            write_json(out, name);
            write_arguments(out, true, id, payload.arguments());
            out.push(b']');
        });
        for bytes in attachments {
            queue.binary(bytes);
        }
    }

    fn ack(&self, queue: &mut Queue, namespace: NamespaceId, to: &ReplyTo, payload: &Payload) {
        let attachments = payload.attachments();
        queue.text(|out| {
            write_head(out, Kind::Ack, attachments.len(), self.name(namespace), to.ack);
            out.push(b'[');
            write_arguments(out, false, to.id.as_ref(), payload.arguments());
            out.push(b']');
        });
        for bytes in attachments {
            queue.binary(bytes);
        }
    }

    /// A message of the protocol: an event whose name is its `type`, or an acknowledgement with its fields.
    fn typed(&self, queue: &mut Queue, message: &ServerMessage, namespace: NamespaceId) {
        let ack = message.to().and_then(|to| to.ack);
        queue.text(|out| {
            let kind = if ack.is_some() { Kind::Ack } else { Kind::Event };
            write_head(out, kind, 0, self.name(namespace), ack);
            out.push(b'[');
            match message {
                // An error is told apart from an answer by its `type`.
                ServerMessage::Error { .. } if ack.is_some() => write_json(out, message),
                message => write_fields(out, message, ack.is_none()),
            }
            out.push(b']');
        });
    }

    fn disconnect(&self, queue: &mut Queue, namespace: NamespaceId) {
        queue.text(|out| {
            write_head(out, Kind::Disconnect, 0, self.name(namespace), None);
        });
    }

    fn refuse(&self, queue: &mut Queue, reason: CloseReason) {
        let ServerMessage::Goodbye { code, reason, reconnect } = ServerMessage::goodbye(reason) else {
            return;
        };
        let mut data = serde_json::json!({ "code": code, "reason": reason, "reconnect": reconnect });
        if let Some(error) = &self.refusal.code {
            data["error"] = (&**error).into();
        }
        let error = serde_json::json!({ "message": reason, "data": data });
        queue.text(|out| {
            write_head(out, Kind::ConnectError, 0, self.name(self.refusal.namespace), None);
            write_json(out, &error);
        });
    }
}

fn malformed(_: Malformed) -> CloseReason {
    CloseReason::BadMessage
}

/// Arguments that are an object get the request's `id` as a member, as every reply has it, unless they have one.
fn write_arguments(out: &mut Vec<u8>, more: bool, id: Option<&RequestId>, arguments: &str) {
    #[derive(Deserialize)]
    struct Own {
        id: Option<IgnoredAny>,
    }

    let members = arguments.strip_prefix('{').map(str::trim_start);
    let id = id.filter(|_| match members {
        None => arguments.is_empty(),
        // What follows the first argument may be there or not.
        Some(_) => Own::deserialize(&mut serde_json::Deserializer::from_str(arguments))
            .is_ok_and(|own| own.id.is_none()),
    });
    if more && (id.is_some() || !arguments.is_empty()) {
        out.push(b',');
    }
    let Some(id) = id else {
        out.extend_from_slice(arguments.as_bytes());
        return;
    };
    out.extend_from_slice(br#"{"id":"#);
    write_json(out, id);
    match members {
        None | Some("") => out.push(b'}'),
        Some(members) => {
            if !members.starts_with('}') {
                out.push(b',');
            }
            out.extend_from_slice(members.as_bytes());
        }
    }
}

impl Carrier for SocketIo {
    type Context = actix::Context<Session<Self>>;

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
                let pushed = self.engine.push(|queue| queue.text(|out| out.append(&mut refused)));
                pushed.map_err(|Full| CloseReason::TooSlow)?;
                Ok(ClientMessage { to: ReplyTo::default(), request: Request::Nothing })
            }
            (Kind::Connect, Some(namespace), None) => {
                self.refusal.namespace = namespace;
                packet.message(namespace, events.get(namespace).is_open()).map_err(malformed)
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
            // Whoever has just left one may have sent more before it knew.
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
            (ServerMessage::Error { code, .. }, _, None) => {
                self.refusal.code = Some(code.clone());
                return Ok(());
            }
            (_, _, None) => return Ok(()),
        };
        self.engine.push(|queue| match message {
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
        // The client waits for this: nothing was sent to it before.
        let _ = self.engine.push(|queue| {
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
        self.engine.push(|queue| queue.push(&engineio::Packet::Ping(ByteString::new())))
    }

    fn signed_in(&mut self) {
        self.engine.widen();
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
        let _ = self.engine.push(|queue| {
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
        self.engine.close(Closing {
            code: reason.code(),
            sentence: reason.sentence(),
            patient: self.refusal.code.is_some(),
        });
        true
    }

    fn is_fetched(&self) -> bool {
        self.engine.transport() != Transport::WebSocket
    }

    fn cut(&self) {
        self.engine.end(true);
    }

    fn unread(&self) -> Unread {
        self.engine.unread()
    }

    fn congested(&self) -> bool {
        self.engine.congested()
    }

    fn drained(&self) -> impl Future<Output = ()> + 'static {
        let engine = Arc::clone(&self.engine);
        poll_fn(move |context| engine.poll_drained(context))
    }
}

/// Starts the session that `make` makes of a new connection.
pub fn open(engine: Handle, events: Arc<Events>, make: impl FnOnce(SocketIo) -> Session<SocketIo>) {
    use actix::Actor;

    let incoming = engine.incoming();
    Session::create(|context: &mut actix::Context<Session<SocketIo>>| {
        context.add_stream(incoming);
        make(SocketIo::new(engine, events))
    });
}

impl StreamHandler<Incoming> for Session<SocketIo> {
    fn handle(&mut self, incoming: Incoming, context: &mut Self::Context) {
        let message = match incoming {
            Incoming::Heard => return self.heard(),
            Incoming::Left => return self.left(context),
            Incoming::Refused(reason) => Err(reason),
            Incoming::Message(text) => self.carrier_mut().assemble(text),
            Incoming::Binary(bytes) => self.carrier_mut().attach(bytes),
        };
        match message {
            Ok(Some(message)) => self.receive(message, context),
            // A part of one.
            Ok(None) => self.heard(),
            Err(reason) => self.close(reason, context),
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.left(context);
    }
}
