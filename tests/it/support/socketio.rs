//! Socket.IO clients, over polling and over WebSocket. They send as packets what the tests of every transport
//! write as JSON.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::rt;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::app::TestApp;
use crate::support::raw_http::{self, Raw};
use crate::support::time::PATIENCE;
use crate::support::transports::LiveClient;
use crate::support::websocket::{Ended, as_close_code, flood, frame};

const SEPARATOR: char = '\u{1e}';

/// A message as a packet. Anything but an object becomes an invalid packet.
pub fn packet(text: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(text) else { return format!("4{text}") };
    let name = match fields.remove("type") {
        Some(Value::String(name)) => json!(name),
        // An event that has no name.
        _ => json!(5),
    };
    let packet = format!("42[{name},{}]", Value::Object(fields));
    // Bounds are on what travels: as many bytes as the test has counted.
    let padding = if text.len() > 4000 { text.len().saturating_sub(packet.len()) } else { 0 };
    format!("42[{}{}", " ".repeat(padding), packet.trim_start_matches("42["))
}

/// What a packet means to the tests of every transport.
#[derive(Debug)]
pub enum Said {
    Message(Value),
    /// The sign-in was refused: the error, and the goodbye.
    Refused(Value, Value),
    Ping,
    /// The server closes the transport.
    Close,
    /// DISCONNECT, the answer to a CONNECT, what older clients are told.
    Other,
}

pub fn said(packet: &str) -> Said {
    if packet.starts_with("42") {
        // In whichever namespace.
        let list = packet.find('[').map(|begin| &packet[begin..]).unwrap_or_default();
        let list: Vec<Value> = serde_json::from_str(list).unwrap_or_else(|_| panic!("no packet: {packet}"));
        let (name, fields) = (&list[0], list.get(1).unwrap_or(&json!({})).clone());
        if name == "server_response" {
            return Said::Other;
        }
        let mut message = fields;
        message["type"] = name.clone();
        return Said::Message(message);
    }
    if let Some(error) = packet.strip_prefix("44") {
        let error: Value = serde_json::from_str(error).unwrap();
        let mut goodbye = error["data"].clone();
        assert_eq!(error["message"], goodbye["reason"]);
        goodbye["type"] = json!("goodbye");
        return Said::Refused(json!({"type": "error", "code": goodbye["error"]}), goodbye);
    }
    match packet {
        "2" => Said::Ping,
        "1" => Said::Close,
        _ => Said::Other,
    }
}

fn connect_packet(token: &str) -> String {
    format!("40{}", json!({"token": token}))
}

/// Over HTTP long-polling, each request over a connection of its own: whichever worker takes it.
pub struct PollingClient {
    address: SocketAddr,
    path: String,
    packets: mpsc::UnboundedReceiver<String>,
    waiting: VecDeque<String>,
    reads: watch::Sender<bool>,
    poller: rt::task::JoinHandle<()>,
}

pub async fn poll(address: SocketAddr, path: &str) -> Raw {
    raw_http::request(address, &format!("GET {path}"), &["host: doorward.example"], b"").await
}

pub async fn post(address: SocketAddr, path: &str, body: &[u8]) -> Raw {
    let length = format!("content-length: {}", body.len());
    let headers = ["host: doorward.example", "content-type: text/plain;charset=UTF-8", &length];
    raw_http::request(address, &format!("POST {path}"), &headers, body).await
}

/// Opens a session over polling: the path of its requests.
pub async fn open_polling(address: SocketAddr) -> Result<String, u16> {
    let answer = poll(address, "/socket.io/?EIO=4&transport=polling").await;
    if answer.status != 200 {
        return Err(answer.status);
    }
    let opening: Value = serde_json::from_str(answer.body.strip_prefix('0').unwrap()).unwrap();
    Ok(format!("/socket.io/?EIO=4&transport=polling&sid={}", opening["sid"].as_str().unwrap()))
}

