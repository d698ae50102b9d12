//! Deleting what is no longer needed.

use chrono::TimeDelta;

use super::profile::erase;
use super::{Accounts, Error, keys};
use crate::auth::guessing::MEMORY;
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::audit_events::{Action, NewEvent};
use crate::models::events::{self, Kind};
use crate::models::logins::Scope;
use crate::models::{
    access_changes, address_links, api_keys, audit_events, authorization_codes, failed_attempts,
    idempotency_keys, invitations, logins, one_time_tokens, outbox, request_counts, users,
};
use doorward_core::domain::RevokeReason;

/// An expired link is kept for a day, for a user who asks why it does not work.
const LINKS: TimeDelta = TimeDelta::days(1);
/// A code that is used again within this time is recognized.
const CODES: TimeDelta = TimeDelta::hours(1);
/// A client that got no answer asks again sooner.
const IDEMPOTENCY_KEYS: TimeDelta = TimeDelta::days(1);
const INVITATIONS: TimeDelta = TimeDelta::days(30);
const MAILS: TimeDelta = TimeDelta::days(30);
/// Longer than any access token lives: see the migration.
const LOGINS: TimeDelta = TimeDelta::days(30);
const AUDIT: TimeDelta = TimeDelta::days(365);
/// Audit rows of what users can repeat without limit, whatever their age: they must not fill a disk.
const MOST_REPEATABLE: i64 = 1_000_000;
const COUNTS: TimeDelta = TimeDelta::days(30);
const EVENTS: TimeDelta = TimeDelta::days(7);
const API_KEYS: TimeDelta = TimeDelta::days(30);

/// At least; longer than any access token lives that was issued before.
const ACCESS_CHANGES: TimeDelta = TimeDelta::hours(1);

/// Unused accounts that are removed in one run.
const BATCH: i64 = 1000;

/// How many rows were deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    pub links: usize,
    pub mails: usize,
    pub logins: usize,
    pub audit_events: usize,
    pub signing_keys: usize,
    pub counts: usize,
    pub api_keys: usize,
    pub events: usize,
    pub unused_accounts: usize,
    pub access_changes: usize,
}

impl Accounts {
    /// Deletes links that expired a day ago, emails that were sent and logins that expired or were revoked 30 days ago,
    /// audit rows that are a year old or beyond the newest million, counts of requests of last month, wrong passwords
    /// of yesterday, signing keys that have been retired for an hour, changes of roles and claims that are older than
    /// two lifetimes of an access token and an hour, API keys that expired or were revoked 30 days ago, events of a week
    /// ago, and accounts that were never used. For a loop that runs now and then.
    ///
    /// # Errors
    /// [`Error::Db`] or [`Error::Query`]; what was deleted before stays deleted.
    pub async fn purge(&self) -> Result<Purged, Error> {
        // Without a number no event is deleted, and perhaps no backend follows them.
        self.number_events().await?;
        let (clock, access_ttl) = (self.0.clock.clone(), self.0.access_ttl);
        let purged = self.0.db.run_writing(move |conn| purge(conn, clock.now(), access_ttl)).await?;
        Ok(Purged { unused_accounts: self.remove_unused().await?, ..purged })
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

/// A transaction a table: a long one would hold up every sign-in.
fn purge(conn: &mut Conn, now: Timestamp, access_ttl: TimeDelta) -> Result<Purged, Error> {
    Ok(Purged {
        links: db::write(conn, |conn| {
            Ok::<_, Error>(
                one_time_tokens::purge(conn, now - LINKS)?
                    + address_links::purge(conn, now - LINKS)?
                    + authorization_codes::purge(conn, now - CODES)?
                    + invitations::purge(conn, now - INVITATIONS)?
                    + idempotency_keys::purge(conn, now - IDEMPOTENCY_KEYS)?,
            )
        })?,
        mails: db::write(conn, |conn| outbox::purge(conn, now - MAILS))?,
        logins: db::write(conn, |conn| logins::purge(conn, now - LOGINS))?,
        audit_events: db::write(conn, |conn| {
            let repeatable = audit_events::purge_repeatable(conn, MOST_REPEATABLE)?;
            Ok::<_, Error>(repeatable + audit_events::purge(conn, now - AUDIT)?)
        })?,
        signing_keys: db::write(conn, |conn| keys::purge(conn, now, access_ttl))?,
        counts: db::write(conn, |conn| {
            let failures = failed_attempts::purge(conn, now - MEMORY)?;
            Ok::<_, Error>(failures + request_counts::purge(conn, now - COUNTS)?)
        })?,
        access_changes: db::write(conn, |conn| {
            access_changes::purge(conn, now - (access_ttl * 2).max(ACCESS_CHANGES))
        })?,
        api_keys: db::write(conn, |conn| api_keys::purge(conn, now - API_KEYS))?,
        events: db::write(conn, |conn| events::purge(conn, now - EVENTS))?,
        unused_accounts: 0,
    })
}
