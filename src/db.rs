//! The connection, its pool and the migrations.
//!
//! [`Conn`] is an enum with a variant a database, so that a query that compiles runs on every one of them.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::r2d2::ManageConnection;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, ConnectionError, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// How long a connection waits for another one's write before it answers "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(diesel::MultiConnection)]
pub enum Conn {
    Sqlite(SqliteConnection),
}

pub type Pool = r2d2::Pool<Manager>;
pub type PooledConn = r2d2::PooledConnection<Manager>;

/// Where the database is. Diesel's own `establish` tries one variant after the other and hides their
/// errors, so that a typo in a URL opens a new SQLite file of that name; this one picks by scheme.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`
    Sqlite(String),
}

impl std::str::FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => {
                Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).to_owned()))
            }
            _ => Err("expected sqlite:PATH".to_owned()),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{path}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Opens connections for the pool.
#[derive(Debug)]
pub struct Manager(DatabaseUrl);

impl ManageConnection for Manager {
    type Connection = Conn;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Conn, Self::Error> {
        self.0.connect().map_err(diesel::r2d2::Error::ConnectionError)
    }

    fn is_valid(&self, conn: &mut Conn) -> Result<(), Self::Error> {
        conn.batch_execute("SELECT 1").map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, _: &mut Conn) -> bool {
        false
    }
}

impl DatabaseUrl {
    fn connect(&self) -> Result<Conn, ConnectionError> {
        match self {
            Self::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(path)?;
                // FULL: an acknowledged revocation survives a power cut.
                conn.batch_execute(&format!(
                    "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; \
                     PRAGMA synchronous = FULL;",
                    BUSY_TIMEOUT.as_millis()
                ))
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(Conn::Sqlite(conn))
            }
        }
    }
}

/// Opens an SQLite file of anybody's to look at it. It is never written to, nor made. `path` is absolute. Not
/// for a file that this process has open: that one's locks would end.
///
/// # Errors
/// If it cannot be opened.
pub fn open_read_only(path: &Path) -> Result<SqliteConnection, ConnectionError> {
    let mut url = url::Url::from_file_path(path)
        .map_err(|()| ConnectionError::BadConnection("the path is not absolute".to_owned()))?;
    url.set_query(Some(if is_idle_wal(path) { "immutable=1" } else { "mode=ro" }));
    let mut conn = SqliteConnection::establish(url.as_str())?;
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", BUSY_TIMEOUT.as_millis()))
        .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// Whether the file is in WAL mode and nobody has it open. Even to read it SQLite would leave two files beside
/// it then, which are ours and which its owner may not be able to write to.
/// <https://www.sqlite.org/fileformat.html>, section 1.3; <https://www.sqlite.org/wal.html#read_only_databases>
fn is_idle_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    read.is_ok() && header[19] == 2 && !Path::new(&wal).exists()
}

impl DatabaseUrl {
    /// Writes a copy of the database into an empty file: the state of one moment, while others read and write.
    /// The database stays as it is, also its schema.
    ///
    /// # Errors
    /// A sentence.
    pub fn copy_to(&self, file: &Path) -> Result<(), String> {
        let failed = |error: &dyn fmt::Display| format!("cannot copy the database {self}: {error}");
        let name = file.to_str().ok_or_else(|| failed(&"the name of the copy is not UTF-8"))?;
        match self.connect().map_err(|error| failed(&error))? {
            Conn::Sqlite(mut conn) => diesel::sql_query("VACUUM INTO ?")
                .bind::<diesel::sql_types::Text, _>(name)
                .execute(&mut conn)
                .map(drop)
                .map_err(|error| failed(&error)),
        }
    }

    /// Opens the database to look at it, as it is: nothing is made, migrated or written. `None` if it is not
    /// there yet.
    ///
    /// # Errors
    /// A sentence, if it is there and cannot be opened.
    pub fn look(&self) -> Result<Option<Conn>, String> {
        let Self::Sqlite(path) = self;
        let Ok(path) = Path::new(path).canonicalize() else { return Ok(None) };
        let opened = open_read_only(&path);
        opened
            .map(|conn| Some(Conn::Sqlite(conn)))
            .map_err(|error| format!("cannot open the database {self}: {error}"))
    }
}

/// Opens the pool and brings the database to the newest schema.
///
/// # Errors
/// A sentence that names what could not be opened or migrated.
pub fn open(url: &DatabaseUrl, connections: u32) -> Result<Pool, String> {
    let mut conn = url.connect().map_err(|error| format!("cannot open the database {url}: {error}"))?;
    match &mut conn {
        Conn::Sqlite(conn) => conn.run_pending_migrations(MIGRATIONS).map(drop),
    }
    .map_err(|error| format!("cannot migrate the database {url}: {error}"))?;
    r2d2::Pool::builder()
        .max_size(connections)
        .min_idle(Some(1))
        // An embedded database has nothing to ping: a check would cost each query a second one.
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(5))
        .build(Manager(url.clone()))
        .map_err(|error| format!("cannot open the database {url}: {error}"))
}

/// Runs `work` in a transaction that writes. On SQLite it takes the write lock at once: a transaction
/// that reads first and writes later cannot wait for another writer, it fails.
///
/// # Errors
/// What `work` or the commit answers; on an error everything is rolled back.
pub fn write<T, E: From<diesel::result::Error>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    conn.batch_execute("BEGIN IMMEDIATE")?;
    let mut transaction = Transaction { conn, open: true };
    let value = work(transaction.conn)?;
    transaction.conn.batch_execute("COMMIT")?;
    transaction.open = false;
    Ok(value)
}

/// Rolls back when dropped open: on an error, and when `work` panics, so that the pool never gets a
/// connection back in the middle of a transaction.
struct Transaction<'a> {
    conn: &'a mut Conn,
    open: bool,
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open
            && let Err(error) = self.conn.batch_execute("ROLLBACK")
        {
            // After some errors, a full disk among them, SQLite has done it itself.
            tracing::warn!(%error, "could not roll back");
        }
    }
}
