//! The SQLite file that is moved. No other process may use it meanwhile, and it is never written to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use crate::config::DatabaseUrl;
use crate::db::{Conn, Schema, open_read_only};

/// The byte of the `-shm` file on which every process that has a WAL database open holds a lock.
/// <https://www.sqlite.org/walformat.html#wal_locks>; its offset is `UNIX_SHM_DMS` in SQLite's `os_unix.c`.
const IN_USE_LOCK: u64 = 128;

pub(super) struct Source {
    path: PathBuf,
    before: State,
    pub(super) conn: SqliteConnection,
}

/// The size and modification time of the database and of its write-ahead log, if they exist.
type State = [Option<(u64, Option<SystemTime>)>; 2];

impl Source {
    /// Takes one snapshot, from the first query to the last.
    pub(super) fn open(url: &DatabaseUrl) -> Result<Self, String> {
        let DatabaseUrl::Sqlite(path) = url else { return Err(format!("{url} is not an SQLite database")) };
        let path = Path::new(path).canonicalize().map_err(|error| url.cannot_open(&error))?;
        if is_in_use(&path) {
            return Err(format!(
                "{url} is in use: stop the server first, because what it writes meanwhile would be lost (for a \
                 rehearsal, move a copy made by `doorward backup`)"
            ));
        }
        let before = state(&path);
        let mut conn = open_read_only(&path).map(Conn::Sqlite).map_err(|error| url.cannot_open(&error))?;
        let failed = |error: &dyn std::fmt::Display| format!("cannot read {url}: {error}");
        conn.batch_execute("BEGIN").map_err(|error| failed(&error))?;
        let schema = Schema::of(&mut conn).map_err(|error| failed(&error))?;
        match (schema, conn) {
            (Schema::Newest, Conn::Sqlite(conn)) => Ok(Self { path, before, conn }),
            (Schema::None | Schema::Newest, _) => Err(format!("{url} is not a Doorward database")),
            (Schema::Older, _) => Err(format!(
                "{url} has the schema of an older version: start this version's server on it once"
            )),
            (Schema::Newer, _) => Err(format!("{url} has the schema of a newer version of this program")),
        }
    }

    /// Ends the reading. An error if the file was written to meanwhile: a file that no process had open is
    /// read without locks, so not even one snapshot is certain then.
    pub(super) fn close(self) -> Result<(), String> {
        let Self { path, before, conn } = self;
        drop(conn);
        if state(&path) == before && !is_in_use(&path) {
            return Ok(());
        }
        Err(format!(
            "another process opened {} meanwhile: stop the server and run this again with an empty target",
            path.display()
        ))
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn state(path: &Path) -> State {
    [path.to_owned(), beside(path, "-wal")].map(|path| {
        let data = fs::metadata(path).ok()?;
        Some((data.len(), data.modified().ok()))
    })
}

/// Whether another process of this machine has the database open in WAL mode, as a server does.
fn is_in_use(path: &Path) -> bool {
    let Ok(file) = File::open(beside(path, "-shm")) else { return false };
    let wanted = Flock {
        start: IN_USE_LOCK,
        length: 1,
        pid: None,
        typ: FlockType::WriteLock,
        offset_type: FlockOffsetType::Set,
    };
    fcntl_getlk(&file, &wanted).is_ok_and(|held| held.is_some())
}
