//! The bytes that wait for a client to read them, counted.
//!
//! A response body is polled only while the connection's own write buffer has room. Were the actor polled
//! there, as `actix-web-actors` does by itself, a client that stops reading would freeze it: no timers, no
//! mailbox. So the actor runs in a task of its own and fills this box; the body only empties it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_web::body::{BodySize, MessageBody};
use bytes::{Bytes, BytesMut};
use nix::sys::socket::{Shutdown, shutdown};

use crate::actors::transport::Full;
use crate::peer::PeerSocket;
use doorward_core::session::Unread;

/// What the body hands over at once. The connection buffers this much beyond the outbox's bound.
const CHUNK: usize = 32 * 1024;

/// Shared by the transport (fills), the response body (empties) and the input guard (waits).
#[derive(Debug)]
pub struct Outbox(RefCell<State>);

#[derive(Debug)]
struct State {
    bytes: BytesMut,
    drained: u64,
    /// Bytes past which a push fails.
    limit: usize,
    /// What was read from the client waits for it to read.
    hold: bool,
    end: End,
    /// The body was dropped: the connection is gone.
    abandoned: bool,
    socket: Option<PeerSocket>,
    body: Option<Waker>,
    owner: Option<Waker>,
    waiting: Vec<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Open,
    /// What was said was the last: nothing is added to it.
    Said,
    /// No more will come: the body ends when the bytes have left.
    Finished,
}

impl Outbox {
    #[must_use]
    pub fn new(limit: usize, socket: Option<PeerSocket>) -> Rc<Self> {
        Rc::new(Self(RefCell::new(State {
            bytes: BytesMut::new(),
            drained: 0,
            limit,
            hold: false,
            end: End::Open,
            abandoned: false,
            socket,
            body: None,
            owner: None,
            waiting: Vec::new(),
        })))
    }

    /// Lets `write` append bytes. Many small messages become one write to the socket.
    ///
    /// # Errors
    /// [`Full`] when the bound was reached before; what is written then is dropped.
    pub fn push(&self, write: impl FnOnce(&mut BytesMut)) -> Result<(), Full> {
        let mut state = self.0.borrow_mut();
        if state.end != End::Open || state.abandoned {
            return Ok(());
        }
        if state.bytes.len() >= state.limit {
            return Err(Full);
        }
        write(&mut state.bytes);
        if let Some(body) = state.body.take() {
            body.wake();
        }
        Ok(())
    }

    /// Lets `write` append the last bytes, if there is room; what is pushed after them is passed over.
    pub fn push_last(&self, write: impl FnOnce(&mut BytesMut)) {
        // A full box is cut by its owner: some bytes more make no difference.
        let _ = self.push(write);
        let mut state = self.0.borrow_mut();
        state.end = state.end.max(End::Said);
    }

    /// A quarter of the bound waits: requests are answered no faster than answers are read.
    #[must_use]
    pub fn congested(&self) -> bool {
        let state = self.0.borrow();
        state.bytes.len() > state.limit / 4 && !state.abandoned
    }

    /// While it holds, nothing more is to be read from the client, congested or not.
    pub fn hold(&self, hold: bool) {
        let mut state = self.0.borrow_mut();
        state.hold = hold;
        if !hold {
            state.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Ready once there is room for what the client sends.
    pub fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        if self.0.borrow().hold {
            self.remember(context);
            return Poll::Pending;
        }
        self.poll_drained(context)
    }

    fn remember(&self, context: &Context<'_>) {
        let mut state = self.0.borrow_mut();
        if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
    }

    /// Ready once no longer congested.
    pub fn poll_drained(&self, context: &Context<'_>) -> Poll<()> {
        if !self.congested() {
            return Poll::Ready(());
        }
        self.remember(context);
        Poll::Pending
    }

    #[must_use]
    pub fn unread(&self) -> Unread {
        let state = self.0.borrow();
        Unread { waiting: state.bytes.len(), drained: state.drained }
    }

    /// Ends the body once everything has left.
    pub fn finish(&self) {
        let mut state = self.0.borrow_mut();
        state.end = End::Finished;
        if let Some(body) = state.body.take() {
            body.wake();
        }
    }

    /// Ready once the connection is gone.
    pub fn poll_abandoned(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.0.borrow_mut();
        if state.abandoned {
            return Poll::Ready(());
        }
        if !state.owner.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            state.owner = Some(context.waker().clone());
        }
        Poll::Pending
    }

