//! An HTTP connection as actix-http reads and writes it: one request at a time, so that pipelined requests
//! wait in the kernel, and each part within its deadline.
//!
//! actix-http only limits the time of the first head. While a request is served it also reads ahead without
//! bound, and once its buffer is full it keeps waking itself.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use actix_codec::{Framed, FramedParts};
use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::h1::{Codec, Message};
use actix_http::{ConnectionType, Request, RequestHead, Response};
use actix_service::Service;
use actix_web::dev::Extensions;
use actix_web::http::{Method, header};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::codec::Encoder;

use super::Handle;
use super::exchange::Exchange;
use super::framing::Kind;
use super::stream::Stream;
use super::table::Mark;
use crate::peer::ConnectionLifetime;
use crate::transports::{Io, Opened, Upgrade};

/// Bytes of later requests that are read early, to notice a client that disconnects.
const MAX_AHEAD: usize = 4 * 1024;

/// The response to a head that is late (RFC 9110 section 15.5.9).
const LATE_RESPONSE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\
                               x-content-type-options: nosniff\r\nconnection: close\r\n\r\n";

/// The stream that actix-http reads and writes.
pub struct Wire {
    stream: Stream,
    connection: Rc<ConnectionState>,
}

/// What the connection and its requests share, on one thread.
pub struct ConnectionState {
    handle: Handle,
    /// Nothing has been read yet.
    fresh: Cell<bool>,
    state: RefCell<State>,
}

struct State {
    exchange: Exchange,
    /// Read, but not passed on yet.
    ahead: BytesMut,
    /// Woken once it may be passed on.
    reader: Option<Waker>,
}

impl State {
    fn wake(&mut self) {
        if !self.ahead.is_empty()
            && let Some(reader) = &self.reader
        {
            reader.wake_by_ref();
        }
    }
}

impl Wire {
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        let handle = stream.handle().clone();
        let exchange = Exchange::new(Arc::clone(handle.deadlines()), handle.now());
        handle.set_mark(exchange.mark());
        let state = State { exchange, ahead: BytesMut::new(), reader: None };
        let state = RefCell::new(state);
        let connection = ConnectionState { handle, fresh: Cell::new(true), state };
        Self { stream, connection: Rc::new(connection) }
    }

    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    pub const fn connection(&self) -> &Rc<ConnectionState> {
        &self.connection
    }

    /// Notes what requests on this connection need of it.
    pub fn on_connect(&self, data: &mut Extensions) {
        let socket = self.stream().peer_socket();
        data.insert(socket);
        data.insert(ConnectionLifetime::new(socket));
        data.insert(Rc::clone(self.connection()));
    }
}

impl ConnectionState {
    fn change(&self, change: impl FnOnce(&mut Exchange, u64) -> Option<Mark>) {
        let mut state = self.state.borrow_mut();
        if let Some(mark) = change(&mut state.exchange, self.handle.now()) {
            self.handle.set_mark(mark);
        }
        if !state.exchange.is_held() {
            state.wake();
        }
    }

    fn begin(&self, head: &RequestHead) {
        self.change(|exchange, now| exchange.begin(kind(head), now));
    }

    /// The response's last byte is in the buffer.
    fn encoded(&self) {
        self.state.borrow_mut().exchange.encoded();
    }
}

/// How actix-http interprets a head.
fn kind(head: &RequestHead) -> Kind {
    let headers = head.headers();
    let upgrade = |value: &header::HeaderValue| {
        value.to_str().is_ok_and(|value| value.trim().eq_ignore_ascii_case("websocket"))
    };
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Kind::Chunked;
    }
    if headers.get_all(header::UPGRADE).any(upgrade) {
        return Kind::Stream;
    }
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    match length {
        Some(length) if length > 0 => Kind::Length(length),
        _ if head.method == Method::CONNECT => Kind::Stream,
        _ => Kind::Empty,
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, connection } = self.get_mut();
        let mut state = connection.state.borrow_mut();
        let State { exchange, ahead, reader } = &mut *state;
        let handle = &connection.handle;
        if handle.is_late() {
            // As much as fits: a client that has sent no request expects nothing else.
            let _ = Pin::new(&mut *stream).poll_write(context, LATE_RESPONSE);
            let _ = Pin::new(stream).poll_flush(context);
            return Poll::Ready(Ok(()));
        }
        if exchange.is_held() {
            // Also if nothing more is received: data that is here already waits for its turn.
            if !reader.as_ref().is_some_and(|reader| reader.will_wake(context.waker())) {
                *reader = Some(context.waker().clone());
            }
            ready!(poll_ahead(Pin::new(stream), context, ahead))?;
            return if ahead.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let now = handle.now();
        let mark = if ahead.is_empty() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
            let read = &buffer.filled()[before..];
            if connection.fresh.replace(false) {
                handle.inspect_first_bytes(read, &stream.socket().tcp);
            }
            let (passed, mark) = exchange.pass(read, now);
            ahead.extend_from_slice(&read[passed..]);
            buffer.set_filled(before + passed);
            mark
        } else {
            let room = ahead.len().min(buffer.remaining());
            let (passed, mark) = exchange.pass(&ahead[..room], now);
            buffer.put_slice(&ahead[..passed]);
            ahead.advance(passed);
            if ahead.is_empty() {
                // An idle connection keeps no buffer.
                *ahead = BytesMut::new();
            }
            mark
        };
        if let Some(mark) = mark {
            handle.set_mark(mark);
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads a little of what has to wait. Ready at the end of the stream, or once there is enough.
fn poll_ahead(
    mut stream: Pin<&mut Stream>,
    context: &mut Context<'_>,
    ahead: &mut BytesMut,
) -> Poll<io::Result<()>> {
    let mut chunk = [0; 1024];
    while ahead.len() < MAX_AHEAD {
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(stream.as_mut().poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            break;
        }
        ahead.extend_from_slice(buffer.filled());
    }
    Poll::Ready(Ok(()))
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, connection } = self.get_mut();
        let written = Pin::new(stream).poll_write(context, bytes);
        match &written {
            Poll::Pending => connection.change(Exchange::blocked),
            Poll::Ready(Ok(written)) => connection.change(|exchange, now| exchange.wrote(*written, now)),
            Poll::Ready(Err(_)) => {}
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, connection } = self.get_mut();
        let flushed = Pin::new(stream).poll_flush(context);
        connection.change(if flushed.is_pending() { Exchange::blocked } else { Exchange::flushed });
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, connection } = self.get_mut();
        connection.change(Exchange::closing);
        Pin::new(stream).poll_shutdown(context)
    }
}

