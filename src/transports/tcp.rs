//! The TCP transport, plain or under TLS: a line a message. Before it comes what older clients expect of a sign-in,
//! in their words.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Handler, Message, StreamHandler};
use bytes::BytesMut;
use bytestring::ByteString;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, WriteHalf};
use tokio::sync::oneshot;

use super::lines::{CHUNK, Lines};
use super::outbox::{Drain, Outbox};
use super::{json_in_outbox, json_text};
use crate::actors::session::Session;
use crate::actors::transport::Full;
use crate::actors::transport::Transport;
use crate::events::Events;
use crate::peer::PeerSocket;
use doorward_core::domain::Access;
use doorward_core::protocol::{CloseReason, ServerMessage, json};

/// The outcome of a sign-in, in the words that the older system's clients know.
pub const SUCCESS: &str = "Login successful!\n";
pub const FAILURE: &str = "Login failed\n";

/// How long a client may take to read what is left for it when its session has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A connection and the bytes of it that were read but not used yet.
pub struct Connection<S> {
    pub stream: S,
    pub unused: BytesMut,
    /// What was read before ended at a CR.
    pub after_cr: bool,
    pub socket: PeerSocket,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(stream: S, socket: PeerSocket) -> Self {
        Self { stream, unused: BytesMut::new(), after_cr: false, socket }
    }

    /// Reads some more; answers how much, 0 at the end.
    ///
    /// # Errors
    /// The connection's.
    pub async fn read_more(&mut self) -> io::Result<usize> {
        self.unused.reserve(CHUNK);
        self.stream.read_buf(&mut self.unused).await
    }

    /// Says something last and closes in a way that it can be read: what the client still sends is thrown
    /// away until it closes too, since a connection with unread bytes in it would be reset.
    pub async fn farewell(mut self, words: &[u8]) {
        let goodbye = async {
            self.stream.write_all(words).await?;
            self.stream.shutdown().await?;
            let mut chunk = vec![0; CHUNK];
            while self.stream.read(&mut chunk).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        // Whoever does not listen misses it.
        let _ = tokio::time::timeout(LAST_WORDS, goodbye).await;
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

/// One TCP connection as its actor holds it.
pub struct Tcp {
    outbox: Rc<Outbox>,
    /// The session has ended: what still comes is thrown away.
    discard: Rc<Cell<bool>>,
    /// Neither success nor failure was said yet.
    at_prompt: bool,
    /// Tells the connection that its actor has gone, however that came.
    _alive: oneshot::Sender<()>,
}

/// Starts the session that `make` makes of the connection. The future is the connection: it ends when nothing
/// more comes or goes.
pub fn open<S>(
    connection: Connection<S>,
    limits: Limits,
    make: impl FnOnce(Tcp) -> Session<Tcp>,
) -> (Addr<Session<Tcp>>, impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let outbox = Outbox::new(limits.outbox, Some(connection.socket));
    let discard = Rc::new(Cell::new(false));
    let (read, write) = tokio::io::split(connection.stream);
    let lines = Lines {
        read,
        // An idle connection keeps no buffer.
        buffer: if connection.unused.is_empty() { BytesMut::new() } else { connection.unused },
        searched: 0,
        limit: limits.line,
        after_cr: connection.after_cr,
        discard: Rc::clone(&discard),
        outbox: Rc::clone(&outbox),
        ended: false,
    };
    let (alive, gone) = oneshot::channel();
    let tcp = Tcp { outbox: Rc::clone(&outbox), discard, at_prompt: true, _alive: alive };
    let session = Session::create(|context| {
        context.add_stream(lines);
        make(tcp)
    });
    (session, carry(write, outbox, gone))
}

async fn carry<S: AsyncWrite>(write: WriteHalf<S>, outbox: Rc<Outbox>, gone: oneshot::Receiver<()>) {
    let mut writing = std::pin::pin!(write_out(write, Rc::clone(&outbox)));
    let mut gone = gone;
    tokio::select! {
        () = &mut writing => {
            // It ends by itself: nothing more can be sent, and nothing more will be read for long.
            let _ = gone.await;
        }
        _ = &mut gone => {
            outbox.finish();
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            if tokio::time::timeout(LAST_WORDS, &mut writing).await.is_err() {
                outbox.cut();
                writing.await;
            }
        }
    }
}

/// Empties the outbox into the connection until it is finished.
async fn write_out<S: AsyncWrite>(mut write: WriteHalf<S>, outbox: Rc<Outbox>) {
    // Dropped with the connection's writing half: until then the descriptor is this connection's.
    let drain = Drain(outbox);
    while let Some(bytes) = poll_fn(|context| drain.0.poll_take(context)).await {
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

impl Tcp {
    fn say(&mut self, words: &str) -> Result<(), Full> {
        self.at_prompt = false;
        self.outbox.push(|out| out.extend_from_slice(words.as_bytes()))
    }

    fn line(&mut self, mut text: Vec<u8>) -> Result<(), Full> {
        if self.at_prompt {
            self.say(FAILURE)?;
        }
        text.push(b'\n');
        self.outbox.push(|out| out.extend_from_slice(&text))
    }
}

impl Transport for Tcp {
    type Context = actix::Context<Session<Self>>;

    const NAME: &'static str = "tcp";

    json_in_outbox!(outbox);

    fn send(&mut self, message: &ServerMessage, events: &Events) -> Result<(), Full> {
        json_text(message, events).map_or(Ok(()), |text| self.line(text))
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.line(of_ours(&ServerMessage::Ping))
    }

    fn signed_in(&mut self) {
        // The outbox was empty: it fits.
        let _ = self.say(SUCCESS);
    }

    fn close(&mut self, reason: CloseReason) -> bool {
        match reason {
            CloseReason::ClientLeft => return false,
            CloseReason::TooSlow => {
                self.cut();
                return false;
            }
            _ => {}
        }
        // Full or not: what does not fit is not read anyway.
        let _ = self.line(of_ours(&ServerMessage::goodbye(reason)));
        self.discard.set(true);
        self.outbox.finish();
        true
    }
}

/// A message that belongs to no namespace.
fn of_ours(message: &ServerMessage) -> Vec<u8> {
    let mut text = Vec::with_capacity(128);
    json::encode(message, |_| "", &mut text);
    text
}

impl StreamHandler<Result<ByteString, CloseReason>> for Session<Tcp> {
    fn handle(&mut self, line: Result<ByteString, CloseReason>, context: &mut Self::Context) {
        match line {
            // Whoever presses Enter, or has nothing to say but is there.
            Ok(line) if line.trim().is_empty() => self.record_activity(),
            Ok(line) => self.receive(line, context),
            Err(reason) => self.close(reason, context),
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.left(context);
    }
}

/// Renews a session whose sign-in is its connection.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Renew(pub Access);

impl Handler<Renew> for Session<Tcp> {
    type Result = ();

    fn handle(&mut self, Renew(access): Renew, context: &mut Self::Context) {
        self.renew(access, context);
    }
}
