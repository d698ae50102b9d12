//! Reads the rows that tell what other processes changed: logins that were revoked, and changes of roles and claims. Each
//! row is read once, in the order of its number.

use std::ops::RangeInclusive;
use std::sync::{MutexGuard, PoisonError};

use diesel::QueryResult;

use super::Error;
use super::logins::{Logins, Unmarked};
use crate::actors::db::DbError;
use crate::clock::Timestamp;
use crate::db::Conn;
use crate::directory::read_numbers::{Horizon, ReadNumbers};
use crate::models::{access_changes, login_revocations, logins};
use doorward_core::domain::{LoginId, RevokeReason};

/// Revocations that are read at a time: all that are read are kept in memory, 17 bytes each.
const REVOCATIONS: i64 = 5000;

/// Changes of roles and claims that are read at a time.
const ACCESS_CHANGES: i64 = 1000;

/// Login ids to ask for in one statement.
const CHUNK: usize = 500;

/// Why a poll failed. The next one sees what it missed.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
    #[error(transparent)]
    Mark(#[from] Error),
    #[error("the database takes too long")]
    Slow,
}

/// Reads all numbers that are unread, page by page. `read` reads and applies the first rows of a range, notes them, and
/// returns the last number if there may be more. No lock is held meanwhile, so a thread whose database hangs stops no
/// other; two threads may apply the same row, which changes nothing.
pub(super) fn read_unread<'a>(
    numbers: impl Fn() -> MutexGuard<'a, ReadNumbers>,
    now: Timestamp,
    horizon: &Horizon,
    mut read: impl FnMut(&RangeInclusive<i64>) -> QueryResult<Option<i64>>,
) -> QueryResult<()> {
    let ranges = numbers().unread(horizon);
    for mut range in ranges {
        while let Some(last) = read(&range)?
            && last < *range.end()
        {
            range = last + 1..=*range.end();
        }
    }
    numbers().settle(now, horizon);
    Ok(())
}

impl Logins {
    /// The database's transactions at this moment, with what the next reads need to know of them.
    pub(super) fn horizon(&self, conn: &mut Conn) -> QueryResult<Horizon> {
        let bound = self.revocations.numbers().needs_bound()
            || self.revocations.access_changes().numbers().needs_bound()
            || self.sessions.rooms().are_on() && self.revocations.room_changes().numbers().needs_bound();
        let found = login_revocations::transactions(conn, bound)?;
        Ok(found.map_or(Horizon::SERIAL, |found| Horizon {
            server: found.server,
            oldest: found.oldest,
            next: found.next,
        }))
    }

    /// Reads the logins that were revoked since the last poll, at first those within the lifetime of an access token, and
    /// applies them.
    pub(super) fn read_revocations(&self, conn: &mut Conn, horizon: &Horizon) -> QueryResult<()> {
        let (now, numbers) = (self.clock.now(), || self.revocations.numbers());
        let begins = numbers().begins(horizon.server);
        if begins {
            // Older ones are purged, but a number below the first may still be committed.
            numbers().start_after(0);
        }
        let mut found = 0;
        read_unread(numbers, now, horizon, |range| {
            let page = login_revocations::page(conn, range, REVOCATIONS)?;
            let (last, is_full) = (page.last(), page.count >= REVOCATIONS);
            let all = page.logins.len();
            let new = self.revocations.insert(page.logins);
            // If some were known, the oldest of the rows may be one of them.
            let at = page.oldest.filter(|_| new.len() == all);
            found += new.len();
            self.note_ended_users(&new);
            self.close_sockets(new, at, !begins);
            // Only now: a thread that finds them read can rely on it.
            for run in page.numbers {
                numbers().note(run, now, now);
            }
            Ok(last.filter(|_| is_full))
        })?;
        if begins && found > 0 {
            tracing::info!(logins = found, "read the logins that were revoked lately");
        }
        Ok(())
    }

    /// Reads the changes of roles and claims that other processes made, and those of this one once more, and applies
    /// them. Part of each poll for revocations, so that a node that cannot do it accepts no token. Returns the greatest
    /// number that is applied.
    pub(super) fn read_access_changes(&self, conn: &mut Conn, horizon: &Horizon) -> QueryResult<i32> {
        let (now, numbers) = (self.clock.now(), || self.revocations.access_changes().numbers());
        let begins = numbers().begins(horizon.server);
        if begins {
            // Of older changes all older tokens have expired.
            let before = access_changes::last_before(conn, now - self.access_memory())?;
            numbers().start_after(before.into());
        }
        read_unread(numbers, now, horizon, |range| {
            let page = access_changes::page(conn, range, ACCESS_CHANGES)?;
            for change in &page {
                self.apply_access(change.user, change.version, || change.rights().shared());
                let number = i64::from(change.number);
                // A smaller number may be written later than this row, unless all have ended that could.
                let written = if begins && horizon.is_idle() { change.at } else { now };
                numbers().note(number..=number, written, now);
            }
            let is_full = i64::try_from(page.len()).is_ok_and(|count| count >= ACCESS_CHANGES);
            Ok(page.last().map(|last| last.number.into()).filter(|_| is_full))
        })?;
        Ok(numbers().newest().and_then(|newest| i32::try_from(newest).ok()).unwrap_or_default())
    }

    fn unmarked(&self) -> MutexGuard<'_, Unmarked> {
        self.unmarked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the logins whose rows may not be marked as revoked yet, because a user was deleted or disabled by hand.
    fn note_ended_users(&self, revoked: &[(LoginId, RevokeReason)]) {
        let of_users = [RevokeReason::AccountDeleted, RevokeReason::AccountDisabled];
        let unmarked =
            revoked.iter().filter(|(_, reason)| of_users.contains(reason)).map(|(login, _)| *login);
        self.unmarked().logins.extend(unmarked);
    }

    /// Marks them, in the background. They are refused already. The next poll tries again what fails.
    pub(super) fn mark_logins_of_ended_users(&self) {
        let unmarked = std::mem::take(&mut self.unmarked().logins);
        if unmarked.is_empty() {
            return;
        }
        let this = self.clone();
        actix::spawn(async move {
            let mut left = &unmarked[..];
            while !left.is_empty() {
                let (logins, rest) = left.split_at(left.len().min(CHUNK));
                if let Err(error) = this.mark(logins.to_vec()).await {
                    this.mark_later(left, &error);
                    return;
                }
                left = rest;
            }
            this.unmarked().fails = false;
        });
    }

    fn mark_later(&self, left: &[LoginId], error: &PollError) {
        let mut unmarked = self.unmarked();
        unmarked.logins.extend(left);
        if !std::mem::replace(&mut unmarked.fails, true) {
            tracing::warn!(%error, "the logins of a deleted user are not marked as revoked yet");
        }
    }

    async fn mark(&self, ids: Vec<LoginId>) -> Result<(), PollError> {
        let inactive =
            self.db.run_watch(move |conn| Ok::<_, PollError>(logins::inactive_among(conn, &ids)?)).await?;
        for reason in [RevokeReason::AccountDeleted, RevokeReason::AccountDisabled] {
            let by_user = inactive.iter().filter(|login| login.by_user && login.reason == reason);
            let ids: Vec<_> = by_user.map(|login| login.id).collect();
            if !ids.is_empty() {
                self.revoke_all(ids, reason).await?;
            }
        }
        Ok(())
    }
}
