//! The transport between nodes: Redis channels that deliver a node's bytes to all nodes that have subscribed. Does not
//! interpret them.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use redis::aio::{MultiplexedConnection, PubSubSink};
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
        let (publisher, _, subscription) = self.connect_to_many().await?;
        Ok((publisher, subscription))
    }

    /// The same, for further channels besides.
    pub(super) async fn connect_to_many(&self) -> Result<(Publisher, Channels, Subscription), BusError> {
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let redis = self.client.get_multiplexed_async_connection_with_config(&timeouts).await?;
        let (channels, messages) = in_time(async {
            let (mut channels, messages) = self.client.get_async_pubsub().await?.split();
            channels.subscribe(&self.channel).await?;
            Ok((Channels(channels), messages.boxed()))
        })
        .await?;
        Ok((Publisher { redis, channel: self.channel.clone() }, channels, Subscription(messages)))
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, BusError> {
    #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
    let answer = tokio::time::timeout(ANSWER, answer).await;
    Ok(answer.map_err(|_| BusError::Silent)??)
}

#[derive(Clone)]
pub(super) struct Publisher {
    redis: MultiplexedConnection,
    channel: String,
}

impl Publisher {
    /// Sends `bytes` to all nodes, including this one. Answers how many have subscribed, as far as this server of Redis knows.
    pub(super) async fn publish(&mut self, bytes: Vec<u8>) -> Result<usize, BusError> {
        Ok(self.redis.publish(&self.channel, bytes).await?)
    }
}

impl Publisher {
    /// Sends each of these on a channel of its own, in one round trip. Answers how many nodes have subscribed to each.
    pub(super) async fn publish_each(
        &mut self,
        all: impl Iterator<Item = (String, Vec<u8>)>,
    ) -> Result<Vec<usize>, BusError> {
        let mut pipe = redis::pipe();
        for (channel, bytes) in all {
            pipe.publish(channel, bytes);
        }
        Ok(pipe.query_async(&mut self.redis).await?)
    }
}

/// The channels of a subscription.
pub(super) struct Channels(PubSubSink);

impl Channels {
    /// Ready once Redis has confirmed all of them, in one round trip.
    pub(super) async fn add(&mut self, channels: &[String]) -> Result<(), BusError> {
        in_time(self.0.subscribe(channels)).await
    }

    pub(super) async fn remove(&mut self, channels: &[String]) -> Result<(), BusError> {
        in_time(self.0.unsubscribe(channels)).await
    }
}

pub(super) struct Subscription(BoxStream<'static, Msg>);

impl Subscription {
    /// The next message. Cancel safe: no message is lost.
    pub(super) async fn next(&mut self) -> Result<Msg, BusError> {
        self.0.next().await.ok_or(BusError::Ended)
    }
}
