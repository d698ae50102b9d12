//! A node with a fixed number of sockets, by the number of sessions on other nodes. Those nodes are not real: this publishes
//! what they would publish.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::aio::MultiplexedConnection;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::{SETTINGS, SETTLE, Series};
use crate::chart::Scale;
use crate::contender::Kind;
use crate::figures::ms;
use crate::people::{Login, People};
use crate::server::Server;
use crate::{Result, Target};

/// Sockets of the node. Each user of these has a session elsewhere as well.
const OWN: usize = 1_000;

/// The nodes that are not real.
const NODES: usize = 4;

/// How long all those sessions take to connect, and how long it is measured afterwards.
const CONNECTING: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(10);

/// Lists that are published together.
const BATCH: usize = 100;

/// Kinds of frames, as `src/cluster/frame.rs` has them.
const BEAT: u8 = 2;
const SESSIONS: u8 = 5;

/// The other nodes, as far as they publish.
struct Others {
    redis: MultiplexedConnection,
    prefix: String,
    nodes: Vec<Uuid>,
    messages: u64,
}

pub async fn run(target: &Target, numbers: &[usize], redis: &str) -> Result<Series> {
    let mut series = Series::new(
        "load growth: elsewhere",
        "sessions on other nodes",
        Scale::Logarithmic,
        &["memory, MB", "CPU while they connect, ms a second"],
        &["CPU afterwards, ms a second"],
    );
    let prefix = format!("doorward-load-{}", std::process::id());
    let mut settings = SETTINGS.to_vec();
    settings.extend([("cluster.redis_url", redis), ("cluster.prefix", &*prefix)]);
    let mut server = Server::start(target, &settings).await?;
    let mut people = People::new(server.address());
    let logins = people.sign_in(OWN, OWN).await?;
    let own = logins.iter().map(user_of).collect::<Result<Vec<_>>>()?;
    let client = redis::Client::open(redis)?;
    for &number in numbers {
        server.restart(target, &settings).await?;
        let (sockets, _) = Kind::Doorward.open(&server, logins).await?;
        let redis = client.get_multiplexed_async_connection().await?;
        let nodes = (0..NODES).map(|_| Uuid::now_v7()).collect();
        let mut others = Others { redis, prefix: prefix.clone(), nodes, messages: 0 };
        sleep(SETTLE).await;
        let before = server.fine_cpu();
        let took = others.connect(&own, number).await?;
        let connecting = server.fine_cpu_since(before).map(|cpu| ms(cpu) / took.as_secs_f64());
        let before = server.fine_cpu();
        let began = Instant::now();
        while began.elapsed() < IDLE {
            others.beat(number).await?;
            sleep(Duration::from_secs(1)).await;
        }
        let idle = server.fine_cpu_since(before).map(|cpu| ms(cpu) / began.elapsed().as_secs_f64());
        let memory = server.pss().map(|pss| pss / 1024.0);
        drop(sockets);
        series.push(number, vec![memory, connecting, idle]);
    }
    Ok(series)
}

/// The claim `sub` of the login's token.
fn user_of(login: &Login) -> Result<String> {
    let claims = login.token.split('.').nth(1).ok_or("no token")?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    Ok(claims["sub"].as_str().ok_or("a token without a user")?.to_owned())
}

impl Others {
    /// One session of each user after the other connects at a steady pace, those of the node's own users among them. Returns
    /// how long it took.
    async fn connect(&mut self, own: &[String], number: usize) -> Result<Duration> {
        let began = Instant::now();
        let mut beaten = None;
        for first in (0..number).step_by(BATCH) {
            let mut pipe = redis::pipe();
            for index in first..number.min(first + BATCH) {
                let user = own.get(index).cloned().unwrap_or_else(|| Uuid::now_v7().to_string());
                let session = json!({
                    "id": Uuid::now_v7(), "login": Uuid::now_v7(), "carrier": "websocket",
                    "address": "192.0.2.7", "since": "2026-11-28T12:00:00",
                });
                let list = json!({"user": user, "version": index + 1, "part": 0, "last": true, "sessions": [session]});
                let frame = Self::frame(SESSIONS, self.nodes[index % NODES], &list.to_string());
                pipe.publish(format!("{}:rooms/user:{user}", self.prefix), frame).ignore();
            }
            let () = pipe.query_async(&mut self.redis).await?;
            if beaten.is_none_or(|at: Instant| at.elapsed() > Duration::from_secs(1)) {
                self.beat(first).await?;
                beaten = Some(Instant::now());
            }
            let due = CONNECTING.mul_f64((first + BATCH) as f64 / number as f64);
            sleep(due.saturating_sub(began.elapsed())).await;
        }
        Ok(began.elapsed())
    }

    /// All say that they are alive, and that they have so many sessions together.
    async fn beat(&mut self, sessions: usize) -> Result<()> {
        for node in self.nodes.clone() {
            self.messages += 1;
            let beat = json!({"type": "beat", "sessions": sessions / NODES});
            let envelope = json!({"node": node, "number": self.messages, "news": beat}).to_string();
            let mut pipe = redis::pipe();
            pipe.publish(format!("{}:nodes", self.prefix), envelope).ignore();
            pipe.publish(format!("{}:rooms/nodes", self.prefix), Self::frame(BEAT, node, "")).ignore();
            let () = pipe.query_async(&mut self.redis).await?;
        }
        Ok(())
    }

    fn frame(kind: u8, node: Uuid, body: &str) -> Vec<u8> {
        [&[kind], node.as_bytes().as_slice(), body.as_bytes()].concat()
    }
}
