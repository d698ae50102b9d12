//! Connections, their pool, and the migrations.
//!
//! [`Conn`] is an enum with a variant for each database, so that a query that compiles runs on all of them.

mod after_commit;
pub mod check;
mod disk;
mod listen;
mod pool;
mod pooler;
#[cfg(test)]
mod tests;
pub mod transfer;
mod version;

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::Bool;
use diesel::sqlite::SqliteConnection;
use diesel::{Connection, ConnectionError, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use self::after_commit::Acts;
pub use self::after_commit::after_commit;
pub use self::disk::Disk;
pub use self::pool::Pool;
use self::version::Schema;
use crate::config::DatabaseUrl;
use crate::ownership;
use crate::private_files::sqlite_file;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!();

/// How long a connection waits for another one's write before it fails as "busy".
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(diesel::MultiConnection)]
pub enum Conn {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Settings of every PostgreSQL connection. Times are written and read as UTC. Nothing waits without bound:
/// not a statement, not a lock, and not for the transaction of a process that has stopped in the middle.
const POSTGRES: &str = "SET TIME ZONE 'UTC'; SET datestyle = 'ISO'; SET statement_timeout = '30s'; \
     SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '10s'; \
     SET default_transaction_isolation = 'read committed';";

/// The lock number with which processes that start together agree which one migrates the database.
const MIGRATION_LOCK: i64 = 0x646f_6f72_7761_7264;

/// Reads rows and locks them against changes until the transaction ends: other writers wait and then see the
/// result. On SQLite a writing transaction is exclusive, so no lock is needed.
macro_rules! locked {
    ($conn:expr, $query:expr, $read:ident) => {
        match $conn {
            $crate::db::Conn::Sqlite(conn) => $query.$read(conn),
            // "No key": a row that refers to this one, such as a link in an email, may still be added.
            $crate::db::Conn::Postgres(conn) => $query.for_no_key_update().$read(conn),
        }
    };
}
pub(crate) use locked;

/// Runs a query that is built for each connection type: the enum lacks what only some databases support. It is also faster,
/// as the statement is found by the query's type: the enum writes the SQL first, to look that up.
macro_rules! each {
    ($conn:expr, $query:expr, $run:ident) => {
        match $conn {
            $crate::db::Conn::Sqlite(conn) => $query.$run(conn),
            $crate::db::Conn::Postgres(conn) => $query.$run(conn),
        }
    };
}
pub(crate) use each;

/// Serializes transactions that use the same name, whether a row of it exists or not. On SQLite a writing
/// transaction is exclusive, so they are serial anyway.
pub fn lock_name(conn: &mut Conn, name: &str) -> diesel::QueryResult<()> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(conn) => diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<diesel::sql_types::Text, _>(name)
            .execute(conn)
            .map(drop),
    }
}

/// The same for transactions that only need what is locked to stay as it is: they share the name, and keep out those
/// that lock it for themselves.
pub fn lock_name_shared(conn: &mut Conn, name: &str) -> diesel::QueryResult<()> {
    match conn {
        Conn::Sqlite(_) => Ok(()),
        Conn::Postgres(conn) => {
            diesel::sql_query("SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))")
                .bind::<diesel::sql_types::Text, _>(name)
                .execute(conn)
                .map(drop)
        }
    }
}

impl DatabaseUrl {
    /// Opens one connection.
    ///
    /// # Errors
    /// If the database does not exist or refuses the connection.
    pub fn connect(&self) -> Result<Conn, ConnectionError> {
        match self {
            Self::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(path)?;
                // FULL: an acknowledged revocation survives a power failure.
                conn.batch_execute(&format!(
                    "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; \
                     PRAGMA synchronous = FULL;",
                    BUSY_TIMEOUT.as_millis()
                ))
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(Conn::Sqlite(conn))
            }
            Self::Postgres(url) => {
                Self::check_encryption(url).map_err(ConnectionError::BadConnection)?;
                let mut conn = PgConnection::establish(&Self::with_defaults(url))?;
                conn.batch_execute(POSTGRES).map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(Conn::Postgres(conn))
            }
        }
    }
}

