//! The databases of two older systems, told apart by their tables.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::{Fields, Origin, Place, Row};
use crate::db;

const EXPECTED: &str = "expected is a table userdata (id, username, password) or users (username, password)";

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' \
                      ESCAPE '\\' ORDER BY name";

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Bytes, for SQLite holds whatever was put into it, and a hash stands in a BLOB or in a TEXT.
#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Nullable<Binary>)]
    username: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    password: Option<Vec<u8>>,
}

/// Reads all of it, or says what is wrong with the file. The file is not written to, and the other system may
/// go on with it.
pub(super) fn read(path: &Path) -> Result<Vec<Row>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot be read: {error}");
    let mut conn = db::open_read_only(path).map_err(|error| failed(&error))?;
    // One state of it, from the first question to the last.
    conn.batch_execute("BEGIN").map_err(|error| failed(&error))?;
    let conn = &mut conn;
    let tables = names(conn, TABLES).map_err(|error| failed(&error))?;
    let encoding =
        names(conn, "SELECT encoding AS name FROM pragma_encoding").map_err(|error| failed(&error))?;
    let has = |conn: &mut SqliteConnection, table: &str, wanted: &[&str]| {
        let columns = names(conn, &format!("SELECT lower(name) AS name FROM pragma_table_info('{table}')"))
            .map_err(|error| failed(&error))?;
        Ok::<_, String>(wanted.iter().all(|wanted| columns.iter().any(|column| column == wanted)))
    };
    let userdata = has(conn, "userdata", &["id", "username", "password"])?;
    let users = has(conn, "users", &["username", "password"])?;
    if has(conn, "users", &["display_name", "password_hash"])?
        && tables.iter().any(|table| table == "signing_keys")
    {
        return Err("is a database of Doorward itself".to_owned());
    }
    let (kind, query) = match (userdata, users) {
        (true, false) => (
            "userdata",
            "SELECT id AS number, CAST(username AS BLOB) AS username, CAST(password AS BLOB) AS password \
             FROM userdata ORDER BY id",
        ),
        (false, true) => (
            "users",
            "SELECT 0 AS number, CAST(username AS BLOB) AS username, CAST(password AS BLOB) AS password FROM users",
        ),
        (true, true) => {
            return Err(
                "has both a table userdata and a table users: export the one that is meant as CSV".to_owned()
            );
        }
        (false, false) if tables.is_empty() => return Err(format!("has no tables; {EXPECTED}")),
        (false, false) => return Err(format!("has the tables {}; {EXPECTED}", tables.join(", "))),
    };
    if encoding.first().is_some_and(|encoding| encoding != "UTF-8") {
        return Err(
            "keeps its text in UTF-16: copy it with `sqlite3 OLD .dump | sqlite3 NEW` first".to_owned()
        );
    }
    let stored: Vec<Stored> = diesel::sql_query(query).load(conn).map_err(|error| failed(&error))?;
    let origin = Origin { kind, path };
    let rows = (1..).zip(stored).map(|(count, stored)| {
        let fields = Fields {
            username: stored.username.unwrap_or_default(),
            email: Vec::new(),
            hash: stored.password.unwrap_or_default(),
        };
        // A name may stand in `userdata` twice, of two people.
        if userdata {
            origin.row(Place::Row(stored.number), Some(stored.number), fields)
        } else {
            origin.row(Place::Row(count), None, fields)
        }
    });
    Ok(rows.collect())
}

fn names(conn: &mut SqliteConnection, query: &str) -> QueryResult<Vec<String>> {
    Ok(diesel::sql_query(query).load::<Name>(conn)?.into_iter().map(|row| row.name).collect())
}
