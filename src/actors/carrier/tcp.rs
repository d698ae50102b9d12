//! The TCP carrier, plain or under TLS: a line a message. Before it comes what older clients expect of a sign-in,
//! in their words.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Handler, Message, StreamHandler};
use bytes::{Buf, BytesMut};
use bytestring::ByteString;
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, ReadHalf, WriteHalf};
use tokio::sync::oneshot;

use super::outbox::{Drain, Outbox, PeerSocket};
use super::{Carrier, Full};
use crate::actors::session::Session;
use crate::domain::Access;
use crate::protocol::{CloseReason, ServerMessage, json};
use crate::session::Unread;

/// The outcome of a sign-in, in the words that the older system's clients know.
pub const SUCCESS: &str = "Login successful!\n";
pub const FAILURE: &str = "Login failed\n";

/// How long a client may take to read what is left for it when its session has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Bytes to read at once.
const CHUNK: usize = 4 * 1024;

/// A connection and the bytes of it that were read but not used yet.
pub struct Connection<S> {
    pub stream: S,
    pub unused: BytesMut,
    pub socket: PeerSocket,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub fn new(stream: S, socket: PeerSocket) -> Self {
        Self { stream, unused: BytesMut::new(), socket }
    }

    /// Reads some more; answers how much, 0 at the end.
    ///
    /// # Errors
    /// The connection's.
    pub async fn read_more(&mut self) -> io::Result<usize> {
        self.unused.reserve(CHUNK);
        self.stream.read_buf(&mut self.unused).await
    }

    /// The next line if a whole one was read, without its end.
    pub fn take_line(&mut self) -> Option<BytesMut> {
        let end = self.unused.iter().position(|byte| *byte == b'\n')?;
        Some(split_line(&mut self.unused, end))
    }

    /// Says something last and closes in a way that it can be read: what the client still sends is thrown
    /// away until it closes too, since a connection with unread bytes in it would be reset.
    pub async fn farewell(mut self, words: &[u8]) {
        let goodbye = async {
            self.stream.write_all(words).await?;
            self.stream.shutdown().await?;
            let mut chunk = vec![0; CHUNK];
            while self.stream.read(&mut chunk).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
        // Whoever does not listen misses it.
        let _ = tokio::time::timeout(LAST_WORDS, goodbye).await;
    }
}

/// Cuts a line off, `end` being where its newline is.
fn split_line(buffer: &mut BytesMut, end: usize) -> BytesMut {
    let mut line = buffer.split_to(end);
    buffer.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(end - 1);
    }
    line
}

/// Bounds of one connection, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A line after sign-in.
    pub line: usize,
    /// What may wait for the client to read.
    pub outbox: usize,
}

/// One TCP connection as its actor holds it.
pub struct Tcp {
    outbox: Rc<Outbox>,
    /// The session has ended: what still comes is thrown away.
    discard: Rc<Cell<bool>>,
    /// Neither success nor failure was said yet.
    at_prompt: bool,
    /// Tells the connection that its actor has gone, however that came.
    _alive: oneshot::Sender<()>,
}

/// Starts the session that `make` makes of the connection. The future is the connection: it ends when nothing
/// more comes or goes.
pub fn open<S>(
    connection: Connection<S>,
    limits: Limits,
    make: impl FnOnce(Tcp) -> Session<Tcp>,
) -> (Addr<Session<Tcp>>, impl Future<Output = ()>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let outbox = Outbox::new(limits.outbox, Some(connection.socket));
    let discard = Rc::new(Cell::new(false));
    let (read, write) = tokio::io::split(connection.stream);
    let lines = Lines {
        read,
        // An idle connection keeps no buffer.
        buffer: if connection.unused.is_empty() { BytesMut::new() } else { connection.unused },
        searched: 0,
        limit: limits.line,
        discard: Rc::clone(&discard),
        outbox: Rc::clone(&outbox),
        ended: false,
    };
    let (alive, gone) = oneshot::channel();
    let tcp = Tcp { outbox: Rc::clone(&outbox), discard, at_prompt: true, _alive: alive };
    let session = Session::create(|context| {
        context.add_stream(lines);
        make(tcp)
    });
    (session, carry(write, outbox, gone))
}

async fn carry<S: AsyncWrite>(write: WriteHalf<S>, outbox: Rc<Outbox>, gone: oneshot::Receiver<()>) {
    let mut writing = std::pin::pin!(write_out(write, Rc::clone(&outbox)));
    let mut gone = gone;
    tokio::select! {
        () = &mut writing => {
            // It ends by itself: nothing more can be sent, and nothing more will be read for long.
            let _ = gone.await;
        }
        _ = &mut gone => {
            outbox.finish();
            #[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
            if tokio::time::timeout(LAST_WORDS, &mut writing).await.is_err() {
                outbox.cut();
                writing.await;
            }
        }
    }
}

