//! A connection that remembers how it began. The first bytes that arrive show which protocol the other end speaks; and
//! whether anything was sent shows whether the server had greeted, which lettre's errors do not tell.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are kept: enough to tell protocols apart.
const KEPT: usize = 64;

/// What a tap has seen so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The first bytes that were received.
    first: Mutex<Vec<u8>>,
    has_sent: AtomicBool,
}

/// The protocol of the other end, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Speaks {
    #[default]
    Nothing,
    /// Or FTP, whose greeting looks the same.
    Smtp,
    Tls,
    Http,
    Imap,
    Pop3,
    Ssh,
    SomethingElse,
}

impl Seen {
    /// Whether anything was sent. The client sends nothing before the greeting.
    pub fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::Relaxed)
    }

    pub fn speaks(&self) -> Speaks {
        speaks(&self.first())
    }

    fn keep(&self, received: &[u8]) {
        let mut first = self.first();
        let room = KEPT.saturating_sub(first.len()).min(received.len());
        first.extend_from_slice(&received[..room]);
    }

    fn first(&self) -> MutexGuard<'_, Vec<u8>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn speaks(first: &[u8]) -> Speaks {
    match first {
        [] => Speaks::Nothing,
        // The record of a handshake or of an alert (RFC 8446 section 5.1).
        [21 | 22, 3, ..] => Speaks::Tls,
        [b'*', b' ', ..] => Speaks::Imap,
        [b'+', b'O', b'K', ..] | [b'-', b'E', b'R', b'R', ..] => Speaks::Pop3,
        [a, b, c, b' ' | b'-', ..] if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) => Speaks::Smtp,
        _ if first.starts_with(b"HTTP/") || first.starts_with(b"<") => Speaks::Http,
        _ if first.starts_with(b"SSH-") => Speaks::Ssh,
        _ => Speaks::SomethingElse,
    }
}

/// A stream that passes everything on and notes how it began.
#[derive(Debug)]
pub(super) struct Tap<S> {
    inner: S,
    peer: SocketAddr,
    seen: Arc<Seen>,
}

impl<S> Tap<S> {
    pub fn new(inner: S, peer: SocketAddr) -> (Self, Arc<Seen>) {
        let seen = Arc::<Seen>::default();
        (Self { inner, peer, seen: Arc::clone(&seen) }, seen)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buffer);
        let received = &buffer.filled()[before..];
        if !received.is_empty() {
            self.seen.keep(received);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.seen.has_sent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Tap<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        for (first, protocol) in [
            (&b""[..], Speaks::Nothing),
            (b"220 mail.example ESMTP\r\n", Speaks::Smtp),
            (b"554-no\r\n", Speaks::Smtp),
            (b"\x16\x03\x03\x00\x7a", Speaks::Tls),
            (b"\x15\x03\x01\x00\x02", Speaks::Tls),
            (b"HTTP/1.1 400 Bad Request\r\n", Speaks::Http),
            (b"<html>", Speaks::Http),
            (b"* OK [CAPABILITY IMAP4rev1]", Speaks::Imap),
            (b"* BYE", Speaks::Imap),
            (b"+OK ready", Speaks::Pop3),
            (b"SSH-2.0-OpenSSH", Speaks::Ssh),
            (b"J\0\0\0", Speaks::SomethingElse),
            (b"22", Speaks::SomethingElse),
        ] {
            assert_eq!(speaks(first), protocol, "{first:?}");
        }
    }
}
