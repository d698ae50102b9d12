//! The text of API keys: `dwk_<id>_<secret><tag>`. The tag says that this server issued it, so that a made-up key is
//! refused before it costs a query.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::secret;
use doorward_core::domain::ApiKeyId;

/// Lets secret scanners find a leaked one.
pub const PREFIX: &str = "dwk_";

/// Characters of the secret, and of the 128-bit tag, in base64url.
const SECRET_LENGTH: usize = 43;
const TAG_LENGTH: usize = 22;

/// The text of a new key, shown once. No `Debug`: it is a secret.
pub struct PlainApiKey {
    pub id: ApiKeyId,
    /// 256 random bits in base64url.
    secret: String,
    tag: String,
}

impl PlainApiKey {
    /// The text for the application.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}_{}{}", self.id, self.secret, self.tag)
    }

    /// The form to store: SHA-256 in base64url.
    #[must_use]
    pub fn hash(&self) -> String {
        secret::hash_token(&self.secret)
    }
}

/// A key that a client presented: issued here, but it may have been revoked since, or replaced.
pub struct PresentedApiKey {
    pub id: ApiKeyId,
    hash: String,
}

impl PresentedApiKey {
    /// Whether this is the key of the stored hash, compared in constant time.
    #[must_use]
    pub fn matches(&self, stored: &str) -> bool {
        constant_time::verify_slices_are_equal(self.hash.as_bytes(), stored.as_bytes()).is_ok()
    }
}

/// Makes and checks tags of API keys.
pub struct ApiKeyTags(hmac::Key);

impl ApiKeyTags {
    #[must_use]
    pub const fn new(key: hmac::Key) -> Self {
        Self(key)
    }

    /// A new secret for the key of this id.
    #[must_use]
    pub fn issue(&self, id: ApiKeyId) -> PlainApiKey {
        let secret = secret::random_token();
        let tag = self.tag(id, &secret);
        PlainApiKey { id, secret, tag }
    }

    /// Reads what a client presents, without a query; none if it was not issued here.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<PresentedApiKey> {
        // The secret may contain an underscore, the id may not.
        let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
        if rest.len() != SECRET_LENGTH + TAG_LENGTH || !rest.is_ascii() {
            return None;
        }
        let id: ApiKeyId = id.parse().ok()?;
        let (secret, tag) = rest.split_at(SECRET_LENGTH);
        constant_time::verify_slices_are_equal(self.tag(id, secret).as_bytes(), tag.as_bytes()).ok()?;
        Some(PresentedApiKey { id, hash: secret::hash_token(secret) })
    }

    fn tag(&self, id: ApiKeyId, secret: &str) -> String {
        let code = hmac::sign(&self.0, format!("{id}_{secret}").as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(&code.as_ref()[..16])
    }
}

impl fmt::Debug for ApiKeyTags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyTags(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn tags(byte: u8) -> ApiKeyTags {
        ApiKeyTags::new(hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32]))
    }

    fn id() -> ApiKeyId {
        ApiKeyId(Uuid::from_u128(7))
    }

    #[test]
    fn a_key_is_read_back_by_the_server_that_issued_it_only() {
        let key = tags(1).issue(id());
        let text = key.expose();
        let read = tags(1).read(&text).unwrap();
        assert!(read.id == id() && read.matches(&key.hash()));
        assert!(!read.matches(&tags(1).issue(id()).hash()), "another secret of this key");
        assert!(!read.matches(""));
        assert!(tags(2).read(&text).is_none());
        let other = ApiKeyId(Uuid::from_u128(8)).to_string();
        assert!(tags(1).read(&text.replace(&id().to_string(), &other)).is_none());
        assert!(!key.hash().contains(&key.secret));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in "(dwk_)?\\PC{0,160}") {
            prop_assert!(tags(1).read(&text).is_none());
        }

        #[test]
        fn no_changed_key_is_ours(at in 0_usize..200, to in "[A-Za-z0-9_-]") {
            let text = tags(1).issue(id()).expose();
            let at = at % text.len();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            // An id in upper case is the same id.
            prop_assume!(!changed.eq_ignore_ascii_case(&text) || at > 40);
            prop_assert!(changed == text || tags(1).read(&changed).is_none());
        }
    }
}