/// Empties the outbox into the connection until it is finished.
async fn write_out<S: AsyncWrite>(mut write: WriteHalf<S>, outbox: Rc<Outbox>) {
    // Dropped with the connection's writing half: until then the descriptor is this connection's.
    let drain = Drain(outbox);
    while let Some(bytes) = poll_fn(|context| drain.0.poll_take(context)).await {
        if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

impl Tcp {
    fn say(&mut self, words: &str) -> Result<(), Full> {
        self.at_prompt = false;
        self.outbox.push(|out| out.extend_from_slice(words.as_bytes()))
    }
}

impl Carrier for Tcp {
    type Context = actix::Context<Session<Self>>;

    const NAME: &'static str = "tcp";

    fn send(&mut self, message: &ServerMessage) -> Result<(), Full> {
        if self.at_prompt {
            self.say(FAILURE)?;
        }
        let mut text = Vec::with_capacity(256);
        json::encode(message, &mut text);
        text.push(b'\n');
        self.outbox.push(|out| out.extend_from_slice(&text))
    }

    fn ping(&mut self) -> Result<(), Full> {
        self.send(&ServerMessage::Ping)
    }

    fn signed_in(&mut self) {
        // The outbox was empty: it fits.
        let _ = self.say(SUCCESS);
    }

    fn close(&mut self, reason: CloseReason) -> bool {
        match reason {
            CloseReason::ClientLeft => return false,
            CloseReason::TooSlow => {
                self.cut();
                return false;
            }
            _ => {}
        }
        // Full or not: what does not fit is not read anyway.
        let _ = self.send(&ServerMessage::goodbye(reason));
        self.discard.set(true);
        self.outbox.finish();
        true
    }

    fn cut(&mut self) {
        self.outbox.cut();
    }

    fn unread(&self) -> Unread {
        self.outbox.unread()
    }

    fn congested(&self) -> bool {
        self.outbox.congested()
    }

    fn drained(&self) -> impl Future<Output = ()> + 'static {
        let outbox = Rc::clone(&self.outbox);
        poll_fn(move |context| outbox.poll_drained(context))
    }
}

/// What comes of a connection: its lines, bounded, and no faster than their answers are read.
struct Lines<S> {
    read: ReadHalf<S>,
    buffer: BytesMut,
    /// So many bytes of the buffer are known to hold no newline.
    searched: usize,
    limit: usize,
    discard: Rc<Cell<bool>>,
    outbox: Rc<Outbox>,
    ended: bool,
}

impl<S: AsyncRead> Lines<S> {
    /// Whether what ends there has a CR, which may be half of its end, and then does not count.
    fn ends_in_cr(&self, end: usize) -> bool {
        end > 0 && self.buffer[end - 1] == b'\r'
    }

    /// The next line of the buffer; a last one need not have an end.
    fn take(&mut self) -> Option<Result<ByteString, CloseReason>> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let line = match end.map(|end| end + self.searched) {
            Some(end) if end - usize::from(self.ends_in_cr(end)) <= self.limit => {
                split_line(&mut self.buffer, end)
            }
            None if self.buffer.len() - usize::from(self.ends_in_cr(self.buffer.len())) <= self.limit => {
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

impl<S: AsyncRead> Stream for Lines<S> {
    type Item = Result<ByteString, CloseReason>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.discard.get() {
                this.buffer = BytesMut::new();
                this.searched = 0;
            } else {
                if this.outbox.poll_abandoned(context).is_ready() {
                    return Poll::Ready(None);
                }
                ready!(this.outbox.poll_drained(context));
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
            match ready!(Pin::new(&mut this.read).poll_read(context, &mut chunk)) {
                Ok(()) if !chunk.filled().is_empty() => this.buffer.extend_from_slice(chunk.filled()),
                // At an error nothing can be answered any more, but what came whole still counts.
                Ok(()) | Err(_) => this.ended = true,
            }
        }
    }
}

impl StreamHandler<Result<ByteString, CloseReason>> for Session<Tcp> {
    fn handle(&mut self, line: Result<ByteString, CloseReason>, context: &mut Self::Context) {
        match line {
            // Whoever presses Enter, or has nothing to say but is there.
            Ok(line) if line.trim().is_empty() => self.heard(),
            Ok(line) => self.receive(line, context),
            Err(reason) => self.close(reason, context),
        }
    }

    fn finished(&mut self, context: &mut Self::Context) {
        self.left(context);
    }
}

/// Renews a session whose sign-in is its connection.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Renew(pub Access);

impl Handler<Renew> for Session<Tcp> {
    type Result = ();

    fn handle(&mut self, Renew(access): Renew, context: &mut Self::Context) {
        self.renew(access, context);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use proptest::prelude::*;

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
            let lines = Lines {
                read: tokio::io::split(server).0,
                buffer: BytesMut::new(),
                searched: 0,
                limit,
                discard: Rc::default(),
                outbox: Outbox::new(1 << 20, None),
                ended: false,
            };
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
        for long in [&b"01234567890\nx\n"[..], b"01234567890"] {
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
