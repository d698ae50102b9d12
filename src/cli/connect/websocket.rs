//! `/ws` as a client sees it.

use std::time::Duration;

use awc::error::WsClientError;
use awc::http::StatusCode;
use awc::ws::{CloseCode, CloseReason, Frame, Message};
use bytes::BytesMut;
use futures_util::{Sink, SinkExt, Stream, StreamExt, stream};
use tokio::sync::mpsc::UnboundedReceiver;

use super::wire::{Incoming, MAX_MESSAGE, Outgoing, PATIENCE, Trouble, Wire};

/// Opens a socket at this address with a token.
///
/// # Errors
/// [`Trouble`].
pub async fn open(client: &awc::Client, url: &str, token: &str) -> Result<Wire, Trouble> {
    let opening = client.ws(url).max_frame_size(MAX_MESSAGE).bearer_auth(token).connect();
    #[expect(clippy::disallowed_methods, reason = "a server's real pace")]
    let opened = tokio::time::timeout(PATIENCE, opening).await;
    let Ok(opened) = opened else { return Err(Trouble::Unreachable("no answer in time".to_owned())) };
    match opened {
        Ok((_, framed)) => {
            let (write, read) = framed.split();
            Ok(Wire::new(incoming(read), |queue| write_out(write, queue)))
        }
        Err(WsClientError::InvalidResponseStatus(status)) => Err(match status {
            StatusCode::UNAUTHORIZED => Trouble::Expired,
            StatusCode::TOO_MANY_REQUESTS => {
                Trouble::Busy("too many connections of this address".to_owned(), Duration::ZERO)
            }
            StatusCode::SERVICE_UNAVAILABLE => Trouble::Busy("the server is busy".to_owned(), Duration::ZERO),
            StatusCode::UPGRADE_REQUIRED => Trouble::Unreachable(format!(
                "the server answered {status}: a proxy in between does not let WebSockets pass"
            )),
            StatusCode::NOT_FOUND => Trouble::Unreachable(format!(
                "the server answered {status}: the URL's path is what the server's own paths follow"
            )),
            status => Trouble::Unreachable(format!("the server answered {status}")),
        }),
        Err(error) => Err(Trouble::Unreachable(error.to_string())),
    }
}

/// Puts the parts of a message together.
fn incoming<E: std::fmt::Display>(
    frames: impl Stream<Item = Result<Frame, E>> + Unpin,
) -> impl Stream<Item = Incoming> {
    stream::unfold((Some(frames), BytesMut::new()), |(frames, mut parts)| async move {
        use awc::ws::Frame::{Binary, Close, Continuation, Ping, Pong, Text};
        let mut frames = frames?;
        loop {
            let end = match frames.next().await {
                Some(Ok(Text(text))) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    return Some((Incoming::Text(text), (Some(frames), parts)));
                }
                Some(Ok(Ping(bytes))) => return Some((Incoming::Ping(bytes), (Some(frames), parts))),
                Some(Ok(Continuation(item))) => {
                    use actix_http::ws::Item;
                    let (part, last) = match item {
                        Item::FirstText(part) | Item::FirstBinary(part) | Item::Continue(part) => {
                            (part, false)
                        }
                        Item::Last(part) => (part, true),
                    };
                    if parts.len() + part.len() > MAX_MESSAGE {
                        "a message of the server is too long".to_owned()
                    } else {
                        parts.extend_from_slice(&part);
                        if last {
                            let text = String::from_utf8_lossy(&parts.split()).into_owned();
                            return Some((Incoming::Text(text), (Some(frames), parts)));
                        }
                        continue;
                    }
                }
                Some(Ok(Pong(_) | Binary(_))) => continue,
                Some(Ok(Close(Some(reason)))) => {
                    format!("closed with code {}", u16::from(reason.code))
                }
                Some(Ok(Close(None))) | None => "the connection ended".to_owned(),
                Some(Err(error)) => error.to_string(),
            };
            return Some((Incoming::Closed(end), (None, parts)));
        }
    })
}

async fn write_out(mut write: impl Sink<Message> + Unpin, mut queue: UnboundedReceiver<Outgoing>) {
    while let Some(message) = queue.recv().await {
        let message = match message {
            Outgoing::Text(text) => Message::Text(text.into()),
            Outgoing::Pong(bytes) => Message::Pong(bytes),
            Outgoing::Close => break,
        };
        if write.send(message).await.is_err() {
            return;
        }
    }
    let _ = write.send(Message::Close(Some(CloseReason::from(CloseCode::Normal)))).await;
}
