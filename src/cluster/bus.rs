//! The transport between nodes: a Redis channel that delivers each node's bytes to all nodes. Does not
//! interpret them.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, Msg, RedisError};

/// How long Redis may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum BusError {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("Redis does not respond")]
    Silent,
    #[error("the subscription ended")]
    Ended,
}

/// The Redis server and channel.
pub(super) struct Address {
    client: Client,
    channel: String,
}

impl Address {
    /// # Errors
    /// If the URL is not a Redis URL.
    pub(super) fn parse(url: &str, channel: String) -> Result<Self, RedisError> {
        Ok(Self { client: Client::open(url)?, channel })
    }

    /// Opens two connections: a Redis connection that has subscribed cannot publish.
    pub(super) async fn connect(&self) -> Result<(Publisher, Subscription), BusError> {
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let redis = self.client.get_multiplexed_async_connection_with_config(&timeouts).await?;
        let subscribe = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(&self.channel).await?;
            Ok::<_, RedisError>(subscription.into_on_message().boxed())
        };
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        let messages = tokio::time::timeout(ANSWER, subscribe).await.map_err(|_| BusError::Silent)??;
        Ok((Publisher { redis, channel: self.channel.clone() }, Subscription(messages)))
    }
}

pub(super) struct Publisher {
    redis: MultiplexedConnection,
    channel: String,
}

impl Publisher {
    /// Sends `bytes` to all nodes, including this one.
    pub(super) async fn publish(&mut self, bytes: Vec<u8>) -> Result<(), BusError> {
        Ok(self.redis.publish(&self.channel, bytes).await?)
    }
}

impl Publisher {
    /// Sends all of these, in one round trip.
    pub(super) async fn publish_all(&mut self, all: Vec<Vec<u8>>) -> Result<(), BusError> {
        let mut pipe = redis::pipe();
        for bytes in all {
            pipe.publish(&self.channel, bytes).ignore();
        }
        Ok(pipe.query_async(&mut self.redis).await?)
    }
}

pub(super) struct Subscription(BoxStream<'static, Msg>);

impl Subscription {
    /// The next message. Cancel safe: no message is lost.
    pub(super) async fn next(&mut self) -> Result<Msg, BusError> {
        self.0.next().await.ok_or(BusError::Ended)
    }
}
