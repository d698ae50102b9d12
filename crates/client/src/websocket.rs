//! `/ws` as a client sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::SplitSink;
use futures_util::{SinkExt, Stream, StreamExt, stream};
use rustls::ClientConfig;
use tokio::sync::mpsc::Receiver;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode};
use tokio_tungstenite::tungstenite::{self, ClientRequestBuilder, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::connection::{Connection, Incoming, MAX_MESSAGE, Outgoing};
use crate::error::Error;
use crate::stream::{connect, in_time, unreachable};
use crate::url::ServerUrl;

/// Opens a socket with an access token.
pub async fn open(url: &ServerUrl, tls: &Arc<ClientConfig>, token: &str) -> Result<Connection, Error> {
    let uri = url.socket().parse().map_err(unreachable)?;
    let request = ClientRequestBuilder::new(uri).with_header("Authorization", format!("Bearer {token}"));
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
    in_time(async {
        let stream = connect(url, tls).await?;
        let opened = client_async_with_config(request, stream, Some(config)).await;
        let (write, read) = opened.map_err(handshake_error)?.0.split();
        Ok(Connection::new(incoming(read), |queue| write_out(write, queue)))
    })
    .await
}

fn handshake_error(error: tungstenite::Error) -> Error {
    let busy = |reason: &str| Error::Busy { reason: reason.to_owned(), retry_after: Duration::ZERO };
    let status = match error {
        tungstenite::Error::Http(response) => response.status(),
        tungstenite::Error::HttpFormat(_) => return Error::InvalidToken,
        tungstenite::Error::Protocol(ProtocolError::HttparseError(_)) => {
            let text = "this port speaks no HTTP: the URL of the TCP port begins with tcp://";
            return Error::WrongProtocol(text.to_owned());
        }
        error => return unreachable(error),
    };
    match status {
        StatusCode::UNAUTHORIZED => Error::InvalidToken,
        StatusCode::TOO_MANY_REQUESTS => busy("too many connections of this address"),
        StatusCode::SERVICE_UNAVAILABLE => busy("the server is busy"),
        StatusCode::UPGRADE_REQUIRED => Error::WrongProtocol(format!(
            "the server answered {status}: a proxy in between does not let WebSockets pass"
        )),
        StatusCode::NOT_FOUND => Error::WrongProtocol(format!(
            "the server answered {status}: the URL's path is what the server's own paths follow"
        )),
        status => Error::WrongProtocol(format!("the server answered {status}")),
    }
}

fn incoming(
    messages: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
) -> impl Stream<Item = Incoming> {
    stream::unfold(Some(messages), |messages| async {
        let mut messages = messages?;
        let end = match messages.next().await {
            Some(Ok(Message::Text(text))) => {
                return Some((Incoming::Text(text.as_str().to_owned()), Some(messages)));
            }
            // Pings are answered when the socket is read next.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {
                return Some((Incoming::Activity, Some(messages)));
            }
            Some(Ok(Message::Close(Some(frame)))) => format!("closed with code {}", u16::from(frame.code)),
            Some(
                Ok(Message::Close(None))
                | Err(
                    tungstenite::Error::ConnectionClosed
                    | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                ),
            )
            | None => "the connection ended".to_owned(),
            Some(Err(error)) => error.to_string(),
        };
        Some((Incoming::Closed(end), None))
    })
}

async fn write_out<S>(mut write: SplitSink<WebSocketStream<S>, Message>, mut queue: Receiver<Outgoing>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(message) = queue.recv().await {
        let text = match message {
            Outgoing::Text(text) => text,
            Outgoing::Pong => continue,
            Outgoing::Close => break,
        };
        if write.send(Message::text(text)).await.is_err() {
            return;
        }
    }
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    let _ = write.send(Message::Close(Some(frame))).await;
}
