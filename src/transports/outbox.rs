//! The bytes that wait for a client to read them, counted; and whether more is to be read from it.
//!
//! Filled by the session, or by others that have something for it, and emptied by the task that carries its connection
//! ([`connection`](super::connection)). That task also polls the session: what the session changes here while it is
//! polled needs no wake-up, since the task writes right afterwards.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use doorward_core::session::Unread;
use nix::sys::socket::{Shutdown, shutdown};

use super::io::Io;
use crate::actors::transport::{Full, Outgoing};
use crate::peer::PeerSocket;

/// Shared by the transport (fills), the connection (empties) and the reader (waits), on one thread.
#[derive(Debug)]
pub struct Outbox {
    state: RefCell<State>,
    /// Bytes that a message of the client may have now.
    message_limit: Cell<usize>,
}

#[derive(Debug)]
struct State {
    bytes: Vec<u8>,
    /// So many of them were written.
    written: usize,
    drained: u64,
    /// Bytes past which a push fails.
    limit: usize,
    /// Nothing more is to be read from the client.
    hold: bool,
    /// Something waits for room.
    is_awaited: bool,
    end: End,
    /// What was written still has to be flushed.
    unflushed: bool,
    socket: Option<PeerSocket>,
    /// The task that carries the connection.
    task: Option<Waker>,
    turn: Turn,
}

/// Whether the task that carries the connection is being polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Idle,
    Polled,
    /// It is, and what was polled before has something to do again.
    PolledAgain,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Open,
    /// The last message was queued: nothing is added to it.
    Said,
    /// Nothing more will be sent: the sending side ends when the bytes have left.
    Finished,
    /// The connection is gone.
    Abandoned,
}

impl State {
    /// Bytes that wait for the client.
    const fn waiting(&self) -> usize {
        self.bytes.len() - self.written
    }

    const fn congested(&self) -> bool {
        is_congested(self.waiting(), self.limit) && !matches!(self.end, End::Abandoned)
    }

    /// An idle connection keeps no buffer.
    fn forget(&mut self) {
        (self.bytes, self.written) = (Vec::new(), 0);
    }

    /// There is something to write: the task does that after all else.
    fn wake_writer(&self) {
        if self.turn == Turn::Idle
            && let Some(task) = &self.task
        {
            task.wake_by_ref();
        }
    }

    /// What waits for room, or for the end, may go on.
    fn wake_waiting(&mut self) {
        if !std::mem::take(&mut self.is_awaited) {
            return;
        }
        match (self.turn, &self.task) {
            (Turn::Idle, Some(task)) => task.wake_by_ref(),
            (Turn::Idle, None) => {}
            (Turn::Polled | Turn::PolledAgain, _) => self.turn = Turn::PolledAgain,
        }
    }

    fn finish(&mut self) {
        self.end = self.end.max(End::Finished);
        self.wake_writer();
    }

    fn cut_off(&mut self) {
        self.forget();
        // The descriptor is the connection's as long as its writer lives, which is dropped on this very thread; after
        // that the number may be another connection's.
        if self.end != End::Abandoned
            && let Some(PeerSocket(descriptor)) = self.socket.take()
        {
            // Fails only if the peer was faster.
            let _ = shutdown(descriptor, Shutdown::Both);
        }
        self.finish();
    }
}

/// A quarter of the bound waits: requests are answered no faster than answers are read, whatever the transport.
pub(super) const fn is_congested(waiting: usize, limit: usize) -> bool {
    waiting > limit / 4
}

