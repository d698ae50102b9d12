//! The task of this node: publishes its changes and applies those of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use doorward_core::domain::{LoginId, RevokeReason};
use redis::Msg;
use tokio::sync::mpsc;

use super::acks::Acks;
use super::budget::Budgets;
use super::bus::{Address, BusError, Publisher};
use super::message::{Envelope, NodeId, NodeMessage, RevokedLogin};
use super::peers::{Effect, Peers};
use super::{BEAT, Handle, Outgoing, now};
use crate::clock::Timestamp;
use crate::directory::Directory;

/// How long a node's own message may take to return before the connection counts as broken.
const SILENCE: Duration = Duration::from_secs(12);

/// Delays between attempts to connect.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// How often a node that has just connected is answered, so that one answer serves many.
const ANSWER_INTERVAL: Duration = Duration::from_millis(250);

/// How long other nodes may take to connect again once Redis is back.
const SETTLING: Duration = Duration::from_secs(8);

/// Logins in one message.
const BATCH: usize = 500;

/// What this node does with the changes of others.
pub trait Changes {
    /// Other nodes revoked these logins; `at` is since when, if they said it.
    fn revoked(&self, logins: Vec<(LoginId, RevokeReason)>, at: Option<Timestamp>);

    /// Other nodes changed roles or claims: the rows are to be read, and [`super::Cluster::access_applied`] is to be told.
    fn access_changed(&self);

    /// Other nodes changed rights to rooms: the rows are to be read, and [`super::Cluster::rooms_applied`] is to be told.
    /// They say up to which number; none if they may have said so unheard.
    fn rooms_changed(&self, number: Option<i64>);
}

/// This node in the cluster.
pub struct Node {
    id: NodeId,
    number: u64,
    address: Address,
    outgoing: mpsc::Receiver<Outgoing>,
    acks: Arc<Acks>,
    room_acks: Arc<Acks>,
    connected: Arc<AtomicBool>,
    /// Another node has connected, and is to be told that this one is alive.
    beat_wanted: bool,
    /// How many sessions the others were told of.
    told: Option<usize>,
    /// When a connection broke: others may still be without one.
    broken: Option<Instant>,
    /// How many nodes a change of roles has to wait for, and whether there may be more.
    counted: (usize, bool),
    peers: Peers,
    budgets: Budgets,
}

impl Node {
    pub(super) fn new(
        address: Address,
        id: NodeId,
        outgoing: mpsc::Receiver<Outgoing>,
        Handle { acks, room_acks, connected, .. }: Handle,
    ) -> Self {
        Self {
            id,
            number: 0,
            address,
            outgoing,
            acks,
            room_acks,
            connected,
            beat_wanted: false,
            told: None,
            broken: None,
            counted: (0, false),
            peers: Peers::new(id),
            budgets: Budgets::default(),
        }
    }

    /// Exchanges messages until this node leaves.
    pub async fn run(mut self, directory: Directory, changes: impl Changes) {
        let mut backoff = FIRST_BACKOFF;
        let mut logged = false;
        loop {
            let began = now();
            let ended = self.run_connection(&directory, &changes).await;
            self.connected.store(false, Ordering::Release);
            let Err(broken) = ended else { return };
            if now() - began > LONGEST_BACKOFF {
                (backoff, logged) = (FIRST_BACKOFF, false);
            }
            if !std::mem::replace(&mut logged, true) {
                // The errors contain the address at most, never the password.
                tracing::warn!(%broken, "no connection to Redis: revocations of other nodes take up to two seconds");
            }
            #[expect(clippy::disallowed_methods, reason = "Redis' real pace; no rule depends on it")]
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            // Silent nodes time out meanwhile. Messages to publish wait for the next connection.
            self.broken = Some(now());
            self.peers.tick(now());
            self.count_alive(&directory);
        }
    }

    /// Runs one connection. Returns without an error when this node leaves.
    async fn run_connection(
        &mut self,
        directory: &Directory,
        changes: &impl Changes,
    ) -> Result<(), BusError> {
        let (mut publisher, mut subscription) = self.address.connect().await?;
        self.announce(&mut publisher).await?;
        self.connected.store(true, Ordering::Release);
        // Others may have said meanwhile that there are changes.
        changes.access_changed();
        changes.rooms_changed(None);
        let mut beat = tokio::time::interval(BEAT);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        let mut answer = tokio::time::interval(ANSWER_INTERVAL);
        let mut last_echo = now();
        loop {
            let effects = tokio::select! {
                message = subscription.next() => match self.receive(&message?).await {
                    Some(effects) => effects,
                    None => continue,
                },
                Some(first) = self.outgoing.recv() => {
                    if self.publish_queued(&mut publisher, first).await? {
                        return Ok(());
                    }
                    continue;
                }
                _ = beat.tick() => {
                    self.beat(&mut publisher, directory).await?;
                    continue;
                }
                _ = answer.tick() => {
                    if self.beat_wanted {
                        self.beat(&mut publisher, directory).await?;
                    }
                    continue;
                }
                _ = tick.tick() => {
                    if now() - last_echo > SILENCE {
                        return Err(BusError::Silent);
                    }
                    if self.told != Some(directory.local_count()) {
                        self.beat(&mut publisher, directory).await?;
                    }
                    self.peers.tick(now());
                    Vec::new()
                }
            };
            if effects.contains(&Effect::Echo) {
                last_echo = now();
            }
            // Before anything else is received: a change of roles waits for a node from its first message on.
            self.count_alive(directory);
            for effect in effects {
                self.apply(effect, changes);
            }
        }
    }

