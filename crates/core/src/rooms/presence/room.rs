//! Who is in one room: the sessions of this node and of the others, and what clients and the other nodes are told.

use std::time::{Duration, Instant};

use super::own::{Own, until};
use super::peers::{Heard, Peers};
use super::speaker::Speaker;
use super::told::Told;
use super::{
    CatchUp, Departure, OwnFull, PresenceChange, PresenceData, PresenceLevel, PresenceNews, PresenceNode,
    PresencePage, PresenceWish, ShownUser,
};
use crate::domain::{SessionId, SharedText, UserId};

/// What the operator has set for a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PresenceOptions {
    pub level: PresenceLevel,
    /// How long a session counts whose connection broke.
    pub grace: Duration,
}

/// What is to be told now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PresenceStep {
    /// To the sessions that want to be told.
    pub change: Option<PresenceChange>,
    /// To those among them that have missed a change.
    pub catch_up: Option<CatchUp>,
    /// To the other nodes.
    pub news: Vec<PresenceNews>,
}

/// Who is in one room. After each call, [`RoomPresence::deadline`] says when to call [`RoomPresence::tick`].
#[derive(Debug)]
pub struct RoomPresence {
    options: PresenceOptions,
    own: Own,
    peers: Peers,
    /// None without other nodes.
    speaker: Option<Speaker>,
    told: Told,
}

impl RoomPresence {
    /// With other nodes, `life` is a number that is greater than any that this node has used for a room before.
    #[must_use]
    pub fn new(options: PresenceOptions, life: Option<u64>) -> Self {
        let (own, peers) = (Own::default(), Peers::default());
        Self { options, own, peers, speaker: life.map(Speaker::new), told: Told::new(options.level) }
    }

    /// A session has joined. It is told of changes as it wishes.
    pub fn enter(
        &mut self,
        user: UserId,
        username: &SharedText,
        session: SessionId,
        wish: PresenceWish,
        now: Instant,
    ) {
        let is_first = self.own.enter(user, username, session, wish);
        self.changed(user, now);
        if let Some(speaker) = self.speaker.as_mut().filter(|_| is_first) {
            // What the others said while no session was there, this node may have missed.
            speaker.want_ask(now);
        }
    }

    /// A session that has joined wishes to be told other things.
    pub fn wish(&mut self, user: UserId, session: SessionId, wish: PresenceWish) {
        self.own.wish(user, session, wish);
    }

    /// A session has left.
    pub fn leave(&mut self, user: UserId, session: SessionId, departure: Departure, now: Instant) {
        self.own.leave(user, session, until(departure, self.options.grace, now));
        self.changed(user, now);
    }

    /// Sets what a session shows, or nothing. `now_ms` is the time of day: of several sessions of a user, on whichever
    /// nodes, the one counts that has set last.
    ///
    /// # Errors
    /// [`OwnFull`]
    pub fn set(
        &mut self,
        user: UserId,
        session: SessionId,
        data: Option<PresenceData>,
        (now, now_ms): (Instant, u64),
    ) -> Result<(), OwnFull> {
        self.own.set(user, session, data, now_ms)?;
        self.changed(user, now);
        Ok(())
    }

    /// Something has changed about a user of this node.
    fn changed(&mut self, user: UserId, now: Instant) {
        self.told.mark(user, now);
        if let Some(speaker) = &mut self.speaker {
            speaker.mark(user, now);
        }
    }

    /// Another node tells of its sessions.
    pub fn hear(&mut self, node: PresenceNode, news: PresenceNews, now: Instant) {
        let Self { options, peers, speaker: Some(speaker), told, .. } = self else { return };
        match peers.hear(node, news, options.level, now, |user| told.mark(user, now)) {
            Heard::Nothing => {}
            Heard::Asked => speaker.want_list(now),
            Heard::Gap => speaker.want_ask(now),
        }
    }

    /// Another node has stopped, or is silent.
    pub fn forget_node(&mut self, node: PresenceNode, now: Instant) {
        self.peers.forget(node, |user| self.told.mark(user, now));
    }

    /// This node is sent what the others say again, and did not hear them before: nor may they have heard this one.
    pub fn reconnected(&mut self, now: Instant) {
        if let Some(speaker) = &mut self.speaker {
            speaker.want_ask(now);
            speaker.want_list(now);
        }
    }

    /// A part of the users, as of the newest change. What has changed since comes first, if it may be told already.
    pub fn page(
        &mut self,
        after: Option<UserId>,
        limit: usize,
        now: Instant,
    ) -> (Option<PresenceChange>, PresencePage) {
        let change = if self.told.may_tell(now) { self.tell(now) } else { None };
        (change, self.told.page(after, limit))
    }

    /// A session was not told the newest change, or all were not.
    pub fn missed(&mut self, all: bool, now: Instant) {
        self.told.missed(all, now);
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Instant) -> PresenceStep {
        for user in self.own.expire(now) {
            self.changed(user, now);
        }
        self.peers.expire(now, |user| self.told.mark(user, now));
        let news = self.speak(now);
        let change = if self.told.is_due(now) { self.tell(now) } else { None };
        PresenceStep { change, catch_up: self.told.take_catch_up(now), news }
    }

    fn tell(&mut self, now: Instant) -> Option<PresenceChange> {
        let Self { options, own, peers, told, .. } = self;
        told.tell(now, |user| {
            let own = own.user(user, options.level);
            ShownUser::merge(options.level, own.iter().chain(peers.of(user)))
        })
    }

    fn speak(&mut self, now: Instant) -> Vec<PresenceNews> {
        let Self { options, own, speaker: Some(speaker), .. } = self else { return Vec::new() };
        speaker.speak(now, own.users(), |user| own.user(user, options.level))
    }

    /// When [`RoomPresence::tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let speaks = self.speaker.as_ref().and_then(Speaker::deadline);
        [self.own.deadline(), self.peers.deadline(), self.told.deadline(), speaks].into_iter().flatten().min()
    }

    /// Whether no session of this node is there, also none that counts though its connection broke, and the others
    /// know. Then nothing has to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.speaker.as_ref().is_none_or(Speaker::is_quiet)
    }

    /// Whether a session wants to be told of changes in this way.
    #[must_use]
    pub const fn is_watched(&self, wish: PresenceWish) -> bool {
        self.own.watching(wish) > 0
    }

    /// Bytes of what the sessions of this node have set.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.own.bytes()
    }

    /// About how many bytes are kept of what other nodes say.
    #[must_use]
    pub const fn foreign_bytes(&self) -> usize {
        self.peers.bytes()
    }
}
