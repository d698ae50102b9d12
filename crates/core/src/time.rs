//! Times in UTC. The server asks for the current time; everything here is given it.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;

/// A time in UTC as rows store it, with microseconds at most, which is PostgreSQL's precision.
pub type Timestamp = NaiveDateTime;

/// A time in RFC 3339 with `Z` and milliseconds, the form in every JSON response.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    DateTime::<Utc>::from_naive_utc_and_offset(at, Utc).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// `#[serde(serialize_with = ..)]` for a time in a response.
pub fn serialize_rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// The same for a time that may be missing.
pub fn serialize_rfc3339_or_null<S: serde::Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(serializer)
}
