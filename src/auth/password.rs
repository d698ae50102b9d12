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
use super::hash_requests::{BcryptInput, HashRequests, run_here};
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
    async fn matches(&self, requests: &HashRequests, password: &Password) -> Option<bool> {
        let (input, cost, salt, digest) = match self {
            Self::BcryptSha256 { cost, salt, digest } => (prehash(password, salt), *cost, *salt, *digest),
            Self::BcryptSha256V1 { cost, salt, digest } => (prehash_v1(password), *cost, *salt, *digest),
            Self::Bcrypt { cost, hash } => (
                password.expose().to_owned(),
                *cost,
                hash.get(HEAD..HEAD_AND_SALT)?,
                hash.get(HEAD_AND_SALT..)?,
            ),
            Self::Wrapped { algorithm, cost, hash } => {
                let input = algorithm.digest(password.expose().as_bytes());
                (input, *cost, hash.get(HEAD..HEAD_AND_SALT)?, hash.get(HEAD_AND_SALT..)?)
            }
            Self::Derived(key) => {
                requests.thread().await;
                return key.matches(password.expose().as_bytes());
            }
        };
        let salt = BCRYPT_BASE64.decode(salt).ok()?.try_into().ok()?;
        let computed = requests.bcrypt(BcryptInput::new(input, cost, salt)).await?;
        let computed = BCRYPT_BASE64.encode(computed.as_bytes());
        Some(constant_time::verify_slices_are_equal(computed.as_bytes(), digest.as_bytes()).is_ok())
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

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub ok: bool,
    /// The stored hash has another form or cost than new ones, so it should be replaced now, while the
    /// password is available.
    pub rehash: bool,
}

const NOT_VERIFIED: Verified = Verified { ok: false, rehash: false };

/// Hashes a password. `cost` is bcrypt's, 4 to 31: each step doubles the work. `None` for another cost.
pub async fn hash(requests: &HashRequests, password: &Password, cost: u32) -> Option<String> {
    let mut bytes = [0; 16];
    secret::fill(&mut bytes);
    hash_salted(requests, password, cost, bytes).await
}

async fn hash_salted(
    requests: &HashRequests,
    password: &Password,
    cost: u32,
    bytes: [u8; 16],
) -> Option<String> {
    let salt = BCRYPT_BASE64.encode(bytes);
    let input = BcryptInput::new(prehash(password, &salt), cost, bytes);
    let digest = BCRYPT_BASE64.encode(requests.bcrypt(input).await?.as_bytes());
    Some(format!("{PREFIX}{cost}${salt}${digest}"))
}

/// [`hash`] on this thread.
#[must_use]
pub fn hash_here(password: &Password, cost: u32) -> Option<String> {
    run_here(async |requests| hash(&requests, password, cost).await)
}

/// Checks a password against a stored hash: in its normal form and, if other characters were typed, also in
/// those, because hashes of earlier versions and of other systems were made from them. A missing hash
/// (`None`) and a wrong password take the same work, that of one hash at `cost` for each form, so that the
/// response time does not reveal whether an account exists.
pub async fn verify(
    requests: &HashRequests,
    password: &Password,
    stored: Option<&str>,
    cost: u32,
) -> Verified {
    let normal = verify_form(requests, password, stored, cost).await;
    match password.as_typed() {
        Some(typed) if !normal.ok => {
            let ok = verify_form(requests, &typed, stored, cost).await.ok;
            // The next hash is made from the normal form.
            Verified { ok, rehash: ok }
        }
        _ => normal,
    }
}

/// [`verify`] on this thread.
#[cfg(test)]
pub fn verify_here(password: &Password, stored: Option<&str>, cost: u32) -> Verified {
    run_here(async |requests| verify(&requests, password, stored, cost).await)
}

async fn verify_form(
    requests: &HashRequests,
    password: &Password,
    stored: Option<&str>,
    cost: u32,
) -> Verified {
    let Some(stored) = stored else {
        dummy_hash(requests, cost).await;
        return NOT_VERIFIED;
    };
    let Some(scheme) = Scheme::parse(stored) else { return unknown_form(requests, cost).await };
    note_work(scheme.rounds());
    match scheme.matches(requests, password).await {
        Some(true) => Verified { ok: true, rehash: !scheme.is_current(cost) },
        Some(false) => {
            let missing = rounds_of(cost).saturating_sub(scheme.rounds());
            // Each step of the cost doubles the rounds, so hashes of different costs add up to any number.
            for step in (MIN_COST..cost).rev().filter(|step| missing & rounds_of(*step) != 0) {
                dummy_hash(requests, step).await;
            }
            NOT_VERIFIED
        }
        None => unknown_form(requests, cost).await,
    }
}

async fn unknown_form(requests: &HashRequests, cost: u32) -> Verified {
    tracing::error!("a stored password hash has an unknown format");
    dummy_hash(requests, cost).await;
    NOT_VERIFIED
}

/// Does the work of one hash and discards the result.
async fn dummy_hash(requests: &HashRequests, cost: u32) {
    note_work(rounds_of(cost));
    let _ = requests.bcrypt(BcryptInput::new([b'x'; 44], cost, [7; 16])).await;
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
#[path = "password_tests.rs"]
mod tests;
