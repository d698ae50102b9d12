//! Accounts in other systems' files: what is read there, and what of it could become an account here.
//!
//! Only files are read, and each row is parsed into types; what is done with them is `accounts::import`'s.
//! A hash never leaves a row but to be stored: no error and no report holds any of it.

mod csv;
mod jsonl;
mod sqlite;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::auth::foreign::{Foreign, Unfit};
use crate::auth::secret::hash_token;
use crate::domain::{Email, Username};

/// What every SQLite file begins with (<https://www.sqlite.org/fileformat.html>, section 1.3).
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

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
    Unreadable(PathBuf, std::io::Error),
    #[error("what {0} is cannot be told from its name or its beginning: say it with --format")]
    UnknownFormat(PathBuf),
    #[error("{0} {1}")]
    Unfit(PathBuf, String),
}

/// All rows of a file.
pub struct Source {
    pub rows: Vec<Row>,
}

/// A row as it was read. No `Debug`: it may hold a hash that is cheap to guess.
pub struct Row {
    pub place: Place,
    /// As it stands there, for reports.
    pub name: Option<String>,
    /// Which row of which file this is, in a form that tells nothing of the password: the same again when the
    /// same file is read again.
    pub mark: String,
    pub account: Result<Incoming, Reason>,
}

/// Where a row stands: by what people find it with the file's own tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// By the table's id, or counted from 1.
    Row(i64),
    /// Counted from 1.
    Line(u64),
}

/// What could become an account.
#[derive(Clone)]
pub struct Incoming {
    pub username: Username,
    pub email: Option<Email>,
    pub hash: Foreign,
}

/// Why a row cannot come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("{0}")]
    Malformed(String),
    #[error("The {0} is not UTF-8.")]
    NotUtf8(&'static str),
    #[error("{0}")]
    InvalidUsername(String),
    #[error("The name is taken by another account.")]
    Taken,
    #[error("The name, folded, is that of {0} already.")]
    Repeated(Place),
    #[error("{0}")]
    InvalidEmail(String),
    #[error(transparent)]
    Hash(#[from] Unfit),
}

impl Reason {
    /// Stable, for scripts and for counting.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotUtf8(_) => "not_utf8",
            Self::InvalidUsername(_) => "invalid_username",
            Self::Taken | Self::Repeated(_) => "username_taken",
            Self::InvalidEmail(_) => "invalid_email",
            Self::Hash(Unfit::Missing) => "no_hash",
            Self::Hash(Unfit::Unknown) => "unknown_hash",
            Self::Hash(Unfit::AbsurdCost(_)) => "absurd_cost",
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

/// Reads all of a file. `format` is told from the content or the name if it is not given.
///
/// # Errors
/// [`SourceError`]: about the file, never about a row.
pub fn read(path: &Path, format: Option<Format>) -> Result<Source, SourceError> {
    // First to know that it is there: SQLite would make it.
    let unreadable = |error| SourceError::Unreadable(path.to_owned(), error);
    let path = &path.canonicalize().map_err(unreadable)?;
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut head))
        .map_err(|error| SourceError::Unreadable(path.clone(), error))?;
    let is_sqlite = head == SQLITE_MAGIC;
    let format = match format {
        Some(format) => format,
        None if is_sqlite => Format::Sqlite,
        None => by_extension(path).ok_or_else(|| SourceError::UnknownFormat(path.clone()))?,
    };
    let unfit = |why| SourceError::Unfit(path.clone(), why);
    let rows = match format {
        Format::Sqlite if !is_sqlite => return Err(unfit("is no SQLite database".to_owned())),
        Format::Sqlite => sqlite::read(path).map_err(unfit)?,
        _ if is_sqlite => return Err(unfit("is an SQLite database, whatever --format says".to_owned())),
        text => {
            let bytes = std::fs::read(path).map_err(|error| SourceError::Unreadable(path.clone(), error))?;
            let from = |kind| Origin { kind, path };
            if text == Format::Csv {
                csv::read(&bytes, from("csv")).map_err(unfit)?
            } else {
                jsonl::read(&bytes, from("jsonl"))
            }
        }
    };
    Ok(Source { rows })
}

fn by_extension(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        _ => None,
    }
}

/// What all rows of a file have in common.
#[derive(Clone, Copy)]
struct Origin<'a> {
    kind: &'static str,
    /// Absolute.
    path: &'a Path,
}

impl Origin<'_> {
    /// The name is hashed, for the mark outlives an account that is deleted. `id` tells rows of one name apart
    /// where the other system does.
    fn mark(self, id: Option<i64>, name: &str) -> String {
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        format!("{} {} {}", self.kind, self.path.display(), hash_token(&format!("{id}:{name}")))
    }

    fn row(self, place: Place, id: Option<i64>, fields: Fields) -> Row {
        let name = String::from_utf8_lossy(&fields.username).into_owned();
        Row { place, mark: self.mark(id, &name), account: fields.parse(), name: Some(name) }
    }

    fn malformed(self, place: Place, why: impl Into<String>) -> Row {
        Row { place, mark: self.mark(None, ""), account: Err(Reason::Malformed(why.into())), name: None }
    }
}

/// What every source has of a row. An address of no characters is none.
struct Fields {
    username: Vec<u8>,
    email: Vec<u8>,
    hash: Vec<u8>,
}

impl Fields {
    fn parse(self) -> Result<Incoming, Reason> {
        let text = |bytes, what| String::from_utf8(bytes).map_err(|_| Reason::NotUtf8(what));
        let username = Username::parse(&text(self.username, "username")?)
            .map_err(|invalid| Reason::InvalidUsername(invalid.detail))?;
        let hash = Foreign::parse(&text(self.hash, "hash")?)?;
        let email = text(self.email, "email")?;
        let email = if email.is_empty() {
            None
        } else {
            Some(Email::parse(&email).map_err(|invalid| Reason::InvalidEmail(invalid.detail))?)
        };
        Ok(Incoming { username, email, hash })
    }
}

#[cfg(test)]
mod tests;
