//! The requests of a client that polls: one poll and one POST at a time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::{Closing, Engine, EngineTransport, Phase, Polls};

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such session, or not any more.
    Unknown,
    /// Not over this transport, or two at a time.
    Bad,
}

impl Engine {
    /// A poll begins.
    ///
    /// # Errors
    /// [`Refusal`]. A second one at a time ends the session.
    pub fn begin_poll(self: &Arc<Self>) -> Result<PollTicket, Refusal> {
        let mut state = self.state();
        if state.phase == Phase::Ended {
            return Err(Refusal::Unknown);
        }
        if state.transport == EngineTransport::WebSocket {
            return Err(Refusal::Bad);
        }
        if state.polls != Polls::None {
            state.polls = Polls::Overlapped;
            state.end();
            return Err(Refusal::Bad);
        }
        state.polls = Polls::One;
        drop(state);
        Ok(PollTicket { engine: Arc::clone(self), answered: false, waited: false })
    }

    /// A POST begins; it is over when the ticket is dropped.
    ///
    /// # Errors
    /// As [`Engine::begin_poll`].
    pub fn begin_post(self: &Arc<Self>) -> Result<PostTicket, Refusal> {
        let mut state = self.state();
        match state.phase {
            // A client that is being closed may still post, to say that it leaves.
            Phase::Open | Phase::Closing(..) => {}
            Phase::Left | Phase::Ended => return Err(Refusal::Unknown),
        }
        if state.transport == EngineTransport::WebSocket {
            return Err(Refusal::Bad);
        }
        if state.posting {
            state.end();
            return Err(Refusal::Bad);
        }
        state.posting = true;
        drop(state);
        Ok(PostTicket(Arc::clone(self)))
    }
}

/// What a poll is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Payload(String),
    /// The client is about to go on elsewhere; at once if this poll was there before it asked.
    Noop {
        at_once: bool,
    },
    /// Everything was said: the transport is closed, after a moment if the client may close by itself.
    Last {
        patient: bool,
    },
    Unknown,
}

/// A poll that waits. Dropped before it was answered, its client has gone.
pub struct PollTicket {
    engine: Arc<Engine>,
    answered: bool,
    waited: bool,
}

impl Future for PollTicket {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let engine = Arc::clone(&self.engine);
        let mut state = engine.state();
        let probed = state.transport == EngineTransport::Probing { asked: true };
        let answer = match state.phase {
            Phase::Ended if state.polls == Polls::Overlapped => Answer::Payload("1".to_owned()),
            Phase::Ended => Answer::Unknown,
            Phase::Left => {
                state.phase = Phase::Ended;
                Answer::Noop { at_once: true }
            }
            Phase::Open | Phase::Closing(..) if !state.out.is_empty() => {
                let before = state.out.len();
                let payload = state.out.take_payload();
                engine.took(&mut state, before);
                Answer::Payload(payload)
            }
            // Not together with the last words: the JavaScript client looks at those only after the packet that
            // closes, and would lose them.
            Phase::Closing(Closing { patient, .. }) => Answer::Last { patient },
            Phase::Open if probed || state.transport == EngineTransport::WebSocket => {
                Answer::Noop { at_once: self.waited }
            }
            Phase::Open => {
                state.remember_sender(context);
                self.waited = true;
                return Poll::Pending;
            }
        };
        // During the moment before some answers, and until one was taken away, it is the client's one poll still.
        if !matches!(answer, Answer::Noop { at_once: false } | Answer::Last { .. } | Answer::Payload(_)) {
            state.polls = Polls::None;
        }
        drop(state);
        self.answered = true;
        Poll::Ready(answer)
    }
}

impl PollTicket {
    /// A moment after the answer was [`Answer::Noop`]: whether the client has gone on already.
    #[must_use]
    pub fn is_too_late(&self) -> bool {
        let mut state = self.engine.state();
        state.polls = Polls::None;
        state.transport == EngineTransport::WebSocket || state.phase == Phase::Ended
    }
}

impl PollTicket {
    /// After [`Answer::Last`]: ready once the client has gone by itself.
    pub async fn left(&self) {
        std::future::poll_fn(|context| self.engine.poll_ended(context).map(drop)).await;
    }

    /// After [`Answer::Last`]: ends the session. Returns whether its client had.
    #[must_use]
    pub fn end(self) -> bool {
        self.engine.end(false);
        self.engine.state().phase == Phase::Left
    }
}

impl Drop for PollTicket {
    fn drop(&mut self) {
        let mut state = self.engine.state();
        state.polls = Polls::None;
        if !self.answered {
            state.end();
        }
    }
}

/// The body of a poll's answer, handed over in pieces as the client reads. Until the last one is, the poll goes on:
/// a client that does not read cannot have the next one filled as well.
pub struct PollBody {
    bytes: Bytes,
    ticket: Option<PollTicket>,
}

/// Bytes that are handed over at once. The connection buffers this much and once more.
const PIECE: usize = 16 * 1024;

impl PollTicket {
    /// The answer [`Answer::Payload`].
    #[must_use]
    pub fn answer(self, payload: String) -> PollBody {
        PollBody { bytes: payload.into(), ticket: Some(self) }
    }
}

impl MessageBody for PollBody {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.bytes.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.bytes.len().min(PIECE);
        let piece = self.bytes.split_to(length);
        if self.bytes.is_empty() {
            self.ticket = None;
        }
        Poll::Ready(Some(Ok(piece)))
    }
}

pub struct PostTicket(Arc<Engine>);

impl Drop for PostTicket {
    fn drop(&mut self) {
        self.0.state().posting = false;
    }
}
