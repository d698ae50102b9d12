//! Access tokens: JWTs (RFC 7519) in the profile of RFC 9068.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use aws_lc_rs::digest;
use chrono::DateTime;
use jsonwebtoken::{Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::keys::{Jwks, Keyring};
use super::signing_key::{SigningError, SigningKey, jws_algorithm};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, SigningAlgorithm};
use doorward_core::domain::{Access, Claims, LoginId, RevokeReason, Rights, Roles, SharedText, UserId};

/// RFC 9068 section 2.1: keeps other JWTs from being taken for access tokens.
const TYPE: &str = "at+jwt";
/// RFC 9068 section 2.2 requires the id of the client that got the token. Every client is the server's own: none is
/// registered.
const CLIENT_ID: &str = "doorward";
/// In bytes. Issued tokens have about 500, and about 5000 with the most roles and claims; a longer text is not worth
/// hashing.
const MAX_LENGTH: usize = 6 * 1024;
/// Seconds by which another node's clock may be ahead.
const LEEWAY: i64 = 5;
/// Tokens in each of the cache's two generations, at least.
const CACHE_GENERATION: usize = 8192;
/// Bytes of tokens for each of them: twice what most have. Claims take about as much memory as their token has bytes.
const CACHE_BYTES: usize = 1024;

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not issued here, not for this audience, or tampered with. The client is not told which.
    #[error("the access token is not valid")]
    Invalid,
    #[error("the access token has expired")]
    Expired,
    /// Valid, but its login is revoked.
    #[error("the access token's login is revoked")]
    Revoked(RevokeReason),
    /// Valid, but the user's roles or claims have changed since it was issued. A refresh gives a new one.
    #[error("the user's roles or claims have changed since the access token was issued")]
    StaleClaims,
    /// Valid, but the revocation data of this process is stale. The client may try again.
    #[error("the revocation data is stale")]
    StaleRevocations,
}

#[derive(Debug, Serialize, Deserialize)]
struct Payload {
    iss: String,
    aud: String,
    sub: UserId,
    sid: LoginId,
    /// Earlier versions issued none.
    #[serde(default)]
    client_id: String,
    jti: Uuid,
    iat: i64,
    exp: i64,
    username: String,
    /// RFC 9068 section 2.2.3.1.
    #[serde(default, skip_serializing_if = "Roles::is_empty")]
    roles: Roles,
    /// The application's own.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    claims: Claims,
    /// The version of both; tokens of the first versions have none of the three.
    #[serde(default, skip_serializing_if = "is_zero")]
    claims_version: i32,
}

/// The claims of a verified token that do not depend on the time.
struct VerifiedClaims {
    user: UserId,
    username: SharedText,
    rights: Arc<Rights>,
    login: LoginId,
    iat: i64,
    exp: i64,
}

/// Signs and verifies access tokens.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    /// Where both are locked, the cache is locked first.
    keyring: RwLock<Arc<Keyring>>,
    /// One for each algorithm: a key verifies its own alone.
    validations: [(SigningAlgorithm, Validation); 3],
    issuer: String,
    audience: String,
    /// In seconds.
    ttl: i64,
    clock: Clock,
    cache: Mutex<Cache>,
}

impl Tokens {
    /// `public_url` without its last slash is the issuer. `sessions` is how many may be live at once: their tokens are
    /// kept, for when they reconnect.
    #[must_use]
    pub fn new(
        keyring: Keyring,
        config: &config::Tokens,
        public_url: &Url,
        sessions: usize,
        clock: Clock,
    ) -> Self {
        let issuer = public_url.as_str().trim_end_matches('/').to_owned();
        let validations = SigningAlgorithm::ALL
            .map(|algorithm| (algorithm, validation(algorithm, &issuer, &config.audience)));
        Self(Arc::new(Inner {
            keyring: RwLock::new(Arc::new(keyring)),
            validations,
            issuer,
            audience: config.audience.clone(),
            ttl: i64::try_from(config.access_ttl.as_secs()).unwrap_or(i64::MAX / 4),
            clock,
            cache: Mutex::new(Cache::new(sessions)),
        }))
    }

