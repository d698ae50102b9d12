//! Deleting what nobody needs any more.

use chrono::TimeDelta;

use super::{Accounts, Error, keys};
use crate::clock::Timestamp;
use crate::db::{self, Conn};
use crate::models::{audit_events, logins, one_time_tokens, outbox};

/// A link that expired is kept for a day, for whoever asks why it does not work.
const LINKS: TimeDelta = TimeDelta::days(1);
const MAILS: TimeDelta = TimeDelta::days(30);
/// Longer than any access token lives: see the migration.
const LOGINS: TimeDelta = TimeDelta::days(30);
const AUDIT: TimeDelta = TimeDelta::days(365);

/// How many rows went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    pub links: usize,
    pub mails: usize,
    pub logins: usize,
    pub audit_events: usize,
    pub signing_keys: usize,
}

impl Accounts {
    /// Deletes links that expired a day ago, mails sent and logins ended 30 days ago, and audit lines of last
    /// year, and signing keys that have done nothing for an hour. For a loop that runs now and then.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn purge(&self) -> Result<Purged, Error> {
        let (clock, access_ttl) = (self.0.clock.clone(), self.0.access_ttl);
        self.0.db.run_writing(move |conn| purge(conn, clock.now(), access_ttl)).await
    }
}

/// A transaction a table: a long one would hold up every sign-in.
fn purge(conn: &mut Conn, now: Timestamp, access_ttl: TimeDelta) -> Result<Purged, Error> {
    Ok(Purged {
        links: db::write(conn, |conn| one_time_tokens::purge(conn, now - LINKS))?,
        mails: db::write(conn, |conn| outbox::purge(conn, now - MAILS))?,
        logins: db::write(conn, |conn| logins::purge(conn, now - LOGINS))?,
        audit_events: db::write(conn, |conn| audit_events::purge(conn, now - AUDIT))?,
        signing_keys: db::write(conn, |conn| keys::purge(conn, now, access_ttl))?,
    })
}
