//! Parses the value of one key, and refuses what is out of bounds.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::error::{ConfigError, invalid};
use super::value::{ValueSource, Values};
use super::{hints, keys};

pub(super) trait Parse {
    /// Parses the value of a key. `parse` returns why it fails, or an empty text where `expected` says it
    /// all.
    fn parse_or_why<T>(&self, key: &str, parse: impl Fn(&str) -> Result<T, String>)
    -> Result<T, ConfigError>;

    fn parse<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        self.parse_or_why(key, |text| parse(text).ok_or_else(String::new))
    }

    /// None for an empty text.
    fn optional<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ConfigError> {
        self.parse(key, |text| if text.is_empty() { Some(None) } else { parse(text).map(Some) })
    }

    /// The path of a file, if one is set.
    fn path(&self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        self.optional(key, |text| Some(PathBuf::from(text)))
    }

    fn number<T: FromStr + PartialOrd>(
        &self,
        key: &str,
        bounds: RangeInclusive<T>,
    ) -> Result<T, ConfigError> {
        self.parse(key, |text| from_str(text).filter(|number| bounds.contains(number)))
    }

    fn duration(&self, key: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
        self.parse(key, |text| {
            humantime::parse_duration(text).ok().filter(|duration| bounds.contains(duration))
        })
    }

    fn size(&self, key: &str, bounds: RangeInclusive<u64>) -> Result<usize, ConfigError> {
        self.parse(key, |text| {
            let size = from_str::<bytesize::ByteSize>(text)?.as_u64();
            usize::try_from(size).ok().filter(|_| bounds.contains(&size))
        })
    }
}

impl Parse for Values {
    fn parse_or_why<T>(
        &self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        // A key that the table lacks is a bug in this file; every test that loads a configuration finds it.
        let (Some(value), Some(entry)) = (self.get(key), keys::find(key)) else {
            return Err(ConfigError::Unknown {
                key: key.to_owned(),
                origin: ValueSource::Default,
                hint: None,
            });
        };
        parse(&value.text).map_err(|why| {
            let guess = || hints::guess(entry, &value.text, |candidate| parse(candidate).is_ok());
            invalid(entry, value, if why.is_empty() { guess() } else { Some(why) })
        })
    }
}

pub(super) fn from_str<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}
