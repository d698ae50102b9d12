//! The one reader of WebSocket frames (RFC 6455 section 5), for an actor's context and for tasks alike. It bounds a frame
//! at its header, puts fragments together, answers pings, echoes a Close, and reads no faster than answers are read.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::ws::{Codec, OpCode};
use actix_web::error::PayloadError;
use actix_web_actors::ws::{Frame, ProtocolError};
use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use doorward_core::protocol::CloseReason;
use futures_util::Stream;
use tokio_util::codec::Decoder;

use super::fragments::{Fragments, Whole};
use super::walker::FrameWalker;
use super::{Limits, write_close, write_frame};
use crate::actors::transport::Full;
use crate::transports::Outbox;

/// What arrives over a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A ping (answered already), a pong, or a part of a message.
    Activity,
    Message(Whole),
    /// The client closes, and was answered.
    Left,
    /// The frames are broken or too large: the socket must be closed with this reason. The reader discards what follows
    /// and ends once the client has closed. A socket that is closed with unread bytes in it would be reset, and the
    /// client might never see why.
    Refused(CloseReason),
}

/// Says whether to read on.
pub trait Gate {
    /// Ready with true once there is room for more of what the client sends, with false once its connection is gone.
    fn poll_readable(&self, context: &Context<'_>) -> Poll<bool>;
}

impl Gate for Rc<Outbox> {
    fn poll_readable(&self, context: &Context<'_>) -> Poll<bool> {
        Outbox::poll_readable(self, context)
    }
}

/// The messages of one connection. `payload` yields the bytes that follow the handshake.
pub struct Reader<S, G> {
    payload: S,
    gate: G,
    outbox: Rc<Outbox>,
    codec: Codec,
    walker: FrameWalker,
    buffer: BytesMut,
    fragments: Fragments,
    limits: Limits,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reading,
    /// Until the client closes.
    Discarding,
    Ended,
}

impl<S, G> Reader<S, G> {
    pub(super) fn new(payload: S, gate: G, outbox: Rc<Outbox>, limits: Limits) -> Self {
        Self {
            payload,
            gate,
            outbox,
            codec: Codec::new().max_size(limits.frame),
            walker: FrameWalker::default(),
            buffer: BytesMut::new(),
            fragments: Fragments::default(),
            limits,
            phase: Phase::Reading,
        }
    }

    /// The next frame of the buffer, if it is there as a whole.
    fn decode(&mut self) -> Option<Incoming> {
        match self.codec.decode(&mut self.buffer) {
            Ok(frame) => frame.map(|frame| self.take(frame).unwrap_or_else(Incoming::Refused)),
            Err(ProtocolError::Overflow) => Some(Incoming::Refused(CloseReason::TooBig)),
            Err(_) => Some(Incoming::Refused(CloseReason::ProtocolError)),
        }
    }

    /// A message in one frame. It may not come between the fragments of another.
    fn whole(&self, message: Whole) -> Result<Incoming, CloseReason> {
        if self.fragments.open() {
            return Err(CloseReason::ProtocolError);
        }
        Ok(Incoming::Message(message))
    }

    /// # Errors
    /// Why the socket is to be closed.
    fn take(&mut self, frame: Frame) -> Result<Incoming, CloseReason> {
        Ok(match frame {
            Frame::Text(bytes) => {
                let text = ByteString::try_from(bytes).map_err(|_| CloseReason::InvalidUtf8)?;
                self.whole(Whole::Text(text))?
            }
            Frame::Binary(bytes) => self.whole(Whole::Binary(bytes))?,
            Frame::Continuation(item) => {
                let limit = self.outbox.message_limit();
                let whole = self.fragments.push(item, limit, self.limits.fragments)?;
                whole.map_or(Incoming::Activity, Incoming::Message)
            }
            Frame::Ping(payload) => {
                let pong = write_frame(&self.outbox, &payload, OpCode::Pong);
                pong.map_err(|Full| CloseReason::TooSlow)?;
                Incoming::Activity
            }
            Frame::Pong(_) => Incoming::Activity,
            Frame::Close(reason) => {
                // The code is echoed (RFC 6455 section 5.5.1).
                write_close(&self.outbox, reason.as_ref().map(|reason| (reason.code.into(), "")));
                Incoming::Left
            }
        })
    }
}

impl<S, G> Reader<S, G>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    G: Gate + Unpin,
{
    fn poll_payload(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        // At an error nothing more arrives, and nothing more can be answered.
        Pin::new(&mut self.payload).poll_next(context).map(|item| item.and_then(Result::ok))
    }

    /// The next thing that the client says, before it is noted what follows from it.
    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        loop {
            if let Some(incoming) = self.decode() {
                return Poll::Ready(Some(incoming));
            }
            if !ready!(self.gate.poll_readable(context)) {
                return Poll::Ready(None);
            }
            let Some(chunk) = ready!(self.poll_payload(context)) else { return Poll::Ready(None) };
            if !self.walker.pass(&chunk, self.outbox.message_limit()) {
                return Poll::Ready(Some(Incoming::Refused(CloseReason::TooBig)));
            }
            if self.buffer.is_empty() {
                // An idle connection keeps no buffer.
                self.buffer = chunk.into();
            } else {
                self.buffer.extend_from_slice(&chunk);
            }
        }
    }

