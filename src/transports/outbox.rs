//! The bytes that wait for a client to read them, counted; and whether more is to be read from it.
//!
//! One task fills the box, another one empties it: the body of an HTTP response, or a task that writes to a TCP
//! connection. A response body is polled only while the connection's own write buffer has room. Were the session's
//! actor polled there, as `actix-web-actors` does by itself, a client that stops reading would freeze it: no timers,
//! no mailbox.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::rt;
use bytes::{Bytes, BytesMut};
use doorward_core::session::Unread;
use nix::sys::socket::{Shutdown, shutdown};

use crate::actors::transport::{Full, Outgoing};
use crate::peer::PeerSocket;

/// What the body hands over at once. The connection buffers this much beyond the outbox's bound.
const CHUNK: usize = 32 * 1024;

/// How long a client may take to read what is left for it when its session has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Shared by the transport (fills), the connection (empties) and the reader (waits).
#[derive(Debug)]
pub struct Outbox {
    state: RefCell<State>,
    /// Bytes that a message of the client may have now.
    message_limit: Cell<usize>,
}

#[derive(Debug)]
struct State {
    bytes: BytesMut,
    drained: u64,
    /// Bytes past which a push fails.
    limit: usize,
    /// Nothing more is to be read from the client.
    hold: bool,
    /// The reader waits for room.
    reader_waits: bool,
    end: End,
    /// The connection is gone.
    abandoned: bool,
    socket: Option<PeerSocket>,
    /// Empties the box.
    writer: Option<Waker>,
    /// Reads from the client.
    reader: Option<Waker>,
    /// Others that wait for room.
    waiting: Vec<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Open,
    /// The last message was queued: nothing is added to it.
    Said,
    /// Nothing more will be sent: the sending side ends when the bytes have left.
    Finished,
    /// The same, and the [`Owner`] is gone.
    Disowned,
}

/// Puts `context`'s waker there, unless it is there already.
fn remember(waker: &mut Option<Waker>, context: &Context<'_>) {
    if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        *waker = Some(context.waker().clone());
    }
}

impl State {
    fn congested(&self) -> bool {
        self.bytes.len() > self.limit / 4 && !self.abandoned
    }

    fn wake_waiting(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
        if std::mem::take(&mut self.reader_waits)
            && let Some(reader) = &self.reader
        {
            reader.wake_by_ref();
        }
    }

