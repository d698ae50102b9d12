//! An open connection, whatever its transport: messages in, messages out.

use std::pin::Pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, timeout_at};

use crate::error::Error;

/// Bytes of one message of the server.
pub const MAX_MESSAGE: usize = 1 << 20;

/// To connect, to shake hands and to be welcomed; to be answered over HTTP.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// To close in order.
const CLOSING: Duration = Duration::from_secs(1);

/// Messages of the caller that may wait to be sent.
const MAX_QUEUED: usize = 128;

/// Places in the queue for what the client sends by itself.
const RESERVED: usize = 8;

/// What a transport reports.
pub enum Incoming {
    Text(String),
    /// A sign of life without content. The transport answers it if it has to be answered.
    Activity,
    /// A sign of life that the session has to answer with [`Outgoing::Pong`].
    Ping,
    /// The end, and why.
    Closed(String),
}

pub enum Outgoing {
    Text(String),
    Pong,
    Close,
}

pub struct Connection {
    incoming: Pin<Box<dyn Stream<Item = Incoming> + Send>>,
    outgoing: Sender<Outgoing>,
}

impl Connection {
    /// `write` receives what is to be sent until the connection ends.
    pub fn new<F: Future<Output = ()> + Send + 'static>(
        incoming: impl Stream<Item = Incoming> + Send + 'static,
        write: impl FnOnce(Receiver<Outgoing>) -> F,
    ) -> Self {
        let (outgoing, queue) = channel(MAX_QUEUED + RESERVED);
        // A task of its own: a server that reads only while it is read from is served both ways.
        tokio::spawn(write(queue));
        Self { incoming: Box::pin(incoming), outgoing }
    }

    /// What arrives next. Cancel-safe.
    pub async fn next(&mut self) -> Incoming {
        self.incoming.next().await.unwrap_or_else(|| Incoming::Closed("the connection ended".to_owned()))
    }

    /// Queues a message of the caller. Whether the connection has ended is found by reading.
    pub fn send(&self, text: String) -> Result<(), Error> {
        if self.outgoing.capacity() <= RESERVED {
            return Err(Error::QueueFull);
        }
        self.send_own(Outgoing::Text(text));
        Ok(())
    }

    /// Queues what the client sends by itself. If even its reserved places are taken, the server has not read for long,
    /// and what is lost here makes no difference.
    pub fn send_own(&self, message: Outgoing) {
        let _ = self.outgoing.try_send(message);
    }

    /// Closes in order, if the server cooperates within a second.
    pub async fn close(mut self) {
        self.send_own(Outgoing::Close);
        let end = async { while !matches!(self.next().await, Incoming::Closed(_)) {} };
        let _ = timeout_at(Instant::now() + CLOSING, end).await;
    }
}
