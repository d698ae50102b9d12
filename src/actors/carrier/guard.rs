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
}

impl FrameWalker {
    /// Passes `bytes`; answers false as soon as a header announces more than `limit` bytes of payload.
    pub fn pass(&mut self, mut bytes: &[u8], limit: usize) -> bool {
        loop {
            if self.skip > 0 {
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[step..];
                self.skip -= step as u64;
            }
            let Some((first, rest)) = bytes.split_first() else { return true };
            bytes = rest;
            self.header[self.have] = *first;
            self.have += 1;
            let Some((length, masked)) = self.length() else { continue };
            if length > limit as u64 {
                return false;
            }
            self.have = 0;
            self.skip = length + if masked { 4 } else { 0 };
        }
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

/// What the guard and the carrier share.
pub struct Watch<S> {
    /// Kept beside the guard: whoever refuses a message goes on reading and throws away what it reads.
    pub payload: RefCell<S>,
    /// Bytes a frame may announce; grows at sign-in.
    pub limit: Cell<usize>,
    pub fault: Cell<Option<Fault>>,
}

/// Why the guard ended the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    TooBig,
    /// The connection broke.
    Broken,
}

/// The request's payload, guarded: it ends at a header that announces too much, and it waits while the
/// client does not read its answers, so that TCP slows the client down.
pub struct Guard<S> {
    pub walker: FrameWalker,
    pub watch: Rc<Watch<S>>,
    pub outbox: Rc<Outbox>,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Watch<S> {
    pub fn poll_payload(&self, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        Pin::new(&mut *self.payload.borrow_mut()).poll_next(context)
    }
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Stream for Guard<S> {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.watch.fault.get().is_some() {
            return Poll::Ready(None);
        }
        ready!(this.outbox.poll_drained(context));
        let Some(chunk) = ready!(this.watch.poll_payload(context)) else {
            return Poll::Ready(None);
        };
        let (fault, answer) = match chunk {
            Err(error) => (Fault::Broken, error),
            Ok(chunk) if this.walker.pass(&chunk, this.watch.limit.get()) => {
                return Poll::Ready(Some(Ok(chunk)));
            }
            Ok(_) => (Fault::TooBig, PayloadError::Overflow),
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
        assert!(!FrameWalker::default().pass(&header, 65_536));
        assert!(
            !FrameWalker::default()
                .pass(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 65_536)
        );
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
            let passed = bytes.chunks(cut).all(|chunk| walker.pass(chunk, limit));
            prop_assert_eq!(passed, sizes.iter().all(|size| *size <= limit));
        }

        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..500), limit in 0_usize..1000) {
            let _ = FrameWalker::default().pass(&bytes, limit);
        }
    }
}
