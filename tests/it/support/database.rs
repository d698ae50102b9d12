//! Where a test's accounts are. These tests are two binaries: `it` runs them on SQLite, `it_postgres` on PostgreSQL.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::OnceLock;

use diesel::connection::SimpleConnection;
use diesel::pg::PgConnection;
use diesel::prelude::*;
use doorward::internals::db::Conn;

use crate::support::app::TestApp;
use crate::support::postgres::Server;

/// Whether this binary is the one of PostgreSQL.
pub fn is_postgres() -> bool {
    env!("CARGO_CRATE_NAME") == "it_postgres"
}

/// The URL of what is kept for this data directory, made empty the first time. None on SQLite, which is in it.
pub fn url(data_dir: &Path) -> Option<String> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    if !is_postgres() {
        return None;
    }
    // On a thread that stays, as the server ends with the one that started it.
    let server = SERVER.get_or_init(|| {
        Server::start().unwrap_or_else(|| {
            // The reason was printed already. None of these tests can run, and no other way skips them all.
            std::process::exit(0)
        })
    });
    let mut hasher = DefaultHasher::new();
    data_dir.hash(&mut hasher);
    // A schema is made in a millisecond, a database in many.
    let schema = format!("test_{:016x}", hasher.finish());
    let mut conn = PgConnection::establish(&server.url("")).unwrap();
    conn.batch_execute(&format!("SET client_min_messages = warning; CREATE SCHEMA IF NOT EXISTS {schema}"))
        .unwrap();
    Some(server.url(&format!("?options=-csearch_path%3D{schema}")))
}

/// A lock that keeps every other connection from writing.
pub struct WriteLock(Conn);

impl WriteLock {
    pub fn take(app: &TestApp) -> Self {
        let mut conn = app.database.connect().unwrap();
        conn.batch_execute(match conn {
            Conn::Sqlite(_) => "BEGIN IMMEDIATE",
            Conn::Postgres(_) => {
                "BEGIN; LOCK TABLE logins, audit_events IN ACCESS EXCLUSIVE MODE;
                 LOCK TABLE failed_attempts IN EXCLUSIVE MODE"
            }
        })
        .unwrap();
        Self(conn)
    }

    pub fn give_back(mut self) {
        self.0.batch_execute("ROLLBACK").unwrap();
    }
}
