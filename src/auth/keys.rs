//! The keys in use, and the public key set.

use serde::Serialize;
use utoipa::ToSchema;

use super::signing_key::{PublicKey, SigningKey};
use crate::config::SigningAlgorithm;

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
        self.all().find(|key| key.kid() == kid)
    }

    /// The ids of all keys, the signing key's first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(SigningKey::kid)
    }

    /// The public keys.
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        let keys = self.all().map(|key| Jwk {
            key: key.public().clone(),
            kid: key.kid().to_owned(),
            r#use: "sig",
            alg: key.algorithm(),
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

/// A public key, and the one algorithm that it is for (RFC 7517 section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}))]
pub struct Jwk {
    #[serde(flatten)]
    pub key: PublicKey,
    pub kid: String,
    pub r#use: &'static str,
    #[schema(value_type = String)]
    pub alg: SigningAlgorithm,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_set_contains_every_key_in_use_and_nothing_private() {
        let [current, old, older] =
            SigningAlgorithm::ALL.map(|algorithm| SigningKey::generate(algorithm).unwrap());
        let keyring = Keyring::new(current, vec![old, older]);
        let shown = serde_json::to_value(keyring.jwks()).unwrap();
        let members = [
            ("EdDSA", "OKP", &["alg", "crv", "kid", "kty", "use", "x"][..]),
            ("ES256", "EC", &["alg", "crv", "kid", "kty", "use", "x", "y"]),
            ("RS256", "RSA", &["alg", "e", "kid", "kty", "n", "use"]),
        ];
        for (key, (alg, kty, names)) in shown["keys"].as_array().unwrap().iter().zip(members) {
            assert!(keyring.find(key["kid"].as_str().unwrap()).is_some());
            assert_eq!((&key["alg"], &key["kty"], &key["use"]), (&alg.into(), &kty.into(), &"sig".into()));
            let mut found: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
            found.sort_unstable();
            assert_eq!(found, names);
        }
        assert_eq!(shown["keys"].as_array().unwrap().len(), 3);
    }
}
