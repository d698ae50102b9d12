//! Times as an operator types them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};

use crate::clock::{Clock, Timestamp};

/// How long from now, such as `1h`, or a date, as with [`parse`].
pub fn parse_end(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let after = humantime::parse_duration(text).ok().and_then(|after| TimeDelta::from_std(after).ok());
    let after = after.and_then(|after| Clock::System.now().checked_add_signed(after));
    after.or_else(|| date(text)).ok_or_else(neither)
}

/// How long ago, such as `1h`, or a date, such as `2026-11-27`, perhaps with a time. Times are in UTC unless they say
/// otherwise.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    let ago = humantime::parse_duration(text).ok().and_then(|ago| TimeDelta::from_std(ago).ok());
    let ago = ago.and_then(|ago| Clock::System.now().checked_sub_signed(ago));
    ago.or_else(|| date(text)).ok_or_else(neither)
}

fn neither() -> String {
    "neither a duration such as 1h nor a date such as 2026-11-27 or 2026-11-27T12:00Z".to_owned()
}

fn date(text: &str) -> Option<Timestamp> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.naive_utc());
    }
    let plain = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text).trim_end();
    let formats = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"];
    let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(plain, format).ok());
    time.or_else(|| NaiveDate::parse_from_str(plain, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_duration_ago_or_a_date() {
        let hour = Clock::System.now() - parse("1h").unwrap();
        assert!((TimeDelta::minutes(59)..TimeDelta::minutes(61)).contains(&hour), "{hour}");
        let of = |text: &str| parse(text).unwrap().to_string();
        assert_eq!(of("2026-11-27"), "2026-11-27 00:00:00");
        for text in [
            "2026-11-27T12:30Z",
            "2026-11-27 12:30",
            "2026-11-27 12:30:00 UTC",
            "2026-11-27T14:30:00+02:00",
            "2026-11-27T12:30:00.000Z",
        ] {
            assert_eq!(of(text), "2026-11-27 12:30:00", "{text}");
        }
        for text in ["", "yesterday", "2026-13-01", "999999999999y", "1"] {
            assert!(parse(text).is_err() && parse_end(text).is_err(), "{text}");
        }
        let hour = parse_end("1h").unwrap() - Clock::System.now();
        assert!((TimeDelta::minutes(59)..TimeDelta::minutes(61)).contains(&hour), "{hour}");
        assert_eq!(parse_end("2027-01-01"), parse("2027-01-01"));
    }
}