/// Opens an SQLite file for reading only; it is neither written nor created. `path` is absolute. Not for a
/// file that this process has open, whose locks would be released.
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

/// Whether the file is in WAL mode and no process has it open. In that state SQLite creates two files beside
/// it even to read, which would belong to this user, so the file's owner might be unable to write to them.
/// <https://www.sqlite.org/fileformat.html>, section 1.3;
/// <https://www.sqlite.org/wal.html#read_only_databases>
fn is_idle_wal(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    read.is_ok() && header[19] == 2 && !Path::new(&wal).exists()
}

impl DatabaseUrl {
    /// Writes a snapshot of the database into an empty file, while others read and write. The database and
    /// its schema stay unchanged.
    ///
    /// # Errors
    /// A sentence that names the database and what failed.
    pub fn copy_to(&self, file: &Path) -> Result<(), String> {
        let failed = |error: &dyn fmt::Display| format!("cannot copy the database {self}: {error}");
        let name = file.to_str().ok_or_else(|| failed(&"the name of the copy is not UTF-8"))?;
        if matches!(self, Self::Postgres(_)) {
            return Err(failed(&"use pg_dump for PostgreSQL"));
        }
        match self.connect().map_err(|error| self.cannot_open(&error))? {
            Conn::Postgres(_) => Ok(()),
            Conn::Sqlite(mut conn) => diesel::sql_query("VACUUM INTO ?")
                .bind::<diesel::sql_types::Text, _>(name)
                .execute(&mut conn)
                .map(drop)
                .map_err(|error| failed(&error)),
        }
    }

    /// Why the database cannot be opened: the database's own error, and the owner of a file that this process
    /// may not use.
    pub(super) fn cannot_open(&self, error: &dyn fmt::Display) -> String {
        // libpq's errors have several lines.
        let error = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let obstacle = sqlite_file(self).and_then(|path| ownership::obstacle_of_database(&path));
        let whose = obstacle.map(|whose| format!("; {whose}")).unwrap_or_default();
        format!("cannot open the database {self}: {error}{whose}")
    }

    /// Opens an existing database read-only, as it is: nothing is created, migrated or written. `None` if it
    /// does not exist yet.
    ///
    /// # Errors
    /// A sentence, if it exists and cannot be opened.
    pub fn open_existing(&self) -> Result<Option<Conn>, String> {
        let opened = match self {
            Self::Sqlite(path) => {
                let path = match Path::new(path).canonicalize() {
                    Ok(path) => path,
                    // It may exist in a directory that this process cannot search.
                    Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                        return Err(self.cannot_open(&error));
                    }
                    Err(_) => return Ok(None),
                };
                open_read_only(&path).map(Conn::Sqlite)
            }
            Self::Postgres(_) => {
                self.refuse_pooler()?;
                self.connect()
            }
        };
        let failed = |error: &dyn fmt::Display| self.cannot_open(error);
        let mut conn = opened.map_err(|error| failed(&error))?;
        let there = match &mut conn {
            Conn::Sqlite(_) => true,
            Conn::Postgres(conn) => conn
                .batch_execute("SET default_transaction_read_only = on")
                .and_then(|()| {
                    diesel::select(sql::<Bool>("to_regclass('users') IS NOT NULL")).get_result(conn)
                })
                .map_err(|error| failed(&error))?,
        };
        Ok(there.then_some(conn))
    }
}

/// Opens the pool and migrates the database to the newest schema.
///
/// # Errors
/// A sentence that names what could not be opened or migrated.
pub fn open(url: &DatabaseUrl, connections: u32) -> Result<Pool, String> {
    let disk = Disk::of(url);
    let mut opened = connect_newest(url).map(drop);
    // Even opening takes a little space, and a sign-out must be possible on a full disk.
    while let Err(error) = &opened
        && disk::is_fault_text(error)
        && disk.release_reserve()
    {
        opened = connect_newest(url).map(drop);
    }
    disk.refill_reserve();
    opened?;
    Pool::open(url, connections).map_err(|error| url.cannot_open(&error))
}

