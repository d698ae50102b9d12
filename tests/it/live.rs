//! A WebSocket client for tests.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::app::{Person, TestApp};

/// Long enough for a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Live {
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
    pub async fn open(&self, headers: &[(&str, &str)]) -> Result<Live, u16> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match tokio::time::timeout(PATIENCE, connect_async(request)).await.expect("no handshake") {
            Ok((socket, response)) => {
                let protocol = response.headers().get("sec-websocket-protocol");
                let protocol = protocol.map(|value| value.to_str().unwrap().to_owned());
                Ok(Live { socket, protocol })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a socket that is in, by header; its `welcome` was read.
    pub async fn live(&self, person: &Person) -> Live {
        let bearer = format!("Bearer {}", person.access);
        let mut live = self.open(&[("authorization", &bearer)]).await.unwrap();
        let welcome = live.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        live
    }
}

impl Live {
    /// The next message.
    pub async fn next(&mut self) -> Value {
        loop {
            let item = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("no message");
            match item {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    pub async fn send(&mut self, message: Value) {
        self.send_raw(Message::Text(message.to_string().into())).await;
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub async fn ask(&mut self, message: Value) -> Value {
        self.send(message).await;
        self.next().await
    }

    /// Is it still in?
    pub async fn ping(&mut self) {
        let reply = self.ask(json!({"type": "ping", "id": "alive?"})).await;
        assert_eq!(reply, json!({"type": "pong", "id": "alive?"}));
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> Ended {
        let mut before: Vec<Value> = Vec::new();
        loop {
            let item = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("it lives on");
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

    #[track_caller]
    pub fn ends(&mut self, code: u16) -> impl Future<Output = Ended> {
        let caller = std::panic::Location::caller();
        async move {
            let ended = self.ended().await;
            assert_eq!(ended.code, code, "at {caller}");
            ended
        }
    }
}
