//! The stream of an accepted connection: plain text, or TLS after its handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::socket::Socket;
use super::{Handle, plain_text};
use crate::peer::PeerSocket;
use doorward_core::protocol::first_bytes::TLS_RECORD;

/// The stream that both listeners read and write.
#[derive(Debug)]
pub enum Stream {
    Plain(Socket),
    /// Boxed because its state is large.
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    /// Performs the TLS handshake, if there is to be one, within its deadline.
    ///
    /// # Errors
    /// The error of the connection or of the handshake; `TimedOut` if the client is silent or slow.
    pub async fn open(socket: Socket, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        match tls {
            None => Ok(Self::Plain(socket)),
            // Boxed, so that an open connection does not keep the memory of its handshake.
            Some(tls) => Box::pin(secure(socket, tls)).await,
        }
    }

    #[must_use]
    pub fn socket(&self) -> &Socket {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    #[must_use]
    pub fn peer_socket(&self) -> PeerSocket {
        use std::os::fd::AsRawFd;

        PeerSocket(self.socket().tcp.as_raw_fd())
    }

    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.socket().slot.handle()
    }
}

#[expect(clippy::disallowed_methods, reason = "a peer's real patience; no rule depends on it")]
async fn secure(mut socket: Socket, tls: TlsAcceptor) -> io::Result<Stream> {
    let start = Instant::now();
    let handle = socket.slot.handle().clone();
    let deadlines = handle.deadlines();
    // Checked before anything is allocated: most clients that are silent stay silent.
    let mut first = [0];
    let Ok(peeked) = timeout_at(start + deadlines.silence, socket.tcp.peek(&mut first)).await else {
        plain_text::answer_silent(socket).await;
        return Err(io::ErrorKind::TimedOut.into());
    };
    match peeked? {
        0 => return Err(io::ErrorKind::UnexpectedEof.into()),
        _ if first[0] == TLS_RECORD => {}
        _ => return Err(plain_text::refuse(socket, start + deadlines.handshake).await),
    }
    socket.last_byte_at = Some(Instant::now());
    let mut accept = tls.accept(socket);
    let mut silent_at = start + deadlines.silence;
    let mut stream = loop {
        let deadline = silent_at.min(start + deadlines.handshake);
        if let Ok(accepted) = timeout_at(deadline, &mut accept).await {
            break accepted?;
        }
        // The handshake continues as long as bytes are received, until its own deadline.
        let last_byte_at = accept.get_ref().and_then(|socket| socket.last_byte_at).unwrap_or(start);
        if deadline == start + deadlines.handshake || last_byte_at + deadlines.silence <= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        silent_at = last_byte_at + deadlines.silence;
    };
    stream.get_mut().0.last_byte_at = None;
    handle.secured();
    Ok(Stream::Tls(Box::new(stream)))
}

macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Self::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(context))
    }
}
