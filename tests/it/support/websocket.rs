//! A WebSocket client for tests.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::app::{Person, TestApp};
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;

pub struct WebSocketClient {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub protocol: Option<String>,
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub code: u16,
    pub goodbye: Value,
    /// What came before the goodbye.
    pub before: Vec<Value>,
}

impl TestApp {
    /// Opens `/ws` with these headers. An error is the status of a refused handshake.
    pub async fn open(&self, headers: &[(&str, &str)]) -> Result<WebSocketClient, u16> {
        open_at(self.address, headers).await
    }

    /// A WebSocket that is signed in by header and whose `welcome` was read.
    pub async fn live(&self, person: &Person) -> WebSocketClient {
        WebSocketClient::live(self, person).await
    }
}

/// Opens `/ws` of any Doorward.
pub async fn open_at(address: SocketAddr, headers: &[(&str, &str)]) -> Result<WebSocketClient, u16> {
    open_path(address, "/ws", headers).await
}

/// Opens another address.
pub async fn open_path(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
) -> Result<WebSocketClient, u16> {
    let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    match tokio::time::timeout(PATIENCE, connect_async(request)).await.expect("no handshake") {
        Ok((socket, response)) => {
            let protocol = response.headers().get("sec-websocket-protocol");
            let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
            Ok(WebSocketClient { socket, protocol })
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

/// A text frame of a client, masked with zeros.
pub fn frame(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap();
    assert!(length < 126);
    let mut bytes = vec![0x81, 0x80 | length, 0, 0, 0, 0];
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// The status of a refused handshake as the close code that says the same.
pub fn as_close_code(status: Option<u16>) -> u16 {
    match status {
        Some(429) => 4429,
        Some(503) => 1013,
        other => panic!("{other:?}"),
    }
}

/// Writes until nothing more is taken: blocked, or cut.
pub async fn flood(stream: &mut TcpStream, bytes: &[u8]) {
    let mut taken = 0;
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(1), stream.write(bytes)).await {
        taken += count;
        assert!(taken < 256 << 20, "it swallows everything");
    }
}

impl WebSocketClient {
    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// The connection under the frames.
    fn stream(&mut self) -> &mut TcpStream {
        match self.socket.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => unreachable!("tests of this transport do not use TLS"),
        }
    }
}

impl LiveClient for WebSocketClient {
    const TRANSPORT: &'static str = "websocket";

    async fn with_token(app: &TestApp, token: &str) -> Self {
        app.open(&[("authorization", &format!("Bearer {token}"))]).await.unwrap()
    }

    async fn unauthenticated(app: &TestApp) -> Self {
        app.open(&[]).await.unwrap()
    }

    async fn refused_unauthenticated(app: &TestApp) -> u16 {
        as_close_code(app.open(&[]).await.err())
    }

    async fn present(&mut self, token: &str) {
        self.send(json!({"type": "auth", "token": token})).await;
    }

    async fn write(&mut self, text: &str) {
        self.send_raw(Message::Text(text.into())).await;
    }

    async fn write_garbage(&mut self) {
        self.send_raw(Message::Binary(vec![0xff, 0, 1, 0x80].into())).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            let item = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("no message");
            match item {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    async fn ended(&mut self) -> Ended {
        let mut before: Vec<Value> = Vec::new();
        loop {
            let item = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("it is still open");
            match item {
                Some(Ok(Message::Text(text))) => before.push(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let goodbye: Value = before.pop().unwrap_or_default();
                    assert_eq!(goodbye["type"], "goodbye", "{goodbye}");
                    assert_eq!(goodbye["code"], u16::from(frame.code));
                    assert_eq!(goodbye["reason"], frame.reason.as_str());
                    return Ended { code: frame.code.into(), goodbye, before };
                }
                Some(Ok(_)) => {}
                other => panic!("ended without a close frame: {other:?}"),
            }
        }
    }

    async fn leave(mut self) {
        self.socket.close(None).await.unwrap();
    }

    async fn flood(&mut self, requests: &str) {
        let frames = frame(requests).repeat(1000);
        flood(self.stream(), &frames).await;
    }

    async fn is_cut(&mut self) -> bool {
        matches!(tokio::time::timeout(Duration::from_millis(10), self.stream().write(b"x")).await, Ok(Err(_)))
    }
}
