//! The connection pool, and how it handles broken connections.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::r2d2::ManageConnection;

use super::disk::Fault;
use super::{Conn, Disk};
use crate::config::DatabaseUrl;

/// How long work may wait for a connection. Waiting longer would only queue work of clients that have left.
const WAIT: Duration = Duration::from_secs(2);

/// The same once the database is known to be unreachable, so that callers fail at once.
const SHORT_WAIT: Duration = Duration::from_millis(50);

/// A connection that worked this recently is not tested before it is used again.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// Opens connections on demand. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Pool {
    connections: r2d2::Pool<Manager>,
    unreachable: Arc<AtomicBool>,
    one_writer: bool,
    disk: Disk,
}

pub type PooledConn = r2d2::PooledConnection<Manager>;

impl Pool {
    pub(super) fn open(url: &DatabaseUrl, connections: u32) -> Result<Self, r2d2::Error> {
        let connections = r2d2::Pool::builder()
            .max_size(connections)
            .min_idle(Some(1))
            .test_on_check_out(true)
            .connection_timeout(WAIT)
            .error_handler(Box::new(LogPoolErrors))
            .build(Manager(url.clone()))?;
        let one_writer = matches!(url, DatabaseUrl::Sqlite(_));
        Ok(Self { connections, unreachable: Arc::default(), one_writer, disk: Disk::of(url) })
    }

    /// A connection that works.
    ///
    /// # Errors
    /// If none is available in time.
    pub fn get(&self) -> Result<PooledConn, r2d2::Error> {
        let wait = if self.unreachable.load(Ordering::Relaxed) { SHORT_WAIT } else { WAIT };
        let conn = self.connections.get_timeout(wait);
        self.unreachable.store(conn.is_err(), Ordering::Relaxed);
        conn
    }

    /// The disk space of the database.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Whether only one connection can write at a time.
    #[must_use]
    pub const fn has_one_writer(&self) -> bool {
        self.one_writer
    }
}

/// Opens connections for the pool.
#[derive(Debug)]
pub struct Manager(DatabaseUrl);

/// A connection of the pool.
pub struct PoolConnection {
    conn: Conn,
    /// None while work is in progress, and after work that may have found the connection broken.
    good_at: Option<Instant>,
    fault: Fault,
}

#[expect(clippy::disallowed_methods, reason = "a connection's real age, whatever a test's clock says")]
fn now() -> Instant {
    Instant::now()
}

impl PoolConnection {
    /// Runs work on the connection. After an error, the connection is tested before it is used again.
    pub fn run<T, E>(&mut self, work: impl FnOnce(&mut Conn) -> Result<T, E>) -> Result<T, E> {
        self.good_at = None;
        self.fault.take();
        let done = work(&mut self.conn)?;
        self.good_at = Some(now());
        Ok(done)
    }

    /// Why the last work could not be written, if that was not its own fault.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault.take()
    }

    fn ping(&mut self) -> Result<(), diesel::r2d2::Error> {
        if matches!(self.conn, Conn::Postgres(_)) {
            self.conn.batch_execute("SELECT 1").map_err(diesel::r2d2::Error::QueryError)?;
        }
        self.good_at = Some(now());
        Ok(())
    }
}

impl Deref for PoolConnection {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for PoolConnection {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

impl ManageConnection for Manager {
    type Connection = PoolConnection;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<PoolConnection, Self::Error> {
        let mut conn = self.0.connect().map_err(diesel::r2d2::Error::ConnectionError)?;
        let fault = Fault::observe(&mut conn);
        Ok(PoolConnection { conn, good_at: Some(now()), fault })
    }

    fn is_valid(&self, connection: &mut PoolConnection) -> Result<(), Self::Error> {
        match connection.good_at {
            Some(at) if at.elapsed() < RECHECK_AFTER => Ok(()),
            _ => connection.ping(),
        }
    }

    fn has_broken(&self, connection: &mut PoolConnection) -> bool {
        connection.good_at.is_none() && connection.ping().is_err()
    }
}

/// Logs why there is no connection.
#[derive(Debug)]
struct LogPoolErrors;

impl r2d2::HandleError<diesel::r2d2::Error> for LogPoolErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::warn!(%error, "the database does not respond");
    }
}
