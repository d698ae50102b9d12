//! Reads frame headers as they arrive. The codec checks a frame's size only once the *whole* frame is buffered, so that
//! a header that announces 512 MiB would cost 512 MiB; this stops at the header.

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
    /// Passes `bytes` and returns whether no header in them announces more than `limit` bytes of payload. What follows
    /// such a header is walked all the same: the client's Close may be in it.
    pub fn pass(&mut self, mut bytes: &[u8], limit: usize) -> bool {
        let mut fits = true;
        loop {
            if self.skip > 0 {
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                bytes = &bytes[step..];
                self.skip -= step as u64;
                self.note_end();
            }
            let Some((first, rest)) = bytes.split_first() else { return fits };
            bytes = rest;
            self.header[self.have] = *first;
            self.have += 1;
            let Some((length, masked)) = self.length() else { continue };
            fits &= length <= limit as u64;
            self.closing = self.header[0] & 0x0f == CLOSE;
            self.have = 0;
            self.skip = length.saturating_add(if masked { 4 } else { 0 });
            self.note_end();
        }
    }

    /// A frame ends here, unless some of it is still to pass.
    const fn note_end(&mut self) {
        self.closed |= self.closing && self.skip == 0;
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
            let mut passed = true;
            for chunk in bytes.chunks(cut) {
                passed &= walker.pass(chunk, limit);
            }
            prop_assert!(!walker.has_closed());
            prop_assert_eq!(passed, sizes.iter().all(|size| *size <= limit));
        }

        #[test]
        fn any_bytes_are_walked(bytes in prop::collection::vec(any::<u8>(), 0..500), limit in 0_usize..1000) {
            let _ = FrameWalker::default().pass(&bytes, limit);
        }
    }
}
