//! Password digests of other systems, and their form wrapped in bcrypt.

use aws_lc_rs::digest;
use md5::{Digest, Md5};

/// The prefix of a wrapped digest: `$doorward-wrapped$sha256$2b$12$..`, an algorithm and a whole bcrypt hash.
pub(super) const WRAPPED: &str = "$doorward-wrapped$";

/// A hash function that is too fast for passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Sha256,
    Sha1,
    Md5,
}

impl Algorithm {
    pub(super) const ALL: [Self; 3] = [Self::Sha256, Self::Sha1, Self::Md5];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// In hexadecimal digits. A bare digest is recognized by its length.
    pub(super) const fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha1 => 40,
            Self::Md5 => 32,
        }
    }

    /// The digest in lower-case hex, the form that is wrapped.
    pub(super) fn digest(self, bytes: &[u8]) -> String {
        match self {
            Self::Sha256 => hex(digest::digest(&digest::SHA256, bytes).as_ref()),
            Self::Sha1 => hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref()),
            Self::Md5 => hex(Md5::digest(bytes).as_ref()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

const DIGITS: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_their_standards() {
        // FIPS 180-4 and RFC 1321: the digests of "abc".
        for (algorithm, hex) in [
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        ] {
            assert_eq!(algorithm.digest(b"abc"), hex);
            assert_eq!(algorithm.digits(), hex.len());
            assert_eq!(Algorithm::named(algorithm.name()), Some(algorithm));
        }
    }
}
