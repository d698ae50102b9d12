//! Reads and writes the SQLite file of a running server: for what would take a day over HTTP, or is not visible there.

use std::ops::Range;

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use diesel::sqlite::SqliteConnection;

use crate::Result;
use crate::server::Server;

pub struct Rows(SqliteConnection);

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Rows {
    /// # Errors
    /// The tool did not start this server, or its database is not SQLite.
    pub fn of(server: &Server) -> Result<Self> {
        let file = server.database()?;
        let mut conn = SqliteConnection::establish(file.to_str().ok_or("a path that is not UTF-8")?)?;
        diesel::sql_query("PRAGMA busy_timeout = 10000").execute(&mut conn)?;
        Ok(Self(conn))
    }

    pub fn run(&mut self, sql: &str) -> Result<()> {
        diesel::sql_query(sql).execute(&mut self.0)?;
        Ok(())
    }

    pub fn count(&mut self, from: &str) -> Result<i64> {
        let query = diesel::sql_query(format!("SELECT count(*) AS count FROM {from}"));
        Ok(query.get_result::<Count>(&mut self.0)?.count)
    }

    /// Logins of one user that were revoked just now. The numbers are part of their ids.
    pub fn revoke(&mut self, numbers: Range<usize>) -> Result<()> {
        self.run(&format!(
            "INSERT INTO logins (id, user_id, kind, created_at, last_seen_at, expires_at, revoked_at) \
             WITH RECURSIVE numbers(n) AS (SELECT {} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {}) \
             SELECT '00000000-0000-4000-8000-' || (100000000000 + n), (SELECT id FROM users LIMIT 1), 'token', \
                 CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, '2999-01-01 00:00:00', CURRENT_TIMESTAMP \
             FROM numbers",
            numbers.start, numbers.end
        ))
    }

    /// Accounts `PREFIX00000`, `PREFIX00001` and so on with the password of `original`, and with the verified address
    /// `NAME@example.com`.
    pub fn copy_account(&mut self, original: &str, prefix: &str, count: usize) -> Result<()> {
        self.run(&format!(
            "INSERT INTO users (id, username, display_name, email, email_verified_at, password_hash, role, \
                 created_at, updated_at) \
             WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {count}), \
                 copies AS MATERIALIZED (SELECT printf('{prefix}%05d', n) AS name, \
                     lower(hex(randomblob(10))) AS random FROM numbers) \
             SELECT substr(id, 1, 14) || '7' || substr(random, 1, 3) || '-a' || substr(random, 4, 3) || '-' \
                     || substr(random, 7, 12), \
                 name, name, name || '@example.com', created_at, password_hash, role, created_at, updated_at \
             FROM copies, users WHERE username = '{original}'"
        ))
    }
}
