//! Checks a copy of an SQLite database before it takes the place of one in use. The copy is only read.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use serde::Serialize;

use super::version::Versions;
use super::{Conn, open_read_only};
use crate::clock::Timestamp;
use crate::ownership::{self, Need};
use crate::schema::{logins, users};

/// How an SQLite file begins. <https://www.sqlite.org/fileformat.html>, section 1.3
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Faults of the file that are reported; one is enough to refuse it.
const SHOWN_FAULTS: u8 = 5;

/// What a copy holds, and why it cannot be used.
#[derive(Debug, Serialize)]
pub struct Report {
    pub bytes: u64,
    /// It is the database's own file, not one that `doorward backup` wrote. What was in its `-wal` file is missing.
    pub plain_copy: bool,
    /// Rows that refer to rows that are not there; empty if there are none.
    pub lost_references: Vec<LostReferences>,
    pub migrations: Migrations,
    pub users: i64,
    pub disabled_users: i64,
    pub logins: i64,
    /// Neither revoked nor expired.
    pub active_logins: i64,
    /// Those that sign access tokens, the retired ones not counted.
    pub signing_keys: i64,
}

#[derive(Debug, Serialize)]
pub struct Migrations {
    /// How many this version of the program has.
    pub known: usize,
    /// How many of them the server will apply to the copy when it starts.
    pub missing: usize,
    /// Those of a newer version.
    pub unknown: Vec<String>,
}

#[derive(Debug, QueryableByName, Serialize)]
pub struct LostReferences {
    #[diesel(sql_type = Text)]
    pub table: String,
    #[diesel(sql_type = Text)]
    pub refers_to: String,
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
}

#[derive(QueryableByName)]
struct Fault {
    #[diesel(sql_type = Text)]
    text: String,
}

impl Report {
    /// Why the copy must not take the place of a database; empty if it may.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.lost_references.is_empty() {
            problems.push("rows are missing that others refer to: use another backup".to_owned());
        }
        if !self.migrations.unknown.is_empty() {
            let advice = "install that version, or use a backup of this one";
            problems.push(format!("a newer version of Doorward wrote it: {advice}"));
        }
        if self.signing_keys == 0 {
            problems.push("it has no signing key, which every database of a server has".to_owned());
        }
        problems
    }
}

/// Reads a copy from one end to the other. `now` tells which logins have expired.
///
/// # Errors
/// A sentence, if the file cannot be read, is damaged, or is not a database of this program.
pub fn check(file: &Path, now: Timestamp) -> Result<Report, String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("cannot read {}: {}", file.display(), ownership::explain(error, file, Need::Read))
    };
    let path = file.canonicalize().map_err(|error| failed(&error))?;
    let data = path.metadata().map_err(|error| failed(&error))?;
    if !data.is_file() {
        return Err(failed(&"it is not a regular file"));
    }
    let mut header = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(20).read_to_end(&mut header))
        .map_err(|error| failed(&error))?;
    if header.is_empty() {
        return Err(failed(&"it is empty"));
    }
    if !header.starts_with(MAGIC) {
        return Err(failed(&"it is not an SQLite database"));
    }
    // Of the formats, 2 is WAL, and a copy that `VACUUM INTO` made is not in it.
    let plain_copy = header.get(19) == Some(&2);
    let mut conn = open_read_only(&path).map(Conn::Sqlite).map_err(|error| failed(&error))?;
    conn.batch_execute("BEGIN").map_err(|error| failed(&error))?;
    // First: nothing that is read from a damaged file means anything.
    let faults = faults(&mut conn).unwrap_or_else(|error| vec![error.to_string()]);
    if !faults.is_empty() {
        return Err(format!("{} is damaged, use another backup: {}", file.display(), faults.join("; ")));
    }
    let versions = Versions::of(&mut conn).map_err(|error| failed(&error))?;
    let Some(versions) = versions else { return Err(failed(&"it is not a Doorward database")) };
    read(&mut conn, data.len(), plain_copy, versions, now).map_err(|error| failed(&error))
}

/// What SQLite's own check of the whole file finds, on one line each; nothing if it is sound.
fn faults(conn: &mut Conn) -> QueryResult<Vec<String>> {
    let query = format!("SELECT integrity_check AS text FROM pragma_integrity_check LIMIT {SHOWN_FAULTS}");
    let faults: Vec<Fault> = diesel::sql_query(query).load(conn)?;
    let lines = faults.into_iter().map(|fault| fault.text.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(lines.filter(|line| line != "ok").collect())
}

fn read(
    conn: &mut Conn,
    bytes: u64,
    plain_copy: bool,
    versions: Versions,
    now: Timestamp,
) -> QueryResult<Report> {
    let active = logins::table.filter(logins::revoked_at.is_null()).filter(logins::expires_at.gt(now));
    let keys = "(SELECT COUNT(*) FROM signing_keys WHERE algorithm NOT LIKE 'HMAC-%' AND retired_at IS NULL)";
    let Versions { known, missing, unknown, .. } = versions;
    Ok(Report {
        bytes,
        plain_copy,
        lost_references: diesel::sql_query(
            "SELECT \"table\", parent AS refers_to, COUNT(*) AS rows FROM pragma_foreign_key_check \
             GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .load(conn)?,
        migrations: Migrations { known, missing, unknown },
        users: users::table.count().get_result(conn)?,
        disabled_users: users::table.filter(users::disabled_at.is_not_null()).count().get_result(conn)?,
        logins: logins::table.count().get_result(conn)?,
        active_logins: active.count().get_result(conn)?,
        signing_keys: diesel::select(sql::<BigInt>(keys)).get_result(conn)?,
    })
}
