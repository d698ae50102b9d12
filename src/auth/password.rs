//! Hashes passwords, and checks them against every stored form that is supported.
//!
//! New hashes use passlib's `bcrypt-sha256` form, version 2: bcrypt of HMAC-SHA256(salt, password) in base64.
//! Plain bcrypt truncates a password at 72 bytes and stops at a NUL; here its input always has 44 characters.
//! <https://passlib.readthedocs.io/en/stable/lib/passlib.hash.bcrypt_sha256.html>

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use base64::prelude::BASE64_STANDARD;

use super::derived::DerivedKey;
use super::legacy_digests::{Algorithm, WRAPPED};
use super::secret;
use doorward_core::domain::Password;

const PREFIX: &str = "$bcrypt-sha256$v=2,t=2b,r=";
/// passlib's first version, without an HMAC key.
const PREFIX_V1: &str = "$bcrypt-sha256$2";
/// bcrypt's own base64, with its alphabet in another order.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);
/// The lowest cost of bcrypt.
const MIN_COST: u32 = 4;
/// Lengths of `$2b$12$`, and of that with the salt.
const HEAD: usize = 7;
const HEAD_AND_SALT: usize = 29;

/// A stored hash, parsed. This is the only place that knows the forms.
pub(super) enum Scheme<'a> {
    /// `$bcrypt-sha256$v=2,t=2b,r=12$<22 characters of salt>$<31 of digest>`
    BcryptSha256 { cost: u32, salt: &'a str, digest: &'a str },
    /// `$bcrypt-sha256$2b,12$<salt>$<digest>`, version 1: bcrypt of SHA-256(password) in base64.
    BcryptSha256V1 { cost: u32, salt: &'a str, digest: &'a str },
    /// `$2a$`, `$2b$` or `$2y$`: three names of the same function.
    Bcrypt { cost: u32, hash: &'a str },
    /// `$doorward-wrapped$sha256$2b$12$..`: bcrypt of a digest in hex, see [`super::legacy_hashes`].
    Wrapped { algorithm: Algorithm, cost: u32, hash: &'a str },
    /// `$pbkdf2-sha256$`, `$scrypt$` or `$argon2id$`: another system's, see [`super::derived`].
    Derived(DerivedKey),
}

impl<'a> Scheme<'a> {
    pub(super) fn parse(stored: &'a str) -> Option<Self> {
        if let Some(rest) = stored.strip_prefix(PREFIX) {
            let (cost, salt, digest) = cost_salt_digest(rest)?;
            return Some(Self::BcryptSha256 { cost, salt, digest });
        }
        if let Some(rest) = stored.strip_prefix(PREFIX_V1) {
            let rest = rest.strip_prefix("a,").or_else(|| rest.strip_prefix("b,"))?;
            let (cost, salt, digest) = cost_salt_digest(rest)?;
            return Some(Self::BcryptSha256V1 { cost, salt, digest });
        }
        if let Some(rest) = stored.strip_prefix(WRAPPED) {
            let (name, hash) = rest.split_at(rest.find('$')?);
            return Some(Self::Wrapped {
                algorithm: Algorithm::named(name)?,
                cost: bcrypt_cost(hash)?,
                hash,
            });
        }
        if let Some(cost) = bcrypt_cost(stored) {
            return Some(Self::Bcrypt { cost, hash: stored });
        }
        DerivedKey::parse_stored(stored).map(Self::Derived)
    }

    /// bcrypt's cost, if bcrypt made the hash.
    pub(super) fn cost(&self) -> Option<u32> {
        match self {
            Self::BcryptSha256 { cost, .. }
            | Self::BcryptSha256V1 { cost, .. }
            | Self::Bcrypt { cost, .. }
            | Self::Wrapped { cost, .. } => Some(*cost),
            Self::Derived(_) => None,
        }
    }

    /// The work of a check in bcrypt's rounds, of which cost c has 2^c.
    fn rounds(&self) -> u64 {
        match self {
            Self::Derived(key) => key.rounds(),
            bcrypt => bcrypt.cost().map_or(0, rounds_of),
        }
    }

    /// Whether some password could match, as far as this can be determined without hashing.
    pub(super) fn is_sound(&self) -> bool {
        match self {
            Self::BcryptSha256 { salt, digest, .. } | Self::BcryptSha256V1 { salt, digest, .. } => {
                BCRYPT_BASE64.decode(salt).is_ok() && BCRYPT_BASE64.decode(digest).is_ok()
            }
            // Parsed by `bcrypt` itself, and by `DerivedKey`.
            Self::Bcrypt { .. } | Self::Wrapped { .. } | Self::Derived(_) => true,
        }
    }

    /// `None` if the hash cannot be computed: bcrypt does not support the cost or the salt.
    fn matches(&self, password: &Password) -> Option<bool> {
        match self {
            Self::BcryptSha256 { cost, salt, digest } => {
                matches_split(&prehash(password, salt), *cost, salt, digest)
            }
            Self::BcryptSha256V1 { cost, salt, digest } => {
                matches_split(&prehash_v1(password), *cost, salt, digest)
            }
            Self::Bcrypt { hash, .. } => bcrypt::verify(password.expose(), hash).ok(),
            Self::Wrapped { algorithm, hash, .. } => {
                bcrypt::verify(algorithm.digest(password.expose().as_bytes()), hash).ok()
            }
            Self::Derived(key) => key.matches(password.expose().as_bytes()),
        }
    }

    fn is_current(&self, cost: u32) -> bool {
        matches!(self, Self::BcryptSha256 { cost: c, .. } if *c == cost)
    }
}

/// Parses the end that both versions of `bcrypt-sha256` share.
fn cost_salt_digest(text: &str) -> Option<(u32, &str, &str)> {
    let mut parts = text.split('$');
    let (cost, salt, digest) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = parts.next().is_none() && salt.len() == 22 && digest.len() == 31;
    if sound { Some((decimal(cost)?, salt, digest)) } else { None }
}

fn bcrypt_cost(hash: &str) -> Option<u32> {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix));
    // `HashParts` checks the rest, but would accept a sign in the cost.
    hash.parse::<bcrypt::HashParts>().ok().filter(|_| known)?;
    decimal(hash.get(4..6)?)
}

