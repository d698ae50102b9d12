//! The databases of two older systems, told apart by their tables.
//!
//! What SQLite asks of a program that opens files of others: <https://www.sqlite.org/security.html>.

use std::path::Path;

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::{Fields, Limits, MAX_FIELD, Origin, Place, Row};
use crate::db;

const EXPECTED: &str = "expected is a table userdata (id, username, password) or users (username, password)";

/// As many as help to tell what the file is.
const TABLES: &str = "SELECT substr(name, 1, 60) AS name FROM sqlite_schema WHERE type = 'table' \
                      AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT 20";

/// Nothing in the file makes SQLite do more than read: no function is run that its schema names, each page is checked
/// before it is believed, and a file that is cut off under us is an error and no signal.
const CAREFUL: &str = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; \
                       PRAGMA query_only = ON;";

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    /// Whether a value is stored, rather than computed at each reading or hidden by a virtual table.
    #[diesel(sql_type = Bool)]
    stored: bool,
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
pub(super) fn read(path: &Path, limits: Limits) -> Result<Vec<Row>, String> {
    let mut conn = db::open_read_only(path).map_err(|error| failed(&error))?;
    // One state of it, from the first question to the last.
    conn.batch_execute(CAREFUL).and_then(|()| conn.batch_execute("BEGIN")).map_err(|error| failed(&error))?;
    let conn = &mut conn;
    let tables = names(conn, TABLES)?;
    let kind = match (
        find(conn, "userdata", &["id", "username", "password"])?,
        find(conn, "users", &["username", "password"])?,
    ) {
        (Found::Table, Found::Table) => {
            return Err(
                "has both a table userdata and a table users: export the one that is meant as CSV".to_owned()
            );
        }
        (Found::Table, _) => "userdata",
        (_, Found::Table) => "users",
        (Found::Unfit(why), _) | (_, Found::Unfit(why)) => return Err(why),
        (Found::Nothing, Found::Nothing) => {
            let ours = find(conn, "users", &["display_name", "password_hash"])?;
            return Err(match tables.as_slice() {
                [] => format!("has no tables; {EXPECTED}"),
                _ if ours == Found::Table && tables.iter().any(|table| table == "signing_keys") => {
                    "is a database of Doorward itself".to_owned()
                }
                tables => format!("has the tables {}; {EXPECTED}", tables.join(", ")),
            });
        }
    };
    let encoding = names(conn, "SELECT encoding AS name FROM pragma_encoding")?;
    if encoding.first().is_some_and(|encoding| encoding != "UTF-8") {
        return Err(
            "keeps its text in UTF-16: copy it with `sqlite3 OLD .dump | sqlite3 NEW` first".to_owned()
        );
    }
    rows(conn, Origin { kind, path }, limits)
}

/// What there is of a name.
#[derive(PartialEq, Eq)]
enum Found {
    /// Nothing, or a table of another kind.
    Nothing,
    Table,
    /// What cannot be read, and why.
    Unfit(String),
}

/// Looks for a table with these columns. SQLite is asked what it made of the schema: the text there may say
/// anything.
fn find(conn: &mut SqliteConnection, table: &str, wanted: &[&str]) -> Result<Found, String> {
    let kinds = format!("SELECT type AS name FROM pragma_table_list('{table}') WHERE schema = 'main'");
    match names(conn, &kinds)?.first().map(String::as_str) {
        None => return Ok(Found::Nothing),
        Some("table") => {}
        Some(kind) => {
            let why = format!("has a {kind} {table}, and only tables are read: export it as CSV");
            return Ok(Found::Unfit(why));
        }
    }
    let columns =
        format!("SELECT lower(name) AS name, hidden = 0 AS stored FROM pragma_table_xinfo('{table}')");
    let columns: Vec<Column> = diesel::sql_query(columns).load(conn).map_err(|error| failed(&error))?;
    for wanted in wanted {
        match columns.iter().find(|column| column.name == *wanted) {
            None => return Ok(Found::Nothing),
            Some(Column { stored: true, .. }) => {}
            Some(_) => {
                let why = format!("computes the column {wanted} of {table}: export it as CSV");
                return Ok(Found::Unfit(why));
            }
        }
    }
    Ok(Found::Table)
}

fn rows(conn: &mut SqliteConnection, origin: Origin<'_>, limits: Limits) -> Result<Vec<Row>, String> {
    let has_ids = origin.kind == "userdata";
    // One that is too long is told by its length alone: nothing of it is loaded.
    let field = |name: &str| {
        format!(
            "CASE WHEN octet_length({name}) > {MAX_FIELD} THEN zeroblob({MAX_FIELD} + 1) \
             ELSE CAST({name} AS BLOB) END AS {name}"
        )
    };
    // NOT INDEXED: an index of a damaged file may hold other things than its table. No ORDER BY: to sort, SQLite would
    // read all before the limit counts.
    let query = format!(
        "SELECT {} AS number, {}, {} FROM main.{} NOT INDEXED LIMIT {}",
        if has_ids { "id" } else { "0" },
        field("username"),
        field("password"),
        origin.kind,
        limits.rows.saturating_add(1),
    );
    let mut stored: Vec<Stored> = Vec::new();
    let found = diesel::sql_query(query).load_iter::<Stored, DefaultLoadingMode>(conn);
    for row in found.map_err(|error| failed(&error))? {
        if stored.len() == limits.rows {
            return Err(limits.too_many_rows());
        }
        stored.push(row.map_err(|error| failed(&error))?);
    }
    stored.sort_by_key(|row| row.number);
    let rows = (1..).zip(stored).map(|(count, stored)| {
        let fields = Fields {
            username: stored.username.unwrap_or_default(),
            email: Vec::new(),
            hash: stored.password.unwrap_or_default(),
        };
        // A name may stand in `userdata` twice, of two people.
        if has_ids {
            origin.row(Place::Row(stored.number), Some(stored.number), fields)
        } else {
            origin.row(Place::Row(count), None, fields)
        }
    });
    Ok(rows.collect())
}

fn names(conn: &mut SqliteConnection, query: &str) -> Result<Vec<String>, String> {
    let names = diesel::sql_query(query).load::<Name>(conn).map_err(|error| failed(&error))?;
    Ok(names.into_iter().map(|row| row.name).collect())
}

fn failed(error: &dyn std::fmt::Display) -> String {
    format!("cannot be read: {error}")
}