    /// Signs a token for a login. `now` must not be later than the moment at which the login was found to be
    /// active. If the lifetime were counted from a later moment, the token could outlive the entry about a
    /// revocation that happened in between.
    ///
    /// # Errors
    /// If the key cannot sign.
    pub fn issue(
        &self,
        user: UserId,
        username: &str,
        rights: &Rights,
        login: LoginId,
        now: Timestamp,
    ) -> Result<String, SigningError> {
        let iat = now.and_utc().timestamp();
        let exp = iat + self.0.ttl;
        let claims = Payload {
            iss: self.0.issuer.clone(),
            aud: self.0.audience.clone(),
            sub: user,
            sid: login,
            client_id: CLIENT_ID.to_owned(),
            jti: self.0.clock.new_id(),
            iat,
            exp,
            username: username.to_owned(),
            roles: rights.roles.clone(),
            claims: rights.claims.clone(),
            claims_version: rights.version,
        };
        let keyring = self.keyring();
        let token = keyring.current().sign_token(TYPE, &claims)?;
        let Payload { username, roles, claims, .. } = claims;
        let rights = Rights { version: rights.version, roles, claims }.shared();
        let claims = VerifiedClaims { user, username: username.into(), rights, login, iat, exp };
        // Its client presents it next: it need not be verified then.
        if let Some(key) = cache_key(&token) {
            self.remember(key, token.len(), Arc::new(claims), &keyring);
        }
        Ok(token)
    }

    /// Notes the claims of a good token, unless its key has just been removed.
    fn remember(&self, key: [u8; 32], length: usize, claims: Arc<VerifiedClaims>, keyring: &Arc<Keyring>) {
        let mut cache = self.cache();
        if Arc::ptr_eq(keyring, &self.keyring()) {
            cache.insert(key, length, claims);
        }
    }

    /// Verifies a token and returns who it acts for. The caller checks whether the login was revoked.
    ///
    /// [`TokenError::Invalid`] or [`TokenError::Expired`].
    pub fn verify(&self, token: &str) -> Result<Access, TokenError> {
        let key = cache_key(token).ok_or(TokenError::Invalid)?;
        let cached = self.cache().get(&key);
        let claims = if let Some(claims) = cached {
            claims
        } else {
            let keyring = self.keyring();
            let claims = Arc::new(self.check_signature(token, &keyring)?);
            self.remember(key, token.len(), Arc::clone(&claims), &keyring);
            claims
        };
        self.check_time(&claims)
    }

    /// The claim `iss` of the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Whether the token's signature was verified lately. Says nothing about its time.
    #[must_use]
    pub fn is_cached(&self, token: &str) -> bool {
        cache_key(token).is_some_and(|key| self.cache().get(&key).is_some())
    }

