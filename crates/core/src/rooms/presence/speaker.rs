//! What this node has to tell the others of its sessions in a room, and when.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::news::NewsUser;
use super::{PresenceNews, PresentUser};
use crate::domain::UserId;

/// Changes are collected for this long.
const PACE: Duration = Duration::from_millis(250);

/// Lists and questions follow each other no sooner, however often others ask.
const PAUSE: Duration = Duration::from_secs(1);

/// With nothing to tell, a node says so this often: others notice what they have missed.
const STILL: Duration = Duration::from_secs(10);

/// Bytes of users in one message, about.
const MOST_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Speaker {
    life: u64,
    n: u64,
    /// Users of whom there is something to tell.
    marked: BTreeSet<UserId>,
    due: Option<Instant>,
    list: Once,
    ask: Once,
    still: Option<Instant>,
}

/// Something that is done when it is asked for, but not too often.
#[derive(Debug, Default)]
struct Once {
    due: Option<Instant>,
    last: Option<Instant>,
}

impl Once {
    fn want(&mut self, now: Instant) {
        let at = self.last.map_or(now, |last| now.max(last + PAUSE));
        self.due.get_or_insert(at);
    }

    fn take(&mut self, now: Instant) -> bool {
        let is_due = self.due.take_if(|due| *due <= now).is_some();
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

impl Speaker {
    /// `life` is greater than any that this node has used before.
    pub fn new(life: u64) -> Self {
        Self {
            life,
            n: 0,
            marked: BTreeSet::new(),
            due: None,
            list: Once::default(),
            ask: Once::default(),
            still: None,
        }
    }

    /// Something has changed about one of the node's own users.
    pub fn mark(&mut self, user: UserId, now: Instant) {
        self.marked.insert(user);
        self.due.get_or_insert(now + PACE);
    }

    /// Another node wants the list.
    pub fn want_list(&mut self, now: Instant) {
        self.list.want(now);
    }

    /// This node wants the others' lists.
    pub fn want_ask(&mut self, now: Instant) {
        self.ask.want(now);
    }

    /// All that changed has been told.
    pub fn is_quiet(&self) -> bool {
        self.marked.is_empty()
    }

    pub fn deadline(&self) -> Option<Instant> {
        [self.due, self.list.due, self.ask.due, self.still].into_iter().flatten().min()
    }

    /// What is to be told now. `users` are all of the node's own, `current` is one as they are now.
    pub fn speak(
        &mut self,
        now: Instant,
        users: impl Iterator<Item = UserId>,
        current: impl Fn(UserId) -> Option<PresentUser>,
    ) -> Vec<PresenceNews> {
        let mut news = Vec::new();
        if self.ask.take(now) {
            news.push(PresenceNews::Ask);
        }
        let lists = self.list.take(now);
        if self.due.is_some_and(|due| due <= now) || (lists && !self.marked.is_empty()) {
            self.due = None;
            let marked = std::mem::take(&mut self.marked).into_iter();
            for users in parts(marked.map(|user| NewsUser::new(user, current(user)))) {
                self.n += 1;
                news.push(PresenceNews::Diff { life: self.life, n: self.n, users });
            }
        }
        if lists {
            let all = users.filter_map(|user| Some(NewsUser::new(user, Some(current(user)?))));
            let parts = parts(all);
            let count = parts.len();
            for (at, (part, users)) in (0..).zip(parts).enumerate() {
                let last = at + 1 == count;
                news.push(PresenceNews::List { life: self.life, n: self.n, part, last, users });
            }
        }
        if news.iter().all(|one| *one == PresenceNews::Ask) && self.still.is_some_and(|still| still <= now) {
            news.push(PresenceNews::Still { life: self.life, n: self.n });
        }
        if !news.is_empty() || self.still.is_none() {
            self.still = Some(now + STILL);
        }
        news
    }
}

/// As many messages as it takes.
fn parts(users: impl Iterator<Item = NewsUser>) -> Vec<Vec<NewsUser>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for user in users {
        bytes += user.size();
        if bytes > MOST_BYTES && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = user.size();
        }
        part.push(user);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}
