//! Opaque credentials: refresh tokens, each of which leads to the next, and browser cookies.

use std::fmt;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use super::secret;
use super::signing_key::DamagedKey;
use doorward_core::domain::LoginId;

/// How many successors of a presented token are computed. At one refresh every 15 minutes these cover six
/// weeks; computing them takes a few milliseconds.
const MAX_STEPS: usize = 4096;

/// The kind of a credential. Its prefix lets secret scanners find a leaked one.
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

/// `dwr_<login>_<secret><tag>` or `dwb_...`: names a login and proves the right to act for it. The tag proves
/// that this server issued it, so that a forged one is refused before it costs a query.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    pub kind: CredentialKind,
    pub login: LoginId,
    /// 256 bits in base64url. Only its hash is stored.
    secret: String,
    tag: String,
}

/// Characters of the secret, and of the 128-bit tag, in base64url.
const SECRET_LENGTH: usize = 43;
const TAG_LENGTH: usize = 22;

impl Credential {
    /// The form to store.
    #[must_use]
    pub fn hash(&self) -> String {
        secret::hash_token(&self.secret)
    }

    /// The text for the client.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("{}{}", untagged(self.kind, self.login, &self.secret), self.tag)
    }
}

/// A credential without its tag: the form of the first versions, and the input of the tag.
fn untagged(kind: CredentialKind, login: LoginId, secret: &str) -> String {
    format!("{}{login}_{secret}", kind.prefix())
}

/// A credential that a client presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    pub credential: Credential,
    /// It has a valid tag. Without a tag it has the form of the first versions, and may be forged.
    pub is_tagged: bool,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("kind", &self.kind)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// The server's keys for credentials. One derives a refresh token's successor: two requests that race with
/// one token compute the same successor, so neither client is left with an invalid token. The other makes
/// tags.
#[derive(Clone)]
pub struct CredentialKeys {
    chain: hmac::Key,
    tags: hmac::Key,
}

impl CredentialKeys {
    /// A new key for either purpose, in the form for the database.
    #[must_use]
    pub fn generate_stored() -> String {
        let mut bytes = [0; 32];
        secret::fill(&mut bytes);
        BASE64_STANDARD.encode(bytes)
    }

    /// Reads the two keys.
    ///
    /// # Errors
    /// [`DamagedKey`] if either is not 32 bytes in base64.
    pub fn from_stored(chain: &str, tags: &str) -> Result<Self, DamagedKey> {
        Ok(Self { chain: key(chain)?, tags: key(tags)? })
    }

    /// A new credential, of 256 random bits.
    #[must_use]
    pub fn issue(&self, kind: CredentialKind, login: LoginId) -> Credential {
        self.tagged(kind, login, secret::random_token())
    }

    /// Reads what a client presents, without a query. A wrong tag makes it invalid.
    #[must_use]
    pub fn read(&self, kind: CredentialKind, text: &str) -> Option<Presented> {
        // The secret may contain an underscore, the login's id may not.
        let (login, rest) = text.strip_prefix(kind.prefix())?.split_once('_')?;
        if !rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
            return None;
        }
        let is_tagged = match rest.len() {
            SECRET_LENGTH => false,
            length if length == SECRET_LENGTH + TAG_LENGTH => true,
            _ => return None,
        };
        let (secret, tag) = rest.split_at(SECRET_LENGTH);
        let credential = self.tagged(kind, login.parse().ok()?, secret.to_owned());
        let wanted = credential.tag.as_bytes();
        if is_tagged && constant_time::verify_slices_are_equal(wanted, tag.as_bytes()).is_err() {
            return None;
        }
        Some(Presented { credential, is_tagged })
    }

    /// A key for another purpose, named by `purpose`. It reveals nothing about this one.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.chain, purpose.as_bytes()).as_ref())
    }

    /// The successor of a token. Only the server can compute it.
    #[must_use]
    pub fn next(&self, current: &Credential) -> Credential {
        self.tagged(current.kind, current.login, self.next_secret(&current.secret))
    }

    /// Whether `presented` is an ancestor of the token whose hash is stored: a genuine token that was used
    /// before, not one forged by a client that knows a login's id. For tokens without a tag.
    #[must_use]
    pub fn leads_to(&self, presented: &Credential, stored_hash: &str) -> bool {
        let mut secret = presented.secret.clone();
        (0..MAX_STEPS).any(|_| {
            secret = self.next_secret(&secret);
            secret::hash_token(&secret) == stored_hash
        })
    }

    fn next_secret(&self, secret: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.chain, secret.as_bytes()))
    }

    fn tagged(&self, kind: CredentialKind, login: LoginId, secret: String) -> Credential {
        let code = hmac::sign(&self.tags, untagged(kind, login, &secret).as_bytes());
        let tag = BASE64_URL_SAFE_NO_PAD.encode(&code.as_ref()[..16]);
        Credential { kind, login, secret, tag }
    }
}