impl Outbox {
    /// `limit` bounds the bytes that wait, `message_limit` the bytes of a message of the client, at first.
    #[must_use]
    pub fn new(limit: usize, message_limit: usize, socket: Option<PeerSocket>) -> Rc<Self> {
        let state = State {
            bytes: Vec::new(),
            written: 0,
            drained: 0,
            limit,
            hold: false,
            is_awaited: false,
            end: End::Open,
            unflushed: false,
            socket,
            task: None,
            turn: Turn::Idle,
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
    pub fn push(&self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Full> {
        let mut state = self.state.borrow_mut();
        if state.end != End::Open {
            return Ok(());
        }
        if state.waiting() >= state.limit {
            return Err(Full);
        }
        if state.written > state.bytes.len() / 2 {
            // What has left makes room, at most as often as as much has left.
            let written = std::mem::take(&mut state.written);
            state.bytes.drain(..written);
        }
        write(&mut state.bytes);
        state.wake_writer();
        Ok(())
    }

    /// Lets `write` append the last bytes, if there is room; what is pushed after them is dropped.
    pub fn push_last(&self, write: impl FnOnce(&mut Vec<u8>)) {
        // A full box is cut by its owner: some bytes more make no difference.
        let _ = self.push(write);
        let mut state = self.state.borrow_mut();
        state.end = state.end.max(End::Said);
    }

    /// Whether to read more from the client: ready with true once there is room for what it sends, and with false once
    /// the connection is gone. For what the connection's own task polls.
    pub fn poll_readable(&self) -> Poll<bool> {
        let mut state = self.state.borrow_mut();
        if state.end == End::Abandoned {
            return Poll::Ready(false);
        }
        if state.hold || state.congested() {
            state.is_awaited = true;
            return Poll::Pending;
        }
        Poll::Ready(true)
    }

    /// Ready once the connection is gone. For what the connection's own task polls.
    pub fn poll_abandoned(&self) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.end == End::Abandoned {
            return Poll::Ready(());
        }
        state.is_awaited = true;
        Poll::Pending
    }

    /// Nothing more will be sent: the connection's sending side ends when the bytes have left.
    pub fn finish(&self) {
        self.state.borrow_mut().finish();
    }

    /// Throws away what waits and shuts the socket down.
    pub(super) fn cut_off(&self) {
        self.state.borrow_mut().cut_off();
    }

    /// Nothing more can be sent.
    pub(super) fn abandon(&self) {
        let mut state = self.state.borrow_mut();
        if std::mem::replace(&mut state.end, End::Abandoned) != End::Abandoned {
            state.socket = None;
            state.forget();
            state.wake_waiting();
        }
    }

    /// The connection's task is polled from now on.
    pub(super) fn begin_poll(&self, context: &Context<'_>) {
        let mut state = self.state.borrow_mut();
        if !state.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            state.task = Some(context.waker().clone());
        }
        state.turn = Turn::Polled;
    }

    /// Up to now. Returns whether something that was polled has something to do again.
    pub(super) fn end_poll(&self) -> bool {
        let mut state = self.state.borrow_mut();
        std::mem::replace(&mut state.turn, Turn::Idle) == Turn::PolledAgain
    }

    /// Writes what waits; ready once all was written and nothing more will come.
    pub fn poll_write(&self, io: &Io, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state.borrow_mut();
        while state.waiting() > 0 {
            let written = ready!(io.poll_write(context, &state.bytes[state.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            state.written += written;
            state.drained += written as u64;
            state.unflushed = true;
            if state.waiting() <= state.limit / 8 {
                state.wake_waiting();
            }
        }
        state.forget();
        if state.unflushed {
            ready!(io.poll_flush(context))?;
            state.unflushed = false;
        }
        if state.end >= End::Finished { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl Outgoing for Rc<Outbox> {
    fn unread(&self) -> Unread {
        let state = self.state.borrow();
        Unread { waiting: state.waiting(), drained: state.drained }
    }

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

    fn poll_drained(&self, _: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if !state.congested() {
            return Poll::Ready(());
        }
        state.is_awaited = true;
        Poll::Pending
    }

    /// A connection that is blocked on a client that does not read is woken by nothing else.
    fn cut(&self) {
        self.cut_off();
    }
}

#[cfg(test)]
mod tests;
