//! Password hashes of other systems: which kinds are supported, and how a hash that is cheap to crack is
//! stored.
//!
//! A bare digest is never stored. It becomes bcrypt of the digest (in lower-case hex) at once, as OWASP's
//! Password Storage Cheat Sheet advises for legacy hashes. A thief of the database then has bcrypt to break,
//! and the next sign-in replaces the form. A hash that is already slow is stored as it is, or, if bcrypt did
//! not make it, in the one form of [`super::derived`].

use super::derived::DerivedKey;
use super::legacy_digests::{Algorithm, WRAPPED};
use super::password::Scheme;
use super::secret;

/// Before bcrypt's form in what Django stores.
const DJANGO_BCRYPT: &str = "bcrypt$";
/// The same for bcrypt of a SHA-256 digest in hexadecimal, which is what a wrapped digest is here.
const DJANGO_BCRYPT_SHA256: &str = "bcrypt_sha256$";

/// From bcrypt's minimum to the maximum of the configuration. A cost of 31 would take days for each sign-in.
pub const COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// Why a hash cannot be imported. Never holds any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedHash {
    #[error("There is no hash, so the user could not sign in.")]
    Missing,
    #[error(
        "The hash is of no known kind: bcrypt, PBKDF2, scrypt or Argon2 in a form that docs/IMPORT.md lists, or \
         SHA-256, SHA-1 or MD5 in hexadecimal."
    )]
    Unknown,
    #[error("The hash has the absurd bcrypt cost {0}; costs from 4 to 16 can be imported.")]
    AbsurdCost(u32),
    #[error("The hash has absurd parameters; what can be imported is {0}.")]
    AbsurdParameters(&'static str),
}

/// A hash of a supported kind. Without `Debug`: it may be cheap to crack.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportedHash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    /// Slow enough to be stored as it is.
    Slow(String),
    Digest(Algorithm, String),
}

impl ImportedHash {
    /// Parses what another system stored; white space around it does not count.
    ///
    /// [`UnsupportedHash`] if the text is empty, of an unknown kind, damaged, or of a cost outside [`COSTS`].
    pub fn parse(text: &str) -> Result<Self, UnsupportedHash> {
        let text = text.trim();
        if text.is_empty() {
            return Err(UnsupportedHash::Missing);
        }
        if text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && let Some(algorithm) = Algorithm::ALL.into_iter().find(|known| known.digits() == text.len())
        {
            return Ok(Self(Kind::Digest(algorithm, text.to_ascii_lowercase())));
        }
        let stored = Self::as_stored_here(text);
        match Scheme::parse(&stored).ok_or(UnsupportedHash::Unknown)? {
            Scheme::Derived(key) => key.check_cost().map_err(UnsupportedHash::AbsurdParameters)?,
            bcrypt => match bcrypt.cost() {
                Some(cost) if !COSTS.contains(&cost) => return Err(UnsupportedHash::AbsurdCost(cost)),
                // A damaged hash must not become an account that no password can open.
                _ if !bcrypt.is_sound() => return Err(UnsupportedHash::Unknown),
                _ => {}
            },
        }
        Ok(Self(Kind::Slow(stored)))
    }

    /// The form in which a hash that is slow is stored; other text as it is. The wrapped form is what
    /// `doorward export` writes.
    fn as_stored_here(text: &str) -> String {
        if let Some(hash) = text.strip_prefix(DJANGO_BCRYPT_SHA256) {
            return format!("{WRAPPED}{}{hash}", Algorithm::Sha256.name());
        }
        let text = text.strip_prefix(DJANGO_BCRYPT).unwrap_or(text);
        DerivedKey::parse(text).map_or_else(|| text.to_owned(), |key| key.to_string())
    }

    /// The form to store. For a bare digest, computing it takes the work of one hash at `cost`.
    ///
    /// bcrypt's error for a cost that is out of bounds.
    pub fn to_stored(&self, cost: u32) -> Result<String, bcrypt::BcryptError> {
        match &self.0 {
            Kind::Slow(hash) => Ok(hash.clone()),
            Kind::Digest(algorithm, hex) => {
                let mut salt = [0; 16];
                secret::fill(&mut salt);
                let wrapped = bcrypt::hash_with_salt(hex, cost, salt)?;
                Ok(format!("{WRAPPED}{}{wrapped}", algorithm.name()))
            }
        }
    }

