//! The users whose lists of sessions this node is to publish. Each waits once, however often its sessions change and
//! however often others ask. No I/O.

use std::collections::{HashMap, VecDeque};

use doorward_core::domain::UserId;

/// Lists that are published together.
pub(super) const BATCH: usize = 500;

/// Users who may wait without a connection. With more, the others are told to forget this node once there is one.
const MOST_WAITING: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// With whether the other nodes are to publish theirs as well.
    waiting: HashMap<UserId, bool>,
    order: VecDeque<UserId>,
    /// Some did not fit.
    has_lost: bool,
}

impl Announcements {
    /// The user's list has changed, or another node wants it. With `asks`, this node wants theirs.
    pub fn want(&mut self, user: UserId, asks: bool) {
        let order = &mut self.order;
        *self.waiting.entry(user).or_insert_with(|| {
            order.push_back(user);
            false
        }) |= asks;
    }

    /// The user's last session has ended while there is no connection.
    pub fn want_later(&mut self, user: UserId) {
        if self.waiting.len() < MOST_WAITING || self.waiting.contains_key(&user) {
            self.want(user, false);
        } else {
            self.has_lost = true;
        }
    }

    /// The users who wait the longest.
    pub fn take(&mut self) -> Vec<(UserId, bool)> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some(user) = self.order.pop_front()
        {
            batch.extend(self.waiting.remove(&user).map(|asks| (user, asks)));
        }
        if self.order.is_empty() {
            // They keep no room for the next herd.
            (self.waiting, self.order) = Default::default();
        }
        batch
    }

    /// Whether the others may know sessions that have ended meanwhile.
    pub const fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// They have been told to forget them.
    pub const fn forget_lost(&mut self) {
        self.has_lost = false;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(number: usize) -> UserId {
        UserId(Uuid::from_u128(number as u128))
    }

    #[test]
    fn a_user_waits_once_and_in_turn_and_a_question_is_not_forgotten() {
        let mut announcements = Announcements::default();
        assert_eq!(announcements.take(), []);
        for (number, asks) in [(1, false), (2, true), (1, true), (2, false), (3, false)] {
            announcements.want(user(number), asks);
        }
        assert_eq!(announcements.take(), [(user(1), true), (user(2), true), (user(3), false)]);
        assert_eq!(announcements.take(), []);
        announcements.want(user(1), false);
        assert_eq!(announcements.take(), [(user(1), false)]);
    }

    #[test]
    fn what_waits_without_a_connection_is_bounded_and_what_is_lost_is_known() {
        let mut announcements = Announcements::default();
        for number in 0..MOST_WAITING {
            announcements.want_later(user(number));
        }
        announcements.want_later(user(7));
        assert!(!announcements.has_lost());
        announcements.want_later(user(MOST_WAITING));
        assert!(announcements.has_lost());
        announcements.forget_lost();
        assert!(!announcements.has_lost());
        let mut taken = 0;
        loop {
            let batch = announcements.take();
            assert!(batch.len() <= BATCH);
            if batch.is_empty() {
                break;
            }
            taken += batch.len();
        }
        assert_eq!(taken, MOST_WAITING);
    }
}
