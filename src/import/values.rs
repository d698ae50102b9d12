//! Truth and time as other systems write them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SubsecRound};

use crate::clock::Timestamp;

/// A time in UTC, as databases and programs write it: RFC 3339, the same with a space or without a zone, a date
/// alone, or seconds, milliseconds, microseconds or nanoseconds since 1970. None for any other text, and for
/// the placeholders that [`flag`] takes for false.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if flag(text) != Some(true) {
        return None;
    }
    let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
    let at = if whole.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = whole.parse().ok()?;
        match whole.len() {
            10 | 11 => DateTime::from_timestamp(number, 0),
            13 => DateTime::from_timestamp_millis(number),
            16 => DateTime::from_timestamp_micros(number),
            19 => Some(DateTime::from_timestamp_nanos(number)),
            _ => None,
        }
        .map(|at| at.naive_utc())
    } else if let Ok(date) = text.parse::<NaiveDate>() {
        date.and_hms_opt(0, 0, 0)
    } else {
        let text = text.replacen(' ', "T", 1).replacen(' ', "", 1);
        DateTime::parse_from_rfc3339(&text)
            .or_else(|_| DateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f%#z"))
            .map(|at| at.naive_utc())
            .or_else(|_| NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f"))
            .ok()
    }?;
    (1971..2200).contains(&at.year()).then(|| at.trunc_subsecs(6))
}

/// Whether something is so, as databases and programs write it: words, numbers, and the time since when. None if the text is unclear.
pub(super) fn flag(text: &str) -> Option<bool> {
    let text = text.trim().to_ascii_lowercase();
    match text.as_str() {
        "" | "false" | "f" | "0" | "no" | "n" | "off" | "null" | "none" | "nil" | "\\n" | "\u{0}" => {
            return Some(false);
        }
        "true" | "t" | "1" | "yes" | "y" | "on" | "1.0" | "\u{1}" => return Some(true),
        _ => {}
    }
    // What MySQL writes for no date.
    if text.starts_with("0000-00-00") {
        return Some(false);
    }
    if let Some((date, rest)) = text.split_at_checked(10)
        && let Ok(date) = date.parse::<NaiveDate>()
        && (rest.is_empty() || rest.starts_with(['t', ' ']))
    {
        return match date.year() {
            // The zero dates of Go, .NET, SQL Server and Unix mean no date.
            ..=1970 => Some(false),
            1971..=2199 => Some(true),
            // A placeholder for "never".
            _ => None,
        };
    }
    // Seconds since 1970, or fractions of one, from 2001 on. Any number of zeros is zero.
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return None;
    }
    match whole.len() {
        10..=19 if !whole.starts_with('0') => Some(true),
        1.. if [whole, part].concat().bytes().all(|byte| byte == b'0') => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verification_is_a_word_a_number_or_a_time() {
        for text in [
            "true",
            "TRUE",
            "t",
            "1",
            "yes",
            " Y ",
            "on",
            "\u{1}",
            "2024-05-01",
            "2024-05-01T10:00:00Z",
            "2024-05-01 10:00:00.123+02",
            "1714557600",
            "1714557600123",
            "1714557600.5",
        ] {
            assert_eq!(flag(text), Some(true), "{text}");
        }
        let zero = [
            "0000-00-00 00:00:00",
            "0001-01-01T00:00:00Z",
            "1900-01-01",
            "1970-01-01 00:00:00",
            "\u{0}",
            "00",
            "0000000000.000",
        ];
        for text in ["", "false", "F", "0", "no", "n", "NULL", "\\N"].into_iter().chain(zero) {
            assert_eq!(flag(text), Some(false), "{text}");
        }
        for text in [
            "maybe",
            "2",
            "0000000001",
            ".",
            "2024-13-01",
            "01/05/2024",
            "2024-05-01x",
            "9999-12-31",
            "-1",
            "kim@example.org",
        ] {
            assert_eq!(flag(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_is_read_in_utc_as_systems_write_it() {
        let at = |text: &str| moment(text).map(|at| at.to_string());
        for text in [
            "2024-05-01T10:00:00Z",
            "2024-05-01T12:00:00+02:00",
            "2024-05-01 12:00:00+02",
            "2024-05-01 10:00:00",
            "2024-05-01 10:00:00 +0000",
            "1714557600",
            "1714557600000",
            "1714557600000000",
            "1714557600000000000",
            " 1714557600.0 ",
        ] {
            assert_eq!(at(text).as_deref(), Some("2024-05-01 10:00:00"), "{text}");
        }
        assert_eq!(at("2024-05-01").as_deref(), Some("2024-05-01 00:00:00"));
        assert_eq!(at("2024-05-01T10:00:00.1234567Z").as_deref(), Some("2024-05-01 10:00:00.123456"));
        for text in
            ["", "true", "1", "0", "0000-00-00 00:00:00", "2024-05-01T25:00:00Z", "soon", "171455760000"]
        {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
