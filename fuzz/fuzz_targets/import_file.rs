//! Files of other systems: CSV, JSON Lines, and the values of a table in an SQLite database; or a damaged database. What
//! is counted is what is read, twice the same; an account that is read could be created; and no error repeats a value.
#![no_main]

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Text};
use doorward::internals::import::{Format, Limits, Mapping, Reason, Row, SourceError, open};
use doorward_core::domain::{DisplayName, Email, Username};
use libfuzzer_sys::fuzz_target;

/// Characters from which on a word of a file is a value, and none that an error says by chance.
const VALUE: usize = 24;

/// Columns of the table whose values are fuzzed.
const COLUMNS: &str = "id INTEGER PRIMARY KEY, username, password, email, email_verified, display_name, language, \
                       roles, claims, disabled, enabled, created_at";

struct Files {
    folder: tempfile::TempDir,
    database: RefCell<SqliteConnection>,
}

thread_local! {
    static FILES: LazyLock<Files> = const { LazyLock::new(|| {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let path = folder.path().join("values.db");
        let mut database = SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("a new database");
        database
            .batch_execute(&format!("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; CREATE TABLE users ({COLUMNS})"))
            .expect("a new table");
        Files { folder, database: RefCell::new(database) }
    }) };
}

/// Puts values into the table: a line is a row, and a field a value, which is text or bytes.
fn store(database: &mut SqliteConnection, bytes: &[u8]) -> QueryResult<()> {
    database.batch_execute("BEGIN; DELETE FROM users")?;
    for line in bytes.split(|byte| *byte == b'\n').take(20) {
        let mut values = line.split(|byte| *byte == b'\t').chain(std::iter::repeat(&b""[..]));
        let places = vec!["?"; 11].join(", ");
        let sql = format!("INSERT INTO users VALUES (NULL, {places})");
        let mut insert = diesel::sql_query(sql).into_boxed::<diesel::sqlite::Sqlite>();
        for value in values.by_ref().take(11) {
            insert = match std::str::from_utf8(value) {
                Ok(text) => insert.bind::<Text, _>(text),
                Err(_) => insert.bind::<Binary, _>(value),
            };
        }
        insert.execute(database)?;
    }
    database.batch_execute("COMMIT")
}

/// The words of a file that an error must not repeat.
fn values(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control() || ",;|\"\\{}[]:".contains(c));
    words.filter(|word| word.chars().count() >= VALUE).map(str::to_owned).collect()
}

fn check_account(row: &Row) {
    let Ok(account) = &row.account else { return };
    let name = account.username.typed();
    assert_eq!(Username::parse(name).as_ref(), Ok(&account.username), "{name}");
    if let Some(email) = &account.email {
        assert_eq!(Email::parse(email.as_str()).as_ref(), Ok(email));
    }
    if let Some(name) = &account.display_name {
        assert_eq!(DisplayName::parse(name.as_str()).as_ref(), Ok(name));
    }
    assert!(!account.verified || account.email.is_some(), "an address that is not there is not verified");
    assert!(account.verified_at.is_none() || account.verified);
    assert!(account.disabled_at.is_none() || account.disabled);
}

/// Marks and reasons of all rows.
fn read(
    path: &Path,
    format: Format,
    mapping: &Mapping,
) -> Result<Vec<(String, Option<Reason>)>, SourceError> {
    let source = open(path, Some(format), Limits { rows: 1000, ..Limits::default() }, mapping)?;
    let total = source.total;
    let mut rows = source.rows();
    let mut read = Vec::new();
    for row in rows.by_ref() {
        check_account(&row);
        read.push((row.mark, row.account.err()));
    }
    assert_eq!(read.len(), total);
    rows.finish().expect("a file that does not change is read as it was counted");
    Ok(read)
}

fn check(path: &Path, format: Format, mapping: &Mapping, values: &[String]) {
    let said = match read(path, format, mapping) {
        Ok(rows) => {
            assert_eq!(read(path, format, mapping).expect("it was read before"), rows);
            rows.iter().filter_map(|(_, reason)| Some(reason.as_ref()?.to_string())).collect::<Vec<_>>()
        }
        Err(error) => vec![error.to_string().replace(&path.display().to_string(), "")],
    };
    for said in said {
        assert!(!values.iter().any(|value| said.contains(value)), "{said}");
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (way, bytes) = input;
    let mapping =
        Mapping { username_from_email: way & 8 != 0, verified: way & 16 != 0, ..Mapping::default() };
    FILES.with(|files| {
        let file = |name: &str| -> PathBuf {
            let path = files.folder.path().join(name);
            fs::write(&path, bytes).expect("there is room");
            path
        };
        match way % 4 {
            0 => check(&file("people.csv"), Format::Csv, &mapping, &values(bytes)),
            1 => check(&file("people.jsonl"), Format::Jsonl, &mapping, &values(bytes)),
            2 => {
                store(&mut files.database.borrow_mut(), bytes).expect("values are stored");
                check(&files.folder.path().join("values.db"), Format::Sqlite, &mapping, &values(bytes));
            }
            // What such a file is called is no value.
            _ => check(&file("people.db"), Format::Sqlite, &mapping, &[]),
        }
    });
});
