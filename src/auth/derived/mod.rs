//! Password hashes that other systems made with PBKDF2, scrypt, or Argon2: checked until their user signs in,
//! never made here.
//!
//! What such a hash costs is written in it, and a sign-in pays it. So [`DerivedKey::check_cost`] bounds it
//! before the hash is stored, and [`memory`] bounds what all checks use together.

mod formats;
mod keycloak;
mod memory;

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Argon2, Params};
use aws_lc_rs::{constant_time, pbkdf2};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD_NO_PAD};
use base64::engine::{DecodePaddingMode, Engine};

use self::memory::MemoryBudget;

/// Padding is left out by some systems.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The fewest iterations of PBKDF2: that of RFC 8018, section 4.2, and what the oldest systems use. The most are
/// [`Digest::max_work`].
const MIN_ITERATIONS: u32 = 1_000;
/// Bytes of memory of one Argon2 hash.
const MAX_ARGON2_MEMORY: u64 = 256 << 20;
/// Bytes of memory of one scrypt hash: 256 MiB for its N blocks, and what it needs beside them.
const MAX_SCRYPT_MEMORY: u64 = 257 << 20;
/// scrypt's N * r * p: 16 times what werkzeug and better-auth use.
const MAX_SCRYPT_WORK: u64 = 1 << 22;
/// Argon2's memory in KiB times its passes: five times the default of argon2-cffi.
const MAX_ARGON2_WORK: u64 = 1 << 20;
/// Argon2's lanes. They are computed one after the other, so they cost nothing more.
const MAX_LANES: u32 = 64;
/// Bytes.
const SALT: std::ops::RangeInclusive<usize> = 1..=256;
const KEY: std::ops::RangeInclusive<usize> = 16..=64;
const ARGON2_MIN_SALT: usize = 8;

/// How all checks of one process share memory: two of the largest at a time.
static MEMORY: MemoryBudget = MemoryBudget::new(2 * MAX_SCRYPT_MEMORY);

/// A salted hash, parsed. Without `Debug`: it may be cheap to crack.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DerivedKey {
    function: Function,
    salt: Vec<u8>,
    key: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Pbkdf2 {
        digest: Digest,
        iterations: u32,
    },
    /// `log_n` is the logarithm of N to base 2.
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
    },
    /// `memory` is in KiB.
    Argon2 {
        variant: argon2::Algorithm,
        version: argon2::Version,
        memory: u32,
        passes: u32,
        lanes: u32,
    },
}

/// The hash function of PBKDF2's HMAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

