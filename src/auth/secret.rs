//! Random secrets and the form in which they are kept.

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Fills `bytes` from the system's generator.
///
/// # Panics
/// If the system has no randomness: nothing that signs people in may go on then.
pub fn fill(bytes: &mut [u8]) {
    rand::fill(bytes).expect("the system's random generator answers");
}

/// 256 random bits in base64url, for links, refresh tokens and cookies.
#[must_use]
pub fn random_token() -> String {
    let mut bytes = [0; 32];
    fill(&mut bytes);
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// SHA-256 in base64url: how a token is stored. A random token needs no slow hash.
#[must_use]
pub fn hash_token(token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, token.as_bytes()))
}