/// Serves a request and reports its progress to the connection.
pub fn serve<S>(
    request: Request,
    service: &S,
) -> impl Future<Output = Result<Response<TrackedBody>, S::Error>> + use<S>
where
    S: Service<Request>,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
{
    let connection = request.conn_data::<Rc<ConnectionState>>().cloned();
    if let Some(connection) = &connection {
        connection.begin(request.head());
    }
    let answer = service.call(request);
    async move { Ok(response(answer.await).map_body(|_, body| TrackedBody { body, connection })) }
}

fn response<R: Into<Response<BoxBody>>, E: Into<Response<BoxBody>>>(
    answer: Result<R, E>,
) -> Response<BoxBody> {
    match answer {
        Ok(response) => response.into(),
        Err(error) => error.into(),
    }
}

/// Serves a request after which another protocol may follow, alone on its connection: hands the connection over to
/// that, or closes it once the response is sent.
pub async fn serve_upgrade<S>(request: Request, framed: Framed<Wire, Codec>, service: Rc<S>)
where
    S: Service<Request>,
    S::Response: Into<Response<BoxBody>>,
    S::Error: Into<Response<BoxBody>>,
{
    let connection = Rc::clone(&framed.io_ref().connection);
    connection.begin(request.head());
    let mut response = response(service.call(request).await);
    let upgrade = response.extensions_mut().remove::<Upgrade>();
    if let Some(upgrade) = upgrade {
        return hand_over(framed, response, upgrade);
    }
    response.head_mut().set_connection_type(ConnectionType::Close);
    let response = response.map_body(|_, body| TrackedBody { body, connection: Some(connection) });
    // An error says no more than that the client was faster.
    let _ = send(framed, response).await;
}

fn hand_over(framed: Framed<Wire, Codec>, response: Response<BoxBody>, upgrade: Upgrade) {
    let FramedParts { io, mut codec, read_buf: mut unread, write_buf: mut head, .. } = framed.into_parts();
    let Wire { stream, connection } = io;
    let message = Message::Item((response.drop_body(), BodySize::None));
    // It fails for bodies only.
    if codec.encode(message, &mut head).is_err() {
        return;
    }
    unread.extend_from_slice(&connection.state.borrow().ahead);
    connection.handle.live();
    let socket = stream.peer_socket();
    upgrade.start(Opened { io: Io::new(stream), socket, head: head.into(), unread });
}

/// Sends a response and closes the connection.
async fn send(mut framed: Framed<Wire, Codec>, response: Response<TrackedBody>) -> io::Result<()> {
    let (head, mut body) = response.into_parts();
    framed.feed(Message::Item((head, body.size()))).await?;
    while let Some(chunk) = poll_fn(|context| Pin::new(&mut body).poll_next(context)).await {
        // A body that fails ends its connection: its client sees that something is missing.
        let Ok(chunk) = chunk else { return Ok(()) };
        framed.send(Message::Chunk(Some(chunk))).await?;
    }
    framed.feed(Message::Chunk(None)).await?;
    // All of it is in the buffer.
    drop(body);
    SinkExt::<Message<(Response<()>, BodySize)>>::close(&mut framed).await
}

/// A response's body. Dropped when its last byte is in the connection's buffer.
pub struct TrackedBody {
    body: BoxBody,
    connection: Option<Rc<ConnectionState>>,
}

impl MessageBody for TrackedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.encoded();
        }
    }
}
