//! The TCP transport, plain or under TLS: a line a message.
//!
//! | file | contents |
//! |---|---|
//! | `endpoint` | a connection from its first byte to its last: sign-in, session, and the login that lasts as long |
//! | `prompts` | asks for a username and a password, as older clients expect |
//! | `lines` | what arrives: lines, bounded |

pub mod endpoint;
mod lines;
mod prompts;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix_web::rt;
use bytes::BytesMut;
use bytestring::ByteString;
use doorward_core::protocol::{ClientMessage, CloseReason, Payload, ServerMessage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::lines::CHUNK;
pub use self::lines::Lines;
use super::connection;
use super::delivery::Appended;
use super::io::{Io, Wire};
use super::json;
use super::outbox::Outbox;
use crate::actors::session::{Session, SessionHandle};
use crate::actors::transport::{Full, Received, Transport, Undecodable};
use crate::events::Events;
use crate::peer::PeerSocket;
use crate::rooms::delivery::{Delivery, Dialect};

/// The outcome of a sign-in, in the words that the older system's clients know.
pub const SUCCESS: &str = "Login successful!\n";
pub const FAILURE: &str = "Login failed\n";

/// How long a client may take to read what is left for it when its session has ended.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection and the bytes of it that were read but not used yet.
pub struct Connection<S> {
    pub stream: S,
    pub unused: BytesMut,
    /// What was read before ended at a CR.
    pub after_cr: bool,
    pub socket: PeerSocket,
}

impl<S: Wire> Connection<S> {
    pub fn new(stream: S, socket: PeerSocket) -> Self {
        Self { stream, unused: BytesMut::new(), after_cr: false, socket }
    }

    /// Reads some more; returns how much, 0 at the end.
    pub async fn read_more(&mut self) -> io::Result<usize> {
        self.unused.reserve(CHUNK);
        self.stream.read_buf(&mut self.unused).await
    }

    /// Says something last and closes in a way that it can be read: what the client still sends is thrown
    /// away until it closes too, since a connection with unread bytes in it would be reset.
    pub async fn say_goodbye(mut self, words: &[u8]) {
        let goodbye = async {
            self.stream.write_all(words).await?;
            self.stream.shutdown().await?;
            let mut chunk = vec![0; CHUNK];
            while self.stream.read(&mut chunk).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        // A client that does not read in time misses it.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, goodbye).await;
    }
}

/// Bounds of one connection, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A line after sign-in.
    pub line: usize,
    /// What may wait for the client to read.
    pub outbox: usize,
}

/// One TCP connection as its session holds it.
pub struct Tcp {
    outbox: Rc<Outbox>,
    /// The session has ended: what still arrives is discarded.
    discard: Rc<Cell<bool>>,
    /// Neither success nor failure was said yet.
    at_prompt: bool,
}

/// Starts the session that `make` makes of the connection, and the task that carries both: it ends when nothing more
/// is read or written.
pub fn open<S: Wire + 'static>(
    connection: Connection<S>,
    limits: Limits,
    make: impl FnOnce(Tcp) -> Session<Tcp>,
) -> (SessionHandle, rt::task::JoinHandle<()>) {
    let outbox = Outbox::new(limits.outbox, limits.line, Some(connection.socket));
    let discard = Rc::new(Cell::new(false));
    let io = Io::new(connection.stream);
    // An idle connection keeps no buffer.
    let unused = if connection.unused.is_empty() { BytesMut::new() } else { connection.unused };
    let lines = Lines::new(io.clone(), unused, connection.after_cr, Rc::clone(&discard), Rc::clone(&outbox));
    let tcp = Tcp { outbox: Rc::clone(&outbox), discard, at_prompt: true };
    let (session, driver) = make(tcp).driven_by(lines);
    (session, connection::carry(io, outbox, driver))
}

impl Tcp {
    fn say(&mut self, words: &str) -> Result<(), Full> {
        self.at_prompt = false;
        self.outbox.push(|out| out.extend_from_slice(words.as_bytes()))
    }

    fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
        if self.at_prompt {
            self.say(FAILURE)?;
        }
        self.outbox.push(|out| one_line(out, write))
    }
}

/// Writes JSON as a line. A line break in it, which can only be white space that a client sent, would begin another message.
fn one_line(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    write(out);
    for byte in &mut out[begin..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.push(b'\n');
}

impl Transport for Tcp {
    const NAME: &'static str = "tcp";

    type Outgoing = Rc<Outbox>;
    type Incoming = Result<ByteString, CloseReason>;
    type Message = ByteString;

    fn outgoing(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    fn receive(&mut self, line: Self::Incoming) -> Result<Received<ByteString>, CloseReason> {
        // An empty line is a person who presses Enter, or a client without anything to say.
        line.map(|line| if line.trim().is_empty() { Received::Activity } else { Received::Message(line) })
    }

    fn decode<'a>(&self, message: &'a ByteString, events: &Events) -> Result<ClientMessage<'a>, Undecodable> {
        Ok(json::decode(message, events)?)
    }

    fn payload(message: &ByteString, arguments: &str) -> Payload {
        json::payload(message, arguments)
    }

    fn send(&mut self, message: &ServerMessage, events: &Events) -> Result<(), Full> {
        if json::says(message) { self.line(|out| json::encode(message, events, out)) } else { Ok(()) }
    }

    fn delivery(&self) -> Rc<dyn Delivery> {
        let encode = |message: &ServerMessage, events: &Events, out: &mut Vec<u8>| {
            one_line(out, |out| json::encode(message, events, out));
        };
        Rc::new(Appended { outbox: Rc::clone(&self.outbox), dialect: Dialect::Line, encode })
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.line(|out| json::encode_own(&ServerMessage::Ping, out))
    }

    fn signed_in(&mut self) {
        // The outbox was empty: it fits.
        let _ = self.say(SUCCESS);
    }

    fn close(&mut self, reason: CloseReason) -> bool {
        // Full or not: what does not fit is not read anyway.
        let _ = self.line(|out| json::encode_own(&ServerMessage::goodbye(reason), out));
        self.discard.set(true);
        self.outbox.finish();
        true
    }
}