fn key(stored: &str) -> Result<hmac::Key, DamagedKey> {
    let bytes = BASE64_STANDARD.decode(stored).map_err(|_| DamagedKey)?;
    if bytes.len() != 32 {
        return Err(DamagedKey);
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

impl fmt::Debug for CredentialKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialKeys(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    const REFRESH: CredentialKind = CredentialKind::Refresh;

    fn keys() -> CredentialKeys {
        let stored = CredentialKeys::generate_stored;
        CredentialKeys::from_stored(&stored(), &stored()).unwrap()
    }

    fn login() -> LoginId {
        LoginId(Uuid::from_u128(7))
    }

    #[test]
    fn a_credential_is_read_back_by_its_own_kind_and_keys_only() {
        let keys = keys();
        let credential = keys.issue(REFRESH, login());
        let text = credential.expose();
        let read = Presented { credential: credential.clone(), is_tagged: true };
        assert_eq!(keys.read(REFRESH, &text), Some(read));
        assert_eq!(keys.read(CredentialKind::Browser, &text), None);
        assert_eq!(keys.read(CredentialKind::Browser, &text.replace("dwr_", "dwb_")), None);
        assert_eq!(self::keys().read(REFRESH, &text), None);
        let other = LoginId(Uuid::from_u128(8)).to_string();
        assert_eq!(keys.read(REFRESH, &text.replace(&login().to_string(), &other)), None);
        assert!(!format!("{credential:?}").contains(&credential.secret));
    }

    #[test]
    fn a_credential_without_a_tag_may_be_forged() {
        let keys = keys();
        let credential = keys.issue(REFRESH, login());
        let old = untagged(REFRESH, login(), &credential.secret);
        assert_eq!(
            keys.read(REFRESH, &old),
            Some(Presented { credential: credential.clone(), is_tagged: false })
        );
        assert_eq!(keys.next(&credential).expose().len(), old.len() + TAG_LENGTH, "its successor has one");
        for length in [0, 1, old.len() - 1, old.len() + 1, old.len() + TAG_LENGTH - 1] {
            assert_eq!(keys.read(REFRESH, credential.expose().get(..length).unwrap()), None, "{length}");
        }
        assert_eq!(keys.read(REFRESH, &(credential.expose() + "A")), None);
    }

    #[test]
    fn the_chain_is_deterministic_and_leads_one_way() {
        let key = keys();
        let start = key.issue(REFRESH, login());
        let mut last = start.clone();
        for _ in 0..50 {
            last = key.next(&last);
        }
        assert_eq!(key.next(&start), key.next(&start));
        assert!(key.leads_to(&start, &last.hash()));
        assert!(!key.leads_to(&last, &start.hash()), "a newer token is no ancestor");
        assert!(!key.leads_to(&last, &last.hash()), "nor is the token itself");
        assert!(!key.leads_to(&key.issue(REFRESH, login()), &last.hash()), "a forged one leads nowhere");
        assert!(!keys().leads_to(&start, &last.hash()), "nor does another server's key");
    }

    #[test]
    fn the_search_for_a_successor_is_bounded() {
        let key = keys();
        let start = key.issue(REFRESH, login());
        let mut last = start.clone();
        for _ in 0..=MAX_STEPS {
            last = key.next(&last);
        }
        assert!(!key.leads_to(&start, &last.hash()));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in "(dw[rb]_)?\\PC{0,120}") {
            drop(keys().read(REFRESH, &text));
        }

        #[test]
        fn a_forged_credential_is_refused(
            id in any::<u128>(), secret in "[A-Za-z0-9_-]{43}", tag in "[A-Za-z0-9_-]{22}"
        ) {
            let id = LoginId(Uuid::from_u128(id));
            let text = untagged(REFRESH, id, &secret);
            prop_assert!(keys().read(REFRESH, &text).is_some_and(|read| !read.is_tagged));
            prop_assert_eq!(keys().read(REFRESH, &(text + &tag)), None);
        }

        #[test]
        fn no_changed_credential_is_ours(at in 0_usize..200, to in "[A-Za-z0-9_-]") {
            let keys = keys();
            let text = keys.issue(REFRESH, login()).expose();
            let at = at % text.len();
            let mut changed = text.clone();
            changed.replace_range(at..=at, &to);
            // An id in upper case is the same id.
            prop_assume!(!changed.eq_ignore_ascii_case(&text) || at > 40);
            prop_assert!(changed == text || keys.read(REFRESH, &changed).is_none());
        }
    }
}
