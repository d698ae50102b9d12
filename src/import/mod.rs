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
mod field;
mod fields;
mod jsonl;
mod sink;
mod source;
mod sqlite;
mod text;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use crate::auth::legacy_hashes::{ImportedHash, UnsupportedHash};
use crate::clock::Timestamp;
use doorward_core::domain::{Claims, DisplayName, Email, LanguageTag, Roles, UserId, Username};

pub use columns::Mapping;
pub use field::Field;
pub use source::open;

/// Bytes of a field. The longest valid one, an address, has 254 characters.
const MAX_FIELD: usize = 4096;
/// Bytes of a line or a record, unknown columns included.
const MAX_LINE: usize = 64 * 1024;
/// Bytes that a text file may have for each row. Typical lines have a fifth of this.
const BYTES_A_ROW: u64 = 512;

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Each takes about a hundred bytes of memory, and of an SQLite or CSV file about half a kilobyte.
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
    /// When, if it says so.
    pub verified_at: Option<Timestamp>,
    /// The name was made from an address.
    pub derived: bool,
    pub hash: ImportedHash,
    pub display_name: Option<DisplayName>,
    /// For pages and emails.
    pub language: Option<LanguageTag>,
    pub roles: Roles,
    pub claims: Claims,
    pub disabled: bool,
    /// Since when, if the file says so.
    pub disabled_at: Option<Timestamp>,
    pub created_at: Option<Timestamp>,
    /// The id to keep, of an account that was exported.
    pub id: Option<UserId>,
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
    #[error("{}", unclear(*.0))]
    Unclear(Field),
    /// A value of this field that is not allowed, and why.
    #[error("{1}")]
    Invalid(Field, String),
    #[error("Another account has the id.")]
    IdTaken,
    #[error("The row has the role admin: --allow-admins imports administrators too.")]
    Admin,
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
            Self::Unclear(field) | Self::Invalid(field, _) => field.invalid_code(),
            Self::IdTaken => "id_taken",
            Self::Admin => "admin_not_allowed",
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

fn unclear(field: Field) -> String {
    match field {
        Field::EmailVerified => {
            "It is unclear whether the address is verified: expected true or false, 1 or 0, or a time.".to_owned()
        }
        Field::Created => {
            "It is unclear when the account was created: expected a time such as 2026-01-31T12:00:00Z, or seconds or \
             milliseconds since 1970."
                .to_owned()
        }
        field => format!("It is unclear whether the account is {field}: expected true or false, 1 or 0, or a time."),
    }
}

#[cfg(test)]
mod tests;
