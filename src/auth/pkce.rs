//! Proof Key for Code Exchange (RFC 7636): only the page that asked for a code can exchange it.

use std::fmt;

use aws_lc_rs::constant_time;

use super::secret::hash_token;

/// The only method: `plain` would show the secret itself to all who see the request.
pub const METHOD: &str = "S256";

/// Characters of SHA-256 in base64url without padding.
const CHALLENGE_LENGTH: usize = 43;

/// SHA-256 of the page's secret, in base64url without padding (RFC 7636 section 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (text.len() == CHALLENGE_LENGTH && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The page's secret: 43 to 128 unreserved characters (RFC 7636 section 4.1).
#[derive(Clone)]
pub struct CodeVerifier(String);

impl CodeVerifier {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        ((43..=128).contains(&text.len()) && text.bytes().all(unreserved)).then(|| Self(text.to_owned()))
    }

    /// Whether this is the secret of a challenge.
    #[must_use]
    pub fn fits(&self, challenge: &str) -> bool {
        let computed = hash_token(&self.0);
        constant_time::verify_slices_are_equal(computed.as_bytes(), challenge.as_bytes()).is_ok()
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn a_verifier_fits_its_own_challenge() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert!(verifier.fits(CodeChallenge::parse(CHALLENGE).unwrap().as_str()));
        assert!(!verifier.fits(VERIFIER) && !verifier.fits(""));
        assert!(!CodeVerifier::parse(&VERIFIER.replace('d', "e")).unwrap().fits(CHALLENGE));
        assert!(!format!("{verifier:?}").contains(VERIFIER));
    }

    #[test]
    fn lengths_and_characters_are_those_of_the_rfc() {
        for length in [43, 128] {
            assert!(CodeVerifier::parse(&"~".repeat(length)).is_some(), "{length}");
        }
        for text in
            [String::new(), "a".repeat(42), "a".repeat(129), format!("{VERIFIER}+"), format!("{VERIFIER} ")]
        {
            assert!(CodeVerifier::parse(&text).is_none(), "{text}");
        }
        for text in ["", &CHALLENGE[1..], &format!("{CHALLENGE}="), &CHALLENGE.replace('-', "+")] {
            assert!(CodeChallenge::parse(text).is_none(), "{text}");
        }
    }
}
