//! One Engine.IO session as all who carry it share it. Its actor lives on one thread; polls, and the WebSocket
//! that a client upgrades to, arrive at any.

mod outgoing;
mod registry;
mod requests;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use bytestring::ByteString;

use crate::actors::transport::Full;
use crate::transports::outbox::is_congested;
use crate::transports::websocket::write_packets;
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::engineio::Queue;

pub use registry::{Engines, Handle};
pub use requests::{Answer, Refusal};

/// Bounds of one session, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A message, or a POST, before sign-in.
    pub first_message: usize,
    /// The same after it; what clients are told as `maxPayload`.
    pub message: usize,
    /// What may wait for the client to fetch.
    pub outbox: usize,
}

/// What comes from a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    Message(ByteString),
    Binary(Bytes),
    /// A pong, or another sign of life.
    Activity,
    /// The client closed, or its connection ended, or it was told the last that there was to say.
    Left,
    /// It must be closed, with this reason.
    Refused(CloseReason),
}

/// Where what is sent leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineTransport {
    Polling,
    /// A WebSocket is there that the client has not decided for. Once it has asked, polls are to end.
    Probing {
        asked: bool,
    },
    WebSocket,
}

/// Bytes that may wait for a client that has not signed in.
const PENDING_OUTBOX: usize = 32 * 1024;

/// POSTs that are taken, whatever waits, while a client changes the transport: one may be on its way already.
const MORE_POSTS: u8 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// What waits is to be fetched, then the transport is closed.
    Closing(Closing),
    /// The client has closed. A poll of its own that waits, or is still on its way to us, is answered with a noop.
    Left,
    Ended,
}

/// How a transport is closed once the last words were said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// What a WebSocket is closed with.
    pub code: u16,
    pub sentence: &'static str,
    /// The client has a moment to close by itself: some look at the last words in one thread and at the closed
    /// connection in another, and take a refusal for a failure that they should try again after.
    pub patient: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Polls {
    None,
    One,
    /// A second one came while one waited.
    Overlapped,
}

#[derive(Debug)]
pub struct Engine {
    id: String,
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    out: Queue,
    drained: u64,
    inbox: VecDeque<Incoming>,
    transport: EngineTransport,
    phase: Phase,
    /// The connection is not to be waited for.
    cut: bool,
    polls: Polls,
    posting: bool,
    posts_while_probing: u8,
    /// What was taken from the client waits for it to read.
    hold: bool,
    message_limit: usize,
    /// The session's actor.
    actor: Option<Waker>,
    /// The task that sends what is in `out`: a poll or a WebSocket.
    sender: Option<Waker>,
    /// The tasks that wait for room in `out` or in `inbox`.
    waiting: Vec<Waker>,
}

impl State {
    fn wake_waiting(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    fn wake_sender(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }

    /// When the session is about to end, all that matters is that its client has gone.
    fn receive(&mut self, incoming: Incoming) {
        if self.phase == Phase::Open || (self.phase != Phase::Ended && incoming == Incoming::Left) {
            self.inbox.push_back(incoming);
            if let Some(actor) = self.actor.take() {
                actor.wake();
            }
        }
    }

    /// Ends the session: requests get no more answers. Tells the actor once, unless it knows already.
    fn end(&mut self) {
        if self.phase != Phase::Ended {
            self.receive(Incoming::Left);
            self.phase = Phase::Ended;
        }
        self.out.clear();
        self.wake_sender();
        self.wake_waiting();
    }

    fn remember_sender(&mut self, context: &Context<'_>) {
        if !self.sender.as_ref().is_some_and(|sender| sender.will_wake(context.waker())) {
            self.sender = Some(context.waker().clone());
        }
    }

    fn remember(wakers: &mut Vec<Waker>, context: &Context<'_>) {
        if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            wakers.push(context.waker().clone());
        }
    }
}

