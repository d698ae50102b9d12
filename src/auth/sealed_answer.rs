//! Answers that are kept for a client that asks again: encrypted with a key that is made of the client's own, so that
//! the database alone reveals none of them. They may hold a new API key or the link of an invitation.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

const PURPOSE: &[u8] = b"doorward answer to an Idempotency-Key";

/// Encrypts and decrypts the answers to one key (AES-256-GCM, RFC 5116; the key by HKDF-SHA256, RFC 5869). No `Debug`.
#[derive(Clone)]
pub struct AnswerSeal([u8; 32]);

impl AnswerSeal {
    /// # Panics
    /// Never: HKDF makes up to 8,160 bytes.
    #[must_use]
    pub fn of_key(key: &str) -> Self {
        let mut bytes = [0; 32];
        let secret = Salt::new(HKDF_SHA256, PURPOSE).extract(key.as_bytes());
        let filled = secret.expand(&[b"seal"], HKDF_SHA256).and_then(|okm| okm.fill(&mut bytes));
        filled.expect("32 bytes are the length of SHA-256");
        Self(bytes)
    }

    /// `about` has to be the same when the answer is opened.
    ///
    /// # Errors
    /// If the cipher fails.
    pub fn seal(&self, about: &str, answer: &[u8]) -> Result<String, Unspecified> {
        let mut sealed = answer.to_vec();
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.0)?;
        let nonce = key.seal_in_place_append_tag(Aad::from(about.as_bytes()), &mut sealed)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode([nonce.as_ref(), sealed.as_slice()].concat()))
    }

    /// The answer. `None` if this is not an answer to the key, or not one about `about`.
    #[must_use]
    pub fn open(&self, about: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &self.0).ok()?;
        key.open_in_place(nonce, Aad::from(about.as_bytes()), sealed).ok().map(|answer| answer.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_an_answer_about_the_same() {
        let seal = AnswerSeal::of_key("2b1f");
        let sealed = seal.seal("a", b"secret").unwrap();
        assert_ne!(sealed, seal.seal("a", b"secret").unwrap(), "a new nonce each time");
        assert_eq!(AnswerSeal::of_key("2b1f").open("a", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_eq!(seal.open("b", &sealed), None);
        assert_eq!(AnswerSeal::of_key("2b1e").open("a", &sealed), None);
        for damaged in ["", "AAAA", &sealed[1..], &format!("{sealed}A")] {
            assert_eq!(seal.open("a", damaged), None);
        }
        assert!(!sealed.contains("secret"));
    }
}
