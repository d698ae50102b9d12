//! Moments in UTC. Asking for the present is the server's business: everything here is given the time.

use chrono::{DateTime, NaiveDateTime, Utc};

/// A moment in UTC, as rows keep it: no more than microseconds, which is what PostgreSQL keeps.
pub type Timestamp = NaiveDateTime;

/// A moment as RFC 3339 with `Z` and milliseconds, as every JSON answer shows it.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    DateTime::<Utc>::from_naive_utc_and_offset(at, Utc).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// `#[serde(serialize_with = ..)]` for a moment in an answer.
///
/// # Errors
/// The serializer's own.
pub fn serialize_rfc3339<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}
