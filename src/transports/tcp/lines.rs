//! The lines of a connection, bounded.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use tokio::io::ReadBuf;

use crate::transports::{Io, Outbox};
use doorward_core::protocol::CloseReason;

/// Bytes to read at once.
pub(super) const CHUNK: usize = 4 * 1024;

/// Cuts a line off, `end` being where its newline is.
fn split_line(buffer: &mut BytesMut, end: usize) -> BytesMut {
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    line
}

/// What comes of a connection: its lines, bounded, and no faster than their answers are read.
pub struct Lines {
    io: Io,
    buffer: BytesMut,
    /// So many bytes of the buffer are known to hold no newline.
    searched: usize,
    /// What came before ended at a CR: a NUL that comes next belongs to it (Telnet).
    after_cr: bool,
    /// What still arrives is discarded.
    discard: Rc<Cell<bool>>,
    outbox: Rc<Outbox>,
    ended: bool,
}

impl Lines {
    /// `buffer` has what was read already.
    pub fn new(
        io: Io,
        buffer: BytesMut,
        after_cr: bool,
        discard: Rc<Cell<bool>>,
        outbox: Rc<Outbox>,
    ) -> Self {
        Self { io, buffer, searched: 0, after_cr, discard, outbox, ended: false }
    }

    /// Whether what ends there has a CR, which may be half of its end, and then does not count.
    fn ends_in_cr(&self, end: usize) -> bool {
        end > 0 && self.buffer[end - 1] == b'\r'
    }

    /// Bytes of a line whose newline has not come yet. A CR counts once none can come.
    fn unfinished(&self) -> usize {
        let length = self.buffer.len();
        length - usize::from(!self.ended && self.ends_in_cr(length))
    }

    /// The next line of the buffer; a last one need not have an end.
    fn take(&mut self) -> Option<Result<ByteString, CloseReason>> {
        if self.after_cr && !self.buffer.is_empty() {
            self.after_cr = false;
            let belongs = usize::from(self.buffer[0] == 0);
            self.buffer.advance(belongs);
        }
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let line = match end.map(|end| end + self.searched) {
            Some(end) if end - usize::from(self.ends_in_cr(end)) <= self.outbox.message_limit() => {
                split_line(&mut self.buffer, end)
            }
            None if self.unfinished() <= self.outbox.message_limit() => {
                self.searched = self.buffer.len();
                if !self.ended || self.buffer.is_empty() {
                    return None;
                }
                self.buffer.split()
            }
            _ => return Some(Err(CloseReason::TooBig)),
        };
        self.searched = 0;
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        // Text that is not UTF-8 is no JSON either (RFC 8259 section 8.1).
        Some(ByteString::try_from(line.freeze()).map_err(|_| CloseReason::BadMessage))
    }
}

impl Stream for Lines {
    type Item = Result<ByteString, CloseReason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.discard.get() {
                this.buffer = BytesMut::new();
                this.searched = 0;
            } else {
                if !ready!(this.outbox.poll_readable()) {
                    return Poll::Ready(None);
                }
                match this.take() {
                    None => {}
                    Some(Err(reason)) => {
                        // Where the next line begins cannot be known.
                        this.discard.set(true);
                        return Poll::Ready(Some(Err(reason)));
                    }
                    line => return Poll::Ready(line),
                }
            }
            if this.ended {
                return Poll::Ready(None);
            }
            let mut chunk = [std::mem::MaybeUninit::uninit(); CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            match ready!(this.io.poll_read(context, &mut chunk)) {
                Ok(()) if !chunk.filled().is_empty() => this.buffer.extend_from_slice(chunk.filled()),
                // At an error nothing can be answered any more, but what came whole still counts.
                Ok(()) | Err(_) => this.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// What [`Lines`] makes of these pieces.
    fn lines_of(pieces: Vec<Vec<u8>>, limit: usize) -> Vec<Result<String, CloseReason>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(1 << 20);
            for piece in pieces {
                client.write_all(&piece).await.unwrap();
            }
            drop(client);
            let outbox = Outbox::new(1 << 20, limit, None);
            let lines = Lines::new(Io::new(server), BytesMut::new(), false, Rc::default(), outbox);
            lines.map(|line| line.map(|line| line.to_string())).collect().await
        })
    }

    #[test]
    fn lines_end_at_lf_or_crlf_and_the_last_at_the_end() {
        let got = lines_of(vec![b"a\r\nb\n\n".to_vec(), b"c\rd".to_vec()], 10);
        assert_eq!(got, ["a", "b", "", "c\rd"].map(|line| Ok(line.to_owned())));
    }

    #[test]
    fn a_line_over_the_limit_and_bad_text_end_it() {
        assert_eq!(lines_of(vec![b"0123456789\n".to_vec()], 10), [Ok("0123456789".to_owned())]);
        assert_eq!(
            lines_of(vec![b"0123456789\r".to_vec(), b"\n".to_vec()], 10),
            [Ok("0123456789".to_owned())]
        );
        assert_eq!(lines_of(vec![b"012345678\r".to_vec()], 10), [Ok("012345678\r".to_owned())]);
        for long in [&b"01234567890\nx\n"[..], b"01234567890", b"0123456789\r"] {
            assert_eq!(lines_of(vec![long.to_vec()], 10), [Err(CloseReason::TooBig)]);
        }
        assert_eq!(lines_of(vec![b"\xff\nx\n".to_vec()], 10), [Err(CloseReason::BadMessage)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn it_does_not_matter_how_bytes_are_cut(
            lines in prop::collection::vec("[a-zé ]{0,40}", 0..20),
            cuts in prop::collection::vec(1_usize..50, 0..40),
        ) {
            let text: String = lines.iter().map(|line| line.clone() + "\n").collect();
            let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
            for cut in cuts {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece.to_vec());
                rest = more;
            }
            pieces.push(rest.to_vec());
            prop_assert_eq!(lines_of(pieces, 100), lines.into_iter().map(Ok).collect::<Vec<_>>());
        }

        #[test]
        fn any_bytes_are_lines_or_an_end(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
            for line in lines_of(vec![bytes], 300).into_iter().flatten() {
                prop_assert!(line.len() <= 300);
            }
        }
    }
}
