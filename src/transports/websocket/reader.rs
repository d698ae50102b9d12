//! The one reader of WebSocket frames (RFC 6455 section 5), for an actor's context and for tasks alike. It bounds a frame
//! at its header, puts fragments together, answers pings, echoes a Close, and reads no faster than answers are read.

use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_http::ws::{Codec, OpCode};
use actix_web_actors::ws::{Frame, ProtocolError};
use bytes::BytesMut;
use bytestring::ByteString;
use doorward_core::protocol::CloseReason;
use futures_util::Stream;
use tokio::io::ReadBuf;
use tokio_util::codec::Decoder;

use super::fragments::{Fragments, Whole};
use super::walker::FrameWalker;
use super::{Limits, write_close, write_frame};
use crate::actors::transport::Full;
use crate::transports::{Io, Outbox};

/// Bytes to read at once.
const CHUNK: usize = 8 * 1024;

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
    fn poll_readable(&self, _: &Context<'_>) -> Poll<bool> {
        Outbox::poll_readable(self)
    }
}

/// The messages of one connection.
pub struct Reader<G> {
    io: Io,
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
    /// What came with the handshake is too large.
    Refusing,
    /// Until the client closes.
    Discarding,
    Ended,
}

impl<G> Reader<G> {
    /// `unread` is what the client has sent behind its handshake already.
    pub(super) fn new(io: Io, unread: BytesMut, gate: G, outbox: Rc<Outbox>, limits: Limits) -> Self {
        let mut walker = FrameWalker::default();
        let fits = walker.pass(&unread, outbox.message_limit());
        Self {
            io,
            gate,
            outbox,
            codec: Codec::new().max_size(limits.frame),
            walker,
            buffer: unread,
            fragments: Fragments::default(),
            limits,
            phase: if fits { Phase::Reading } else { Phase::Refusing },
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
                let pong = write_frame(&self.outbox, OpCode::Pong, |out| out.extend_from_slice(&payload));
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

impl<G: Gate> Reader<G> {
    /// Hands the bytes that are there to `take`. Ready with none at the end; at an error nothing more arrives, and
    /// nothing more can be answered.
    fn poll_bytes<T>(
        &mut self,
        context: &mut Context<'_>,
        take: impl FnOnce(&mut Self, &[u8]) -> T,
    ) -> Poll<Option<T>> {
        let mut chunk = [MaybeUninit::uninit(); CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        let read = ready!(self.io.poll_read(context, &mut chunk));
        Poll::Ready((read.is_ok() && !chunk.filled().is_empty()).then(|| take(self, chunk.filled())))
    }

    /// The next thing that the client says, before it is noted what follows from it.
    fn poll_incoming(&mut self, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        loop {
            if let Some(incoming) = self.decode() {
                return Poll::Ready(Some(incoming));
            }
            if self.buffer.is_empty() {
                // An idle connection keeps no buffer.
                self.buffer = BytesMut::new();
            }
            if !ready!(self.gate.poll_readable(context)) {
                return Poll::Ready(None);
            }
            let fits = self.poll_bytes(context, |this, bytes| {
                this.buffer.extend_from_slice(bytes);
                this.walker.pass(bytes, this.outbox.message_limit())
            });
            match ready!(fits) {
                Some(true) => {}
                Some(false) => return Poll::Ready(Some(Incoming::Refused(CloseReason::TooBig))),
                None => return Poll::Ready(None),
            }
        }
    }

    /// Ready once the client has closed, or its connection has ended.
    fn poll_discarded(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while !self.walker.has_closed() && self.outbox.poll_abandoned().is_pending() {
            if ready!(self.poll_bytes(context, |this, bytes| this.walker.pass(bytes, usize::MAX))).is_none() {
                break;
            }
        }
        Poll::Ready(())
    }
}

impl<G: Gate + Unpin> Stream for Reader<G> {
    type Item = Incoming;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Incoming>> {
        let this = self.get_mut();
        let next = match this.phase {
            Phase::Reading => ready!(this.poll_incoming(context)),
            Phase::Refusing => Some(Incoming::Refused(CloseReason::TooBig)),
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
    use std::collections::VecDeque;
    use std::io;

    use actix_http::ws::Parser;
    use futures_util::StreamExt;
    use futures_util::task::noop_waker_ref;
    use tokio::io::{AsyncRead, AsyncWrite};

    use super::*;
    use crate::actors::transport::Outgoing;

    const LIMITS: Limits = Limits { first_frame: 100, frame: 200, fragments: 4, outbox: 1000 };

    /// A connection on which these chunks arrive, one a read, and then its end or its error.
    struct Arriving(VecDeque<Vec<u8>>, Option<io::ErrorKind>);

    impl AsyncRead for Arriving {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            match (this.0.pop_front(), this.1) {
                (Some(chunk), _) => buffer.put_slice(&chunk),
                (None, Some(error)) => return Poll::Ready(Err(error.into())),
                (None, None) => {}
            }
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Arriving {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn reader_of(arriving: Arriving, unread: &[u8]) -> Reader<Rc<Outbox>> {
        let outbox = Outbox::new(LIMITS.outbox, LIMITS.first_frame, None);
        Reader::new(Io::new(arriving), unread.into(), Rc::clone(&outbox), outbox, LIMITS)
    }

    fn reader(chunks: Vec<Vec<u8>>) -> Reader<Rc<Outbox>> {
        reader_of(Arriving(chunks.into(), None), b"")
    }

    fn frame(bytes: &[u8], opcode: OpCode) -> Vec<u8> {
        let mut frame = BytesMut::new();
        Parser::write_message(&mut frame, bytes, opcode, true, true);
        frame.into()
    }

    fn all_of(reader: Reader<Rc<Outbox>>) -> Vec<Incoming> {
        futures_util::FutureExt::now_or_never(reader.collect()).unwrap()
    }

    fn all(chunks: Vec<Vec<u8>>) -> Vec<Incoming> {
        all_of(reader(chunks))
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
        let chunks = bytes.concat().chunks(5).map(<[u8]>::to_vec).collect();
        assert_eq!(all(chunks), [text("one"), Incoming::Activity, text("two"), Incoming::Left]);
    }

    #[test]
    fn a_frame_is_refused_at_its_header_and_the_rest_discarded() {
        let too_big = [frame(&[b'x'; 150], OpCode::Text), frame(b"after", OpCode::Text)].concat();
        let refused = |reason| vec![Incoming::Refused(reason)];
        assert_eq!(all(vec![too_big]), refused(CloseReason::TooBig));
        assert_eq!(all(vec![frame(b"\xff", OpCode::Text)]), refused(CloseReason::InvalidUtf8));
        let reserved = vec![0xf1, 0x80, 0, 0, 0, 0];
        assert_eq!(all(vec![reserved]), refused(CloseReason::ProtocolError));
        let unmasked = vec![0x81, 1, b'x'];
        assert_eq!(all(vec![unmasked]), refused(CloseReason::ProtocolError));
    }

    #[test]
    fn a_message_in_fragments_keeps_to_the_limit_of_one() {
        let part = |bytes: &[u8], opcode, last| {
            let mut frame = BytesMut::new();
            Parser::write_message(&mut frame, bytes, opcode, last, true);
            frame.into()
        };
        let first = part(&[b'x'; 60], OpCode::Text, false);
        let last = part(&[b'y'; 60], OpCode::Continue, true);
        let got = all(vec![first, last]);
        assert_eq!(got, [Incoming::Activity, Incoming::Refused(CloseReason::TooBig)]);
    }

    #[test]
    fn nothing_is_read_while_answers_are_not_read() {
        let mut reader = reader(vec![frame(b"one", OpCode::Text), frame(b"two", OpCode::Text)]);
        let (io, outbox) = (reader.io.clone(), Rc::clone(&reader.outbox));
        let mut context = Context::from_waker(noop_waker_ref());
        let mut next = || Pin::new(&mut reader).poll_next(&mut context);
        assert_eq!(next(), Poll::Ready(Some(text("one"))));
        outbox.push(|bytes| bytes.resize(900, 0)).unwrap();
        assert_eq!(next(), Poll::Pending, "answers are not read");
        assert!(outbox.poll_write(&io, &mut Context::from_waker(noop_waker_ref())).is_pending());
        outbox.hold(true);
        assert_eq!(next(), Poll::Pending, "the session holds it back");
        outbox.hold(false);
        assert_eq!(next(), Poll::Ready(Some(text("two"))));
    }

    #[test]
    fn it_ends_with_its_connection() {
        let mut reader = reader(vec![frame(b"one", OpCode::Text)]);
        reader.outbox.abandon();
        let mut context = Context::from_waker(noop_waker_ref());
        assert_eq!(Pin::new(&mut reader).poll_next(&mut context), Poll::Ready(None));
        let broken = Arriving([frame(b"one", OpCode::Text)].into(), Some(io::ErrorKind::ConnectionReset));
        assert_eq!(all_of(reader_of(broken, b"")), [text("one")]);
    }

    #[test]
    fn what_came_with_the_handshake_is_read_first_and_bounded() {
        let rest = frame(b"two", OpCode::Text);
        let early = [&frame(b"one", OpCode::Text)[..], &rest[..3]].concat();
        let arriving = || Arriving([rest[3..].to_vec()].into(), None);
        assert_eq!(all_of(reader_of(arriving(), &early)), [text("one"), text("two")]);
        let too_big = frame(&[b'x'; 150], OpCode::Text);
        let refused = [Incoming::Refused(CloseReason::TooBig)];
        assert_eq!(all_of(reader_of(arriving(), &too_big)), refused);
    }
}
