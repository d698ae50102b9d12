//! What clients were told of a room: changes come together, numbered, at a pace; lists are as of the newest change.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::user::Line;
use super::{PresenceLevel, ShownUser};
use crate::domain::UserId;

/// Changes are collected for this long, and no two are told sooner one after the other.
const PACE: Duration = Duration::from_millis(250);

/// The same where only the number is told.
const LARGE_PACE: Duration = Duration::from_secs(2);

/// With more users than this, clients are told their number alone.
pub(super) const LARGE: usize = 1000;

/// Bytes of users in one message, about. A change with more is told by its number alone; a list is split.
const MOST_BYTES: usize = 64 * 1024;

/// After this time a client that missed a change is told so.
const CATCH_UP: Duration = Duration::from_secs(2);

/// A change of who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceChange {
    /// Its number: one more than that of the change before.
    pub v: u64,
    /// Users after it.
    pub count: usize,
    pub is_count_new: bool,
    /// Who has changed how. None if there are too many, and where only the number is told.
    pub lists: Option<ChangedUsers>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangedUsers {
    pub came: Vec<(UserId, ShownUser)>,
    pub went: Vec<UserId>,
    pub changed: Vec<(UserId, ShownUser)>,
}

/// What clients are told that have missed a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatchUp {
    /// The newest one, without lists.
    pub change: PresenceChange,
    /// All clients have missed one.
    pub all: bool,
}

/// A part of the users of a room, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresencePage {
    /// The number of the last change that is in it.
    pub v: u64,
    /// All users.
    pub count: usize,
    /// None where only the number is told.
    pub users: Option<Vec<(UserId, ShownUser)>>,
    /// There are more, after this one.
    pub next: Option<UserId>,
}

#[derive(Debug)]
pub(super) struct Told {
    level: PresenceLevel,
    shown: BTreeMap<UserId, ShownUser>,
    v: u64,
    /// Users of whom there may be something to tell.
    marked: BTreeSet<UserId>,
    /// When to tell it.
    due: Option<Instant>,
    last: Option<Instant>,
    /// When to tell clients that they have missed a change, and whether all of them have.
    catch_up: Option<(Instant, bool)>,
}

impl Told {
    pub const fn new(level: PresenceLevel) -> Self {
        Self {
            level,
            shown: BTreeMap::new(),
            v: 0,
            marked: BTreeSet::new(),
            due: None,
            last: None,
            catch_up: None,
        }
    }

    /// Something may have changed about the user.
    pub fn mark(&mut self, user: UserId, now: Instant) {
        self.marked.insert(user);
        let earliest = self.earliest();
        self.due.get_or_insert_with(|| earliest.map_or(now + PACE, |earliest| earliest.max(now + PACE)));
    }

    /// When the next change may be told at the earliest.
    fn earliest(&self) -> Option<Instant> {
        self.last.map(|last| last + if self.shown.len() > LARGE { LARGE_PACE } else { PACE })
    }

    /// Changes need not be collected any longer.
    pub fn may_tell(&self, now: Instant) -> bool {
        !self.marked.is_empty() && self.earliest().is_none_or(|earliest| earliest <= now)
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.due.into_iter().chain(self.catch_up.map(|(at, _)| at)).min()
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// What to tell clients that have missed a change, if it is time to. Asked once.
    pub fn take_catch_up(&mut self, now: Instant) -> Option<CatchUp> {
        let (_, all) = self.catch_up.take_if(|(at, _)| *at <= now)?;
        let change = PresenceChange { v: self.v, count: self.shown.len(), is_count_new: true, lists: None };
        Some(CatchUp { change, all })
    }

    /// A client missed the newest change, or all have.
    pub fn missed(&mut self, all: bool, now: Instant) {
        let (at, before) = self.catch_up.unwrap_or((now + CATCH_UP, false));
        self.catch_up = Some((at, before || all));
    }

    /// What has changed since the last time; `current` answers a user as they are now. None if nothing has.
    pub fn tell(
        &mut self,
        now: Instant,
        current: impl Fn(UserId) -> Option<ShownUser>,
    ) -> Option<PresenceChange> {
        self.due = None;
        let before = self.shown.len();
        let mut lists = ChangedUsers::default();
        let mut bytes = 0;
        for user in std::mem::take(&mut self.marked) {
            let is = current(user);
            bytes += is.as_ref().map_or(40, ShownUser::size);
            match (self.shown.get(&user), &is) {
                (None, Some(is)) => lists.came.push((user, is.clone())),
                (Some(_), None) => lists.went.push(user),
                (Some(was), Some(is)) if was != is => lists.changed.push((user, is.clone())),
                _ => continue,
            }
            match is {
                Some(is) => self.shown.insert(user, is),
                None => self.shown.remove(&user),
            };
        }
        if lists == ChangedUsers::default() {
            return None;
        }
        self.last = Some(now);
        self.v += 1;
        let count = self.shown.len();
        let is_count_new = lists.came.len() != lists.went.len();
        let may_list = self.level.has_list() && before.max(count) <= LARGE && bytes <= MOST_BYTES;
        Some(PresenceChange { v: self.v, count, is_count_new, lists: may_list.then_some(lists) })
    }

    pub fn page(&self, after: Option<UserId>, limit: usize) -> PresencePage {
        let (v, count) = (self.v, self.shown.len());
        if !self.level.has_list() {
            return PresencePage { v, count, users: None, next: None };
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.shown.range((from, Bound::Unbounded)).peekable();
        let (mut users, mut bytes) = (Vec::new(), 0);
        while let Some((user, shown)) = rest.peek().copied() {
            bytes += shown.size();
            if users.len() >= limit || (bytes > MOST_BYTES && !users.is_empty()) {
                break;
            }
            users.push((*user, shown.clone()));
            rest.next();
        }
        let next = rest.peek().and(users.last()).map(|(user, _)| *user);
        PresencePage { v, count, users: Some(users), next }
    }
}

#[derive(Serialize)]
struct WrittenChange<'a> {
    room: &'a str,
    v: u64,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    came: Option<Vec<Line<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    went: Option<&'a [UserId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Vec<Line<'a>>>,
}

fn lines(users: &[(UserId, ShownUser)]) -> Vec<Line<'_>> {
    users.iter().map(|(user, shown)| Line(*user, shown)).collect()
}

impl PresenceChange {
    /// As clients are told it: JSON. The users only if `full`.
    #[must_use]
    pub fn write(&self, room: &str, full: bool) -> String {
        let lists = self.lists.as_ref().filter(|_| full);
        let written = WrittenChange {
            room,
            v: self.v,
            count: self.count,
            came: lists.map(|lists| lines(&lists.came)),
            went: lists.map(|lists| &*lists.went),
            changed: lists.map(|lists| lines(&lists.changed)),
        };
        // Texts and numbers, and JSON that was read before: this always is JSON.
        serde_json::to_string(&written).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct WrittenPage<'a> {
    room: &'a str,
    v: u64,
    count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<Line<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<UserId>,
}

impl PresencePage {
    /// As clients are told it: JSON.
    #[must_use]
    pub fn write(&self, room: &str) -> String {
        let users = self.users.as_deref().map(lines);
        let written = WrittenPage { room, v: self.v, count: self.count, users, next: self.next };
        // As above.
        serde_json::to_string(&written).unwrap_or_default()
    }
}
