//! The WebSocket transport (RFC 6455).
//!
//! | file | contents |
//! |---|---|
//! | `handshake` | the request and the answer that open a socket |
//! | `reader` | what arrives: frames, bounded, as messages |
//! | `walker` | bounds a frame at its header |
//! | `frame` | frames as they are sent |
//! | `fragments` | puts fragmented messages together |
//! | `packets` | Engine.IO packets as messages, for Socket.IO |
//! | `session` | a session of JSON messages over a socket |

mod fragments;
mod frame;
pub mod handshake;
mod packets;
mod reader;
mod session;
mod walker;

use std::future::Future;
use std::rc::Rc;

use actix::{Actor, AsyncContext, Context, StreamHandler};
use actix_http::ws::OpCode;
use actix_web::HttpResponse;

use self::handshake::Handshake;
use super::connection::{self, Opened, Upgrade};
use super::outbox::Outbox;
use crate::actors::transport::Full;

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

/// The sending side of a socket.
#[derive(Debug)]
pub struct Socket {
    outbox: Rc<Outbox>,
    /// Bytes of a message after sign-in.
    largest: usize,
}

/// Answers the handshake, and lets what `start` makes of the socket and its reader carry the connection. `gate` makes
/// the reader's gate from the outbox.
pub fn accept<G, D>(
    handshake: Handshake,
    limits: Limits,
    gate: impl FnOnce(&Rc<Outbox>) -> G + 'static,
    start: impl FnOnce(Socket, Reader<G>) -> D + 'static,
) -> HttpResponse
where
    G: Gate + Unpin,
    D: Future<Output = ()> + Unpin + 'static,
{
    let mut response = handshake.answer().finish();
    Upgrade::after(&mut response, move |Opened { io, socket, head, unread }| {
        let outbox = Outbox::new(limits.outbox, limits.first_frame, Some(socket));
        // It was empty: it fits.
        let _ = outbox.push(|out| *out = head);
        let reader = Reader::new(io.clone(), unread, gate(&outbox), Rc::clone(&outbox), limits);
        let socket = Socket::new(Rc::clone(&outbox), limits.frame);
        connection::carry(io, outbox, start(socket, reader));
    });
    response
}

/// Answers the handshake and starts the actor that `make` makes of the socket: it is handed what arrives.
pub fn open<A>(handshake: Handshake, limits: Limits, make: impl FnOnce(Socket) -> A + 'static) -> HttpResponse
where
    A: Actor<Context = Context<A>> + StreamHandler<Incoming>,
{
    accept(handshake, limits, Rc::clone, |socket, reader| {
        let mut context = Context::new();
        context.add_stream(reader);
        context.into_future(make(socket))
    })
}

/// Queues a frame whose payload `write` appends.
fn write_frame(outbox: &Outbox, opcode: OpCode, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
    outbox.push(|out| frame::write(out, opcode, write))
}

/// Queues a close frame, after which nothing more is sent.
pub(super) fn write_close(outbox: &Outbox, code: Option<(u16, &str)>) {
    outbox.push_last(|out| {
        frame::write(out, OpCode::Close, |out| {
            if let Some((code, sentence)) = code {
                out.extend_from_slice(&code.to_be_bytes());
                out.extend_from_slice(sentence.as_bytes());
            }
        });
    });
}

impl Socket {
    /// `largest` bounds the bytes of a message after sign-in.
    #[must_use]
    pub const fn new(outbox: Rc<Outbox>, largest: usize) -> Self {
        Self { outbox, largest }
    }

    /// Where what is sent waits for the client.
    #[must_use]
    pub const fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    /// The client has signed in: larger messages are allowed from now on.
    pub fn widen(&self) {
        self.outbox.set_message_limit(self.largest);
    }

    /// Queues a whole text or binary message.
    ///
    /// # Errors
    /// [`Full`]: the client does not read and the bound is reached.
    pub fn write(&self, message: &Whole) -> Result<(), Full> {
        match message {
            Whole::Text(text) => self.frame(OpCode::Text, |out| out.extend_from_slice(text.as_bytes())),
            Whole::Binary(bytes) => self.frame(OpCode::Binary, |out| out.extend_from_slice(bytes)),
        }
    }

    fn frame(&self, opcode: OpCode, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
        write_frame(&self.outbox, opcode, write)
    }

    /// Sends a close frame, once, with a code and a sentence if there are any.
    pub fn close(&self, code: Option<(u16, &str)>) {
        write_close(&self.outbox, code);
    }
}
