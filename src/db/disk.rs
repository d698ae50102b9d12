//! Tracks whether the database can be written, and handles a full disk.
//!
//! A full disk must not prevent revocation. Beside an SQLite file lies a reserve file that only takes up
//! space. A sign-out that finds no space releases a part of it and is tried again. Other changes are not, so
//! that they cannot use the reserve up.

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

/// Bytes reserved for sign-outs: enough for a few thousand, each of which takes 10 to 20 kB of the
/// write-ahead log until the log starts over.
const RESERVE: u64 = 16 << 20;

/// Bytes that are released at a time.
const STEP: u64 = 1 << 20;

/// How long PostgreSQL counts as full after a failure: its disk is elsewhere and cannot be watched from here.
const RETRY_DELAY: Duration = Duration::from_secs(10);

/// A write that changes nothing, to test whether the database can be written.
pub(super) const PROBE: &str = "UPDATE signing_keys SET algorithm = algorithm";

/// The disk space of one database, as this process observes it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reserve: Option<Reserve>,
    /// The last write failed, and none has succeeded since.
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

    /// Whether the last write failed for a reason that is not the request's fault.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Acquire)
    }

    /// Keeps the whole reserve from now on, as a server does. Commands only use an existing reserve.
    pub fn hold_reserve(&self) {
        if let Some(reserve) = &self.0.reserve {
            reserve.target.store(RESERVE, Ordering::Release);
            if !self.try_refill() {
                let path = reserve.path.display();
                tracing::warn!(%path, "cannot reserve space for sign-outs: the disk is nearly full");
            }
        }
    }

    /// Releases a part of the reserve for a write that must not fail. Returns false if there is none left.
    #[must_use]
    pub fn release_reserve(&self) -> bool {
        self.0.reserve.as_ref().is_some_and(|reserve| reserve.release().unwrap_or(false))
    }

    /// Refills the reserve as far as there is space.
    pub fn refill_reserve(&self) {
        self.try_refill();
    }

    /// Refills the reserve, and returns whether it is full.
    fn try_refill(&self) -> bool {
        self.0.reserve.as_ref().is_none_or(|reserve| reserve.refill().unwrap_or(false))
    }

    /// Notes that a write failed. Logged once, until writes succeed again.
    pub fn failed(&self, cause: &str) {
        *self.0.failed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now());
        if self.0.failing.swap(true, Ordering::AcqRel) {
            return;
        }
        if self.0.reserve.is_some() {
            tracing::error!(
                cause,
                "the disk is full or failing, so the database cannot be written. Sign-outs use reserved space, \
                 other changes are refused until there is space"
            );
        } else {
            tracing::error!(cause, "the database cannot be written; changes are refused until it can");
        }
    }

    /// Whether [`Disk::maintain`] has something to do.
    #[must_use]
    pub fn needs_maintenance(&self) -> bool {
        self.is_failing() || self.0.reserve.as_ref().is_some_and(|reserve| !reserve.is_full())
    }

    /// Refills the reserve. Once it is full, tests whether writes succeed again.
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

/// The reserve file.
#[derive(Debug)]
struct Reserve {
    path: PathBuf,
    /// Bytes that it should have; only a server sets this.
    target: AtomicU64,
}

impl Reserve {
    /// None for a database that is not a file.
    fn beside(database: &str) -> Option<Self> {
        if database.starts_with(':') || database.starts_with("file:") {
            return None;
        }
        // Next to the real file, not to a link: the real file's disk is the one that fills up.
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
        // Another process may have released a part as well, which only leaves more space than needed.
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

/// Allocates blocks at the end of a file, without leaving holes.
fn allocate(file: &File, size: u64, length: u64) -> io::Result<()> {
    let allocated = match fallocate(file, FallocateFlags::empty(), size, length) {
        // A file system without fallocate: random bytes, which it can neither leave out nor compress.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
            secret::fill(&mut bytes);
            file.write_all_at(&bytes, size).and_then(|()| file.sync_data())
        }
        allocated => allocated.map_err(io::Error::from),
    };
    if allocated.is_err() {
        // Removes what was allocated or written in part.
        file.set_len(size)?;
    }
    allocated
}

/// The last disk fault of one connection, observed from its statements.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<Mutex<Option<String>>>);

impl Fault {
    /// Starts observing a connection.
    pub(super) fn observe(conn: &mut Conn) -> Self {
        let fault = Self::default();
        conn.set_instrumentation(FaultListener(fault.clone()));
        fault
    }

    /// Takes the last fault, if there was one.
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

/// Diesel has no error kinds for these. The texts are SQLite's for its result codes, and the operating
/// system's in PostgreSQL's errors.
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
    fn a_reserve_takes_up_space_and_is_released_in_parts_and_refilled() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("test.db");
        std::fs::write(&database, "x").unwrap();
        let url: DatabaseUrl = format!("sqlite:{}", database.display()).parse().unwrap();
        let disk = Disk::of(&url);
        assert!(!disk.release_reserve() && disk.try_refill(), "a command creates none");
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
        assert!(command.try_refill() && metadata().len() == RESERVE, "it refills what there was");
    }

    #[test]
    fn disk_faults_are_told_from_other_errors() {
        assert!(is_fault(DatabaseErrorKind::Unknown, "database or disk is full"));
        assert!(is_fault(DatabaseErrorKind::ReadOnlyTransaction, "cannot execute UPDATE"));
        assert!(!is_fault(DatabaseErrorKind::Unknown, "database is locked"));
        assert!(!is_fault(DatabaseErrorKind::UniqueViolation, "disk I/O error"));
    }
}
