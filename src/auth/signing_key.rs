//! A key that signs access tokens, of any of the algorithms, and its public part as a JWK.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use aws_lc_rs::{digest, error};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config::SigningAlgorithm;

/// 112 bits of strength, which is acceptable through 2030 (NIST SP 800-57 Part 1 Rev. 5, tables 2 and 4); a token lives
/// for a day at most. A key of 3072 bits takes seven times as long to sign.
const RSA_SIZE: KeySize = KeySize::Rsa2048;

/// A stored key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signing key in the database is damaged")]
pub struct DamagedKey;

/// A token that could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error("the claims are no JSON: {0}")]
    Claims(#[from] serde_json::Error),
    #[error("the key cannot sign")]
    Key(#[from] error::Unspecified),
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

/// The members of a public key: RFC 8037 section 2 (OKP), RFC 7518 sections 6.2.1 (EC) and 6.3.1 (RSA).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "kty")]
pub enum PublicKey {
    #[serde(rename = "OKP")]
    Ed25519 { crv: &'static str, x: String },
    /// Both coordinates have 32 bytes, with leading zeros.
    #[serde(rename = "EC")]
    P256 { crv: &'static str, x: String, y: String },
    /// Both numbers are as short as they can be.
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
}

/// A key pair, and the algorithm that it is for: no other is ever used with it.
pub struct SigningKey {
    kid: String,
    algorithm: SigningAlgorithm,
    public: PublicKey,
    pair: Pair,
    pkcs8: Vec<u8>,
    decoding: DecodingKey,
}

/// What the library makes keys and ECDSA signatures from; it takes no bytes of ours.
#[expect(clippy::disallowed_methods, reason = "the library draws by itself")]
fn system_random() -> SystemRandom {
    SystemRandom::new()
}

impl SigningKey {
    /// Makes a new key.
    ///
    /// If the system's random generator fails.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, error::Unspecified> {
        let random = system_random();
        let pkcs8 = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random)?.as_ref().to_vec(),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?.as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(RSA_SIZE)?;
                AsDer::<Pkcs8V1Der<'_>>::as_der(&pair)?.as_ref().to_vec()
            }
        };
        Self::from_pkcs8(algorithm, &pkcs8).map_err(|_| error::Unspecified)
    }

    /// Reads a key as [`SigningKey::stored`] writes it.
    ///
    /// [`DamagedKey`] if the text is not base64, or not a key for this algorithm.
    pub fn from_stored(algorithm: SigningAlgorithm, stored: &str) -> Result<Self, DamagedKey> {
        Self::from_pkcs8(algorithm, &BASE64_STANDARD.decode(stored).map_err(|_| DamagedKey)?)
    }

    fn from_pkcs8(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, DamagedKey> {
        let pair = match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Pair::Ed25519),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Pair::P256)
            }
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Pair::Rsa),
        };
        let pair = pair.map_err(|_| DamagedKey)?;
        let public = pair.public().ok_or(DamagedKey)?;
        Ok(Self {
            kid: public.thumbprint(),
            decoding: public.decoding().map_err(|_| DamagedKey)?,
            algorithm,
            public,
            pair,
            pkcs8: pkcs8.to_owned(),
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

    #[must_use]
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) const fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Reads a private key for whatever algorithm it is.
    pub(super) fn of_any_algorithm(pkcs8: &[u8]) -> Option<Self> {
        SigningAlgorithm::ALL.into_iter().find_map(|algorithm| Self::from_pkcs8(algorithm, pkcs8).ok())
    }

    /// A signed token (RFC 7515 section 7.1) with this type and these claims.
    pub(super) fn sign_token(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        self.sign_jwt(typ, &self.kid, claims)
    }

    /// The same, where the key is known by another id.
    pub(super) fn sign_jwt(
        &self,
        typ: &str,
        kid: &str,
        claims: &impl Serialize,
    ) -> Result<String, SigningError> {
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(kid.to_owned()),
            ..Header::new(jws_algorithm(self.algorithm))
        };
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_string(&header)?);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(serde_json::to_string(claims)?, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, error::Unspecified> {
        let random = system_random();
        match &self.pair {
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::P256(pair) => Ok(pair.sign(&random, message)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The algorithm as a token's header names it.
pub(super) const fn jws_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
    }
}

impl Pair {
    /// None if the public key has another form than this algorithm's.
    fn public(&self) -> Option<PublicKey> {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Ed25519(pair) => {
                Some(PublicKey::Ed25519 { crv: "Ed25519", x: encode(pair.public_key().as_ref()) })
            }
            Self::P256(pair) => {
                // An uncompressed point (SEC 1 section 2.3.3).
                let coordinates =
                    pair.public_key().as_ref().strip_prefix(&[4]).filter(|rest| rest.len() == 64)?;
                let (x, y) = coordinates.split_at(32);
                Some(PublicKey::P256 { crv: "P-256", x: encode(x), y: encode(y) })
            }
            Self::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                Some(PublicKey::Rsa { n: encode(without_zeros(&n)), e: encode(without_zeros(&e)) })
            }
        }
    }
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().position(|byte| *byte != 0).unwrap_or(number.len())..]
}