impl Engine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id in its requests. Anyone who has it can act as this session, so it is never logged.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    #[must_use]
    pub fn transport(&self) -> EngineTransport {
        self.state().transport
    }

    /// Bytes that a message may have now.
    #[must_use]
    pub fn message_limit(&self) -> usize {
        self.state().message_limit
    }

    /// Adds to what waits for the client, all of it or nothing.
    ///
    /// # Errors
    /// [`Full`] when the bound was reached before.
    pub fn push(&self, write: impl FnOnce(&mut Queue)) -> Result<(), Full> {
        let mut state = self.state();
        if state.phase != Phase::Open {
            return Ok(());
        }
        let unauthenticated = state.message_limit < self.limits.message;
        let limit = if unauthenticated { self.limits.outbox.min(PENDING_OUTBOX) } else { self.limits.outbox };
        if state.out.len() >= limit {
            return Err(Full);
        }
        write(&mut state.out);
        state.wake_sender();
        Ok(())
    }

    /// The client has signed in: larger messages are welcome from now on.
    pub fn widen(&self) {
        self.state().message_limit = self.limits.message;
    }

    /// No more will be pushed: what waits is sent, then the transport closes.
    pub fn close(&self, closing: Closing) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing(closing);
            state.wake_sender();
            state.wake_waiting();
        }
    }

    /// Ends it now, whether what waits was read or not.
    pub fn end(&self, cut: bool) {
        let mut state = self.state();
        state.cut |= cut;
        if state.phase != Phase::Left {
            state.end();
        }
    }

    fn is_congested(&self, state: &State) -> bool {
        is_congested(state.out.len(), self.limits.outbox) && state.phase == Phase::Open
    }

    /// Ready once the actor has taken all that came.
    pub fn poll_taken(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.phase != Phase::Open || state.inbox.is_empty() {
            return Poll::Ready(());
        }
        State::remember(&mut state.waiting, context);
        Poll::Pending
    }

    /// Ready once it has answered all of it as well, and answers are read: so that nothing piles up here.
    pub fn poll_answered(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        let open = state.inbox.is_empty() && !state.hold && !self.is_congested(&state);
        if state.phase != Phase::Open || open {
            return Poll::Ready(());
        }
        // A client that is about to change the transport fetches nothing until its POSTs are answered.
        if state.transport == (EngineTransport::Probing { asked: true })
            && state.posts_while_probing < MORE_POSTS
        {
            state.posts_while_probing += 1;
            return Poll::Ready(());
        }
        State::remember(&mut state.waiting, context);
        Poll::Pending
    }

    /// Ready once a WebSocket that the client tries is of no use any more. One that it has asked for is, as long as
    /// there are last words: a client whose probe was answered does not go back to polling.
    pub fn poll_useless(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        let useful = match state.phase {
            Phase::Open => true,
            Phase::Closing(_) => state.transport == EngineTransport::Probing { asked: true },
            Phase::Left | Phase::Ended => false,
        };
        if !useful {
            return Poll::Ready(());
        }
        State::remember(&mut state.waiting, context);
        Poll::Pending
    }

    pub fn receive(&self, incoming: Incoming) {
        self.state().receive(incoming);
    }

    /// The client has said that it goes.
    pub fn leave(&self) {
        let mut state = self.state();
        state.end();
        state.phase = Phase::Left;
    }

    /// A WebSocket comes that the client may go on over. One at a time.
    #[must_use]
    pub fn begin_probe(&self) -> bool {
        let mut state = self.state();
        let may = state.transport == EngineTransport::Polling && state.phase == Phase::Open;
        if may {
            state.transport = EngineTransport::Probing { asked: false };
        }
        may
    }

    /// The probe was answered: the client waits for its poll to end.
    pub fn probed(&self) {
        let mut state = self.state();
        state.transport = EngineTransport::Probing { asked: true };
        state.posts_while_probing = 0;
        state.wake_sender();
        state.wake_waiting();
    }

    pub fn upgraded(&self) {
        let mut state = self.state();
        state.transport = EngineTransport::WebSocket;
        state.wake_sender();
    }

    pub fn probe_failed(&self) {
        let mut state = self.state();
        state.transport = EngineTransport::Polling;
        state.wake_sender();
    }

    /// What a WebSocket sends next, appended to `out` until that has more than `enough` bytes.
    pub fn poll_frames(&self, context: &Context<'_>, out: &mut Vec<u8>, enough: usize) -> Poll<Next> {
        let mut state = self.state();
        let before = state.out.len();
        if write_packets(&mut state.out, out, enough) {
            self.took(&mut state, before);
            return Poll::Ready(Next::Frames);
        }
        match state.phase {
            Phase::Open => {
                state.remember_sender(context);
                Poll::Pending
            }
            Phase::Closing(closing) => Poll::Ready(Next::Close(closing)),
            Phase::Left | Phase::Ended => Poll::Ready(Next::Ended),
        }
    }

    /// Ready once it is over: whether it was cut.
    pub fn poll_ended(&self, context: &Context<'_>) -> Poll<bool> {
        let mut state = self.state();
        if matches!(state.phase, Phase::Left | Phase::Ended) {
            return Poll::Ready(state.cut);
        }
        state.remember_sender(context);
        Poll::Pending
    }

    fn took(&self, state: &mut State, before: usize) {
        state.drained += (before - state.out.len()) as u64;
        if state.out.len() <= self.limits.outbox / 8 {
            state.wake_waiting();
        }
    }

    /// Ready with what came from the client, nothing at the end.
    fn poll_incoming(&self, context: &Context<'_>) -> Poll<Option<Incoming>> {
        let mut state = self.state();
        if let Some(incoming) = state.inbox.pop_front() {
            if state.inbox.is_empty() {
                // An idle session keeps no buffer.
                state.inbox = VecDeque::new();
                state.wake_waiting();
            }
            return Poll::Ready(Some(incoming));
        }
        if matches!(state.phase, Phase::Left | Phase::Ended) {
            return Poll::Ready(None);
        }
        if !state.actor.as_ref().is_some_and(|actor| actor.will_wake(context.waker())) {
            state.actor = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

/// What a WebSocket does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Frames,
    Close(Closing),
    Ended,
}
