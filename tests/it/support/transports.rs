//! One client trait for all transports, so that the same tests hold every transport to the live protocol.

use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::websocket::Ended;

/// A client of one transport.
pub trait LiveClient: Sized {
    /// The transport's name in lists of sessions.
    const TRANSPORT: &'static str;

    /// Connects and presents a token at once.
    async fn with_token(app: &TestApp, token: &str) -> Self {
        let mut client = Self::unauthenticated(app).await;
        client.present(token).await;
        client
    }

    /// Connects without signing in.
    async fn unauthenticated(app: &TestApp) -> Self;

    /// The close code with which a further unauthenticated connection is refused.
    async fn refused_unauthenticated(app: &TestApp) -> u16;

    /// Presents a token on a connection that is not signed in.
    async fn present(&mut self, token: &str);

    /// Sends one message as it is, valid or not.
    async fn write(&mut self, text: &str);

    /// Sends bytes that are not UTF-8.
    async fn write_garbage(&mut self);

    /// The next message.
    async fn next(&mut self) -> Value;

    /// Waits until the server closes the session.
    async fn ended(&mut self) -> Ended;

    /// Closes the session from the client's side.
    async fn leave(self);

    /// Sends requests without reading answers, until the server stops reading or closes the connection.
    async fn flood(&mut self, requests: &str);

    /// Whether a write fails now, because the connection is closed.
    async fn is_cut(&mut self) -> bool;

    /// A session that is signed in and whose `welcome` was read.
    async fn live(app: &TestApp, person: &Person) -> Self {
        let mut live = Self::with_token(app, &person.access).await;
        let welcome = live.next().await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        live
    }

    async fn send(&mut self, message: Value) {
        self.write(&message.to_string()).await;
    }

    async fn ask(&mut self, message: Value) -> Value {
        self.send(message).await;
        self.next().await
    }

    /// Asserts that the session is still open.
    async fn ping(&mut self) {
        let reply = self.ask(json!({"type": "ping", "id": "alive?"})).await;
        assert_eq!(reply, json!({"type": "pong", "id": "alive?"}));
    }

    #[track_caller]
    fn ends(&mut self, code: u16) -> impl Future<Output = Ended> {
        let caller = std::panic::Location::caller();
        async move {
            let ended = self.ended().await;
            assert_eq!(ended.code, code, "at {caller}");
            ended
        }
    }
}

/// Runs bodies, `async fn body<C: LiveClient>()`, on the transports whose messages are JSON objects.
macro_rules! on_json_transports {
    ($($body:ident),+ $(,)?) => {
        $crate::support::transports::on_transports!(websocket: crate::support::websocket::WebSocketClient, tcp: crate::support::tcp::TcpClient; $($body),+);
    };
}

/// Runs bodies on every transport.
macro_rules! on_every_transport {
    ($($body:ident),+ $(,)?) => {
        $crate::support::transports::on_json_transports!($($body),+);
        $crate::support::transports::on_transports!(
            socketio_polling: crate::support::socketio::PollingClient,
            socketio_websocket: crate::support::socketio::SocketIoClient;
            $($body),+
        );
    };
}

macro_rules! on_transports {
    ($transport:ident: $client:ty, $($other:ident: $others:ty),+; $($body:ident),+) => {
        $crate::support::transports::on_transports!($transport: $client; $($body),+);
        $crate::support::transports::on_transports!($($other: $others),+; $($body),+);
    };
    ($transport:ident: $client:ty; $($body:ident),+) => {
        mod $transport {
            $(#[actix_web::test]
            async fn $body() {
                super::$body::<$client>().await;
            })+
        }
    };
}
pub(crate) use {on_every_transport, on_json_transports, on_transports};
