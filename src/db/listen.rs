//! Listens for what PostgreSQL says of changes, so that a node reads them at once instead of a second later. Only that:
//! what is missed here is found by the next poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use diesel::{QueryResult, RunQueryDsl};

use super::Conn;
use crate::config::DatabaseUrl;

/// How often notifications are read: libpq has no call that waits for one.
const TICK: Duration = Duration::from_millis(25);

/// Ticks between two tests of an idle connection.
const TEST_AFTER: u32 = 1200;

/// Ticks between two attempts to connect.
const RETRY_AFTER: u32 = 40;

/// A thread that listens until this is dropped.
#[derive(Debug)]
pub struct Listener(Arc<AtomicBool>);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl DatabaseUrl {
    /// Calls `wake` from now on whenever a change is committed that nodes have to read. None on SQLite, which tells
    /// nothing.
    #[must_use]
    pub fn listen(&self, wake: impl Fn() + Send + 'static) -> Option<Listener> {
        if matches!(self, Self::Sqlite(_)) {
            return None;
        }
        let (url, stopped) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let listener = Listener(Arc::clone(&stopped));
        thread::spawn(move || listen_until(&stopped, &url, &wake));
        Some(listener)
    }
}

fn listen_until(stopped: &AtomicBool, url: &DatabaseUrl, wake: &impl Fn()) {
    let mut logged = false;
    while !stopped.load(Ordering::Acquire) {
        let ended = connect(url).and_then(|(mut conn, schema)| {
            if std::mem::replace(&mut logged, false) {
                tracing::info!("listening for changes again");
            }
            listen(&mut conn, &schema, stopped, wake).map_err(|error| error.to_string())
        });
        if let Err(error) = ended
            && !std::mem::replace(&mut logged, true)
        {
            let error = error.split_whitespace().collect::<Vec<_>>().join(" ");
            tracing::warn!(error, "not listening for changes: without Redis, nodes read them a second later");
        }
        for _ in 0..RETRY_AFTER {
            if !stopped.load(Ordering::Acquire) {
                thread::sleep(TICK);
            }
        }
    }
}

/// A connection that listens, and the schema whose changes are meant.
fn connect(url: &DatabaseUrl) -> Result<(PgConnection, String), String> {
    let Conn::Postgres(mut conn) = url.connect().map_err(|error| error.to_string())? else {
        return Err("it is not a PostgreSQL database".to_owned());
    };
    let schema = sql::<Text>(
        "(SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace \
         WHERE pg_class.oid = 'login_revocations'::regclass)",
    );
    let schema = diesel::select(schema).get_result(&mut conn);
    let listening = schema.and_then(|schema| {
        conn.batch_execute("LISTEN doorward_changes")?;
        Ok((conn, schema))
    });
    listening.map_err(|error| error.to_string())
}

/// Returns when it is stopped.
fn listen(conn: &mut PgConnection, schema: &str, stopped: &AtomicBool, wake: &impl Fn()) -> QueryResult<()> {
    // For what was said while there was no connection.
    let mut changed = true;
    let mut idle = 0;
    while !stopped.load(Ordering::Acquire) {
        for notification in conn.notifications_iter() {
            changed |= notification?.payload == schema;
        }
        if std::mem::replace(&mut changed, false) {
            idle = 0;
            wake();
        }
        idle += 1;
        if idle >= TEST_AFTER {
            idle = 0;
            // It may be dead without knowing.
            conn.batch_execute("SELECT 1")?;
        }
        thread::sleep(TICK);
    }
    Ok(())
}