    /// Whether `stored` was made from this hash and has not been replaced since. For a bare digest, this
    /// takes the work of one hash.
    #[must_use]
    pub fn made(&self, stored: &str) -> bool {
        match (&self.0, Scheme::parse(stored)) {
            (Kind::Slow(hash), _) => hash == stored,
            (Kind::Digest(algorithm, hex), Some(Scheme::Wrapped { algorithm: used, hash, .. })) => {
                *algorithm == used && bcrypt::verify(hex, hash).unwrap_or(false)
            }
            (Kind::Digest(..), _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::password::{self, Verified};
    use doorward_core::domain::Password;

    const COST: u32 = 4;
    const PLAIN: &str = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
    const V1: &str = "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$dxdzZlEJklhw.YE7lK2ORyHpO1hSAna";
    const V2: &str = "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$FtTPYAYB7Unzu5SXyz9NjYdCcMd8ay.";

    fn stored(text: &str) -> String {
        ImportedHash::parse(text).unwrap_or_else(|unfit| panic!("{unfit}")).to_stored(COST).unwrap()
    }

    fn unfit(text: &str) -> Option<UnsupportedHash> {
        ImportedHash::parse(text).err()
    }

    #[test]
    fn a_bare_digest_is_wrapped_and_its_password_signs_in() {
        for algorithm in Algorithm::ALL {
            let hex = algorithm.digest("pässword".as_bytes());
            for given in [hex.clone(), hex.to_ascii_uppercase(), format!(" {hex}\n")] {
                let kept = stored(&given);
                assert!(
                    kept.starts_with(&format!("$doorward-wrapped${}$2b$04$", algorithm.name())),
                    "{kept}"
                );
                assert!(!kept.contains(&hex));
                let right = Password::typed("pässword".to_owned());
                assert_eq!(
                    password::verify_here(&right, Some(&kept), COST),
                    Verified { ok: true, rehash: true }
                );
                assert!(!password::verify_here(&Password::typed(hex.clone()), Some(&kept), COST).ok);
            }
        }
    }

    #[test]
    fn slow_hashes_are_kept_as_they_are() {
        let (a, y) = (PLAIN.replace("$2b$", "$2a$"), PLAIN.replace("$2b$", "$2y$"));
        for given in [PLAIN, &a, &y, V1, V2] {
            assert_eq!(stored(given), given);
        }
    }

    #[test]
    fn a_wrapped_digest_is_imported_from_an_export_and_from_django() {
        let kept = stored(&Algorithm::Sha1.digest("pässword".as_bytes()));
        assert_eq!(stored(&kept), kept);
        // Made with Django 5.2: BCryptSHA256PasswordHasher and BCryptPasswordHasher, with 4 rounds.
        let right = Password::typed("correct horse bättery staple".to_owned());
        for hash in [
            "bcrypt_sha256$$2b$04$VnCsTJu/Pr7ITSCfZeKYs.kooNvFM5JdTKLi.y4GcnLvDuPTVAefa",
            "bcrypt$$2b$04$44i9Xys4p9RDnn4dh8XynO828tmHTo.39E4xWqSTF0zSIBHIKfloa",
        ] {
            let kept = stored(hash);
            assert_eq!(password::verify_here(&right, Some(&kept), COST), Verified { ok: true, rehash: true });
            assert!(!password::verify_here(&Password::typed("wrong".to_owned()), Some(&kept), COST).ok);
        }
    }

    #[test]
    fn a_stored_form_is_recognized_as_its_own() {
        let hex = Algorithm::Sha256.digest(b"one");
        let (one, other) =
            (ImportedHash::parse(&hex).unwrap_or_else(|_| panic!()), Algorithm::Sha256.digest(b"two"));
        let kept = one.to_stored(COST).unwrap();
        assert!(one.made(&kept));
        assert!(!ImportedHash::parse(&other).is_ok_and(|foreign| foreign.made(&kept)));
        assert!(!one.made(V2) && !one.made(&hex));
        assert!(ImportedHash::parse(PLAIN).is_ok_and(|foreign| foreign.made(PLAIN) && !foreign.made(&kept)));
    }

    #[test]
    fn an_unsupported_hash_is_refused_with_the_reason() {
        assert_eq!(unfit(" "), Some(UnsupportedHash::Missing));
        for cost in ["00", "03", "17", "31", "99"] {
            let number = cost.parse().unwrap();
            assert_eq!(
                unfit(&PLAIN.replace("$04$", &format!("${cost}$"))),
                Some(UnsupportedHash::AbsurdCost(number))
            );
            assert_eq!(
                unfit(&V2.replace("r=4", &format!("r={number}"))),
                Some(UnsupportedHash::AbsurdCost(number))
            );
            assert_eq!(
                unfit(&V1.replace(",4", &format!(",{number}"))),
                Some(UnsupportedHash::AbsurdCost(number))
            );
        }
        for text in [
            "plain",
            &PLAIN[..59],
            &PLAIN.replace("$2b$", "$2x$"),
            &PLAIN.replace('.', "="),
            &PLAIN.replace("04", "+4"),
            &V2.replace("n79", "n7="),
            &V2.replace("ay.", "a=."),
            &V2.replace("r=4", "r=+4"),
            &V1.replace("2b", "2x"),
            &"0".repeat(63),
            &"g".repeat(64),
            &format!("$doorward-wrapped$sha3{PLAIN}"),
            &format!("bcrypt_sha256${}", &PLAIN[..59]),
        ] {
            assert_eq!(unfit(text), Some(UnsupportedHash::Unknown), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in any::<String>(), tail in "[$0-9a-z,=./]{0,70}") {
            drop(ImportedHash::parse(&text));
            for head in [
                "$2b$", "$bcrypt-sha256$", "$bcrypt-sha256$v=2,t=2b,r=", "bcrypt_sha256$", "$argon2id$v=19$m=",
                "$scrypt$ln=", "$pbkdf2-sha256$", "pbkdf2:sha1:", "scrypt:", "pbkdf2_sha256$", "scrypt$", "{",
            ] {
                drop(ImportedHash::parse(&format!("{head}{tail}")));
                drop(ImportedHash::parse(&format!("{head}{text}")));
            }
        }
    }
}
