//! The WebSocket transport (RFC 6455).
//!
//! | file | contents |
//! |---|---|
//! | `handshake` | the request and the answer that open a socket |
//! | `reader` | what arrives: frames, bounded, as messages |
//! | `walker` | bounds a frame at its header |
//! | `fragments` | puts fragmented messages together |
//! | `packets` | Engine.IO packets as messages, for Socket.IO |
//! | `session` | a session of JSON messages over a socket |

mod fragments;
pub mod handshake;
mod packets;
mod reader;
mod session;
mod walker;

use std::rc::Rc;

use actix::{Actor, AsyncContext, Context, StreamHandler};
use actix_http::ws::{self, OpCode, Parser};
use actix_web::{HttpRequest, HttpResponse, web};

use self::handshake::Handshake;
use super::outbox::{Drain, Outbox, Owner};
use crate::actors::transport::Full;
use crate::peer::PeerSocket;

pub use self::fragments::Whole;
pub(super) use self::packets::write_packets;
pub use self::reader::{Gate, Incoming, Reader};
pub use self::session::WebSocket;

/// Bytes of a frame before sign-in: room for a token.
pub const FIRST_FRAME: usize = 8 * 1024;

/// Fragments of one message.
pub const FRAGMENTS: usize = 1024;

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

/// The sending side of a socket. Dropping it ends the connection once what is left was read.
#[derive(Debug)]
pub struct Socket {
    owner: Owner,
    /// Bytes of a message after sign-in.
    largest: usize,
}

/// Answers the handshake. The caller drives the reader and owns the socket; `gate` makes the reader's gate from the
/// outbox.
pub fn accept<G: Gate + Unpin>(
    request: &HttpRequest,
    handshake: Handshake,
    payload: web::Payload,
    limits: Limits,
    gate: impl FnOnce(&Rc<Outbox>) -> G,
) -> (HttpResponse, Socket, Reader<web::Payload, G>) {
    let peer = request.conn_data::<PeerSocket>().copied();
    let outbox = Outbox::new(limits.outbox, limits.first_frame, peer);
    let reader = Reader::new(payload, gate(&outbox), Rc::clone(&outbox), limits);
    let response = handshake.answer().body(Drain(Rc::clone(&outbox)));
    (response, Socket { owner: Owner::new(outbox), largest: limits.frame }, reader)
}

/// Answers the handshake and starts the actor that `make` makes of the socket: it is handed what arrives.
pub fn open<A>(
    request: &HttpRequest,
    handshake: Handshake,
    payload: web::Payload,
    limits: Limits,
    make: impl FnOnce(Socket) -> A,
) -> HttpResponse
where
    A: Actor<Context = Context<A>> + StreamHandler<Incoming>,
{
    let (response, socket, reader) = accept(request, handshake, payload, limits, Rc::clone);
    A::create(|context| {
        context.add_stream(reader);
        make(socket)
    });
    response
}

/// Queues a frame.
fn write_frame(outbox: &Outbox, payload: &[u8], opcode: OpCode) -> Result<(), Full> {
    outbox.push(|out| Parser::write_message(out, payload, opcode, true, false))
}

/// Queues a close frame, after which nothing more is sent.
pub(super) fn write_close(outbox: &Outbox, code: Option<(u16, &str)>) {
    let reason = code.map(|(code, sentence)| ws::CloseReason {
        code: code.into(),
        description: Some(sentence.to_owned()).filter(|sentence| !sentence.is_empty()),
    });
    outbox.push_last(|out| Parser::write_close(out, reason, false));
}

impl Socket {
    /// Where what is sent waits for the client.
    #[must_use]
    pub const fn outbox(&self) -> &Rc<Outbox> {
        self.owner.outbox()
    }

    /// The client has signed in: larger messages are allowed from now on.
    pub fn widen(&self) {
        self.owner.set_message_limit(self.largest);
    }

    /// Queues a whole text or binary message.
    ///
    /// # Errors
    /// [`Full`]: the client does not read and the bound is reached.
    pub fn write(&self, message: &Whole) -> Result<(), Full> {
        match message {
            Whole::Text(text) => self.frame(text.as_bytes(), OpCode::Text),
            Whole::Binary(bytes) => self.frame(bytes, OpCode::Binary),
        }
    }

    fn frame(&self, payload: &[u8], opcode: OpCode) -> Result<(), Full> {
        write_frame(&self.owner, payload, opcode)
    }

    /// Sends a close frame, once, with a code and a sentence if there are any.
    pub fn close(&self, code: Option<(u16, &str)>) {
        write_close(&self.owner, code);
    }
}
