//! The WebSocket transport (RFC 6455) over `actix-web-actors`, which is imported in this file alone.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, StreamHandler, WrapFuture};
use actix_http::ws::{Codec, Frame, OpCode, Parser};
use actix_web::error::Error;
use actix_web::{HttpRequest, HttpResponse, rt, web};
use actix_web_actors::ws;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio_util::codec::Decoder;

pub use actix_web_actors::ws::{Message, ProtocolError, WebsocketContext};

use super::fragments::{Fragments, Whole};
use super::guard::{Fault, Gate, Guard, Watch};
use super::handshake::{self, HandshakeError};
use super::outbox::{Drain, Outbox};
use super::{json_in_outbox, json_text};
use crate::actors::session::Session;
use crate::actors::transport::Full;
use crate::actors::transport::Transport;
use crate::auth::token_shape;
use crate::events::Events;
use crate::peer::PeerSocket;
use doorward_core::protocol::{CloseReason, ServerMessage, json};

/// How long a client may take to read what is left for it when its session has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bounds of one connection, in bytes where not said otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A frame before sign-in.
    pub first_frame: usize,
    /// A frame, or a message put together, after it.
    pub frame: usize,
    /// Fragments of one message.
    pub fragments: usize,
    /// What may wait for the client to read.
    pub outbox: usize,
}

/// One WebSocket: what its actor holds to send, and to make sense of what comes.
pub struct WebSocket {
    outbox: Rc<Outbox>,
    watch: Rc<Watch<web::Payload>>,
    fragments: Fragments,
    limits: Limits,
    discarding: bool,
}

/// What a frame means to an actor.
#[derive(Debug)]
pub enum Incoming {
    /// A ping (answered already), a pong, or a part of a message.
    Heard,
    Message(Whole),
    /// The client closes, and was answered.
    Left,
    /// Nothing more will come from this connection.
    Broken,
    /// It must be closed, with this reason.
    Refused(CloseReason),
}

/// Answers the handshake and starts the actor that `make` makes of the socket, in a task of its own: see
/// [`Outbox`] for why.
///
/// # Errors
/// If the request is no good handshake (RFC 6455 section 4.2.1).
pub fn open<A>(
    request: &HttpRequest,
    payload: web::Payload,
    limits: Limits,
    protocol: Option<&str>,
    make: impl FnOnce(WebSocket) -> A,
) -> Result<HttpResponse, HandshakeError>
where
    A: Actor<Context = WebsocketContext<A>> + StreamHandler<Result<Message, ProtocolError>>,
{
    let mut response = handshake::answer(request, protocol)?;
    let socket = WebSocket::new(request, payload, limits);
    let outbox = Rc::clone(&socket.outbox);
    let guard = socket.guard(Rc::clone(&outbox));
    let codec = Codec::new().max_size(limits.frame);
    // Boxed: a future that is moved into another one would take its room twice.
    let context = Box::pin(WebsocketContext::with_codec(make(socket), guard, codec));
    rt::spawn(run(context, Rc::clone(&outbox)));
    Ok(response.body(Drain(outbox)))
}

/// Answers the handshake, for whoever reads the frames without an actor here. `gate` says when to read on.
///
/// # Errors
/// As [`open`].
pub fn accept<G: Gate + Unpin>(
    request: &HttpRequest,
    payload: web::Payload,
    limits: Limits,
    gate: G,
) -> Result<(HttpResponse, WebSocket, Frames<G>), HandshakeError> {
    let mut response = handshake::answer(request, None)?;
    let socket = WebSocket::new(request, payload, limits);
    let guard = socket.guard(gate);
    let frames = Frames { guard, codec: Codec::new().max_size(limits.frame), buffer: BytesMut::new() };
    Ok((response.body(Drain(Rc::clone(&socket.outbox))), socket, frames))
}

/// The frames of a connection, decoded.
pub struct Frames<G> {
    guard: Guard<web::Payload, G>,
    codec: Codec,
    buffer: BytesMut,
}

impl<G> Frames<G> {
    /// Bytes that a frame may announce from now on.
    pub fn set_limit(&self, limit: usize) {
        self.guard.watch.limit.set(limit);
    }
}

impl<G: Gate + Unpin> Stream for Frames<G> {
    type Item = Result<Message, ProtocolError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match this.codec.decode(&mut this.buffer) {
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Some(frame)) => return Poll::Ready(Some(message(frame))),
                Ok(None) => {}
            }
            match ready!(Pin::new(&mut this.guard).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    let error = std::io::Error::other(error.to_string());
                    return Poll::Ready(Some(Err(ProtocolError::Io(error))));
                }
                // An idle connection keeps no buffer.
                Some(Ok(chunk)) if this.buffer.is_empty() => this.buffer = chunk.into(),
                Some(Ok(chunk)) => this.buffer.extend_from_slice(&chunk),
            }
        }
    }
}

