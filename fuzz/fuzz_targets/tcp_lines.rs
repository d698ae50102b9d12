//! A TCP connection: the answers to the two prompts of a sign-in, and the lines after it. However the bytes are cut into
//! pieces, they say the same, and no more than is allowed.
#![no_main]

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use doorward::internals::transports::tcp::Lines;
use doorward::internals::transports::{Io, Outbox};
use doorward_core::protocol::CloseReason;
use doorward_core::protocol::first_bytes::recognize;
use doorward_core::protocol::prompt::{Answers, MAX_ANSWER, Progress};
use futures_util::Stream;
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client sends, a piece at a time, and then the end.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(room.remaining()));
            room.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pieces {
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

/// What the server makes of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    answers: Vec<String>,
    /// Why there were no two answers.
    end: Option<Progress>,
    lines: Vec<Result<String, CloseReason>>,
}

fn receive(bytes: &[u8], cut: usize, limit: usize) -> Received {
    let mut pieces: VecDeque<Vec<u8>> = bytes.chunks(cut).map(<[u8]>::to_vec).collect();
    let (mut answers, mut unused) = (Answers::default(), BytesMut::new());
    let mut received = Received { answers: Vec::new(), end: None, lines: Vec::new() };
    while received.answers.len() < 2 {
        match answers.take(&mut unused) {
            Progress::Answered(answer) => received.answers.push(answer),
            Progress::Empty | Progress::Begun(_) => match pieces.pop_front() {
                Some(piece) => {
                    assert!(unused.is_empty());
                    unused.extend_from_slice(&piece);
                }
                None if answers.has_begun() => received.answers.push(answers.end_without_newline()),
                None => {
                    received.end = Some(Progress::Empty);
                    return received;
                }
            },
            end => {
                received.end = Some(end);
                return received;
            }
        }
    }
    let mut lines = Lines::new(
        Io::new(Pieces(pieces)),
        unused,
        answers.ended_at_cr(),
        Rc::default(),
        Outbox::new(1 << 20, limit, None),
    );
    let mut context = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(line)) = Pin::new(&mut lines).poll_next(&mut context) {
        received.lines.push(line.map(|line| line.to_string()));
    }
    received
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (cut, limit, bytes) = input;
    let (cut, limit) = (usize::from(cut) + 1, usize::from(limit));
    // What it speaks is told by the first bytes, and by more of them in the same way.
    for end in 0..bytes.len().min(40) {
        if let Some(spoken) = recognize(&bytes[..end]) {
            assert_eq!(recognize(bytes), Some(spoken));
        }
    }
    let whole = receive(bytes, bytes.len().max(1), limit);
    assert_eq!(receive(bytes, cut, limit), whole);
    for answer in &whole.answers {
        // A byte that is not UTF-8 becomes a character of three.
        assert!(answer.len() <= 3 * MAX_ANSWER && !answer.contains(['\n', '\r']), "{answer:?}");
    }
    for (index, line) in whole.lines.iter().enumerate() {
        match line {
            Ok(line) => assert!(line.len() <= limit && !line.contains('\n'), "{line:?}"),
            Err(reason) => {
                assert!(matches!(reason, CloseReason::TooBig | CloseReason::BadMessage), "{reason:?}");
                assert_eq!(index + 1, whole.lines.len(), "nothing is read after it");
            }
        }
    }
});