    /// Says for which nodes a change of roles has to wait, and how many sessions they have.
    fn count_alive(&mut self, directory: &Directory) {
        directory.set_count_elsewhere(self.peers.sessions());
        let now = now();
        self.broken = self.broken.filter(|broken| now.saturating_duration_since(*broken) < SETTLING);
        let counted = (self.peers.count(), self.broken.is_some() || self.peers.may_be_incomplete(now));
        if std::mem::replace(&mut self.counted, counted) != counted {
            let alive = self.peers.alive();
            self.acks.set_alive(&alive, counted.1);
            self.room_acks.set_alive(&alive, counted.1);
        }
    }

    fn apply(&mut self, effect: Effect, changes: &impl Changes) {
        match effect {
            Effect::Revoke(logins, at) => changes.revoked(logins, at),
            Effect::Beat => self.beat_wanted = true,
            Effect::ReadAccess => changes.access_changed(),
            Effect::AccessApplied(node, number) => self.acks.applied(node, number.into()),
            Effect::ReadRooms(number) => changes.rooms_changed(Some(number)),
            Effect::RoomsApplied(node, number) => self.room_acks.applied(node, number),
            Effect::Echo => {}
        }
    }

    /// Starts a connection: publishes what was revoked meanwhile. The rows have all other changes.
    async fn announce(&mut self, publisher: &mut Publisher) -> Result<(), BusError> {
        while let Ok(old) = self.outgoing.try_recv() {
            if let Outgoing::Revoked(logins, at) = old {
                self.publish(publisher, revoked_message(&logins, Some(at))).await?;
            }
        }
        self.publish(publisher, NodeMessage::Hello).await?;
        tracing::info!(node = %self.id.0, "connected to the other nodes");
        Ok(())
    }

    /// Says that this node is alive.
    async fn beat(&mut self, publisher: &mut Publisher, directory: &Directory) -> Result<(), BusError> {
        let count = directory.local_count();
        (self.told, self.beat_wanted) = (Some(count), false);
        self.publish(publisher, NodeMessage::Beat { sessions: u32::try_from(count).unwrap_or(u32::MAX) })
            .await
    }

    /// Processes a message, unless it is over the budget or invalid.
    async fn receive(&mut self, message: &Msg) -> Option<Vec<Effect>> {
        if self.budgets.should_yield() {
            tokio::task::yield_now().await;
        }
        let envelope = self.budgets.read(self.id, message.get_payload_bytes(), now())?;
        Some(self.peers.receive(envelope, now()))
    }

    /// Publishes this message and those queued, revocations first. Returns whether it was the last.
    async fn publish_queued(&mut self, publisher: &mut Publisher, first: Outgoing) -> Result<bool, BusError> {
        let (mut logins, mut since) = (Vec::new(), None::<Timestamp>);
        let (mut access_changed, mut access_applied) = (None, None);
        let (mut rooms_changed, mut rooms_applied) = (None, None);
        let (mut bye, mut next) = (None, Some(first));
        while let Some(message) = next {
            match message {
                Outgoing::Revoked(mut revoked, at) => {
                    logins.append(&mut revoked);
                    since = since.or(Some(at));
                }
                // The greatest number stands for all before.
                Outgoing::AccessChanged(number) => access_changed = access_changed.max(Some(number)),
                Outgoing::AccessApplied(number) => access_applied = access_applied.max(Some(number)),
                Outgoing::RoomsChanged(number) => rooms_changed = rooms_changed.max(Some(number)),
                Outgoing::RoomsApplied(number) => rooms_applied = rooms_applied.max(Some(number)),
                Outgoing::Bye(said) => bye = Some(said),
            }
            let enough = bye.is_some() || logins.len() >= BATCH;
            next = if enough { None } else { self.outgoing.try_recv().ok() };
        }
        for logins in logins.chunks(BATCH) {
            self.publish(publisher, revoked_message(logins, since)).await?;
        }
        let numbers = [
            access_changed.map(|number| NodeMessage::AccessChanged { number }),
            access_applied.map(|number| NodeMessage::AccessApplied { number }),
            rooms_changed.map(|number| NodeMessage::RoomsChanged { number }),
            rooms_applied.map(|number| NodeMessage::RoomsApplied { number }),
        ];
        for message in numbers.into_iter().flatten() {
            self.publish(publisher, message).await?;
        }
        let Some(said) = bye else { return Ok(false) };
        self.publish(publisher, NodeMessage::Bye).await?;
        // Fails only if the caller no longer waits.
        let _ = said.send(());
        Ok(true)
    }

    async fn publish(&mut self, publisher: &mut Publisher, message: NodeMessage) -> Result<(), BusError> {
        self.number += 1;
        let envelope = Envelope { node: self.id, number: self.number, message };
        // Numbers, ids and strings always serialize.
        publisher.publish(serde_json::to_vec(&envelope).unwrap_or_default()).await.map(drop)
    }
}

fn revoked_message(logins: &[(LoginId, RevokeReason)], at: Option<Timestamp>) -> NodeMessage {
    NodeMessage::Revoked {
        logins: logins.iter().map(|(id, reason)| RevokedLogin::new(*id, *reason)).collect(),
        at,
    }
}
