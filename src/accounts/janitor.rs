//! Deleting what is no longer needed.

use chrono::TimeDelta;
use diesel::QueryResult;

use super::profile::erase;
use super::{Accounts, Error, keys, time_delta};
use crate::auth::guessing::MEMORY;
use crate::clock::Timestamp;
use crate::config;
use crate::db::Conn;
use crate::directory::room_tokens::KEPT;
use crate::models::audit_events::{Action, NewEvent, Repeatable};
use crate::models::events::{self, Kind};
use crate::models::logins::Scope;
use crate::models::room_rights::Table;
use crate::models::{
    access_changes, address_links, api_keys, audit_events, authorization_codes, failed_attempts,
    idempotency_keys, invitations, login_revocations, logins, one_time_tokens, outbox, request_counts,
    room_changes, room_rights, room_token_revocations, users,
};
use doorward_core::domain::RevokeReason;

/// An expired link is kept for a day, for a user who asks why it does not work.
const LINKS: TimeDelta = TimeDelta::days(1);
/// A code that is used again within this time is recognized.
const CODES: TimeDelta = TimeDelta::hours(1);
/// A client that got no answer asks again sooner.
const IDEMPOTENCY_KEYS: TimeDelta = TimeDelta::days(1);
const INVITATIONS: TimeDelta = TimeDelta::days(30);
const EMAILS: TimeDelta = TimeDelta::days(30);
/// Longer than any access token lives: see the migration.
const LOGINS: TimeDelta = TimeDelta::days(30);
/// At least: what was imported once is not imported again, also if the account was deleted since.
const IMPORTED: TimeDelta = TimeDelta::days(365);
const COUNTS: TimeDelta = TimeDelta::days(30);
const EVENTS: TimeDelta = TimeDelta::days(7);
const API_KEYS: TimeDelta = TimeDelta::days(30);
/// A membership or a ban that has ended is kept for an operator who asks.
const ROOM_RIGHTS: TimeDelta = TimeDelta::days(30);

/// At least; longer than any access token lives that was issued before.
const CHANGES: TimeDelta = TimeDelta::hours(1);

/// Rows that are deleted in one transaction.
const SLICE: i64 = 1000;

/// Unused accounts that are removed in one run.
const BATCH: i64 = 1000;

/// How much of the audit trail is kept.
pub(super) struct AuditBounds {
    keep: TimeDelta,
    /// Of what clients can repeat.
    max_rows: i64,
}

impl AuditBounds {
    pub fn of(config: &config::Audit) -> Self {
        let max_rows = i64::try_from(config.max_rows).unwrap_or(i64::MAX);
        Self { keep: time_delta(config.keep), max_rows }
    }
}

/// How many rows were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    pub links: usize,
    pub emails: usize,
    pub logins: usize,
    pub audit_events: usize,
    pub signing_keys: usize,
    pub counts: usize,
    pub api_keys: usize,
    pub events: usize,
    pub unused_accounts: usize,
    /// Rows of `access_changes`, `login_revocations` and `room_changes`.
    pub changes: usize,
    /// Memberships and bans that have ended, and revocations of room tokens that have expired.
    pub room_rights: usize,
}

impl Accounts {
    /// Deletes links that expired a day ago, emails that were sent and logins that expired or were revoked 30 days ago,
    /// audit rows that are older than `audit.keep` or beyond `audit.max_rows`, counts of requests of last month, wrong passwords
    /// of yesterday, signing keys that have been retired for an hour, revocations and changes of roles and claims, as the
    /// nodes read them, that are older than two lifetimes of an access token and an hour, API keys that expired or were
    /// revoked 30 days ago, memberships and bans that ended 30 days ago, events of a week ago, and accounts that were never used. For a loop that runs now and then.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]; what was deleted before stays deleted.
    pub async fn purge(&self) -> Result<Purged, Error> {
        // Without a number no event is deleted, and perhaps no backend follows them.
        self.number_events().await?;
        let (now, access_ttl) = (self.0.clock.now(), self.0.access_ttl);
        let audited = now - self.0.audit.keep;
        let imported = audited.min(now - IMPORTED);
        let read = now - (access_ttl * 2).max(CHANGES);
        let keys = move |conn: &mut Conn| keys::purge(conn, now, access_ttl);
        Ok(Purged {
            links: self.purge_links(now).await?,
            emails: self.in_slices(move |conn| outbox::purge(conn, now - EMAILS, SLICE)).await?,
            logins: self.in_slices(move |conn| logins::purge_revoked(conn, now - LOGINS, SLICE)).await?
                + self.in_slices(move |conn| logins::purge_expired(conn, now - LOGINS, SLICE)).await?,
            audit_events: self.purge_repeatable().await?
                + self.in_slices(move |conn| audit_events::purge(conn, audited, imported, SLICE)).await?,
            signing_keys: self.0.db.transaction(keys).await?,
            counts: self.in_slices(move |conn| failed_attempts::purge(conn, now - MEMORY, SLICE)).await?
                + self.in_slices(move |conn| request_counts::purge(conn, now - COUNTS, SLICE)).await?,
            changes: self.in_slices(move |conn| access_changes::purge(conn, read, SLICE)).await?
                + self.in_slices(move |conn| login_revocations::purge(conn, read, SLICE)).await?
                + self.in_slices(move |conn| room_changes::purge(conn, read, SLICE)).await?,
            room_rights: self.purge_room_rights(now - ROOM_RIGHTS).await?,
            api_keys: self.in_slices(move |conn| api_keys::purge(conn, now - API_KEYS, SLICE)).await?,
            events: self.in_slices(move |conn| events::purge(conn, now - EVENTS, SLICE)).await?,
            unused_accounts: self.remove_unused().await?,
        })
    }

