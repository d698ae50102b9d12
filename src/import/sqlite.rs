//! Reads SQLite databases: those of two older systems, recognized by their tables, and tables that the
//! operator names.
//!
//! Follows SQLite's advice on files from untrusted sources: <https://www.sqlite.org/security.html>.

use std::path::Path;

use diesel::connection::{DefaultLoadingMode, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::sqlite::SqliteConnection;

use super::columns::{self, Columns, Mapping};
use super::field::Field;
use super::fields::{Fields, RowSource};
use super::sink::Sink;
use super::{Limits, MAX_FIELD, Place};
use crate::db;

const EXPECTED: &str = "expected is a table userdata (id, username, password) or users (username, password)";

/// Enough to tell what the file is.
const TABLES: &str = "SELECT substr(name, 1, 60) AS name FROM sqlite_schema WHERE type = 'table' \
                      AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT 20";

/// Keeps SQLite from doing more than reading: it runs no function that the schema names, checks each page
/// before it is used, and turns a truncated file into an error rather than a signal.
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
    /// The value is stored, not computed at each read or hidden by a virtual table.
    #[diesel(sql_type = Bool)]
    stored: bool,
}

/// The values as bytes: SQLite keeps whatever was put into it, and a hash may be a BLOB or a TEXT.
#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = BigInt)]
    number: i64,
    #[diesel(sql_type = Nullable<Binary>)]
    username: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    hash: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    email: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    email_verified: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    display_name: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    language: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    roles: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    claims: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    disabled: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    enabled: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    created: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    id: Option<Vec<u8>>,
}

impl Stored {
    fn take(&mut self, field: Field) -> Vec<u8> {
        let value = match field {
            Field::Username => &mut self.username,
            Field::Hash => &mut self.hash,
            Field::Email => &mut self.email,
            Field::EmailVerified => &mut self.email_verified,
            Field::DisplayName => &mut self.display_name,
            Field::Language => &mut self.language,
            Field::Roles => &mut self.roles,
            Field::Claims => &mut self.claims,
            Field::Disabled => &mut self.disabled,
            Field::Enabled => &mut self.enabled,
            Field::Created => &mut self.created,
            Field::Id => &mut self.id,
        };
        value.take().unwrap_or_default()
    }
}

/// Reads all rows, or says what is wrong with the file. The file is not written to, and the other system may
/// keep using it.
pub(super) fn read(
    path: &Path,
    limits: Limits,
    mapping: &Mapping,
    sink: &mut Sink,
) -> Result<Columns, String> {
    let mut conn = db::open_read_only(path).map_err(|error| failed(&error))?;
    // One snapshot, from the first query to the last.
    conn.batch_execute(CAREFUL).and_then(|()| conn.batch_execute("BEGIN")).map_err(|error| failed(&error))?;
    let conn = &mut conn;
    let kind = match &mapping.table {
        Some(table) => table.as_str(),
        None => known_table(conn, path)?,
    };
    let header = match columns_of(conn, kind)? {
        Some(columns) => stored(kind, columns, mapping)?,
        None => return Err(format!("has no table {kind}; {}", tables_of(conn)?)),
    };
    let mut columns = match mapping.table {
        Some(_) => Columns::find(&header, mapping).map_err(|why| format!("table {kind}: {why}"))?,
        None => Columns::find(&header, &of_known_table(mapping))?,
    };
    if mapping.table.is_none() {
        columns.renamed.retain(|(_, name)| name != "password");
    }
    let encoding = names(conn, "SELECT encoding AS name FROM pragma_encoding")?;
    if encoding.first().is_some_and(|encoding| encoding != "UTF-8") {
        return Err("stores text as UTF-16: copy it with `sqlite3 OLD .dump | sqlite3 NEW` first".to_owned());
    }
    // Only the table of the first system is known to have an id.
    let id = header.iter().find(|name| kind == "userdata" && *name == "id").cloned();
    columns.ignored.retain(|name| id.as_ref() != Some(name));
    let fields = Field::ALL.map(|field| (field, columns.at(field).map(|at| header[at].as_str())));
    rows(conn, RowSource { kind, path, digest: None }, id.as_deref(), &fields, limits, mapping, sink)?;
    Ok(columns)
}

/// The table of one of the two systems.
fn known_table(conn: &mut SqliteConnection, path: &Path) -> Result<&'static str, String> {
    let has = |conn: &mut SqliteConnection, table: &str, wanted: &[&str]| -> Result<bool, String> {
        let columns = columns_of(conn, table)?.unwrap_or_default();
        Ok(wanted.iter().all(|wanted| columns.iter().any(|column| column.name == *wanted)))
    };
    match (
        has(conn, "userdata", &["id", "username", "password"]),
        has(conn, "users", &["username", "password"]),
    ) {
        (Ok(true), Ok(true)) => {
            Err("has both a table userdata and a table users: say which with --table".to_owned())
        }
        (Ok(true), _) => Ok("userdata"),
        (_, Ok(true)) => Ok("users"),
        (Err(why), _) | (_, Err(why)) => Err(why),
        (Ok(false), Ok(false)) => {
            let is_ours = has(conn, "users", &["display_name", "password_hash"])?
                && has(conn, "signing_keys", &["algorithm"])?;
            if is_ours {
                return Err("is a database of Doorward itself".to_owned());
            }
            Err(format!("{}{}", tables_of(conn)?, advice(conn, path)?))
        }
    }
}