/// A connection to a database that has the newest schema, after migrating it if necessary.
fn connect_newest(url: &DatabaseUrl) -> Result<Conn, String> {
    url.refuse_pooler()?;
    let mut conn = url.connect().map_err(|error| url.cannot_open(&error))?;
    if sqlite_file(url).is_some_and(|path| ownership::obstacle_of_files(&path).is_some()) {
        return Err(url.cannot_open(&"it is read-only"));
    }
    migrate(&mut conn).map_err(|error| format!("cannot migrate the database {url}: {error}"))?;
    Ok(conn)
}

fn migrate(conn: &mut Conn) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    if let Conn::Postgres(conn) = conn {
        // Another process may be migrating, for as long as that takes. The lock is released with this
        // connection.
        conn.batch_execute(&format!(
            "SET lock_timeout = 0; SET statement_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK});"
        ))?;
    }
    version::refuse_newer(conn)?;
    match conn {
        Conn::Sqlite(conn) => conn.run_pending_migrations(MIGRATIONS).map(drop),
        Conn::Postgres(conn) => conn.run_pending_migrations(MIGRATIONS).map(drop),
    }
}

/// Runs `work` in a writing transaction. On SQLite it takes the write lock at once, because a transaction
/// that reads first and writes later fails instead of waiting for another writer. On PostgreSQL others write
/// at the same time, so rows that a decision depends on are read with `locked!`, a user before their logins,
/// which rules out deadlocks. `work` must not continue after a database error.
///
/// # Errors
/// The error of `work` or of the commit; everything is rolled back then.
pub fn write<T, E: From<diesel::result::Error>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    let begin = match conn {
        Conn::Sqlite(_) => "BEGIN IMMEDIATE",
        Conn::Postgres(_) => "BEGIN",
    };
    transaction(conn, begin, work)
}

/// Runs `work` in a transaction that only reads, and sees one state of the database from the first query to the
/// last. It may wait in between for as long as it likes.
///
/// # Errors
/// The error of `work`.
pub fn snapshot<T, E: From<diesel::result::Error>>(
    conn: &mut Conn,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    let begin = match conn {
        Conn::Sqlite(_) => "BEGIN",
        Conn::Postgres(_) => {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = 0"
        }
    };
    transaction(conn, begin, work)
}

fn transaction<T, E: From<diesel::result::Error>>(
    conn: &mut Conn,
    begin: &str,
    work: impl FnOnce(&mut Conn) -> Result<T, E>,
) -> Result<T, E> {
    conn.batch_execute(begin)?;
    let acts = Acts::begin();
    let mut transaction = Transaction { conn, open: true };
    let value = work(transaction.conn)?;
    transaction.conn.batch_execute("COMMIT")?;
    transaction.open = false;
    acts.perform();
    Ok(value)
}

/// Writes what the log of an SQLite database has into its file and empties the log, so that the file is whole without
/// it. Returns false if another process reads, which keeps the log.
///
/// # Errors
/// If it cannot be written.
pub fn fold_log(conn: &mut Conn) -> diesel::QueryResult<bool> {
    let Conn::Sqlite(conn) = conn else { return Ok(true) };
    // A stop waits for no reader.
    conn.batch_execute("PRAGMA busy_timeout = 500")?;
    let folded: Checkpoint = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result(conn)?;
    Ok(folded.busy == 0)
}

/// The first column of the pragma's row (<https://www.sqlite.org/pragma.html#pragma_wal_checkpoint>).
#[derive(diesel::QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = diesel::sql_types::Integer)]
    busy: i32,
}

/// Tests whether the database can be written, with a write that changes nothing.
pub fn probe(conn: &mut Conn) -> diesel::QueryResult<()> {
    write(conn, |conn| conn.batch_execute(disk::PROBE))
}

/// Rolls back when dropped before the commit: on an error, and when `work` panics. So the pool never gets a
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
            // After some errors, such as a full disk or a lost connection, the database has already rolled
            // back.
            tracing::debug!(%error, "could not roll back");
        }
    }
}
