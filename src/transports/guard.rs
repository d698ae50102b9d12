//! Watches frame headers as they arrive. The codec below checks a frame's size only once the *whole* frame
//! is buffered, so that a header that announces 512 MiB would cost 512 MiB; this stops at the header.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

use super::outbox::Outbox;

/// Walks RFC 6455 frames (section 5.2) in pieces of any size.
#[derive(Debug, Default)]
pub struct FrameWalker {
    header: [u8; 10],
    have: usize,
    /// Bytes of mask and payload still to pass.
    skip: u64,
    /// The frame whose bytes these are is a Close.
    closing: bool,
    /// A whole Close has passed.
    closed: bool,
}

/// The opcode of a Close (RFC 6455 section 5.5.1).
const CLOSE: u8 = 8;

impl FrameWalker {
    /// Passes `bytes` and answers how many frames end there; none if a header announces more than `limit` bytes of
    /// payload. What follows is walked all the same: the client's Close may be in it.
    pub fn pass(&mut self, mut bytes: &[u8], limit: usize) -> Option<usize> {
        let (mut whole, mut fits) = (0, true);
        loop {
            if self.skip > 0 {
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[step..];
                self.skip -= step as u64;
                whole += self.passed();
            }
            let Some((first, rest)) = bytes.split_first() else { return fits.then_some(whole) };
            bytes = rest;
            self.header[self.have] = *first;
            self.have += 1;
            let Some((length, masked)) = self.length() else { continue };
            fits &= length <= limit as u64;
            self.closing = self.header[0] & 0x0f == CLOSE;
            self.have = 0;
            self.skip = length.saturating_add(if masked { 4 } else { 0 });
            whole += self.passed();
        }
    }

    /// Frames that end here: one or none.
    fn passed(&mut self) -> usize {
        if self.skip > 0 {
            return 0;
        }
        self.closed |= self.closing;
        1
    }

    /// Whether the client has closed.
    pub const fn has_closed(&self) -> bool {
        self.closed
    }

    /// The payload's length and whether a mask follows, once the header is whole up to there.
    fn length(&self) -> Option<(u64, bool)> {
        let head = &self.header[..self.have];
        let second = *head.get(1)?;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(head.get(2..4)?.try_into().ok()?)),
            127 => u64::from_be_bytes(head.get(2..10)?.try_into().ok()?),
            short => u64::from(short),
        };
        Some((length, second & 0x80 != 0))
    }
}

/// What the guard and the transport share.
pub struct Watch<S> {
    pub walker: RefCell<FrameWalker>,
    /// Kept beside the guard: whoever refuses a message goes on reading and throws away what it reads.
    pub payload: RefCell<S>,
    /// Bytes a frame may announce; grows at sign-in.
    pub limit: Cell<usize>,
    /// Whole frames passed on that the transport has not looked at yet.
    pub frames: Cell<usize>,
    pub fault: Cell<Option<Fault>>,
}

/// Why the guard ended the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    TooBig,
    /// The connection broke.
    Broken,
}

/// Says when there is room for more of what a client sends.
pub trait Gate {
    fn poll_open(&self, context: &Context<'_>) -> Poll<()>;
}

impl Gate for Rc<Outbox> {
    fn poll_open(&self, context: &Context<'_>) -> Poll<()> {
        Outbox::poll_open(self, context)
    }
}

/// The request's payload, guarded: it fails at a header that announces too much, and it waits while frames
/// are not looked at or answers not read, so that TCP slows the client down.
pub struct Guard<S, G> {
    pub watch: Rc<Watch<S>>,
    pub gate: G,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Watch<S> {
    fn poll_payload(&self, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut *self.payload.borrow_mut()).poll_next(context)
    }

    /// Reads on and throws away. Ready once the client has closed, or its connection has ended.
    pub fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut walker = self.walker.borrow_mut();
        while !walker.has_closed() {
            match ready!(self.poll_payload(context)) {
                Some(Ok(bytes)) => drop(walker.pass(&bytes, usize::MAX)),
                Some(Err(_)) | None => break,
            }
        }
        Poll::Ready(())
    }
}

