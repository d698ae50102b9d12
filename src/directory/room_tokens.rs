//! Which room tokens were revoked. A session asks before each request, and a worker thread before each delivery: both ask
//! memory, and only if anything was revoked since they last did.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use chrono::TimeDelta;
use doorward_core::domain::UserId;
use doorward_core::rooms::{LONGEST_TOKEN_LIFE, RevokedTokens, RoomToken};

use crate::clock::Timestamp;

/// How long a revocation is kept: then all tokens that it is about have expired. An hour more, as clocks differ.
pub const KEPT: TimeDelta = TimeDelta::hours(LONGEST_TOKEN_LIFE.num_hours() + 1);

/// How often those that are older are looked for.
const SWEEP: TimeDelta = TimeDelta::minutes(10);

/// The revocations that still matter: one entry for each token that was revoked by its `jti`, and for each user.
#[derive(Debug, Default)]
pub struct RevokedRoomTokens {
    /// Raised by each revocation, after it is held: who has seen a version has seen what is held then.
    version: AtomicU64,
    held: RwLock<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By `jti`; each with the time from which it is kept.
    ids: HashMap<Box<str>, Timestamp>,
    users: HashMap<UserId, Before>,
    all: Option<Before>,
    swept: Timestamp,
}

/// Tokens that were issued before are revoked.
#[derive(Debug, Clone, Copy)]
struct Before {
    issued: Timestamp,
    since: Timestamp,
}

impl Before {
    fn later(one: Option<Self>, other: Self) -> Self {
        let Some(one) = one else { return other };
        Self { issued: one.issued.max(other.issued), since: one.since.max(other.since) }
    }
}

impl RevokedRoomTokens {
    /// Changes with each revocation.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Notes revocations, each with the time at which it was made. No token that they are about counts any more once this
    /// returns.
    pub fn insert(&self, revoked: impl IntoIterator<Item = (RevokedTokens, Timestamp)>) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        for (revoked, since) in revoked {
            match revoked {
                RevokedTokens::One(id) => {
                    let known = held.ids.entry(id).or_insert(since);
                    *known = since.max(*known);
                }
                RevokedTokens::IssuedBefore(issued, user) => {
                    let before = Before { issued, since: since.max(issued) };
                    match user {
                        Some(user) => {
                            let known = held.users.get(&user).copied();
                            held.users.insert(user, Before::later(known, before));
                        }
                        None => held.all = Some(Before::later(held.all, before)),
                    }
                }
            }
        }
        // With the lock: a thread that finds the new version finds what is held then.
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether the token was revoked.
    #[must_use]
    pub fn contain(&self, token: &RoomToken) -> bool {
        if self.version() == 0 {
            return false;
        }
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let is_old = |before: &Before| token.issued_at < before.issued;
        held.all.as_ref().is_some_and(is_old)
            || held.users.get(&token.user).is_some_and(is_old)
            || token.id.as_ref().is_some_and(|id| held.ids.contains_key(id))
    }

    /// Forgets what is older than any token that it could be about.
    pub fn prune(&self, now: Timestamp) {
        if self.version() == 0 {
            return;
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if now - held.swept < SWEEP {
            return;
        }
        held.swept = now;
        held.ids.retain(|_, since| now - *since < KEPT);
        held.users.retain(|_, before| now - before.since < KEPT);
        held.all = held.all.filter(|before| now - before.since < KEPT);
    }

    /// How many revocations are held.
    #[must_use]
    pub fn len(&self) -> usize {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.ids.len() + held.users.len() + usize::from(held.all.is_some())
    }
}

#[cfg(test)]
mod tests {
    use doorward_core::rooms::{TokenOps, TokenRooms};
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::default() + TimeDelta::seconds(seconds)
    }

    fn user(number: u8) -> UserId {
        UserId(Uuid::from_u128(number.into()))
    }

    fn token(of: u8, id: Option<u8>, issued: i64) -> RoomToken {
        RoomToken {
            user: user(of),
            rooms: TokenRooms::parse("chat:*").unwrap(),
            ops: TokenOps { send: true, presence: true },
            id: id.map(|id| id.to_string().into()),
            issued_at: at(issued),
            expires_at: at(issued) + LONGEST_TOKEN_LIFE,
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Id(u8),
        Before(i64, Option<u8>),
        Wait(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u8).prop_map(Step::Id),
            (-100..1_i64, prop::option::of(0..3_u8)).prop_map(|(ago, user)| Step::Before(ago, user)),
            (0..40_000_i64).prop_map(Step::Wait),
        ]
    }

    proptest! {
        /// Whatever was revoked when: of the tokens that have not expired, exactly those do not count that a revocation is
        /// about; and what is older is forgotten.
        #[test]
        fn what_was_revoked_stays_revoked_until_it_has_expired(
            steps in prop::collection::vec(step(), 0..40), of in 0..3_u8, id in prop::option::of(0..4_u8), issued in 0..200_000_i64,
        ) {
            let (revoked, mut now, mut expected) = (RevokedRoomTokens::default(), 0, false);
            let token = token(of, id, issued);
            for step in steps {
                let version = revoked.version();
                match step {
                    // One of that name that is issued later is another token.
                    Step::Id(_) if now < issued => continue,
                    Step::Id(number) => {
                        revoked.insert([(RevokedTokens::One(number.to_string().into()), at(now))]);
                        expected |= id == Some(number);
                    }
                    Step::Before(ago, user_number) => {
                        revoked.insert([(RevokedTokens::IssuedBefore(at(now + ago), user_number.map(user)), at(now))]);
                        expected |= issued < now + ago && user_number.is_none_or(|number| number == of);
                    }
                    Step::Wait(seconds) => {
                        now += seconds;
                        revoked.prune(at(now));
                        continue;
                    }
                }
                prop_assert!(revoked.version() > version);
                if issued <= now && at(now) < token.expires_at {
                    prop_assert_eq!(revoked.contain(&token), expected);
                }
            }
            revoked.prune(at(now) + KEPT + TimeDelta::seconds(1));
            prop_assert_eq!(revoked.len(), 0);
        }
    }
}
