//! What the live protocol promises is asked at every door by the same tests.

use serde_json::{Value, json};

use crate::support::app::{Person, TestApp};
use crate::support::websocket::Ended;

/// A client of one door.
pub trait Door: Sized {
    /// The word in lists.
    const CARRIER: &'static str;

    /// Connects and brings a token at once.
    async fn enter(app: &TestApp, token: &str) -> Self;

    /// Connects, and is not in yet.
    async fn stranger(app: &TestApp) -> Self;

    /// Why no further stranger was let in.
    async fn refused_stranger(app: &TestApp) -> u16;

    /// A stranger's token.
    async fn present(&mut self, token: &str);

    /// Sends one message, whatever it is.
    async fn write(&mut self, text: &str);

    /// Bytes that are no text.
    async fn write_garbage(&mut self);

    /// The next message.
    async fn next(&mut self) -> Value;

    /// Waits for the end.
    async fn ended(&mut self) -> Ended;

    /// Closes.
    async fn leave(self);

    /// Sends requests and reads no answer, until the server stops reading as well or cuts it.
    async fn flood(&mut self, requests: &str);

    /// Whether a write fails now: the connection is gone.
    async fn is_cut(&mut self) -> bool;

    /// Somebody who is in; the `welcome` was read.
    async fn live(app: &TestApp, person: &Person) -> Self {
        let mut live = Self::enter(app, &person.access).await;
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

    /// Is it still in?
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

/// Runs bodies, `async fn body<D: Door>()`, at the doors where messages are JSON.
macro_rules! at_the_json_doors {
    ($($body:ident),+ $(,)?) => {
        $crate::support::transports::at_doors!(websocket: crate::support::websocket::Live, tcp: crate::support::tcp::Line; $($body),+);
    };
}

/// Runs bodies at every door.
macro_rules! at_every_door {
    ($($body:ident),+ $(,)?) => {
        $crate::support::transports::at_the_json_doors!($($body),+);
        $crate::support::transports::at_doors!(
            socketio_polling: crate::support::socketio::Polling,
            socketio_websocket: crate::support::socketio::Frames;
            $($body),+
        );
    };
}

macro_rules! at_doors {
    ($door:ident: $client:ty, $($other:ident: $others:ty),+; $($body:ident),+) => {
        $crate::support::transports::at_doors!($door: $client; $($body),+);
        $crate::support::transports::at_doors!($($other: $others),+; $($body),+);
    };
    ($door:ident: $client:ty; $($body:ident),+) => {
        mod $door {
            $(#[actix_web::test]
            async fn $body() {
                super::$body::<$client>().await;
            })+
        }
    };
}
pub(crate) use {at_doors, at_every_door, at_the_json_doors};
