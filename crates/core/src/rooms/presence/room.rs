//! Who is in one room: the sessions of this node, and what clients are told.

use std::time::{Duration, Instant};

use super::own::{Own, until};
use super::told::Told;
use super::{
    CatchUp, Departure, OwnFull, PresenceChange, PresenceData, PresenceLevel, PresencePage, PresenceWish,
    ShownUser,
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
}

/// Who is in one room. After each call, [`RoomPresence::deadline`] says when to call [`RoomPresence::tick`].
#[derive(Debug)]
pub struct RoomPresence {
    options: PresenceOptions,
    own: Own,
    told: Told,
}

impl RoomPresence {
    #[must_use]
    pub fn new(options: PresenceOptions) -> Self {
        Self { options, own: Own::default(), told: Told::new(options.level) }
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
        self.own.enter(user, username, session, wish);
        self.told.mark(user, now);
    }

    /// A session that has joined wishes to be told other things.
    pub fn wish(&mut self, user: UserId, session: SessionId, wish: PresenceWish) {
        self.own.wish(user, session, wish);
    }

    /// A session has left.
    pub fn leave(&mut self, user: UserId, session: SessionId, departure: Departure, now: Instant) {
        self.own.leave(user, session, until(departure, self.options.grace, now));
        self.told.mark(user, now);
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
        self.told.mark(user, now);
        Ok(())
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
            self.told.mark(user, now);
        }
        let change = if self.told.is_due(now) { self.tell(now) } else { None };
        PresenceStep { change, catch_up: self.told.take_catch_up(now) }
    }

    fn tell(&mut self, now: Instant) -> Option<PresenceChange> {
        let Self { options, own, told } = self;
        told.tell(now, |user| ShownUser::merge(options.level, own.user(user, options.level).iter()))
    }

    /// When [`RoomPresence::tick`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.own.deadline().into_iter().chain(self.told.deadline()).min()
    }

    /// Whether no session is there, also none that counts though its connection broke. Then nothing has to be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Whether a session wants to be told of changes in this way.
    #[must_use]
    pub const fn is_watched(&self, wish: PresenceWish) -> bool {
        self.own.watching(wish) > 0
    }

    /// Bytes of what the sessions have set.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.own.bytes()
    }
}
