//! Known devices: a token that a client keeps after it has signed in. With it, an attacker who guesses
//! passwords cannot lock the user out (OWASP, Slow Down Online Guessing Attacks with Device Cookies). It
//! grants no access; it only says "this user has signed in here before".

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use uuid::Uuid;

use doorward_core::domain::UserId;

const PREFIX: &str = "dwd_";

/// How many users of one browser are remembered, most recent first.
pub const MAX_REMEMBERED: usize = 4;

/// Separates the tokens of several users in one cookie.
const SEPARATOR: char = '.';

/// The device tokens that a client presents, not verified yet.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PresentedDevices(Vec<String>);

impl PresentedDevices {
    /// Reads a cookie, or a single token. Ignores what exceeds the bounds.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let tokens = text.split(SEPARATOR).filter(|token| token.starts_with(PREFIX));
        Self(tokens.take(MAX_REMEMBERED).filter(|token| token.len() <= 128).map(str::to_owned).collect())
    }

    /// The cookie's value with `newest` in front.
    #[must_use]
    pub fn remember(&self, newest: &str) -> String {
        let others = self.0.iter().map(String::as_str).filter(|token| *token != newest);
        let all: Vec<&str> = std::iter::once(newest).chain(others).take(MAX_REMEMBERED).collect();
        all.join(&SEPARATOR.to_string())
    }
}

/// Device tokens are credentials of a kind, so `Debug` prints only their number.
impl std::fmt::Debug for PresentedDevices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PresentedDevices({})", self.0.len())
    }
}

/// Signs device tokens.
pub struct DeviceKey(hmac::Key);

impl DeviceKey {
    #[must_use]
    pub const fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// The token of a device on which `user` signed in with the password of this hash. A new password makes
    /// all devices unknown: a thief who knew the old one must not keep separate failure counters.
    #[must_use]
    pub fn issue(&self, (user, hash): (UserId, &str), device: Uuid) -> String {
        let tag = hmac::sign(&self.0, &message(user, hash, device));
        format!("{PREFIX}{}_{}", device.simple(), BASE64_URL_SAFE_NO_PAD.encode(tag))
    }

    /// The device among `presented` on which `user` has signed in before.
    #[must_use]
    pub fn recognize(&self, (user, hash): (UserId, &str), presented: &PresentedDevices) -> Option<Uuid> {
        presented.0.iter().find_map(|token| {
            let (device, tag) = token.strip_prefix(PREFIX)?.split_once('_')?;
            let device = Uuid::try_parse(device).ok()?;
            let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
            hmac::verify(&self.0, &message(user, hash, device), &tag).ok().map(|()| device)
        })
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKey(***)")
    }
}

/// The ids have a fixed length, so no two messages are equal.
fn message(user: UserId, hash: &str, device: Uuid) -> Vec<u8> {
    [user.0.as_bytes(), device.as_bytes().as_slice(), hash.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> DeviceKey {
        DeviceKey::new(hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]))
    }

    const ANN: UserId = UserId(Uuid::from_u128(1));
    const BEN: UserId = UserId(Uuid::from_u128(2));
    const DEVICE: Uuid = Uuid::from_u128(3);
    const HASH: &str = "$2b$04$hash";

    #[test]
    fn a_device_is_known_for_its_own_user_and_by_its_own_server_only() {
        let token = PresentedDevices::parse(&key(7).issue((ANN, HASH), DEVICE));
        assert_eq!(key(7).recognize((ANN, HASH), &token), Some(DEVICE));
        assert_eq!(key(7).recognize((BEN, HASH), &token), None);
        assert_eq!(key(8).recognize((ANN, HASH), &token), None);
        assert_eq!(key(7).recognize((ANN, "$2b$04$other"), &token), None, "not after a new password");
        let text = key(7).issue((ANN, HASH), DEVICE);
        for changed in
            [text.replace("dwd_", "dwx_"), text.to_uppercase(), format!("{text}A"), text[..60].to_owned()]
        {
            assert_eq!(key(7).recognize((ANN, HASH), &PresentedDevices::parse(&changed)), None, "{changed}");
        }
    }

    #[test]
    fn a_browser_remembers_its_last_users() {
        let mut cookie = String::new();
        for n in 1..=6 {
            let user = UserId(Uuid::from_u128(n));
            cookie = PresentedDevices::parse(&cookie).remember(&key(7).issue((user, HASH), DEVICE));
        }
        let known = |n| {
            key(7).recognize((UserId(Uuid::from_u128(n)), HASH), &PresentedDevices::parse(&cookie)).is_some()
        };
        assert_eq!((1..=6).map(known).collect::<Vec<_>>(), [false, false, true, true, true, true]);
        let again = PresentedDevices::parse(&cookie)
            .remember(&key(7).issue((UserId(Uuid::from_u128(4)), HASH), DEVICE));
        assert_eq!(again.len(), cookie.len(), "no user is there twice");
        assert!(!format!("{:?}", PresentedDevices::parse(&cookie)).contains("dwd_"));
    }

    proptest! {
        #[test]
        fn reading_never_panics_and_recognizes_nothing(text in "(dwd_)?\\PC{0,200}") {
            let presented = PresentedDevices::parse(&text);
            prop_assert_eq!(key(7).recognize((ANN, HASH), &presented), None);
        }
    }
}
