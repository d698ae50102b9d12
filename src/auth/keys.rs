//! The keys that sign access tokens, and the public key set.

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use aws_lc_rs::{digest, error};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde::Serialize;
use utoipa::ToSchema;

/// A stored key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing key in the database is damaged")]
pub struct DamagedKey;

/// An Ed25519 key pair (RFC 8037).
pub struct SigningKey {
    kid: String,
    /// The public key in base64url, as a JWK shows it.
    x: String,
    pkcs8: Vec<u8>,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// Makes a new key.
    ///
    /// If the system's random generator fails.
    pub fn generate() -> Result<Self, error::Unspecified> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        Self::from_pkcs8(pkcs8.as_ref()).map_err(|_| error::Unspecified)
    }

    /// Reads a key as [`SigningKey::stored`] writes it.
    ///
    /// [`DamagedKey`] if the text is not base64, or not an Ed25519 key.
    pub fn from_stored(stored: &str) -> Result<Self, DamagedKey> {
        Self::from_pkcs8(&BASE64_STANDARD.decode(stored).map_err(|_| DamagedKey)?)
    }

    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, DamagedKey> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| DamagedKey)?;
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key());
        Ok(Self {
            kid: thumbprint(&x),
            decoding: DecodingKey::from_ed_components(&x).map_err(|_| DamagedKey)?,
            encoding: EncodingKey::from_ed_der(pkcs8),
            pkcs8: pkcs8.to_owned(),
            x,
        })
    }

    /// The private key for the database: PKCS#8 (RFC 5958) in base64.
    #[must_use]
    pub fn stored(&self) -> String {
        BASE64_STANDARD.encode(&self.pkcs8)
    }

    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    pub(super) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The id of a key (RFC 7638 with RFC 8037 section 2): SHA-256 of its required members in order.
fn thumbprint(x: &str) -> String {
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
}

/// The keys in use.
#[derive(Debug)]
pub struct Keyring {
    current: SigningKey,
    /// Keys that only verify: tokens that they signed have not all expired, or they will sign soon.
    others: Vec<SigningKey>,
}

impl Keyring {
    #[must_use]
    pub fn new(current: SigningKey, others: Vec<SigningKey>) -> Self {
        Self { current, others }
    }

    /// The key that signs.
    #[must_use]
    pub fn current(&self) -> &SigningKey {
        &self.current
    }

    /// The key of this id, if it may verify.
    #[must_use]
    pub fn find(&self, kid: &str) -> Option<&SigningKey> {
        self.all().find(|key| key.kid == kid)
    }

    /// The ids of all keys, the signing key's first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(SigningKey::kid)
    }

    /// The public keys.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        let keys = self.all().map(|key| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            x: key.x.clone(),
            kid: key.kid.clone(),
            r#use: "sig",
            alg: "EdDSA",
        });
        Jwks { keys: keys.collect() }
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.current).chain(&self.others)
    }
}

/// A JWK set (RFC 7517 section 5), of public keys only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Jwks {
    pub keys: Vec<Jwk>,
}

/// A public key (RFC 8037 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}))]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    pub x: String,
    pub kid: String,
    pub r#use: &'static str,
    pub alg: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037_appendix_a_3() {
        let kid = thumbprint("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_stored_key_can_be_read_back_and_stays_out_of_logs() {
        let key = SigningKey::generate().unwrap();
        let again = SigningKey::from_stored(&key.stored()).unwrap();
        assert_eq!((key.kid(), &key.x), (again.kid(), &again.x));
        assert!(!format!("{key:?}").contains(&key.stored()));
        for damaged in ["", "AAAA", "%"] {
            assert_eq!(SigningKey::from_stored(damaged).unwrap_err(), DamagedKey);
        }
    }

    #[test]
    fn the_set_contains_every_key_in_use_and_nothing_private() {
        let (current, old) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let keyring = Keyring::new(current, vec![old]);
        let shown = serde_json::to_value(keyring.jwks()).unwrap();
        assert_eq!(shown["keys"].as_array().unwrap().len(), 2);
        for key in shown["keys"].as_array().unwrap() {
            assert!(keyring.find(key["kid"].as_str().unwrap()).is_some());
            assert!(key.get("d").is_none());
            assert_eq!((&key["kty"], &key["use"]), (&"OKP".into(), &"sig".into()));
        }
    }
}