impl Digest {
    const ALL: [Self; 3] = [Self::Sha1, Self::Sha256, Self::Sha512];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.name() == name)
    }

    const fn algorithm(self) -> pbkdf2::Algorithm {
        match self {
            Self::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Self::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
            Self::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The most iterations of PBKDF2, times the blocks of the key: ten times the default of Django 5.2, and no more than
    /// bcrypt's work at the greatest cost that is imported, see [`DerivedKey::rounds`]. That is a few seconds.
    const fn max_work(self) -> u64 {
        match self {
            Self::Sha1 | Self::Sha256 => 10_000_000,
            Self::Sha512 => 5_000_000,
        }
    }

    /// PBKDF2 does all its iterations for each block of the key.
    const fn blocks(self, key: usize) -> u64 {
        key.div_ceil(self.bytes()) as u64
    }
}

impl DerivedKey {
    /// Parses what another system stored, or the form that is stored here; `None` if it is of no known kind
    /// or damaged. The cost is not checked.
    pub(super) fn parse(text: &str) -> Option<Self> {
        formats::parse(text).filter(Self::is_sound)
    }

    /// Parses the form that is stored here, see [`fmt::Display`].
    pub(super) fn parse_stored(text: &str) -> Option<Self> {
        formats::phc(text).filter(Self::is_sound)
    }

    fn is_sound(&self) -> bool {
        let min_salt = if matches!(self.function, Function::Argon2 { .. }) { ARGON2_MIN_SALT } else { 1 };
        SALT.contains(&self.salt.len()) && self.salt.len() >= min_salt && KEY.contains(&self.key.len())
    }

    /// Refuses a hash whose check takes too long or too much memory, or that protects nothing. The error names
    /// the bounds.
    pub(super) fn check_cost(&self) -> Result<(), &'static str> {
        let within = match self.function {
            Function::Pbkdf2 { digest, iterations } => {
                let work = u64::from(iterations) * digest.blocks(self.key.len());
                iterations >= MIN_ITERATIONS && work <= digest.max_work()
            }
            Function::Scrypt { log_n, r, p } => {
                let work = u64::from(r).checked_mul(u64::from(p)).and_then(|rp| rp.checked_shl(log_n.into()));
                // Checked first: within it, no other product can overflow.
                (1..=22).contains(&log_n)
                    && r > 0
                    && p > 0
                    && u64::from(r) * u64::from(p) <= MAX_SCRYPT_WORK
                    && work.is_some_and(|work| work <= MAX_SCRYPT_WORK)
                    && self.memory() <= MAX_SCRYPT_MEMORY
            }
            Function::Argon2 { memory, passes, lanes, .. } => {
                (1..=MAX_LANES).contains(&lanes)
                    && passes > 0
                    && u64::from(memory) * u64::from(passes) <= MAX_ARGON2_WORK
                    && memory >= 8 * lanes
                    && self.memory() <= MAX_ARGON2_MEMORY
            }
        };
        if within { Ok(()) } else { Err(self.bounds()) }
    }

    /// The bounds, for a message.
    const fn bounds(&self) -> &'static str {
        match self.function {
            Function::Pbkdf2 { .. } => {
                "PBKDF2 from 1,000 to 10,000,000 iterations (SHA-512: 5,000,000), times the blocks of its key"
            }
            Function::Scrypt { .. } => "scrypt up to 257 MiB of memory and N * r * p = 4,194,304",
            Function::Argon2 { .. } => {
                "Argon2 up to 256 MiB of memory, times its passes 1 GiB, with at most 64 lanes"
            }
        }
    }

    /// Bytes that a check needs.
    fn memory(&self) -> u64 {
        match self.function {
            Function::Pbkdf2 { .. } => 0,
            Function::Scrypt { log_n, r, p } => {
                // N blocks of the same size, p that are mixed one after the other, and one to mix them in.
                ((1 << log_n.min(32)) + u64::from(p) + 1).saturating_mul(128 * u64::from(r))
            }
            Function::Argon2 { memory, .. } => u64::from(memory) << 10,
        }
    }

    /// About how many rounds of bcrypt take as long as this hash, measured on x86-64: a round, of which
    /// cost c has 2^c, takes as long as 190 iterations of PBKDF2 with SHA-256.
    pub(super) fn rounds(&self) -> u64 {
        match self.function {
            Function::Pbkdf2 { digest, iterations } => {
                let each = match digest {
                    Digest::Sha1 => 210,
                    Digest::Sha256 => 190,
                    Digest::Sha512 => 80,
                };
                u64::from(iterations) * digest.blocks(self.key.len()) / each
            }
            Function::Scrypt { log_n, r, p } => {
                ((u64::from(r) * u64::from(p)).saturating_mul(1 << log_n.min(32))) / 210
            }
            Function::Argon2 { memory, passes, .. } => u64::from(memory) * u64::from(passes) / 70,
        }
    }

    /// `None` if the key cannot be computed. Waits while other checks use the memory that all share.
    pub(super) fn matches(&self, password: &[u8]) -> Option<bool> {
        // What is stored was imported within the bounds. A row that was written otherwise is not computed.
        self.check_cost().ok()?;
        let _memory = MEMORY.take(self.memory());
        let mut computed = vec![0; self.key.len()];
        match self.function {
            Function::Pbkdf2 { digest, iterations } => {
                let iterations = NonZeroU32::new(iterations)?;
                pbkdf2::derive(digest.algorithm(), iterations, &self.salt, password, &mut computed);
            }
            Function::Scrypt { log_n, r, p } => {
                let params = scrypt::Params::new(log_n, r, p).ok()?;
                scrypt::scrypt(password, &self.salt, &params, &mut computed).ok()?;
            }
            Function::Argon2 { variant, version, memory, passes, lanes } => {
                let params = Params::new(memory, passes, lanes, Some(computed.len())).ok()?;
                let argon2 = Argon2::new(variant, version, params);
                argon2.hash_password_into(password, &self.salt, &mut computed).ok()?;
            }
        }
        Some(constant_time::verify_slices_are_equal(&computed, &self.key).is_ok())
    }
}

/// Base64 with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// The form that is stored: a PHC string (<https://github.com/P-H-C/phc-string-format>), whatever form the
/// other system used.
impl fmt::Display for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.function {
            Function::Pbkdf2 { digest, iterations } => {
                write!(f, "$pbkdf2-{}$i={iterations}", digest.name())?;
            }
            Function::Scrypt { log_n, r, p } => write!(f, "$scrypt$ln={log_n},r={r},p={p}")?,
            Function::Argon2 { variant, version, memory, passes, lanes } => {
                let version = u32::from(version);
                write!(f, "${}$v={version}$m={memory},t={passes},p={lanes}", variant.as_str())?;
            }
        }
        write!(f, "${}${}", STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.key))
    }
}

#[cfg(test)]
mod tests;
