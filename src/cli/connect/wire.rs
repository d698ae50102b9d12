//! A connection that is open, whatever carries it: messages come, messages go.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes of one message of the server.
pub const MAX_MESSAGE: usize = 1 << 20;

/// To connect, to shake hands and to be welcomed; to be answered by HTTP.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// To say goodbye.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why there is no connection.
#[derive(Debug)]
pub enum Trouble {
    /// Nobody there, or nobody who speaks as Doorward does.
    Unreachable(String),
    /// It is there and will have us later, no sooner than it said.
    Busy(String, Duration),
    /// Who it is was not believed.
    Refused(String),
    /// The access token is not good any more.
    Expired,
}

pub enum Incoming {
    Text(String),
    /// To be answered with a pong.
    Ping(Bytes),
    /// The end, and why.
    Closed(String),
}

pub enum Outgoing {
    Text(String),
    Pong(Bytes),
    Close,
}

pub struct Wire {
    incoming: Pin<Box<dyn Stream<Item = Incoming>>>,
    /// Unbounded, because whoever sends also counts what is not answered yet.
    outgoing: UnboundedSender<Outgoing>,
}

impl Wire {
    /// `write` is given what is to be sent until the end.
    pub fn new<F: Future<Output = ()> + 'static>(
        incoming: impl Stream<Item = Incoming> + 'static,
        write: impl FnOnce(UnboundedReceiver<Outgoing>) -> F,
    ) -> Self {
        let (outgoing, queue) = unbounded_channel();
        // On its own: a server that waits to be read is read while it is written to.
        actix::spawn(write(queue));
        Self { incoming: Box::pin(incoming), outgoing }
    }

    /// May be dropped and asked again.
    pub async fn next(&mut self) -> Incoming {
        self.incoming.next().await.unwrap_or_else(|| Incoming::Closed("the connection ended".to_owned()))
    }

    /// An end is found by reading.
    pub fn send(&self, message: Outgoing) {
        let _ = self.outgoing.send(message);
    }

    /// Closes in order, if the server has an ear for it.
    pub async fn close(mut self) {
        self.send(Outgoing::Close);
        let end = async { while !matches!(self.next().await, Incoming::Closed(_)) {} };
        #[expect(clippy::disallowed_methods, reason = "a server's real patience")]
        let _ = tokio::time::timeout(LAST_WORDS, end).await;
    }
}
