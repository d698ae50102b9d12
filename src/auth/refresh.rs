//! Opaque credentials: refresh tokens, each of which yields the next, and browser cookies.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::keys::DamagedKey;
use super::secret;
use crate::domain::LoginId;

/// How far a presented token's successors are followed. At one refresh a quarter of an hour these are six
/// weeks; the walk costs a few milliseconds.
const MAX_STEPS: usize = 4096;

/// What kind of credential, by its prefix: one that leaks is found by a search for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    Refresh,
    Browser,
}

impl CredentialKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Refresh => "dwr_",
            Self::Browser => "dwb_",
        }
    }
}

/// `dwr_<login>_<secret>` or `dwb_<login>_<secret>`: names a login and proves the right to act for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub kind: CredentialKind,
    pub login: LoginId,
    secret: String,
}

impl Credential {
    /// A new one, of 256 random bits.
    #[must_use]
    pub fn generate(kind: CredentialKind, login: LoginId) -> Self {
        Self { kind, login, secret: secret::random_token() }
    }

    /// Reads what a client presents.
    #[must_use]
    pub fn parse(kind: CredentialKind, text: &str) -> Option<Self> {
        // The secret may hold an underscore, the login's id may not.
        let (login, secret) = text.strip_prefix(kind.prefix())?.split_once('_')?;
        let sound =
            secret.len() == 43 && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        sound.then_some(Self { kind, login: login.parse().ok()?, secret: secret.to_owned() })
    }

    /// The form that is stored.
    #[must_use]
    pub fn hash(&self) -> String {
        secret::hash_token(&self.secret)
    }

    /// What the client is given, and keeps.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}{}_{}", self.kind.prefix(), self.login, self.secret)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// The server's key that leads from a refresh token to its successor. Two requests that race with one token
/// compute the same one, so neither client is left with a token that is no good.
#[derive(Clone)]
pub struct RefreshKey(hmac::Key);

impl RefreshKey {
    /// A new key, in the form for the database.
    #[must_use]
    pub fn generate_stored() -> String {
        let mut bytes = [0; 32];
        secret::fill(&mut bytes);
        BASE64_STANDARD.encode(bytes)
    }

    /// # Errors
    /// [`DamagedKey`].
    pub fn from_stored(stored: &str) -> Result<Self, DamagedKey> {
        let bytes = BASE64_STANDARD.decode(stored).map_err(|_| DamagedKey)?;
        if bytes.len() != 32 {
            return Err(DamagedKey);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// A key for another purpose, named by `purpose`: whoever knows it learns nothing of this one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, purpose.as_bytes()).as_ref())
    }

    /// The successor. Only the server can compute it.
    #[must_use]
    pub fn next(&self, current: &Credential) -> Credential {
        Credential { secret: self.next_secret(&current.secret), ..*current }
    }

    /// Whether `presented` is an ancestor of the token whose hash is stored: a genuine token that was used
    /// before, and not something made up by somebody who knows a login's id. That one must not be able to
    /// sign a person out.
    #[must_use]
    pub fn leads_to(&self, presented: &Credential, stored_hash: &str) -> bool {
        let mut secret = presented.secret.clone();
        (0..MAX_STEPS).any(|_| {
            secret = self.next_secret(&secret);
            secret::hash_token(&secret) == stored_hash
        })
    }

    fn next_secret(&self, secret: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, secret.as_bytes()))
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn key() -> RefreshKey {
        RefreshKey::from_stored(&RefreshKey::generate_stored()).unwrap()
    }

    fn first() -> Credential {
        Credential::generate(CredentialKind::Refresh, LoginId(Uuid::from_u128(7)))
    }

    #[test]
    fn a_credential_is_read_back_by_its_own_kind_only() {
        let credential = first();
        let text = credential.expose();
        assert_eq!(Credential::parse(CredentialKind::Refresh, &text), Some(credential.clone()));
        assert_eq!(Credential::parse(CredentialKind::Browser, &text), None);
        assert_eq!(Credential::parse(CredentialKind::Refresh, &text[..text.len() - 1]), None);
        assert!(!format!("{credential:?}").contains(&credential.secret));
    }

    #[test]
    fn the_chain_is_the_same_for_all_who_walk_it_and_leads_one_way() {
        let key = key();
        let start = first();
        let mut last = start.clone();
        for _ in 0..50 {
            last = key.next(&last);
        }
        assert_eq!(key.next(&start), key.next(&start));
        assert!(key.leads_to(&start, &last.hash()));
        assert!(!key.leads_to(&last, &start.hash()), "a newer token is no ancestor");
        assert!(!key.leads_to(&last, &last.hash()), "nor is the token itself");
        assert!(!key.leads_to(&first(), &last.hash()), "a made-up one leads nowhere");
        assert!(!self::key().leads_to(&start, &last.hash()), "nor does another server's key");
    }

    #[test]
    fn the_walk_ends() {
        let key = key();
        let start = first();
        let mut last = start.clone();
        for _ in 0..=MAX_STEPS {
            last = key.next(&last);
        }
        assert!(!key.leads_to(&start, &last.hash()));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(dwr_)?\\PC{0,90}") {
            drop(Credential::parse(CredentialKind::Refresh, &text));
        }
    }
}