impl<S, G> Stream for Guard<S, G>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
    G: Gate + Unpin,
{
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.watch.fault.get().is_some() {
            // Not the end, which would stop the actor before it has read on: the stream is about to be
            // cancelled.
            return Poll::Pending;
        }
        if this.watch.frames.get() > 0 {
            // The codec reads all there is before it decodes one frame, without bound. It needs no waker here:
            // with a whole frame before it, it has something to answer and comes back.
            return Poll::Pending;
        }
        ready!(this.gate.poll_open(context));
        let Some(chunk) = ready!(this.watch.poll_payload(context)) else {
            return Poll::Ready(None);
        };
        let (fault, answer) = match chunk {
            Err(error) => (Fault::Broken, error),
            Ok(chunk) => match this.watch.walker.borrow_mut().pass(&chunk, this.watch.limit.get()) {
                Some(whole) => {
                    this.watch.frames.set(whole);
                    return Poll::Ready(Some(Ok(chunk)));
                }
                None => (Fault::TooBig, PayloadError::Overflow),
            },
        };
        this.watch.fault.set(Some(fault));
        Poll::Ready(Some(Err(answer)))
    }
}

#[cfg(test)]
mod tests {
    use actix_http::ws::{OpCode, Parser};
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_gibibyte_is_refused_at_its_header() {
        let mut header = vec![0x82, 0xff];
        header.extend_from_slice(&(512_u64 << 20).to_be_bytes());
        assert_eq!(FrameWalker::default().pass(&header, 65_536), None);
        assert_eq!(
            FrameWalker::default()
                .pass(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 65_536),
            None
        );
    }

    #[test]
    fn nothing_is_read_while_frames_wait_or_answers_are_not_read() {
        let frame = Bytes::from_static(&[0x8a, 0x80, 0, 0, 0, 0]);
        let watch = Rc::new(Watch {
            walker: RefCell::default(),
            payload: RefCell::new(futures_util::stream::repeat_with(move || Ok(frame.clone()))),
            limit: Cell::new(100),
            frames: Cell::new(0),
            fault: Cell::new(None),
        });
        let outbox = Outbox::new(1000, None);
        let gate = Rc::clone(&outbox);
        let mut guard = Guard { watch: Rc::clone(&watch), gate };
        let mut context = Context::from_waker(futures_util::task::noop_waker_ref());
        let mut reads = || Pin::new(&mut guard).poll_next(&mut context).is_ready();
        assert!(reads());
        assert!(!reads(), "the first frame is not looked at yet");
        watch.frames.set(0);
        assert!(reads());
        watch.frames.set(0);
        outbox.push(|bytes| bytes.resize(900, 0)).unwrap();
        assert!(!reads(), "answers are not read");
    }

    #[test]
    fn a_close_is_found_behind_frames_that_are_broken_or_too_big() {
        let mut close = BytesMut::new();
        Parser::write_message(&mut close, b"\x03\xe8".as_slice(), OpCode::Close, true, true);
        let mut too_big = BytesMut::new();
        Parser::write_message(&mut too_big, vec![8; 70_000], OpCode::Binary, true, true);
        // Reserved bits and an opcode that does not exist; text that is not UTF-8.
        for broken in [&too_big[..], &[0xfb, 0x81, 1, 2, 3, 4, 5], &[0x81, 0x81, 0, 0, 0, 0, 0xff]] {
            let bytes = [broken, &close].concat();
            for cut in [1, 7, bytes.len()] {
                let mut walker = FrameWalker::default();
                for chunk in bytes[..bytes.len() - 1].chunks(cut) {
                    walker.pass(chunk, 100);
                }
                assert!(!walker.has_closed(), "its last byte is missing");
                walker.pass(&bytes[bytes.len() - 1..], 100);
                assert!(walker.has_closed(), "{cut}");
            }
        }
        let mut walker = FrameWalker::default();
        walker.pass(&[0x88, 0], 100);
        assert!(walker.has_closed(), "an empty one that is not masked");
    }

    proptest! {
        /// Frames that fit pass, however the bytes are cut; the first that does not is refused.
        #[test]
        fn frames_pass_up_to_the_limit(
            sizes in prop::collection::vec(0_usize..70_000, 1..8),
            cut in 1_usize..5000,
            masked in any::<bool>(),
            limit in 0_usize..70_000,
        ) {
            let mut bytes = BytesMut::new();
            for size in &sizes {
                Parser::write_message(&mut bytes, vec![7; *size], OpCode::Binary, true, masked);
            }
            let mut walker = FrameWalker::default();
            let passed: Option<usize> = bytes.chunks(cut).map(|chunk| walker.pass(chunk, limit)).sum();
            prop_assert!(!walker.has_closed());
            let fit = sizes.iter().all(|size| *size <= limit);
            prop_assert_eq!(passed, fit.then_some(sizes.len()));
        }

        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..500), limit in 0_usize..1000) {
            let _ = FrameWalker::default().pass(&bytes, limit);
        }
    }
}
