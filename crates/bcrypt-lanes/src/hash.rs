//! The text in which hashes are stored.

use std::fmt;
use std::str::FromStr;

use crate::base64;
use crate::input::{Digest, Error, Input, MAX_COST, MIN_COST};

/// A stored hash: `$2b$12$`, 22 characters of salt, 31 of digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hash {
    version: Version,
    cost: u32,
    salt: [u8; 16],
    digest: Digest,
}

/// Three names of the same function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// `$2a$`
    A,
    /// `$2b$`, which new hashes have.
    #[default]
    B,
    /// `$2y$`
    Y,
}

impl Version {
    const ALL: [Self; 3] = [Self::A, Self::B, Self::Y];

    const fn prefix(self) -> &'static str {
        match self {
            Self::A => "$2a$",
            Self::B => "$2b$",
            Self::Y => "$2y$",
        }
    }
}

impl Hash {
    /// # Errors
    /// [`Error::Cost`] if the cost is out of bounds.
    pub fn new(version: Version, cost: u32, salt: [u8; 16], digest: Digest) -> Result<Self, Error> {
        if (MIN_COST..=MAX_COST).contains(&cost) {
            Ok(Self { version, cost, salt, digest })
        } else {
            Err(Error::Cost(cost))
        }
    }

    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    #[must_use]
    pub const fn salt(&self) -> [u8; 16] {
        self.salt
    }

    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// What to compute to check a password.
    #[must_use]
    pub fn input(&self, password: &[u8]) -> Input {
        Input::within_bounds(password, self.cost, self.salt)
    }

    /// Whether the computed digest is the stored one, in constant time.
    #[must_use]
    pub fn matches(&self, computed: &Digest) -> bool {
        self.digest == *computed
    }
}

impl FromStr for Hash {
    type Err = Error;

    /// Accepts what [`fmt::Display`] prints and nothing else.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = |version: Version| {
            let rest = text.strip_prefix(version.prefix())?.as_bytes();
            let ([tens, ones, b'$'], rest) = rest.split_first_chunk()? else { return None };
            let cost = [tens, ones].map(|digit| char::from(*digit).to_digit(10));
            let (salt, digest) = rest.split_at_checked(22)?;
            let cost = cost[0]? * 10 + cost[1]?;
            Some((version, cost, base64::decode(salt)?, Digest(base64::decode(digest)?)))
        };
        let (version, cost, salt, digest) =
            Version::ALL.into_iter().find_map(parts).ok_or(Error::Malformed)?;
        Self::new(version, cost, salt, digest)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(53);
        base64::encode(&self.salt, &mut text);
        base64::encode(&self.digest.0, &mut text);
        write!(f, "{}{:02}${text}", self.version.prefix(), self.cost)
    }
}
