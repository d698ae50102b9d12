//! The other nodes, over Redis: revocations that reach them at once, and who is connected where.
//!
//! Nothing here decides anything: a revocation is a row, which every node looks for once a second, and without Redis
//! that is how it is learned. Redis only carries what is said on one channel and keeps nothing, so it may be
//! restarted, emptied or lost, and any node of a Redis Cluster does.

mod budget;
pub mod peers;
pub mod wire;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisError};
use tokio::sync::{mpsc, oneshot};

use self::budget::Budgets;
use self::peers::{Effect, Peers};
use self::wire::{EndedLogin, Envelope, Gone, Listed, News, NodeId};
use super::session_manager::Sessions;
use crate::auth::revocation::RevokeReason;
use crate::clock::Clock;
use crate::config;
use crate::domain::{LoginId, SessionId, UserId};
use crate::protocol::SessionInfo;

/// How often a node says that it is there.
pub const BEAT: Duration = Duration::from_secs(5);

/// How long what a node says may take to come back to it before it takes the connection for broken.
const SILENCE: Duration = Duration::from_secs(12);

/// How long Redis may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Waits between attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// News that may wait to be said. A revocation that does not fit is learned from the rows, the rest with a list.
const WAITING: usize = 65_536;

/// How long requests for a list, and questions to others, are gathered: one answer is for all.
const GATHER: Duration = Duration::from_millis(250);

/// Changes that are said in one message.
const BATCH: usize = 500;

/// Tells the other nodes. The default tells nobody.
#[derive(Clone, Debug, Default)]
pub struct Cluster(Option<Speaker>);

#[derive(Clone, Debug)]
struct Speaker {
    news: mpsc::Sender<Outgoing>,
    /// Some did not fit: the others are told all there is.
    lost: Arc<AtomicBool>,
}

#[derive(Debug)]
enum Outgoing {
    Ended(Vec<(LoginId, RevokeReason)>),
    Came(Arc<SessionInfo>),
    Went(Gone),
    Bye(oneshot::Sender<()>),
}

impl Cluster {
    /// The handle, and the node's side of the conversation for [`Node::run`]. Without a Redis there is none.
    ///
    /// # Errors
    /// A sentence, if the URL is none of Redis.
    pub fn new(config: &config::Cluster, clock: &Clock) -> Result<(Self, Option<Node>), String> {
        let Some(url) = &config.redis_url else { return Ok((Self::default(), None)) };
        let client = Client::open(url.as_str()).map_err(|error| format!("cluster.redis_url: {error}"))?;
        let (news, outgoing) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicBool::new(false));
        let id = NodeId(clock.new_id());
        let node = Node {
            id,
            number: 0,
            client,
            channel: format!("{}:nodes", config.prefix),
            outgoing,
            lost: Arc::clone(&lost),
            list_wanted: false,
            to_ask: HashSet::new(),
            peers: Peers::new(id),
            budgets: Budgets::default(),
        };
        Ok((Self(Some(Speaker { news, lost })), Some(node)))
    }

    fn tell(&self, news: Outgoing) {
        if let Some(speaker) = &self.0
            && speaker.news.try_send(news).is_err()
        {
            speaker.lost.store(true, Ordering::Release);
        }
    }

    /// These logins were revoked here.
    pub fn ended(&self, logins: &[(LoginId, RevokeReason)]) {
        if self.0.is_some() && !logins.is_empty() {
            self.tell(Outgoing::Ended(logins.to_vec()));
        }
    }

    pub(super) fn came(&self, info: &Arc<SessionInfo>) {
        self.tell(Outgoing::Came(Arc::clone(info)));
    }

    pub(super) fn went(&self, user: UserId, session: SessionId) {
        self.tell(Outgoing::Went(Gone { user, session }));
    }

    /// Says that this node stops.
    pub async fn leave(&self) {
        let (said, is_said) = oneshot::channel();
        self.tell(Outgoing::Bye(said));
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        // Whoever is not told notices the silence.
        let _ = tokio::time::timeout(ANSWER, is_said).await;
    }
}

