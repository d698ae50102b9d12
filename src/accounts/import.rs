//! Importing accounts of an older system.
//!
//! Hashing takes most of the time, so it is done before a transaction begins: a server on the same database
//! waits for milliseconds. What a batch has written stays if the next one fails, and a run that is repeated
//! skips it.
//!
//! A row was imported before if its mark is in the audit trail (also when its account was deleted since: a
//! deleted account is not imported again), or if the stored hash is still the one that was made of it. The
//! mark is purged after the year for which the trail is kept, the hash is replaced at the first sign-in; with
//! neither, an account of this name is another user's.

mod parallel;

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;

use self::parallel::in_parallel;
use super::{Caller, Error};
use crate::actors::hasher::HashError;
use crate::clock::{Clock, Timestamp};
use crate::db::{self, Conn};
use crate::import::{ImportedAccount, Place, Reason, Row};
use crate::models::audit_events::{self, Action, NewEvent};
use crate::models::users::{self, NewUser, Restored};
use doorward_core::domain::{ADMIN, DisplayName, Rights, UserId};

/// Rows per transaction: at cost 12 about 25 seconds of hashing per core are lost if it cannot be written.
const BATCH: usize = 100;

/// How an import is done.
pub struct Import<'a> {
    pub clock: &'a Clock,
    pub caller: &'a Caller,
    /// bcrypt's, for digests that are wrapped.
    pub cost: u32,
    /// Threads that hash.
    pub workers: usize,
    /// Whether accounts with the role `admin` are imported. The author of the file then decides who administers this
    /// server.
    pub allow_admins: bool,
    /// Called for each row when its work is done, from any thread.
    pub tick: &'a (dyn Fn() + Sync),
}

/// What became of the rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub read: usize,
    /// In a preview: that would be imported.
    pub imported: usize,
    /// Those of them that are administrators.
    pub admins: usize,
    pub already_there: usize,
    pub refused: Vec<Refused>,
}

/// A row that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub place: Place,
    /// As it is in the file; `None` if it has none.
    pub name: Option<String>,
    pub reason: Reason,
}

/// What is known of a row before its hash is made.
enum Sorted {
    Refused(Reason),
    AlreadyThere,
    /// The name is free.
    New(ImportedAccount),
    /// An account has the name, with this stored hash.
    Met(ImportedAccount, String),
}

/// And after that.
enum Worked {
    Refused(Reason),
    AlreadyThere,
    New(Box<ImportedAccount>, String),
}

