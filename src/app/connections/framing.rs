//! Finds where one HTTP/1.1 request ends (RFC 9112), so that the next one waits until this one is answered.
//! It decides nothing else: the server that parses a request finds what is wrong with it.

/// How a request's body ends, according to its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Empty,
    /// `Content-Length`
    Length(u64),
    /// `Transfer-Encoding: chunked`
    Chunked,
    /// Another protocol follows, until the connection ends.
    Stream,
}

/// The part of a request that comes next.
#[derive(Debug)]
pub enum Framer {
    Head(Line),
    /// The head or the whole request has passed; what follows waits.
    HandedOver,
    Body {
        left: u64,
    },
    Chunked(Chunks),
    Stream,
}

/// The position within the lines of a head or a trailer.
#[derive(Debug, Default)]
pub struct Line {
    /// This line has had a byte other than a carriage return.
    filled: bool,
    /// An earlier line had one. Empty lines before the first are skipped (RFC 9112 section 2.2).
    begun: bool,
}

/// The position within a chunked body (RFC 9112 section 7.1).
#[derive(Debug)]
pub enum Chunks {
    Size {
        size: u64,
        /// A byte that is not a digit was read; the rest of the line does not affect the size.
        whole: bool,
    },
    Data {
        left: u64,
    },
    DataEnd,
    Trailer(Line),
    Done,
}

impl Default for Framer {
    fn default() -> Self {
        Self::Head(Line::default())
    }
}

impl Framer {
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self, Self::HandedOver)
    }

    #[must_use]
    pub const fn is_head(&self) -> bool {
        matches!(self, Self::Head(_))
    }

    /// The head was parsed: this kind of body follows.
    pub const fn begin(&mut self, kind: Kind) {
        *self = match kind {
            Kind::Empty | Kind::Length(0) => Self::HandedOver,
            Kind::Length(left) => Self::Body { left },
            Kind::Chunked => Self::Chunked(Chunks::Size { size: 0, whole: false }),
            Kind::Stream => Self::Stream,
        };
    }

    /// How many of `bytes` may pass.
    pub fn pass(&mut self, bytes: &[u8]) -> usize {
        let (passed, ended) = match self {
            Self::Head(line) => match line.end(bytes) {
                Some(end) => (end, true),
                None => (bytes.len(), false),
            },
            Self::HandedOver => return 0,
            Self::Body { left } => {
                let step = step(*left, bytes);
                *left -= step as u64;
                (step, *left == 0)
            }
            Self::Chunked(chunks) => {
                let passed = chunks.pass(bytes);
                (passed, matches!(chunks, Chunks::Done))
            }
            Self::Stream => (bytes.len(), false),
        };
        if ended {
            *self = Self::HandedOver;
        }
        passed
    }
}

impl Line {
    /// Where in `bytes` an empty line follows a line that is not empty.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut start = 0;
        while let Some(length) = bytes[start..].iter().position(|byte| *byte == b'\n') {
            self.fill(&bytes[start..start + length]);
            start += length + 1;
            match (std::mem::take(&mut self.filled), self.begun) {
                (true, _) => self.begun = true,
                (false, true) => return Some(start),
                (false, false) => {}
            }
        }
        self.fill(&bytes[start..]);
        None
    }

    fn fill(&mut self, bytes: &[u8]) {
        self.filled |= bytes.iter().any(|byte| *byte != b'\r');
    }
}

impl Chunks {
    fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            match self {
                Self::Size { size, whole } => {
                    let byte = bytes[at];
                    at += 1;
                    if byte == b'\n' {
                        *self = match *size {
                            // The line before a trailer counts as its first.
                            0 => Self::Trailer(Line { filled: false, begun: true }),
                            left => Self::Data { left },
                        };
                    } else if !*whole {
                        match char::from(byte).to_digit(16) {
                            Some(digit) => *size = size.saturating_mul(16).saturating_add(u64::from(digit)),
                            None => *whole = true,
                        }
                    }
                }
                Self::Data { left } => {
                    let step = step(*left, &bytes[at..]);
                    *left -= step as u64;
                    at += step;
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                }
                Self::DataEnd => {
                    if bytes[at] == b'\n' {
                        *self = Self::Size { size: 0, whole: false };
                    }
                    at += 1;
                }
                Self::Trailer(line) => match line.end(&bytes[at..]) {
                    Some(end) => {
                        at += end;
                        *self = Self::Done;
                    }
                    None => at = bytes.len(),
                },
                Self::Done => break,
            }
        }
        at
    }
}

fn step(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How many bytes pass if they are received in pieces, up to where the framer holds.
    fn passed(framer: &mut Framer, bytes: &[u8], cut: usize) -> usize {
        let mut all = 0;
        for piece in bytes.chunks(cut) {
            let step = framer.pass(piece);
            all += step;
            if step < piece.len() {
                break;
            }
        }
        all
    }

    const HEADS: [&str; 4] = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\r\n\r\n\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\nHost: x\n\n",
        "GET / HTTP/1.1\r\nHost: x\n\r\n",
    ];

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_is_cut() {
        for head in HEADS {
            for cut in 1..40 {
                let mut framer = Framer::default();
                let bytes = format!("{head}GET /next HTTP/1.1\r\n\r\n");
                assert_eq!(passed(&mut framer, bytes.as_bytes(), cut), head.len(), "{head:?} {cut}");
                assert!(framer.is_held());
                assert_eq!(framer.pass(b"GET"), 0, "the next request waits");
            }
        }
    }

    #[test]
    fn a_body_passes_as_far_as_it_was_announced() {
        for (kind, body) in [
            (Kind::Length(5), "hello"),
            (Kind::Empty, ""),
            (Kind::Length(0), ""),
            (Kind::Chunked, "0\r\n\r\n"),
            (Kind::Chunked, "5\r\nhello\r\n00A;x=y\r\n0123456789\r\n0\r\n\r\n"),
            (Kind::Chunked, "1\r\n\n\r\n0\r\nTrailer: 1\r\n\r\n"),
        ] {
            for cut in 1..40 {
                let mut framer = Framer::HandedOver;
                framer.begin(kind);
                let bytes = format!("{body}POST / HTTP/1.1\r\n");
                assert_eq!(passed(&mut framer, bytes.as_bytes(), cut), body.len(), "{kind:?} {cut}");
                assert!(framer.is_held(), "{kind:?} {cut}");
            }
        }
        let mut framer = Framer::HandedOver;
        framer.begin(Kind::Stream);
        assert_eq!(framer.pass(&[b'\n'; 100]), 100);
    }

    proptest! {
        #[test]
        fn chunks_of_any_size_pass_to_their_end(
            sizes in prop::collection::vec(1_usize..3000, 0..6),
            cut in 1_usize..4000,
            rest in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut body = Vec::new();
            for size in sizes {
                body.extend_from_slice(format!("{size:x}\r\n").as_bytes());
                body.extend(std::iter::repeat_n(b'\n', size));
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            let whole = body.len();
            body.extend_from_slice(&rest);
            let mut framer = Framer::HandedOver;
            framer.begin(Kind::Chunked);
            prop_assert_eq!(passed(&mut framer, &body, cut), whole);
        }

        #[test]
        fn no_bytes_panic_and_never_more_pass_than_there_are(
            bytes in prop::collection::vec(any::<u8>(), 0..500),
            cut in 1_usize..100,
            chunked in any::<bool>(),
        ) {
            let mut framer = Framer::default();
            if chunked {
                framer.begin(Kind::Chunked);
            }
            prop_assert!(passed(&mut framer, &bytes, cut) <= bytes.len());
        }
    }
}