/// This node's side of the conversation.
pub struct Node {
    id: NodeId,
    number: u64,
    client: Client,
    channel: String,
    outgoing: mpsc::Receiver<Outgoing>,
    lost: Arc<AtomicBool>,
    /// Another node wants all our sessions.
    list_wanted: bool,
    /// Nodes to ask for theirs.
    to_ask: HashSet<NodeId>,
    peers: Peers,
    budgets: Budgets,
}

#[expect(clippy::disallowed_methods, reason = "other machines' real pace, whatever a test's clock says")]
fn now() -> Instant {
    Instant::now()
}

/// Why a conversation came to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Redis(#[from] RedisError),
    #[error("nothing comes back")]
    Silent,
    #[error("the subscription has ended")]
    Ended,
}

impl Node {
    /// Talks with the others, for ever: `ended` is told of revocations.
    pub async fn run(mut self, sessions: Sessions, ended: impl Fn(Vec<(LoginId, RevokeReason)>)) {
        let mut backoff = FIRST_BACKOFF;
        let mut told = false;
        loop {
            let began = now();
            let Err(broken) = self.converse(&sessions, &ended).await else { return };
            if now() - began > LONGEST_BACKOFF {
                (backoff, told) = (FIRST_BACKOFF, false);
            }
            if !std::mem::replace(&mut told, true) {
                // Its errors name the address at most, never the password.
                tracing::warn!(%broken, "no Redis: what another node revokes is learned within two seconds");
            }
            #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            let effects = self.peers.tick(now());
            // There is nobody to ask.
            carry_out(effects, &sessions, &ended);
        }
    }