fn decimal(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Whether bcrypt of `input` equals the hash with this salt and digest.
fn matches_split(input: &str, cost: u32, salt: &str, digest: &str) -> Option<bool> {
    let bytes: [u8; 16] = BCRYPT_BASE64.decode(salt).ok()?.try_into().ok()?;
    let computed = bcrypt::hash_with_salt(input, cost, bytes).ok()?.to_string();
    let computed = computed.as_bytes().get(HEAD_AND_SALT..)?;
    Some(constant_time::verify_slices_are_equal(computed, digest.as_bytes()).is_ok())
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub ok: bool,
    /// The stored hash has another form or cost than new ones, so it should be replaced now, while the
    /// password is available.
    pub rehash: bool,
}

/// Hashes a password. `cost` is bcrypt's, 4 to 31: each step doubles the work.
///
/// bcrypt's error for a cost that is out of bounds.
pub fn hash(password: &Password, cost: u32) -> Result<String, bcrypt::BcryptError> {
    let mut bytes = [0; 16];
    secret::fill(&mut bytes);
    hash_salted(password, cost, bytes)
}

fn hash_salted(password: &Password, cost: u32, bytes: [u8; 16]) -> Result<String, bcrypt::BcryptError> {
    let salt = BCRYPT_BASE64.encode(bytes);
    let computed = bcrypt::hash_with_salt(prehash(password, &salt), cost, bytes)?.to_string();
    debug_assert!(computed[HEAD..].starts_with(&salt));
    Ok(format!("{PREFIX}{cost}${salt}${}", &computed[HEAD_AND_SALT..]))
}

/// Checks a password against a stored hash: in its normal form and, if other characters were typed, also in
/// those, because hashes of earlier versions and of other systems were made from them. A missing hash
/// (`None`) and a wrong password take the same work, that of one hash at `cost` for each form, so that the
/// response time does not reveal whether an account exists.
#[must_use]
pub fn verify(password: &Password, stored: Option<&str>, cost: u32) -> Verified {
    let normal = verify_form(password, stored, cost);
    match password.as_typed() {
        Some(typed) if !normal.ok => {
            let ok = verify_form(&typed, stored, cost).ok;
            // The next hash is made from the normal form.
            Verified { ok, rehash: ok }
        }
        _ => normal,
    }
}

fn verify_form(password: &Password, stored: Option<&str>, cost: u32) -> Verified {
    const NOT_VERIFIED: Verified = Verified { ok: false, rehash: false };
    let Some(stored) = stored else {
        dummy_hash(cost);
        return NOT_VERIFIED;
    };
    let scheme = Scheme::parse(stored);
    scheme.as_ref().inspect(|scheme| note_work(scheme.rounds()));
    match scheme.as_ref().and_then(|scheme| Some((scheme, scheme.matches(password)?))) {
        Some((scheme, true)) => Verified { ok: true, rehash: !scheme.is_current(cost) },
        Some((scheme, false)) => {
            let missing = rounds_of(cost).saturating_sub(scheme.rounds());
            // Each step of the cost doubles the rounds, so hashes of different costs add up to any number.
            (MIN_COST..cost).rev().filter(|step| missing & rounds_of(*step) != 0).for_each(dummy_hash);
            NOT_VERIFIED
        }
        None => {
            tracing::error!("a stored password hash has an unknown form");
            dummy_hash(cost);
            NOT_VERIFIED
        }
    }
}

/// Does the work of one hash and discards the result.
fn dummy_hash(cost: u32) {
    note_work(rounds_of(cost));
    let _ = std::hint::black_box(bcrypt::hash_with_salt([b'x'; 44], cost, std::hint::black_box([7; 16])));
}

/// Lets tests compare the work of checks, which they cannot measure by time.
#[cfg(not(test))]
const fn note_work(_rounds: u64) {}

#[cfg(test)]
fn note_work(rounds: u64) {
    tests::WORK.with(|work| work.set(work.get() + rounds));
}

const fn rounds_of(cost: u32) -> u64 {
    // bcrypt's costs end at 31.
    1 << (cost & 31)
}

/// The salt is the HMAC key: without it, precomputed SHA-256 tables would fit the inner hash.
fn prehash(password: &Password, salt: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt.as_bytes());
    BASE64_STANDARD.encode(hmac::sign(&key, password.expose().as_bytes()))
}

