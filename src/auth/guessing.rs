//! How many wrong passwords are too many, and the key under which they are counted. Pure.
//!
//! From the fifth failure in a row on, an account accepts no further attempt for one second, then two, four
//! and so on up to 15 minutes (NIST SP 800-63B-4 section 3.2.2: limit consecutive failures, with growing
//! delays). That allows about a hundred guesses a day.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::TimeDelta;

/// Failures before the first delay: people mistype, and try the password of another site.
const FREE_FAILURES: u32 = 4;

/// The longest delay.
const MAX_DELAY: TimeDelta = TimeDelta::minutes(15);

/// Failures are forgotten after so long without another one.
pub const MEMORY: TimeDelta = TimeDelta::hours(24);

/// Wrong current passwords after which a login is revoked: its access token is probably stolen.
pub const PER_LOGIN: u32 = 10;

/// How long no further attempt is accepted after so many failures in a row.
#[must_use]
pub fn delay(failures: u32) -> Option<TimeDelta> {
    let doublings = failures.checked_sub(FREE_FAILURES + 1)?;
    Some(TimeDelta::seconds(1_i64 << doublings.min(10)).min(MAX_DELAY))
}

/// The key under which names without an account are counted. There are 65,536 slots for such names, so that
/// guessing at them leaves a bounded number of rows. A name keeps its slot until another name with the same
/// slot is tried. The key keeps outsiders from choosing names that share a slot.
pub struct NameKey(hmac::Key);

impl NameKey {
    #[must_use]
    pub const fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// A digest that reveals nothing about the text without the key.
    #[must_use]
    pub fn digest(&self, text: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, text.as_bytes()))
    }

    /// The slot and the digest of a folded name.
    #[must_use]
    pub fn slot(&self, name: &str) -> (u16, String) {
        let tag = hmac::sign(&self.0, name.as_bytes());
        let bytes = tag.as_ref();
        // HMAC-SHA-256 has 32 bytes.
        let slot = u16::from_be_bytes([bytes[0], bytes[1]]);
        (slot, BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::fmt::Debug for NameKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NameKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_delay_doubles_from_the_fifth_failure_to_fifteen_minutes() {
        let seconds = |failures| delay(failures).map(|delay| delay.num_seconds());
        assert_eq!((0..=4).map(seconds).collect::<Vec<_>>(), [None; 5]);
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900];
        assert_eq!((5..=16).map(seconds).collect::<Vec<_>>(), expected.map(Some));
    }

    proptest! {
        #[test]
        fn no_number_of_failures_overflows(failures in any::<u32>()) {
            prop_assert!(delay(failures).is_none_or(|delay| delay <= MAX_DELAY));
        }
    }

    #[test]
    fn a_name_has_one_slot_for_each_key() {
        let key = |byte: u8| NameKey::new(hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]));
        assert_eq!(key(1).slot("alice"), key(1).slot("alice"));
        assert_ne!(key(1).slot("alice").1, key(1).slot("alicf").1);
        assert_ne!(key(1).slot("alice").1, key(2).slot("alice").1);
    }
}