fn message(frame: Frame) -> Result<Message, ProtocolError> {
    Ok(match frame {
        Frame::Text(bytes) => {
            let text = bytes.try_into().map_err(|_| ProtocolError::Io(std::io::Error::other("not UTF-8")))?;
            Message::Text(text)
        }
        Frame::Binary(bytes) => Message::Binary(bytes),
        Frame::Continuation(item) => Message::Continuation(item),
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(reason) => Message::Close(reason),
    })
}

/// Polls an actor's context to its end, or until the connection is gone: dropping the context stops the actor.
async fn run(mut context: Pin<Box<impl Stream<Item = Result<Bytes, Error>>>>, outbox: Rc<Outbox>) {
    let finish = Finish(Rc::clone(&outbox));
    poll_fn(|cx| {
        if outbox.poll_abandoned(cx).is_ready() {
            return Poll::Ready(());
        }
        loop {
            match context.as_mut().poll_next(cx) {
                // Nothing is written through the context; were it, it would go out in its place.
                Poll::Ready(Some(Ok(bytes))) => drop(outbox.push(|out| out.extend_from_slice(&bytes))),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await;
    drop(context);
    drop(finish);
    // Boxed, so that an open socket does not keep room for its end.
    Box::pin(see_off(outbox)).await;
}

/// Nobody watches the connection any more: whoever does not read what is left is cut.
async fn see_off(outbox: Rc<Outbox>) {
    let gone = poll_fn(|cx| outbox.poll_abandoned(cx));
    #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
    if tokio::time::timeout(LAST_WORDS, gone).await.is_err() {
        outbox.cut();
    }
}

/// Sends a close frame, after which nothing more is sent.
pub(super) fn write_close(outbox: &Outbox, code: Option<(u16, &str)>) {
    let reason = code.map(|(code, sentence)| ws::CloseReason {
        code: code.into(),
        description: Some(sentence.to_owned()).filter(|sentence| !sentence.is_empty()),
    });
    outbox.push_last(|out| Parser::write_close(out, reason, false));
}

/// Ends the body when dropped, also when the actor panics: its socket would stay open without an owner.
pub struct Finish(Rc<Outbox>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl WebSocket {
    fn new(request: &HttpRequest, payload: web::Payload, limits: Limits) -> Self {
        let watch = Rc::new(Watch {
            walker: RefCell::default(),
            payload: RefCell::new(payload),
            limit: Cell::new(limits.first_frame),
            frames: Cell::new(0),
            fault: Cell::new(None),
        });
        Self {
            outbox: Outbox::new(limits.outbox, request.conn_data::<PeerSocket>().copied()),
            watch,
            fragments: Fragments::default(),
            limits,
            discarding: false,
        }
    }

    fn guard<G>(&self, gate: G) -> Guard<web::Payload, G> {
        Guard { watch: Rc::clone(&self.watch), gate }
    }

    /// Where what is sent waits for the client.
    pub(super) const fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    /// For whoever owns the socket: ends it when dropped.
    pub(super) fn finish(&self) -> Finish {
        Finish(Rc::clone(&self.outbox))
    }

    /// Nothing more will be said; what is left may be read for a moment.
    pub(super) async fn see_off(&self) {
        self.outbox.finish();
        see_off(Rc::clone(&self.outbox)).await;
    }

    /// Bytes that a message may have now.
    pub(super) fn message_limit(&self) -> usize {
        self.watch.limit.get()
    }

    /// The client has signed in: larger messages are welcome from now on.
    pub(super) fn widen(&self) {
        self.watch.limit.set(self.limits.frame);
    }

    /// Queues a whole text or binary message.
    ///
    /// # Errors
    /// [`Full`].
    pub fn write(&self, message: &Whole) -> Result<(), Full> {
        match message {
            Whole::Text(text) => self.frame(text.as_bytes(), OpCode::Text),
            Whole::Binary(bytes) => self.frame(bytes, OpCode::Binary),
        }
    }

    /// Sends a close frame, once.
    pub fn write_close(&self, code: Option<(u16, &str)>) {
        write_close(&self.outbox, code);
    }

    fn frame(&self, payload: &[u8], opcode: OpCode) -> Result<(), Full> {
        self.outbox.push(|out| Parser::write_message(out, payload, opcode, true, false))
    }

    /// Reads on and throws away, until the client has closed or gone. A socket that is closed with unread bytes in it
    /// is reset, and the client may never see why it was closed. Answers nothing the second time.
    pub fn discard(&mut self) -> Option<impl Future<Output = ()> + 'static> {
        if std::mem::replace(&mut self.discarding, true) {
            return None;
        }
        let watch = Rc::clone(&self.watch);
        Some(poll_fn(move |context| watch.poll_closed(context)))
    }

    /// Makes sense of the next item of the stream.
    pub fn incoming(&mut self, item: Result<Message, ProtocolError>) -> Incoming {
        self.watch.frames.set(self.watch.frames.get().saturating_sub(1));
        match item {
            Ok(Message::Text(_) | Message::Binary(_)) if self.fragments.open() => {
                Incoming::Refused(CloseReason::ProtocolError)
            }
            Ok(Message::Text(text)) => Incoming::Message(Whole::Text(text)),
            Ok(Message::Binary(bytes)) => Incoming::Message(Whole::Binary(bytes)),
            Ok(Message::Continuation(item)) => {
                let max = self.watch.limit.get();
                match self.fragments.push(item, max, self.limits.fragments) {
                    Ok(None) => Incoming::Heard,
                    Ok(Some(whole)) => Incoming::Message(whole),
                    Err(reason) => Incoming::Refused(reason),
                }
            }
            Ok(Message::Ping(payload)) => match self.frame(&payload, OpCode::Pong) {
                Ok(()) => Incoming::Heard,
                Err(Full) => Incoming::Refused(CloseReason::TooSlow),
            },
            Ok(Message::Pong(_) | Message::Nop) => Incoming::Heard,
            Ok(Message::Close(reason)) => {
                // The code is echoed (RFC 6455 section 5.5.1).
                self.write_close(reason.as_ref().map(|reason| (reason.code.into(), "")));
                Incoming::Left
            }
            Err(ProtocolError::Overflow) => Incoming::Refused(CloseReason::TooBig),
            // Three things arrive as `Io`: reserved bits that are set (`InvalidData`), what the guard ended,
            // and text that is not UTF-8.
            Err(ProtocolError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                Incoming::Refused(CloseReason::ProtocolError)
            }
            Err(ProtocolError::Io(_)) => match self.watch.fault.get() {
                Some(Fault::TooBig) => Incoming::Refused(CloseReason::TooBig),
                Some(Fault::Broken) => Incoming::Broken,
                None => Incoming::Refused(CloseReason::InvalidUtf8),
            },
            Err(_) => Incoming::Refused(CloseReason::ProtocolError),
        }
    }
}

impl Transport for WebSocket {
    type Context = WebsocketContext<Session<Self>>;

    const NAME: &'static str = "websocket";

    json_in_outbox!(outbox);

    fn send(&mut self, message: &ServerMessage, events: &Events) -> Result<(), Full> {
        json_text(message, events).map_or(Ok(()), |text| self.frame(&text, OpCode::Text))
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.frame(b"", OpCode::Ping)
    }

    fn signed_in(&mut self) {
        self.widen();
    }

    fn close(&mut self, reason: CloseReason) -> bool {
        match reason {
            CloseReason::ClientLeft => false,
            CloseReason::TooSlow => {
                self.cut();
                false
            }
            _ => {
                // Full or not: what does not fit is not read anyway.
                let mut text = Vec::with_capacity(128);
                json::encode(&ServerMessage::goodbye(reason), |_| "", &mut text);
                let _ = self.frame(&text, OpCode::Text);
                self.write_close(Some((reason.code(), reason.sentence())));
                true
            }
        }
    }
}

impl<C: Transport<Context = WebsocketContext<Self>>> Session<C> {
    /// After a broken frame the next one cannot be found: the codec would repeat its error for ever.
    pub(super) fn refuse_frames(
        &mut self,
        reason: CloseReason,
        discard: Option<impl Future<Output = ()> + 'static>,
        context: &mut C::Context,
    ) {
        let frames = context.handle();
        context.cancel_future(frames);
        self.close(reason, context);
        // None if it was repeated: it may be a few times before the cancellation takes effect.
        if let Some(discard) = discard {
            context.spawn(discard.into_actor(self).map(|(), this, context| this.left(context)));
        }
    }
}

/// A token alone is no JSON object; a client that sends one is told what to send.
fn is_bare_token(text: &str) -> bool {
    let word = text.trim().trim_matches('"');
    let token = word.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    token_shape::is_jwt(token.map_or(word, |(_, token)| token))
}

impl StreamHandler<Result<Message, ProtocolError>> for Session<WebSocket> {
    fn handle(&mut self, item: Result<Message, ProtocolError>, context: &mut Self::Context) {
        match self.transport_mut().incoming(item) {
            Incoming::Heard => self.record_activity(),
            Incoming::Message(Whole::Text(text)) if self.is_unauthenticated() && is_bare_token(&text) => {
                self.close(CloseReason::NoSignIn, context);
            }
            Incoming::Message(Whole::Text(text)) => self.receive(text, context),
            // A dialect of text: bytes are no JSON object.
            Incoming::Message(Whole::Binary(_)) => self.close(CloseReason::BadMessage, context),
            Incoming::Left | Incoming::Broken => self.left(context),
            Incoming::Refused(reason) => {
                let discard = self.transport_mut().discard();
                self.refuse_frames(reason, discard, context);
            }
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.left(context);
    }
}
