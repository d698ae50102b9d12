//! Room tokens: JWTs (RFC 7519) that an application's backend signs with a key of its own. `doorward_core::rooms` reads
//! their claims.

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::pem::{PemObject, SectionKind};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::signing_key::{SigningError, SigningKey};
use crate::clock::Timestamp;
use crate::config::SigningAlgorithm;
use doorward_core::rooms::{LONGEST_TOKEN, NO_TOKEN, Refusal, RoomToken, TOO_LONG, TokenClaims, TokenText};

/// RFC 8725 section 3.11: keeps what the same key signs for other ends, and access tokens, from being taken for room tokens.
pub const TYPE: &str = "room+jwt";

const OTHER_TYPE: Refusal = Refusal::new("bad_token", "`typ` in the header of the token is not room+jwt");
const OTHER_KEY: Refusal =
    Refusal::new("bad_token", "`kid` in the header of the token is none of the keys of rooms.token_jwks");
const CRITICAL: Refusal = Refusal::new("bad_token", "the token has `crit`, which is not known here");

/// Bytes of a file with keys, and keys in it.
pub const LARGEST_FILE: u64 = 64 * 1024;
const MOST_KEYS: usize = 20;

/// The largest RSA key that is verified with.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The public keys of the application, and how this server is called in `aud`.
#[derive(Debug)]
pub struct RoomTokenKeys {
    keys: Vec<TokenKey>,
    server: String,
}

/// A public key, and the one algorithm that it is for.
#[derive(Debug)]
struct TokenKey {
    kid: Option<String>,
    algorithm: SigningAlgorithm,
    key: ParsedPublicKey,
}

/// What of a header counts (RFC 7515 section 4.1). Keys that a token itself carries (`jwk`, `jku`, `x5c`) are ignored.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<WrittenKey>,
}

/// A key as a set has it (RFC 7517 section 4).
#[derive(Deserialize)]
struct WrittenKey {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    for_use: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    /// Of a private key.
    #[serde(default)]
    d: Option<IgnoredAny>,
    /// Of a shared secret.
    #[serde(default)]
    k: Option<IgnoredAny>,
}

impl RoomTokenKeys {
    /// Reads a JWK set (RFC 7517 section 5). `server` is the server's public address without a slash at its end.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn from_jwks(json: &str, server: &str) -> Result<Self, String> {
        let set: KeySet =
            serde_json::from_str(json).map_err(|error| format!("it is not a JWK set: {error}"))?;
        // A key to encrypt with is for something else.
        let written: Vec<_> =
            set.keys.into_iter().filter(|key| key.for_use.as_deref() != Some("enc")).collect();
        if written.is_empty() || written.len() > MOST_KEYS {
            return Err(format!("it has {} keys to verify with, not 1 to {MOST_KEYS}", written.len()));
        }
        let single = written.len() == 1;
        let mut keys: Vec<TokenKey> = Vec::new();
        for (number, key) in (1..).zip(written) {
            let name = key.kid.as_ref().map_or_else(|| format!("key {number}"), |kid| format!("key {kid}"));
            let key = key.read().map_err(|why| format!("{name}: {why}"))?;
            if key.kid.is_none() && !single {
                return Err(format!("{name}: of several keys, each needs a `kid`"));
            }
            if !single && keys.iter().any(|other| other.kid == key.kid) {
                return Err(format!("{name}: another key has the same `kid`"));
            }
            keys.push(key);
        }
        Ok(Self { keys, server: server.to_owned() })
    }

    /// Reads one public key in PEM (RFC 7468 section 13).
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn from_pem(pem: &str, server: &str) -> Result<Self, String> {
        let sections: Vec<(SectionKind, Vec<u8>)> = PemObject::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| "it is not PEM".to_owned())?;
        let der = match &sections[..] {
            [(SectionKind::PublicKey, der)] => der,
            [(SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _), ..] => {
                return Err("it holds a private key, which only the backend needs: `openssl pkey -pubout` writes the \
                            public one"
                    .to_owned());
            }
            [] => {
                return Err(
                    "it has no PEM public key, which begins with -----BEGIN PUBLIC KEY-----".to_owned()
                );
            }
            _ => return Err("it has more than one public key: use rooms.token_jwks for several".to_owned()),
        };
        let read = |algorithm| parse(algorithm, der).map(|key| TokenKey { kid: None, algorithm, key });
        let key = SigningAlgorithm::ALL.into_iter().find_map(read);
        let key = key.ok_or("it is neither Ed25519, nor P-256, nor RSA of 2048 to 8192 bits".to_owned())?;
        Ok(Self { keys: vec![key], server: server.to_owned() })
    }

    /// Reads a token. Whether it has expired or was revoked is another question.
    ///
    /// # Errors
    /// [`Refusal`]
    pub fn verify(&self, TokenText(token): TokenText<'_>, now: Timestamp) -> Result<RoomToken, Refusal> {
        if token.len() > LONGEST_TOKEN {
            return Err(TOO_LONG);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(NO_TOKEN)?;
        let (header, claims) = message.split_once('.').ok_or(NO_TOKEN)?;
        let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| NO_TOKEN)?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(OTHER_TYPE);
        }
        if header.crit.is_some() {
            return Err(CRITICAL);
        }
        let key = self.find(header.kid.as_deref()).ok_or(OTHER_KEY)?;
        // The key says which algorithm it is for.
        if header.alg != key.algorithm.name() {
            return Err(NO_TOKEN);
        }
        key.key.verify_sig(message.as_bytes(), &decoded(signature)?).map_err(|_| NO_TOKEN)?;
        let claims: TokenClaims = serde_json::from_slice(&decoded(claims)?).map_err(|_| NO_CLAIMS)?;
        claims.read(&self.server, now)
    }

    /// The key of this id. One that has none is alone, and is for all tokens; of several, the token has to say which.
    fn find(&self, kid: Option<&str>) -> Option<&TokenKey> {
        match (&self.keys[..], kid) {
            ([only], None) => Some(only),
            ([only], _) if only.kid.is_none() => Some(only),
            (keys, Some(kid)) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
            (_, None) => None,
        }
    }
}