    /// Ready once the client has closed, or its connection has ended.
    fn poll_discarded(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.walker.has_closed() && self.outbox.poll_abandoned(context).is_pending() {
            match ready!(self.poll_payload(context)) {
                Some(chunk) => drop(self.walker.pass(&chunk, usize::MAX)),
                None => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S, G> Stream for Reader<S, G>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    G: Gate + Unpin,
{
    type Item = Incoming;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let this = self.get_mut();
        let next = match this.phase {
            Phase::Reading => ready!(this.poll_incoming(context)),
            Phase::Discarding => {
                ready!(this.poll_discarded(context));
                None
            }
            Phase::Ended => None,
        };
        match &next {
            Some(Incoming::Refused(_)) => {
                // Where the next frame begins is not known any more.
                this.phase = Phase::Discarding;
                this.buffer = BytesMut::new();
            }
            Some(Incoming::Left) | None => this.phase = Phase::Ended,
            Some(Incoming::Activity | Incoming::Message(_)) => {}
        }
        Poll::Ready(next)
    }
}

#[cfg(test)]
mod tests {
    use actix_http::ws::Parser;
    use futures_util::StreamExt;
    use futures_util::stream;
    use futures_util::task::noop_waker_ref;

    use super::*;
    use crate::actors::transport::Outgoing;

    const LIMITS: Limits = Limits { first_frame: 100, frame: 200, fragments: 4, outbox: 1000 };

    type Chunks = Vec<Result<Bytes, PayloadError>>;

    fn reader(chunks: Chunks) -> Reader<impl Stream<Item = Result<Bytes, PayloadError>> + Unpin, Rc<Outbox>> {
        let outbox = Outbox::new(LIMITS.outbox, LIMITS.first_frame, None);
        Reader::new(stream::iter(chunks), Rc::clone(&outbox), outbox, LIMITS)
    }

    fn frame(bytes: &[u8], opcode: OpCode) -> Bytes {
        let mut frame = BytesMut::new();
        Parser::write_message(&mut frame, bytes, opcode, true, true);
        frame.freeze()
    }

    fn all(chunks: Chunks) -> Vec<Incoming> {
        futures_util::FutureExt::now_or_never(reader(chunks).collect()).unwrap()
    }

    fn text(text: &str) -> Incoming {
        Incoming::Message(Whole::Text(text.into()))
    }

    #[test]
    fn frames_are_read_in_their_order_and_a_close_is_the_last() {
        let bytes = [
            frame(b"one", OpCode::Text),
            frame(b"", OpCode::Ping),
            frame(b"two", OpCode::Text),
            frame(b"\x03\xe8", OpCode::Close),
            frame(b"three", OpCode::Text),
        ];
        let chunks = bytes.concat().chunks(5).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        assert_eq!(all(chunks), [text("one"), Incoming::Activity, text("two"), Incoming::Left]);
    }

    #[test]
    fn a_frame_is_refused_at_its_header_and_the_rest_discarded() {
        let too_big = [frame(&[b'x'; 150], OpCode::Text), frame(b"after", OpCode::Text)].concat();
        let refused = |reason| vec![Incoming::Refused(reason)];
        assert_eq!(all(vec![Ok(too_big.into())]), refused(CloseReason::TooBig));
        assert_eq!(all(vec![Ok(frame(b"\xff", OpCode::Text))]), refused(CloseReason::InvalidUtf8));
        let reserved = Bytes::from_static(&[0xf1, 0x80, 0, 0, 0, 0]);
        assert_eq!(all(vec![Ok(reserved)]), refused(CloseReason::ProtocolError));
        let unmasked = Bytes::from_static(&[0x81, 1, b'x']);
        assert_eq!(all(vec![Ok(unmasked)]), refused(CloseReason::ProtocolError));
    }

    #[test]
    fn a_message_in_fragments_keeps_to_the_limit_of_one() {
        let part = |bytes: &[u8], opcode, last| {
            let mut frame = BytesMut::new();
            Parser::write_message(&mut frame, bytes, opcode, last, true);
            frame.freeze()
        };
        let first = part(&[b'x'; 60], OpCode::Text, false);
        let last = part(&[b'y'; 60], OpCode::Continue, true);
        let got = all(vec![Ok(first), Ok(last)]);
        assert_eq!(got, [Incoming::Activity, Incoming::Refused(CloseReason::TooBig)]);
    }

    #[test]
    fn nothing_is_read_while_answers_are_not_read() {
        let mut reader = reader(vec![Ok(frame(b"one", OpCode::Text)), Ok(frame(b"two", OpCode::Text))]);
        let outbox = Rc::clone(&reader.outbox);
        let mut context = Context::from_waker(noop_waker_ref());
        let mut next = || Pin::new(&mut reader).poll_next(&mut context);
        assert_eq!(next(), Poll::Ready(Some(text("one"))));
        outbox.push(|bytes| bytes.resize(900, 0)).unwrap();
        assert_eq!(next(), Poll::Pending, "answers are not read");
        assert!(outbox.poll_take(&Context::from_waker(noop_waker_ref())).is_ready());
        outbox.hold(true);
        assert_eq!(next(), Poll::Pending, "the session holds it back");
        outbox.hold(false);
        assert_eq!(next(), Poll::Ready(Some(text("two"))));
    }

    #[test]
    fn it_ends_with_its_connection() {
        let mut reader = reader(vec![Ok(frame(b"one", OpCode::Text))]);
        drop(crate::transports::outbox::Drain(Rc::clone(&reader.outbox)));
        let mut context = Context::from_waker(noop_waker_ref());
        assert_eq!(Pin::new(&mut reader).poll_next(&mut context), Poll::Ready(None));
        let broken = vec![Ok(frame(b"one", OpCode::Text)), Err(PayloadError::Incomplete(None))];
        assert_eq!(all(broken), [text("one")]);
    }
}
