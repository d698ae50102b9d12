//! Whether the database can be written, and what happens when the disk is full.
//!
//! A full disk must not end revocation. Beside an SQLite file lies another one that only takes up space: a sign-out that
//! finds no room is given a part of it and tried again. Other changes are not, so that they cannot use it up.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::{Connection, Instrumentation, InstrumentationEvent};
use diesel::result::{DatabaseErrorKind, Error};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::{Conn, pooler};
use crate::auth::secret;
use crate::config::DatabaseUrl;

/// Bytes that are held for sign-outs: a few thousand of them, one of which takes 10 to 20 kB of the write-ahead log until
/// that is used again from its beginning.
const RESERVE: u64 = 16 << 20;

/// Bytes that are given at once.
const STEP: u64 = 1 << 20;

/// How long PostgreSQL, whose disk is elsewhere and not seen here, counts as full after a failure.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// A change that changes nothing, to see whether one can be made.
pub(super) const PROBE: &str = "UPDATE signing_keys SET algorithm = algorithm";

/// The space of one database as this process finds it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reserve: Option<Reserve>,
    /// The last write failed, and none went well since.
    failing: AtomicBool,
    failed_at: Mutex<Option<Instant>>,
}

#[expect(clippy::disallowed_methods, reason = "a disk's real pace; no rule depends on it")]
fn now() -> Instant {
    Instant::now()
}

impl Disk {
    pub(super) fn of(url: &DatabaseUrl) -> Self {
        let reserve = match url {
            DatabaseUrl::Sqlite(path) => Reserve::beside(path),
            DatabaseUrl::Postgres(_) => None,
        };
        Self(Arc::new(Inner { reserve, failing: AtomicBool::new(false), failed_at: Mutex::default() }))
    }

    /// The last write failed for a cause that no request can be blamed for.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Acquire)
    }

    /// Holds the whole reserve from now on, as a server does: commands use what is there.
    pub fn hold_reserve(&self) {
        if let Some(reserve) = &self.0.reserve {
            reserve.target.store(RESERVE, Ordering::Release);
            if !self.try_refill() {
                let path = reserve.path.display();
                tracing::warn!(%path, "no room to hold in reserve for sign-outs: the disk is nearly full");
            }
        }
    }

    /// Gives a part of the reserve to a write that must not fail. Answers whether there was any.
    #[must_use]
    pub fn release_reserve(&self) -> bool {
        self.0.reserve.as_ref().is_some_and(|reserve| reserve.release().unwrap_or(false))
    }

    /// Takes the reserve again as far as there is room.
    pub fn refill_reserve(&self) {
        self.try_refill();
    }

    /// The same, and answers whether it is whole.
    fn try_refill(&self) -> bool {
        self.0.reserve.as_ref().is_none_or(|reserve| reserve.refill().unwrap_or(false))
    }

    /// A write failed: said once, until it is over.
    pub fn failed(&self, cause: &str) {
        *self.0.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
        if self.0.failing.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.0.reserve.is_some() {
            tracing::error!(
                cause,
                "the disk is full, or fails: the database cannot be written. Sign-outs use space held in reserve, \
                 other changes are refused until there is room"
            );
        } else {
            tracing::error!(cause, "the database cannot be written: changes are refused until it can");
        }
    }

    /// Whether [`Disk::maintain`] has something to do.
    #[must_use]
    pub fn needs_maintenance(&self) -> bool {
        self.is_failing() || self.0.reserve.as_ref().is_some_and(|reserve| !reserve.is_full())
    }

    /// Makes the reserve whole, and once there is room for that, sees whether writes go well again.
    ///
    /// # Errors
    /// If they do not.
    pub fn maintain(&self, probe: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        let whole = self.try_refill();
        let failed_at = *self.0.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = self.0.reserve.is_some() || failed_at.is_none_or(|at| at.elapsed() >= RETRY_DELAY);
        if self.is_failing() && whole && rested {
            probe()?;
            self.0.failing.store(false, Ordering::Release);
            tracing::warn!("the database can be written again");
        }
        Ok(())
    }
}

/// The file that takes up space.
#[derive(Debug)]
struct Reserve {
    path: PathBuf,
    /// Bytes that it should have; none but in a server.
    target: AtomicU64,
}

impl Reserve {
    /// None beside a database that is no file.
    fn beside(database: &str) -> Option<Self> {
        if database.starts_with(':') || database.starts_with("file:") {
            return None;
        }
        // Where the file is, not a link to it: it is that disk which fills up.
        let path = Path::new(database);
        let mut path = path.canonicalize().unwrap_or_else(|_| path.to_owned()).into_os_string();
        path.push("-reserve");
        let path = PathBuf::from(path);
        let target = AtomicU64::new(size(&path));
        Some(Self { path, target })
    }

