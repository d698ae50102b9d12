//! Reads accounts from files of other systems, and parses each row into an account that could be created
//! here.
//!
//! Only files are read here; `accounts::import` creates the accounts. A hash leaves its row only to be
//! stored: no error and no report repeats any of it.
//!
//! A file may be damaged or malicious. So reading has bounds ([`Limits`]), and of a database only tables are
//! read: a view or a computed column runs what its author wrote.

mod columns;
mod csv;
mod jsonl;
mod sqlite;
mod text;

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::auth::legacy_hashes::{ImportedHash, UnsupportedHash};
use crate::auth::secret::hash_token;
use crate::ownership::{self, Need};
use doorward_core::domain::{Email, Username};

pub use columns::{Field, Mapping};

use columns::Columns;

/// The first bytes of every SQLite file (<https://www.sqlite.org/fileformat.html>, section 1.3).
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Bytes of a field. The longest valid one, an address, has 254 characters.
const MAX_FIELD: usize = 4096;
/// Bytes of a line or a record, unknown columns included.
const MAX_LINE: usize = 64 * 1024;
/// Bytes that a text file may have for each row. Typical lines have a fifth of this.
const BYTES_A_ROW: u64 = 512;

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All rows are in memory at once; each takes about half a kilobyte.
    pub rows: usize,
    /// For reading alone.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1_000_000, time: Duration::from_mins(5) }
    }
}

impl Limits {
    fn too_many_rows(self) -> String {
        format!("has more than {} rows: allow more with --max-rows, or split it", self.rows)
    }

    fn bytes(self) -> u64 {
        (self.rows as u64).saturating_mul(BYTES_A_ROW).max(MAX_LINE as u64)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Sqlite,
    Csv,
    Jsonl,
}

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, String),
    #[error("the format of {0} is unknown: name it with --format (sqlite, csv or jsonl)")]
    UnknownFormat(PathBuf),
    #[error("{0} {1}")]
    Unfit(PathBuf, String),
}

/// All rows of a file.
pub struct Source {
    pub rows: Vec<Row>,
    /// Columns that were read under another name than the field's.
    pub renamed: Vec<(Field, String)>,
    /// Columns that were not read.
    pub ignored: Vec<String>,
    /// Ignored columns that may have been meant for a field without a column.
    pub suspects: Vec<(Field, String)>,
}

/// The rows of a file, and where their fields were found.
struct Table {
    rows: Vec<Row>,
    columns: Columns,
}

/// A row. Without `Debug`: it may hold a hash that is cheap to crack.
pub struct Row {
    pub place: Place,
    /// The name as the file has it, for reports.
    pub name: Option<String>,
    /// Identifies this row of this file without revealing anything about the password. The same file read
    /// again gives the same mark.
    pub mark: String,
    pub account: Result<ImportedAccount, Reason>,
}

/// Where a row is in its file, so that people find it with the file's own tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The table's id, or counted from 1.
    Row(i64),
    /// Counted from 1.
    Line(u64),
}

/// An account that could be created.
#[derive(Clone)]
pub struct ImportedAccount {
    pub username: Username,
    pub email: Option<Email>,
    /// The old system has verified the address.
    pub verified: bool,
    /// The name was made from an address.
    pub derived: bool,
    pub hash: ImportedHash,
}

/// Why a row cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("{0}")]
    Malformed(String),
    #[error("The {0} is not UTF-8. If the file is Latin-1, convert it: iconv -f WINDOWS-1252 -t UTF-8.")]
    NotUtf8(&'static str),
    #[error("The {0} has more than {MAX_FIELD} bytes.")]
    TooLong(&'static str),
    #[error("{0}")]
    InvalidUsername(String),
    #[error("The name is taken by another account.")]
    Taken,
    #[error("The name, folded, is already that of {0}.")]
    Repeated(Place),
    /// The earlier row with the name; none if another account has it.
    #[error("The name {name}, made from the address, is {}: give the row a name in a column username.",
        .place.map_or("taken by another account".to_owned(), |place| format!("already that of {place}")))]
    DerivedTaken { name: String, place: Option<Place> },
    #[error("{0}")]
    InvalidEmail(String),
    #[error("The address is verified by another account.")]
    EmailTaken,
    #[error("The address is already verified by {0}.")]
    EmailRepeated(Place),
    #[error("It is unclear whether the address is verified: expected true or false, 1 or 0, or a time.")]
    Verified,
    #[error(transparent)]
    Hash(#[from] UnsupportedHash),
}