impl PublicKey {
    fn decoding(&self) -> Result<DecodingKey, jsonwebtoken::errors::Error> {
        match self {
            Self::Ed25519 { x, .. } => DecodingKey::from_ed_components(x),
            Self::P256 { x, y, .. } => DecodingKey::from_ec_components(x, y),
            Self::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        }
    }

    /// The id of a key (RFC 7638 with RFC 8037 section 2): SHA-256 of its required members in order.
    fn thumbprint(&self) -> String {
        let members = match self {
            Self::Ed25519 { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
            Self::P256 { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
        };
        BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, members.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprints_are_those_of_the_rfcs() {
        // RFC 8037 appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        let key = PublicKey::Ed25519 { crv: "Ed25519", x };
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        // RFC 7638 section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB\
                 ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8\
                 KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_\
                 xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = PublicKey::Rsa { n: n.to_owned(), e: "AQAB".to_owned() };
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn a_stored_key_can_be_read_back_for_its_own_algorithm_only_and_stays_out_of_logs() {
        for algorithm in SigningAlgorithm::ALL {
            let key = SigningKey::generate(algorithm).unwrap();
            let again = SigningKey::from_stored(algorithm, &key.stored()).unwrap();
            assert_eq!((key.kid(), &key.public, algorithm), (again.kid(), &again.public, again.algorithm()));
            assert!(!format!("{key:?}").contains(&key.stored()));
            for other in SigningAlgorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert_eq!(SigningKey::from_stored(other, &key.stored()).unwrap_err(), DamagedKey);
            }
            for damaged in ["", "AAAA", "%"] {
                assert_eq!(SigningKey::from_stored(algorithm, damaged).unwrap_err(), DamagedKey);
            }
        }
    }

    #[test]
    fn a_public_key_is_written_as_the_rfcs_say() {
        // Often enough that some coordinate begins with a zero.
        for _ in 0..600 {
            let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
            let PublicKey::P256 { crv, x, y } = key.public() else { panic!("{:?}", key.public()) };
            assert_eq!((*crv, x.len(), y.len()), ("P-256", 43, 43));
        }
        let key = SigningKey::generate(SigningAlgorithm::Rs256).unwrap();
        let PublicKey::Rsa { n, e } = key.public() else { panic!("{:?}", key.public()) };
        let modulus = BASE64_URL_SAFE_NO_PAD.decode(n).unwrap();
        assert_eq!((modulus.len(), modulus[0] >= 0x80, e.as_str()), (256, true, "AQAB"));
        let shown = serde_json::to_value(key.public()).unwrap();
        assert_eq!(shown["kty"], "RSA");
        assert_eq!(shown.as_object().unwrap().len(), 3);
    }
}
