//! The value of a column. SQLite keeps whatever was put into it, and Diesel converts it as well as it can.
//! Here a value is moved unchanged or refused.

use std::fmt;

use aws_lc_rs::digest::Context;
use chrono::{DateTime, NaiveDateTime};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types;
use diesel::sqlite::{Sqlite, SqliteType};

/// A cell's part of its row's canonical form: its length, so that different rows have different forms, then
/// its bytes.
pub(super) trait Cell {
    fn feed(&self, digest: &mut Context);
}

impl<T: Cell> Cell for Option<T> {
    fn feed(&self, digest: &mut Context) {
        digest.update(&[u8::from(self.is_some())]);
        if let Some(cell) = self {
            cell.feed(digest);
        }
    }
}

/// A cell that is its table's key.
pub(super) trait Key {
    /// What queries compare it with.
    type Bound;

    /// How PostgreSQL orders the keys as SQLite does.
    const ORDER: &'static str;

    fn text(&self) -> String;

    /// `text` is one that [`Key::text`] made.
    fn bound(text: &str) -> Self::Bound;
}

impl Key for Text {
    type Bound = String;

    const ORDER: &'static str = "COLLATE \"C\"";

    fn text(&self) -> String {
        self.0.clone()
    }

    fn bound(text: &str) -> String {
        text.to_owned()
    }
}

impl Key for Number {
    type Bound = i32;

    const ORDER: &'static str = "";

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn bound(text: &str) -> i32 {
        text.parse().unwrap_or_default()
    }
}

impl Key for Long {
    type Bound = i64;

    const ORDER: &'static str = "";

    fn text(&self) -> String {
        self.0.to_string()
    }

    fn bound(text: &str) -> i64 {
        text.parse().unwrap_or_default()
    }
}

/// UTF-8 without U+0000.
#[derive(Clone, PartialEq, Eq, Hash, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Text)]
pub(super) struct Text(String);

/// Prints nothing: it may be a password hash or a key.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(***)")
    }
}

impl Cell for Text {
    fn feed(&self, digest: &mut Context) {
        digest.update(&(self.0.len() as u64).to_be_bytes());
        digest.update(self.0.as_bytes());
    }
}

impl FromSql<sql_types::Text, Sqlite> for Text {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        if !matches!(value.value_type(), Some(SqliteType::Text)) {
            return Err("it is not text".into());
        }
        let text = std::str::from_utf8(value.read_blob()).map_err(|_| "it is not UTF-8")?;
        if text.contains('\0') {
            return Err("it contains the character U+0000, which PostgreSQL cannot store".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromSql<sql_types::Text, Pg> for Text {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        FromSql::<sql_types::Text, Pg>::from_sql(value).map(Self)
    }
}

impl ToSql<sql_types::Text, Pg> for Text {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::Text, Pg>::to_sql(&self.0, out)
    }
}

/// A time as the server reads it, with PostgreSQL's precision: further digits, of a value written by hand,
/// are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Timestamp)]
pub(super) struct Moment(NaiveDateTime);

impl Cell for Moment {
    fn feed(&self, digest: &mut Context) {
        digest.update(&self.0.and_utc().timestamp_micros().to_be_bytes());
    }
}

impl FromSql<sql_types::Timestamp, Sqlite> for Moment {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let at: NaiveDateTime = FromSql::<sql_types::Timestamp, Sqlite>::from_sql(value)?;
        // A second 60 becomes second 0 of the next minute, as in PostgreSQL.
        let kept = DateTime::from_timestamp_micros(at.and_utc().timestamp_micros());
        Ok(Self(kept.ok_or("it is out of range")?.naive_utc()))
    }
}

impl FromSql<sql_types::Timestamp, Pg> for Moment {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        FromSql::<sql_types::Timestamp, Pg>::from_sql(value).map(Self)
    }
}

impl ToSql<sql_types::Timestamp, Pg> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::Timestamp, Pg>::to_sql(&self.0, out)
    }
}

/// A number that fits into PostgreSQL's INTEGER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Integer)]
pub(super) struct Number(i32);

impl Cell for Number {
    fn feed(&self, digest: &mut Context) {
        digest.update(&self.0.to_be_bytes());
    }
}

impl FromSql<sql_types::Integer, Sqlite> for Number {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        if !matches!(value.value_type(), Some(SqliteType::Long)) {
            return Err("it is not a whole number".into());
        }
        let number = i32::try_from(value.read_long()).map_err(|_| "the number is too large")?;
        Ok(Self(number))
    }
}

impl FromSql<sql_types::Integer, Pg> for Number {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        FromSql::<sql_types::Integer, Pg>::from_sql(value).map(Self)
    }
}

impl ToSql<sql_types::Integer, Pg> for Number {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::Integer, Pg>::to_sql(&self.0, out)
    }
}

/// A number that fits into PostgreSQL's BIGINT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::BigInt)]
pub(super) struct Long(i64);

impl Cell for Long {
    fn feed(&self, digest: &mut Context) {
        digest.update(&self.0.to_be_bytes());
    }
}

impl FromSql<sql_types::BigInt, Sqlite> for Long {
    fn from_sql(mut value: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        if !matches!(value.value_type(), Some(SqliteType::Long)) {
            return Err("it is not a whole number".into());
        }
        Ok(Self(value.read_long()))
    }
}

impl FromSql<sql_types::BigInt, Pg> for Long {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        FromSql::<sql_types::BigInt, Pg>::from_sql(value).map(Self)
    }
}

impl ToSql<sql_types::BigInt, Pg> for Long {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<sql_types::BigInt, Pg>::to_sql(&self.0, out)
    }
}
