//! A rate limit as it is configured.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

/// The longest period: anything longer is retention, not a rate.
const LONGEST: Duration = Duration::from_hours(24 * 30);

/// `count` times in `per`, written `30/1m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    pub per: Duration,
}

impl Rate {
    /// Reads `COUNT/DURATION`: a count from 1 to 1000000, a duration from 1s to 30d.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.trim().split_once('/')?;
        let count = count.trim().parse::<NonZeroU32>().ok().filter(|count| count.get() <= 1_000_000)?;
        let per = humantime::parse_duration(per.trim()).ok()?;
        (Duration::from_secs(1)..=LONGEST).contains(&per).then_some(Self { count, per })
    }

    /// Reads `off`, or a rate.
    #[must_use]
    #[expect(clippy::option_option, reason = "None is no rate at all, Some(None) is a limit that is off")]
    pub fn parse_or_off(text: &str) -> Option<Option<Self>> {
        if text.trim() == "off" { Some(None) } else { Self::parse(text).map(Some) }
    }

    /// Reads `off`, or several rates separated by commas, which all apply: `3/1h, 10/1d`.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Vec<Self>> {
        if text.trim() == "off" {
            return Some(Vec::new());
        }
        text.split(',').map(Self::parse).collect()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, humantime::format_duration(self.per))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_count_and_a_duration() {
        let rate = Rate::parse("30/1m").unwrap();
        assert_eq!((rate.count.get(), rate.per), (30, Duration::from_mins(1)));
        assert_eq!(Rate::parse(&rate.to_string()), Some(rate));
        assert_eq!(Rate::parse_or_off("off"), Some(None));
        assert_eq!(Rate::parse_list("off"), Some(Vec::new()));
        assert_eq!(Rate::parse_list("3/1h, 10/1d").unwrap().len(), 2);
        for bad in ["", "30", "0/1m", "-1/1m", "30/0s", "30/31d", "2000000/1s", "30/m", "1/1h,", "x/1h"] {
            assert_eq!(Rate::parse(bad), None, "{bad}");
            assert_eq!(Rate::parse_list(bad), None, "{bad}");
        }
    }
}