    /// Throws away what waits and shuts the socket down: a connection blocked on a client that does not
    /// read is woken by nothing else.
    pub fn cut(&self) {
        let mut state = self.0.borrow_mut();
        state.bytes = BytesMut::new();
        state.end = End::Finished;
        // The descriptor is the connection's as long as its body lives, which is dropped on this very
        // thread; after that the number may be somebody else's.
        if !state.abandoned
            && let Some(PeerSocket(descriptor)) = state.socket.take()
        {
            // Fails only if the peer was faster.
            let _ = shutdown(descriptor, Shutdown::Both);
        }
        if let Some(body) = state.body.take() {
            body.wake();
        }
    }

    fn abandon(&self) {
        let mut state = self.0.borrow_mut();
        state.abandoned = true;
        state.socket = None;
        state.bytes = BytesMut::new();
        if let Some(owner) = state.owner.take() {
            owner.wake();
        }
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// The next bytes to write, none at the end.
    pub(super) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.0.borrow_mut();
        if state.bytes.is_empty() {
            if state.end == End::Finished {
                return Poll::Ready(None);
            }
            if !state.body.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                state.body = Some(context.waker().clone());
            }
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
            state.waiting.drain(..).for_each(Waker::wake);
        }
        Poll::Ready(Some(chunk))
    }
}

/// The response body that empties an outbox.
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
mod tests {
    use futures_util::task::noop_waker_ref;

    use super::*;

    fn take(outbox: &Outbox) -> Poll<Option<usize>> {
        outbox.poll_take(&Context::from_waker(noop_waker_ref())).map(|chunk| chunk.map(|bytes| bytes.len()))
    }

    #[test]
    fn what_is_pushed_leaves_in_bounded_chunks_and_then_the_body_ends() {
        let outbox = Outbox::new(100_000, None);
        assert_eq!(take(&outbox), Poll::Pending);
        outbox.push(|bytes| bytes.resize(40_000, 0)).unwrap();
        outbox.push_last(|_| {});
        outbox.push(|_| unreachable!("the last was said")).unwrap();
        outbox.finish();
        assert_eq!(take(&outbox), Poll::Ready(Some(CHUNK)));
        assert_eq!(take(&outbox), Poll::Ready(Some(40_000 - CHUNK)));
        assert_eq!(take(&outbox), Poll::Ready(None));
        assert_eq!(outbox.unread(), Unread { waiting: 0, drained: 40_000 });
    }

    #[test]
    fn a_full_box_says_so_and_takes_no_more() {
        let outbox = Outbox::new(1000, None);
        outbox.push(|bytes| bytes.extend_from_slice(&[0; 1200])).unwrap();
        assert!(outbox.congested());
        assert_eq!(outbox.push(|bytes| bytes.extend_from_slice(&[0; 1])), Err(Full));
        assert_eq!(outbox.unread().waiting, 1200);
        assert!(outbox.poll_drained(&Context::from_waker(noop_waker_ref())).is_pending());
        assert_eq!(take(&outbox), Poll::Ready(Some(1200)));
        assert!(outbox.poll_drained(&Context::from_waker(noop_waker_ref())).is_ready());
    }

    #[test]
    fn a_dropped_body_is_noticed() {
        let outbox = Outbox::new(1000, None);
        assert!(outbox.poll_abandoned(&Context::from_waker(noop_waker_ref())).is_pending());
        drop(Drain(Rc::clone(&outbox)));
        assert!(outbox.poll_abandoned(&Context::from_waker(noop_waker_ref())).is_ready());
        outbox.push(|_| unreachable!("nobody will read it")).unwrap();
    }
}