impl PollingClient {
    pub async fn open(address: SocketAddr) -> Result<Self, u16> {
        let path = open_polling(address).await?;
        let (sender, packets) = mpsc::unbounded_channel();
        let (reads, mut may_read) = watch::channel(true);
        let request = path.clone();
        // Beside whatever else happens, as real clients do it.
        let poller = rt::spawn(async move {
            while may_read.wait_for(|reads| *reads).await.is_ok() {
                let answer = poll(address, &request).await;
                if answer.status != 200 {
                    return;
                }
                for packet in answer.body.split(SEPARATOR) {
                    if sender.send(packet.to_owned()).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { address, path, packets, waiting: VecDeque::new(), reads, poller })
    }

    async fn post(&self, body: &[u8]) -> u16 {
        post(self.address, &self.path, body).await.status
    }

    /// None once no more will come.
    async fn packet(&mut self) -> Option<String> {
        if let Some(packet) = self.waiting.pop_front() {
            return Some(packet);
        }
        tokio::time::timeout(PATIENCE, self.packets.recv()).await.expect("no packet")
    }
}

impl Drop for PollingClient {
    fn drop(&mut self) {
        self.poller.abort();
        // Between two polls the server would not notice.
        let (address, path) = (self.address, self.path.clone());
        rt::spawn(async move { drop(post(address, &path, b"1").await) });
    }
}

impl LiveClient for PollingClient {
    const TRANSPORT: &'static str = "socketio";

    async fn unauthenticated(app: &TestApp) -> Self {
        Self::open(app.address).await.unwrap()
    }

    async fn refused_unauthenticated(app: &TestApp) -> u16 {
        as_close_code(Self::open(app.address).await.err())
    }

    async fn present(&mut self, token: &str) {
        self.post(connect_packet(token).as_bytes()).await;
    }

    async fn write(&mut self, text: &str) {
        self.post(packet(text).as_bytes()).await;
    }

    async fn write_garbage(&mut self) {
        self.post(&[0xff, 0, 1, 0x80]).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            let packet = self.packet().await.expect("the session lives on");
            match said(&packet) {
                Said::Message(message) => return message,
                Said::Ping => drop(self.post(b"3").await),
                Said::Other => {}
                Said::Refused(..) | Said::Close => panic!("expected a message, got {packet}"),
            }
        }
    }

    async fn ended(&mut self) -> Ended {
        let mut before: Vec<Value> = Vec::new();
        while let Some(packet) = self.packet().await {
            match said(&packet) {
                Said::Message(message) => before.push(message),
                Said::Refused(error, goodbye) => before.extend([error, goodbye]),
                Said::Close => break,
                Said::Ping | Said::Other => {}
            }
        }
        let goodbye = before.pop().unwrap_or_default();
        assert_eq!(goodbye["type"], "goodbye", "{goodbye}");
        Ended { code: goodbye["code"].as_u64().unwrap().try_into().unwrap(), goodbye, before }
    }

    async fn leave(self) {
        self.post(b"1").await;
    }

    async fn flood(&mut self, requests: &str) {
        self.reads.send_replace(false);
        let payload = vec![packet(requests); 1000].join("\u{1e}");
        let mut taken = 0;
        while let Ok(200) = tokio::time::timeout(Duration::from_secs(1), self.post(payload.as_bytes())).await
        {
            taken += payload.len();
            assert!(taken < 256 << 20, "it swallows everything");
        }
    }

    async fn is_cut(&mut self) -> bool {
        matches!(tokio::time::timeout(Duration::from_millis(10), self.post(b"3")).await, Ok(400))
    }
}

/// Over WebSocket from the beginning.
pub struct SocketIoClient {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl SocketIoClient {
    pub async fn open(address: SocketAddr, query: &str) -> Result<Self, u16> {
        let url = format!("ws://{address}/socket.io/?EIO=4&transport=websocket{query}");
        match tokio::time::timeout(PATIENCE, connect_async(url)).await.expect("no handshake") {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub async fn text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::Text(text.into().into())).await.unwrap();
    }

    pub async fn socket_send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    fn stream(&mut self) -> &mut TcpStream {
        match self.socket.get_mut() {
            MaybeTlsStream::Plain(stream) => stream,
            _ => unreachable!("tests of this transport do not use TLS"),
        }
    }

    pub async fn item(&mut self) -> Message {
        let item = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("nothing comes");
        item.expect("it ended without a close frame").unwrap()
    }
}

impl LiveClient for SocketIoClient {
    const TRANSPORT: &'static str = "socketio";

    async fn unauthenticated(app: &TestApp) -> Self {
        Self::open(app.address, "").await.unwrap()
    }

    async fn refused_unauthenticated(app: &TestApp) -> u16 {
        as_close_code(Self::open(app.address, "").await.err())
    }

    async fn present(&mut self, token: &str) {
        self.text(connect_packet(token)).await;
    }

    async fn write(&mut self, text: &str) {
        self.text(packet(text)).await;
    }

    async fn write_garbage(&mut self) {
        self.socket_send(Message::Binary(vec![0xff, 0, 1, 0x80].into())).await;
    }

    async fn next(&mut self) -> Value {
        loop {
            let Message::Text(packet) = self.item().await else { panic!("expected a message") };
            match said(&packet) {
                Said::Message(message) => return message,
                Said::Ping => self.text("3").await,
                Said::Other => {}
                Said::Refused(..) | Said::Close => panic!("expected a message, got {packet}"),
            }
        }
    }

    async fn ended(&mut self) -> Ended {
        let mut before: Vec<Value> = Vec::new();
        loop {
            match self.item().await {
                Message::Text(packet) => match said(&packet) {
                    Said::Message(message) => before.push(message),
                    Said::Refused(error, goodbye) => before.extend([error, goodbye]),
                    Said::Ping | Said::Other | Said::Close => {}
                },
                Message::Close(Some(frame)) => {
                    let goodbye = before.pop().unwrap_or_default();
                    assert_eq!(goodbye["type"], "goodbye", "{goodbye}");
                    assert_eq!(goodbye["code"], u16::from(frame.code));
                    assert_eq!(goodbye["reason"], frame.reason.as_str());
                    return Ended { code: frame.code.into(), goodbye, before };
                }
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    async fn leave(mut self) {
        self.text("41").await;
        self.socket.close(None).await.unwrap();
    }

    async fn flood(&mut self, requests: &str) {
        let frames = frame(&packet(requests)).repeat(1000);
        flood(self.stream(), &frames).await;
    }

    async fn is_cut(&mut self) -> bool {
        matches!(tokio::time::timeout(Duration::from_millis(10), self.stream().write(b"x")).await, Ok(Err(_)))
    }
}

/// The sid of a session's requests.
pub fn sid(path: &str) -> &str {
    path.split_once("&sid=").unwrap().1
}

/// The next packets of a poll.
pub async fn polled(app: &TestApp, path: &str) -> Vec<String> {
    let answer = poll(app.address, path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body.split('\u{1e}').map(str::to_owned).collect()
}

/// Posts packets, which are taken.
pub async fn posted(app: &TestApp, path: &str, body: &str) {
    let answer = post(app.address, path, body.as_bytes()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"), "{answer:?}");
}

/// Signs in over polling: the path of the session's requests, after its first messages were read.
pub async fn signed_in(app: &TestApp, token: &str) -> String {
    let path = open_polling(app.address).await.unwrap();
    posted(app, &path, &format!("40{}", json!({"token": token}))).await;
    let mut packets = Vec::new();
    while packets.len() < 3 {
        packets.extend(polled(app, &path).await);
    }
    path
}

pub async fn text(frames: &mut SocketIoClient) -> String {
    match frames.item().await {
        Message::Text(text) => text.to_string(),
        other => panic!("expected text, got {other:?}"),
    }
}

/// Until the server closes: with which code.
pub async fn closed(frames: &mut SocketIoClient) -> Option<u16> {
    loop {
        if let Message::Close(frame) = frames.item().await {
            return frame.map(|frame| frame.code.into());
        }
    }
}