    fn is_full(&self) -> bool {
        size(&self.path) >= self.target.load(Ordering::Acquire)
    }

    fn release(&self) -> io::Result<bool> {
        let size = size(&self.path);
        if size == 0 {
            return Ok(false);
        }
        // Another process may have given as well: then there is more room than was asked for.
        OpenOptions::new().write(true).open(&self.path)?.set_len(size.saturating_sub(STEP))?;
        Ok(true)
    }

    fn refill(&self) -> io::Result<bool> {
        let target = self.target.load(Ordering::Acquire);
        let mut size = size(&self.path);
        if size >= target {
            return Ok(true);
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        let mut step = STEP;
        while size < target {
            let length = step.min(target - size);
            match allocate(&file, size, length) {
                Ok(()) => size += length,
                Err(_) if step > STEP / 16 => step /= 2,
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }
}

fn size(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Adds blocks to the end of a file, really.
fn allocate(file: &File, size: u64, length: u64) -> io::Result<()> {
    let allocated = match fallocate(file, FallocateFlags::empty(), size, length) {
        // A file system that cannot: bytes that it can neither leave out nor compress.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            secret::fill(&mut bytes);
            file.write_all_at(&bytes, size).and_then(|()| file.sync_data())
        }
        allocated => allocated.map_err(io::Error::from),
    };
    if allocated.is_err() {
        // What was taken beyond its end, or half written.
        file.set_len(size)?;
    }
    allocated
}

/// What went wrong with the disk on one connection, as its statements tell it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    /// Listens to a connection.
    pub(super) fn observe(conn: &mut Conn) -> Self {
        let fault = Self::default();
        conn.set_instrumentation(FaultListener(fault.clone()));
        fault
    }

    /// The last one, once.
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

struct FaultListener(Fault);

impl Instrumentation for FaultListener {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let InstrumentationEvent::FinishQuery {
            error: Some(Error::DatabaseError(kind, information)), ..
        } = event
        else {
            return;
        };
        let message = information.message();
        if is_fault(*kind, message) {
            *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(message.to_owned());
        } else if pooler::is_symptom(message) {
            pooler::report(message);
        }
    }
}

/// Diesel has no kinds for these. The texts are SQLite's own for its result codes, and the system's in PostgreSQL's.
fn is_fault(kind: DatabaseErrorKind, message: &str) -> bool {
    matches!(kind, DatabaseErrorKind::ReadOnlyTransaction)
        || matches!(kind, DatabaseErrorKind::Unknown) && is_fault_text(message)
}

pub(super) fn is_fault_text(message: &str) -> bool {
    [
        "database or disk is full",
        "disk I/O error",
        "unable to open database file",
        "attempt to write a readonly database",
        "No space left on device",
        "Disk quota exceeded",
    ]
    .iter()
    .any(|text| message.contains(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_reserve_takes_up_space_is_given_in_parts_and_taken_again() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("test.db");
        std::fs::write(&database, "x").unwrap();
        let url: DatabaseUrl = format!("sqlite:{}", database.display()).parse().unwrap();
        let disk = Disk::of(&url);
        assert!(!disk.release_reserve() && disk.try_refill(), "a command makes none");
        disk.hold_reserve();
        let file = dir.path().join("test.db-reserve");
        let metadata = || file.metadata().unwrap();
        assert_eq!(metadata().len(), RESERVE);
        assert!(metadata().blocks() * 512 >= RESERVE, "it is sparse");
        assert_eq!(metadata().permissions().mode() & 0o777, 0o600);
        assert!(!disk.needs_maintenance());
        let command = Disk::of(&url);
        assert!(command.release_reserve());
        assert_eq!(metadata().len(), RESERVE - STEP);
        assert!(disk.needs_maintenance());
        let given = std::iter::from_fn(|| disk.release_reserve().then_some(())).count();
        assert_eq!((given, metadata().len()), (15, 0));
        assert!(command.try_refill() && metadata().len() == RESERVE, "it leaves as much as there was");
    }

    #[test]
    fn what_the_disk_is_to_blame_for_is_told_apart() {
        assert!(is_fault(DatabaseErrorKind::Unknown, "database or disk is full"));
        assert!(is_fault(DatabaseErrorKind::ReadOnlyTransaction, "cannot execute UPDATE"));
        assert!(!is_fault(DatabaseErrorKind::Unknown, "database is locked"));
        assert!(!is_fault(DatabaseErrorKind::UniqueViolation, "disk I/O error"));
    }
}