impl Reason {
    /// A stable code, for scripts and for counting.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotUtf8(_) => "not_utf8",
            Self::TooLong(_) => "too_long",
            Self::InvalidUsername(_) => "invalid_username",
            Self::Taken | Self::Repeated(_) | Self::DerivedTaken { .. } => "username_taken",
            Self::EmailTaken | Self::EmailRepeated(_) => "email_taken",
            Self::Verified => "invalid_email_verified",
            Self::InvalidEmail(_) => "invalid_email",
            Self::Hash(UnsupportedHash::Missing) => "no_hash",
            Self::Hash(UnsupportedHash::Unknown) => "unknown_hash",
            Self::Hash(UnsupportedHash::AbsurdCost(_) | UnsupportedHash::AbsurdParameters(_)) => {
                "absurd_cost"
            }
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Row(number) => write!(f, "row {number}"),
            Self::Line(number) => write!(f, "line {number}"),
        }
    }
}

/// Reads a whole file within its limits. Without `format`, the content or the name decides.
///
/// # Errors
/// [`SourceError`] if the file as a whole cannot be read. A bad row is no error: it has its [`Reason`].
pub fn read(
    path: &Path,
    format: Option<Format>,
    limits: Limits,
    mapping: &Mapping,
) -> Result<Source, SourceError> {
    // Fails early if the file is missing: SQLite would create it.
    let path = path.canonicalize().map_err(|error| unreadable(path, &error))?;
    let late = SourceError::Unfit(
        path.clone(),
        format!("takes more than {} to read", humantime::format_duration(limits.time)),
    );
    let (answer, answered) = mpsc::sync_channel(1);
    let mapping = mapping.clone();
    // Reads on a thread that is abandoned when its time is over: neither SQLite, following the pointers of a
    // damaged file, nor a hanging file system can be interrupted.
    thread::spawn(move || {
        // After the deadline there is no receiver.
        let _ = answer.send(read_all(&path, format, limits, &mapping));
    });
    answered.recv_timeout(limits.time).unwrap_or(Err(late))
}

fn unreadable(path: &Path, error: &std::io::Error) -> SourceError {
    SourceError::Unreadable(path.to_owned(), ownership::explain(error, path, Need::Read))
}

fn read_all(
    path: &PathBuf,
    format: Option<Format>,
    limits: Limits,
    mapping: &Mapping,
) -> Result<Source, SourceError> {
    let unreadable = |error| unreadable(path, &error);
    let unfit = |why| SourceError::Unfit(path.clone(), why);
    // A pipe must not block until a writer opens it.
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut file = OpenOptions::new().read(true).custom_flags(nonblocking).open(path).map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(unfit("is not a regular file".to_owned()));
    }
    let mut head = Vec::new();
    file.by_ref().take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head).map_err(unreadable)?;
    let is_sqlite = head == SQLITE_MAGIC;
    let format = match format {
        Some(format) => format,
        None if is_sqlite => Format::Sqlite,
        None => by_extension(path).ok_or_else(|| SourceError::UnknownFormat(path.clone()))?,
    };
    let table = match format {
        Format::Sqlite if !is_sqlite => return Err(unfit("is not an SQLite database".to_owned())),
        Format::Sqlite => sqlite::read(path, limits, mapping),
        _ if is_sqlite => return Err(unfit("is an SQLite database, not what --format names".to_owned())),
        _ if mapping.table.is_some() => {
            return Err(unfit("is not an SQLite database, and --table is for those".to_owned()));
        }
        text => {
            let bytes = read_text(file, limits).map_err(unreadable)?.map_err(unfit)?;
            let bytes = text::decode(&bytes).map_err(unfit)?;
            let from = |kind| RowSource { kind, path };
            if text == Format::Csv {
                csv::read(&bytes, from("csv"), limits, mapping)
            } else {
                jsonl::read(&bytes, from("jsonl"), limits, mapping)
            }
        }
    };
    let Table { rows, columns } = table.map_err(unfit)?;
    let Columns { renamed, ignored, suspects, .. } = columns;
    Ok(Source { rows, renamed, ignored, suspects })
}