    /// Ends well when this node leaves.
    async fn converse(
        &mut self,
        sessions: &Sessions,
        ended: &impl Fn(Vec<(LoginId, RevokeReason)>),
    ) -> Result<(), Broken> {
        let timeouts = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER))
            .set_response_timeout(Some(ANSWER));
        let mut redis = self.client.get_multiplexed_async_connection_with_config(&timeouts).await?;
        #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
        let mut heard = tokio::time::timeout(ANSWER, async {
            let mut heard = self.client.get_async_pubsub().await?;
            heard.subscribe(&self.channel).await?;
            Ok::<_, RedisError>(heard.into_on_message())
        })
        .await
        .map_err(|_| Broken::Silent)??;
        // What was said before is in the list.
        while let Ok(old) = self.outgoing.try_recv() {
            if let Outgoing::Ended(logins) = old {
                self.say(&mut redis, ended_news(&logins)).await?;
            }
        }
        self.peers.lost(now());
        self.say(&mut redis, News::Hello).await?;
        self.list(&mut redis, sessions).await?;
        tracing::info!(node = %self.id.0, "talking with other nodes");

        let mut beat = tokio::time::interval(BEAT);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut gather = tokio::time::interval(GATHER);
        let mut came_back = now();
        loop {
            let effects = tokio::select! {
                message = heard.next() => {
                    let Some(message) = message else { return Err(Broken::Ended) };
                    if self.budgets.is_others_turn() {
                        tokio::task::yield_now().await;
                    }
                    match self.budgets.read(self.id, message.get_payload_bytes(), now()) {
                        Some(envelope) => self.peers.receive(envelope, now()),
                        None => continue,
                    }
                }
                Some(news) = self.outgoing.recv() => {
                    if self.pass_on(&mut redis, news).await? {
                        return Ok(());
                    }
                    continue;
                }
                _ = beat.tick() => {
                    self.say(&mut redis, News::Beat).await?;
                    continue;
                }
                _ = gather.tick() => {
                    self.list_wanted |= self.lost.swap(false, Ordering::AcqRel);
                    if self.list_wanted && self.budgets.may_list(now()) {
                        self.list_wanted = false;
                        self.list(&mut redis, sessions).await?;
                    }
                    for of in std::mem::take(&mut self.to_ask) {
                        self.say(&mut redis, News::Ask { of }).await?;
                    }
                    continue;
                }
                _ = tick.tick() => {
                    if now() - came_back > SILENCE {
                        return Err(Broken::Silent);
                    }
                    self.peers.tick(now())
                }
            };
            if effects.contains(&Effect::Heard) {
                came_back = now();
            }
            for effect in carry_out(effects, sessions, ended) {
                match effect {
                    Effect::SendList => self.list_wanted = true,
                    Effect::Ask(of) if self.to_ask.len() < peers::MAX_PEERS => drop(self.to_ask.insert(of)),
                    _ => {}
                }
            }
        }
    }

    /// Says this and what else waits, revocations first. Answers whether it was the last.
    async fn pass_on(
        &mut self,
        redis: &mut MultiplexedConnection,
        first: Outgoing,
    ) -> Result<bool, RedisError> {
        let (mut logins, mut came, mut went, mut bye) = (Vec::new(), Vec::new(), Vec::new(), None);
        let mut next = Some(first);
        while let Some(news) = next {
            match news {
                Outgoing::Ended(mut ended) => logins.append(&mut ended),
                Outgoing::Came(info) => came.push(Listed::from(&*info)),
                Outgoing::Went(gone) => went.push(gone),
                Outgoing::Bye(said) => bye = Some(said),
            }
            let enough = bye.is_some() || logins.len() + came.len() + went.len() >= BATCH;
            next = if enough { None } else { self.outgoing.try_recv().ok() };
        }
        for logins in logins.chunks(BATCH) {
            self.say(redis, ended_news(logins)).await?;
        }
        if !came.is_empty() || !went.is_empty() {
            self.say(redis, News::Sessions { came, went }).await?;
        }
        let Some(said) = bye else { return Ok(false) };
        self.say(redis, News::Bye).await?;
        // Whoever waits may have given up.
        let _ = said.send(());
        Ok(true)
    }

    async fn list(
        &mut self,
        redis: &mut MultiplexedConnection,
        sessions: &Sessions,
    ) -> Result<(), RedisError> {
        let all = sessions.all_here();
        let parts = all.len().div_ceil(BATCH).max(1);
        for part in 0..parts {
            let end = all.len().min((part + 1) * BATCH);
            let listed = all[part * BATCH..end].iter().map(|info| Listed::from(&**info)).collect();
            let number = u32::try_from(part).unwrap_or(u32::MAX);
            self.say(redis, News::List { part: number, last: part + 1 == parts, sessions: listed }).await?;
        }
        Ok(())
    }

    async fn say(&mut self, redis: &mut MultiplexedConnection, news: News) -> Result<(), RedisError> {
        self.number += 1;
        let envelope = Envelope { node: self.id, number: self.number, news };
        // Numbers, ids and words are always JSON.
        let text = serde_json::to_vec(&envelope).unwrap_or_default();
        redis.publish(&self.channel, text).await
    }
}

fn ended_news(logins: &[(LoginId, RevokeReason)]) -> News {
    News::Ended { logins: logins.iter().map(|(id, reason)| EndedLogin::new(*id, *reason)).collect() }
}

/// Does what concerns this node, and answers what is to be said.
fn carry_out(
    effects: Vec<Effect>,
    sessions: &Sessions,
    ended: &impl Fn(Vec<(LoginId, RevokeReason)>),
) -> Vec<Effect> {
    let mut to_say = Vec::new();
    for effect in effects {
        match effect {
            Effect::Add(listed) => sessions.came_elsewhere(listed.into()),
            Effect::Remove(gone) => {
                sessions.went_elsewhere(gone.into_iter().map(|gone| (gone.user, gone.session)).collect());
            }
            Effect::End(logins) => ended(logins),
            Effect::SendList | Effect::Ask(_) => to_say.push(effect),
            Effect::Heard => {}
        }
    }
    to_say
}