fn prehash_v1(password: &Password) -> String {
    BASE64_STANDARD.encode(digest::digest(&digest::SHA256, password.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: u32 = 4;

    thread_local! {
        /// Rounds of bcrypt on this thread.
        pub(super) static WORK: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }

    fn work_of(text: &str, stored: Option<&str>, cost: u32) -> u64 {
        WORK.set(0);
        assert!(!verify(&typed(text), stored, cost).ok);
        WORK.get()
    }

    fn typed(text: &str) -> Password {
        Password::typed(text.to_owned())
    }

    /// Made with passlib 1.7.4: `bcrypt_sha256.using(rounds=4, salt=..).hash("correct horse battery staple")`.
    const PASSLIB: &str =
        "$bcrypt-sha256$v=2,t=2b,r=4$n79VH.0Q2TMWmt3Oqt9uku$FtTPYAYB7Unzu5SXyz9NjYdCcMd8ay.";

    #[test]
    fn passlibs_hashes_verify_and_ours_are_the_same() {
        let password = typed("correct horse battery staple");
        assert_eq!(verify(&password, Some(PASSLIB), COST), Verified { ok: true, rehash: false });
        assert!(!verify(&typed("correct horse battery stapl"), Some(PASSLIB), COST).ok);
        let salt = BCRYPT_BASE64.decode("n79VH.0Q2TMWmt3Oqt9uku").unwrap().try_into().unwrap();
        assert_eq!(hash_salted(&password, COST, salt).unwrap(), PASSLIB);
        let long = "$bcrypt-sha256$v=2,t=2b,r=4$PgIKBd7/ICHX4F5Z13HKSu$44MbYtZw9wXJyko0dLTbfD4T1gVBCQm";
        assert!(verify(&typed(&format!("päss wörd {}", "x".repeat(90))), Some(long), COST).ok);
    }

    #[test]
    fn no_byte_of_a_long_password_is_ignored() {
        let mut text = "a".repeat(100);
        let stored = hash(&typed(&text), COST).unwrap();
        assert!(verify(&typed(&text), Some(&stored), COST).ok);
        text.replace_range(90..91, "b");
        assert!(!verify(&typed(&text), Some(&stored), COST).ok);
    }

    #[test]
    fn plain_bcrypt_verifies_and_is_to_be_replaced() {
        // Made with passlib 1.7.4: `bcrypt.using(rounds=4).hash("plain bcrypt pw")`.
        let plain = "$2b$04$B4beOI9vm7FC0y7zWBAum.Luj1lhiTVGWIURRUcDBA.a2b45ni1JO";
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let stored = plain.replace("$2b$", prefix);
            let wanted = Verified { ok: true, rehash: true };
            assert_eq!(verify(&typed("plain bcrypt pw"), Some(&stored), COST), wanted);
        }
        assert!(!verify(&typed("plain bcrypt px"), Some(plain), COST).ok);
    }

    #[test]
    fn passlibs_first_version_verifies_and_is_to_be_replaced() {
        // Made with passlib 1.7.4: `bcrypt_sha256.using(rounds=4, version=1).hash(..)`, and with `ident="2a"`.
        for (text, stored) in [
            (
                "correct horse battery staple".to_owned(),
                "$bcrypt-sha256$2b,4$n79VH.0Q2TMWmt3Oqt9uku$dxdzZlEJklhw.YE7lK2ORyHpO1hSAna",
            ),
            (
                format!("päss wörd {}", "x".repeat(90)),
                "$bcrypt-sha256$2a,4$FsT/fNC.PAFfl4iJBlupqO$NQiCu8UruXlIbBeZtlvPlk5NYDY9rJe",
            ),
        ] {
            let wanted = Verified { ok: true, rehash: true };
            assert_eq!(verify(&typed(&text), Some(stored), COST), wanted);
            assert!(!verify(&typed(&text[..text.len() - 1]), Some(stored), COST).ok);
        }
    }

    #[test]
    fn a_hash_of_the_characters_as_typed_verifies_and_is_to_be_replaced() {
        let (composed, decomposed) = ("cr\u{e8}me br\u{fb}l\u{e9}e", "cre\u{300}me bru\u{302}le\u{301}e");
        let old = hash(&typed(decomposed).as_typed().unwrap(), COST).unwrap();
        assert_eq!(verify(&typed(decomposed), Some(&old), COST), Verified { ok: true, rehash: true });
        // A hash of other characters matches only what was typed then.
        assert!(!verify(&typed(composed), Some(&old), COST).ok);
        let new = hash(&typed(decomposed), COST).unwrap();
        for text in [composed, decomposed] {
            assert_eq!(verify(&typed(text), Some(&new), COST), Verified { ok: true, rehash: false });
        }
        let plain = bcrypt::hash(decomposed, COST).unwrap();
        assert_eq!(verify(&typed(decomposed), Some(&plain), COST), Verified { ok: true, rehash: true });
        assert!(!verify(&typed("bru\u{302}le\u{301}e"), Some(&new), COST).ok);
    }

    #[test]
    fn a_wrong_password_costs_what_a_name_without_an_account_costs() {
        for (text, forms) in [("wrong", 1), ("wro\u{308}ng", 2), ("\u{ff57}rong", 2), ("wr\u{f6}ng", 1)] {
            for cost in [COST, COST + 2] {
                let unknown = work_of(text, None, cost);
                assert_eq!(unknown, forms << cost, "{text}");
                assert_eq!(work_of(text, Some(PASSLIB), cost), unknown, "{text}");
                assert_eq!(work_of(text, Some("not understood"), cost), unknown, "{text}");
            }
        }
    }

    #[test]
    fn a_cheap_key_of_another_system_is_filled_up_to_the_work_of_a_name_without_an_account() {
        // 10,000 iterations are worth 52 rounds, below the rounds of cost 6.
        let cheap = format!("$pbkdf2-sha256$i=10000$c2FsdA${}", "A".repeat(43));
        let done = work_of("wrong", Some(&cheap), COST + 2);
        assert!((1 << (COST + 2)) - done < 1 << MIN_COST, "{done}");
        assert_eq!(work_of("wrong", Some(&cheap), COST), 52);
    }

    #[test]
    fn a_hash_of_another_cost_is_to_be_replaced() {
        let password = typed("correct horse battery staple");
        assert_eq!(verify(&password, Some(PASSLIB), COST + 1), Verified { ok: true, rehash: true });
    }

    #[test]
    fn an_unknown_form_matches_no_password() {
        for stored in
            ["", "!", "$2b$04$short", "$2x$04$B4be", "$bcrypt-sha256$v=2,t=2b,r=99$x$y", &"$".repeat(60)]
        {
            assert!(!verify(&typed(""), Some(stored), COST).ok, "{stored}");
        }
        assert!(!verify(&typed(""), Some(&PASSLIB.replace("r=4", "r=1")), COST).ok);
        assert!(!verify(&typed("x"), None, COST).ok);
    }
}