    /// The public keys, for services that verify tokens themselves.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        self.keyring().jwks()
    }

    /// Signs and verifies with these keys from now on, if they differ from the previous ones.
    pub fn use_keyring(&self, keyring: Keyring) {
        if keyring.names().eq(self.keyring().names()) {
            return;
        }
        tracing::info!(kid = keyring.current().kid(), "the signing keys have changed");
        let mut cache = self.cache();
        *self.0.keyring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
        cache.clear();
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.0.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// How long a token is valid, in seconds.
    #[must_use]
    pub fn lifetime(&self) -> i64 {
        self.0.ttl
    }

    /// Checks what does not depend on the time: algorithm, type, key, signature, issuer, audience. The key is
    /// one of the keyring's, found by its id; a key that the token itself carries (`jwk`, `jku`, `x5u`) is
    /// ignored.
    fn check_signature(&self, token: &str, keyring: &Keyring) -> Result<VerifiedClaims, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        // RFC 7515 section 4.1.11: an extension that must be understood but is not.
        if header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let key = header.kid.and_then(|kid| keyring.find(&kid)).ok_or(TokenError::Invalid)?;
        let validation = self.0.validation(key).ok_or(TokenError::Invalid)?;
        // Also refuses a header with another algorithm than the key's.
        let claims =
            decode::<Payload>(token, key.decoding(), validation).map_err(|_| TokenError::Invalid)?.claims;
        let Payload { sub: user, sid: login, username, roles, claims, claims_version, iat, exp, .. } = claims;
        let rights = Rights { version: claims_version, roles, claims }.shared();
        Ok(VerifiedClaims { user, username: username.into(), rights, login, iat, exp })
    }

    fn check_time(&self, claims: &VerifiedClaims) -> Result<Access, TokenError> {
        let now = self.0.clock.now().and_utc().timestamp();
        if claims.iat > now.saturating_add(LEEWAY) {
            return Err(TokenError::Invalid);
        }
        // Also limited by the current lifetime: when that is lowered, it applies to tokens already issued. So
        // no token outlives the revocations that are read at startup, which reach back one lifetime.
        let expires_at = claims.exp.min(claims.iat.saturating_add(self.0.ttl));
        if now >= expires_at {
            return Err(TokenError::Expired);
        }
        Ok(Access {
            user: claims.user,
            username: claims.username.clone(),
            rights: Arc::clone(&claims.rights),
            login: claims.login,
            expires_at: DateTime::from_timestamp(expires_at, 0).ok_or(TokenError::Invalid)?.naive_utc(),
        })
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn validation(&self, key: &SigningKey) -> Option<&Validation> {
        let mut validations = self.validations.iter();
        validations.find(|(algorithm, _)| *algorithm == key.algorithm()).map(|(_, validation)| validation)
    }
}

/// What a token must say that was signed with a key of this algorithm.
fn validation(algorithm: SigningAlgorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(jws_algorithm(algorithm));
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    // Checked apart from the signature: the library reads the system's clock.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keyring", &self.keyring()).finish_non_exhaustive()
    }
}

/// The cache stores the hash of a token, never the token. None if the text is too long to be one.
fn cache_key(token: &str) -> Option<[u8; 32]> {
    if token.len() > MAX_LENGTH {
        return None;
    }
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().try_into().ok()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(version: &i32) -> bool {
    *version == 0
}

/// Tokens that were issued or verified lately: verifying one takes 40 us, and clients that reconnect present the same
/// token again. Bounded without a clock: when the young generation is full, it replaces the old one.
struct Cache {
    young: Generation,
    old: Generation,
    /// Tokens in each.
    most: usize,
}

#[derive(Default)]
struct Generation {
    /// By the hash of the token, with its length.
    claims: HashMap<[u8; 32], (u32, Arc<VerifiedClaims>)>,
    /// Of all its tokens.
    bytes: usize,
}

impl Cache {
    fn new(sessions: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            most: sessions.max(CACHE_GENERATION),
        }
    }

    fn get(&mut self, key: &[u8; 32]) -> Option<Arc<VerifiedClaims>> {
        if let Some((_, claims)) = self.young.claims.get(key) {
            return Some(Arc::clone(claims));
        }
        let (length, claims) = self.old.claims.remove(key)?;
        self.insert(*key, length as usize, Arc::clone(&claims));
        Some(claims)
    }

    /// `length` is that of the token.
    fn insert(&mut self, key: [u8; 32], length: usize, claims: Arc<VerifiedClaims>) {
        if self.young.claims.len() >= self.most
            || self.young.bytes + length > self.most.saturating_mul(CACHE_BYTES)
        {
            self.old = std::mem::take(&mut self.young);
        }
        // Never that long: `cache_key` refuses it.
        let counted = u32::try_from(length).unwrap_or(u32::MAX);
        if self.young.claims.insert(key, (counted, claims)).is_none() {
            self.young.bytes += length;
        }
    }

    fn clear(&mut self) {
        (self.young, self.old) = (Generation::default(), Generation::default());
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