    async fn purge_links(&self, now: Timestamp) -> Result<usize, Error> {
        Ok(self.in_slices(move |conn| one_time_tokens::purge(conn, now - LINKS, SLICE)).await?
            + self.in_slices(move |conn| address_links::purge(conn, now - LINKS, SLICE)).await?
            + self.in_slices(move |conn| authorization_codes::purge(conn, now - CODES, SLICE)).await?
            + self.in_slices(move |conn| invitations::purge(conn, now - INVITATIONS, SLICE)).await?
            + self
                .in_slices(move |conn| idempotency_keys::purge(conn, now - IDEMPOTENCY_KEYS, SLICE))
                .await?)
    }

    async fn purge_room_rights(&self, before: Timestamp) -> Result<usize, Error> {
        let mut deleted = 0;
        for table in [Table::Members, Table::Bans] {
            deleted += self.in_slices(move |conn| room_rights::purge(conn, table, before, SLICE)).await?;
        }
        let expired = self.0.clock.now() - KEPT;
        deleted += self.in_slices(move |conn| room_token_revocations::purge(conn, expired, SLICE)).await?;
        Ok(deleted)
    }

    /// Deletes rows a slice at a time, each in its turn among all that writes; returns how many.
    async fn in_slices(
        &self,
        slice: impl Fn(&mut Conn) -> QueryResult<usize> + Clone + Send + 'static,
    ) -> Result<usize, Error> {
        let mut deleted = 0;
        loop {
            let slice = slice.clone();
            let count = self.0.db.transaction(move |conn| Ok::<_, Error>(slice(conn)?)).await?;
            deleted += count;
            if i64::try_from(count).is_ok_and(|count| count < SLICE) {
                return Ok(deleted);
            }
        }
    }

    /// Each of the two kinds gets half of the rows: failures must not push out what users do.
    async fn purge_repeatable(&self) -> Result<usize, Error> {
        let keep = self.0.audit.max_rows / 2;
        let mut purged = 0;
        for kind in Repeatable::ALL {
            let newest =
                move |conn: &mut Conn| Ok::<_, Error>(audit_events::beyond_newest(conn, kind, keep)?);
            if let Some(newest) = self.0.db.run(newest).await? {
                let slice = move |conn: &mut Conn| audit_events::purge_repeatable(conn, kind, newest, SLICE);
                purged += self.in_slices(slice).await?;
            }
        }
        Ok(purged)
    }

    /// Removes accounts that registered themselves, have verified no address and were never used again.
    async fn remove_unused(&self) -> Result<usize, Error> {
        let Some(ttl) = self.0.unused_ttl else { return Ok(0) };
        let before = self.0.clock.now() - ttl;
        let unused =
            self.0.db.run(move |conn| Ok::<_, Error>(users::find_unused(conn, before, BATCH)?)).await?;
        let mut removed = 0;
        for id in unused {
            let this = self.clone();
            let work = move |conn: &mut Conn| {
                // It may be used at this moment.
                if users::lock(conn, id)?.is_none_or(|user| !user.is_unused_since(before)) {
                    return Ok((0, None));
                }
                let now = this.0.clock.now();
                erase(conn, id, now)?;
                let event = NewEvent::of_server(this.0.clock.new_id(), Action::RemovedUnused, Some(id));
                audit_events::insert(conn, &event, now)?;
                events::insert_user(conn, Kind::UserDeleted, id, now)?;
                Ok::<_, Error>((1, Some(Scope::User(id))))
            };
            removed += self.0.logins.revoke_with(RevokeReason::AccountDeleted, work).await?;
        }
        if removed > 0 {
            tracing::info!(removed, "removed accounts that were never used");
        }
        Ok(removed)
    }
}