/// The columns of the two systems' tables are known, whatever other columns there are.
fn of_known_table(mapping: &Mapping) -> Mapping {
    let mut mapping = mapping.clone();
    for (field, name) in [(Field::Username, "username"), (Field::Hash, "password")] {
        if !mapping.columns.iter().any(|(of, _)| *of == field) {
            mapping.columns.push((field, name.to_owned()));
        }
    }
    mapping
}

/// Lists the tables, and says what is expected.
fn tables_of(conn: &mut SqliteConnection) -> Result<String, String> {
    Ok(match names(conn, TABLES)?.as_slice() {
        [] => format!("has no tables; {EXPECTED}"),
        tables => format!("has the tables {}; {EXPECTED}", tables.join(", ")),
    })
}

/// Says how to import a table of another name, if one has the needed columns.
fn advice(conn: &mut SqliteConnection, path: &Path) -> Result<String, String> {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    for table in names(conn, TABLES)?.into_iter().filter(|name| is_plain(name)) {
        let Ok(Some(columns)) = columns_of(conn, &table) else { continue };
        let Ok(header) = stored(&table, columns, &Mapping::default()) else { continue };
        for username_from_email in [false, true] {
            let mapping = Mapping { username_from_email, ..Mapping::default() };
            let Ok(found) = Columns::find(&header, &mapping) else { continue };
            let flag = if username_from_email { " --username-from-email" } else { "" };
            let columns = Field::ALL.into_iter().filter_map(|field| {
                let name = header.get(found.at(field)?).filter(|name| is_plain(name))?;
                Some(if name == field.name() { name.clone() } else { format!("{name} AS {field}") })
            });
            let columns = columns.collect::<Vec<_>>().join(", ");
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            return Ok(format!(
                ". The table {table} can be read with --table {table}{flag}, or exported: sqlite3 -header -csv \
                 {file} \"SELECT {columns} FROM {table}\" > people.csv"
            ));
        }
    }
    Ok(". Name another table with --table, and its columns with --column".to_owned())
}

/// The columns of a table; none if there is no such table. Asks SQLite what it made of the schema, because
/// the schema's text may say anything.
fn columns_of(conn: &mut SqliteConnection, table: &str) -> Result<Option<Vec<Column>>, String> {
    let quoted = table.replace('\'', "''");
    let kinds = format!("SELECT type AS name FROM pragma_table_list('{quoted}') WHERE schema = 'main'");
    match names(conn, &kinds)?.first().map(String::as_str) {
        None => return Ok(None),
        Some("table") => {}
        Some(kind) => {
            return Err(format!("has a {kind} {table}, and only tables are read: export it as CSV"));
        }
    }
    let columns =
        format!("SELECT lower(name) AS name, hidden = 0 AS stored FROM pragma_table_xinfo('{quoted}')");
    diesel::sql_query(columns).load(conn).map(Some).map_err(|error| failed(&error))
}

/// The names of the stored columns. A computed column that would be read is an error.
fn stored(table: &str, columns: Vec<Column>, mapping: &Mapping) -> Result<Vec<String>, String> {
    let computed = columns.iter().find(|column| !column.stored && columns::is_known(&column.name, mapping));
    match computed {
        Some(Column { name, .. }) => Err(format!("computes the column {name} of {table}: export it as CSV")),
        None => Ok(columns.into_iter().filter(|column| column.stored).map(|column| column.name).collect()),
    }
}

fn rows(
    conn: &mut SqliteConnection,
    origin: RowSource<'_>,
    id: Option<&str>,
    fields: &[(Field, Option<&str>); Field::COUNT],
    limits: Limits,
    mapping: &Mapping,
    sink: &mut Sink,
) -> Result<(), String> {
    let name = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    // A value that is too long is recognized by its length alone: none of it is loaded.
    let fields = fields.each_ref().map(|(field, column)| match column.map(name) {
        Some(column) => format!(
            "CASE WHEN octet_length({column}) > {MAX_FIELD} THEN zeroblob({MAX_FIELD} + 1) \
             ELSE CAST({column} AS BLOB) END AS {field}"
        ),
        None => format!("NULL AS {field}"),
    });
    // NOT INDEXED: in a damaged file, an index may disagree with its table. No ORDER BY: to sort, SQLite
    // would read all rows before the limit counts.
    let query = format!(
        "SELECT {} AS number, {} FROM main.{} NOT INDEXED LIMIT {}",
        id.map_or("0".to_owned(), name),
        fields.join(", "),
        name(origin.kind),
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
    for (count, mut stored) in (1..).zip(stored) {
        let fields = Fields::of(|field| stored.take(field));
        // In `userdata` a name may occur twice, for two people.
        sink.push(|| match id {
            Some(_) => origin.row(Place::Row(stored.number), Some(stored.number), fields, mapping),
            None => origin.row(Place::Row(count), None, fields, mapping),
        })?;
    }
    Ok(())
}

fn names(conn: &mut SqliteConnection, query: &str) -> Result<Vec<String>, String> {
    let names = diesel::sql_query(query).load::<Name>(conn).map_err(|error| failed(&error))?;
    Ok(names.into_iter().map(|row| row.name).collect())
}

fn failed(error: &dyn std::fmt::Display) -> String {
    format!("cannot be read: {error}")
}