    fn finish(&mut self) {
        self.end = self.end.max(End::Finished);
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Outbox {
    /// `limit` bounds the bytes that wait, `message_limit` the bytes of a message of the client, at first.
    #[must_use]
    pub fn new(limit: usize, message_limit: usize, socket: Option<PeerSocket>) -> Rc<Self> {
        let state = State {
            bytes: BytesMut::new(),
            drained: 0,
            limit,
            hold: false,
            reader_waits: false,
            end: End::Open,
            abandoned: false,
            socket,
            writer: None,
            reader: None,
            waiting: Vec::new(),
        };
        Rc::new(Self { state: RefCell::new(state), message_limit: Cell::new(message_limit) })
    }

    /// Bytes that a message of the client may have now.
    #[must_use]
    pub fn message_limit(&self) -> usize {
        self.message_limit.get()
    }

    pub fn set_message_limit(&self, limit: usize) {
        self.message_limit.set(limit);
    }

    /// Lets `write` append bytes. Many small messages become one write to the socket.
    ///
    /// # Errors
    /// [`Full`] when the bound was reached before; what is written then is dropped.
    pub fn push(&self, write: impl FnOnce(&mut BytesMut)) -> Result<(), Full> {
        let mut state = self.state.borrow_mut();
        if state.end != End::Open || state.abandoned {
            return Ok(());
        }
        if state.bytes.len() >= state.limit {
            return Err(Full);
        }
        write(&mut state.bytes);
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        Ok(())
    }

    /// Lets `write` append the last bytes, if there is room; what is pushed after them is dropped.
    pub fn push_last(&self, write: impl FnOnce(&mut BytesMut)) {
        // A full box is cut by its owner: some bytes more make no difference.
        let _ = self.push(write);
        let mut state = self.state.borrow_mut();
        state.end = state.end.max(End::Said);
    }

    /// Whether to read more from the client: ready with true once there is room for what it sends, and with false once
    /// the connection is gone.
    pub fn poll_readable(&self, context: &Context<'_>) -> Poll<bool> {
        let mut state = self.state.borrow_mut();
        if state.abandoned {
            return Poll::Ready(false);
        }
        remember(&mut state.reader, context);
        if state.hold || state.congested() {
            state.reader_waits = true;
            return Poll::Pending;
        }
        Poll::Ready(true)
    }

    /// Ready once the connection is gone. For the reader.
    pub fn poll_abandoned(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.abandoned {
            return Poll::Ready(());
        }
        remember(&mut state.reader, context);
        Poll::Pending
    }

    /// Nothing more will be sent: the connection's sending side ends when the bytes have left.
    pub fn finish(&self) {
        self.state.borrow_mut().finish();
    }

    /// Ready once the owner is gone. For a writer that has nothing more to do.
    pub(super) fn poll_disowned(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.end == End::Disowned {
            return Poll::Ready(());
        }
        remember(&mut state.writer, context);
        Poll::Pending
    }

    fn abandon(&self) {
        let mut state = self.state.borrow_mut();
        state.abandoned = true;
        state.socket = None;
        state.bytes = BytesMut::new();
        state.waiting.drain(..).for_each(Waker::wake);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// The next bytes to write, none at the end.
    pub(super) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state.borrow_mut();
        if state.bytes.is_empty() {
            if state.end >= End::Finished {
                return Poll::Ready(None);
            }
            remember(&mut state.writer, context);
            return Poll::Pending;
        }
        let chunk = if state.bytes.len() > CHUNK {
            state.bytes.split_to(CHUNK).freeze()
        } else {
            // An idle connection keeps no buffer.
            std::mem::take(&mut state.bytes).freeze()
        };
        state.drained += chunk.len() as u64;
        if state.bytes.len() <= state.limit / 8 {
            state.wake_waiting();
        }
        Poll::Ready(Some(chunk))
    }
}

impl Outgoing for Rc<Outbox> {
    fn unread(&self) -> Unread {
        let state = self.state.borrow();
        Unread { waiting: state.bytes.len(), drained: state.drained }
    }

    /// A quarter of the bound waits: requests are answered no faster than answers are read.
    fn congested(&self) -> bool {
        self.state.borrow().congested()
    }

    fn hold(&self, hold: bool) {
        let mut state = self.state.borrow_mut();
        state.hold = hold;
        if !hold {
            state.wake_waiting();
        }
    }

    fn poll_drained(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if !state.congested() {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    /// Throws away what waits and shuts the socket down: a connection that is blocked on a client that does not read is
    /// woken by nothing else.
    fn cut(&self) {
        let mut state = self.state.borrow_mut();
        state.bytes = BytesMut::new();
        // The descriptor is the connection's as long as its writer lives, which is dropped on this very thread; after
        // that the number may be another connection's.
        if !state.abandoned
            && let Some(PeerSocket(descriptor)) = state.socket.take()
        {
            // Fails only if the peer was faster.
            let _ = shutdown(descriptor, Shutdown::Both);
        }
        state.finish();
    }
}

/// The side that fills an outbox. When it is dropped, however its actor ends (a panic too), the connection ends once
/// what is left has been read; a client that does not read it is cut after [`LAST_WORDS`].
#[derive(Debug)]
pub struct Owner(Rc<Outbox>);

impl Owner {
    #[must_use]
    pub const fn new(outbox: Rc<Outbox>) -> Self {
        Self(outbox)
    }

    #[must_use]
    pub const fn outbox(&self) -> &Rc<Outbox> {
        &self.0
    }
}

impl std::ops::Deref for Owner {
    type Target = Outbox;

    fn deref(&self) -> &Outbox {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.state.borrow_mut();
        state.end = End::Disowned;
        state.finish();
        if !state.abandoned {
            let outbox = Rc::clone(&self.0);
            rt::spawn(async move {
                let gone = poll_fn(|context| outbox.poll_abandoned(context));
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a peer's real patience; no rule depends on it"
                )]
                if tokio::time::timeout(LAST_WORDS, gone).await.is_err() {
                    outbox.cut();
                }
            });
        }
    }
}

/// The side that empties an outbox: the body of a response, or a TCP connection's writer. When it is dropped, the
/// connection is gone.
#[derive(Debug)]
pub struct Drain(pub Rc<Outbox>);

impl MessageBody for Drain {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        self.0.poll_take(context).map(|chunk| chunk.map(Ok))
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

#[cfg(test)]
mod tests;
