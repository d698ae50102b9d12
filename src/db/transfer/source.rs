//! The SQLite file that is moved: nobody else's for as long as it takes, and never written to.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use rustix::process::{Flock, FlockOffsetType, FlockType, fcntl_getlk};

use crate::config::DatabaseUrl;
use crate::db::{Conn, Schema, open_read_only};

/// The byte of the `-shm` file that everyone who has a database in WAL mode open holds a lock on.
/// <https://www.sqlite.org/walformat.html#wal_locks>; its place is `UNIX_SHM_DMS` in SQLite's `os_unix.c`.
const IN_USE_LOCK: u64 = 128;

pub(super) struct Source {
    path: PathBuf,
    before: State,
    pub(super) conn: SqliteConnection,
}

/// The size and the last change of the database and of its write-ahead log, if they are there.
type State = [Option<(u64, Option<SystemTime>)>; 2];

impl Source {
    /// Takes one state of it, from the first question to the last.
    pub(super) fn open(url: &DatabaseUrl) -> Result<Self, String> {
        let DatabaseUrl::Sqlite(path) = url else { return Err(format!("{url} is no SQLite database")) };
        let path = Path::new(path).canonicalize().map_err(|error| url.cannot_open(&error))?;
        if is_in_use(&path) {
            return Err(format!(
                "{url} is in use: stop the server first, for what it writes meanwhile would be lost (for a \
                 rehearsal, move a copy that `doorward backup` made)"
            ));
        }
        let before = state(&path);
        let mut conn = open_read_only(&path).map(Conn::Sqlite).map_err(|error| url.cannot_open(&error))?;
        let failed = |error: &dyn std::fmt::Display| format!("cannot read {url}: {error}");
        conn.batch_execute("BEGIN").map_err(|error| failed(&error))?;
        let schema = Schema::of(&mut conn).map_err(|error| failed(&error))?;
        match (schema, conn) {
            (Schema::Newest, Conn::Sqlite(conn)) => Ok(Self { path, before, conn }),
            (Schema::None | Schema::Newest, _) => Err(format!("{url} is no database of Doorward")),
            (Schema::Older, _) => Err(format!(
                "{url} has the schema of an older version: start the server of this version once on it"
            )),
            (Schema::Newer, _) => Err(format!("{url} has the schema of a newer version than this program's")),
        }
    }

    /// Ends the reading. An error if somebody wrote meanwhile: of a file that nobody had open, not even one state was
    /// sure then.
    pub(super) fn close(self) -> Result<(), String> {
        let Self { path, before, conn } = self;
        drop(conn);
        if state(&path) == before && !is_in_use(&path) {
            return Ok(());
        }
        Err(format!(
            "somebody opened {} meanwhile: stop the server and run this again with an empty target",
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

/// Whether another process of this machine has it open in WAL mode, as a server has.
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