const NO_CLAIMS: Refusal = Refusal::new(
    "bad_token",
    "the token needs `sub`, `room`, `iat` and `exp`, and one of its claims is missing or not of its type",
);

fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| NO_TOKEN)
}

/// A public key for this algorithm; none if the bytes are of another kind.
fn parse(algorithm: SigningAlgorithm, bytes: &[u8]) -> Option<ParsedPublicKey> {
    match algorithm {
        SigningAlgorithm::EdDsa => ParsedPublicKey::new(&ED25519, bytes).ok(),
        SigningAlgorithm::Es256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok(),
        SigningAlgorithm::Rs256 => {
            ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, bytes).ok().filter(has_good_size)
        }
    }
}

fn has_good_size(key: &ParsedPublicKey) -> bool {
    PublicEncryptingKey::from_der(key.as_ref()).is_ok_and(|key| RSA_BITS.contains(&key.key_size_bits()))
}

impl WrittenKey {
    fn read(self) -> Result<TokenKey, String> {
        if self.d.is_some() {
            return Err("it is a private key, which only the backend needs: write the public one".to_owned());
        }
        if self.k.is_some() || self.kty == "oct" {
            return Err("it is a shared secret: use a key pair".to_owned());
        }
        let wrong = || "its numbers are not those of a public key".to_owned();
        let algorithm = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => SigningAlgorithm::EdDsa,
            ("EC", Some("P-256")) => SigningAlgorithm::Es256,
            ("RSA", _) => SigningAlgorithm::Rs256,
            _ => return Err("it is neither Ed25519, nor P-256, nor RSA".to_owned()),
        };
        let key = self.parse(algorithm).ok_or_else(wrong)?;
        if algorithm == SigningAlgorithm::Rs256 && !has_good_size(&key) {
            return Err("an RSA key needs 2048 to 8192 bits".to_owned());
        }
        if self.alg.as_ref().is_some_and(|alg| alg != algorithm.name()) {
            return Err(format!("its `alg` is not {}", algorithm.name()));
        }
        if self.for_use.as_ref().is_some_and(|for_use| for_use != "sig") {
            return Err("its `use` is not sig".to_owned());
        }
        Ok(TokenKey { kid: self.kid, algorithm, key })
    }

    fn parse(&self, algorithm: SigningAlgorithm) -> Option<ParsedPublicKey> {
        let number =
            |text: &Option<String>| text.as_ref().and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
        match algorithm {
            SigningAlgorithm::EdDsa => {
                number(&self.x).filter(|x| x.len() == 32).and_then(|x| parse(algorithm, &x))
            }
            SigningAlgorithm::Es256 => {
                let (x, y) = (number(&self.x)?, number(&self.y)?);
                // An uncompressed point (SEC 1 section 2.3.3).
                let point = [&[4], &x[..], &y[..]].concat();
                (x.len() == 32 && y.len() == 32).then(|| parse(algorithm, &point)).flatten()
            }
            SigningAlgorithm::Rs256 => {
                let (n, e) = (number(&self.n)?, number(&self.e)?);
                let components = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
                components.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
            }
        }
    }
}

/// Reads a private key in PEM, as `openssl genpkey` writes it.
///
/// # Errors
/// What is wrong with it.
pub fn private_key(pem: &[u8]) -> Result<SigningKey, String> {
    let section: Result<(SectionKind, Vec<u8>), _> = PemObject::from_pem_slice(pem);
    match section {
        Ok((SectionKind::PrivateKey, der)) => SigningKey::of_any_algorithm(&der)
            .ok_or_else(|| "it is neither Ed25519, nor P-256, nor RSA of 2048 bits and more".to_owned()),
        Ok((SectionKind::PublicKey, _)) => Err("it holds a public key, which cannot sign".to_owned()),
        _ => Err(
            "it has no PEM private key that begins with -----BEGIN PRIVATE KEY-----: `openssl pkcs8 -topk8 \
                  -nocrypt` writes it so"
                .to_owned(),
        ),
    }
}

/// A room token with these claims, for tests of an application. `kid` is that of the key in its set.
///
/// # Errors
/// If the key cannot sign.
pub fn sign(key: &SigningKey, kid: Option<&str>, claims: &serde_json::Value) -> Result<String, SigningError> {
    key.sign_jwt(TYPE, kid.unwrap_or(key.kid()), claims)
}

#[cfg(test)]
#[path = "room_tokens_tests.rs"]
mod tests;