impl Import<'_> {
    /// Imports the rows. `report` tells what was done, also if this fails.
    ///
    /// # Errors
    /// [`Error::Query`] or [`Error::Hash`]. What was counted in `report` is written, and nothing else.
    pub fn run(
        &self,
        conn: &mut Conn,
        rows: impl Iterator<Item = Row>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let mut known = Known::load(conn)?;
        for_batches(rows, |batch| {
            let sorted = self.sort(&mut known, Some(conn), &batch)?;
            let worked = in_parallel(&sorted, self.workers, |sorted| {
                let worked = self.work(sorted);
                (self.tick)();
                worked
            });
            let worked = worked.into_iter().collect::<Result<Vec<_>, _>>()?;
            let now = self.clock.now();
            let done = db::write(conn, |conn| {
                let pairs = batch.iter().zip(worked);
                pairs.map(|(row, worked)| self.settle(conn, row, worked, now)).collect::<Result<Vec<_>, _>>()
            })?;
            report.add(batch, done);
            Ok(())
        })
    }

    /// What [`Import::run`] would do now. Writes nothing, and hashes only to compare with an account that has
    /// a row's name. Without a connection there is no database yet.
    ///
    /// # Errors
    /// [`Error::Query`] if the accounts that are there cannot be read.
    pub fn preview(
        &self,
        mut conn: Option<&mut Conn>,
        rows: impl Iterator<Item = Row>,
    ) -> Result<Report, Error> {
        let mut known = conn.as_deref_mut().map(Known::load).transpose()?.unwrap_or_default();
        let mut report = Report::default();
        for_batches(rows, |batch| {
            let sorted = self.sort(&mut known, conn.as_deref_mut(), &batch)?;
            let done = in_parallel(&sorted, self.workers, |sorted| {
                let done = match sorted {
                    Sorted::Refused(reason) => Done::Refused(reason.clone()),
                    Sorted::AlreadyThere => Done::AlreadyThere,
                    Sorted::New(_) => Done::Imported,
                    Sorted::Met(row, stored) if row.hash.made(stored) => Done::AlreadyThere,
                    Sorted::Met(row, _) => Done::Refused(taken(row, None)),
                };
                (self.tick)();
                done
            });
            report.add(batch, done);
            Ok(())
        })?;
        Ok(report)
    }

    fn sort(
        &self,
        known: &mut Known,
        mut conn: Option<&mut Conn>,
        rows: &[Row],
    ) -> Result<Vec<Sorted>, Error> {
        let sort = |row| {
            Ok(match known.sort_row(conn.as_deref_mut(), row)? {
                Sorted::New(incoming) if !self.allow_admins && incoming.roles.has(ADMIN) => {
                    Sorted::Refused(Reason::Admin)
                }
                sorted => sorted,
            })
        };
        rows.iter().map(sort).collect()
    }

    fn work(&self, sorted: &Sorted) -> Result<Worked, Error> {
        Ok(match sorted {
            Sorted::Refused(reason) => Worked::Refused(reason.clone()),
            Sorted::AlreadyThere => Worked::AlreadyThere,
            Sorted::New(row) => {
                let stored = row.hash.to_stored(self.cost).map_err(|error| {
                    tracing::error!(%error, "could not hash a password");
                    HashError::Failed
                })?;
                Worked::New(Box::new(row.clone()), stored)
            }
            Sorted::Met(row, stored) if row.hash.made(stored) => Worked::AlreadyThere,
            Sorted::Met(row, _) => Worked::Refused(taken(row, None)),
        })
    }

    fn settle(&self, conn: &mut Conn, row: &Row, worked: Worked, now: Timestamp) -> Result<Done, Error> {
        let (incoming, password_hash) = match worked {
            Worked::Refused(reason) => return Ok(Done::Refused(reason)),
            Worked::AlreadyThere => return Ok(Done::AlreadyThere),
            Worked::New(incoming, stored) => (*incoming, stored),
        };
        // Another account may have taken this name, or verified this address, while the password was hashed.
        if users::find_by_username(conn, &incoming.username)?.is_some() {
            return Ok(Done::Refused(taken(&incoming, None)));
        }
        let held = incoming.email.clone().filter(|_| incoming.verified);
        if let Some(email) = &held
            && users::find_holder(conn, email)?.is_some()
        {
            return Ok(Done::Refused(Reason::EmailTaken));
        }
        let id = match incoming.id {
            Some(id) if users::find(conn, id)?.is_some() => return Ok(Done::Refused(Reason::IdTaken)),
            Some(id) => id,
            None => UserId(self.clock.new_id()),
        };
        create(conn, id, incoming, password_hash, now)?;
        let event = self.caller.event(self.clock.new_id(), Action::Imported, Some(id));
        audit_events::insert(conn, &NewEvent { detail: Some(&row.mark), ..event }, now)?;
        Ok(Done::Imported)
    }
}

/// Creates the account, and gives it what it had in the other system.
fn create(
    conn: &mut Conn,
    id: UserId,
    incoming: ImportedAccount,
    password_hash: String,
    now: Timestamp,
) -> Result<(), Error> {
    let held = incoming.email.clone().filter(|_| incoming.verified);
    let user = NewUser {
        id,
        username: incoming.username,
        email: incoming.email,
        password_hash,
        has_new_password: false,
        on_trial: false,
        language: incoming.language,
    };
    users::insert_lookalike(conn, &user, now)?;
    if let Some(email) = held {
        users::set_held_email(conn, id, email.as_str(), incoming.verified_at.unwrap_or(now).min(now))?;
    }
    let restored = Restored {
        display_name: incoming.display_name.as_ref().map(DisplayName::as_str),
        disabled_at: incoming.disabled.then(|| incoming.disabled_at.unwrap_or(now).min(now)),
        created_at: incoming.created_at.unwrap_or(now).min(now),
    };
    users::restore(conn, id, &restored, now)?;
    // A new id is in no token. One that the file names may have been an account's here, which was deleted.
    let version = if incoming.id.is_some() { version_at(now) } else { 0 };
    let rights = Rights { roles: incoming.roles, claims: incoming.claims, version };
    if rights != Rights::default() {
        users::set_rights(conn, id, &rights, now)?;
    }
    Ok(())
}