/// The whole file, as long as it was when it was opened.
fn read_text(mut file: File, limits: Limits) -> std::io::Result<Result<Vec<u8>, String>> {
    let size = file.metadata()?.len();
    if size > limits.bytes() {
        return Ok(Err(format!(
            "has {size} bytes, more than the {} that {} rows may have: allow more with --max-rows, or split it",
            limits.bytes(),
            limits.rows
        )));
    }
    file.rewind()?;
    let mut bytes = Vec::new();
    // One byte more, to notice that it grows.
    file.take(size + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != size {
        return Ok(Err("is being written to: import a copy of it".to_owned()));
    }
    Ok(Ok(bytes))
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" | "tab" => Some(Format::Csv),
        // An array in a .json file is reported as such.
        "jsonl" | "ndjson" | "json" => Some(Format::Jsonl),
        _ => None,
    }
}

/// What all rows of a file have in common.
#[derive(Clone, Copy)]
struct RowSource<'a> {
    /// The table or the format.
    kind: &'a str,
    /// Absolute.
    path: &'a Path,
}

impl RowSource<'_> {
    /// Hashes the name, because the mark outlives a deleted account. `id` distinguishes rows of the same name
    /// where the other system does.
    fn mark(self, id: Option<i64>, name: &str) -> String {
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        format!("{} {} {}", self.kind, self.path.display(), hash_token(&format!("{id}:{name}")))
    }

    fn row(self, place: Place, id: Option<i64>, fields: Fields, mapping: &Mapping) -> Row {
        let name = if fields.username.is_empty() { &fields.email } else { &fields.username };
        let name = String::from_utf8_lossy(name).into_owned();
        let mark = self.mark(id, &name);
        let name = (name.len() <= MAX_FIELD).then_some(name);
        Row { place, mark, account: fields.parse(mapping), name }
    }

    fn malformed(self, place: Place, why: impl Into<String>) -> Row {
        Row { place, mark: self.mark(None, ""), account: Err(Reason::Malformed(why.into())), name: None }
    }
}

/// Keeps one byte more than a field may have, to notice that it is too long.
fn shortened(field: &[u8]) -> &[u8] {
    field.get(..=MAX_FIELD).unwrap_or(field)
}

/// What every source reads from a row. An empty address counts as none.
struct Fields {
    username: Vec<u8>,
    email: Vec<u8>,
    verified: Vec<u8>,
    hash: Vec<u8>,
}

impl Fields {
    fn parse(self, mapping: &Mapping) -> Result<ImportedAccount, Reason> {
        let text = |bytes: Vec<u8>, what| match bytes.len() {
            0..=MAX_FIELD => String::from_utf8(bytes).map_err(|_| Reason::NotUtf8(what)),
            _ => Err(Reason::TooLong(what)),
        };
        let (mut username, mut email) = (text(self.username, "username")?, text(self.email, "email")?);
        let derived = mapping.username_from_email && (username.is_empty() || username.contains('@'));
        if derived {
            let address = if username.is_empty() { email.clone() } else { username };
            username = name_of(&address);
            email = if email.is_empty() { address } else { email };
        }
        let username = Username::parse(&username).map_err(|invalid| {
            let advice = if Email::parse(&username).is_ok() {
                " It is an address: --username-from-email makes a name from the part before the @."
            } else {
                ""
            };
            Reason::InvalidUsername(format!("{}{advice}", invalid.detail))
        })?;
        let hash = ImportedHash::parse(&text(self.hash, "hash")?)?;
        let email = if email.is_empty() {
            None
        } else {
            Some(Email::parse(&email).map_err(|invalid| Reason::InvalidEmail(invalid.detail))?)
        };
        let verified = columns::verified(&text(self.verified, "email_verified")?).ok_or(Reason::Verified)?;
        let verified = email.is_some() && (verified || mapping.verified);
        Ok(ImportedAccount { username, email, verified, derived, hash })
    }
}

/// Makes a name from the part of an address before the `@`, without its tag. Characters that no name may have
/// become hyphens.
fn name_of(address: &str) -> String {
    let mailbox = Email::mailbox_of(address);
    let local = mailbox.rsplit_once('@').map_or("", |(local, _)| local);
    let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = local.chars().map(|c| if is_fit(c) { c } else { '-' }).collect();
    name.trim_matches(['-', '.', '_']).to_owned()
}

#[cfg(test)]
mod tests;