/// A version of roles and claims that is greater than any that an account of the same id had before `now`: they begin
/// at 0 or here, and do not change every second. Seconds since 2020, which fit into the column until 2088.
fn version_at(now: Timestamp) -> i32 {
    const EPOCH: i64 = 1_577_836_800;
    let seconds = now.and_utc().timestamp().saturating_sub(EPOCH).max(0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

/// Why a name is not free: it is another account's, or an earlier row's.
fn taken(row: &ImportedAccount, place: Option<Place>) -> Reason {
    match (row.derived, place) {
        (true, place) => Reason::DerivedTaken { name: row.username.typed().to_owned(), place },
        (false, Some(place)) => Reason::Repeated(place),
        (false, None) => Reason::Taken,
    }
}

/// What became of one row.
enum Done {
    Imported,
    AlreadyThere,
    Refused(Reason),
}

impl Report {
    fn add(&mut self, batch: Vec<Row>, done: Vec<Done>) {
        self.read += batch.len();
        for (row, done) in batch.into_iter().zip(done) {
            match done {
                Done::Imported => {
                    self.imported += 1;
                    self.admins += usize::from(row.account.is_ok_and(|account| account.roles.has(ADMIN)));
                }
                Done::AlreadyThere => self.already_there += 1,
                Done::Refused(reason) => {
                    self.refused.push(Refused { place: row.place, name: row.name, reason });
                }
            }
        }
    }
}

/// What was imported before this run, and which names and verified addresses this file had so far. Of each only
/// a digest is kept: there may be millions.
#[derive(Default)]
struct Known {
    marks: HashSet<Print>,
    names: HashMap<Print, Place>,
    held: HashMap<Print, Place>,
}

/// The first half of a SHA-256 digest.
type Print = [u8; 16];

fn print(text: &str) -> Print {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut print = Print::default();
    print.copy_from_slice(&digest.as_ref()[..size_of::<Print>()]);
    print
}

impl Known {
    fn load(conn: &mut Conn) -> Result<Self, Error> {
        let mut marks = HashSet::new();
        audit_events::each_imported_mark(conn, |mark| {
            marks.insert(print(mark));
        })?;
        Ok(Self { marks, ..Self::default() })
    }

    fn sort_row(&mut self, mut conn: Option<&mut Conn>, row: &Row) -> Result<Sorted, Error> {
        let incoming = match &row.account {
            Ok(incoming) => incoming.clone(),
            Err(reason) => return Ok(Sorted::Refused(reason.clone())),
        };
        // First, so that a repeated run says of each row what the first one said.
        let name = print(incoming.username.folded());
        if let Some(place) = self.names.get(&name) {
            return Ok(Sorted::Refused(taken(&incoming, Some(*place))));
        }
        self.names.insert(name, row.place);
        let held = incoming.email.as_ref().filter(|_| incoming.verified);
        let repeated = held.and_then(|email| self.held.get(&print(email.as_str())).copied());
        if let (Some(email), None) = (held, repeated) {
            self.held.insert(print(email.as_str()), row.place);
        }
        if self.marks.contains(&print(&row.mark)) {
            return Ok(Sorted::AlreadyThere);
        }
        if let Some(place) = repeated {
            return Ok(Sorted::Refused(Reason::EmailRepeated(place)));
        }
        let met = match conn.as_deref_mut() {
            Some(conn) => users::find_by_username(conn, &incoming.username)?,
            None => None,
        };
        if let Some(user) = met {
            return Ok(Sorted::Met(incoming, user.password_hash));
        }
        let Some(conn) = conn else { return Ok(Sorted::New(incoming)) };
        if let Some(id) = incoming.id
            && users::find(conn, id)?.is_some()
        {
            return Ok(Sorted::Refused(Reason::IdTaken));
        }
        let is_held = match held {
            Some(email) => users::find_holder(conn, email)?.is_some(),
            None => false,
        };
        Ok(if is_held { Sorted::Refused(Reason::EmailTaken) } else { Sorted::New(incoming) })
    }
}

fn for_batches(
    mut rows: impl Iterator<Item = Row>,
    mut work: impl FnMut(Vec<Row>) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        let batch: Vec<Row> = rows.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok(());
        }
        work(batch)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_grows_with_the_time_and_fits_its_column() {
        let at = |text: &str| version_at(text.parse().unwrap());
        assert_eq!(at("2026-11-27T00:00:01"), at("2026-11-27T00:00:00") + 1);
        assert_eq!([at("1999-01-01T00:00:00"), at("2020-01-01T00:00:00")], [0, 0]);
        assert!(at("2087-12-31T00:00:00") < i32::MAX);
        assert_eq!(at("2199-01-01T00:00:00"), i32::MAX);
    }
}
